//! Lists for machines have the form that `output.schema.json` says. Each list that a test of commands asks for is held
//! against it, and here those that no other test asks for.

use serde_json::{Value, json};

use super::{Desk, SURVEY};

#[path = "../../handbook/json_schema.rs"]
mod json_schema;

fn definitions() -> Value {
    let text = include_str!("../../../output.schema.json");
    let schema: Value = serde_json::from_str(text).unwrap();
    schema["$defs"].clone()
}

/// Holds a command's list against its definition.
pub(super) fn check(arguments: &[&str], list: &[Value]) {
    let words: Vec<&str> = arguments
        .iter()
        .copied()
        .take_while(|word| word.bytes().all(|b| b.is_ascii_lowercase()))
        .collect();
    let name = words.join(" ");
    let definitions = definitions();
    let definition = definitions
        .get(&name)
        .unwrap_or_else(|| panic!("output.schema.json lacks {name}"));
    let faults = json_schema::faults(definition, &json!(list), &name);
    assert!(faults.is_empty(), "{faults:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_has_its_form() {
    let mut desk = Desk::new().await;
    desk.set(
        "QUALTRICS_WEBHOOK_TOKEN",
        "abcdefabcdefabcdefabcdefabcdefab",
    );
    let response = desk.sandbox.complete(SURVEY, json!({ "Q1": 4 })).unwrap();
    let package = desk.folder.path().join("cards.zip");
    let package = package.to_str().unwrap();
    let lists: [&[&str]; 17] = [
        &["survey", "list"],
        &["schema", "show"],
        &["schema", "diff"],
        &["schema", "apply"],
        &["subscription", "ensure"],
        &["subscription", "list"],
        &["subscription", "rotate"],
        &["subscription", "workflow"],
        &["backfill", "--survey", SURVEY],
        &["reconcile"],
        &["inbox", "list"],
        &["cards", "list"],
        &["cards", "package", "-o", package],
        &["link", "--survey", SURVEY, "AccountID=ACME"],
        &["check"],
        &["erase", response.as_ref(), "--dry-run"],
        &["demo", "--once", "2"],
    ];
    for arguments in lists {
        desk.list(arguments).await;
    }
    // Nobody is let in without a rule: the list comes all the same.
    let explain = ["access", "explain", "--user", "anna@sap.com"];
    let said = desk
        .run(&[&explain[..], &["--output", "json"]].concat())
        .await;
    check(&explain, &said.list());
}

#[test]
fn a_list_of_another_form_is_noticed() {
    let faults = json_schema::faults(
        &definitions()["link"],
        &json!([{ "url": 5, "warnings": [], "more": 1 }]),
        "link",
    );
    assert_eq!(faults.len(), 2, "{faults:?}");
}
