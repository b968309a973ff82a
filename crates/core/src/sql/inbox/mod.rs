//! The inbox: accept, claim, renew, settle, look.
//!
//! Each text begins with its operation's name, which is also the metric's label, so the database's own list of
//! statements says which code ran.

mod accept;
mod selection;

use std::time::Duration;

use super::{Dialect, Statement, in_list, later, number, seconds, stamp, text};
use crate::id::{ResponseId, SurveyId};
use crate::inbox::{Fence, Outcome, Owner, Reason};
use crate::row::{Cell, ColumnType};
use crate::time::Timestamp;

pub use accept::{STANDING, accept, begin_again, revive_again, standing};
pub use selection::{LISTED, Selection, count, drop_events, list, revive};

/// `LAST_ERROR` is NVARCHAR(1000).
const LAST_ERROR_CHARS_MAX: usize = 1000;

/// What a claim takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// What is pending and due.
    Due,
    /// What a process left behind that did not renew its lease.
    Expired,
}

/// The types of what a claim answers: survey, response, completed, received, attempts.
pub const CLAIMED: [ColumnType; 5] = [
    ColumnType::NVarchar(18),
    ColumnType::NVarchar(69),
    ColumnType::Timestamp,
    ColumnType::Timestamp,
    ColumnType::Integer,
];

/// SQLite only: leases what waits, the newest first, and answers it as [`CLAIMED`], in no order. Whoever writes there is
/// alone, so that nothing can come between the look and the lease.
///
/// Looked for in the index alone: where a million wait for a later attempt, they are passed over without a look into the
/// table for each.
#[must_use]
pub fn claim_waiting(
    waiting: Waiting,
    surveys: &[SurveyId],
    limit: usize,
    (owner, duration): (&Owner, Duration),
    now: Timestamp,
) -> Statement {
    let mut statement = Statement::new(
        r#"/* inbox.claim */
UPDATE "QUALTRICS_INBOX" SET "STATE" = 'leased', "ATTEMPTS" = "ATTEMPTS" + 1, "NEXT_ATTEMPT_AT" = NULL, "LEASE_OWNER" = "#,
    );
    statement
        .bind(text(owner))
        .push(r#", "LEASE_UNTIL" = "#)
        .bind(stamp(later(now, duration)))
        .push(
            r#" WHERE rowid IN (SELECT rowid FROM "QUALTRICS_INBOX" WHERE "STATE" <> 'done' AND "#,
        )
        .push(match waiting {
            Waiting::Due => r#""STATE" = 'pending' AND "NEXT_ATTEMPT_AT" <= "#,
            Waiting::Expired => r#""STATE" = 'leased' AND "LEASE_UNTIL" < "#,
        })
        .bind(stamp(now))
        .push(r#" AND "SURVEY_ID" IN (NULL"#);
    for survey in surveys {
        statement.push(", ").bind(text(survey));
    }
    statement
        .push(r#") ORDER BY "RECEIVED_AT" DESC LIMIT "#)
        .bind(number(i64::try_from(limit).unwrap_or(i64::MAX)))
        .push(
            r#") RETURNING "SURVEY_ID", "RESPONSE_ID", "COMPLETED_AT", "RECEIVED_AT", "ATTEMPTS""#,
        );
    statement
}

/// How candidates for a claim are read on HANA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Candidates {
    /// Rows that another instance is just claiming are left out, so that nobody waits for anybody.
    /// Source: HANA's words for SKIP LOCKED, as SAP's sqlalchemy-hana and CAP generate them.
    IgnoreLocked,
    /// Where the database does not know that: [`claim`] alone decides.
    All,
}

/// HANA only: what may be claimed, due or left behind, newest first, by the database's clock, as [`CLAIMED`].
#[must_use]
pub fn claimable(surveys: &[SurveyId], limit: u32, candidates: Candidates) -> Statement {
    let mut statement = Statement::new(
        r#"/* inbox.claimable */
SELECT "SURVEY_ID", "RESPONSE_ID", "COMPLETED_AT", "RECEIVED_AT", "ATTEMPTS" FROM "QUALTRICS_INBOX"
WHERE (("STATE" = 'pending' AND "NEXT_ATTEMPT_AT" <= CURRENT_UTCTIMESTAMP)
    OR ("STATE" = 'leased' AND "LEASE_UNTIL" < CURRENT_UTCTIMESTAMP)) AND "#,
    );
    in_list(&mut statement, "\"SURVEY_ID\"", surveys.iter().map(text));
    statement
        .push(r#" ORDER BY "RECEIVED_AT" DESC LIMIT "#)
        .bind(number(limit));
    if candidates == Candidates::IgnoreLocked {
        statement.push(" FOR UPDATE IGNORE LOCKED");
    }
    statement
}

/// HANA only: takes a lease if nothing changed since it was looked at: a compare-and-set.
#[must_use]
pub fn claim(
    survey: &SurveyId,
    response: &ResponseId,
    attempts: u32,
    completed_at: Timestamp,
    (owner, duration): (&Owner, Duration),
) -> Statement {
    Statement::new(
        r#"/* inbox.claim */
UPDATE "QUALTRICS_INBOX" SET "STATE" = 'leased', "ATTEMPTS" = "ATTEMPTS" + 1, "NEXT_ATTEMPT_AT" = NULL,
  "LEASE_OWNER" = ?, "LEASE_UNTIL" = ADD_SECONDS(CURRENT_UTCTIMESTAMP, ?)
WHERE "SURVEY_ID" = ? AND "RESPONSE_ID" = ? AND "ATTEMPTS" = ? AND "COMPLETED_AT" = ?
  AND ("STATE" = 'pending' OR ("STATE" = 'leased' AND "LEASE_UNTIL" < CURRENT_UTCTIMESTAMP))"#,
    )
    .with([
        text(owner),
        seconds(duration),
        text(survey),
        text(response),
        number(attempts),
        stamp(completed_at),
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
pub fn renew(dialect: Dialect, fence: &Fence, duration: Duration, now: Timestamp) -> Statement {
    match dialect {
        Dialect::Sqlite => Statement::new(under_fence!(
            "/* inbox.renew */\nUPDATE \"QUALTRICS_INBOX\" SET \"LEASE_UNTIL\" = ?"
        ))
        .with([stamp(later(now, duration))]),
        Dialect::Hana => Statement::new(under_fence!(
            "/* inbox.renew */\nUPDATE \"QUALTRICS_INBOX\" SET \"LEASE_UNTIL\" = ADD_SECONDS(CURRENT_UTCTIMESTAMP, ?)"
        ))
        .with([seconds(duration)]),
    }
    .with(fence_binds(fence))
}

/// Ends a lease with its outcome, under the fence. No row changed means that the lease is lost.
#[must_use]
pub fn settle(dialect: Dialect, fence: &Fence, outcome: &Outcome, now: Timestamp) -> Statement {
    match outcome {
        Outcome::Row(_) => done(dialect, fence, None, now),
        Outcome::Skip(reason) => done(dialect, fence, Some(reason), now),
        Outcome::Retry { after, reason } => retry(dialect, fence, *after, Some(reason), now),
        Outcome::Dead(reason) => dead(dialect, fence, reason, now),
    }
}

/// What ends a lease on HANA, whatever the outcome: one text, so that all outcomes of a batch are one round trip. The
/// reason that stood there stays where an event waits again without a new one.
fn settle_hana(
    fence: &Fence,
    state: &'static str,
    done_in: Cell,
    due_in: Cell,
    reason: Option<&Reason>,
) -> Statement {
    Statement::new(under_fence!(
        r#"/* inbox.settle */
UPDATE "QUALTRICS_INBOX" SET "STATE" = ?, "DONE_AT" = ADD_SECONDS(CURRENT_UTCTIMESTAMP, ?),
  "NEXT_ATTEMPT_AT" = ADD_SECONDS(CURRENT_UTCTIMESTAMP, ?),
  "LAST_ERROR" = COALESCE(CAST(? AS NVARCHAR(1000)), CASE WHEN CAST(? AS INTEGER) = 1 THEN "LAST_ERROR" END),
  "LEASE_OWNER" = NULL, "LEASE_UNTIL" = NULL"#
    ))
    .with([
        text(state),
        done_in,
        due_in,
        last_error(reason),
        number(i32::from(state == "pending")),
    ])
    .with(fence_binds(fence))
}

/// Marks an event done, with the reason if there is no row. No row changed means that the lease is lost.
#[must_use]
pub fn done(dialect: Dialect, fence: &Fence, reason: Option<&Reason>, now: Timestamp) -> Statement {
    match dialect {
        Dialect::Hana => settle_hana(fence, "done", number(0), Cell::Null, reason),
        Dialect::Sqlite => Statement::new(under_fence!(
            r#"/* inbox.done */
UPDATE "QUALTRICS_INBOX" SET "STATE" = 'done', "DONE_AT" = ?, "LAST_ERROR" = ?,
  "NEXT_ATTEMPT_AT" = NULL, "LEASE_OWNER" = NULL, "LEASE_UNTIL" = NULL"#
        ))
        .with([stamp(now), last_error(reason)])
        .with(fence_binds(fence)),
    }
}

/// Gives an event up with its reason. No row changed means that the lease is lost.
#[must_use]
pub fn dead(dialect: Dialect, fence: &Fence, reason: &Reason, now: Timestamp) -> Statement {
    match dialect {
        Dialect::Hana => settle_hana(fence, "dead", number(0), Cell::Null, Some(reason)),
        Dialect::Sqlite => Statement::new(under_fence!(
            r#"/* inbox.dead */
UPDATE "QUALTRICS_INBOX" SET "STATE" = 'dead', "DONE_AT" = ?, "LAST_ERROR" = ?,
  "NEXT_ATTEMPT_AT" = NULL, "LEASE_OWNER" = NULL, "LEASE_UNTIL" = NULL"#
        ))
        .with([stamp(now), last_error(Some(reason))])
        .with(fence_binds(fence)),
    }
}

/// Gives a lease back, to be claimed after a delay. No row changed means that the lease is lost.
#[must_use]
pub fn retry(
    dialect: Dialect,
    fence: &Fence,
    after: Duration,
    reason: Option<&Reason>,
    now: Timestamp,
) -> Statement {
    match dialect {
        Dialect::Hana => settle_hana(fence, "pending", Cell::Null, seconds(after), reason),
        Dialect::Sqlite => Statement::new(under_fence!(
            r#"/* inbox.retry */
UPDATE "QUALTRICS_INBOX" SET "STATE" = 'pending', "NEXT_ATTEMPT_AT" = ?, "LAST_ERROR" = COALESCE(?, "LAST_ERROR"),
  "LEASE_OWNER" = NULL, "LEASE_UNTIL" = NULL"#
        ))
        .with([stamp(later(now, after)), last_error(reason)])
        .with(fence_binds(fence)),
    }
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
