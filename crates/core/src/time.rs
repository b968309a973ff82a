//! One name for an instant, and the texts that instants travel as.

use jiff::civil;

/// An instant in UTC. Kept as precisely as it was sent.
pub use jiff::Timestamp;

/// The instant up to which a survey is known to be complete; only a reconcile pass moves it.
pub type Watermark = Timestamp;

/// RFC 3339 in UTC with `Z`: three fraction digits, seven where finer digits are not zero (100 ns is what HANA's
/// TIMESTAMP keeps). Digits beyond the seventh are cut. All such texts sort as the instants do, as long as the
/// shorter form is read as ending in zeros.
#[must_use]
pub fn to_text(instant: Timestamp) -> String {
    let nanoseconds = instant.subsec_nanosecond();
    let digits = if nanoseconds % 1_000_000 / 100 == 0 {
        3
    } else {
        7
    };
    format!("{instant:.digits$}")
}

/// Reads `CompletedDate` (`YYYY-MM-DD hh:mm:ss`, no zone) as UTC, cut to whole seconds.
/// RFC 3339 is taken too, because a Workflows task pipes what its author chose.
/// Source: Qualtrics' webhook table calls the field UTC.
#[must_use]
pub fn parse_completed_date(text: &str) -> Option<Timestamp> {
    let instant = parse_instant(text)?;
    Timestamp::from_second(instant.as_second()).ok()
}

/// Reads an RFC 3339 instant, or a civil date-time without a zone as UTC.
#[must_use]
pub fn parse_instant(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    text.parse()
        .or_else(|_| jiff::tz::TimeZone::UTC.to_timestamp(text.parse::<civil::DateTime>()?))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instant(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn texts_have_three_digits_or_seven() {
        assert_eq!(
            to_text(instant("2021-03-25T17:21:25.942Z")),
            "2021-03-25T17:21:25.942Z"
        );
        assert_eq!(
            to_text(instant("2021-03-25T17:21:25Z")),
            "2021-03-25T17:21:25.000Z"
        );
        assert_eq!(
            to_text(instant("2021-03-25T17:21:25.9421234Z")),
            "2021-03-25T17:21:25.9421234Z"
        );
        assert_eq!(
            to_text(instant("2021-03-25T17:21:25.94212349Z")),
            "2021-03-25T17:21:25.9421234Z"
        );
    }

    #[test]
    fn completed_dates_are_utc_whole_seconds() {
        assert_eq!(
            parse_completed_date("2019-06-25 07:58:25"),
            Some(instant("2019-06-25T07:58:25Z"))
        );
        assert_eq!(
            parse_completed_date("2019-06-25T07:58:25.9+02:00"),
            Some(instant("2019-06-25T05:58:25Z"))
        );
        assert_eq!(parse_completed_date(""), None);
        assert_eq!(parse_completed_date("yesterday"), None);
    }
}
