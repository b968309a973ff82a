//! The PARAMETERS part: rows of typed values, LOB data behind each row.

use super::bytes::{Malformed, Reader};
use super::cesu8;
use super::decimal;
use crate::datetime::{self, TICKS_PER_SECOND};
use crate::types::SqlType;
use crate::value::Value;

use bigdecimal::BigDecimal;
use jiff::civil::{Date, Time};

/// One bound value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Parameter {
    /// Complete.
    Value(Value),
    /// The beginning of a LOB, the rest of which comes by WRITELOB.
    Streamed(Vec<u8>),
}

/// NULL of the long dates. Source: captures and hdbconnect's constants.
pub(crate) const NULL_LONGDATE: i64 = 3_155_380_704_000_000_001;
pub(crate) const NULL_SECONDDATE: i64 = 315_538_070_401;
pub(crate) const NULL_DAYDATE: i32 = 3_652_062;
pub(crate) const NULL_SECONDTIME: i32 = 86_402;

const LOB_NULL: u8 = 1;
const LOB_LAST: u8 = 4;

/// Reads all rows of a batch; every row has one value per parameter, none more, none less.
pub(crate) fn parse(
    buffer: &[u8],
    rows: usize,
    types: &[SqlType],
) -> Result<Vec<Vec<Parameter>>, Malformed> {
    let mut reader = Reader::new(buffer);
    let mut parsed = Vec::with_capacity(rows.min(1 << 16));
    for _ in 0..rows {
        parsed.push(parse_row(&mut reader, types)?);
    }
    if reader.is_empty() {
        Ok(parsed)
    } else {
        Err(Malformed("bytes behind the last parameter"))
    }
}

/// A field as read before the LOB data of its row.
enum Field {
    Value(Value),
    Lob {
        binary: bool,
        last: bool,
        length: usize,
        position: usize,
    },
}

fn parse_row(reader: &mut Reader<'_>, types: &[SqlType]) -> Result<Vec<Parameter>, Malformed> {
    let row_start = reader.position();
    let fields: Vec<Field> = types
        .iter()
        .map(|sql_type| field(reader, *sql_type))
        .collect::<Result<_, _>>()?;
    let mut row = Vec::with_capacity(fields.len());
    for field in fields {
        row.push(match field {
            Field::Value(value) => Parameter::Value(value),
            Field::Lob {
                binary,
                last,
                length,
                position,
            } => {
                // Positions are 1-based from the first byte of the row. Source: node-hdb's captures.
                if length > 0 && row_start + position != reader.position() + 1 {
                    return Err(Malformed("LOB data stands elsewhere than announced"));
                }
                let data = reader.take(length)?;
                match (last, binary) {
                    (false, _) => Parameter::Streamed(data.to_vec()),
                    (true, true) => Parameter::Value(Value::Bytes(data.to_vec())),
                    (true, false) => Parameter::Value(Value::Text(cesu8::decode(data)?)),
                }
            }
        });
    }
    Ok(row)
}

fn field(reader: &mut Reader<'_>, target: SqlType) -> Result<Field, Malformed> {
    let type_code = reader.u8()?;
    if type_code >= 0x80 {
        return Ok(Field::Value(Value::Null));
    }
    let value = match type_code {
        1 => Value::Int(i64::from(reader.u8()?)),
        2 => Value::Int(i64::from(reader.i16()?)),
        3 => Value::Int(i64::from(reader.i32()?)),
        4 => Value::Int(reader.i64()?),
        5 => decimal::decode(reader)?.map_or(Value::Null, Value::Decimal),
        6 => Value::Double(f64::from(reader.f32()?)),
        7 => Value::Double(reader.f64()?),
        8..=11 | 29 | 30 | 52 | 55 => match reader.counted()? {
            Some(bytes) => Value::Text(cesu8::decode(bytes)?),
            None => Value::Null,
        },
        12 | 13 | 33 => reader
            .counted()?
            .map_or(Value::Null, |bytes| Value::Bytes(bytes.to_vec())),
        14 => Value::Date(datetime::days_from_date(short_date(reader)?)),
        15 => Value::Time(datetime::seconds_from_time(short_time(reader)?)),
        16 => {
            let date = short_date(reader)?;
            Value::Timestamp(datetime::ticks_from_datetime(
                date.to_datetime(short_time(reader)?),
            ))
        }
        25..=27 | 51 => return lob(reader, type_code == 27),
        28 => match reader.u8()? {
            0 => Value::Boolean(false),
            1 => Value::Null,
            _ => Value::Boolean(true),
        },
        61..=64 => long_instant(reader, type_code)?,
        81 => fixed(reader, 8, target)?,
        82 => fixed(reader, 12, target)?,
        76 => fixed(reader, 16, target)?,
        _ => return Err(Malformed("a parameter of unknown type")),
    };
    Ok(Field::Value(value))
}

fn lob(reader: &mut Reader<'_>, binary: bool) -> Result<Field, Malformed> {
    let options = reader.u8()?;
    let length = reader.length_i32()?;
    let position = reader.length_i32()?;
    Ok(if options & LOB_NULL != 0 {
        Field::Value(Value::Null)
    } else {
        Field::Lob {
            binary,
            last: options & LOB_LAST != 0,
            length,
            position,
        }
    })
}

fn fixed(reader: &mut Reader<'_>, bytes: usize, target: SqlType) -> Result<Value, Malformed> {
    let SqlType::Decimal { scale, .. } = target else {
        return Err(Malformed("a fixed decimal for a parameter that is none"));
    };
    Ok(Value::Decimal(BigDecimal::new(
        reader.signed(bytes)?.into(),
        i64::from(scale),
    )))
}

/// One is added on the wire; 0 is the "empty" date, which this server does not take.
fn long_instant(reader: &mut Reader<'_>, type_code: u8) -> Result<Value, Malformed> {
    const EMPTY: Malformed = Malformed("an empty date");
    let value = match type_code {
        61 => match reader.i64()? {
            0 => return Err(EMPTY),
            NULL_LONGDATE => Value::Null,
            ticks => Value::Timestamp(ticks - 1),
        },
        62 => match reader.i64()? {
            0 => return Err(EMPTY),
            NULL_SECONDDATE => Value::Null,
            seconds => Value::Timestamp((seconds - 1).checked_mul(TICKS_PER_SECOND).ok_or(EMPTY)?),
        },
        63 => match reader.i32()? {
            0 => return Err(EMPTY),
            NULL_DAYDATE => Value::Null,
            days => Value::Date(days - 1),
        },
        _ => match reader.i32()? {
            0 => return Err(EMPTY),
            NULL_SECONDTIME => Value::Null,
            seconds => Value::Time(seconds - 1),
        },
    };
    Ok(value)
}

/// The old date: the high bit of the year says "set", months count from 0.
fn short_date(reader: &mut Reader<'_>) -> Result<Date, Malformed> {
    let year = i16::try_from(reader.u16()? & 0x7fff).unwrap_or_default();
    let month = i8::try_from(reader.u8()?).unwrap_or(-1).saturating_add(1);
    let day = i8::try_from(reader.u8()?).unwrap_or(-1);
    Date::new(year, month, day).map_err(|_| Malformed("no date"))
}

fn short_time(reader: &mut Reader<'_>) -> Result<Time, Malformed> {
    let hour = i8::try_from(reader.u8()? & 0x7f).unwrap_or(-1);
    let minute = i8::try_from(reader.u8()?).unwrap_or(-1);
    let milliseconds = reader.u16()?;
    let second = i8::try_from(milliseconds / 1000).unwrap_or(-1);
    Time::new(
        hour,
        minute,
        second,
        i32::from(milliseconds % 1000) * 1_000_000,
    )
    .map_err(|_| Malformed("no time"))
}
