//! Surveys as the database knows them: definition, codebook, watermark, subscription.

use super::{Statement, stamp, text, when};
use crate::id::{SubscriptionId, SurveyId};
use crate::row::Cell;
use crate::time::Timestamp;

/// Makes sure that a survey has a row.
#[must_use]
pub fn ensure(survey: &SurveyId) -> Statement {
    let sqlite = r#"/* surveys.ensure */
INSERT INTO "QUALTRICS_SURVEYS" ("SURVEY_ID", "CHANGE_NUMBER") VALUES (?, 0) ON CONFLICT ("SURVEY_ID") DO NOTHING"#;
    let hana = r#"/* surveys.ensure */
MERGE INTO "QUALTRICS_SURVEYS" T USING (SELECT CAST(? AS NVARCHAR(18)) AS "SURVEY_ID" FROM DUMMY) S
ON T."SURVEY_ID" = S."SURVEY_ID"
WHEN NOT MATCHED THEN INSERT ("SURVEY_ID", "CHANGE_NUMBER") VALUES (S."SURVEY_ID", 0)"#;
    let form = |sql| Statement::new(sql).with([text(survey)]);
    Statement::either(form(sqlite), form(hana))
}

/// HANA only: holds a survey's row until the transaction ends, so that an erasure and an export's rows do not pass each
/// other unseen.
#[must_use]
pub fn hold(survey: &SurveyId) -> Statement {
    Statement::new(
        r#"/* surveys.hold */ SELECT "SURVEY_ID" FROM "QUALTRICS_SURVEYS" WHERE "SURVEY_ID" = ? FOR UPDATE"#,
    )
    .with([text(survey)])
}

/// Keeps a definition.
#[must_use]
pub fn define(
    survey: &SurveyId,
    brand: Option<&str>,
    definition: &str,
    version: &str,
) -> Statement {
    Statement::new(
        r#"/* surveys.define */
UPDATE "QUALTRICS_SURVEYS" SET "BRAND_ID" = COALESCE(?, "BRAND_ID"), "DEFINITION" = ?, "DEFINITION_VERSION" = ?
WHERE "SURVEY_ID" = ?"#,
    )
    .with([brand.map_or(Cell::Null, text), text(definition), text(version), text(survey)])
}

/// One survey: brand, definition, version.
#[must_use]
pub fn definition(survey: &SurveyId) -> Statement {
    Statement::new(
        r#"/* surveys.definition */
SELECT "BRAND_ID", "DEFINITION", "DEFINITION_VERSION" FROM "QUALTRICS_SURVEYS" WHERE "SURVEY_ID" = ?"#,
    )
    .with([text(survey)])
}

/// All surveys without their definitions: survey, brand, version, watermark, deletions checked, change number,
/// subscription, fingerprint.
#[must_use]
pub fn list() -> Statement {
    Statement::new(
        r#"/* surveys.list */
SELECT "SURVEY_ID", "BRAND_ID", "DEFINITION_VERSION", "WATERMARK", "DELETIONS_CHECKED_AT", "CHANGE_NUMBER",
  "SUBSCRIPTION_ID", "KEY_FINGERPRINT" FROM "QUALTRICS_SURVEYS" ORDER BY "SURVEY_ID""#,
    )
}

/// Moves a survey's watermark, never back.
#[must_use]
pub fn move_watermark(
    survey: &SurveyId,
    watermark: Timestamp,
    deletions_checked_at: Option<Timestamp>,
) -> Statement {
    Statement::new(
        r#"/* surveys.watermark */
UPDATE "QUALTRICS_SURVEYS" SET
  "WATERMARK" = CASE WHEN "WATERMARK" IS NULL OR "WATERMARK" < ? THEN ? ELSE "WATERMARK" END,
  "DELETIONS_CHECKED_AT" = COALESCE(?, "DELETIONS_CHECKED_AT")
WHERE "SURVEY_ID" = ?"#,
    )
    .with([
        stamp(watermark),
        stamp(watermark),
        when(deletions_checked_at),
        text(survey),
    ])
}

/// Raises a survey's change number for a change that leaves no position behind: a deletion. To be run before the
/// deleted response's own positions go, so that the sum in [`change_number`] rises even if the last one was among them.
#[must_use]
pub fn count_deletion(survey: &SurveyId) -> Statement {
    Statement::new(
        r#"/* surveys.count_deletion */
UPDATE "QUALTRICS_SURVEYS" SET "CHANGE_NUMBER" = "CHANGE_NUMBER" + 1
  + COALESCE((SELECT MAX("POSITION") FROM "QUALTRICS_CHANGES" WHERE "SURVEY_ID" = ?), 0)
WHERE "SURVEY_ID" = ?"#,
    )
    .with([text(survey), text(survey)])
}

/// A survey's change number: rises with every row committed or removed.
///
/// The part of rows is the last position of the log, because counting in `QUALTRICS_SURVEYS` itself would rewrite the
/// definition beside it with every row.
#[must_use]
pub fn change_number(survey: &SurveyId) -> Statement {
    let form = |sql| Statement::new(sql).with([text(survey), text(survey)]);
    let sqlite = r#"/* surveys.change_number */
SELECT COALESCE((SELECT "CHANGE_NUMBER" FROM "QUALTRICS_SURVEYS" WHERE "SURVEY_ID" = ?), 0)
  + COALESCE((SELECT MAX("POSITION") FROM "QUALTRICS_CHANGES" WHERE "SURVEY_ID" = ?), 0)"#;
    let hana = r#"/* surveys.change_number */
SELECT COALESCE((SELECT "CHANGE_NUMBER" FROM "QUALTRICS_SURVEYS" WHERE "SURVEY_ID" = ?), 0)
  + COALESCE((SELECT MAX("POSITION") FROM "QUALTRICS_CHANGES" WHERE "SURVEY_ID" = ?), 0) FROM DUMMY"#;
    Statement::either(form(sqlite), form(hana))
}

/// Keeps which subscription is ours and under which key it was made.
#[must_use]
pub fn keep_subscription(
    survey: &SurveyId,
    subscription: Option<&SubscriptionId>,
    fingerprint: Option<&str>,
) -> Statement {
    Statement::new(
        r#"/* surveys.subscription */
UPDATE "QUALTRICS_SURVEYS" SET "SUBSCRIPTION_ID" = ?, "KEY_FINGERPRINT" = ? WHERE "SURVEY_ID" = ?"#,
    )
    .with([
        subscription.map_or(Cell::Null, text),
        fingerprint.map_or(Cell::Null, text),
        text(survey),
    ])
}

/// One line of the codebook, as `QUALTRICS_QUESTIONS` holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// `COLUMN_NAME`.
    pub column: String,
    /// `PROPERTY`.
    pub property: String,
    /// `TAG`.
    pub tag: String,
    /// `QUESTION_KEY`.
    pub key: String,
    /// `TEXT`.
    pub text: String,
    /// `TYPE`.
    pub kind: String,
    /// `CHOICES`, JSON text.
    pub choices: String,
}

/// Writes one line of a survey's codebook.
#[must_use]
pub fn put_question(survey: &SurveyId, question: &Question) -> Statement {
    let hana = r#"/* questions.put */
UPSERT "QUALTRICS_QUESTIONS" ("SURVEY_ID", "COLUMN_NAME", "PROPERTY", "TAG", "QUESTION_KEY", "TEXT", "TYPE", "CHOICES")
VALUES (?, ?, ?, ?, ?, ?, ?, ?) WITH PRIMARY KEY"#;
    let sqlite = r#"/* questions.put */
INSERT INTO "QUALTRICS_QUESTIONS" ("SURVEY_ID", "COLUMN_NAME", "PROPERTY", "TAG", "QUESTION_KEY", "TEXT", "TYPE", "CHOICES")
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT ("SURVEY_ID", "COLUMN_NAME") DO UPDATE SET "PROPERTY" = excluded."PROPERTY", "TAG" = excluded."TAG",
  "QUESTION_KEY" = excluded."QUESTION_KEY", "TEXT" = excluded."TEXT", "TYPE" = excluded."TYPE", "CHOICES" = excluded."CHOICES""#;
    let form = |sql| {
        Statement::new(sql).with([
            text(survey),
            text(&question.column),
            text(&question.property),
            text(&question.tag),
            text(&question.key),
            text(&question.text),
            text(&question.kind),
            text(&question.choices),
        ])
    };
    Statement::either(form(sqlite), form(hana))
}

/// A survey's codebook: column, property, tag, key, text, type, choices.
#[must_use]
pub fn questions(survey: &SurveyId) -> Statement {
    Statement::new(
        r#"/* questions.list */
SELECT "COLUMN_NAME", "PROPERTY", "TAG", "QUESTION_KEY", "TEXT", "TYPE", "CHOICES" FROM "QUALTRICS_QUESTIONS"
WHERE "SURVEY_ID" = ? ORDER BY "COLUMN_NAME""#,
    )
    .with([text(survey)])
}
