//! The change log: who listens resumes from a position in it.

use super::{Dialect, Statement, instant, number, text};
use crate::id::{ResponseId, SurveyId};
use crate::inbox::Change;
use crate::row::{Cell, ColumnType};
use crate::time::Timestamp;

/// The types of a logged change, as every statement here answers it.
pub const LOGGED: [ColumnType; 6] = [
    ColumnType::BigInt,
    ColumnType::NVarchar(18),
    ColumnType::NVarchar(69),
    ColumnType::Timestamp,
    ColumnType::Timestamp,
    ColumnType::Timestamp,
];

/// How many positions one value of HANA's sequence stands for.
pub const POSITIONS_AT_ONCE: i64 = 1000;

/// HANA only: the first of [`POSITIONS_AT_ONCE`] positions that are nobody else's.
#[must_use]
pub fn take_positions() -> Statement {
    Statement::new("/* changes.positions */ SELECT \"QUALTRICS_POSITIONS\".NEXTVAL FROM DUMMY")
}

/// Adds a committed row. SQLite gives the position, which is the row id; HANA is told it, see [`take_positions`].
#[must_use]
pub fn add(dialect: Dialect, change: &Change) -> Statement {
    match dialect {
        Dialect::Hana => Statement::new(
            r#"/* changes.add */
INSERT INTO "QUALTRICS_CHANGES" ("POSITION", "SURVEY_ID", "RESPONSE_ID", "COMPLETED_AT", "RECEIVED_AT", "COMMITTED_AT")
VALUES (?, ?, ?, ?, ?, ?)"#,
        )
        .with([number(change.position)]),
        Dialect::Sqlite => Statement::new(
            r#"/* changes.add */
INSERT INTO "QUALTRICS_CHANGES" ("SURVEY_ID", "RESPONSE_ID", "COMPLETED_AT", "RECEIVED_AT", "COMMITTED_AT")
VALUES (?, ?, ?, ?, ?)"#,
        ),
    }
    .with(add_binds(change))
}

fn add_binds(change: &Change) -> [Cell; 5] {
    [
        text(&change.survey_id),
        text(&change.response_id),
        instant(change.completed_at),
        instant(change.received_at),
        Cell::Timestamp(change.committed_at),
    ]
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

/// HANA only: the last change of one response; answers as [`after`].
#[must_use]
pub fn last_of(survey: &SurveyId, response: &ResponseId) -> Statement {
    Statement::new(
        r#"/* changes.last_of */
SELECT "POSITION", "SURVEY_ID", "RESPONSE_ID", "COMPLETED_AT", "RECEIVED_AT", "COMMITTED_AT" FROM "QUALTRICS_CHANGES"
WHERE "SURVEY_ID" = ? AND "RESPONSE_ID" = ? ORDER BY "POSITION" DESC LIMIT 1"#,
    )
    .with([text(survey), text(response)])
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
