//! Which types mix, and what becomes of them.

use super::Typed;
use crate::error::{SqlError, code};
use crate::types::{Family, SqlType};

/// What a cast does with a text that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cast {
    /// Written by the author: the text is cut.
    Explicit,
    /// Needed by the context: nothing is cut.
    Implicit,
}

/// Writes an expression as another type.
pub(super) fn coerce(typed: &Typed, to: SqlType, cast: Cast) -> Result<String, SqlError> {
    let Some(from) = typed.sql_type else {
        return Ok(typed.sql.clone());
    };
    let (source, target) = (from.family(), to.family());
    if !convertible(source, target, cast) {
        return Err(inconsistent(from, to));
    }
    let sql = &typed.sql;
    let same_storage = match (source, target) {
        (Family::Integer, Family::Integer)
        | (Family::Text, Family::Text)
        | (Family::Decimal, Family::Decimal) => cast == Cast::Implicit,
        (Family::Instant, Family::Instant) => from == to,
        _ => source == target,
    };
    Ok(if same_storage || from == to {
        sql.clone()
    } else if (source, target) == (Family::Integer, Family::Decimal) && cast == Cast::Implicit {
        format!("CAST({sql} AS TEXT)")
    } else {
        format!("h_cast({sql}, {}, {})", from.pack(), to.pack())
    })
}

fn convertible(from: Family, to: Family, cast: Cast) -> bool {
    use Family::{Binary, Boolean, Decimal, Double, Instant, Integer, Text, Time};
    match (from, to) {
        (Integer | Decimal | Double, Integer | Decimal | Double)
        | (Text, Integer | Decimal | Double | Instant | Time | Boolean | Text)
        | (Integer | Decimal | Double | Instant | Time | Boolean, Text)
        | (Instant, Instant)
        | (Time, Time)
        | (Boolean, Boolean)
        | (Binary, Binary) => true,
        (Boolean, Integer) | (Integer, Boolean) | (Instant, Time) | (Text, Binary) => {
            cast == Cast::Explicit
        }
        _ => false,
    }
}

/// The type that two operands meet in. Source: SAP HANA SQL Reference, "Data Type Conversion": the weaker side follows.
pub(super) fn common(left: SqlType, right: SqlType) -> Result<SqlType, SqlError> {
    use Family::{Binary, Boolean, Decimal, Double, Instant, Integer, Text, Time};
    Ok(match (left.family(), right.family()) {
        (Integer, Integer) => wider_integer(left, right),
        (Integer | Decimal, Integer | Decimal) => common_decimal(left, right),
        (Double, Integer | Decimal | Double) | (Integer | Decimal, Double) => SqlType::Double,
        (Text, Text) => common_text(left, right),
        (Text, Integer | Decimal) | (Integer | Decimal, Text) => SqlType::DecimalFloat,
        (Text, other) if other != Binary => right,
        (other, Text) if other != Binary => left,
        (Instant, Instant) if left == right => left,
        (Instant, Instant) => SqlType::Timestamp,
        (Boolean, Boolean) | (Time, Time) => left,
        (Binary, Binary) => left,
        _ => return Err(inconsistent(left, right)),
    })
}

fn wider_integer(left: SqlType, right: SqlType) -> SqlType {
    if left.length_and_fraction().0 >= right.length_and_fraction().0 {
        left
    } else {
        right
    }
}

fn common_text(left: SqlType, right: SqlType) -> SqlType {
    match (left, right) {
        (SqlType::NVarchar(a), SqlType::NVarchar(b)) => SqlType::NVarchar(a.max(b)),
        _ => SqlType::NClob,
    }
}

/// Precision and scale of an exact number; `None` for a floating decimal.
pub(super) fn digits(sql_type: SqlType) -> Option<(u8, u8)> {
    match sql_type {
        SqlType::TinyInt => Some((3, 0)),
        SqlType::SmallInt => Some((5, 0)),
        SqlType::Integer => Some((10, 0)),
        SqlType::BigInt => Some((19, 0)),
        SqlType::Decimal { precision, scale } => Some((precision, scale)),
        _ => None,
    }
}

fn common_decimal(left: SqlType, right: SqlType) -> SqlType {
    let (Some((p1, s1)), Some((p2, s2))) = (digits(left), digits(right)) else {
        return SqlType::DecimalFloat;
    };
    let scale = s1.max(s2);
    fixed((p1 - s1).max(p2 - s2) + scale, scale)
}

/// A fixed decimal while it fits in 38 digits, else a floating one.
pub(super) fn fixed(precision: u8, scale: u8) -> SqlType {
    if precision > 38 {
        SqlType::DecimalFloat
    } else {
        SqlType::Decimal { precision, scale }
    }
}

pub(super) fn inconsistent(left: SqlType, right: SqlType) -> SqlError {
    SqlError::new(
        code::INCONSISTENT,
        format!(
            "{} type is not compatible with {} type",
            left.name(),
            right.name()
        ),
    )
}
