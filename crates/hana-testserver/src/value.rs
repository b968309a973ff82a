//! One value, and how it becomes a value of another type. The conversions are HANA's; their refusals carry its codes.

use std::str::FromStr;

use bigdecimal::{BigDecimal, RoundingMode, ToPrimitive as _};

use crate::datetime::{self, TICKS_PER_DAY, TICKS_PER_SECOND};
use crate::error::{SqlError, code};
use crate::types::SqlType;

/// A value as it travels and as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    /// TINYINT to BIGINT.
    Int(i64),
    Decimal(BigDecimal),
    /// REAL and DOUBLE.
    Double(f64),
    Boolean(bool),
    Text(String),
    Bytes(Vec<u8>),
    /// Days since 0001-01-01.
    Date(i32),
    /// Seconds since midnight.
    Time(i32),
    /// 100-nanosecond ticks since 0001-01-01; SECONDDATE has whole seconds.
    Timestamp(i64),
}

impl Value {
    /// Converts to a type as HANA does when a value is assigned to a column or bound to a parameter.
    pub(crate) fn convert(self, to: SqlType) -> Result<Self, SqlError> {
        if self == Self::Null {
            return Ok(Self::Null);
        }
        match to {
            SqlType::TinyInt => self.integer(0, 255),
            SqlType::SmallInt => self.integer(i64::from(i16::MIN), i64::from(i16::MAX)),
            SqlType::Integer => self.integer(i64::from(i32::MIN), i64::from(i32::MAX)),
            SqlType::BigInt => self.integer(i64::MIN, i64::MAX),
            SqlType::Decimal { precision, scale } => {
                fit_decimal(&self.decimal()?, precision, scale)
            }
            SqlType::DecimalFloat => Ok(Self::Decimal(self.decimal()?.with_prec(34).normalized())),
            SqlType::Real | SqlType::Double => self.double(),
            SqlType::Boolean => self.boolean(),
            SqlType::NVarchar(length) => self.text().and_then(|text| fit_text(text, length)),
            SqlType::NClob => self.text().map(Self::Text),
            SqlType::VarBinary(length) => self.bytes().and_then(|bytes| fit_bytes(bytes, length)),
            SqlType::Blob => self.bytes().map(Self::Bytes),
            SqlType::Date => self.ticks().map(|ticks| Self::Date(days(ticks))),
            SqlType::Time => self.time(),
            SqlType::SecondDate => self
                .ticks()
                .map(|ticks| Self::Timestamp(ticks - ticks.rem_euclid(TICKS_PER_SECOND))),
            SqlType::Timestamp => self.ticks().map(Self::Timestamp),
        }
    }

    fn integer(self, min: i64, max: i64) -> Result<Self, SqlError> {
        let number = match self {
            Self::Int(number) => number,
            Self::Boolean(value) => i64::from(value),
            Self::Decimal(number) => truncate(&number).ok_or_else(overflow)?,
            Self::Double(number) => BigDecimal::try_from(number)
                .ok()
                .and_then(|number| truncate(&number))
                .ok_or_else(overflow)?,
            Self::Text(text) => {
                let trimmed = text.trim();
                let whole = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
                if whole.is_empty() || !whole.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(SqlError::new(code::NUMBER, shown(&text)));
                }
                trimmed.parse().map_err(|_| overflow())?
            }
            other => return Err(inconsistent(&other, "a number")),
        };
        if (min..=max).contains(&number) {
            Ok(Self::Int(number))
        } else {
            Err(overflow())
        }
    }

    fn decimal(self) -> Result<BigDecimal, SqlError> {
        match self {
            Self::Decimal(number) => Ok(number),
            Self::Int(number) => Ok(BigDecimal::from(number)),
            Self::Double(number) => BigDecimal::from_str(&number.to_string())
                .map_err(|_| SqlError::new(code::NUMBER, number.to_string())),
            Self::Text(text) => parse_decimal(&text),
            other => Err(inconsistent(&other, "a number")),
        }
    }

    fn double(self) -> Result<Self, SqlError> {
        let number = match self {
            Self::Double(number) => Some(number),
            Self::Int(number) => BigDecimal::from(number).to_f64(),
            Self::Decimal(number) => number.to_f64(),
            Self::Text(text) => parse_decimal(&text)?.to_f64(),
            other => return Err(inconsistent(&other, "a number")),
        };
        number
            .filter(|number| number.is_finite())
            .map(Self::Double)
            .ok_or_else(overflow)
    }

    fn boolean(self) -> Result<Self, SqlError> {
        match self {
            Self::Boolean(value) => Ok(Self::Boolean(value)),
            Self::Int(number @ 0..=1) => Ok(Self::Boolean(number == 1)),
            Self::Text(text) => match text.trim().to_ascii_uppercase().as_str() {
                "TRUE" | "1" => Ok(Self::Boolean(true)),
                "FALSE" | "0" => Ok(Self::Boolean(false)),
                _ => Err(SqlError::new(
                    code::INCONSISTENT,
                    format!("{} is no BOOLEAN", shown(&text)),
                )),
            },
            other => Err(inconsistent(&other, "BOOLEAN")),
        }
    }

    /// The text that HANA makes of a value without a format.
    fn text(self) -> Result<String, SqlError> {
        Ok(match self {
            Self::Text(text) => text,
            Self::Int(number) => number.to_string(),
            Self::Decimal(number) => number.to_plain_string(),
            Self::Double(number) => number.to_string(),
            Self::Boolean(value) => if value { "TRUE" } else { "FALSE" }.to_owned(),
            Self::Date(days) => datetime::date_from_days(days)
                .ok_or_else(bad_instant)?
                .to_string(),
            Self::Time(seconds) => {
                datetime::format_time(datetime::time_from_seconds(seconds).ok_or_else(bad_instant)?)
            }
            Self::Timestamp(ticks) => datetime::format_timestamp(
                datetime::datetime_from_ticks(ticks).ok_or_else(bad_instant)?,
            ),
            other @ (Self::Bytes(_) | Self::Null) => return Err(inconsistent(&other, "a text")),
        })
    }

    fn bytes(self) -> Result<Vec<u8>, SqlError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Text(text) => Ok(text.into_bytes()),
            other => Err(inconsistent(&other, "a binary")),
        }
    }

    fn ticks(self) -> Result<i64, SqlError> {
        match self {
            Self::Timestamp(ticks) => Ok(ticks),
            Self::Date(days) => Ok(i64::from(days) * TICKS_PER_DAY),
            Self::Text(text) => datetime::parse_datetime(&text)
                .map(datetime::ticks_from_datetime)
                .ok_or_else(|| SqlError::new(code::DATETIME, shown(&text))),
            other => Err(inconsistent(&other, "an instant")),
        }
    }

    fn time(self) -> Result<Self, SqlError> {
        match self {
            Self::Time(seconds) => Ok(Self::Time(seconds)),
            Self::Timestamp(ticks) => {
                i32::try_from(ticks.rem_euclid(TICKS_PER_DAY) / TICKS_PER_SECOND)
                    .map(Self::Time)
                    .map_err(|_| bad_instant())
            }
            Self::Text(text) => datetime::parse_time(&text)
                .map(|time| Self::Time(datetime::seconds_from_time(time)))
                .ok_or_else(|| SqlError::new(code::DATETIME, shown(&text))),
            other => Err(inconsistent(&other, "a time")),
        }
    }
}

fn days(ticks: i64) -> i32 {
    i32::try_from(ticks.div_euclid(TICKS_PER_DAY)).unwrap_or(i32::MAX)
}

fn truncate(number: &BigDecimal) -> Option<i64> {
    number.with_scale_round(0, RoundingMode::Down).to_i64()
}

/// HANA cuts what the scale can't hold. Source: the driver does the same before it sends; the dossier, 1.5.
fn fit_decimal(number: &BigDecimal, precision: u8, scale: u8) -> Result<Value, SqlError> {
    let cut = number.with_scale_round(i64::from(scale), RoundingMode::Down);
    let limit = BigDecimal::new(1.into(), i64::from(scale) - i64::from(precision));
    if cut.abs() >= limit {
        return Err(overflow());
    }
    Ok(Value::Decimal(cut.normalized()))
}

fn fit_text(text: String, length: u32) -> Result<Value, SqlError> {
    // A unit is never less than a byte.
    let fits = |units: usize| usize::try_from(length).is_ok_and(|length| units <= length);
    if fits(text.len()) {
        return Ok(Value::Text(text));
    }
    let units = text.encode_utf16().count();
    if fits(units) {
        Ok(Value::Text(text))
    } else {
        Err(SqlError::new(
            code::TOO_LARGE,
            format!("{units} characters, maximum {length}"),
        ))
    }
}

fn fit_bytes(bytes: Vec<u8>, length: u32) -> Result<Value, SqlError> {
    if usize::try_from(length).is_ok_and(|length| bytes.len() <= length) {
        Ok(Value::Bytes(bytes))
    } else {
        Err(SqlError::new(
            code::TOO_LARGE,
            format!("{} bytes, maximum {length}", bytes.len()),
        ))
    }
}

/// Reads a number as HANA does from a text.
pub(crate) fn parse_decimal(text: &str) -> Result<BigDecimal, SqlError> {
    let trimmed = text.trim();
    let plausible = trimmed.bytes().any(|byte| byte.is_ascii_digit())
        && trimmed
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E'));
    plausible
        .then(|| BigDecimal::from_str(trimmed).ok())
        .flatten()
        .ok_or_else(|| SqlError::new(code::NUMBER, shown(text)))
}

/// A decimal's only text inside SQLite: equal numbers have equal texts.
pub(crate) fn canonical(number: &BigDecimal) -> String {
    let number = number.normalized();
    if number == 0 {
        return "0".to_owned();
    }
    number.to_plain_string()
}

fn overflow() -> SqlError {
    SqlError::new(code::OVERFLOW, "")
}

fn bad_instant() -> SqlError {
    SqlError::new(code::DATETIME, "out of range")
}

fn inconsistent(value: &Value, wanted: &str) -> SqlError {
    let found = match value {
        Value::Null => "NULL",
        Value::Int(_) => "INTEGER",
        Value::Decimal(_) => "DECIMAL",
        Value::Double(_) => "DOUBLE",
        Value::Boolean(_) => "BOOLEAN",
        Value::Text(_) => "NVARCHAR",
        Value::Bytes(_) => "VARBINARY",
        Value::Date(_) => "DATE",
        Value::Time(_) => "TIME",
        Value::Timestamp(_) => "TIMESTAMP",
    };
    SqlError::new(code::INCONSISTENT, format!("{found} type is not {wanted}"))
}

/// A foreign text, short enough for a message.
fn shown(text: &str) -> String {
    text.chars()
        .take(40)
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(value: Value, to: SqlType, code: i32) {
        assert_eq!(value.convert(to).unwrap_err().code, code);
    }

    #[test]
    fn what_does_not_fit_gets_its_code() {
        let decimal = SqlType::Decimal {
            precision: 5,
            scale: 2,
        };
        refused(
            Value::Text("a😀b".to_owned()),
            SqlType::NVarchar(3),
            code::TOO_LARGE,
        );
        refused(
            Value::Text("12x".to_owned()),
            SqlType::Integer,
            code::NUMBER,
        );
        refused(
            Value::Text("2147483648".to_owned()),
            SqlType::Integer,
            code::OVERFLOW,
        );
        refused(Value::Text("1000".to_owned()), decimal, code::OVERFLOW);
        refused(
            Value::Text("2026-13-01".to_owned()),
            SqlType::Timestamp,
            code::DATETIME,
        );
        refused(Value::Int(2), SqlType::Boolean, code::INCONSISTENT);
    }

    #[test]
    fn a_text_counts_utf16_units() {
        let text = Value::Text("a😀b".to_owned());

        assert_eq!(text.clone().convert(SqlType::NVarchar(4)).unwrap(), text);
    }

    #[test]
    fn a_decimal_is_cut_to_its_scale() {
        let cut = Value::Text("-1.239".to_owned())
            .convert(SqlType::Decimal {
                precision: 5,
                scale: 2,
            })
            .unwrap();

        assert_eq!(cut, Value::Decimal(BigDecimal::from_str("-1.23").unwrap()));
        assert_eq!(canonical(&BigDecimal::from_str("1.500").unwrap()), "1.5");
        assert_eq!(canonical(&BigDecimal::from_str("0.00").unwrap()), "0");
        assert_eq!(canonical(&BigDecimal::from_str("1e3").unwrap()), "1000");
    }
}
