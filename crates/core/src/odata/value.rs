//! One cell as OData writes it. Source: OData JSON Format V4.01, 7.1; ABNF section 7.

use std::io::Write;

use bigdecimal::{BigDecimal, RoundingMode};

use crate::row::{Cell, ColumnType};
use crate::time;

/// Whether a value of that type is a string where the client can't read numbers beyond 2⁵³ (`IEEE754Compatible`).
pub(crate) fn is_long_number(kind: ColumnType) -> bool {
    matches!(kind, ColumnType::BigInt | ColumnType::Decimal { .. })
}

/// The value as bare text (`/$value`, CSV); `None` for null.
pub(crate) fn text(cell: &Cell, kind: ColumnType) -> Option<String> {
    Some(match (cell, kind) {
        (Cell::Null, _) => return None,
        (Cell::Boolean(value), _) => value.to_string(),
        (Cell::Integer(value), ColumnType::Boolean) => (*value != 0).to_string(),
        (Cell::Integer(value), _) => value.to_string(),
        (Cell::Decimal(value), ColumnType::Decimal { scale, .. }) => decimal(value, scale),
        (Cell::Decimal(value), _) => plain(value),
        // SQLite keeps decimals as doubles; the shortest text of the double is the decimal that was written.
        (Cell::Double(value), ColumnType::Decimal { scale, .. }) => {
            match value.to_string().parse::<BigDecimal>() {
                Ok(value) => decimal(&value, scale),
                Err(_) => double(*value),
            }
        }
        (Cell::Double(value), _) => double(*value),
        (Cell::Date(value), _) => value.to_string(),
        (Cell::Timestamp(value), _) => time::to_text(*value),
        (Cell::Text(value), _) => value.clone(),
    })
}

/// Appends the value as JSON.
pub(crate) fn write_json(
    cell: &Cell,
    kind: ColumnType,
    ieee754_compatible: bool,
    out: &mut Vec<u8>,
) {
    let quoted = match cell {
        Cell::Null | Cell::Boolean(_) => false,
        Cell::Integer(_) | Cell::Decimal(_) => ieee754_compatible && is_long_number(kind),
        Cell::Double(value) => !value.is_finite() || (ieee754_compatible && is_long_number(kind)),
        Cell::Date(_) | Cell::Timestamp(_) => true,
        Cell::Text(text) => return write_string(text, out),
    };
    let text = text(cell, kind);
    let text = text.as_deref().unwrap_or("null");
    if quoted {
        write_string(text, out);
    } else {
        out.extend_from_slice(text.as_bytes());
    }
}

/// Appends a JSON string.
pub(crate) fn write_string(text: &str, out: &mut Vec<u8>) {
    // Writing a string to a vector can't fail.
    let _ = serde_json::to_writer(out, text);
}

/// Appends formatted text.
pub(crate) fn write_text(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to a vector can't fail.
    let _ = out.write_fmt(text);
}

/// At most `scale` digits behind the point, without zeros at the end: the same text whichever database it is from.
fn decimal(value: &BigDecimal, scale: u8) -> String {
    if value.fractional_digit_count() > i64::from(scale) {
        plain(&value.with_scale_round(scale.into(), RoundingMode::HalfUp))
    } else {
        plain(value)
    }
}

fn plain(value: &BigDecimal) -> String {
    const ZEROS_MAX: i64 = 100;
    let value = value.normalized();
    if value.fractional_digit_count().abs() > ZEROS_MAX {
        value.to_scientific_notation()
    } else {
        value.to_plain_string()
    }
}

fn double(value: f64) -> String {
    const PLAIN: std::ops::Range<f64> = 1e-5..1e16;
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "INF" } else { "-INF" }.to_owned()
    } else if value == 0.0 || PLAIN.contains(&value.abs()) {
        value.to_string()
    } else {
        format!("{value:e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(cell: &Cell, kind: ColumnType, plain: &str, compatible: &str) {
        for (ieee754_compatible, expected) in [(false, plain), (true, compatible)] {
            let mut out = Vec::new();
            write_json(cell, kind, ieee754_compatible, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn numbers_keep_their_digits() {
        const MONEY: ColumnType = ColumnType::Decimal {
            precision: 9,
            scale: 2,
        };
        check(
            &Cell::Integer(9_007_199_254_740_993),
            ColumnType::BigInt,
            "9007199254740993",
            "\"9007199254740993\"",
        );
        check(&Cell::Integer(5), ColumnType::Integer, "5", "5");
        check(
            &Cell::Decimal("78.80".parse().unwrap()),
            MONEY,
            "78.8",
            "\"78.8\"",
        );
        check(
            &Cell::Decimal("100".parse().unwrap()),
            MONEY,
            "100",
            "\"100\"",
        );
        check(
            &Cell::Double(255.549_999_999_999_98),
            MONEY,
            "255.55",
            "\"255.55\"",
        );
        check(&Cell::Double(3.4), ColumnType::Double, "3.4", "3.4");
        check(&Cell::Double(1e21), ColumnType::Double, "1e21", "1e21");
        check(
            &Cell::Double(f64::NAN),
            ColumnType::Double,
            "\"NaN\"",
            "\"NaN\"",
        );
    }

    #[test]
    fn other_values() {
        check(&Cell::Null, ColumnType::Integer, "null", "null");
        check(&Cell::Boolean(true), ColumnType::Boolean, "true", "true");
        check(&Cell::Integer(0), ColumnType::Boolean, "false", "false");
        check(
            &Cell::Text("a\"\n".to_owned()),
            ColumnType::NVarchar(9),
            r#""a\"\n""#,
            r#""a\"\n""#,
        );
        let instant = Cell::Timestamp("2021-03-25T17:21:25.942Z".parse().unwrap());
        check(
            &instant,
            ColumnType::Timestamp,
            "\"2021-03-25T17:21:25.942Z\"",
            "\"2021-03-25T17:21:25.942Z\"",
        );
    }
}
