//! `QUALTRICS_RUNS`: what instances and jobs share. One row per job and subject, taken with a compare-and-set.

use std::time::Duration;

use super::{Statement, later, seconds, stamp, text};
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
    let hana = Statement::new(
        r#"/* runs.take */
MERGE INTO "QUALTRICS_RUNS" R USING (SELECT CAST(? AS NVARCHAR(60)) AS "JOB", CAST(? AS NVARCHAR(60)) AS "SURVEY_ID",
  CAST(? AS NVARCHAR(36)) AS "OWNER", CAST(? AS INTEGER) AS "HELD_FOR" FROM DUMMY) S
ON R."JOB" = S."JOB" AND R."SURVEY_ID" = S."SURVEY_ID"
WHEN MATCHED AND (R."OWNER" IS NULL OR R."OWNER" = S."OWNER" OR R."UNTIL" IS NULL OR R."UNTIL" < CURRENT_UTCTIMESTAMP)
  THEN UPDATE SET "OWNER" = S."OWNER", "UNTIL" = ADD_SECONDS(CURRENT_UTCTIMESTAMP, S."HELD_FOR")
WHEN NOT MATCHED THEN INSERT ("JOB", "SURVEY_ID", "OWNER", "UNTIL")
VALUES (S."JOB", S."SURVEY_ID", S."OWNER", ADD_SECONDS(CURRENT_UTCTIMESTAMP, S."HELD_FOR"))"#,
    )
    .with([text(job), text(subject), text(owner), seconds(duration)]);
    let sqlite = Statement::new(
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
    ]);
    Statement::either(sqlite, hana)
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
    let sqlite = r#"/* runs.put */
INSERT INTO "QUALTRICS_RUNS" ("JOB", "SURVEY_ID", "STATE") VALUES (?, ?, ?)
ON CONFLICT ("JOB", "SURVEY_ID") DO UPDATE SET "STATE" = excluded."STATE""#;
    // Not UPSERT: whoever holds the run stays, and what UPSERT does to columns that it does not name is not documented.
    let hana = r#"/* runs.put */
MERGE INTO "QUALTRICS_RUNS" R USING (SELECT CAST(? AS NVARCHAR(60)) AS "JOB", CAST(? AS NVARCHAR(60)) AS "SURVEY_ID",
  CAST(? AS NCLOB) AS "STATE" FROM DUMMY) S ON R."JOB" = S."JOB" AND R."SURVEY_ID" = S."SURVEY_ID"
WHEN MATCHED THEN UPDATE SET "STATE" = S."STATE"
WHEN NOT MATCHED THEN INSERT ("JOB", "SURVEY_ID", "STATE") VALUES (S."JOB", S."SURVEY_ID", S."STATE")"#;
    let form = |sql| Statement::new(sql).with([text(job), text(subject), text(state)]);
    Statement::either(form(sqlite), form(hana))
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
    let hana = Statement::new(
        r#"/* runs.announce */
MERGE INTO "QUALTRICS_RUNS" R USING (SELECT CAST(? AS NVARCHAR(60)) AS "JOB", CAST(? AS NVARCHAR(60)) AS "SURVEY_ID",
  CAST(? AS NVARCHAR(36)) AS "OWNER", CAST(? AS INTEGER) AS "HELD_FOR", CAST(? AS NCLOB) AS "STATE" FROM DUMMY) S
ON R."JOB" = S."JOB" AND R."SURVEY_ID" = S."SURVEY_ID"
WHEN MATCHED THEN UPDATE SET "UNTIL" = ADD_SECONDS(CURRENT_UTCTIMESTAMP, S."HELD_FOR"), "STATE" = S."STATE"
WHEN NOT MATCHED THEN INSERT ("JOB", "SURVEY_ID", "OWNER", "UNTIL", "STATE")
VALUES (S."JOB", S."SURVEY_ID", S."OWNER", ADD_SECONDS(CURRENT_UTCTIMESTAMP, S."HELD_FOR"), S."STATE")"#,
    )
    .with([
        text(job),
        text(owner),
        text(owner),
        seconds(duration),
        text(state),
    ]);
    let sqlite = Statement::new(
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
    ]);
    Statement::either(sqlite, hana)
}

/// Keeps a run's state unless there is one: for values that are made once, such as a salt.
#[must_use]
pub fn put_once(job: &str, subject: &str, state: &str) -> Statement {
    let sqlite = r#"/* runs.put_once */
INSERT INTO "QUALTRICS_RUNS" ("JOB", "SURVEY_ID", "STATE") VALUES (?, ?, ?) ON CONFLICT ("JOB", "SURVEY_ID") DO NOTHING"#;
    let hana = r#"/* runs.put_once */
MERGE INTO "QUALTRICS_RUNS" R USING (SELECT CAST(? AS NVARCHAR(60)) AS "JOB", CAST(? AS NVARCHAR(60)) AS "SURVEY_ID",
  CAST(? AS NCLOB) AS "STATE" FROM DUMMY) S ON R."JOB" = S."JOB" AND R."SURVEY_ID" = S."SURVEY_ID"
WHEN NOT MATCHED THEN INSERT ("JOB", "SURVEY_ID", "STATE") VALUES (S."JOB", S."SURVEY_ID", S."STATE")"#;
    let form = |sql| Statement::new(sql).with([text(job), text(subject), text(state)]);
    Statement::either(form(sqlite), form(hana))
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
    let sqlite = Statement::new("/* runs.remove_expired */ DELETE FROM \"QUALTRICS_RUNS\" WHERE \"JOB\" = ? AND \"UNTIL\" < ?")
        .with([text(job), stamp(now)]);
    let hana = Statement::new("/* runs.remove_expired */ DELETE FROM \"QUALTRICS_RUNS\" WHERE \"JOB\" = ? AND \"UNTIL\" < CURRENT_UTCTIMESTAMP")
        .with([text(job)]);
    Statement::either(sqlite, hana)
}
