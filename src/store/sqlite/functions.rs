//! The functions that the reader's SQL calls and SQLite lacks.

use ingester_core::odata::Pattern;
use ingester_core::sql::functions::{ScalarFunction, Value};
use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{Value as SqlValue, ValueRef};

/// Registers them on a connection.
pub(super) fn register(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    for function in ScalarFunction::ALL {
        // None takes more than two.
        let arguments = i32::try_from(function.arguments()).unwrap_or(-1);
        match function {
            ScalarFunction::Matches => {
                connection.create_scalar_function(
                    function.name(),
                    arguments,
                    flags,
                    |context| matches(context),
                )?;
            }
            ScalarFunction::Lower
            | ScalarFunction::Upper
            | ScalarFunction::Floor
            | ScalarFunction::Ceiling
            | ScalarFunction::Modulo => {
                connection.create_scalar_function(
                    function.name(),
                    arguments,
                    flags,
                    move |context| {
                        let arguments: Vec<Value> = (0..context.len())
                            .map(|index| argument(context.get_raw(index)))
                            .collect();
                        Ok(result(function.call(&arguments)))
                    },
                )?;
            }
        }
    }
    Ok(())
}

/// The pattern is compiled once per statement, not once per row.
fn matches(context: &Context<'_>) -> rusqlite::Result<SqlValue> {
    let pattern = context.get_or_create_aux(1, |value| match argument(value) {
        Value::Text(text) => {
            Pattern::new(&text).map_err(|_| rusqlite::types::FromSqlError::InvalidType)
        }
        Value::Null | Value::Integer(_) | Value::Real(_) => {
            Err(rusqlite::types::FromSqlError::InvalidType)
        }
    });
    Ok(match (argument(context.get_raw(0)), pattern) {
        (Value::Text(text), Ok(pattern)) => SqlValue::Integer(pattern.matches(&text).into()),
        _ => SqlValue::Null,
    })
}

fn argument(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Integer(value) => Value::Integer(value),
        ValueRef::Real(value) => Value::Real(value),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Null | ValueRef::Blob(_) => Value::Null,
    }
}

fn result(value: Value) -> SqlValue {
    match value {
        Value::Null => SqlValue::Null,
        Value::Integer(value) => SqlValue::Integer(value),
        Value::Real(value) => SqlValue::Real(value),
        Value::Text(value) => SqlValue::Text(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_functions_answer() {
        let connection = Connection::open_in_memory().unwrap();
        register(&connection).unwrap();
        let text = |sql: &str| -> Option<String> {
            connection
                .query_row(&format!("SELECT CAST({sql} AS TEXT)"), [], |row| row.get(0))
                .unwrap()
        };

        assert_eq!(text("odata_lower('ÄÖ')").as_deref(), Some("äö"));
        assert_eq!(text("odata_upper('äö')").as_deref(), Some("ÄÖ"));
        assert_eq!(text("odata_floor(-1.5)").as_deref(), Some("-2.0"));
        assert_eq!(text("odata_ceiling(1.2)").as_deref(), Some("2.0"));
        assert_eq!(text("odata_mod(7, 4)").as_deref(), Some("3.0"));
        assert_eq!(text("odata_matches('abc', '^a.c$')").as_deref(), Some("1"));
        assert_eq!(text("odata_matches('abc', '(')"), None);
        assert_eq!(text("odata_matches(NULL, 'a')"), None);
    }
}
