//! What recovery asks of the inbox every second runs through the index of what is open, however much is done.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use ingester_core::inbox::{LEASE, Owner};
use ingester_core::sql::inbox::Waiting;
use ingester_core::sql::{Dialect, Statement, bulk, ddl, inbox};
use rusqlite::Connection;

/// What SQLite plans for a statement, one step a line.
fn plan(statement: &Statement) -> String {
    let connection = Connection::open_in_memory().unwrap();
    for text in ddl::OWN_TABLES
        .iter()
        .flat_map(|table| table.create(Dialect::Sqlite))
    {
        connection.execute_batch(&text).unwrap();
    }
    let explain = format!(
        "EXPLAIN QUERY PLAN {}",
        statement.on(Dialect::Sqlite).text()
    );
    let mut prepared = connection.prepare(&explain).unwrap();
    // What is bound does not matter for the plan, only that it is.
    for place in 1..=prepared.parameter_count() {
        prepared.raw_bind_parameter(place, 1).unwrap();
    }
    let (mut rows, mut steps) = (prepared.raw_query(), Vec::new());
    while let Some(row) = rows.next().unwrap() {
        steps.push(row.get::<_, String>(3).unwrap());
    }
    steps.join("\n")
}

#[test]
fn what_is_due_is_looked_for_in_the_index_alone() {
    let surveys = ["SV_22VlHYNeldrrrk1".parse().unwrap()];
    let (owner, now) = (Owner::new("a"), "2026-06-01T12:00:00Z".parse().unwrap());

    let plan = plan(&inbox::claim_waiting(
        Waiting::Due,
        &surveys,
        64,
        (&owner, LEASE),
        now,
    ));

    assert!(
        plan.contains("COVERING INDEX QUALTRICS_INBOX_OPEN (STATE=?)"),
        "{plan}"
    );
}

#[test]
fn what_is_done_is_not_looked_at() {
    let surveys = ["SV_22VlHYNeldrrrk1".parse().unwrap()];
    let (owner, now) = (Owner::new("a"), "2026-06-01T12:00:00Z".parse().unwrap());
    for statement in [
        inbox::claim_waiting(Waiting::Expired, &surveys, 64, (&owner, LEASE), now),
        inbox::take_over(now),
        bulk::backlog(&surveys, 20_000, now),
    ] {
        let plan = plan(&statement);
        assert!(
            plan.contains("INDEX QUALTRICS_INBOX_OPEN (STATE=?)"),
            "{plan}"
        );
        let looks_at_all =
            |step: &str| step.contains("SCAN QUALTRICS_INBOX") || step.contains("autoindex");
        assert!(!plan.lines().any(looks_at_all), "{plan}");
    }
}
