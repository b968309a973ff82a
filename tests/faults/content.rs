//! Responses that no survey should have, and surveys that change while they are answered.

use std::time::Duration;

use qualtrics_sandbox::Change;
use serde_json::{Value, json};

use crate::Scale;
use crate::ground::{Ground, Invariants};
use crate::process::SURVEY;

/// A document as it goes over the wire, byte for byte.
fn document(id: &str, values: &str) -> Vec<u8> {
    format!(
        r#"{{"responseId":"{id}","values":{{"startDate":"2026-01-02T03:04:05Z","endDate":"2026-01-02T03:05:05Z","recordedDate":"2026-01-02T03:05:05.123Z","status":0,"progress":100,"finished":1,"duration":60{values}}},"labels":{{}},"displayedFields":[],"displayedValues":{{}}}}"#
    )
    .into_bytes()
}

/// What a document holds, and what becomes of it: a row, or the code of the reason why not.
fn poison() -> Vec<(&'static str, String, &'static str)> {
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    let very_deep = format!("{}1{}", "[".repeat(50_000), "]".repeat(50_000));
    let keys: String = (0..10_000)
        .map(|n| format!(r#","QID{}_{n}":{n}"#, 5_000 + n))
        .collect();
    let essay = "é🦀 ".repeat(200_000);
    let prototype = r#","__proto__":{"QID1":1},"constructor":1,"QID1":4"#;
    let text = str::to_owned;
    vec![
        ("plain", text(r#","QID1":5,"QID18_TEXT":"fine""#), "row"),
        (
            "essay",
            format!(r#","QID1":5,"QID18_TEXT":"{essay}""#),
            "row",
        ),
        (
            "beyond53",
            text(r#","QID1":9007199254740993"#),
            "out-of-range",
        ),
        ("huge", text(r#","QID1":1e400"#), "out-of-range"),
        ("fraction", text(r#","QID1":1.5"#), "fraction"),
        ("text", text(r#","QID1":"five""#), "not-a-number"),
        ("object", text(r#","QID1":{"a":1}"#), "not-a-number"),
        ("prototype", text(prototype), "row"),
        ("nul", text(r#","QID18_TEXT":"a\u0000b""#), "nul-character"),
        (
            "surrogate",
            text(r#","QID18_TEXT":"a\ud800b""#),
            "lone-surrogate",
        ),
        ("twice", text(r#","QID1":1,"QID1":2"#), "duplicate-key"),
        ("keys", format!("{keys},\"QID1\":3"), "row"),
        ("deep", format!(r#","QID77":{deep},"QID1":2"#), "row"),
        ("very-deep", format!(r#","QID77":{very_deep}"#), "row"),
        ("null", text(r#","QID1":null,"QID18_TEXT":null"#), "row"),
        ("boolean", text(r#","QID18_TEXT":true"#), "row"),
    ]
}

pub(crate) async fn f21_poison(_scale: Scale) -> String {
    let ground = Ground::sqlite().await;
    let running = ground.serve().await;
    let poison = poison();
    let id = |n: usize| format!("R_poison{n:02}");
    for (n, (_, values, _)) in poison.iter().enumerate() {
        ground
            .people
            .sandbox
            .insert(SURVEY, &document(&id(n), values))
            .unwrap();
        let answer = ground.people.tell(&running.url(""), &id(n)).await;
        assert_eq!(answer.status, Some(200));
    }
    ground.people.tell_all(&running.url(""), 20).await;

    let (held, _) = ground.settled(0, Duration::from_secs(30)).await;
    let (mut said, mut dead) = (Vec::new(), 0);
    for (n, (name, _, wanted)) in poison.iter().enumerate() {
        let event = &held.events[&id(n)];
        let reason = event.reason.clone().unwrap_or("row".to_owned());
        let code = reason.split(':').next().unwrap();
        assert_eq!(code, *wanted, "{name}: {event:?}");
        assert_eq!(
            held.rows.contains_key(&id(n)),
            code == "row",
            "{name}: no guess"
        );
        dead += usize::from(event.state == "dead");
        said.push(format!("{name} {code}"));
    }
    assert_eq!(held.rows[&id(0)].score, Some(5));
    let reconciled = ground.run(&["reconcile", "--survey", SURVEY]).await;
    let code = reconciled.status.code();
    assert!(
        matches!(code, Some(0 | 1)),
        "what a row was made of can be compared: {reconciled:?}"
    );
    let figures = Invariants {
        dead,
        ..Invariants::default()
    }
    .hold(&ground, &running)
    .await;
    format!("{}; {figures}", said.join(", "))
}

fn columns(ground: &Ground) -> Vec<String> {
    let database = ground.site.open_database();
    let names = "SELECT name FROM pragma_table_info('PROJECTFEEDBACK')";
    let mut names = database.prepare(names).unwrap();
    names
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

pub(crate) async fn f22_the_survey_drifts(_scale: Scale) -> String {
    let ground = Ground::sqlite().await;
    let running = ground.serve().await;
    let before = ground.people.tell_all(&running.url(""), 3).await;
    ground.settled(0, Duration::from_secs(20)).await;
    let old_rows = ground.held().await.rows;
    let change = |change: Change| ground.people.sandbox.change_survey(SURVEY, change).unwrap();
    let at_first = columns(&ground);

    let question = |tag: &str| json!({ "QuestionType": "TE", "Selector": "SL", "QuestionText": "New?", "DataExportTag": tag });
    change(Change::AddQuestion {
        question: question("Fresh"),
    });
    change(Change::AddQuestion {
        question: question("fresh"),
    });
    change(Change::RenameTag {
        question: "Q18".to_owned(),
        tag: "Remark".to_owned(),
    });
    change(Change::TrashQuestion {
        question: "Q17".to_owned(),
    });
    let answers: Value = json!({ "Fresh": "one", "fresh": "two", "Remark": "renamed", "Q1": 4 });
    let after = ground.people.sandbox.complete(SURVEY, answers).unwrap();
    assert_eq!(
        ground.people.tell(&running.url(""), &after).await.status,
        Some(200)
    );
    ground.settled(0, Duration::from_secs(30)).await;

    let now = columns(&ground);
    assert!(
        at_first.iter().all(|column| now.contains(column)),
        "additive: {now:?}"
    );
    assert!(now.iter().any(|column| column == "FRESH"), "{now:?}");
    assert!(
        now.iter().any(|column| column == "FRESH_2"),
        "two tags that are one column: {now:?}"
    );
    let cells =
        "SELECT FRESH || '|' || FRESH_2 || '|' || Q18 FROM PROJECTFEEDBACK WHERE RESPONSEID = ?1";
    let cells = ground
        .site
        .open_database()
        .query_row(cells, [&after], |row| row.get::<_, String>(0));
    assert_eq!(
        cells.as_deref(),
        Ok("one|two|renamed"),
        "a renamed tag keeps its column"
    );
    let held = ground.held().await;
    for response in &before {
        assert_eq!(
            held.rows[response], old_rows[response],
            "old rows are unharmed"
        );
    }
    let added = now.len() - at_first.len();
    let figures = Invariants::default().hold(&ground, &running).await;
    format!("{added} columns added without a restart; {figures}")
}
