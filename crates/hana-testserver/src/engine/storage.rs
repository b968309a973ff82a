//! How values lie in SQLite: decimals as canonical texts, instants as ticks, days and seconds as numbers.

use std::str::FromStr as _;

use bigdecimal::BigDecimal;
use rusqlite::types::{Value as Stored, ValueRef};

use crate::error::{SqlError, code};
use crate::types::{Family, SqlType};
use crate::value::{Value, canonical};

/// What is stored for a value.
pub(crate) fn to_stored(value: &Value) -> Stored {
    match value {
        Value::Null => Stored::Null,
        Value::Int(number) | Value::Timestamp(number) => Stored::Integer(*number),
        Value::Decimal(number) => Stored::Text(canonical(number)),
        Value::Double(number) => Stored::Real(*number),
        Value::Boolean(value) => Stored::Integer(i64::from(*value)),
        Value::Text(text) => Stored::Text(text.clone()),
        Value::Bytes(bytes) => Stored::Blob(bytes.clone()),
        Value::Date(number) | Value::Time(number) => Stored::Integer(i64::from(*number)),
    }
}

/// The value of this type that is stored so.
pub(crate) fn from_stored(stored: ValueRef<'_>, sql_type: SqlType) -> Result<Value, SqlError> {
    let wrong = || {
        SqlError::new(
            code::GENERAL,
            format!("a stored value is no {}", sql_type.name()),
        )
    };
    let narrow = |number: i64| i32::try_from(number).map_err(|_| wrong());
    Ok(match (stored, sql_type.family()) {
        (ValueRef::Null, _) => Value::Null,
        (ValueRef::Integer(number), Family::Integer) => Value::Int(number).convert(sql_type)?,
        // SQLite goes on in floating point where 64 bits do not hold a result.
        (ValueRef::Real(_), Family::Integer) => return Err(SqlError::new(code::OVERFLOW, "")),
        (ValueRef::Integer(number), Family::Decimal) => Value::Decimal(BigDecimal::from(number)),
        (ValueRef::Text(text), Family::Decimal) => std::str::from_utf8(text)
            .ok()
            .and_then(|text| BigDecimal::from_str(text).ok())
            .map(|number| Value::Decimal(number).convert(sql_type))
            .ok_or_else(wrong)??,
        (ValueRef::Real(number), Family::Double) => Value::Double(number),
        (ValueRef::Integer(number), Family::Double) => Value::Int(number).convert(sql_type)?,
        (ValueRef::Integer(number), Family::Boolean) => Value::Boolean(number != 0),
        (ValueRef::Text(text), Family::Text) => {
            Value::Text(String::from_utf8_lossy(text).into_owned())
        }
        (ValueRef::Blob(bytes), Family::Binary) => Value::Bytes(bytes.to_vec()),
        (ValueRef::Integer(number), Family::Instant) if sql_type == SqlType::Date => {
            Value::Date(narrow(number)?)
        }
        (ValueRef::Integer(number), Family::Instant) => Value::Timestamp(number),
        (ValueRef::Integer(number), Family::Time) => Value::Time(narrow(number)?),
        _ => return Err(wrong()),
    })
}
