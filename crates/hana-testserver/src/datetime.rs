//! Days and 100-nanosecond ticks as HANA counts them, and their texts. Nothing here knows a zone.

use jiff::civil::{Date, DateTime, Time};

/// 100-nanosecond units of a day.
pub(crate) const TICKS_PER_DAY: i64 = 864_000_000_000;
/// 100-nanosecond units of a second.
pub(crate) const TICKS_PER_SECOND: i64 = 10_000_000;

/// 1970-01-01 in days since 0001-01-01, so that DAYDATE on the wire is one more.
/// Source: captures, 2026-11-24 is DAYDATE 739,946; that is two more than the proleptic Gregorian calendar counts,
/// because HANA's calendar is Julian before 1582-10-15.
const UNIX_EPOCH_DAYS: i32 = 719_164;
/// 1582-10-15, the first Gregorian day, in days since 0001-01-01.
const FIRST_GREGORIAN_DAYS: i32 = 577_737;
/// The Julian day number of 0001-01-01.
const JULIAN_DAY_OF_FIRST_DAY: i32 = 1_721_424;

/// Days since 0001-01-01 as HANA counts them.
pub(crate) fn days_from_date(date: Date) -> i32 {
    if date < Date::constant(1582, 10, 15) {
        return julian_days(date);
    }
    let since_epoch = date
        .since(Date::constant(1970, 1, 1))
        .map_or(0, |span| span.get_days());
    since_epoch.saturating_add(UNIX_EPOCH_DAYS)
}

/// A date of the Julian calendar. Source: Meeus, "Astronomical Algorithms", 7.
fn julian_days(date: Date) -> i32 {
    let (year, month, day) = (
        i32::from(date.year()),
        i32::from(date.month()),
        i32::from(date.day()),
    );
    let julian_day =
        367 * year - 7 * (year + 5001 + (month - 9) / 7) / 4 + 275 * month / 9 + day + 1_729_777;
    julian_day - JULIAN_DAY_OF_FIRST_DAY
}

/// The inverse of [`days_from_date`]; `None` past year 9999, and for 29 February of the Julian years that have none in
/// the Gregorian calendar.
pub(crate) fn date_from_days(days: i32) -> Option<Date> {
    if days < 0 {
        return None;
    }
    if days < FIRST_GREGORIAN_DAYS {
        let c = days + JULIAN_DAY_OF_FIRST_DAY + 32_082;
        let d = (4 * c + 3) / 1461;
        let e = c - 1461 * d / 4;
        let m = (5 * e + 2) / 153;
        let year = i16::try_from(d - 4800 + m / 10).ok()?;
        let month = i8::try_from(m + 3 - 12 * (m / 10)).ok()?;
        let day = i8::try_from(e - (153 * m + 2) / 5 + 1).ok()?;
        return Date::new(year, month, day).ok();
    }
    let since_epoch = jiff::Span::new()
        .try_days(days.checked_sub(UNIX_EPOCH_DAYS)?)
        .ok()?;
    Date::constant(1970, 1, 1).checked_add(since_epoch).ok()
}

/// Ticks since 0001-01-01.
pub(crate) fn ticks_from_datetime(value: DateTime) -> i64 {
    i64::from(days_from_date(value.date())) * TICKS_PER_DAY + ticks_of_day(value.time())
}

fn ticks_of_day(time: Time) -> i64 {
    i64::from(seconds_from_time(time)) * TICKS_PER_SECOND
        + i64::from(time.subsec_nanosecond() / 100)
}

/// The inverse of [`ticks_from_datetime`].
pub(crate) fn datetime_from_ticks(ticks: i64) -> Option<DateTime> {
    let date = date_from_days(i32::try_from(ticks.div_euclid(TICKS_PER_DAY)).ok()?)?;
    let of_day = ticks.rem_euclid(TICKS_PER_DAY);
    let nanosecond = i32::try_from(of_day % TICKS_PER_SECOND).ok()? * 100;
    let seconds = i32::try_from(of_day / TICKS_PER_SECOND).ok()?;
    let time = time_from_seconds(seconds)?;
    Some(date.to_datetime(time.with().subsec_nanosecond(nanosecond).build().ok()?))
}

/// Seconds since midnight.
pub(crate) fn seconds_from_time(time: Time) -> i32 {
    i32::from(time.hour()) * 3600 + i32::from(time.minute()) * 60 + i32::from(time.second())
}

/// The inverse of [`seconds_from_time`].
pub(crate) fn time_from_seconds(seconds: i32) -> Option<Time> {
    let hour = i8::try_from(seconds / 3600).ok()?;
    let minute = i8::try_from(seconds / 60 % 60).ok()?;
    let second = i8::try_from(seconds % 60).ok()?;
    Time::new(hour, minute, second, 0).ok()
}

/// `YYYY-MM-DD[ |T]HH:MM[:SS[.f…]]`, or the date alone. Digits past the seventh are cut. A zone is refused: what
/// HANA makes of one is not documented, so this server takes none.
pub(crate) fn parse_datetime(text: &str) -> Option<DateTime> {
    let text = text.trim();
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let date = parse_date(date)?;
    let time = match time {
        Some(time) => parse_time(time)?,
        None => Time::midnight(),
    };
    Some(date.to_datetime(time))
}

/// `YYYY-MM-DD`.
pub(crate) fn parse_date(text: &str) -> Option<Date> {
    let mut parts = text.trim().split('-');
    let year = digits(parts.next()?, 4)?;
    let month = digits(parts.next()?, 2)?;
    let day = digits(parts.next()?, 2)?;
    if parts.next().is_some() || year == 0 {
        return None;
    }
    Date::new(
        i16::try_from(year).ok()?,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
    )
    .ok()
}

/// `HH:MM[:SS[.f…]]`.
pub(crate) fn parse_time(text: &str) -> Option<Time> {
    let mut parts = text.trim().split(':');
    let hour = digits(parts.next()?, 2)?;
    let minute = digits(parts.next()?, 2)?;
    let (second, nanosecond) = match parts.next() {
        None => (0, 0),
        Some(seconds) => parse_seconds(seconds)?,
    };
    if parts.next().is_some() {
        return None;
    }
    let (hour, minute) = (i8::try_from(hour).ok()?, i8::try_from(minute).ok()?);
    Time::new(hour, minute, i8::try_from(second).ok()?, nanosecond).ok()
}

fn parse_seconds(text: &str) -> Option<(u32, i32)> {
    let Some((whole, fraction)) = text.split_once('.') else {
        return Some((digits(text, 2)?, 0));
    };
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seven: String = fraction.chars().chain("0000000".chars()).take(7).collect();
    Some((digits(whole, 2)?, seven.parse::<i32>().ok()? * 100))
}

fn digits(text: &str, at_most: usize) -> Option<u32> {
    let valid =
        (1..=at_most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    valid.then(|| text.parse().ok()).flatten()
}

/// HANA's default text of a TIMESTAMP: seven fraction digits.
pub(crate) fn format_timestamp(value: DateTime) -> String {
    format!(
        "{} {}.{:07}",
        value.date(),
        format_time(value.time()),
        value.subsec_nanosecond() / 100
    )
}

/// `HH:MM:SS`.
pub(crate) fn format_time(time: Time) -> String {
    format!(
        "{:02}:{:02}:{:02}",
        time.hour(),
        time.minute(),
        time.second()
    )
}

/// Formats by HANA's picture, e.g. `YYYY-MM-DD HH24:MI:SS.FF7`; `None` for an element that this server does not know.
pub(crate) fn format_picture(value: DateTime, picture: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = picture;
    while let Some(first) = rest.chars().next() {
        let (piece, taken) = picture_element(value, rest).or_else(|| {
            (!first.is_ascii_alphanumeric() || first == 'T' || first == 'Z')
                .then(|| (first.to_string(), first.len_utf8()))
        })?;
        if first == '"' {
            let (literal, after) = rest.get(1..)?.split_once('"')?;
            out.push_str(literal);
            rest = after;
            continue;
        }
        out.push_str(&piece);
        rest = rest.get(taken..)?;
    }
    Some(out)
}

fn picture_element(value: DateTime, rest: &str) -> Option<(String, usize)> {
    let elements: [(&str, String); 8] = [
        ("YYYY", format!("{:04}", value.year())),
        ("MM", format!("{:02}", value.month())),
        ("DD", format!("{:02}", value.day())),
        ("HH24", format!("{:02}", value.hour())),
        ("MI", format!("{:02}", value.minute())),
        ("SS", format!("{:02}", value.second())),
        ("Q", ((value.month() - 1) / 3 + 1).to_string()),
        ("D", value.weekday().to_sunday_one_offset().to_string()),
    ];
    if let Some(after) = rest.strip_prefix("FF") {
        let places = after
            .chars()
            .next()
            .and_then(|digit| digit.to_digit(10))
            .filter(|n| (1..=7).contains(n));
        let all = format!("{:07}", value.subsec_nanosecond() / 100);
        let shown = all
            .get(..usize::try_from(places.unwrap_or(7)).ok()?)?
            .to_owned();
        return Some((shown, if places.is_some() { 3 } else { 2 }));
    }
    elements
        .into_iter()
        .find(|(name, _)| rest.starts_with(name))
        .map(|(name, text)| (text, name.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_counted_as_the_captures_show() {
        // Source: captures/hdbconnect-types.txt: 2026-11-24 is DAYDATE 739,946 (1-based).
        let date = parse_date("2026-11-24").unwrap();

        assert_eq!(days_from_date(date) + 1, 739_946);
        assert_eq!(date_from_days(739_945), Some(date));
    }

    #[test]
    fn days_are_counted_without_a_gap_from_the_first_one_on() {
        assert_eq!(days_from_date(parse_date("0001-01-01").unwrap()), 0);
        assert_eq!(
            days_from_date(parse_date("1582-10-15").unwrap()),
            days_from_date(parse_date("1582-10-04").unwrap()) + 1
        );
        for text in [
            "0001-01-01",
            "0004-02-29",
            "1582-10-04",
            "1582-10-15",
            "9999-12-31",
        ] {
            let date = parse_date(text).unwrap();
            assert_eq!(date_from_days(days_from_date(date)), Some(date), "{text}");
        }
    }

    #[test]
    fn a_timestamp_keeps_seven_digits_and_takes_no_zone() {
        let value = parse_datetime("2026-11-24T06:07:08.123456789").unwrap();

        assert_eq!(format_timestamp(value), "2026-11-24 06:07:08.1234567");
        assert_eq!(
            datetime_from_ticks(ticks_from_datetime(value)),
            Some(value.with().subsec_nanosecond(123_456_700).build().unwrap())
        );
        assert_eq!(parse_datetime("2026-11-24 06:07:08Z"), None);
        assert_eq!(parse_datetime("2026-02-30 06:07:08"), None);
    }

    #[test]
    fn a_picture_writes_what_it_says() {
        let value = parse_datetime("2026-11-24 06:07:08.1234567").unwrap();

        assert_eq!(
            format_picture(value, "YYYY-MM-DD\"T\"HH24:MI:SS.FF3").as_deref(),
            Some("2026-11-24T06:07:08.123")
        );
        assert_eq!(format_picture(value, "MONTH"), None);
    }
}
