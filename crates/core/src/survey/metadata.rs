//! What every response says of itself, apart from answers.
//!
//! Source: Qualtrics' "Understanding your dataset"; keys and tags as in the recorded CSV header with its import ids
//! (`fixtures/surveys/SV_3gbwq8aJgqPwQDP`). Tag and key differ for `ResponseId` and `ExternalReference`.

use super::field::Answer;

/// One metadata key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Metadata {
    pub(crate) key: &'static str,
    pub(crate) tag: &'static str,
    pub(crate) answer: Answer,
    pub(crate) text: &'static str,
    /// A column without being named.
    pub(crate) by_default: bool,
    /// Says who or where somebody is: removed from documents unless named.
    pub(crate) personal: bool,
}

const fn metadata(
    key: &'static str,
    tag: &'static str,
    answer: Answer,
    text: &'static str,
) -> Metadata {
    Metadata {
        key,
        tag,
        answer,
        text,
        by_default: true,
        personal: false,
    }
}

const fn personal(key: &'static str, tag: &'static str, text: &'static str) -> Metadata {
    Metadata {
        key,
        tag,
        answer: Answer::Text,
        text,
        by_default: false,
        personal: true,
    }
}

/// In the export file's order.
pub(crate) const METADATA: &[Metadata] = &[
    metadata("startDate", "StartDate", Answer::Instant, "Start Date"),
    metadata("endDate", "EndDate", Answer::Instant, "End Date"),
    metadata("status", "Status", Answer::Integer, "Response Type"),
    personal("ipAddress", "IPAddress", "IP Address"),
    metadata("progress", "Progress", Answer::Integer, "Progress"),
    metadata(
        "duration",
        "Duration (in seconds)",
        Answer::Integer,
        "Duration (in seconds)",
    ),
    metadata("finished", "Finished", Answer::Integer, "Finished"),
    metadata(
        "recordedDate",
        "RecordedDate",
        Answer::Instant,
        "Recorded Date",
    ),
    metadata("_recordId", "ResponseId", Answer::Text, "Response ID"),
    personal(
        "recipientLastName",
        "RecipientLastName",
        "Recipient Last Name",
    ),
    personal(
        "recipientFirstName",
        "RecipientFirstName",
        "Recipient First Name",
    ),
    personal("recipientEmail", "RecipientEmail", "Recipient Email"),
    personal(
        "externalDataReference",
        "ExternalReference",
        "External Data Reference",
    ),
    personal("locationLatitude", "LocationLatitude", "Location Latitude"),
    personal(
        "locationLongitude",
        "LocationLongitude",
        "Location Longitude",
    ),
    metadata(
        "distributionChannel",
        "DistributionChannel",
        Answer::Text,
        "Distribution Channel",
    ),
    metadata(
        "userLanguage",
        "UserLanguage",
        Answer::Text,
        "User Language",
    ),
    Metadata {
        key: "lastModifiedDate",
        tag: "LastModifiedDate",
        answer: Answer::Instant,
        text: "Last Modified Date",
        by_default: false,
        personal: false,
    },
];

/// The key of the response's own id.
pub(crate) const RESPONSE_ID_KEY: &str = "_recordId";
/// The key of the instant from which the response counts as recorded.
pub(crate) const RECORDED_DATE_KEY: &str = "recordedDate";

/// The metadata that stands under this key, or under the name that a survey's flow or a link gives it: personal
/// metadata may also be declared as embedded data, or come in a link's query, under its tag.
pub(crate) fn personal_of(name: &str) -> Option<&'static Metadata> {
    // Every key of every document is asked about, and few begin like one of these.
    if !matches!(
        name.as_bytes().first(),
        Some(b'i' | b'I' | b'r' | b'R' | b'e' | b'E' | b'l' | b'L')
    ) {
        return None;
    }
    METADATA.iter().find(|metadata| {
        metadata.personal
            && (metadata.key.eq_ignore_ascii_case(name) || metadata.tag.eq_ignore_ascii_case(name))
    })
}

/// The metadata under exactly this key.
pub(crate) fn of_key(key: &str) -> Option<&'static Metadata> {
    METADATA.iter().find(|metadata| metadata.key == key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn personal_metadata_is_known_by_key_and_by_tag_in_any_case() {
        for metadata in METADATA {
            for name in [metadata.key, metadata.tag] {
                for name in [name.to_owned(), name.to_lowercase(), name.to_uppercase()] {
                    assert_eq!(personal_of(&name).is_some(), metadata.personal, "{name}");
                }
            }
        }
        assert!(personal_of("QID1").is_none());
        assert!(personal_of("").is_none());
    }
}
