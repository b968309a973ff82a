//! Events on their way in.

use std::time::Duration;

use super::super::{Statement, later, number, seconds, stamp, text, when};
use crate::id::{ResponseId, SurveyId};
use crate::inbox::{Event, Owner, REVIVAL_AFTER, TOPIC};
use crate::row::Cell;
use crate::time::Timestamp;

/// Stores an event, leased if an owner is given, else pending. SQLite answers the `COMPLETED_AT` that now stands there,
/// and no row if the event is a duplicate. HANA can't answer rows of what it writes: there the count says whether the
/// event is new or newer, and [`revive_again`] is asked about the others.
#[must_use]
pub fn accept(event: &Event, lease: Option<(&Owner, Duration)>, now: Timestamp) -> Statement {
    Statement::either(accept_sqlite(event, lease, now), accept_hana(event, lease))
}

/// State, attempts, and the seconds from now when it is due and until when it is leased.
fn begun(lease: Option<(&Owner, Duration)>) -> [Cell; 5] {
    match lease {
        Some((owner, duration)) => [
            text("leased"),
            number(1),
            Cell::Null,
            text(owner),
            seconds(duration),
        ],
        None => [
            text("pending"),
            number(0),
            number(0),
            Cell::Null,
            Cell::Null,
        ],
    }
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
    .with(begun(lease))
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
    .with(begun(lease))
    .with([text(&event.survey_id), text(&event.response_id), since])
}

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

fn accept_sqlite(event: &Event, lease: Option<(&Owner, Duration)>, now: Timestamp) -> Statement {
    let (state, attempts, next) = match lease {
        Some(_) => ("leased", 1, None),
        None => ("pending", 0, Some(event.received_at)),
    };
    Statement::new(
        r#"/* inbox.accept */
INSERT INTO "QUALTRICS_INBOX" AS I ("SURVEY_ID", "RESPONSE_ID", "TOPIC", "COMPLETED_AT", "RECEIVED_AT", "STATE",
  "ATTEMPTS", "NEXT_ATTEMPT_AT", "LEASE_OWNER", "LEASE_UNTIL", "LAST_ERROR", "DONE_AT")
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)
ON CONFLICT ("SURVEY_ID", "RESPONSE_ID") DO UPDATE SET
  "COMPLETED_AT" = MAX(I."COMPLETED_AT", excluded."COMPLETED_AT"), "RECEIVED_AT" = excluded."RECEIVED_AT",
  "STATE" = excluded."STATE", "ATTEMPTS" = excluded."ATTEMPTS", "NEXT_ATTEMPT_AT" = excluded."NEXT_ATTEMPT_AT",
  "LEASE_OWNER" = excluded."LEASE_OWNER", "LEASE_UNTIL" = excluded."LEASE_UNTIL", "LAST_ERROR" = NULL, "DONE_AT" = NULL
WHERE excluded."COMPLETED_AT" > I."COMPLETED_AT"
   OR (I."STATE" = 'dead' AND I."DONE_AT" <= ? /* revivable since */)
RETURNING "COMPLETED_AT""#,
    )
    .with([
        text(&event.survey_id),
        text(&event.response_id),
        text(TOPIC),
        stamp(event.completed_at),
        stamp(event.received_at),
        text(state),
        number(attempts),
        when(next),
        lease.map_or(Cell::Null, |(owner, _)| text(owner)),
        when(lease.map(|(_, duration)| later(now, duration))),
        stamp(now.checked_sub(REVIVAL_AFTER).unwrap_or(now)),
    ])
}
