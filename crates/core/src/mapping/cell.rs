//! One value into one cell: exactly, or not at all. The single loss that is allowed is text beyond its column's length.

use std::borrow::Cow;

use bigdecimal::BigDecimal;
use jiff::civil;

use super::error::Misfit;
use super::number::Exact;
use crate::row::{Cell, ColumnType};
use crate::survey::json::{Node, Shape, decode};
use crate::time::parse_instant;

/// A JSON value as columns see it.
#[derive(Debug, Clone)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    /// As written.
    Number(Cow<'a, str>),
    Text(Cow<'a, str>),
    /// An array or object, as written.
    Json(&'a str),
}

impl<'a> Value<'a> {
    /// A text that neither database holds is refused here: a lone surrogate has no UTF-8 form, and SQLite's functions
    /// end a text at NUL ("Built-in Scalar SQL Functions", strings with embedded NUL characters).
    pub(super) fn of(node: Node<'a>) -> Result<Self, Misfit> {
        Ok(match node.shape() {
            Shape::Null => Self::Null,
            Shape::Bool => Self::Bool(node.as_str() == "true"),
            Shape::Number => Self::Number(Cow::Borrowed(node.as_str())),
            Shape::Text => Self::Text(decode(node.as_str()).ok_or(Misfit::LoneSurrogate)?),
            Shape::Array | Shape::Object => Self::Json(node.as_str()),
        })
    }

    /// Nothing to see in the export file: absent, or an empty text.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Text(text) => text.is_empty(),
            Self::Bool(_) | Self::Number(_) | Self::Json(_) => false,
        }
    }

    fn into_text(self) -> Cow<'a, str> {
        match self {
            Self::Null => Cow::Borrowed(""),
            Self::Bool(true) => Cow::Borrowed("true"),
            Self::Bool(false) => Cow::Borrowed("false"),
            Self::Number(text) | Self::Text(text) => text,
            Self::Json(text) => Cow::Owned(compact(text)),
        }
    }
}

/// JSON without the white space between its parts, which differs between a single read and an export of the same
/// response. Everything else stays as written.
fn compact(json: &str) -> String {
    let mut compact = String::with_capacity(json.len());
    let (mut in_text, mut escaped) = (false, false);
    for character in json.chars() {
        if !in_text && character.is_ascii_whitespace() {
            continue;
        }
        if character == '"' && !escaped {
            in_text = !in_text;
        }
        escaped = in_text && character == '\\' && !escaped;
        compact.push(character);
    }
    compact
}

/// A cell, and whether its text was cut to fit.
#[derive(Debug)]
pub(super) struct Fitted {
    pub(super) cell: Cell,
    pub(super) cut: bool,
}

/// Puts a value into a column of this type. Null, and empty text where the column is no text, give [`Cell::Null`].
pub(super) fn fit(value: Value<'_>, kind: ColumnType) -> Result<Fitted, Misfit> {
    let cell = match (kind, value) {
        (_, Value::Null) => Cell::Null,
        (ColumnType::NVarchar(length), value) => return text(value, Some(length)),
        (ColumnType::NClob, value) => return text(value, None),
        (_, Value::Json(_)) => return Err(misread(kind)),
        (_, Value::Text(text)) if text.trim().is_empty() => Cell::Null,
        (ColumnType::Boolean, value) => boolean(&value.into_text())?,
        (ColumnType::Date, Value::Text(text)) => date(&text)?,
        (ColumnType::Timestamp, Value::Text(text)) => timestamp(&text)?,
        (ColumnType::Date | ColumnType::Timestamp, Value::Bool(_) | Value::Number(_)) => {
            return Err(Misfit::NotADate);
        }
        (_, Value::Bool(value)) => number(if value { "1" } else { "0" }, kind)?,
        (_, Value::Number(text) | Value::Text(text)) => number(text.trim(), kind)?,
    };
    Ok(Fitted { cell, cut: false })
}

/// A configured number into a column of this type.
pub(super) fn fit_decimal(value: &BigDecimal, kind: ColumnType) -> Result<Cell, Misfit> {
    number(&value.to_scientific_notation(), kind)
}

fn misread(kind: ColumnType) -> Misfit {
    match kind {
        ColumnType::Boolean => Misfit::NotABoolean,
        ColumnType::Date | ColumnType::Timestamp => Misfit::NotADate,
        ColumnType::Integer
        | ColumnType::BigInt
        | ColumnType::Double
        | ColumnType::Decimal { .. }
        | ColumnType::NVarchar(_)
        | ColumnType::NClob => Misfit::NotANumber,
    }
}

fn text(value: Value<'_>, length: Option<u32>) -> Result<Fitted, Misfit> {
    let text = value.into_text();
    if text.contains('\0') {
        return Err(Misfit::Nul);
    }
    let kept = length.map_or(&*text, |length| cut(&text, length));
    let cut = kept.len() < text.len();
    Ok(Fitted {
        cell: Cell::Text(if cut {
            kept.to_owned()
        } else {
            text.into_owned()
        }),
        cut,
    })
}

/// As many whole characters from the beginning as fit into `units` UTF-16 units, which is how HANA counts.
pub(super) fn cut(text: &str, units: u32) -> &str {
    let units = usize::try_from(units).unwrap_or(usize::MAX);
    // No text has more UTF-16 units than bytes.
    if text.len() <= units {
        return text;
    }
    let mut used = 0;
    for (at, character) in text.char_indices() {
        used += character.len_utf16();
        if used > units {
            return text.split_at_checked(at).map_or(text, |(kept, _)| kept);
        }
    }
    text
}

fn boolean(text: &str) -> Result<Cell, Misfit> {
    match text.trim() {
        "1" => Ok(Cell::Boolean(true)),
        "0" => Ok(Cell::Boolean(false)),
        text if text.eq_ignore_ascii_case("true") => Ok(Cell::Boolean(true)),
        text if text.eq_ignore_ascii_case("false") => Ok(Cell::Boolean(false)),
        _ => Err(Misfit::NotABoolean),
    }
}

/// A day, or an instant at which a day begins in UTC: a time of day would be lost.
fn date(text: &str) -> Result<Cell, Misfit> {
    if let Ok(date) = text.trim().parse::<civil::Date>()
        && text.trim().len() == 10
    {
        return Ok(Cell::Date(date));
    }
    let instant = parse_instant(text).ok_or(Misfit::NotADate)?;
    let civil = jiff::tz::TimeZone::UTC.to_datetime(instant);
    if civil.time() == civil::Time::midnight() {
        Ok(Cell::Date(civil.date()))
    } else {
        Err(Misfit::TimeOfDay)
    }
}

fn timestamp(text: &str) -> Result<Cell, Misfit> {
    let instant = parse_instant(text).ok_or(Misfit::NotADate)?;
    // Source: HANA's TIMESTAMP ranges from 0001-01-01 to 9999-12-31.
    let year = jiff::tz::TimeZone::UTC.to_datetime(instant).year();
    if (1..=9999).contains(&year) {
        Ok(Cell::Timestamp(instant))
    } else {
        Err(Misfit::OutOfRange)
    }
}

fn number(text: &str, kind: ColumnType) -> Result<Cell, Misfit> {
    let number = Exact::parse(text).ok_or(Misfit::NotANumber)?;
    match kind {
        ColumnType::Integer => whole(&number, i64::from(i32::MIN)..=i64::from(i32::MAX)),
        ColumnType::BigInt => whole(&number, i64::MIN..=i64::MAX),
        ColumnType::Decimal { precision, scale } => decimal(&number, precision, scale),
        ColumnType::Double => double(text, &number),
        ColumnType::Boolean
        | ColumnType::Date
        | ColumnType::Timestamp
        | ColumnType::NVarchar(_)
        | ColumnType::NClob => Err(misread(kind)),
    }
}

fn whole(number: &Exact<'_>, range: std::ops::RangeInclusive<i64>) -> Result<Cell, Misfit> {
    if number.fraction_digits() > 0 {
        return Err(Misfit::Fraction);
    }
    number
        .to_i64()
        .filter(|number| range.contains(number))
        .map(Cell::Integer)
        .ok_or(Misfit::OutOfRange)
}

/// HANA cuts what doesn't fit its scale without a word, so it must not come to that.
fn decimal(number: &Exact<'_>, precision: u8, scale: u8) -> Result<Cell, Misfit> {
    if number.fraction_digits() > i64::from(scale) {
        return Err(Misfit::Fraction);
    }
    if number.whole_digits() > i64::from(precision.saturating_sub(scale)) {
        return Err(Misfit::OutOfRange);
    }
    number
        .plain()
        .parse()
        .map(Cell::Decimal)
        .map_err(|_| Misfit::NotANumber)
}

/// A number that a double can't give back as it was written is refused; 15 digits always come back.
fn double(text: &str, number: &Exact<'_>) -> Result<Cell, Misfit> {
    let double: f64 = text.parse().map_err(|_| Misfit::NotANumber)?;
    if !double.is_finite() {
        return Err(Misfit::OutOfRange);
    }
    if Exact::parse(&format!("{double:e}")).as_ref() == Some(number) {
        Ok(Cell::Double(double))
    } else {
        Err(Misfit::DecimalPrecision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECIMAL: ColumnType = ColumnType::Decimal {
        precision: 20,
        scale: 6,
    };

    fn fitted(json: &str, kind: ColumnType) -> Result<Cell, Misfit> {
        let node = Node::parse(json.as_bytes()).unwrap();
        fit(Value::of(node)?, kind).map(|fitted| fitted.cell)
    }

    #[test]
    fn whole_numbers_fit_or_say_why_not() {
        let check = |json: &str, expected: Result<i64, Misfit>| {
            assert_eq!(
                fitted(json, ColumnType::Integer),
                expected.map(Cell::Integer),
                "{json}"
            );
        };
        check("5", Ok(5));
        check("10.0", Ok(10));
        check("\" 007 \"", Ok(7));
        check("true", Ok(1));
        check("1e3", Ok(1000));
        check("-2147483648", Ok(-2_147_483_648));
        check("2147483648", Err(Misfit::OutOfRange));
        check("1e999999999", Err(Misfit::OutOfRange));
        check("133.1", Err(Misfit::Fraction));
        check("1e-999999999", Err(Misfit::Fraction));
        check("\"NaN\"", Err(Misfit::NotANumber));
        check("\"five\"", Err(Misfit::NotANumber));
        check("[5]", Err(Misfit::NotANumber));
        assert_eq!(fitted("\"\"", ColumnType::Integer), Ok(Cell::Null));
        assert_eq!(
            fitted("9223372036854775807", ColumnType::BigInt),
            Ok(Cell::Integer(i64::MAX))
        );
    }

    #[test]
    fn decimals_are_never_rounded() {
        let check = |json: &str, expected: Result<&str, Misfit>| {
            let expected = expected.map(|text| Cell::Decimal(text.parse().unwrap()));
            assert_eq!(fitted(json, DECIMAL), expected, "{json}");
        };
        check("133.1", Ok("133.1"));
        check("12345678901234.123456", Ok("12345678901234.123456"));
        check("1.1234560000", Ok("1.123456"));
        check("1.1234567", Err(Misfit::Fraction));
        check("123456789012345", Err(Misfit::OutOfRange));
    }

    #[test]
    fn doubles_come_back_as_written() {
        assert_eq!(fitted("0.1", ColumnType::Double), Ok(Cell::Double(0.1)));
        assert_eq!(fitted("1e400", ColumnType::Double), Err(Misfit::OutOfRange));
        assert_eq!(
            fitted("9007199254740993", ColumnType::Double),
            Err(Misfit::DecimalPrecision)
        );
    }

    #[test]
    fn days_and_instants_are_told_apart() {
        let day = civil::date(2021, 3, 25);
        assert_eq!(
            fitted("\"2021-03-25\"", ColumnType::Date),
            Ok(Cell::Date(day))
        );
        assert_eq!(
            fitted("\"2021-03-25T00:00:00Z\"", ColumnType::Date),
            Ok(Cell::Date(day))
        );
        assert_eq!(
            fitted("\"2021-03-25T17:16:56Z\"", ColumnType::Date),
            Err(Misfit::TimeOfDay)
        );
        assert_eq!(
            fitted("\"2021-03-25T17:21:25.942Z\"", ColumnType::Timestamp),
            Ok(Cell::Timestamp("2021-03-25T17:21:25.942Z".parse().unwrap()))
        );
        assert_eq!(
            fitted("\"soon\"", ColumnType::Timestamp),
            Err(Misfit::NotADate)
        );
        assert_eq!(
            fitted("20210325", ColumnType::Timestamp),
            Err(Misfit::NotADate)
        );
    }

    #[test]
    fn text_that_no_database_holds_is_refused() {
        let kind = ColumnType::NVarchar(10);
        assert_eq!(fitted("\"\\ud800\"", kind), Err(Misfit::LoneSurrogate));
        assert_eq!(fitted("\"a\\u0000b\"", kind), Err(Misfit::Nul));
        assert_eq!(fitted("\"NA\"", kind), Ok(Cell::Text("NA".to_owned())));
        assert_eq!(fitted("10.0", kind), Ok(Cell::Text("10.0".to_owned())));
        assert_eq!(
            fitted("{\"a\":1}", kind),
            Ok(Cell::Text("{\"a\":1}".to_owned()))
        );
    }

    #[test]
    fn structures_are_written_without_white_space() {
        let check = |json: &str, expected: &str| {
            assert_eq!(
                fitted(json, ColumnType::NClob),
                Ok(Cell::Text(expected.to_owned()))
            );
        };
        check(
            "[ 1.10 ,\n {\"a b\" : \"c \\\" d\"} ]",
            "[1.10,{\"a b\":\"c \\\" d\"}]",
        );
        check(
            "[\"\\\\\" , \"\\u0000\\ud800\"]",
            "[\"\\\\\",\"\\u0000\\ud800\"]",
        );
    }

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(cut("abc", 2), "ab");
        assert_eq!(cut("a😀b", 2), "a");
        assert_eq!(cut("a😀b", 3), "a😀");
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("x", 0), "");
    }
}
