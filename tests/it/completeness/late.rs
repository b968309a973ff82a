//! Columns that come late: by configuration for rows that are there, by a new question for those to come.

use std::time::Duration;

use qualtrics_sandbox::{Change, Limits};
use serde_json::json;

use super::support::{SURVEY, World, count, dump, eventually};

const EMPTY: &str = "SELECT RESPONSEID FROM FEEDBACK WHERE ACCOUNTID IS NULL";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_column_is_filled_beside_serve_without_asking_qualtrics() {
    const ROWS: usize = 300;
    let world = World::with(Limits::Off, "columns = [\"ResponseId\", \"Q1\"]\n").await;
    let settings = [
        ("RECONCILE_EVERY", "off"),
        ("QUALTRICS_REQUESTS_PER_MINUTE", "100000"),
    ];
    let served = world.serve(&settings).await;
    let complete = || {
        let answers = json!({ "Q1": 3, "AccountID": "ACME" });
        world.sandbox.complete(SURVEY, answers).unwrap();
    };
    let rows = async |wanted: usize| {
        eventually("the rows", Duration::from_secs(60), || async {
            count(served.store()).await == i64::try_from(wanted).unwrap()
        })
        .await;
    };
    for _ in 0..ROWS {
        complete();
    }
    rows(ROWS).await;
    let columns = "columns = [\"ResponseId\", \"Q1\", \"AccountID\"]\n";
    let now = world.with_toml(columns);
    let mut apply = now.command(&["schema", "apply", "--output", "json"]);
    let mut applied = std::pin::pin!(apply.output());
    let mut more = 0;
    let applied = loop {
        tokio::select! {
            applied = &mut applied => break applied.unwrap(),
            () = tokio::time::sleep(Duration::from_millis(5)) => {
                complete();
                more += 1;
            }
        }
    };
    rows(ROWS + more).await;

    assert!(applied.status.success(), "{applied:?}");
    assert!(more > 10, "only {more} came beside it");
    // Those that the old settings wrote after it do not have the column; all that were there have it.
    assert!(dump(&world, EMPTY).len() <= more);
    let reads = world.sandbox.counters().calls_of("response");
    assert_eq!(reads, u64::try_from(ROWS + more).unwrap());
    assert_eq!(world.sandbox.counters().calls_of("export-start"), 0);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_that_is_added_live_is_a_column_with_the_next_callback() {
    let world = World::new().await;
    let served = world.serve(&[("RECONCILE_EVERY", "off")]).await;
    let complete = |answers| world.sandbox.complete(SURVEY, answers).unwrap();
    complete(json!({ "Q1": 3 }));
    eventually("the row", Duration::from_secs(20), || async {
        count(served.store()).await == 1
    })
    .await;
    let question = json!({
        "QuestionType": "TE", "Selector": "SL", "QuestionText": "And else?", "DataExportTag": "Else"
    });
    let added = Change::AddQuestion { question };
    world.sandbox.change_survey(SURVEY, added).unwrap();

    complete(json!({ "Q1": 4, "Else": "much" }));
    eventually("its row", Duration::from_secs(20), || async {
        count(served.store()).await == 2
    })
    .await;

    let cells = dump(&world, "SELECT \"ELSE\" FROM FEEDBACK ORDER BY Q1");
    assert_eq!(cells, ["Null", "Text([109, 117, 99, 104])"]);
    served.stop().await;
}
