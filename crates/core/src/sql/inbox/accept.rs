//! Events on their way in.

use std::time::Duration;

use super::super::{Dialect, Statement, later, number, seconds, stamp, text};
use crate::id::{ResponseId, SurveyId};
use crate::inbox::{Event, Owner, REVIVAL_AFTER, TOPIC};
use crate::row::{Cell, ColumnType};
use crate::time::Timestamp;

/// Stores an event, leased if an owner is given, else pending. No row changed means that it is known: then
/// [`begin_again`] is asked on SQLite and [`revive_again`] on HANA, where a newer completion is stored here already.
#[must_use]
pub fn accept(
    dialect: Dialect,
    event: &Event,
    lease: Option<(&Owner, Duration)>,
    now: Timestamp,
) -> Statement {
    match dialect {
        Dialect::Sqlite => accept_sqlite(event, lease, now),
        Dialect::Hana => accept_hana(event, lease),
    }
}

/// State, attempts, when it is due unless it is leased, whose it is, and until when.
fn begun(
    lease: Option<(&Owner, Duration)>,
    due: Cell,
    until: impl FnOnce(Duration) -> Cell,
) -> [Cell; 5] {
    match lease {
        Some((owner, duration)) => [
            text("leased"),
            number(1),
            Cell::Null,
            text(owner),
            until(duration),
        ],
        None => [text("pending"), number(0), due, Cell::Null, Cell::Null],
    }
}

/// By HANA's own clock: seconds from now.
fn begun_in(lease: Option<(&Owner, Duration)>) -> [Cell; 5] {
    begun(lease, number(0), seconds)
}

/// By our clock.
fn begun_at(event: &Event, lease: Option<(&Owner, Duration)>, now: Timestamp) -> [Cell; 5] {
    begun(lease, stamp(event.received_at), |duration| {
        stamp(later(now, duration))
    })
}

/// Every value is cast, because a parameter in a select list has no type of its own.
/// Source: SAP HANA SQL Reference, MERGE INTO; UPSERT knows no condition.
fn accept_hana(event: &Event, lease: Option<(&Owner, Duration)>) -> Statement {
    Statement::new(
        r#"/* inbox.accept */
MERGE INTO "QUALTRICS_INBOX" I USING (SELECT CAST(? AS NVARCHAR(18)) AS "SURVEY_ID",
  CAST(? AS NVARCHAR(69)) AS "RESPONSE_ID", CAST(? AS NVARCHAR(40)) AS "TOPIC", CAST(? AS TIMESTAMP) AS "COMPLETED_AT",
  CAST(? AS TIMESTAMP) AS "RECEIVED_AT", CAST(? AS NVARCHAR(8)) AS "STATE", CAST(? AS INTEGER) AS "ATTEMPTS",
  CAST(? AS INTEGER) AS "DUE_IN", CAST(? AS NVARCHAR(36)) AS "LEASE_OWNER", CAST(? AS INTEGER) AS "LEASED_FOR"
  FROM DUMMY) S ON I."SURVEY_ID" = S."SURVEY_ID" AND I."RESPONSE_ID" = S."RESPONSE_ID"
WHEN MATCHED AND S."COMPLETED_AT" > I."COMPLETED_AT" THEN UPDATE SET "COMPLETED_AT" = S."COMPLETED_AT",
  "RECEIVED_AT" = S."RECEIVED_AT", "STATE" = S."STATE", "ATTEMPTS" = S."ATTEMPTS",
  "NEXT_ATTEMPT_AT" = ADD_SECONDS(CURRENT_UTCTIMESTAMP, S."DUE_IN"), "LEASE_OWNER" = S."LEASE_OWNER",
  "LEASE_UNTIL" = ADD_SECONDS(CURRENT_UTCTIMESTAMP, S."LEASED_FOR"), "LAST_ERROR" = NULL, "DONE_AT" = NULL
WHEN NOT MATCHED THEN INSERT ("SURVEY_ID", "RESPONSE_ID", "TOPIC", "COMPLETED_AT", "RECEIVED_AT", "STATE", "ATTEMPTS",
  "NEXT_ATTEMPT_AT", "LEASE_OWNER", "LEASE_UNTIL")
VALUES (S."SURVEY_ID", S."RESPONSE_ID", S."TOPIC", S."COMPLETED_AT", S."RECEIVED_AT", S."STATE", S."ATTEMPTS",
  ADD_SECONDS(CURRENT_UTCTIMESTAMP, S."DUE_IN"), S."LEASE_OWNER", ADD_SECONDS(CURRENT_UTCTIMESTAMP, S."LEASED_FOR"))"#,
    )
    .with([
        text(&event.survey_id),
        text(&event.response_id),
        text(TOPIC),
        stamp(event.completed_at),
        stamp(event.received_at),
    ])
    .with(begun_in(lease))
}

/// HANA only: lets an event begin anew that died long enough ago, although what came is not newer. The newer
/// completion that stands there stays. No row changed means that it is a duplicate.
#[must_use]
pub fn revive_again(event: &Event, lease: Option<(&Owner, Duration)>) -> Statement {
    let since = number(-i64::try_from(REVIVAL_AFTER.as_secs()).unwrap_or(i64::MAX));
    Statement::new(
        r#"/* inbox.revive_again */
UPDATE "QUALTRICS_INBOX" SET "RECEIVED_AT" = ?, "STATE" = ?, "ATTEMPTS" = ?,
  "NEXT_ATTEMPT_AT" = ADD_SECONDS(CURRENT_UTCTIMESTAMP, ?), "LEASE_OWNER" = ?,
  "LEASE_UNTIL" = ADD_SECONDS(CURRENT_UTCTIMESTAMP, ?), "LAST_ERROR" = NULL, "DONE_AT" = NULL
WHERE "SURVEY_ID" = ? AND "RESPONSE_ID" = ? AND "STATE" = 'dead'
  AND "DONE_AT" <= ADD_SECONDS(CURRENT_UTCTIMESTAMP, ?)"#,
    )
    .with([stamp(event.received_at)])
    .with(begun_in(lease))
    .with([text(&event.survey_id), text(&event.response_id), since])
}

/// The types of what [`standing`] answers.
pub const STANDING: [ColumnType; 8] = [
    ColumnType::NVarchar(18),
    ColumnType::NVarchar(69),
    ColumnType::Timestamp,
    ColumnType::Timestamp,
    ColumnType::NVarchar(8),
    ColumnType::Integer,
    ColumnType::NVarchar(36),
    ColumnType::NVarchar(1000),
];

/// HANA only: one event as it stands: survey, response, completed, received, state, attempts, owner, reason.
#[must_use]
pub fn standing(survey: &SurveyId, response: &ResponseId) -> Statement {
    Statement::new(
        r#"/* inbox.standing */
SELECT "SURVEY_ID", "RESPONSE_ID", "COMPLETED_AT", "RECEIVED_AT", "STATE", "ATTEMPTS", "LEASE_OWNER", "LAST_ERROR"
FROM "QUALTRICS_INBOX" WHERE "SURVEY_ID" = ? AND "RESPONSE_ID" = ?"#,
    )
    .with([text(survey), text(response)])
}

/// What most callbacks need and no more: an upsert that answers rows takes twice as long.
fn accept_sqlite(event: &Event, lease: Option<(&Owner, Duration)>, now: Timestamp) -> Statement {
    Statement::new(
        r#"/* inbox.accept */
INSERT INTO "QUALTRICS_INBOX" ("SURVEY_ID", "RESPONSE_ID", "TOPIC", "COMPLETED_AT", "RECEIVED_AT", "STATE", "ATTEMPTS",
  "NEXT_ATTEMPT_AT", "LEASE_OWNER", "LEASE_UNTIL")
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"#,
    )
    .with([
        text(&event.survey_id),
        text(&event.response_id),
        text(TOPIC),
        stamp(event.completed_at),
        stamp(event.received_at),
    ])
    .with(begun_at(event, lease, now))
}

/// SQLite only: lets an event begin anew if what came is a newer completion, or if it died long enough ago; answers the
/// `COMPLETED_AT` that then stands there. No row means that it is a duplicate.
#[must_use]
pub fn begin_again(event: &Event, lease: Option<(&Owner, Duration)>, now: Timestamp) -> Statement {
    Statement::new(
        r#"/* inbox.begin_again */
UPDATE "QUALTRICS_INBOX" SET "COMPLETED_AT" = MAX("COMPLETED_AT", ?), "RECEIVED_AT" = ?, "STATE" = ?, "ATTEMPTS" = ?,
  "NEXT_ATTEMPT_AT" = ?, "LEASE_OWNER" = ?, "LEASE_UNTIL" = ?, "LAST_ERROR" = NULL, "DONE_AT" = NULL
WHERE "SURVEY_ID" = ? AND "RESPONSE_ID" = ?
  AND ("COMPLETED_AT" < ? OR ("STATE" = 'dead' AND "DONE_AT" <= ? /* revivable since */))
RETURNING "COMPLETED_AT""#,
    )
    .with([stamp(event.completed_at), stamp(event.received_at)])
    .with(begun_at(event, lease, now))
    .with([
        text(&event.survey_id),
        text(&event.response_id),
        stamp(event.completed_at),
        stamp(now.checked_sub(REVIVAL_AFTER).unwrap_or(now)),
    ])
}
