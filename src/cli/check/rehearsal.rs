//! `check --database`: that the database keeps what we give it, cell for cell, in a transaction that is rolled back.

use bigdecimal::BigDecimal;
use ingester_core::id::ResponseId;
use ingester_core::row::{Cell, Column, ColumnType, Row, Table};
use ingester_core::sql::{self, Statement};
use ingester_core::time::Timestamp;

use super::{Finding, Report};
use crate::store::{Store, StoreError};

/// A table that nobody has; on HANA `#` makes it one of this connection alone.
const TABLE: &str = "\"#QUALTRICS_CHECK_REHEARSAL\"";
const RESPONSE: &str = "R_rehearsal";

/// One of each kind of value, each as hard to keep as can be, with the column that it goes to.
fn cases() -> Vec<(ColumnType, Cell)> {
    let instant = |text: &str| text.parse().unwrap_or(Timestamp::UNIX_EPOCH);
    let number = |text: &str| text.parse().unwrap_or_else(|_| BigDecimal::from(0));
    vec![
        (ColumnType::NVarchar(69), Cell::Text(RESPONSE.to_owned())),
        (ColumnType::Integer, Cell::Integer(i64::from(i32::MIN))),
        (ColumnType::BigInt, Cell::Integer(i64::MAX)),
        (
            ColumnType::Decimal {
                precision: 20,
                scale: 6,
            },
            Cell::Decimal(number("0.1")),
        ),
        (ColumnType::Boolean, Cell::Boolean(true)),
        (ColumnType::Date, super::date("2024-02-29")),
        (
            ColumnType::Timestamp,
            Cell::Timestamp(instant("2021-03-25T17:21:25.942Z")),
        ),
        (
            ColumnType::Timestamp,
            Cell::Timestamp(instant("2021-03-25T17:21:25.9421234Z")),
        ),
        // 5,000 UTF-16 units, as HANA counts: half as many characters of four bytes.
        (ColumnType::NVarchar(5000), Cell::Text("🙂".repeat(2500))),
        (
            ColumnType::NVarchar(100),
            Cell::Text("'; -- \"ü\"\r\n".to_owned()),
        ),
        (ColumnType::NVarchar(100), Cell::Text(String::new())),
        (ColumnType::NClob, Cell::Text("x".repeat(100_000))),
        (ColumnType::NVarchar(100), Cell::Null),
    ]
}

fn table(cases: &[(ColumnType, Cell)]) -> Option<Table> {
    let column = |(index, (kind, _)): (usize, &(ColumnType, Cell))| {
        let name = if index == 0 {
            "RESPONSEID".to_owned()
        } else {
            format!("C{index}")
        };
        Some(Column {
            name: name.parse().ok()?,
            property: name,
            kind: *kind,
            nullable: index > 0,
        })
    };
    Some(Table {
        name: TABLE.parse().ok()?,
        columns: cases
            .iter()
            .enumerate()
            .map(column)
            .collect::<Option<_>>()?,
    })
}

pub(super) async fn check(report: &mut Report, store: &Store) {
    const CHECK: &str = "rehearsal";
    report.add(match rehearse(store).await {
        Ok(None) => Finding::ok(
            CHECK,
            "an upsert replaces, leaves alone what it does not name, and every kind of value comes back as it went",
        ),
        Ok(Some(problem)) => Finding::problem(CHECK, "rehearsal", problem),
        Err(error) => Finding::problem(CHECK, error.code(), error.to_string()),
    });
}

/// What does not come back as it went, if anything.
async fn rehearse(store: &Store) -> Result<Option<String>, StoreError> {
    let cases = cases();
    let (Some(table), Ok(response)) = (table(&cases), RESPONSE.parse::<ResponseId>()) else {
        return Ok(None);
    };
    let dialect = store.dialect();
    let row = |cells: Vec<Cell>| Row(cells.into());
    let wanted: Vec<Cell> = cases.iter().map(|(_, cell)| cell.clone()).collect();
    let mut former = vec![Cell::Null; wanted.len()];
    if let (Some(key), Some(first)) = (former.first_mut(), wanted.first()) {
        key.clone_from(first);
    }
    // A table may have columns that are not ours: an upsert that does not name them must leave them alone.
    let key_alone = Table {
        columns: table.columns.iter().take(1).cloned().collect(),
        ..table.clone()
    };
    let statements: Vec<Statement> = vec![
        sql::ddl::create_trial_table(dialect, &table),
        sql::rows::upsert(dialect, &table, row(former)),
        sql::rows::upsert(dialect, &table, row(wanted.clone())),
        sql::rows::upsert(
            dialect,
            &key_alone,
            row(wanted.iter().take(1).cloned().collect()),
        ),
    ];
    let kinds: Vec<ColumnType> = cases.iter().map(|(kind, _)| *kind).collect();
    let look = sql::rows::current(dialect, &table, &response);
    let rows = store.rehearse(statements, look, &kinds).await?;
    let [found] = &rows[..] else {
        return Ok(Some(format!(
            "an upsert of one row twice made {} rows",
            rows.len()
        )));
    };
    let differs = found
        .iter()
        .zip(&wanted)
        .zip(&kinds)
        .find(|((found, wanted), _)| found != wanted);
    Ok(
        differs
            .map(|(_, kind)| format!("a value of a column {kind} does not come back as it went")),
    )
}
