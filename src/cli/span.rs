//! Instants on the command line: RFC 3339, a date, or so long ago.

use std::time::Duration;

use ingester_core::time::{Timestamp, parse_instant};

use crate::lifecycle;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Reads `2026-03-01T12:00:00Z`, `2026-03-01` (midnight UTC), `7d` or `12h`. So many days ago means from midnight on, so
/// that the same command an hour later means the same span and can go on with it.
pub(super) fn instant(text: &str) -> Result<Timestamp, String> {
    read(text, lifecycle::now())
        .ok_or_else(|| "use RFC 3339, a date such as 2026-03-01, or 7d".to_owned())
}

fn read(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(age) = humantime::parse_duration(text) {
        let then = now.checked_sub(age).ok()?;
        let whole_days = age.as_secs() % DAY.as_secs() == 0;
        return if whole_days {
            midnight(then)
        } else {
            Some(then)
        };
    }
    parse_instant(text).or_else(|| parse_instant(&format!("{text}T00:00:00Z")))
}

fn midnight(instant: Timestamp) -> Option<Timestamp> {
    let second = instant.as_second();
    let day = i64::try_from(DAY.as_secs()).ok()?;
    Timestamp::from_second(second - second.rem_euclid(day)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_dates_and_ages_are_understood() {
        let check = |text: &str, expected: Option<&str>| {
            let now = "2026-03-08T15:30:00Z".parse().unwrap();
            let expected = expected.map(|text| text.parse().unwrap());
            assert_eq!(read(text, now), expected, "{text}");
        };

        check("2026-03-01T12:00:00+02:00", Some("2026-03-01T10:00:00Z"));
        check("2026-03-01", Some("2026-03-01T00:00:00Z"));
        check("7d", Some("2026-03-01T00:00:00Z"));
        check("90m", Some("2026-03-08T14:00:00Z"));
        check("soon", None);
        check("", None);
    }
}
