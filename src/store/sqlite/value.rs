//! Cells in and out of SQLite, whose declared types carry the meaning of what is stored.

use ingester_core::row::{Cell, ColumnType};
use ingester_core::time;
use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};

use crate::store::error::StoreError;

/// A cell as a bind.
#[derive(Debug)]
pub(super) struct Bind<'a>(pub(super) &'a Cell);

impl ToSql for Bind<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Cell::Null => ToSqlOutput::Owned(Value::Null),
            Cell::Boolean(value) => ToSqlOutput::Owned(Value::Integer(i64::from(*value))),
            Cell::Integer(value) => ToSqlOutput::Owned(Value::Integer(*value)),
            Cell::Double(value) => ToSqlOutput::Owned(Value::Real(*value)),
            // NUMERIC affinity turns the text into a number where that loses nothing; what would lose something does
            // not get here (`Conversion` refuses it).
            Cell::Decimal(value) => ToSqlOutput::Owned(Value::Text(value.to_plain_string())),
            Cell::Date(value) => ToSqlOutput::Owned(Value::Text(value.to_string())),
            Cell::Timestamp(value) => ToSqlOutput::Owned(Value::Text(time::to_text(*value))),
            Cell::Text(value) => ToSqlOutput::Borrowed(ValueRef::Text(value.as_bytes())),
        })
    }
}

/// A row as cells of these types.
///
/// # Errors
/// As [`cell`].
pub(super) fn cells(
    row: &rusqlite::Row<'_>,
    kinds: &[ColumnType],
) -> Result<Box<[Cell]>, StoreError> {
    kinds
        .iter()
        .enumerate()
        .map(|(index, kind)| cell(row.get_ref(index)?, *kind))
        .collect()
}

/// A stored value as the cell of a column of this type.
///
/// # Errors
/// If what is stored is not of the declared type: somebody else wrote it.
pub(super) fn cell(value: ValueRef<'_>, kind: ColumnType) -> Result<Cell, StoreError> {
    let unexpected =
        || StoreError::unexpected(format!("a value is not of its column's type {kind}"));
    Ok(match (value, kind) {
        (ValueRef::Null, _) => Cell::Null,
        (ValueRef::Integer(value), ColumnType::Boolean) => Cell::Boolean(value != 0),
        (ValueRef::Integer(value), ColumnType::Decimal { .. }) => Cell::Decimal(value.into()),
        (ValueRef::Integer(value), ColumnType::Integer | ColumnType::BigInt) => {
            Cell::Integer(value)
        }
        // Whole numbers up to 2^53 are exact, and SQLite stores a whole REAL as an integer anyway.
        #[expect(clippy::cast_precision_loss, reason = "a DOUBLE column holds doubles")]
        (ValueRef::Integer(value), ColumnType::Double) => Cell::Double(value as f64),
        (ValueRef::Integer(value), ColumnType::NVarchar(_) | ColumnType::NClob) => {
            Cell::Text(value.to_string())
        }
        // What a query computes from whole numbers may be a fraction; what somebody else stored there may be one too.
        (ValueRef::Real(value), ColumnType::Double | ColumnType::Integer | ColumnType::BigInt) => {
            Cell::Double(value)
        }
        (ValueRef::Real(value), ColumnType::Decimal { .. }) => {
            // The shortest text that reads back as this double is the decimal that was stored, up to 15 digits.
            Cell::Decimal(value.to_string().parse().map_err(|_| unexpected())?)
        }
        (ValueRef::Real(value), ColumnType::NVarchar(_) | ColumnType::NClob) => {
            Cell::Text(value.to_string())
        }
        (ValueRef::Text(text), _) => {
            let text = std::str::from_utf8(text).map_err(|_| unexpected())?;
            match kind {
                ColumnType::NVarchar(_) | ColumnType::NClob => Cell::Text(text.to_owned()),
                ColumnType::Timestamp => {
                    Cell::Timestamp(time::parse_instant(text).ok_or_else(unexpected)?)
                }
                ColumnType::Date => Cell::Date(text.parse().map_err(|_| unexpected())?),
                ColumnType::Decimal { .. } => {
                    Cell::Decimal(text.parse().map_err(|_| unexpected())?)
                }
                ColumnType::Integer
                | ColumnType::BigInt
                | ColumnType::Double
                | ColumnType::Boolean => return Err(unexpected()),
            }
        }
        _ => return Err(unexpected()),
    })
}
