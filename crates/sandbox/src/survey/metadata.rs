//! The metadata of a response: keys in `values`, export tags, header texts, types.

/// What a metadata value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Text,
    Date,
    Number,
    /// A number with labels.
    Status,
    Finished,
}

/// One metadata field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Metadata {
    pub(crate) key: &'static str,
    pub(crate) tag: &'static str,
    pub(crate) text: &'static str,
    pub(crate) kind: Type,
}

/// In the order of an export file's columns. Source: recorded CSV headers.
pub(crate) const METADATA: [Metadata; 17] = [
    field("startDate", "StartDate", "Start Date", Type::Date),
    field("endDate", "EndDate", "End Date", Type::Date),
    field("status", "Status", "Response Type", Type::Status),
    field("ipAddress", "IPAddress", "IP Address", Type::Text),
    field("progress", "Progress", "Progress", Type::Number),
    field(
        "duration",
        "Duration (in seconds)",
        "Duration (in seconds)",
        Type::Number,
    ),
    field("finished", "Finished", "Finished", Type::Finished),
    field("recordedDate", "RecordedDate", "Recorded Date", Type::Date),
    field("_recordId", "ResponseId", "Response ID", Type::Text),
    field(
        "recipientLastName",
        "RecipientLastName",
        "Recipient Last Name",
        Type::Text,
    ),
    field(
        "recipientFirstName",
        "RecipientFirstName",
        "Recipient First Name",
        Type::Text,
    ),
    field(
        "recipientEmail",
        "RecipientEmail",
        "Recipient Email",
        Type::Text,
    ),
    field(
        "externalDataReference",
        "ExternalReference",
        "External Data Reference",
        Type::Text,
    ),
    field(
        "locationLatitude",
        "LocationLatitude",
        "Location Latitude",
        Type::Text,
    ),
    field(
        "locationLongitude",
        "LocationLongitude",
        "Location Longitude",
        Type::Text,
    ),
    field(
        "distributionChannel",
        "DistributionChannel",
        "Distribution Channel",
        Type::Text,
    ),
    field("userLanguage", "UserLanguage", "User Language", Type::Text),
];

const fn field(key: &'static str, tag: &'static str, text: &'static str, kind: Type) -> Metadata {
    Metadata {
        key,
        tag,
        text,
        kind,
    }
}

/// Missing in anonymised surveys.
pub(crate) const PERSONAL: [&str; 3] = ["ipAddress", "locationLatitude", "locationLongitude"];

/// Source: Qualtrics' "Understanding your dataset"; labels 0, 1 and 2 recorded.
pub(crate) const STATUS: [(i64, &str); 7] = [
    (0, "IP Address"),
    (1, "Survey Preview"),
    (2, "Survey Test"),
    (4, "Imported"),
    (8, "Spam"),
    (16, "Offline"),
    (17, "Offline Preview"),
];

pub(crate) fn status_label(status: i64) -> &'static str {
    STATUS
        .iter()
        .find(|(code, _)| *code == status)
        .map_or("IP Address", |(_, label)| label)
}

/// Metadata by key or export tag.
pub(crate) fn find(name: &str) -> Option<&'static Metadata> {
    METADATA
        .iter()
        .find(|field| field.key == name || field.tag == name)
}
