//! What an export is asked for, and what is refused. Source: Qualtrics OpenAPI `responseImportsExports.json`.

use serde::Deserialize;
use serde_json::Value;

use crate::clock::{self, Millis};

/// The body of `POST …/export-responses`. A name that is not here is refused, `lastResponseId` among them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Parameters {
    format: Option<String>,
    compress: Option<bool>,
    start_date: Option<String>,
    end_date: Option<String>,
    pub(crate) limit: Option<usize>,
    filter_id: Option<String>,
    export_responses_in_progress: Option<bool>,
    pub(crate) question_ids: Option<Vec<String>>,
    pub(crate) embedded_data_ids: Option<Vec<String>>,
    pub(crate) survey_metadata_ids: Option<Vec<String>>,
    use_labels: Option<bool>,
    include_label_columns: Option<bool>,
    pub(crate) seen_unanswered_recode: Option<Value>,
    pub(crate) multiselect_seen_unanswered_recode: Option<Value>,
    include_display_order: Option<bool>,
    breakout_sets: Option<bool>,
    format_decimal_as_comma: Option<bool>,
    pub(crate) newline_replacement: Option<String>,
    time_zone: Option<String>,
    sort_by_last_modified_date: Option<bool>,
    allow_continuation: Option<bool>,
    pub(crate) continuation_token: Option<String>,
}

/// A file's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Csv,
    Tsv,
    Json,
    Ndjson,
}

impl Format {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
        }
    }

    pub(crate) fn is_table(self) -> bool {
        matches!(self, Self::Csv | Self::Tsv)
    }
}

/// Parameters that make sense together.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) format: Format,
    pub(crate) start: Option<Millis>,
    pub(crate) end: Option<Millis>,
    pub(crate) parameters: Parameters,
}

impl Parameters {
    pub(crate) fn compress(&self) -> bool {
        self.compress.unwrap_or(true)
    }

    pub(crate) fn only_unfinished(&self) -> bool {
        self.export_responses_in_progress == Some(true)
    }

    pub(crate) fn labels(&self) -> bool {
        self.use_labels == Some(true)
    }

    pub(crate) fn label_columns(&self) -> bool {
        self.include_label_columns == Some(true)
    }

    pub(crate) fn display_order(&self) -> bool {
        self.include_display_order == Some(true)
    }

    pub(crate) fn breakout(&self) -> bool {
        self.breakout_sets != Some(false)
    }

    pub(crate) fn decimal_comma(&self) -> bool {
        self.format_decimal_as_comma == Some(true)
    }

    pub(crate) fn by_modification(&self) -> bool {
        self.sort_by_last_modified_date == Some(true)
    }

    pub(crate) fn allows_continuation(&self) -> bool {
        self.allow_continuation == Some(true)
    }

    pub(crate) fn continues(&self) -> bool {
        self.allows_continuation() || self.continuation_token.is_some()
    }

    /// Whether a document must be cut down to some of its values.
    pub(crate) fn is_subset(&self) -> bool {
        self.question_ids.is_some()
            || self.embedded_data_ids.is_some()
            || self.survey_metadata_ids.is_some()
    }

    fn only_for_tables(&self) -> Option<&'static str> {
        [
            (self.include_display_order.is_some(), "includeDisplayOrder"),
            (self.use_labels.is_some(), "useLabels"),
            (self.include_label_columns.is_some(), "includeLabelColumns"),
            (
                self.format_decimal_as_comma.is_some(),
                "formatDecimalAsComma",
            ),
            (
                self.seen_unanswered_recode.is_some(),
                "seenUnansweredRecode",
            ),
            (
                self.multiselect_seen_unanswered_recode.is_some(),
                "multiselectSeenUnansweredRecode",
            ),
            (self.time_zone.is_some(), "timeZone"),
            (self.newline_replacement.is_some(), "newlineReplacement"),
            (self.breakout_sets.is_some(), "breakoutSets"),
        ]
        .into_iter()
        .find_map(|(given, name)| given.then_some(name))
    }
}

impl Order {
    /// Reads a body; the error is the message of a 400.
    pub(crate) fn read(body: &[u8]) -> Result<Self, String> {
        let parameters: Parameters = serde_json::from_slice(body).map_err(|error| {
            let text = error.to_string();
            match text
                .strip_prefix("unknown field `")
                .and_then(|rest| rest.split_once('`'))
            {
                Some((name, _)) => format!("Unexpected json key provided: {name}"),
                None => "Invalid export parameters.".to_owned(),
            }
        })?;
        let format = match parameters.format.as_deref() {
            Some("csv") => Format::Csv,
            Some("tsv") => Format::Tsv,
            Some("json") => Format::Json,
            Some("ndjson") => Format::Ndjson,
            Some("spss" | "xml") => {
                return Err("The sandbox does not export spss and xml.".to_owned());
            }
            _ => return Err("Invalid format parameter.".to_owned()),
        };
        if let Some(name) = parameters.only_for_tables().filter(|_| !format.is_table()) {
            return Err(format!(
                "{name} is not supported for {} exports.",
                format.name()
            ));
        }
        if parameters.filter_id.is_some()
            && (parameters.by_modification() || parameters.continues())
        {
            return Err(
                "filterId can't be used with sortByLastModifiedDate or continuation.".to_owned(),
            );
        }
        if parameters.filter_id.is_some() {
            return Err("The sandbox has no filters.".to_owned());
        }
        if parameters.labels() && parameters.label_columns() {
            return Err("useLabels can't be used with includeLabelColumns.".to_owned());
        }
        if parameters.allow_continuation.is_some() && parameters.continuation_token.is_some() {
            return Err("allowContinuation can't be used with continuationToken.".to_owned());
        }
        if !matches!(
            parameters.time_zone.as_deref(),
            None | Some("Z" | "UTC" | "Etc/UTC")
        ) {
            return Err("The sandbox knows no time zone but UTC.".to_owned());
        }
        let (start, end) = (
            date(parameters.start_date.as_deref())?,
            date(parameters.end_date.as_deref())?,
        );
        Ok(Self {
            format,
            start,
            end,
            parameters,
        })
    }

    /// Start inclusive, end exclusive.
    pub(crate) fn covers(&self, at: Millis) -> bool {
        self.start.is_none_or(|start| at >= start) && self.end.is_none_or(|end| at < end)
    }
}

/// Whole seconds with `Z` or an offset: some endpoints refuse milliseconds, say the docs; this one does, to be strict.
fn date(text: Option<&str>) -> Result<Option<Millis>, String> {
    let Some(text) = text else { return Ok(None) };
    let at = clock::parse(text)
        .filter(|at| text.contains('T') && at % 1_000 == 0 && !text.contains('.'));
    at.map(Some).ok_or_else(|| {
        format!(
            "Invalid date: {}",
            text.chars().take(40).collect::<String>()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_go_together_is_refused() {
        let check = |body: &str, message: &str| {
            assert_eq!(Order::read(body.as_bytes()).unwrap_err(), message, "{body}")
        };

        check(
            r#"{"format":"ndjson","useLabels":true}"#,
            "useLabels is not supported for ndjson exports.",
        );
        check(
            r#"{"format":"json","breakoutSets":false}"#,
            "breakoutSets is not supported for json exports.",
        );
        check(
            r#"{"format":"csv","lastResponseId":"R_1"}"#,
            "Unexpected json key provided: lastResponseId",
        );
        check(r#"{}"#, "Invalid format parameter.");
        check(
            r#"{"format":"csv","useLabels":true,"includeLabelColumns":true}"#,
            "useLabels can't be used with includeLabelColumns.",
        );
        check(
            r#"{"format":"csv","allowContinuation":true,"continuationToken":"x"}"#,
            "allowContinuation can't be used with continuationToken.",
        );
        check(
            r#"{"format":"csv","filterId":"f","sortByLastModifiedDate":true}"#,
            "filterId can't be used with sortByLastModifiedDate or continuation.",
        );
        check(
            r#"{"format":"csv","startDate":"2026-01-01T00:00:00.000Z"}"#,
            "Invalid date: 2026-01-01T00:00:00.000Z",
        );
    }

    #[test]
    fn the_start_is_included_and_the_end_is_not() {
        let body = r#"{"format":"csv","startDate":"2026-01-01T00:00:00Z","endDate":"2026-01-01T01:00:00-06:00"}"#;
        let order = Order::read(body.as_bytes()).unwrap();
        let at = |text| clock::parse(text).unwrap();

        assert!(order.covers(at("2026-01-01T00:00:00Z")));
        assert!(order.covers(at("2026-01-01T06:59:59.999Z")));
        assert!(!order.covers(at("2026-01-01T07:00:00Z")));
        assert!(!order.covers(at("2025-12-31T23:59:59.999Z")));
    }
}
