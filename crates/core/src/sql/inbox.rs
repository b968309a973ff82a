//! The inbox: accept, claim, renew, settle, look.
//!
//! Each text begins with its operation's name, which is also the metric's label, so the database's own list of
//! statements says which code ran.

use std::time::Duration;

use super::{Statement, later, number, stamp, text, when};
use crate::id::{ResponseId, SurveyId};
use crate::inbox::{Event, Fence, Owner, REVIVAL_AFTER, Reason, TOPIC};
use crate::row::Cell;
use crate::time::Timestamp;

/// `LAST_ERROR` is NVARCHAR(1000).
const LAST_ERROR_CHARS_MAX: usize = 1000;

/// Stores an event, leased if an owner is given, else pending. Answers the `COMPLETED_AT` that now stands there; no row
/// means that the event is a duplicate.
#[must_use]
pub fn accept(event: &Event, lease: Option<(&Owner, Duration)>, now: Timestamp) -> Statement {
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

/// What may be claimed: due and pending, newest first. Answers survey, response, completed, received, attempts.
#[must_use]
pub fn due(surveys: &[SurveyId], limit: u32, now: Timestamp) -> Statement {
    let mut statement = Statement::new(
        r#"/* inbox.due */
SELECT "SURVEY_ID", "RESPONSE_ID", "COMPLETED_AT", "RECEIVED_AT", "ATTEMPTS" FROM "QUALTRICS_INBOX"
WHERE "STATE" <> 'done' AND "STATE" = 'pending' AND "NEXT_ATTEMPT_AT" <= "#,
    );
    statement.bind(stamp(now));
    of_surveys(&mut statement, surveys);
    statement
        .push(r#" ORDER BY "RECEIVED_AT" DESC LIMIT "#)
        .number(limit.into());
    statement
}

/// What a process left behind that did not renew its lease. Answers as [`due`].
#[must_use]
pub fn expired(surveys: &[SurveyId], limit: u32, now: Timestamp) -> Statement {
    let mut statement = Statement::new(
        r#"/* inbox.expired */
SELECT "SURVEY_ID", "RESPONSE_ID", "COMPLETED_AT", "RECEIVED_AT", "ATTEMPTS" FROM "QUALTRICS_INBOX"
WHERE "STATE" <> 'done' AND "STATE" = 'leased' AND "LEASE_UNTIL" < "#,
    );
    statement.bind(stamp(now));
    of_surveys(&mut statement, surveys);
    statement
        .push(r#" ORDER BY "RECEIVED_AT" DESC LIMIT "#)
        .number(limit.into());
    statement
}

fn of_surveys(statement: &mut Statement, surveys: &[SurveyId]) {
    statement.push(r#" AND "SURVEY_ID" IN (NULL"#);
    for survey in surveys {
        statement.push(", ").bind(text(survey));
    }
    statement.push(")");
}

/// Takes a lease if nothing changed since it was looked at: a compare-and-set, right on any database.
#[must_use]
pub fn claim(
    survey: &SurveyId,
    response: &ResponseId,
    attempts: u32,
    completed_at: Timestamp,
    lease: (&Owner, Duration),
    now: Timestamp,
) -> Statement {
    let (owner, duration) = lease;
    Statement::new(
        r#"/* inbox.claim */
UPDATE "QUALTRICS_INBOX" SET "STATE" = 'leased', "ATTEMPTS" = "ATTEMPTS" + 1, "NEXT_ATTEMPT_AT" = NULL,
  "LEASE_OWNER" = ?, "LEASE_UNTIL" = ?
WHERE "SURVEY_ID" = ? AND "RESPONSE_ID" = ? AND "ATTEMPTS" = ? AND "COMPLETED_AT" = ?
  AND ("STATE" = 'pending' OR ("STATE" = 'leased' AND "LEASE_UNTIL" < ?))"#,
    )
    .with([
        text(owner),
        stamp(later(now, duration)),
        text(survey),
        text(response),
        number(attempts),
        stamp(completed_at),
        stamp(now),
    ])
}

fn fence_binds(fence: &Fence) -> [Cell; 5] {
    [
        text(&fence.survey_id),
        text(&fence.response_id),
        text(&fence.owner),
        number(fence.attempt),
        stamp(fence.completed_at),
    ]
}

macro_rules! under_fence {
    ($head:literal) => {
        concat!(
            $head,
            "\nWHERE \"SURVEY_ID\" = ? AND \"RESPONSE_ID\" = ? AND \"STATE\" = 'leased' AND \"LEASE_OWNER\" = ? ",
            "AND \"ATTEMPTS\" = ? AND \"COMPLETED_AT\" = ?"
        )
    };
}

/// Prolongs a lease. No row changed means that it is lost.
#[must_use]
pub fn renew(fence: &Fence, duration: Duration, now: Timestamp) -> Statement {
    Statement::new(under_fence!(
        "/* inbox.renew */\nUPDATE \"QUALTRICS_INBOX\" SET \"LEASE_UNTIL\" = ?"
    ))
    .with([stamp(later(now, duration))])
    .with(fence_binds(fence))
}

/// Marks an event done, with the reason if there is no row. No row changed means that the lease is lost.
#[must_use]
pub fn done(fence: &Fence, reason: Option<&Reason>, now: Timestamp) -> Statement {
    Statement::new(under_fence!(
        "/* inbox.done */\nUPDATE \"QUALTRICS_INBOX\" SET \"STATE\" = 'done', \"DONE_AT\" = ?, \"LAST_ERROR\" = ?, \
         \"NEXT_ATTEMPT_AT\" = NULL, \"LEASE_OWNER\" = NULL, \"LEASE_UNTIL\" = NULL"
    ))
    .with([stamp(now), last_error(reason)])
    .with(fence_binds(fence))
}

/// Gives an event up with its reason. No row changed means that the lease is lost.
#[must_use]
pub fn dead(fence: &Fence, reason: &Reason, now: Timestamp) -> Statement {
    Statement::new(under_fence!(
        "/* inbox.dead */\nUPDATE \"QUALTRICS_INBOX\" SET \"STATE\" = 'dead', \"DONE_AT\" = ?, \"LAST_ERROR\" = ?, \
         \"NEXT_ATTEMPT_AT\" = NULL, \"LEASE_OWNER\" = NULL, \"LEASE_UNTIL\" = NULL"
    ))
    .with([stamp(now), last_error(Some(reason))])
    .with(fence_binds(fence))
}

/// Gives a lease back, to be claimed after a delay. No row changed means that the lease is lost.
#[must_use]
pub fn retry(fence: &Fence, after: Duration, reason: Option<&Reason>, now: Timestamp) -> Statement {
    Statement::new(under_fence!(
        "/* inbox.retry */\nUPDATE \"QUALTRICS_INBOX\" SET \"STATE\" = 'pending', \"NEXT_ATTEMPT_AT\" = ?, \
         \"LAST_ERROR\" = COALESCE(?, \"LAST_ERROR\"), \"LEASE_OWNER\" = NULL, \"LEASE_UNTIL\" = NULL"
    ))
    .with([stamp(later(now, after)), last_error(reason)])
    .with(fence_binds(fence))
}

/// Notes on a done event why it has no row of its own.
#[must_use]
pub fn note(survey: &SurveyId, response: &ResponseId, reason: &Reason) -> Statement {
    Statement::new(
        "/* inbox.note */\nUPDATE \"QUALTRICS_INBOX\" SET \"LAST_ERROR\" = ? WHERE \"SURVEY_ID\" = ? AND \"RESPONSE_ID\" = ?",
    )
    .with([last_error(Some(reason)), text(survey), text(response)])
}

fn last_error(reason: Option<&Reason>) -> Cell {
    reason.map_or(Cell::Null, |reason| reason_cell(&reason.to_string()))
}

/// A reason as `LAST_ERROR` holds it.
pub(super) fn reason_cell(reason: &str) -> Cell {
    Cell::Text(reason.chars().take(LAST_ERROR_CHARS_MAX).collect())
}

/// Frees every lease: right only for a process that knows to be alone.
#[must_use]
pub fn take_over(now: Timestamp) -> Statement {
    Statement::new(
        r#"/* inbox.take_over */
UPDATE "QUALTRICS_INBOX" SET "STATE" = 'pending', "NEXT_ATTEMPT_AT" = ?, "LEASE_OWNER" = NULL, "LEASE_UNTIL" = NULL
WHERE "STATE" <> 'done' AND "STATE" = 'leased'"#,
    )
    .with([stamp(now)])
}

/// Events per state and survey that are not done, with the oldest receipt: survey, state, count, received.
#[must_use]
pub fn open_counts() -> Statement {
    Statement::new(
        r#"/* inbox.counts */
SELECT "SURVEY_ID", "STATE", COUNT(*), MIN("RECEIVED_AT") FROM "QUALTRICS_INBOX" WHERE "STATE" <> 'done'
GROUP BY "SURVEY_ID", "STATE""#,
    )
}

/// Events per survey that are done: survey, count.
#[must_use]
pub fn done_counts() -> Statement {
    Statement::new(
        r#"/* inbox.done_counts */
SELECT "SURVEY_ID", COUNT(*) FROM "QUALTRICS_INBOX" WHERE "STATE" = 'done' GROUP BY "SURVEY_ID""#,
    )
}

/// What `inbox list` and `inbox show` select by.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Only this survey's.
    pub survey: Option<SurveyId>,
    /// Only this response.
    pub response: Option<ResponseId>,
    /// Only events in this state.
    pub state: Option<String>,
    /// Only events whose reason has this code.
    pub reason: Option<String>,
}

impl Selection {
    fn append(&self, statement: &mut Statement) {
        statement.push(" WHERE 1 = 1");
        if let Some(survey) = &self.survey {
            statement.push(" AND \"SURVEY_ID\" = ").bind(text(survey));
        }
        if let Some(response) = &self.response {
            statement
                .push(" AND \"RESPONSE_ID\" = ")
                .bind(text(response));
        }
        if let Some(state) = &self.state {
            statement.push(" AND \"STATE\" = ").bind(text(state));
        }
        if let Some(reason) = &self.reason {
            // A code ends at the colon and holds none of LIKE's signs but `_`, which no code has.
            statement
                .push(" AND \"LAST_ERROR\" LIKE ")
                .bind(text(format!("{reason}:%")));
        }
    }
}

/// Events for people to look at, newest first: every column of the inbox.
#[must_use]
pub fn list(selection: &Selection, limit: u32) -> Statement {
    let mut statement = Statement::new(
        r#"/* inbox.list */
SELECT "SURVEY_ID", "RESPONSE_ID", "COMPLETED_AT", "RECEIVED_AT", "STATE", "ATTEMPTS", "NEXT_ATTEMPT_AT", "LEASE_OWNER",
  "LEASE_UNTIL", "LAST_ERROR", "DONE_AT" FROM "QUALTRICS_INBOX""#,
    );
    selection.append(&mut statement);
    statement
        .push(" ORDER BY \"RECEIVED_AT\" DESC LIMIT ")
        .number(limit.into());
    statement
}

/// How many events of a selection wait or are dead: what [`revive`] and [`drop_events`] act on.
#[must_use]
pub fn count(selection: &Selection) -> Statement {
    let mut statement =
        Statement::new("/* inbox.count */\nSELECT COUNT(*) FROM \"QUALTRICS_INBOX\"");
    selection.append(&mut statement);
    statement.push(" AND \"STATE\" IN ('dead', 'pending')");
    statement
}

/// Makes dead and waiting events due now. What was dropped is an acknowledged exception: it comes back only if it is
/// named, by its response or by that reason.
#[must_use]
pub fn revive(selection: &Selection, now: Timestamp) -> Statement {
    let mut statement = Statement::new(
        "/* inbox.revive */\nUPDATE \"QUALTRICS_INBOX\" SET \"STATE\" = 'pending', \"ATTEMPTS\" = 0, \"DONE_AT\" = NULL, \
         \"RECEIVED_AT\" = ",
    );
    // Giving up is by time since receipt, so a revived event begins anew.
    statement
        .bind(stamp(now))
        .push(", \"NEXT_ATTEMPT_AT\" = ")
        .bind(stamp(now));
    selection.append(&mut statement);
    statement.push(" AND \"STATE\" IN ('dead', 'pending')");
    if selection.response.is_none() && selection.reason.is_none() {
        statement.push(
            " AND (\"STATE\" <> 'dead' OR \"LAST_ERROR\" IS NULL OR \"LAST_ERROR\" NOT LIKE 'dropped:%')",
        );
    }
    statement
}

/// Gives waiting events up by hand; what is leased is left to its worker.
#[must_use]
pub fn drop_events(selection: &Selection, now: Timestamp) -> Statement {
    let mut statement = Statement::new(
        "/* inbox.drop */\nUPDATE \"QUALTRICS_INBOX\" SET \"STATE\" = 'dead', \"NEXT_ATTEMPT_AT\" = NULL, \
         \"LAST_ERROR\" = 'dropped: given up by hand', \"DONE_AT\" = ",
    );
    statement.bind(stamp(now));
    selection.append(&mut statement);
    statement.push(" AND \"STATE\" IN ('dead', 'pending')");
    statement
}

/// Removes a few events that were done before `before`.
#[must_use]
pub fn retire(before: Timestamp, limit: u32) -> Statement {
    let mut statement = Statement::new(
        r#"/* inbox.retire */
DELETE FROM "QUALTRICS_INBOX" WHERE ("SURVEY_ID", "RESPONSE_ID") IN (
  SELECT "SURVEY_ID", "RESPONSE_ID" FROM "QUALTRICS_INBOX" WHERE "STATE" = 'done' AND "DONE_AT" < "#,
    );
    statement
        .bind(stamp(before))
        .push(" ORDER BY \"DONE_AT\" LIMIT ")
        .number(limit.into())
        .push(")");
    statement
}
