//! Cells in and out of HANA, by what the server says of its parameters and columns.

use bigdecimal::{BigDecimal, ToPrimitive as _};
use hdbconnect_async::{HdbValue, ParameterDescriptor, TypeId};
use ingester_core::row::{Cell, ColumnType};
use ingester_core::time::{self, Timestamp};

use super::code::{Failure, Refusal};
use crate::store::error::{Kind, StoreError};

/// A cell as the parameter that it is bound to wants it. A value that the driver can't encode would not fail its row
/// but kill the connection, so what does not fit is refused here.
///
/// # Errors
/// If the value does not fit the parameter's type.
pub(super) fn bind(
    cell: &Cell,
    parameter: &ParameterDescriptor,
) -> Result<HdbValue<'static>, StoreError> {
    let kind = parameter.type_id();
    let refused = || {
        StoreError::new(
            Kind::Refused,
            format!("a value does not fit a parameter of type {kind:?}"),
        )
    };
    Ok(match cell {
        Cell::Null => HdbValue::NULL,
        Cell::Boolean(value) => match kind {
            TypeId::BOOLEAN => HdbValue::BOOLEAN(*value),
            _ => whole(i64::from(*value), parameter).ok_or_else(refused)?,
        },
        Cell::Integer(value) => whole(*value, parameter).ok_or_else(refused)?,
        Cell::Decimal(value) => match kind {
            TypeId::FIXED8 | TypeId::FIXED12 | TypeId::FIXED16 | TypeId::DECIMAL => {
                decimal(value, parameter).ok_or_else(refused)?
            }
            TypeId::TINYINT | TypeId::SMALLINT | TypeId::INT | TypeId::BIGINT
                if value.is_integer() =>
            {
                value
                    .to_i64()
                    .and_then(|value| whole(value, parameter))
                    .ok_or_else(refused)?
            }
            _ => HdbValue::STRING(value.to_plain_string()),
        },
        Cell::Double(value) => match kind {
            TypeId::DOUBLE => HdbValue::DOUBLE(*value),
            // The server converts the shortest text that reads back as this double.
            _ => HdbValue::STRING(value.to_string()),
        },
        // UTC without a zone: HANA's TIMESTAMP has none, and what it makes of a `Z` is not documented.
        Cell::Date(value) => HdbValue::STRING(value.to_string()),
        Cell::Timestamp(value) => HdbValue::STRING(timestamp_text(*value)),
        Cell::Text(value) => HdbValue::STRING(value.clone()),
    })
}

/// `YYYY-MM-DD HH:MM:SS.fffffff`: HANA keeps 100 ns.
fn timestamp_text(instant: Timestamp) -> String {
    let text = format!("{instant:.7}");
    text.trim_end_matches('Z').replacen('T', " ", 1)
}

/// The driver widens no integer by itself.
fn whole(value: i64, parameter: &ParameterDescriptor) -> Option<HdbValue<'static>> {
    Some(match parameter.type_id() {
        TypeId::TINYINT => HdbValue::TINYINT(value.try_into().ok()?),
        TypeId::SMALLINT => HdbValue::SMALLINT(value.try_into().ok()?),
        TypeId::INT => HdbValue::INT(value.try_into().ok()?),
        TypeId::BIGINT => HdbValue::BIGINT(value),
        TypeId::FIXED8 | TypeId::FIXED12 | TypeId::FIXED16 | TypeId::DECIMAL => {
            decimal(&value.into(), parameter)?
        }
        TypeId::BOOLEAN => HdbValue::BOOLEAN(value != 0),
        _ => HdbValue::STRING(value.to_string()),
    })
}

/// The scale of a floating decimal. Source: the dossier of the wire protocol, parameter metadata.
const FLOATING: i16 = i16::MAX;
/// Digits that a floating decimal holds.
const FLOATING_DIGITS_MAX: u64 = 34;

/// A decimal that its column's transport form holds: the driver cuts digits after the scale, and one digit too many
/// before it ends the connection.
fn decimal(value: &BigDecimal, parameter: &ParameterDescriptor) -> Option<HdbValue<'static>> {
    let value = value.normalized();
    let fits = if parameter.type_id() == TypeId::DECIMAL || parameter.scale() == FLOATING {
        value.digits() <= FLOATING_DIGITS_MAX
    } else {
        let (precision, scale) = (
            i64::from(parameter.precision()),
            i64::from(parameter.scale()),
        );
        let places = value.fractional_digit_count();
        let before = i64::try_from(value.digits()).ok()? - places;
        places <= scale && before <= precision - scale
    };
    fits.then_some(HdbValue::DECIMAL(value))
}

/// A value of a result as the cell of a column of this type. Long texts are read on from the server.
///
/// # Errors
/// If the value is not of that type, or the rest of a text can't be had.
pub(super) async fn cell(value: HdbValue<'static>, kind: ColumnType) -> Result<Cell, Failure> {
    let unexpected = || {
        Failure::Statement(Refusal::ours(StoreError::unexpected(format!(
            "a value is not of its column's type {kind}"
        ))))
    };
    let text = match value {
        HdbValue::NULL => return Ok(Cell::Null),
        HdbValue::BOOLEAN(value) => return Ok(Cell::Boolean(value)),
        HdbValue::TINYINT(value) => return Ok(integer(i64::from(value), kind)),
        HdbValue::SMALLINT(value) => return Ok(integer(i64::from(value), kind)),
        HdbValue::INT(value) => return Ok(integer(i64::from(value), kind)),
        HdbValue::BIGINT(value) => return Ok(integer(value, kind)),
        HdbValue::DOUBLE(value) => return Ok(double(value, kind)),
        HdbValue::REAL(value) => return Ok(double(f64::from(value), kind)),
        HdbValue::DECIMAL(value) => {
            return match kind {
                ColumnType::Double => value.to_f64().map(Cell::Double).ok_or_else(unexpected),
                ColumnType::Integer | ColumnType::BigInt if value.is_integer() => {
                    value.to_i64().map(Cell::Integer).ok_or_else(unexpected)
                }
                _ => Ok(Cell::Decimal(value.normalized())),
            };
        }
        HdbValue::STRING(text) => text,
        HdbValue::ASYNC_NCLOB(text) => text.into_string().await?,
        HdbValue::ASYNC_CLOB(text) => text.into_string().await?,
        date @ (HdbValue::LONGDATE(_) | HdbValue::SECONDDATE(_) | HdbValue::DAYDATE(_)) => {
            date.to_string()
        }
        _ => return Err(unexpected()),
    };
    match kind {
        ColumnType::Timestamp => time::parse_instant(&text).map(Cell::Timestamp),
        ColumnType::Date => text
            .get(..10)
            .and_then(|day| day.parse().ok())
            .map(Cell::Date),
        ColumnType::Decimal { .. } => text.trim().parse().ok().map(Cell::Decimal),
        ColumnType::Double => text.trim().parse().ok().map(Cell::Double),
        ColumnType::Integer | ColumnType::BigInt => text.trim().parse().ok().map(Cell::Integer),
        ColumnType::NVarchar(_) | ColumnType::NClob => Some(Cell::Text(text)),
        ColumnType::Boolean => None,
    }
    .ok_or_else(unexpected)
}

fn integer(value: i64, kind: ColumnType) -> Cell {
    match kind {
        ColumnType::Boolean => Cell::Boolean(value != 0),
        ColumnType::Decimal { .. } => Cell::Decimal(value.into()),
        #[expect(
            clippy::cast_precision_loss,
            reason = "whoever asks for a double gets the nearest"
        )]
        ColumnType::Double => Cell::Double(value as f64),
        ColumnType::NVarchar(_) | ColumnType::NClob => Cell::Text(value.to_string()),
        ColumnType::Integer | ColumnType::BigInt | ColumnType::Date | ColumnType::Timestamp => {
            Cell::Integer(value)
        }
    }
}

fn double(value: f64, kind: ColumnType) -> Cell {
    match kind {
        // The shortest text that reads back as this double is the decimal that was meant.
        ColumnType::Decimal { .. } => value
            .to_string()
            .parse()
            .map_or(Cell::Double(value), Cell::Decimal),
        _ => Cell::Double(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_travel_as_utc_texts_without_a_zone() {
        let instant: Timestamp = "2026-11-24T06:07:08.12345678Z".parse().unwrap();

        assert_eq!(timestamp_text(instant), "2026-11-24 06:07:08.1234567");
    }
}
