//! What a connection to HANA begins with.

use std::time::Duration;

use super::Statement;

/// HANA only: the connection's schema, where its user did not name one in the address.
#[must_use]
pub fn set_schema(schema: &str) -> Statement {
    let mut statement = Statement::new("SET SCHEMA ");
    statement.identifier(schema);
    statement
}

/// HANA only: the statements of one transaction see one state of the database.
/// Source: SAP HANA SQL Reference, SET TRANSACTION: above READ COMMITTED a transaction reads from its beginning.
#[must_use]
pub fn set_snapshot() -> Statement {
    Statement::new("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
}

/// HANA only: how long a statement waits for a row that another transaction holds.
#[must_use]
pub fn set_lock_wait(limit: Duration) -> Statement {
    let mut statement = Statement::new("SET TRANSACTION LOCK WAIT TIMEOUT ");
    statement.number(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX));
    statement
}

/// HANA only: the own tables and the sequence that are there, by name.
#[must_use]
pub fn own_objects() -> Statement {
    Statement::new(
        r#"/* schema.own */
SELECT "TABLE_NAME" FROM "SYS"."TABLES" WHERE "SCHEMA_NAME" = CURRENT_SCHEMA AND "TABLE_NAME" LIKE 'QUALTRICS%'
UNION ALL SELECT "SEQUENCE_NAME" FROM "SYS"."SEQUENCES" WHERE "SCHEMA_NAME" = CURRENT_SCHEMA AND "SEQUENCE_NAME" LIKE 'QUALTRICS%'
UNION ALL SELECT "SYNONYM_NAME" FROM "SYS"."SYNONYMS" WHERE "SCHEMA_NAME" = CURRENT_SCHEMA AND "SYNONYM_NAME" LIKE 'QUALTRICS%'"#,
    )
}
