//! Rows of a RESULTSET part.

use super::bytes::{length_i32, length_i64, put_counted};
use super::parameters::{NULL_DAYDATE, NULL_LONGDATE, NULL_SECONDDATE, NULL_SECONDTIME};
use super::{cesu8, decimal};
use crate::datetime::{self, TICKS_PER_SECOND};
use crate::types::SqlType;
use crate::value::Value;

/// Attributes of the part.
pub(crate) const LAST_PACKET: u8 = 0x01;
pub(crate) const CLOSED: u8 = 0x10;

/// How many UTF-16 units (or bytes) of a LOB travel with its row. Assumed: about 1 KiB, as the dossier reports of HANA.
const LOB_INLINE_MAX: usize = 1024;

/// Takes LOBs that are longer than what travels with the row, and gives them a locator.
pub(crate) trait LobStore {
    /// Keeps the encoded bytes for READLOB.
    fn keep(&mut self, bytes: Vec<u8>, is_text: bool) -> u64;
}

/// Writes one value in its column's form under the session's data format version.
pub(crate) fn put(
    out: &mut Vec<u8>,
    value: &Value,
    sql_type: SqlType,
    format: i32,
    lobs: &mut impl LobStore,
) {
    match value {
        Value::Null => put_null(out, sql_type, format),
        Value::Int(number) => put_integer(out, *number, sql_type),
        Value::Decimal(number) => put_decimal(out, number, sql_type, format),
        Value::Double(number) => put_double(out, *number, sql_type),
        Value::Boolean(value) if format >= 7 => out.push(u8::from(*value) * 2),
        Value::Boolean(value) => out.extend([1, u8::from(*value)]),
        Value::Text(text) if sql_type.is_lob() => put_lob(out, 3, cesu8::encode(text), lobs),
        Value::Text(text) => put_counted(out, &cesu8::encode(text)),
        Value::Bytes(bytes) if sql_type.is_lob() => put_lob(out, 1, bytes.clone(), lobs),
        Value::Bytes(bytes) => put_counted(out, bytes),
        Value::Date(days) if format >= 4 => out.extend((days + 1).to_le_bytes()),
        Value::Date(days) => put_short_date(out, *days),
        Value::Time(seconds) if format >= 4 => out.extend((seconds + 1).to_le_bytes()),
        Value::Time(seconds) => put_short_time(out, i64::from(*seconds) * TICKS_PER_SECOND),
        Value::Timestamp(ticks) if format < 4 => {
            put_short_date(
                out,
                i32::try_from(ticks.div_euclid(datetime::TICKS_PER_DAY)).unwrap_or_default(),
            );
            put_short_time(out, ticks.rem_euclid(datetime::TICKS_PER_DAY));
        }
        Value::Timestamp(ticks) if sql_type == SqlType::SecondDate => {
            out.extend((ticks / TICKS_PER_SECOND + 1).to_le_bytes());
        }
        Value::Timestamp(ticks) => out.extend((ticks + 1).to_le_bytes()),
    }
}

fn put_null(out: &mut Vec<u8>, sql_type: SqlType, format: i32) {
    match sql_type.wire_code(format) {
        5 => out.extend(decimal::NULL),
        6 => out.extend([0xff; 4]),
        7 => out.extend([0xff; 8]),
        14 | 15 => out.extend([0; 4]),
        16 => out.extend([0; 8]),
        26 => out.extend([3, 1]),
        27 => out.extend([1, 1]),
        28 => out.push(1),
        61 => out.extend(NULL_LONGDATE.to_le_bytes()),
        62 => out.extend(NULL_SECONDDATE.to_le_bytes()),
        63 => out.extend(NULL_DAYDATE.to_le_bytes()),
        64 => out.extend(NULL_SECONDTIME.to_le_bytes()),
        11 | 13 => out.push(0xff),
        _ => out.push(0),
    }
}

fn put_integer(out: &mut Vec<u8>, number: i64, sql_type: SqlType) {
    let bytes = number.to_le_bytes();
    let width = match sql_type {
        SqlType::TinyInt => 1,
        SqlType::SmallInt => 2,
        SqlType::Integer => 4,
        _ => 8,
    };
    out.push(1);
    out.extend(bytes.iter().take(width));
}

fn put_decimal(out: &mut Vec<u8>, number: &bigdecimal::BigDecimal, sql_type: SqlType, format: i32) {
    let width = match sql_type.wire_code(format) {
        81 => 8,
        82 => 12,
        76 => 16,
        _ => return out.extend(decimal::encode(number)),
    };
    let scale = match sql_type {
        SqlType::Decimal { scale, .. } => scale,
        _ => 0,
    };
    out.push(1);
    out.extend(
        decimal::unscaled(number, scale)
            .to_le_bytes()
            .iter()
            .take(width),
    );
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a REAL column's values are stored with double precision and sent with single"
)]
fn put_double(out: &mut Vec<u8>, number: f64, sql_type: SqlType) {
    if sql_type == SqlType::Real {
        out.extend((number as f32).to_le_bytes());
    } else {
        out.extend(number.to_le_bytes());
    }
}

/// Source type, options, filler, characters, bytes, locator, then the beginning of the data.
fn put_lob(out: &mut Vec<u8>, source_type: u8, bytes: Vec<u8>, lobs: &mut impl LobStore) {
    let is_text = source_type == 3;
    let length = if is_text {
        cesu8::unit_count(&bytes)
    } else {
        bytes.len()
    };
    let inline = if is_text {
        cesu8::slice_units(&bytes, 0, LOB_INLINE_MAX)
    } else {
        bytes.get(..LOB_INLINE_MAX).unwrap_or(&bytes)
    }
    .to_vec();
    let complete = inline.len() == bytes.len();
    out.extend([source_type, if complete { 6 } else { 2 }, 0, 0]);
    out.extend(length_i64(length).to_le_bytes());
    out.extend(length_i64(bytes.len()).to_le_bytes());
    let locator = lobs.keep(bytes, is_text);
    out.extend(locator.to_le_bytes());
    out.extend(length_i32(inline.len()).to_le_bytes());
    out.extend(inline);
}

/// The old date: the high bit of the year says "set", months count from 0.
fn put_short_date(out: &mut Vec<u8>, days: i32) {
    let Some(date) = datetime::date_from_days(days) else {
        return out.extend([0; 4]);
    };
    out.extend((date.year().cast_unsigned() | 0x8000).to_le_bytes());
    out.extend([date.month().cast_unsigned() - 1, date.day().cast_unsigned()]);
}

/// The old time has milliseconds; what is finer is cut.
fn put_short_time(out: &mut Vec<u8>, ticks: i64) {
    let milliseconds = ticks / (TICKS_PER_SECOND / 1000);
    let hour = u8::try_from(milliseconds / 3_600_000).unwrap_or_default();
    let minute = u8::try_from(milliseconds / 60_000 % 60).unwrap_or_default();
    out.extend([hour | 0x80, minute]);
    out.extend(
        u16::try_from(milliseconds % 60_000)
            .unwrap_or_default()
            .to_le_bytes(),
    );
}
