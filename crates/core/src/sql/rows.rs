//! Rows and the documents behind them.

use super::{Dialect, Statement, in_list, instant, text};
use crate::id::{ResponseId, SurveyId};
use crate::inbox::RawDocument;
use crate::row::{Cell, Row, Table, TableName};

/// Writes the document unless a newer one is there: newer by the document's own date, then by when it was asked for.
/// No row changed means that this one is older, and nothing else of it may be written.
///
/// Texts of instants differ in length, so the `Z` is cut off before they are compared: the shorter one then is a prefix.
#[must_use]
pub fn keep_document(survey: &SurveyId, response: &ResponseId, raw: &RawDocument) -> Statement {
    Statement::new(
        r#"/* raw.keep */
INSERT INTO "QUALTRICS_RAW" AS R ("SURVEY_ID", "RESPONSE_ID", "RECORDED_AT", "ASKED_AT", "DIGEST", "DOCUMENT")
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT ("SURVEY_ID", "RESPONSE_ID") DO UPDATE SET "RECORDED_AT" = excluded."RECORDED_AT",
  "ASKED_AT" = excluded."ASKED_AT", "DIGEST" = excluded."DIGEST", "DOCUMENT" = excluded."DOCUMENT"
WHERE (RTRIM(COALESCE(excluded."RECORDED_AT", ''), 'Z'), RTRIM(excluded."ASKED_AT", 'Z'))
   >= (RTRIM(COALESCE(R."RECORDED_AT", ''), 'Z'), RTRIM(R."ASKED_AT", 'Z'))"#,
    )
    .with([
        text(survey),
        text(response),
        instant(raw.recorded_at),
        Cell::Timestamp(raw.asked_at),
        text(&raw.digest),
        raw.document.as_deref().map_or(Cell::Null, text),
    ])
}

/// HANA only: as [`keep_document`], and not if the response was erased here. No row changed means either.
///
/// Written before the row, so that the affected counts name the losers and no round trip is added.
#[must_use]
pub fn merge_document(
    survey: &SurveyId,
    response: &ResponseId,
    raw: &RawDocument,
    erased_hash: &str,
) -> Statement {
    Statement::new(
        r#"/* raw.merge */
MERGE INTO "QUALTRICS_RAW" R USING (SELECT CAST(? AS NVARCHAR(18)) AS "SURVEY_ID",
  CAST(? AS NVARCHAR(69)) AS "RESPONSE_ID", CAST(? AS TIMESTAMP) AS "RECORDED_AT", CAST(? AS TIMESTAMP) AS "ASKED_AT",
  CAST(? AS NVARCHAR(64)) AS "DIGEST", CAST(? AS NCLOB) AS "DOCUMENT" FROM DUMMY
  WHERE NOT EXISTS (SELECT 1 FROM "QUALTRICS_ERASED" E WHERE E."HASH" = ?)) S
ON R."SURVEY_ID" = S."SURVEY_ID" AND R."RESPONSE_ID" = S."RESPONSE_ID"
WHEN MATCHED AND (R."RECORDED_AT" IS NULL AND (S."RECORDED_AT" IS NOT NULL OR S."ASKED_AT" >= R."ASKED_AT")
    OR S."RECORDED_AT" > R."RECORDED_AT" OR (S."RECORDED_AT" = R."RECORDED_AT" AND S."ASKED_AT" >= R."ASKED_AT"))
  THEN UPDATE SET "RECORDED_AT" = S."RECORDED_AT", "ASKED_AT" = S."ASKED_AT", "DIGEST" = S."DIGEST",
  "DOCUMENT" = S."DOCUMENT"
WHEN NOT MATCHED THEN INSERT ("SURVEY_ID", "RESPONSE_ID", "RECORDED_AT", "ASKED_AT", "DIGEST", "DOCUMENT")
VALUES (S."SURVEY_ID", S."RESPONSE_ID", S."RECORDED_AT", S."ASKED_AT", S."DIGEST", S."DOCUMENT")"#,
    )
    .with([
        text(survey),
        text(response),
        instant(raw.recorded_at),
        Cell::Timestamp(raw.asked_at),
        text(&raw.digest),
        raw.document.as_deref().map_or(Cell::Null, text),
        text(erased_hash),
    ])
}

/// Writes a row under its key: HANA's `UPSERT … WITH PRIMARY KEY`, SQLite's `INSERT … ON CONFLICT DO UPDATE`.
#[must_use]
pub fn upsert(dialect: Dialect, table: &Table, row: Row) -> Statement {
    let mut statement = Statement::new(match dialect {
        Dialect::Sqlite => "/* row.upsert */ INSERT INTO ",
        Dialect::Hana => "/* row.upsert */ UPSERT ",
    });
    statement.table(dialect, &table.name).push(" (");
    for (index, column) in table.columns.iter().enumerate() {
        statement
            .push(if index == 0 { "" } else { ", " })
            .column(&column.name);
    }
    statement.push(") VALUES (");
    for (index, cell) in row.0.into_iter().enumerate() {
        statement
            .push(if index == 0 { "" } else { ", " })
            .bind(cell);
    }
    match dialect {
        Dialect::Hana => {
            statement.push(") WITH PRIMARY KEY");
        }
        Dialect::Sqlite => {
            statement.push(") ON CONFLICT (\"RESPONSEID\") DO UPDATE SET ");
            for (index, column) in table.columns.iter().enumerate() {
                statement
                    .push(if index == 0 { "" } else { ", " })
                    .column(&column.name);
                statement.push(" = excluded.").column(&column.name);
            }
        }
    }
    statement
}

/// SQLite only: writes a row that is not there yet, and else nothing. Its values are the cells of whichever row it is run
/// with, in the table's order: many rows need one text.
#[must_use]
pub fn insert(table: &Table) -> Statement {
    let mut statement = Statement::new("/* row.insert */ INSERT INTO ");
    statement.table(Dialect::Sqlite, &table.name).push(" (");
    for (index, column) in table.columns.iter().enumerate() {
        statement
            .push(if index == 0 { "" } else { ", " })
            .column(&column.name);
    }
    statement.push(") VALUES (");
    for index in 0..table.columns.len() {
        statement.push(if index == 0 { "?" } else { ", ?" });
    }
    statement.push(") ON CONFLICT (\"RESPONSEID\") DO NOTHING");
    statement
}

/// The cells of one response as they stand in the table, in the table's order.
#[must_use]
pub fn current(dialect: Dialect, table: &Table, response: &ResponseId) -> Statement {
    let mut statement = Statement::new("/* row.current */ SELECT ");
    for (index, column) in table.columns.iter().enumerate() {
        statement
            .push(if index == 0 { "" } else { ", " })
            .column(&column.name);
    }
    statement.push(" FROM ").table(dialect, &table.name);
    statement
        .push(" WHERE \"RESPONSEID\" = ")
        .bind(text(response));
    statement
}

/// The cells of several responses as they stand in the table: the key, then every column in the table's order.
#[must_use]
pub fn current_of<'a>(
    dialect: Dialect,
    table: &Table,
    responses: impl IntoIterator<Item = &'a ResponseId>,
) -> Statement {
    let mut statement = Statement::new("/* row.current_of */ SELECT \"RESPONSEID\"");
    for column in &table.columns {
        statement.push(", ").column(&column.name);
    }
    statement
        .push(" FROM ")
        .table(dialect, &table.name)
        .push(" WHERE ");
    in_list(
        &mut statement,
        "\"RESPONSEID\"",
        responses.into_iter().map(text),
    );
    statement
}

/// Removes a response's row.
#[must_use]
pub fn remove(dialect: Dialect, table: &TableName, response: &ResponseId) -> Statement {
    let mut statement = Statement::new("/* row.remove */ DELETE FROM ");
    statement
        .table(dialect, table)
        .push(" WHERE \"RESPONSEID\" = ")
        .bind(text(response));
    statement
}

/// How many rows a survey's table has.
#[must_use]
pub fn count(dialect: Dialect, table: &TableName) -> Statement {
    let mut statement = Statement::new("/* row.count */ SELECT COUNT(*) FROM ");
    statement.table(dialect, table);
    statement
}

/// Response ids of a table in order, after a given one; for sweeps in pages.
#[must_use]
pub fn ids_after(dialect: Dialect, table: &TableName, after: &str, limit: u32) -> Statement {
    let mut statement = Statement::new("/* row.ids */ SELECT \"RESPONSEID\" FROM ");
    statement.table(dialect, table);
    statement.push(" WHERE \"RESPONSEID\" > ").bind(text(after));
    statement
        .push(" ORDER BY \"RESPONSEID\" LIMIT ")
        .number(limit.into());
    statement
}

/// A survey's documents in order, after a given response: response, recorded, asked, digest, document.
#[must_use]
pub fn documents_after(survey: &SurveyId, after: &str, limit: u32) -> Statement {
    let mut statement = Statement::new(
        r#"/* raw.after */
SELECT "RESPONSE_ID", "RECORDED_AT", "ASKED_AT", "DIGEST", "DOCUMENT" FROM "QUALTRICS_RAW" WHERE "SURVEY_ID" = "#,
    );
    statement
        .bind(text(survey))
        .push(" AND \"RESPONSE_ID\" > ")
        .bind(text(after));
    statement
        .push(" ORDER BY \"RESPONSE_ID\" LIMIT ")
        .number(limit.into());
    statement
}

/// How many documents a survey has.
#[must_use]
pub fn count_documents(survey: &SurveyId) -> Statement {
    Statement::new("/* raw.count */ SELECT COUNT(*) FROM \"QUALTRICS_RAW\" WHERE \"SURVEY_ID\" = ?")
        .with([text(survey)])
}

/// One response's document: response, recorded, asked, digest, document.
#[must_use]
pub fn document(survey: &SurveyId, response: &ResponseId) -> Statement {
    Statement::new(
        r#"/* raw.one */
SELECT "RESPONSE_ID", "RECORDED_AT", "ASKED_AT", "DIGEST", "DOCUMENT" FROM "QUALTRICS_RAW"
WHERE "SURVEY_ID" = ? AND "RESPONSE_ID" = ?"#,
    )
    .with([text(survey), text(response)])
}

/// Removes a response's document.
#[must_use]
pub fn remove_document(survey: &SurveyId, response: &ResponseId) -> Statement {
    Statement::new("/* raw.remove */ DELETE FROM \"QUALTRICS_RAW\" WHERE \"SURVEY_ID\" = ? AND \"RESPONSE_ID\" = ?")
        .with([text(survey), text(response)])
}

/// Removes a response's event.
#[must_use]
pub fn remove_event(survey: &SurveyId, response: &ResponseId) -> Statement {
    Statement::new("/* inbox.remove */ DELETE FROM \"QUALTRICS_INBOX\" WHERE \"SURVEY_ID\" = ? AND \"RESPONSE_ID\" = ?")
        .with([text(survey), text(response)])
}

/// Removes a response's changes.
#[must_use]
pub fn remove_changes(survey: &SurveyId, response: &ResponseId) -> Statement {
    Statement::new("/* changes.remove */ DELETE FROM \"QUALTRICS_CHANGES\" WHERE \"SURVEY_ID\" = ? AND \"RESPONSE_ID\" = ?")
        .with([text(survey), text(response)])
}
