//! The sandbox's time: the machine's, plus a shift that tests set to let visibility, tokens and files age at once.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

/// Milliseconds since 1970, UTC.
pub(crate) type Millis = i64;

#[derive(Debug, Default)]
pub(crate) struct Clock {
    shift: AtomicI64,
}

impl Clock {
    pub(crate) fn now(&self) -> Millis {
        Timestamp::now()
            .as_millisecond()
            .saturating_add(self.shift.load(Ordering::Relaxed))
    }

    /// Moves the sandbox's time on (or back), adding to earlier shifts.
    pub(crate) fn shift(&self, by: Millis) {
        self.shift.fetch_add(by, Ordering::Relaxed);
    }
}

fn timestamp(at: Millis) -> Timestamp {
    Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// `2021-03-25T17:16:56Z`, the form of `startDate` and `endDate`.
pub(crate) fn seconds(at: Millis) -> String {
    timestamp(at).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `2021-03-25T17:21:25.942Z`, the form of `recordedDate`.
pub(crate) fn millis(at: Millis) -> String {
    timestamp(at).strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// `2019-06-26 13:28:11`, the form of `CompletedDate` and of an export file's dates.
pub(crate) fn plain(at: Millis) -> String {
    timestamp(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Reads RFC 3339 with `Z` or an offset; a date alone is its midnight in UTC.
pub(crate) fn parse(text: &str) -> Option<Millis> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at.as_millisecond());
    }
    let midnight = format!("{}T00:00:00Z", text.parse::<jiff::civil::Date>().ok()?);
    midnight
        .parse::<Timestamp>()
        .ok()
        .map(Timestamp::as_millisecond)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_as_recorded() {
        let at = parse("2021-03-25T17:21:25.942Z").unwrap();

        assert_eq!(millis(at), "2021-03-25T17:21:25.942Z");
        assert_eq!(seconds(at), "2021-03-25T17:21:25Z");
        assert_eq!(plain(at), "2021-03-25 17:21:25");
    }

    #[test]
    fn offsets_and_dates_are_read() {
        assert_eq!(
            parse("2021-03-25T11:21:25-06:00"),
            parse("2021-03-25T17:21:25Z")
        );
        assert_eq!(parse("2021-03-25"), parse("2021-03-25T00:00:00Z"));
        assert_eq!(parse("soon"), None);
    }
}
