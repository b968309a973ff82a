//! Qualtrics against the store, cell by cell.

use std::time::Duration;

use qualtrics_ingester::jobs::reconcile::{Options, Report, Scope};
use qualtrics_ingester::jobs::{JobError, Patience};

use super::support::{SURVEY, TABLE, World, count, dump, eventually, id, survey, tamper};

async fn reconcile(world: &World, options: Options) -> Report {
    try_reconcile(world, options).await.unwrap()
}

async fn try_reconcile(world: &World, options: Options) -> Result<Report, JobError> {
    let jobs = world.jobs();
    let mut results = jobs
        .reconcile(&[survey()], options, Patience::Short)
        .await?;
    let (_, result) = results.remove(0);
    if let Ok(report) = &result {
        let balance = report.balance.unwrap();
        assert!(balance.adds_up(), "{balance:?}");
    }
    result
}

fn scope(scope: Scope) -> Options {
    Options {
        scope,
        ..Options::default()
    }
}

const ALL: Options = Options {
    scope: Scope::All,
    delete: false,
    delete_limit: None,
};
const ALL_AND_DELETE: Options = Options {
    delete: true,
    ..ALL
};

/// Old responses, loaded.
async fn loaded(responses: u32) -> World {
    let world = World::new().await;
    for number in 0..responses {
        let (day, minute) = (number / 1440 % 28 + 1, number % 1440);
        let at = format!("2024-03-{day:02}T{:02}:{:02}:07Z", minute / 60, minute % 60);
        world.insert(&format!("R_{number:05}"), &at, number % 5 + 1);
    }
    reconcile(&world, ALL).await;
    world
}

fn edit(world: &World, response: &str, answer: u32) {
    let values = serde_json::json!({ "QID1": answer });
    let values = values.as_object().unwrap().clone();
    world.sandbox.edit(SURVEY, response, values).unwrap();
}

/// Twenty of each kind.
fn disturb(world: &World) {
    for number in 0..20 {
        edit(world, &format!("R_{number:05}"), 5 - number % 5);
        world
            .sandbox
            .delete(SURVEY, &format!("R_{:05}", number + 100))
            .unwrap();
        world.insert(&format!("R_new{number}"), "2024-06-01T00:00:00Z", 3);
    }
    tamper(
        world,
        "UPDATE \"FEEDBACK\" SET \"ACCOUNTID\" = 'altered' WHERE \"RESPONSEID\" BETWEEN 'R_00200' AND 'R_00219'",
    );
}

#[tokio::test]
async fn exactly_what_was_planted_is_found_with_few_calls() {
    let world = loaded(100_000).await;
    disturb(&world);
    let untouched = dump(
        &world,
        "SELECT ASKED_AT FROM QUALTRICS_RAW WHERE RESPONSE_ID = 'R_00500'",
    );
    let calls = world.calls();

    let report = reconcile(&world, ALL_AND_DELETE).await;

    let used = world.calls() - calls;
    // Four of the twenty edits gave the answer that was there: 5 - n % 5 is n % 5 + 1 for n % 5 = 2.
    assert_eq!((report.missing, report.stale), (20, 16 + 20));
    assert_eq!((report.deleted, report.removed), (20, 20));
    assert_eq!(report.written, 20 + 16 + 20);
    assert!(used <= 12, "{used} calls");
    let balance = report.balance.unwrap();
    assert_eq!(
        (balance.in_qualtrics, balance.rows, balance.missing),
        (100_000, 100_000, 0)
    );
    let after = dump(
        &world,
        "SELECT ASKED_AT FROM QUALTRICS_RAW WHERE RESPONSE_ID = 'R_00500'",
    );
    assert_eq!(after, untouched, "what is the same is not written");
    assert_eq!(count(&world.jobs().store).await, 100_000);
}

#[tokio::test]
async fn the_same_by_changes_ids_and_kept_documents() {
    let world = loaded(1000).await;
    disturb(&world);
    let calls = world.calls();
    let since = qualtrics_ingester::lifecycle::now()
        .checked_sub(Duration::from_secs(3600))
        .unwrap();

    let options = Options {
        scope: Scope::Since(since),
        delete: true,
        delete_limit: None,
    };
    let report = reconcile(&world, options).await;

    assert_eq!((report.missing, report.stale), (20, 16 + 20));
    assert_eq!(report.removed, 20);
    // Three exports: of changes, of ids, and of what the ids say is missing.
    assert!(world.calls() - calls <= 13, "{}", world.calls() - calls);
    assert_eq!(reconcile(&world, ALL).await.written, 0);
}

#[tokio::test]
async fn a_second_pass_finds_nothing_and_costs_one_call() {
    let world = loaded(100).await;
    reconcile(&world, scope(Scope::Changes)).await;
    let (calls, before) = (world.calls(), dump(&world, TABLE));

    let report = reconcile(&world, scope(Scope::Changes)).await;

    assert_eq!((report.written, report.compared), (0, 0));
    assert_eq!(world.calls() - calls, 1);
    assert_eq!(dump(&world, TABLE), before);
}

#[tokio::test]
async fn an_edit_is_found_by_its_modification_date() {
    let world = loaded(100).await;
    edit(&world, "R_00001", 5);

    let report = reconcile(&world, scope(Scope::ChangesNow)).await;

    assert_eq!((report.stale, report.written, report.compared), (1, 1, 1));
}

#[tokio::test]
async fn the_watermark_is_ten_minutes_behind_and_never_goes_back() {
    let world = loaded(10).await;
    let mark = || dump(&world, "SELECT WATERMARK FROM QUALTRICS_SURVEYS").remove(0);
    let before = mark();

    let report = reconcile(&world, scope(Scope::ChangesNow)).await;

    let now = qualtrics_ingester::lifecycle::now();
    let watermark = report.complete_up_to.unwrap();
    assert!(now.duration_since(watermark).as_secs() >= 600);
    assert!(now.duration_since(watermark).as_secs() < 660);
    assert!(mark() >= before);
}

#[tokio::test]
async fn a_pass_that_leaves_a_gap_moves_no_watermark() {
    let world = World::new().await;
    world.insert("R_old", "2024-01-01T00:00:00Z", 1);
    let since = qualtrics_ingester::lifecycle::now();

    let report = reconcile(&world, scope(Scope::Since(since))).await;

    assert_eq!(report.complete_up_to, None);
    // All the same the missing one was found by its id.
    assert_eq!((report.missing, report.written), (1, 1));
}

#[tokio::test]
async fn many_deletions_are_refused_and_nothing_goes() {
    let world = loaded(200).await;
    for number in 0..30 {
        world
            .sandbox
            .delete(SURVEY, &format!("R_{number:05}"))
            .unwrap();
    }

    let refused = reconcile(&world, ALL_AND_DELETE).await;
    let rows_after_refusal = count(&world.jobs().store).await;
    let agreed = reconcile(
        &world,
        Options {
            delete_limit: Some(30),
            ..ALL_AND_DELETE
        },
    )
    .await;

    assert!(refused.kept_rows.unwrap().contains("30 of 200 rows"));
    assert_eq!((refused.removed, rows_after_refusal), (0, 200));
    assert_eq!(
        (agreed.removed, count(&world.jobs().store).await),
        (30, 170)
    );
    assert_eq!(dump(&world, "SELECT * FROM QUALTRICS_RAW").len(), 170);
}

#[tokio::test]
async fn young_rows_and_open_events_are_spared() {
    let world = loaded(20).await;
    let now = qualtrics_ingester::lifecycle::now();
    world.insert("R_young", &format!("{now:.3}"), 1);
    reconcile(&world, ALL).await;
    tamper(
        &world,
        &format!(
            "INSERT INTO QUALTRICS_INBOX VALUES ('{SURVEY}', 'R_00003', 'completedResponse', '2024-01-01T00:00:00.000Z', \
             '2024-01-01T00:00:00.000Z', 'pending', 0, '2099-01-01T00:00:00.000Z', NULL, NULL, NULL, NULL)"
        ),
    );
    for gone in ["R_young", "R_00003", "R_00004"] {
        world.sandbox.delete(SURVEY, gone).unwrap();
    }

    let report = reconcile(&world, ALL_AND_DELETE).await;

    assert_eq!((report.deleted, report.removed), (1, 1));
}

#[tokio::test]
async fn a_damaged_document_is_named_and_read_again() {
    let world = loaded(50).await;
    let query = "SELECT DOCUMENT FROM QUALTRICS_RAW WHERE RESPONSE_ID = 'R_00007'";
    let before = dump(&world, query);
    tamper(
        &world,
        "UPDATE QUALTRICS_RAW SET DOCUMENT = REPLACE(DOCUMENT, 'account', 'acc0unt') WHERE RESPONSE_ID = 'R_00007'",
    );
    assert_ne!(dump(&world, query), before);

    let report = reconcile(&world, ALL).await;

    assert_eq!(report.damaged, 1);
    assert_eq!(dump(&world, query), before);
}

#[tokio::test]
async fn cells_that_are_mapped_otherwise_now_are_written_anew() {
    let world = loaded(30).await;
    let report = {
        let world = world.with_settings("missing = { text = \"nothing\" }");
        reconcile(&world, scope(Scope::ChangesNow)).await
    };

    assert_eq!((report.compared, report.stale, report.written), (0, 30, 30));
}

#[tokio::test]
async fn the_erased_the_dropped_and_the_unfit_are_counted_and_left_alone() {
    let world = loaded(10).await;
    let jobs = world.jobs();
    let table = Some("FEEDBACK".parse().unwrap());
    let hash = qualtrics_ingester::store::Remember::Hash;
    let erased = vec![id("R_00001")];
    jobs.store
        .erase(&survey(), table, erased, hash)
        .await
        .unwrap();
    tamper(
        &world,
        "DELETE FROM \"FEEDBACK\" WHERE \"RESPONSEID\" = 'R_00002'",
    );
    tamper(
        &world,
        "DELETE FROM QUALTRICS_RAW WHERE RESPONSE_ID = 'R_00002'",
    );
    tamper(
        &world,
        &format!(
            "INSERT INTO QUALTRICS_INBOX VALUES ('{SURVEY}', 'R_00002', 'completedResponse', '2024-01-01T00:00:00.000Z', \
             '2024-01-01T00:00:00.000Z', 'dead', 1, NULL, NULL, NULL, 'dropped: given up by hand', '2024-01-01T00:00:00.000Z')"
        ),
    );
    let unfit = serde_json::json!({
        "responseId": "R_unfit",
        "values": { "status": 0, "finished": 1, "recordedDate": "2024-05-01T00:00:00Z", "_recordId": "R_unfit", "progress": "much" },
        "labels": {}
    });
    let preview = serde_json::json!({
        "responseId": "R_preview",
        "values": { "status": 1, "finished": 1, "recordedDate": "2024-05-01T00:00:00Z", "_recordId": "R_preview" },
        "labels": {}
    });
    for document in [unfit, preview] {
        world
            .sandbox
            .insert(SURVEY, &serde_json::to_vec(&document).unwrap())
            .unwrap();
    }

    let whole = reconcile(&world, ALL).await.balance.unwrap();
    let since = qualtrics_ingester::lifecycle::now();
    let by_ids = reconcile(&world, scope(Scope::Since(since)))
        .await
        .balance
        .unwrap();

    assert_eq!((whole.in_qualtrics, whole.rows), (12, 8));
    assert_eq!(
        (whole.erased, whole.dead, whole.skipped, whole.missing),
        (1, 2, 1, 0)
    );
    assert_eq!(by_ids, whole);
}

#[tokio::test]
async fn without_events_reconcile_alone_keeps_the_table() {
    let world = World::new().await;
    world.insert("R_old", "2024-01-01T00:00:00Z", 1);
    let settings = [("EVENTS", "off"), ("RECONCILE_EVERY", "1m")];
    let served = world.serve_unsubscribed(&settings).await;
    eventually("the history", Duration::from_secs(20), || async {
        count(served.store()).await == 1
    })
    .await;
    world
        .sandbox
        .complete(SURVEY, serde_json::json!({}))
        .unwrap();

    served.app().jobs.reconcile_soon();

    eventually("the new one", Duration::from_secs(20), || async {
        count(served.store()).await == 2
    })
    .await;
    served.stop().await;
}

#[tokio::test]
async fn serve_loads_history_once_and_says_so() {
    let world = World::new().await;
    for number in 0..50 {
        world.insert(&format!("R_{number}"), "2024-01-01T00:00:00Z", 1);
    }
    let served = world.serve(&[]).await;
    let status = || served.app().jobs.status.of(&survey());

    eventually(
        "history and a watermark",
        Duration::from_secs(30),
        || async { status().history_loaded == 100 && status().complete_up_to.is_some() },
    )
    .await;

    let balance = status().balance.unwrap();
    assert_eq!((balance.in_qualtrics, balance.rows), (50, 50));
    let exports = world.sandbox.counters().calls_of("export-start");
    served.stop().await;
    let again = world.serve(&[]).await;
    let status = || again.app().jobs.status.of(&survey());
    eventually("the figures", Duration::from_secs(20), || async {
        status().history_loaded == 100
    })
    .await;
    assert!(world.sandbox.counters().calls_of("export-start") <= exports + 1);
    again.stop().await;
}

#[tokio::test]
async fn history_none_begins_now() {
    let world = World::with(qualtrics_sandbox::Limits::Off, "history = \"none\"\n").await;
    world.insert("R_old", "2024-01-01T00:00:00Z", 1);
    let first = reconcile(&world, ALL).await;
    world
        .sandbox
        .complete(SURVEY, serde_json::json!({}))
        .unwrap();

    let report = reconcile(&world, ALL).await;

    assert_eq!(first.written, 0);
    let balance = report.balance.unwrap();
    assert_eq!(
        (report.written, balance.in_qualtrics, balance.rows),
        (1, 1, 1)
    );
}
