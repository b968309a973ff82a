//! The inbox: accept, claim, renew, settle, look.
//!
//! Each text begins with its operation's name, which is also the metric's label, so the database's own list of
//! statements says which code ran.

use std::time::Duration;

use super::{Dialect, Statement, in_list, instant, later, number, seconds, text};
use crate::id::{ResponseId, SurveyId};
use crate::inbox::{Event, Fence, Owner, REVIVAL_AFTER, Reason, TOPIC};
use crate::row::Cell;
use crate::time::Timestamp;

/// `LAST_ERROR` is NVARCHAR(1000).
const LAST_ERROR_CHARS_MAX: usize = 1000;

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
        Cell::Timestamp(event.completed_at),
        Cell::Timestamp(event.received_at),
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
    .with([Cell::Timestamp(event.received_at)])
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
        Cell::Timestamp(event.completed_at),
        Cell::Timestamp(event.received_at),
        text(state),
        number(attempts),
        instant(next),
        lease.map_or(Cell::Null, |(owner, _)| text(owner)),
        instant(lease.map(|(_, duration)| later(now, duration))),
        Cell::Timestamp(now.checked_sub(REVIVAL_AFTER).unwrap_or(now)),
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
    statement.bind(Cell::Timestamp(now));
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
    statement.bind(Cell::Timestamp(now));
    of_surveys(&mut statement, surveys);
    statement
        .push(r#" ORDER BY "RECEIVED_AT" DESC LIMIT "#)
        .number(limit.into());
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

/// HANA only: what may be claimed, due or left behind, newest first, by the database's clock. Answers as [`due`].
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
    let hana = Statement::new(
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
        Cell::Timestamp(completed_at),
    ]);
    let sqlite = Statement::new(
        r#"/* inbox.claim */
UPDATE "QUALTRICS_INBOX" SET "STATE" = 'leased', "ATTEMPTS" = "ATTEMPTS" + 1, "NEXT_ATTEMPT_AT" = NULL,
  "LEASE_OWNER" = ?, "LEASE_UNTIL" = ?
WHERE "SURVEY_ID" = ? AND "RESPONSE_ID" = ? AND "ATTEMPTS" = ? AND "COMPLETED_AT" = ?
  AND ("STATE" = 'pending' OR ("STATE" = 'leased' AND "LEASE_UNTIL" < ?))"#,
    )
    .with([
        text(owner),
        Cell::Timestamp(later(now, duration)),
        text(survey),
        text(response),
        number(attempts),
        Cell::Timestamp(completed_at),
        Cell::Timestamp(now),
    ]);
    Statement::either(sqlite, hana)
}

fn fence_binds(fence: &Fence) -> [Cell; 5] {
    [
        text(&fence.survey_id),
        text(&fence.response_id),
        text(&fence.owner),
        number(fence.attempt),
        Cell::Timestamp(fence.completed_at),
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
    let sqlite = Statement::new(under_fence!(
        "/* inbox.renew */\nUPDATE \"QUALTRICS_INBOX\" SET \"LEASE_UNTIL\" = ?"
    ))
    .with([Cell::Timestamp(later(now, duration))])
    .with(fence_binds(fence));
    let hana = Statement::new(under_fence!(
        "/* inbox.renew */\nUPDATE \"QUALTRICS_INBOX\" SET \"LEASE_UNTIL\" = ADD_SECONDS(CURRENT_UTCTIMESTAMP, ?)"
    ))
    .with([seconds(duration)])
    .with(fence_binds(fence));
    Statement::either(sqlite, hana)
}

/// What ends a lease on HANA, whatever the outcome: one text, so that all outcomes of a batch are one round trip. The
/// reason that stood there stays where an event waits again without a new one.
fn settle(
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
pub fn done(fence: &Fence, reason: Option<&Reason>, now: Timestamp) -> Statement {
    let sqlite = Statement::new(under_fence!(
        "/* inbox.done */\nUPDATE \"QUALTRICS_INBOX\" SET \"STATE\" = 'done', \"DONE_AT\" = ?, \"LAST_ERROR\" = ?, \
         \"NEXT_ATTEMPT_AT\" = NULL, \"LEASE_OWNER\" = NULL, \"LEASE_UNTIL\" = NULL"
    ))
    .with([Cell::Timestamp(now), last_error(reason)])
    .with(fence_binds(fence));
    Statement::either(sqlite, settle(fence, "done", number(0), Cell::Null, reason))
}

/// Gives an event up with its reason. No row changed means that the lease is lost.
#[must_use]
pub fn dead(fence: &Fence, reason: &Reason, now: Timestamp) -> Statement {
    let sqlite = Statement::new(under_fence!(
        "/* inbox.dead */\nUPDATE \"QUALTRICS_INBOX\" SET \"STATE\" = 'dead', \"DONE_AT\" = ?, \"LAST_ERROR\" = ?, \
         \"NEXT_ATTEMPT_AT\" = NULL, \"LEASE_OWNER\" = NULL, \"LEASE_UNTIL\" = NULL"
    ))
    .with([Cell::Timestamp(now), last_error(Some(reason))])
    .with(fence_binds(fence));
    Statement::either(
        sqlite,
        settle(fence, "dead", number(0), Cell::Null, Some(reason)),
    )
}

/// Gives a lease back, to be claimed after a delay. No row changed means that the lease is lost.
#[must_use]
pub fn retry(fence: &Fence, after: Duration, reason: Option<&Reason>, now: Timestamp) -> Statement {
    let sqlite = Statement::new(under_fence!(
        "/* inbox.retry */\nUPDATE \"QUALTRICS_INBOX\" SET \"STATE\" = 'pending', \"NEXT_ATTEMPT_AT\" = ?, \
         \"LAST_ERROR\" = COALESCE(?, \"LAST_ERROR\"), \"LEASE_OWNER\" = NULL, \"LEASE_UNTIL\" = NULL"
    ))
    .with([Cell::Timestamp(later(now, after)), last_error(reason)])
    .with(fence_binds(fence));
    Statement::either(
        sqlite,
        settle(fence, "pending", Cell::Null, seconds(after), reason),
    )
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
    reason.map_or(Cell::Null, |reason| {
        Cell::Text(
            reason
                .to_string()
                .chars()
                .take(LAST_ERROR_CHARS_MAX)
                .collect(),
        )
    })
}

/// Frees every lease: right only for a process that knows to be alone.
#[must_use]
pub fn take_over(now: Timestamp) -> Statement {
    Statement::new(
        r#"/* inbox.take_over */
UPDATE "QUALTRICS_INBOX" SET "STATE" = 'pending', "NEXT_ATTEMPT_AT" = ?, "LEASE_OWNER" = NULL, "LEASE_UNTIL" = NULL
WHERE "STATE" <> 'done' AND "STATE" = 'leased'"#,
    )
    .with([Cell::Timestamp(now)])
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

/// Makes dead and waiting events due now.
#[must_use]
pub fn revive(selection: &Selection, now: Timestamp) -> Statement {
    let form = |dialect| {
        let mut statement = Statement::new(
            "/* inbox.revive */\nUPDATE \"QUALTRICS_INBOX\" SET \"STATE\" = 'pending', \"ATTEMPTS\" = 0, \"DONE_AT\" = NULL, \
             \"RECEIVED_AT\" = ",
        );
        // Giving up is by time since receipt, so a revived event begins anew.
        statement
            .bind(Cell::Timestamp(now))
            .push(", \"NEXT_ATTEMPT_AT\" = ");
        push_now(&mut statement, dialect, now);
        selection.append(&mut statement);
        statement.push(" AND \"STATE\" IN ('dead', 'pending')");
        statement
    };
    Statement::either(form(Dialect::Sqlite), form(Dialect::Hana))
}

/// The instant by the clock that leases and delays go by: the writer's own on SQLite, the database's on HANA.
fn push_now(statement: &mut Statement, dialect: Dialect, now: Timestamp) {
    match dialect {
        Dialect::Sqlite => statement.bind(Cell::Timestamp(now)),
        Dialect::Hana => statement.push("CURRENT_UTCTIMESTAMP"),
    };
}

/// Gives waiting events up by hand; what is leased is left to its worker.
#[must_use]
pub fn drop_events(selection: &Selection, now: Timestamp) -> Statement {
    let form = |dialect| {
        let mut statement = Statement::new(
            "/* inbox.drop */\nUPDATE \"QUALTRICS_INBOX\" SET \"STATE\" = 'dead', \"NEXT_ATTEMPT_AT\" = NULL, \
             \"LAST_ERROR\" = 'dropped: given up by hand', \"DONE_AT\" = ",
        );
        push_now(&mut statement, dialect, now);
        selection.append(&mut statement);
        statement.push(" AND \"STATE\" IN ('dead', 'pending')");
        statement
    };
    Statement::either(form(Dialect::Sqlite), form(Dialect::Hana))
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
        .bind(Cell::Timestamp(before))
        .push(" ORDER BY \"DONE_AT\" LIMIT ")
        .number(limit.into())
        .push(")");
    statement
}
