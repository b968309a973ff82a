//! Which format the answer has: `$format` before `Accept`, both as media types with parameters.
//! Source: OData V4.01 Part 1, 8.2.1 and 11.2.12; JSON Format, 3; RFC 9110, 12.5.1.

use super::error::{Problem, QueryError, shown};

/// A format that is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// OData's JSON.
    Json(JsonFormat),
    /// Comma-separated values of the whole result.
    Csv,
    /// CSDL XML: `$metadata` only.
    Xml,
    /// A bare value: `/$count` and `/$value`.
    Text,
}

/// The parameters of OData's JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct JsonFormat {
    /// How much control information there is.
    pub metadata: Metadata,
    /// Whether 64-bit whole numbers and decimals are strings.
    pub ieee754_compatible: bool,
}

/// How much control information there is. `full` is answered with `minimal`, and says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Metadata {
    /// Only counts and links.
    None,
    /// With `@odata.context`.
    #[default]
    Minimal,
}

/// What a resource can be answered with, its default first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer {
    /// JSON or CSV.
    Rows,
    /// JSON.
    Json,
    /// XML or JSON.
    Metadata,
    /// Text, whatever is asked for.
    Text,
}

impl Format {
    /// The answer's `Content-Type`.
    #[must_use]
    pub fn content_type(&self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Xml => "application/xml; charset=utf-8",
            Self::Text => "text/plain; charset=utf-8",
            Self::Json(JsonFormat {
                metadata,
                ieee754_compatible,
            }) => match (metadata, ieee754_compatible) {
                (Metadata::Minimal, false) => "application/json;odata.metadata=minimal",
                (Metadata::Minimal, true) => {
                    "application/json;odata.metadata=minimal;IEEE754Compatible=true"
                }
                (Metadata::None, false) => "application/json;odata.metadata=none",
                (Metadata::None, true) => {
                    "application/json;odata.metadata=none;IEEE754Compatible=true"
                }
            },
        }
    }

    /// Chooses among what is offered.
    pub(crate) fn negotiate(
        offer: Offer,
        option: Option<&str>,
        accept: Option<&str>,
    ) -> Result<Self, QueryError> {
        if offer == Offer::Text {
            return Ok(Self::Text);
        }
        if let Some(option) = option {
            let wanted = match option {
                "json" => "application/json",
                "xml" => "application/xml",
                "csv" => "text/csv",
                other => other,
            };
            return Self::offered(offer, wanted)
                .ok_or_else(|| not_acceptable(offer, option).about("$format"));
        }
        let Some(accept) = accept.filter(|accept| !accept.trim().is_empty()) else {
            return Ok(offer.default());
        };
        let mut ranges: Vec<(u16, &str)> = accept
            .split(',')
            .map(|range| (quality(range), range))
            .collect();
        // A stable sort: of equals the first one named wins.
        ranges.sort_by_key(|(quality, _)| std::cmp::Reverse(*quality));
        ranges
            .into_iter()
            .filter(|(quality, _)| *quality > 0)
            .find_map(|(_, range)| Self::offered(offer, range))
            .ok_or_else(|| not_acceptable(offer, accept))
    }

    fn offered(offer: Offer, range: &str) -> Option<Self> {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next()?.to_ascii_lowercase();
        match (media.as_str(), offer) {
            ("application/json", _) => Some(Self::Json(JsonFormat::from_parameters(parts))),
            ("application/*", Offer::Rows | Offer::Json) => Some(offer.default()),
            ("*/*" | "application/*", _) => Some(offer.default()),
            ("application/xml", Offer::Metadata) => Some(Self::Xml),
            ("text/csv" | "text/*", Offer::Rows) => Some(Self::Csv),
            _ => None,
        }
    }
}

impl Offer {
    fn default(self) -> Format {
        match self {
            Self::Rows | Self::Json => Format::Json(JsonFormat::default()),
            Self::Metadata => Format::Xml,
            Self::Text => Format::Text,
        }
    }

    fn names(self) -> &'static str {
        match self {
            Self::Rows => "application/json or text/csv",
            Self::Json => "application/json",
            Self::Metadata => "application/xml or application/json",
            Self::Text => "text/plain",
        }
    }
}

impl JsonFormat {
    fn from_parameters<'a>(parameters: impl Iterator<Item = &'a str>) -> Self {
        let mut format = Self::default();
        for (name, value) in parameters.filter_map(|parameter| parameter.split_once('=')) {
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "odata.metadata" | "metadata" if value.eq_ignore_ascii_case("none") => {
                    format.metadata = Metadata::None
                }
                "ieee754compatible" => {
                    format.ieee754_compatible = value.eq_ignore_ascii_case("true")
                }
                _ => {}
            }
        }
        format
    }
}

/// The weight of a media range in thousandths.
fn quality(range: &str) -> u16 {
    let weight = range
        .split(';')
        .skip(1)
        .find_map(|parameter| parameter.trim().strip_prefix("q="));
    let Some(weight) = weight else { return 1000 };
    let (whole, fraction) = weight.split_once('.').unwrap_or((weight, ""));
    let fraction: String = fraction.chars().chain("000".chars()).take(3).collect();
    match (whole.trim(), fraction.parse::<u16>()) {
        ("0", Ok(thousandths)) => thousandths,
        _ => 1000,
    }
}

fn not_acceptable(offer: Offer, wanted: &str) -> QueryError {
    let message = format!(
        "`{}` is not served here: ask for {}",
        shown(wanted),
        offer.names()
    );
    QueryError::new(Problem::NotAcceptable, message)
}

/// Refuses versions that this service does not speak. Source: OData V4.01 Part 1, 8.1.5 and 8.2.7.
pub(crate) fn check_versions(
    version: Option<&str>,
    max_version: Option<&str>,
) -> Result<(), QueryError> {
    let number = |text: &str| match text.trim() {
        "4.0" | "4.01" => Some(4),
        other => other
            .split('.')
            .next()
            .and_then(|major| major.parse::<u8>().ok()),
    };
    if version.is_some_and(|version| number(version) != Some(4)) {
        let message = "OData-Version must be 4.0 or 4.01";
        return Err(QueryError::new(Problem::Malformed, message).about("OData-Version"));
    }
    if max_version.is_some_and(|max| number(max).is_none_or(|major| major < 4)) {
        let message = "OData-MaxVersion is below 4.0, the lowest version served";
        return Err(QueryError::new(Problem::Malformed, message).about("OData-MaxVersion"));
    }
    Ok(())
}

/// The page size that `Prefer` asks for. Source: OData V4.01 Part 1, 8.2.8.6.
pub(crate) fn preferred_page_size(prefer: Option<&str>) -> Option<u64> {
    prefer?.split(',').find_map(|preference| {
        let (name, value) = preference.split_once('=')?;
        let name = name.trim().to_ascii_lowercase();
        let known = matches!(name.as_str(), "odata.maxpagesize" | "maxpagesize");
        let value = value.split(';').next()?.trim().trim_matches('"');
        known
            .then(|| value.parse().ok())
            .flatten()
            .filter(|size| *size > 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(offer: Offer, accept: &str, expected: Option<&str>) {
        let format = Format::negotiate(offer, None, Some(accept)).ok();
        assert_eq!(
            format.as_ref().map(Format::content_type),
            expected,
            "{accept}"
        );
    }

    #[test]
    fn the_best_range_wins() {
        const JSON: Option<&str> = Some("application/json;odata.metadata=minimal");
        const CSV: Option<&str> = Some("text/csv; charset=utf-8; header=present");
        const XML: Option<&str> = Some("application/xml; charset=utf-8");
        check(Offer::Rows, "application/json, */*", JSON);
        check(Offer::Rows, "", JSON);
        check(
            Offer::Rows,
            "text/html,application/xhtml+xml,*/*;q=0.8",
            JSON,
        );
        check(Offer::Rows, "text/csv", CSV);
        check(Offer::Rows, "text/csv;q=0.5, application/json;q=0.9", JSON);
        check(Offer::Rows, "application/xml", None);
        check(Offer::Json, "text/csv", None);
        check(Offer::Rows, "application/json;q=0", None);
        check(Offer::Metadata, "*/*", XML);
        check(Offer::Metadata, "application/json", JSON);
        check(
            Offer::Json,
            "application/json;odata.metadata=minimal;IEEE754Compatible=true",
            Some("application/json;odata.metadata=minimal;IEEE754Compatible=true"),
        );
        check(
            Offer::Json,
            "application/json;odata.metadata=none",
            Some("application/json;odata.metadata=none"),
        );
    }

    #[test]
    fn text_is_plain_whatever_is_asked_for() {
        check(
            Offer::Text,
            "application/json",
            Some("text/plain; charset=utf-8"),
        );
    }
}
