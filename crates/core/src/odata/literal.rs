//! Constants as they stand in URLs: numbers, texts, days, instants, durations.
//! Source: OData V4.01 ABNF, section 7 "Literal Data Values".

use std::fmt;

use bigdecimal::BigDecimal;
use jiff::SignedDuration;
use jiff::civil;

use super::expr::Type;
use crate::time::Timestamp;

/// A constant.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number of 64 bits.
    Integer(i64),
    /// A number with a point, or a whole number of more than 64 bits.
    Decimal(BigDecimal),
    /// A number with an exponent.
    Double(f64),
    /// A text in single quotes.
    Text(String),
    /// A day.
    Date(civil::Date),
    /// An instant.
    Timestamp(Timestamp),
    /// A length of time.
    Duration(SignedDuration),
}

impl Literal {
    /// The constant's type.
    #[must_use]
    pub fn kind(&self) -> Type {
        match self {
            Self::Null => Type::Null,
            Self::Boolean(_) => Type::Boolean,
            Self::Integer(_) => Type::Integer,
            Self::Decimal(_) => Type::Decimal,
            Self::Double(_) => Type::Double,
            Self::Text(_) => Type::Text,
            Self::Date(_) => Type::Date,
            Self::Timestamp(_) => Type::Timestamp,
            Self::Duration(_) => Type::Duration,
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Decimal(value) => f.write_str(&value.to_plain_string()),
            Self::Double(value) => write!(f, "{value:e}"),
            Self::Text(value) => write!(f, "'{}'", value.replace('\'', "''")),
            Self::Date(value) => write!(f, "{value}"),
            Self::Timestamp(value) => write!(f, "{value}"),
            Self::Duration(value) => write!(f, "duration'{value}'"),
        }
    }
}

/// Digits of one number. HANA's DECIMAL has 38; what is longer was not meant.
const NUMBER_CHARS_MAX: usize = 64;

/// Reads a constant that begins with a digit or a sign, in whole; the error says what was wrong with it.
pub(crate) fn number_or_time(text: &str) -> Result<Literal, &'static str> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.contains('T') && digits.contains(':') {
        return instant(text).ok_or(
            "expected an instant like 2025-06-01T00:00:00Z (`+` of an offset is written %2B)",
        );
    }
    if digits.contains(':') {
        return Err("times of day are not served: compare hour(), minute() and second()");
    }
    if digits.len() > 4 && digits.get(4..5) == Some("-") && !digits.contains(['e', 'E']) {
        return text
            .parse::<civil::Date>()
            .map(Literal::Date)
            .map_err(|_| "expected a day like 2025-06-01");
    }
    number(text)
}

fn number(text: &str) -> Result<Literal, &'static str> {
    const EXPECTED: &str = "expected a number";
    let digits = text.strip_prefix('-').unwrap_or(text);
    if text.len() > NUMBER_CHARS_MAX {
        return Err("expected a number of at most 64 characters");
    }
    if !digits.starts_with(|char: char| char.is_ascii_digit()) {
        return Err(EXPECTED);
    }
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return match text.parse() {
            Ok(value) => Ok(Literal::Integer(value)),
            Err(_) => text.parse().map(Literal::Decimal).map_err(|_| EXPECTED),
        };
    }
    if digits.contains(['e', 'E']) {
        let value: f64 = text.parse().map_err(|_| EXPECTED)?;
        return if value.is_finite() {
            Ok(Literal::Double(value))
        } else {
            Err("expected a number that fits Edm.Double")
        };
    }
    let (whole, fraction) = digits.split_once('.').ok_or(EXPECTED)?;
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !plain(whole) || !plain(fraction) {
        return Err(EXPECTED);
    }
    text.parse::<BigDecimal>()
        .map(Literal::Decimal)
        .map_err(|_| EXPECTED)
}

fn instant(text: &str) -> Option<Literal> {
    const CLOCK_CHARS_MAX: usize = "00:00:00.123456789".len();
    // The ABNF lets the seconds away; RFC 3339, which the reader follows, doesn't.
    let (day, time) = text.split_once('T')?;
    let zone = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (clock, zone) = time.split_at_checked(zone)?;
    if zone.is_empty() {
        return None;
    }
    let seconds = if clock.len() == 5 { ":00" } else { "" };
    // Nor does it take more than nine digits of a second; the ABNF takes twelve, databases keep seven.
    let clock = clock.get(..CLOCK_CHARS_MAX).unwrap_or(clock);
    format!("{day}T{clock}{seconds}{zone}")
        .parse::<Timestamp>()
        .ok()
        .map(Literal::Timestamp)
}

/// Reads what stands between the quotes of `duration'…'`: days and smaller, as the ABNF has it.
pub(crate) fn duration(text: &str) -> Option<Literal> {
    // Years are left out of Edm.Duration, days are always 24 hours.
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let rest = rest.strip_prefix('P')?;
    let (days, time) = rest.split_once('T').unwrap_or((rest, ""));
    let days: i64 = match days.strip_suffix('D') {
        Some(days) => days.parse().ok()?,
        None if days.is_empty() => 0,
        None => return None,
    };
    let hours = days.checked_mul(24).map(SignedDuration::try_from_hours)??;
    let time = if time.is_empty() {
        SignedDuration::ZERO
    } else {
        format!("PT{time}").parse().ok()?
    };
    let whole = hours.checked_add(time)?;
    Some(Literal::Duration(if negative {
        whole.checked_neg()?
    } else {
        whole
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_type_that_their_text_says() {
        assert_eq!(number_or_time("-9"), Ok(Literal::Integer(-9)));
        assert_eq!(
            number_or_time("2.50"),
            Ok(Literal::Decimal("2.50".parse().unwrap()))
        );
        assert_eq!(number_or_time("1e3"), Ok(Literal::Double(1000.0)));
        assert_eq!(
            number_or_time("9223372036854775808"),
            Ok(Literal::Decimal("9223372036854775808".parse().unwrap()))
        );
        for text in ["", "-", "1.", ".5", "1e999", "1x", "0x10", "1_000", "--1"] {
            assert!(number_or_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn days_and_instants() {
        assert_eq!(
            number_or_time("2024-05-25"),
            Ok(Literal::Date(civil::date(2024, 5, 25)))
        );
        assert_eq!(
            number_or_time("2024-05-25T10:28:44.297+02:00"),
            number_or_time("2024-05-25T08:28:44.297Z")
        );
        assert_eq!(
            number_or_time("2024-05-25T10:28Z"),
            number_or_time("2024-05-25T10:28:00Z")
        );
        for text in [
            "2024-13-01",
            "2024-05-25T10:28:44",
            "2024-05-25T25:00:00Z",
            "10:28:44",
        ] {
            assert!(number_or_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_days_and_smaller() {
        let hours = |hours| Some(Literal::Duration(SignedDuration::from_hours(hours)));
        assert_eq!(duration("P7D"), hours(168));
        assert_eq!(duration("P1DT12H"), hours(36));
        assert_eq!(duration("-PT36H"), hours(-36));
        assert_eq!(duration("P1Y"), None);
        assert_eq!(duration("P9999999999999999D"), None);
    }
}
