//! HANA's functions inside SQLite. An error travels through SQLite as the text that [`sql_error`] reads back.

use std::collections::HashMap;
use std::str::FromStr as _;
use std::sync::{Arc, Mutex, PoisonError};

use bigdecimal::{BigDecimal, RoundingMode, ToPrimitive as _, Zero as _};
use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::types::{Value as Stored, ValueRef};
use rusqlite::{Connection, Error, Result};

use super::storage::{from_stored, to_stored};
use super::{functions_instant, functions_text};
use crate::datetime;
use crate::error::{SqlError, code};
use crate::types::SqlType;
use crate::value::{Value, canonical, parse_decimal};

/// The next value of each sequence, by id, with its step.
pub(crate) type Sequences = Arc<Mutex<HashMap<i64, (i64, i64)>>>;

const PURE: FunctionFlags = FunctionFlags::SQLITE_UTF8.union(FunctionFlags::SQLITE_DETERMINISTIC);

/// Makes all functions and the collation of decimals known.
pub(super) fn register(sqlite: &Connection, sequences: Sequences) -> Result<()> {
    sqlite.create_collation("dec", |left, right| {
        match (BigDecimal::from_str(left), BigDecimal::from_str(right)) {
            (Ok(left), Ok(right)) => left.cmp(&right),
            _ => left.cmp(right),
        }
    })?;
    sqlite.create_scalar_function("h_cast", 3, PURE, |call| {
        strict(call, |call| {
            let from = sql_type(call, 1)?;
            let to = sql_type(call, 2)?;
            cast(from_stored(call.get_raw(0), from)?, to).map(|value| to_stored(&value))
        })
    })?;
    sqlite.create_scalar_function("h_dec", 3, PURE, |call| {
        strict(call, |call| {
            let (a, b) = (decimal(call.get_raw(1))?, decimal(call.get_raw(2))?);
            let result = match text(call, 0)? {
                "+" => a + b,
                "-" => a - b,
                "*" => a * b,
                _ if b.is_zero() => return Err(SqlError::new(code::DIVISION, "")),
                _ => (a / b).with_prec(34),
            };
            Ok(Stored::Text(canonical(&result)))
        })
    })?;
    sqlite.create_scalar_function("h_divisor", 1, PURE, |call| match call.get_raw(0) {
        ValueRef::Real(0.0) => Err(failure(&SqlError::new(code::DIVISION, ""))),
        _ => call.get::<Stored>(0),
    })?;
    sqlite.create_scalar_function("h_number", 6, PURE, |call| strict(call, number))?;
    sqlite.create_scalar_function("h_count", 1, PURE, |call| {
        call.get::<Option<i64>>(0)?
            .filter(|count| *count >= 0)
            .ok_or_else(|| {
                failure(&SqlError::new(
                    code::NUMBER,
                    "LIMIT and OFFSET are at least 0",
                ))
            })
    })?;
    sqlite.create_scalar_function("h_next", 1, FunctionFlags::SQLITE_UTF8, move |call| {
        let id: i64 = call.get(0)?;
        next_value(&sequences, id).map_err(|error| failure(&error))
    })?;
    sqlite.create_scalar_function("h_uuid", 0, FunctionFlags::SQLITE_UTF8, |_| {
        Ok([crate::random::number(), crate::random::number()]
            .iter()
            .flat_map(|number| number.to_be_bytes())
            .collect::<Vec<u8>>())
    })?;
    functions_text::register(sqlite)?;
    functions_instant::register(sqlite)?;
    sqlite.create_aggregate_function("h_sum", 1, PURE, DecimalSum { average: false })?;
    sqlite.create_aggregate_function("h_avg", 1, PURE, DecimalSum { average: true })
}

/// Draws from a sequence.
pub(crate) fn next_value(sequences: &Sequences, id: i64) -> std::result::Result<i64, SqlError> {
    let mut sequences = sequences.lock().unwrap_or_else(PoisonError::into_inner);
    let (next, step) = sequences
        .get_mut(&id)
        .ok_or_else(|| SqlError::new(code::SEQUENCE, ""))?;
    let value = *next;
    *next += *step;
    Ok(value)
}

/// Runs a function whose result is NULL if any argument is.
pub(super) fn strict(
    call: &mut Context<'_>,
    function: impl Fn(&Context<'_>) -> std::result::Result<Stored, SqlError>,
) -> Result<Stored> {
    if (0..call.len()).any(|position| call.get_raw(position) == ValueRef::Null) {
        return Ok(Stored::Null);
    }
    function(call).map_err(|error| failure(&error))
}

/// Marks an error so that it survives SQLite.
pub(super) fn failure(error: &SqlError) -> Error {
    Error::UserFunctionError(format!("HANA:{}:{}", error.code, error.text).into())
}

/// The error that a failing statement of SQLite stands for.
pub(crate) fn sql_error(error: &Error) -> SqlError {
    let text = error.to_string();
    let marked = text
        .split_once("HANA:")
        .and_then(|(_, marked)| marked.split_once(':'))
        .and_then(|(code, text)| Some((code.parse::<i32>().ok()?, text)));
    match marked {
        Some((code, text)) => SqlError {
            code,
            text: text.to_owned(),
            position: 0,
        },
        None if text.contains("integer overflow") => SqlError::new(code::OVERFLOW, ""),
        None => SqlError::new(code::GENERAL, format!("test server: {text}")),
    }
}

/// An explicit cast cuts a text that is too long. Source: the dossier, 3.4, `TO_NVARCHAR`.
fn cast(value: Value, to: SqlType) -> std::result::Result<Value, SqlError> {
    match (value, to) {
        (Value::Text(text), SqlType::NVarchar(length)) => Ok(Value::Text(functions_text::units(
            &text,
            0,
            usize::try_from(length).ok(),
        ))),
        (value, to) => value.convert(to),
    }
}

fn sql_type(call: &Context<'_>, position: usize) -> std::result::Result<SqlType, SqlError> {
    let packed = call.get::<i64>(position).ok();
    packed
        .and_then(SqlType::unpack)
        .ok_or_else(|| SqlError::new(code::GENERAL, "test server: no type"))
}

pub(super) fn text<'a>(
    call: &'a Context<'_>,
    position: usize,
) -> std::result::Result<&'a str, SqlError> {
    call.get_raw(position)
        .as_str()
        .map_err(|_| SqlError::new(code::INCONSISTENT, "a text is expected"))
}

fn decimal(stored: ValueRef<'_>) -> std::result::Result<BigDecimal, SqlError> {
    match stored {
        ValueRef::Integer(number) => Ok(BigDecimal::from(number)),
        ValueRef::Text(text) => parse_decimal(&String::from_utf8_lossy(text)),
        ValueRef::Real(number) => parse_decimal(&number.to_string()),
        ValueRef::Null | ValueRef::Blob(_) => Err(SqlError::new(code::NUMBER, "")),
    }
}

/// `h_number(function, x, type of x, y, type of y, type of the result)`.
fn number(call: &Context<'_>) -> std::result::Result<Stored, SqlError> {
    let x = from_stored(call.get_raw(1), sql_type(call, 2)?)?.convert(SqlType::DecimalFloat)?;
    let y = from_stored(call.get_raw(3), sql_type(call, 4)?)?.convert(SqlType::DecimalFloat)?;
    let result_type = sql_type(call, 5)?;
    let (Value::Decimal(x), Value::Decimal(y)) = (x, y) else {
        return Ok(Stored::Null);
    };
    let name = text(call, 0)?;
    let result = match name {
        "ABS" => x.abs(),
        "SIGN" => BigDecimal::from(match x.cmp(&BigDecimal::zero()) {
            std::cmp::Ordering::Less => -1,
            std::cmp::Ordering::Equal => 0,
            std::cmp::Ordering::Greater => 1,
        }),
        "FLOOR" => x.with_scale_round(0, RoundingMode::Floor),
        "CEIL" => x.with_scale_round(0, RoundingMode::Ceiling),
        "ROUND" | "ROUND_DOWN" | "ROUND_UP" | "ROUND_HALF_EVEN" => {
            let mode = match name {
                "ROUND_DOWN" => RoundingMode::Down,
                "ROUND_UP" => RoundingMode::Up,
                "ROUND_HALF_EVEN" => RoundingMode::HalfEven,
                _ => RoundingMode::HalfUp,
            };
            x.with_scale_round(y.to_i64().unwrap_or_default().clamp(-38, 38), mode)
        }
        "MOD" if y.is_zero() => return Err(SqlError::new(code::DIVISION, "")),
        "MOD" => x % y,
        function => {
            let x = x.to_f64().unwrap_or_default();
            let result = if function == "SQRT" {
                x.sqrt()
            } else {
                x.powf(y.to_f64().unwrap_or_default())
            };
            return if result.is_finite() {
                Ok(Stored::Real(result))
            } else {
                Err(SqlError::new(code::OVERFLOW, ""))
            };
        }
    };
    Ok(to_stored(&Value::Decimal(result).convert(result_type)?))
}

/// SUM and AVG of exact numbers.
struct DecimalSum {
    average: bool,
}

impl Aggregate<(BigDecimal, u64), Stored> for DecimalSum {
    fn init(&self, _: &mut Context<'_>) -> Result<(BigDecimal, u64)> {
        Ok((BigDecimal::zero(), 0))
    }

    fn step(&self, call: &mut Context<'_>, (sum, count): &mut (BigDecimal, u64)) -> Result<()> {
        let value = call.get_raw(0);
        if value != ValueRef::Null {
            *sum += decimal(value).map_err(|error| failure(&error))?;
            *count += 1;
        }
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, total: Option<(BigDecimal, u64)>) -> Result<Stored> {
        Ok(match total {
            None | Some((_, 0)) => Stored::Null,
            Some((sum, count)) if self.average => {
                Stored::Text(canonical(&(sum / BigDecimal::from(count)).with_prec(34)))
            }
            Some((sum, _)) => Stored::Text(canonical(&sum)),
        })
    }
}

/// Ticks of the current instant, in UTC.
pub(crate) fn now_ticks() -> i64 {
    datetime::ticks_from_datetime(jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::now()))
}
