//! Many responses of one survey at a time: what bulk work compares before it writes.

use super::{Dialect, Statement, instant, list_of, number, seconds, stamp, text};
use crate::id::{ResponseId, SurveyId};
use crate::inbox::{Event, Owner, TOPIC};
use crate::row::{Cell, ColumnName, Table, TableName};
use crate::time::Timestamp;
use std::time::Duration;

/// Appends `(?, ?, …)`, padded with NULLs, which is right for an empty list too.
fn list<T: AsRef<str>>(statement: &mut Statement, values: &[T]) {
    list_of(statement, values.iter().map(text));
}

/// The cells of responses as they stand in the table, in the table's order.
#[must_use]
pub fn rows(dialect: Dialect, table: &Table, responses: &[ResponseId]) -> Statement {
    let mut statement = Statement::new("/* bulk.rows */ SELECT ");
    for (index, column) in table.columns.iter().enumerate() {
        statement
            .push(if index == 0 { "" } else { ", " })
            .column(&column.name);
    }
    statement
        .push(" FROM ")
        .table(dialect, &table.name)
        .push(" WHERE \"RESPONSEID\" IN ");
    list(&mut statement, responses);
    statement
}

/// Which of these responses have a row.
#[must_use]
pub fn ids(dialect: Dialect, table: &TableName, responses: &[ResponseId]) -> Statement {
    let mut statement = Statement::new("/* bulk.ids */ SELECT \"RESPONSEID\" FROM ");
    statement
        .table(dialect, table)
        .push(" WHERE \"RESPONSEID\" IN ");
    list(&mut statement, responses);
    statement
}

/// The documents of responses: response, recorded, asked, digest, document.
#[must_use]
pub fn documents(survey: &SurveyId, responses: &[ResponseId]) -> Statement {
    let mut statement = Statement::new(
        r#"/* bulk.documents */
SELECT "RESPONSE_ID", "RECORDED_AT", "ASKED_AT", "DIGEST", "DOCUMENT" FROM "QUALTRICS_RAW" WHERE "SURVEY_ID" = "#,
    );
    statement
        .bind(text(survey))
        .push(" AND \"RESPONSE_ID\" IN ");
    list(&mut statement, responses);
    statement
}

/// Their events that are not done: response, completed, received, state, attempts, reason.
#[must_use]
pub fn open_events(survey: &SurveyId, responses: &[ResponseId]) -> Statement {
    let mut statement = Statement::new(
        r#"/* bulk.events */
SELECT "RESPONSE_ID", "COMPLETED_AT", "RECEIVED_AT", "STATE", "ATTEMPTS", "LAST_ERROR" FROM "QUALTRICS_INBOX"
WHERE "STATE" <> 'done' AND "SURVEY_ID" = "#,
    );
    statement
        .bind(text(survey))
        .push(" AND \"RESPONSE_ID\" IN ");
    list(&mut statement, responses);
    statement
}

/// Which of these hashes were kept for erased responses.
#[must_use]
pub fn erased(hashes: &[String]) -> Statement {
    let mut statement = Statement::new(
        "/* bulk.erased */ SELECT \"HASH\" FROM \"QUALTRICS_ERASED\" WHERE \"HASH\" IN ",
    );
    list(&mut statement, hashes);
    statement
}

/// Leases one event that waits or was given up, if nothing changed since it was looked at.
#[must_use]
pub fn claim(event: &Event, attempts: u32, lease: (&Owner, Duration), now: Timestamp) -> Statement {
    let (owner, duration) = lease;
    let hana = Statement::new(
        r#"/* bulk.claim */
UPDATE "QUALTRICS_INBOX" SET "STATE" = 'leased', "ATTEMPTS" = "ATTEMPTS" + 1, "NEXT_ATTEMPT_AT" = NULL,
  "LEASE_OWNER" = ?, "LEASE_UNTIL" = ADD_SECONDS(CURRENT_UTCTIMESTAMP, ?), "DONE_AT" = NULL
WHERE "SURVEY_ID" = ? AND "RESPONSE_ID" = ? AND "ATTEMPTS" = ? AND "COMPLETED_AT" = ? AND "STATE" IN ('pending', 'dead')"#,
    )
    .with([text(owner), seconds(duration)])
    .with(claimed(event, attempts));
    let sqlite = Statement::new(
        r#"/* bulk.claim */
UPDATE "QUALTRICS_INBOX" SET "STATE" = 'leased', "ATTEMPTS" = "ATTEMPTS" + 1, "NEXT_ATTEMPT_AT" = NULL,
  "LEASE_OWNER" = ?, "LEASE_UNTIL" = ?, "DONE_AT" = NULL
WHERE "SURVEY_ID" = ? AND "RESPONSE_ID" = ? AND "ATTEMPTS" = ? AND "COMPLETED_AT" = ? AND "STATE" IN ('pending', 'dead')"#,
    )
    .with([text(owner), stamp(super::later(now, duration))])
    .with(claimed(event, attempts));
    Statement::either(sqlite, hana)
}

fn claimed(event: &Event, attempts: u32) -> [Cell; 4] {
    [
        text(&event.survey_id),
        text(&event.response_id),
        number(attempts),
        stamp(event.completed_at),
    ]
}

/// Notes a response that an export has and that can't become a row: a dead letter, unless something is still to be
/// tried or was given up before.
#[must_use]
pub fn bury(event: &Event, reason: &str, now: Timestamp) -> Statement {
    let hana = r#"/* bulk.bury */
MERGE INTO "QUALTRICS_INBOX" I USING (SELECT CAST(? AS NVARCHAR(18)) AS "SURVEY_ID",
  CAST(? AS NVARCHAR(69)) AS "RESPONSE_ID", CAST(? AS NVARCHAR(40)) AS "TOPIC", CAST(? AS TIMESTAMP) AS "COMPLETED_AT",
  CAST(? AS TIMESTAMP) AS "RECEIVED_AT", CAST(? AS NVARCHAR(1000)) AS "LAST_ERROR" FROM DUMMY) S
ON I."SURVEY_ID" = S."SURVEY_ID" AND I."RESPONSE_ID" = S."RESPONSE_ID"
WHEN MATCHED AND I."STATE" = 'done' THEN UPDATE SET "STATE" = 'dead', "LAST_ERROR" = S."LAST_ERROR",
  "DONE_AT" = CURRENT_UTCTIMESTAMP
WHEN NOT MATCHED THEN INSERT ("SURVEY_ID", "RESPONSE_ID", "TOPIC", "COMPLETED_AT", "RECEIVED_AT", "STATE", "ATTEMPTS",
  "LAST_ERROR", "DONE_AT")
VALUES (S."SURVEY_ID", S."RESPONSE_ID", S."TOPIC", S."COMPLETED_AT", S."RECEIVED_AT", 'dead', 0, S."LAST_ERROR",
  CURRENT_UTCTIMESTAMP)"#;
    let sqlite = r#"/* bulk.bury */
INSERT INTO "QUALTRICS_INBOX" AS I ("SURVEY_ID", "RESPONSE_ID", "TOPIC", "COMPLETED_AT", "RECEIVED_AT", "STATE", "ATTEMPTS",
  "LAST_ERROR", "DONE_AT")
VALUES (?, ?, ?, ?, ?, 'dead', 0, ?, ?)
ON CONFLICT ("SURVEY_ID", "RESPONSE_ID") DO UPDATE SET "STATE" = 'dead', "LAST_ERROR" = excluded."LAST_ERROR",
  "DONE_AT" = excluded."DONE_AT"
WHERE I."STATE" = 'done'"#;
    let form = |sql| {
        Statement::new(sql).with([
            text(&event.survey_id),
            text(&event.response_id),
            text(TOPIC),
            stamp(event.completed_at),
            stamp(event.received_at),
            super::inbox::reason_cell(reason),
        ])
    };
    Statement::either(form(sqlite).with([stamp(now)]), form(hana))
}

/// What waits and is due, up to `limit` events: survey, count, oldest completion that is known, oldest receipt.
#[must_use]
pub fn backlog(surveys: &[SurveyId], limit: u32, now: Timestamp) -> Statement {
    let form = |dialect| {
        let mut statement = Statement::new(
            r#"/* bulk.backlog */
SELECT "SURVEY_ID", COUNT(*), MIN("COMPLETED_AT"), MIN("RECEIVED_AT") FROM (
  SELECT "SURVEY_ID", CASE WHEN "COMPLETED_AT" > "#,
        );
        statement.bind(Cell::Timestamp(Timestamp::UNIX_EPOCH)).push(
            r#" THEN "COMPLETED_AT" END AS "COMPLETED_AT", "RECEIVED_AT" FROM "QUALTRICS_INBOX"
  WHERE "STATE" <> 'done' AND "STATE" = 'pending' AND "NEXT_ATTEMPT_AT" <= "#,
        );
        super::push_now(&mut statement, dialect, now);
        statement.push(match dialect {
            // Not by the survey, which would find all that is done. Source: SQLite, "The unary + operator".
            Dialect::Sqlite => " AND +\"SURVEY_ID\" IN ",
            Dialect::Hana => " AND \"SURVEY_ID\" IN ",
        });
        list(&mut statement, surveys);
        statement
            .push(" LIMIT ")
            .number(limit.into())
            .push(") AS \"DUE\" GROUP BY \"SURVEY_ID\"");
        statement
    };
    Statement::either(form(Dialect::Sqlite), form(Dialect::Hana))
}

/// One row if a callback of this survey came at or after an instant.
#[must_use]
pub fn heard_since(survey: &SurveyId, since: Timestamp) -> Statement {
    Statement::new(
        r#"/* bulk.heard */
SELECT 1 FROM "QUALTRICS_INBOX" WHERE "SURVEY_ID" = ? AND "RECEIVED_AT" >= ? LIMIT 1"#,
    )
    .with([text(survey), instant(Some(since))])
}

/// Events of a survey by state: state, count.
#[must_use]
pub fn states(survey: &SurveyId) -> Statement {
    Statement::new(
        r#"/* bulk.states */
SELECT "STATE", COUNT(*) FROM "QUALTRICS_INBOX" WHERE "SURVEY_ID" = ? AND "STATE" <> 'done' GROUP BY "STATE""#,
    )
    .with([text(survey)])
}

/// What is kept of a response beside its row: kind, count.
#[must_use]
pub fn traces(survey: &SurveyId, response: &ResponseId) -> Statement {
    let binds = || [text(survey), text(response)];
    Statement::new(
        r#"/* bulk.traces */
SELECT 'documents', COUNT(*) FROM "QUALTRICS_RAW" WHERE "SURVEY_ID" = ? AND "RESPONSE_ID" = ?
UNION ALL SELECT 'events', COUNT(*) FROM "QUALTRICS_INBOX" WHERE "SURVEY_ID" = ? AND "RESPONSE_ID" = ?
UNION ALL SELECT 'changes', COUNT(*) FROM "QUALTRICS_CHANGES" WHERE "SURVEY_ID" = ? AND "RESPONSE_ID" = ?"#,
    )
    .with(binds().into_iter().chain(binds()).chain(binds()))
}

/// The responses whose column holds one of these values, in whatever letter case.
#[must_use]
pub fn having(
    dialect: Dialect,
    table: &TableName,
    column: &ColumnName,
    values: &[String],
) -> Statement {
    let mut statement = Statement::new("/* bulk.having */ SELECT \"RESPONSEID\" FROM ");
    statement
        .table(dialect, table)
        .push(" WHERE LOWER(TRIM(CAST(")
        .column(column)
        .push(" AS NVARCHAR(5000)))) IN ");
    list(&mut statement, values);
    statement
}
