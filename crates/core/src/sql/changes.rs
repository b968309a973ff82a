//! The change log: who listens resumes from a position in it.

use super::{Statement, instant, number, text};
use crate::inbox::Change;
use crate::row::Cell;
use crate::time::Timestamp;

/// Adds a committed row; the database gives the position, which is answered.
#[must_use]
pub fn add(change: &Change) -> Statement {
    Statement::new(
        r#"/* changes.add */
INSERT INTO "QUALTRICS_CHANGES" ("SURVEY_ID", "RESPONSE_ID", "COMPLETED_AT", "RECEIVED_AT", "COMMITTED_AT")
VALUES (?, ?, ?, ?, ?) RETURNING "POSITION""#,
    )
    .with([
        text(&change.survey_id),
        text(&change.response_id),
        instant(change.completed_at),
        instant(change.received_at),
        Cell::Timestamp(change.committed_at),
    ])
}

/// Changes after a position: position, survey, response, completed, received, committed.
#[must_use]
pub fn after(position: i64, limit: u32) -> Statement {
    let mut statement = Statement::new(
        r#"/* changes.after */
SELECT "POSITION", "SURVEY_ID", "RESPONSE_ID", "COMPLETED_AT", "RECEIVED_AT", "COMMITTED_AT" FROM "QUALTRICS_CHANGES"
WHERE "POSITION" > "#,
    );
    statement
        .bind(number(position))
        .push(" ORDER BY \"POSITION\" LIMIT ")
        .number(limit.into());
    statement
}

/// The newest changes, of one survey or of all, newest first; answers as [`after`].
#[must_use]
pub fn newest(survey: Option<&str>, limit: u32) -> Statement {
    let mut statement = Statement::new(
        r#"/* changes.newest */
SELECT "POSITION", "SURVEY_ID", "RESPONSE_ID", "COMPLETED_AT", "RECEIVED_AT", "COMMITTED_AT" FROM "QUALTRICS_CHANGES""#,
    );
    if let Some(survey) = survey {
        statement.push(" WHERE \"SURVEY_ID\" = ").bind(text(survey));
    }
    statement
        .push(" ORDER BY \"POSITION\" DESC LIMIT ")
        .number(limit.into());
    statement
}

/// The greatest position in the log; NULL if it is empty.
#[must_use]
pub fn newest_position() -> Statement {
    Statement::new(
        "/* changes.newest_position */ SELECT MAX(\"POSITION\") FROM \"QUALTRICS_CHANGES\"",
    )
}

/// The smallest position that was committed after an instant; NULL if there is none.
#[must_use]
pub fn oldest_since(instant: Timestamp) -> Statement {
    Statement::new(
        r#"/* changes.oldest_since */
SELECT MIN("POSITION") FROM "QUALTRICS_CHANGES" WHERE "COMMITTED_AT" > ?"#,
    )
    .with([Cell::Timestamp(instant)])
}

/// Removes what was committed before `before`, up to a number of them; the newest of each survey stays, so that its
/// change number does.
#[must_use]
pub fn trim(before: Timestamp, limit: u32) -> Statement {
    let mut statement = Statement::new(
        r#"/* changes.trim */
DELETE FROM "QUALTRICS_CHANGES" WHERE "POSITION" IN (
  SELECT C."POSITION" FROM "QUALTRICS_CHANGES" C WHERE C."COMMITTED_AT" < "#,
    );
    statement
        .bind(Cell::Timestamp(before))
        .push(
            r#" AND C."POSITION" < (SELECT MAX(N."POSITION") FROM "QUALTRICS_CHANGES" N WHERE N."SURVEY_ID" = C."SURVEY_ID")
  ORDER BY C."POSITION" LIMIT "#,
        )
        .number(limit.into())
        .push(")");
    statement
}
