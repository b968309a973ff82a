//! Functions of instants, which are ticks inside SQLite.

use jiff::Span;
use jiff::civil::DateTime;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{Value as Stored, ValueRef};
use rusqlite::{Connection, Result};

use bigdecimal::{BigDecimal, ToPrimitive as _};

use super::functions::{strict, text};
use crate::datetime::{
    TICKS_PER_DAY, TICKS_PER_SECOND, datetime_from_ticks, format_picture, parse_datetime,
    ticks_from_datetime,
};
use crate::error::{SqlError, code};
use crate::value::parse_decimal;

const PURE: FunctionFlags = FunctionFlags::SQLITE_UTF8.union(FunctionFlags::SQLITE_DETERMINISTIC);

pub(super) fn register(sqlite: &Connection) -> Result<()> {
    sqlite.create_scalar_function("h_instant", 3, PURE, |call| strict(call, function))?;
    sqlite.create_scalar_function("h_format", 2, PURE, |call| {
        strict(call, |call| {
            let picture = text(call, 1)?;
            format_picture(moment(call, 0)?, picture)
                .map(Stored::Text)
                .ok_or_else(|| SqlError::new(code::DATETIME, format!("format {picture}")))
        })
    })?;
    sqlite.create_scalar_function("h_parse", 2, PURE, |call| {
        strict(call, |call| {
            parse(text(call, 0)?, text(call, 1)?).map(Stored::Integer)
        })
    })
}

fn moment(call: &Context<'_>, position: usize) -> std::result::Result<DateTime, SqlError> {
    call.get::<i64>(position)
        .ok()
        .and_then(datetime_from_ticks)
        .ok_or_else(out_of_range)
}

fn out_of_range() -> SqlError {
    SqlError::new(code::DATETIME, "out of range")
}

/// `h_instant(function, ticks, amount or other ticks)`.
fn function(call: &Context<'_>) -> std::result::Result<Stored, SqlError> {
    let name = text(call, 0)?;
    let ticks: i64 = call.get(1).map_err(|_| out_of_range())?;
    let value = moment(call, 1)?;
    let number = || {
        call.get::<i64>(2)
            .map_err(|_| SqlError::new(code::NUMBER, name))
    };
    let later = |ticks: Option<i64>| {
        ticks
            .filter(|ticks| datetime_from_ticks(*ticks).is_some())
            .map(Stored::Integer)
            .ok_or_else(out_of_range)
    };
    let part = match name {
        "ADD_SECONDS" => {
            let seconds = match call.get_raw(2) {
                ValueRef::Integer(seconds) => BigDecimal::from(seconds),
                ValueRef::Text(text) => parse_decimal(&String::from_utf8_lossy(text))?,
                _ => return Err(SqlError::new(code::NUMBER, name)),
            };
            let added = (seconds * BigDecimal::from(TICKS_PER_SECOND)).to_i64();
            return later(added.and_then(|added| ticks.checked_add(added)));
        }
        "ADD_NANO100" => return later(ticks.checked_add(number()?)),
        "ADD_DAYS" => {
            return later(
                number()?
                    .checked_mul(TICKS_PER_DAY)
                    .and_then(|added| ticks.checked_add(added)),
            );
        }
        "ADD_MONTHS" | "ADD_YEARS" => {
            let months = number()?.checked_mul(if name == "ADD_YEARS" { 12 } else { 1 });
            let span = months.and_then(|months| Span::new().try_months(months).ok());
            let moved = span.and_then(|span| value.checked_add(span).ok());
            return later(moved.map(ticks_from_datetime));
        }
        "SECONDS_BETWEEN" => return Ok(Stored::Integer((number()? - ticks) / TICKS_PER_SECOND)),
        "DAYS_BETWEEN" => return Ok(Stored::Integer((number()? - ticks) / TICKS_PER_DAY)),
        "LAST_DAY" => return Ok(Stored::Integer(ticks_from_datetime(value.last_of_month()))),
        "ISOWEEK" => {
            let week = value.date().iso_week_date();
            return Ok(Stored::Text(format!(
                "{:04}-W{:02}",
                week.year(),
                week.week()
            )));
        }
        "YEAR" => i64::from(value.year()),
        "MONTH" => i64::from(value.month()),
        "DAYOFMONTH" => i64::from(value.day()),
        "DAYOFYEAR" => i64::from(value.day_of_year()),
        "HOUR" => i64::from(value.hour()),
        "MINUTE" => i64::from(value.minute()),
        "SECOND" => i64::from(value.second()),
        // Monday is 0. Source: SAP HANA SQL Reference, "WEEKDAY".
        "WEEKDAY" => i64::from(value.weekday().to_monday_zero_offset()),
        "WEEK" => i64::from(value.date().iso_week_date().week()),
        _ => return Err(SqlError::new(code::FUNCTION, name)),
    };
    Ok(Stored::Integer(part))
}

/// Reads by a picture: only those that say what the plain form says too.
fn parse(value: &str, picture: &str) -> std::result::Result<i64, SqlError> {
    let known = picture
        .trim_end_matches(|c: char| c.is_ascii_digit())
        .trim_end_matches("FF")
        .trim_end_matches('.');
    let shape = [
        "YYYY-MM-DD HH24:MI:SS",
        "YYYY-MM-DD\"T\"HH24:MI:SS",
        "YYYY-MM-DDTHH24:MI:SS",
        "YYYY-MM-DD",
    ];
    if !shape.contains(&known)
        && !shape
            .iter()
            .any(|shape| picture.trim_end_matches(".FF7") == *shape)
    {
        return Err(SqlError::new(
            code::NOT_SUPPORTED,
            format!("format {picture}"),
        ));
    }
    parse_datetime(value)
        .map(ticks_from_datetime)
        .ok_or_else(|| SqlError::new(code::DATETIME, value))
}
