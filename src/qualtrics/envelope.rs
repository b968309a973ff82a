//! What stands around every answer: `{"result": …, "meta": {"httpStatus", "requestId", "notice"?, "error"?}}`.
//! Source: recorded answers; key order varies, `result` is missing when there is nothing to return.

use std::borrow::Cow;
use std::time::Duration;

use ingester_core::time::Timestamp;
use serde::Deserialize;

use super::ask::Endpoint;
use super::error::QualtricsError;
use super::said::Said;

/// `meta`, as far as we look at it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Meta<'a> {
    #[serde(borrow, default)]
    http_status: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) request_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) notice: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    error: Option<ErrorMeta<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ErrorMeta<'a> {
    #[serde(borrow, default)]
    error_message: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    error_code: Option<Cow<'a, str>>,
}

#[derive(Debug, Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    meta: Option<Meta<'a>>,
}

impl Meta<'_> {
    /// The worse of the status line and `meta.httpStatus`, which can differ. Source: Qualtrics API reference.
    pub(super) fn worse_status(&self, status: u16) -> u16 {
        let digits: String = self
            .http_status
            .iter()
            .flat_map(|text| text.trim_start().chars())
            .take_while(char::is_ascii_digit)
            .take(3)
            .collect();
        digits.parse().unwrap_or(0).max(status)
    }

    pub(super) fn said(&self) -> Said {
        let error = self.error.as_ref();
        Said::new(
            error.and_then(|error| error.error_code.as_deref()),
            error.and_then(|error| error.error_message.as_deref()),
            self.request_id.as_deref(),
        )
    }
}

/// Reads `meta`; none if the body is not JSON. A body without `meta` has an empty one.
pub(super) fn meta(body: &[u8]) -> Option<Meta<'_>> {
    let envelope: Envelope<'_> = serde_json::from_slice(body).ok()?;
    Some(envelope.meta.unwrap_or_default())
}

/// Reads `result` into what is asked for.
pub(super) fn result<'a, T: Deserialize<'a>>(
    endpoint: Endpoint,
    body: &'a [u8],
) -> Result<T, QualtricsError> {
    #[derive(Deserialize)]
    struct WithResult<T> {
        result: T,
    }
    serde_json::from_slice::<WithResult<T>>(body)
        .map(|envelope| envelope.result)
        .map_err(|error| unexpected(endpoint, &error))
}

/// Says where the JSON is not what it should be, never what stands there: that may be an answer.
pub(super) fn unexpected(endpoint: Endpoint, error: &serde_json::Error) -> QualtricsError {
    let (line, column) = (error.line(), error.column());
    let problem = match error.classify() {
        serde_json::error::Category::Data => "JSON of another shape",
        serde_json::error::Category::Eof => "JSON that ends too early",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "broken JSON",
    };
    QualtricsError::bad(
        endpoint,
        format!("{problem} (line {line}, column {column})"),
    )
}

/// Reads `Retry-After`: seconds, or a date; what is negative or past is zero, what is longer than 15 minutes is
/// 15 minutes, anything else is nothing. Source: RFC 9110, 10.2.3; Qualtrics' documentation says seconds, and no
/// real one was ever captured.
pub(super) fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    const LONGEST: Duration = Duration::from_secs(15 * 60);
    let text = text.trim();
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        if text.starts_with('-') {
            return Some(Duration::ZERO);
        }
        let seconds = digits.parse().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(seconds).min(LONGEST));
    }
    let date = text.strip_suffix("GMT")?.trim_end();
    let date = Timestamp::strptime("%a, %d %b %Y %H:%M:%S %z", format!("{date} +0000")).ok()?;
    let wait = date.duration_since(now);
    Some(Duration::try_from(wait).unwrap_or_default().min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worse_status_counts() {
        let meta = |text: &str| format!(r#"{{"meta":{{"httpStatus":"{text}"}}}}"#);
        let worse = |text: &str, status| {
            let body = meta(text);
            super::meta(body.as_bytes()).unwrap().worse_status(status)
        };

        assert_eq!(worse("200 - OK", 200), 200);
        assert_eq!(worse("429 - Too Many Requests", 200), 429);
        assert_eq!(worse("200 - OK", 503), 503);
        assert_eq!(worse("202 - Accepted", 200), 202);
        assert_eq!(worse("OK", 200), 200);
        assert_eq!(worse("99999", 200), 999);
    }

    #[test]
    fn what_is_wrong_with_json_is_told_without_its_content() {
        for (body, problem) in [
            (&br#"{"result":"secret"}"#[..], "another shape"),
            (br#"{"result":{"a":"secret"#, "ends too early"),
            (b"<html>secret", "broken JSON"),
        ] {
            let error = result::<serde_json::Map<_, _>>(Endpoint::Survey, body)
                .unwrap_err()
                .to_string();

            assert!(error.contains(problem), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn retry_after_is_read_in_all_its_forms() {
        let now: Timestamp = "2026-01-31T12:00:00Z".parse().unwrap();
        let seconds = |text| retry_after(text, now).map(|wait| wait.as_secs());

        assert_eq!(seconds("12"), Some(12));
        assert_eq!(seconds(" 7 "), Some(7));
        assert_eq!(seconds("0"), Some(0));
        assert_eq!(seconds("-5"), Some(0));
        assert_eq!(seconds("999999999999999999999999"), Some(900));
        assert_eq!(seconds("Sat, 31 Jan 2026 12:00:42 GMT"), Some(42));
        assert_eq!(seconds("Sat, 31 Jan 2026 11:00:00 GMT"), Some(0));
        assert_eq!(seconds("Tue, 31 Dec 2030 00:00:00 GMT"), Some(900));
        for garbage in [
            "",
            "soon",
            "-",
            "12s",
            "1.5",
            "Sat, 99 Foo 2026 12:00:42 GMT",
            "GMT",
        ] {
            assert_eq!(seconds(garbage), None, "{garbage}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_retry_after_makes_us_wait_longer_than_a_quarter_of_an_hour(text in ".{0,40}") {
            let now = "2026-01-31T12:00:00Z".parse().unwrap();
            assert!(retry_after(&text, now).is_none_or(|wait| wait <= Duration::from_secs(900)));
        }
    }
}
