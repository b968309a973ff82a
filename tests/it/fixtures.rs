//! Recorded and composed surveys, end to end: callbacks to the built binary, rows as `expected` says.

use std::path::{Path, PathBuf};

use qualtrics_sandbox::{Limits, Options, Survey};
use reqwest::Client;
use serde_json::Value;

use crate::database::Database;
use crate::process::{KEY, Site, message, signed};
use crate::support::eventually;

fn folder(survey: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/surveys")
        .join(survey)
}

fn json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// A fixture's options as the configuration has them.
fn configuration(survey: &str) -> String {
    let options = json(&folder(survey).join("options.json")).unwrap_or_default();
    let mut text =
        format!("[[survey]]\nid = \"{survey}\"\nname = \"Fixture\"\ntable = \"FIXTURE\"\n");
    let mut line = |name: &str, value: &Value| {
        if !value.is_null() {
            text.push_str(&format!("{name} = {value}\n"));
        }
    };
    for name in ["columns", "labels", "pseudonymize", "previews"] {
        line(name, &options[name]);
    }
    let number = options["missingNumber"]
        .as_str()
        .map(|number| format!("number = {number}"));
    let missing_text = options["missingText"]
        .as_str()
        .map(|text| format!("text = {text:?}"));
    let missing: Vec<_> = number.into_iter().chain(missing_text).collect();
    if !missing.is_empty() {
        text.push_str(&format!("missing = {{ {} }}\n", missing.join(", ")));
    }
    text
}

/// Long texts are abbreviated in `expected`.
fn abbreviated(cell: Value) -> Value {
    match cell.as_str().map(|text| text.chars().count()) {
        Some(count) if count > 400 => Value::from(format!("{count} characters")),
        _ => cell,
    }
}

fn same(expected: &Value, found: &Value) -> bool {
    let number = |value: &Value| value.as_f64().or_else(|| value.as_str()?.parse().ok());
    let abbreviation = |value: &Value| {
        value
            .as_str()
            .is_some_and(|text| text.ends_with(" characters"))
    };
    expected == found
        || (!expected.is_null() && number(expected).is_some() && number(expected) == number(found))
        || (abbreviation(expected) && abbreviation(found))
}

async fn check(survey: &str, minimum: usize) {
    let definition = Survey::load(&folder(survey).join("survey-definition.json")).unwrap();
    let options = Options {
        surveys: vec![definition],
        limits: Limits::Off,
        ..Options::default()
    };
    let mut site = Site::new(options).await;
    // Cells are compared as SQLite keeps them; that HANA keeps the same is the store's conformance suite.
    site.database = Database::sqlite(site.folder.path());
    site.set("QUALTRICS_REQUESTS_PER_MINUTE", "100000");
    std::fs::write(
        site.folder.path().join("ingester.toml"),
        configuration(survey),
    )
    .unwrap();
    let expected = json(&folder(survey).join("expected/rows.json")).unwrap();
    let running = site.serve().await;
    let client = Client::builder().build().unwrap();
    let mut posted = Vec::new();
    for row in expected.as_array().unwrap() {
        let (name, cells) = (row["response"].as_str().unwrap(), &row["row"]);
        let Some(response) = cells["RESPONSEID"].as_str() else {
            continue;
        };
        let document =
            std::fs::read(folder(survey).join(format!("responses/{name}.json"))).unwrap();
        if site.sandbox.insert(survey, &document).is_err() {
            continue;
        }
        let body = signed(&message(response, "2026-03-02 09:17:44"), KEY)
            .replace(crate::process::SURVEY, survey);
        let body = if survey == crate::process::SURVEY {
            body
        } else {
            signed_for(survey, response)
        };
        let request = client
            .post(running.url("/webhooks/qualtrics"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        assert_eq!(request.send().await.unwrap().status(), 200, "{name}");
        posted.push((response.to_owned(), cells.clone()));
    }
    assert!(
        posted.len() >= minimum,
        "{survey}: only {} responses",
        posted.len()
    );

    let database = rusqlite::Connection::open(site.folder.path().join("feedback.db")).unwrap();
    let open = "SELECT COUNT(*) FROM QUALTRICS_INBOX WHERE STATE IN ('pending', 'leased')";
    eventually("every event is settled", async || {
        database.query_row(open, [], |row| row.get(0)) == Ok(0)
    })
    .await;
    for (response, cells) in posted {
        compare(&database, survey, &response, &cells);
    }
}

fn compare(database: &rusqlite::Connection, survey: &str, response: &str, cells: &Value) {
    let reason = "SELECT LAST_ERROR FROM QUALTRICS_INBOX WHERE RESPONSE_ID = ?";
    let reason: Option<String> = database
        .query_row(reason, [response], |row| row.get(0))
        .unwrap();
    assert_eq!(reason, None, "{survey} {response}");
    for (column, expected) in cells.as_object().unwrap() {
        let statement = format!("SELECT \"{column}\" FROM FIXTURE WHERE RESPONSEID = ?");
        let found = database.query_row(&statement, [response], |row| {
            row.get::<_, rusqlite::types::Value>(0)
        });
        let found =
            match found.unwrap_or_else(|error| panic!("{survey} {response} {column}: {error}")) {
                rusqlite::types::Value::Null => Value::Null,
                rusqlite::types::Value::Integer(number) => number.into(),
                rusqlite::types::Value::Real(number) => number.into(),
                rusqlite::types::Value::Text(text) => abbreviated(text.into()),
                rusqlite::types::Value::Blob(_) => panic!("a blob"),
            };
        assert!(
            same(expected, &found),
            "{survey} {response} {column}: {expected} expected, {found} found"
        );
    }
}

fn signed_for(survey: &str, response: &str) -> String {
    let message = format!(
        r#"{{"Status":"Complete","SurveyID":"{survey}","ResponseID":"{response}","CompletedDate":"2026-03-02 09:17:44"}}"#
    );
    let body = signed(&message, KEY);
    let (_, rest) = body.split_once('&').unwrap();
    rest.to_owned()
}

#[tokio::test]
async fn the_feedback_survey_becomes_the_rows_that_its_fixture_says() {
    check(crate::process::SURVEY, 5).await;
}

#[tokio::test]
async fn odd_names_become_the_columns_that_their_fixture_says() {
    check("SV_sbxOddNames001", 1).await;
}
