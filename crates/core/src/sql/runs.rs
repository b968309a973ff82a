//! `QUALTRICS_RUNS`: what instances and jobs share. One row per job and subject, taken with a compare-and-set.

use std::time::Duration;

use super::{Statement, later, stamp, text};
use crate::inbox::Owner;
use crate::time::Timestamp;

/// Takes a run, or prolongs one's own. No row changed means that somebody else holds it.
#[must_use]
pub fn take(
    job: &str,
    subject: &str,
    owner: &Owner,
    duration: Duration,
    now: Timestamp,
) -> Statement {
    Statement::new(
        r#"/* runs.take */
INSERT INTO "QUALTRICS_RUNS" AS R ("JOB", "SURVEY_ID", "OWNER", "UNTIL", "STATE") VALUES (?, ?, ?, ?, NULL)
ON CONFLICT ("JOB", "SURVEY_ID") DO UPDATE SET "OWNER" = excluded."OWNER", "UNTIL" = excluded."UNTIL"
WHERE R."OWNER" IS NULL OR R."OWNER" = excluded."OWNER" OR R."UNTIL" IS NULL OR R."UNTIL" < ?"#,
    )
    .with([
        text(job),
        text(subject),
        text(owner),
        stamp(later(now, duration)),
        stamp(now),
    ])
}

/// Gives a run back.
#[must_use]
pub fn give_back(job: &str, subject: &str, owner: &Owner) -> Statement {
    Statement::new(
        r#"/* runs.give_back */
UPDATE "QUALTRICS_RUNS" SET "OWNER" = NULL, "UNTIL" = NULL WHERE "JOB" = ? AND "SURVEY_ID" = ? AND "OWNER" = ?"#,
    )
    .with([text(job), text(subject), text(owner)])
}

/// Keeps a run's state, whoever holds it.
#[must_use]
pub fn put(job: &str, subject: &str, state: &str) -> Statement {
    Statement::new(
        r#"/* runs.put */
INSERT INTO "QUALTRICS_RUNS" ("JOB", "SURVEY_ID", "STATE") VALUES (?, ?, ?)
ON CONFLICT ("JOB", "SURVEY_ID") DO UPDATE SET "STATE" = excluded."STATE""#,
    )
    .with([text(job), text(subject), text(state)])
}

/// [`put`] for people: with its values in the text. For states that are hexadecimal digits.
#[must_use]
pub fn put_text(job: &'static str, subject: &'static str, digits: &str) -> String {
    let digits: String = digits.chars().filter(char::is_ascii_hexdigit).collect();
    format!(
        "UPDATE \"QUALTRICS_RUNS\" SET \"STATE\" = '{digits}' WHERE \"JOB\" = '{job}' AND \"SURVEY_ID\" = '{subject}'"
    )
}

/// Says that a process lives, until when at least, and what the others have to know of it.
#[must_use]
pub fn announce(
    job: &str,
    owner: &Owner,
    duration: Duration,
    state: &str,
    now: Timestamp,
) -> Statement {
    Statement::new(
        r#"/* runs.announce */
INSERT INTO "QUALTRICS_RUNS" ("JOB", "SURVEY_ID", "OWNER", "UNTIL", "STATE") VALUES (?, ?, ?, ?, ?)
ON CONFLICT ("JOB", "SURVEY_ID") DO UPDATE SET "UNTIL" = excluded."UNTIL", "STATE" = excluded."STATE""#,
    )
    .with([
        text(job),
        text(owner),
        text(owner),
        stamp(later(now, duration)),
        text(state),
    ])
}

/// Keeps a run's state unless there is one: for values that are made once, such as a salt.
#[must_use]
pub fn put_once(job: &str, subject: &str, state: &str) -> Statement {
    Statement::new(
        r#"/* runs.put_once */
INSERT INTO "QUALTRICS_RUNS" ("JOB", "SURVEY_ID", "STATE") VALUES (?, ?, ?) ON CONFLICT ("JOB", "SURVEY_ID") DO NOTHING"#,
    )
    .with([text(job), text(subject), text(state)])
}

/// A job's runs: subject, owner, until, state.
#[must_use]
pub fn list(job: &str) -> Statement {
    Statement::new(
        r#"/* runs.list */
SELECT "SURVEY_ID", "OWNER", "UNTIL", "STATE" FROM "QUALTRICS_RUNS" WHERE "JOB" = ? ORDER BY "SURVEY_ID""#,
    )
    .with([text(job)])
}

/// Removes a run.
#[must_use]
pub fn remove(job: &str, subject: &str) -> Statement {
    Statement::new(
        "/* runs.remove */ DELETE FROM \"QUALTRICS_RUNS\" WHERE \"JOB\" = ? AND \"SURVEY_ID\" = ?",
    )
    .with([text(job), text(subject)])
}

/// Removes runs that nobody prolonged.
#[must_use]
pub fn remove_expired(job: &str, now: Timestamp) -> Statement {
    Statement::new("/* runs.remove_expired */ DELETE FROM \"QUALTRICS_RUNS\" WHERE \"JOB\" = ? AND \"UNTIL\" < ?")
        .with([text(job), stamp(now)])
}
