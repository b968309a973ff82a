//! One line for each administrative act: who did what, and nothing of anybody's answers.

use serde_json::{Value, json};

use super::{Desk, SURVEY, Said};

/// The lines of an act; each has who and on what.
fn acts(said: &Said) -> Vec<(String, String)> {
    let lines = said.stderr.lines().filter(|line| line.starts_with('{'));
    let lines = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    let audits = lines.filter(|line| line["target"] == "audit");
    audits
        .map(|line| {
            assert_eq!(line["by"], "command of anna", "{line}");
            let text = |name: &str| line[name].as_str().unwrap().to_owned();
            (text("act"), text("on"))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_act_of_a_command_is_one_line() {
    let mut desk = Desk::new().await;
    desk.set("LOG_FORMAT", "json");
    desk.set("USER", "anna");
    desk.configure("columns = [\"ResponseId\", \"Q1\", \"RecipientEmail\"]\n");
    let check = async |arguments: &[&str], act: &str, on: &str| {
        let said = desk.run(arguments).await;
        assert_eq!(said.code, 0, "{said:?}");
        let acts = acts(&said);
        assert_eq!(acts.len(), 1, "{said:?}");
        assert_eq!(acts[0].0, act, "{said:?}");
        assert!(acts[0].1.contains(on), "{said:?}");
        assert!(!said.stderr.contains("jane"), "{said:?}");
        said
    };

    check(
        &["schema", "apply"],
        "schema-apply",
        "PROJECTFEEDBACK\" of SV_22VlHYNeldrrrk1: created",
    )
    .await;
    check(
        &["subscription", "ensure"],
        "subscription-created",
        &format!("surveyengine.completedResponse.{SURVEY}"),
    )
    .await;
    let id = desk.list(&["subscription", "list"]).await[0]["id"].clone();
    check(
        &["subscription", "delete", id.as_str().unwrap(), "--yes"],
        "subscription-deleted",
        id.as_str().unwrap(),
    )
    .await;
    let answers = json!({ "Q1": 4, "RecipientEmail": "jane@example.com" });
    let response = desk.sandbox.complete(SURVEY, answers).unwrap();
    check(&["backfill", "--survey", SURVEY], "backfill", SURVEY).await;
    check(&["reconcile"], "reconcile", SURVEY).await;
    let condition = "RecipientEmail=jane@example.com";
    check(
        &["erase", "--where", condition, "--yes"],
        "erase",
        "1 responses of SV_22VlHYNeldrrrk1",
    )
    .await;
    check(
        &["erase", response.as_ref(), "--forget", "--survey", SURVEY],
        "erase-forget",
        "1 responses",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_looks_leaves_no_line() {
    let mut desk = Desk::new().await;
    desk.set("LOG_FORMAT", "json");
    for arguments in [
        &["schema", "diff"][..],
        &["subscription", "list"],
        &["inbox", "list"],
        &["check"],
    ] {
        assert_eq!(acts(&desk.run(arguments).await), []);
    }
}
