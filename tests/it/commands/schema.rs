//! `schema`: what is compared, what is added, and what old rows are filled from.

use qualtrics_sandbox::Change;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::{Desk, SURVEY};

impl Desk {
    fn database(&self) -> Connection {
        Connection::open(self.folder.path().join("feedback.db")).unwrap()
    }

    fn kinds(list: &[Value]) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let lines = list.iter();
        lines
            .map(|line| (text(&line["kind"]), text(&line["column"])))
            .collect()
    }

    /// A response at Qualtrics, and its document as a service keeps it.
    fn keep_document(&self, response: &str) {
        let completion = qualtrics_sandbox::Completion {
            response_id: Some(response.to_owned()),
            callbacks: false,
            ..qualtrics_sandbox::Completion::new(SURVEY)
        };
        self.sandbox.submit(&completion).unwrap();
        let document = self.sandbox.document(SURVEY, response).unwrap();
        let parsed = ingester_core::mapping::ResponseDocument::parse(&document, None).unwrap();
        self.database()
            .execute(
                "INSERT INTO QUALTRICS_RAW VALUES (?1, ?2, '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z', ?3, ?4)",
                (SURVEY, response, parsed.digest(), parsed.as_json()),
            )
            .unwrap();
    }
}

fn pair(kind: &str, column: &str) -> (String, String) {
    (kind.to_owned(), column.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_is_shown_as_a_statement_that_works() {
    let desk = Desk::new().await;

    let said = desk.run(&["schema", "show"]).await;

    assert_eq!(said.code, 0, "{said:?}");
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(&said.stdout).unwrap();
    let columns = desk.list(&["schema", "show"]).await;
    let count: u32 = connection
        .query_row(
            "SELECT COUNT(*) FROM pragma_table_info('PROJECTFEEDBACK')",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(usize::try_from(count).unwrap(), columns.len());
    assert_eq!(columns[0]["column"], "RESPONSEID");
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_changes_nothing() {
    let desk = Desk::new().await;

    let differences = desk.list(&["schema", "diff"]).await;

    assert_eq!(Desk::kinds(&differences), [pair("table-missing", "")]);
    let tables: u32 = desk
        .database()
        .query_row(
            "SELECT COUNT(*) FROM sqlite_schema WHERE name = 'PROJECTFEEDBACK'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(tables, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn applied_twice_there_is_nothing_left_to_do() {
    let desk = Desk::new().await;

    let first = desk.list(&["schema", "apply"]).await;
    let second = desk.list(&["schema", "apply"]).await;

    assert_eq!(
        (&first[0]["created"], &second[0]["created"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(second[0]["added"], json!([]));
    let said = desk.run(&["schema", "diff"]).await;
    assert!(said.stdout.contains("as the surveys want them"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn new_columns_of_old_rows_are_filled_from_kept_documents() {
    let desk = Desk::new().await;
    desk.configure("columns = [\"Q1\"]\n");
    desk.list(&["schema", "apply"]).await;
    desk.keep_document("R_1");
    desk.keep_document("R_2");
    desk.database()
        .execute("UPDATE QUALTRICS_RAW SET DOCUMENT = REPLACE(DOCUMENT, 'finished', 'finisheD') WHERE RESPONSE_ID = 'R_2'", [])
        .unwrap();
    desk.configure("columns = [\"Q1\", \"Q18\", \"AccountID\"]\n");
    assert_eq!(
        Desk::kinds(&desk.list(&["schema", "diff"]).await),
        [
            pair("column-missing", "Q18"),
            pair("column-missing", "ACCOUNTID")
        ]
    );
    let before = desk.sandbox.counters();

    let said = desk.run(&["schema", "apply", "--output", "json"]).await;

    said.fails(
        1,
        "1 responses could not be mapped from their kept documents: run `reconcile`",
    );
    let applied = &said.list()[0];
    assert_eq!(applied["added"], json!(["Q18", "ACCOUNTID"]));
    assert_eq!(
        (&applied["filled"], &applied["refused"][0]["response"]),
        (&json!(1), &json!("R_2"))
    );
    let account: String = desk
        .database()
        .query_row(
            "SELECT ACCOUNTID FROM PROJECTFEEDBACK WHERE RESPONSEID = 'R_1'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    let document: Value =
        serde_json::from_slice(&desk.sandbox.document(SURVEY, "R_1").unwrap()).unwrap();
    assert_eq!(account, document["values"]["AccountID"]);
    let after = desk.sandbox.counters();
    for endpoint in ["response", "export_start"] {
        assert_eq!(before.calls_of(endpoint), after.calls_of(endpoint));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_at_qualtrics_is_told() {
    let desk = Desk::new().await;
    desk.list(&["schema", "apply"]).await;
    let rename = Change::RenameTag {
        question: "Q18".to_owned(),
        tag: "Remarks".to_owned(),
    };
    desk.sandbox.change_survey(SURVEY, rename).unwrap();

    let before = desk.list(&["schema", "diff"]).await;
    desk.list(&["schema", "apply"]).await;
    let after = desk.list(&["schema", "diff"]).await;

    assert_eq!(Desk::kinds(&before), [pair("tag-renamed", "Q18")]);
    assert_eq!(before[0]["message"], "export tag Q18 is now Remarks");
    assert_eq!(before, after, "a rename that was taken over is still told");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_was_there_is_compared_column_by_column() {
    let desk = Desk::new().await;
    desk.configure("columns = [\"ResponseId\", \"Q1\", \"Q18\"]\n");
    desk.database()
        .execute_batch("CREATE TABLE PROJECTFEEDBACK (RESPONSEID NVARCHAR(50), Q1 NVARCHAR(10), Q18 NVARCHAR(200), OWNER NVARCHAR(20) NOT NULL)")
        .unwrap();

    let differences = desk.list(&["schema", "diff"]).await;

    assert_eq!(
        Desk::kinds(&differences),
        [
            pair("key-missing", ""),
            pair("column-not-filled", "OWNER"),
            pair("type-differs", "Q1"),
            pair("type-differs", "Q18"),
        ]
    );
    let message = differences[3]["message"].as_str().unwrap();
    assert_eq!(
        message,
        "the column is NVARCHAR(200), the survey gives NVARCHAR(5000): longer texts are shortened"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_survey_that_is_not_configured_is_named() {
    let desk = Desk::new().await;
    desk.run(&["schema", "apply", "--survey", "SV_00000000000"])
        .await
        .fails(2, "survey SV_00000000000 is not configured: add a [[survey]] with its id to ingester.toml");
}
