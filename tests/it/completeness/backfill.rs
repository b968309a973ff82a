//! History through the export API.

use std::time::Duration;

use ingester_core::time::Timestamp;
use qualtrics_ingester::jobs::backfill::{Progress, Span, Summary};
use qualtrics_ingester::jobs::{JobError, Patience};
use qualtrics_sandbox::Faults;
use tokio::sync::watch;

use super::support::{SURVEY, TABLE, World, count, dump, eventually, id, survey};

async fn backfill(world: &World, span: Span) -> Result<Summary, JobError> {
    let progress = watch::Sender::new(Progress::default());
    let jobs = world.jobs();
    jobs.backfill(&survey(), span, Patience::Short, &progress)
        .await
}

/// Responses over many years, one a day.
fn history(world: &World, responses: u32) {
    let begin: Timestamp = "2008-01-01T08:00:00Z".parse().unwrap();
    for number in 0..responses {
        let day = Duration::from_secs(24 * 3600);
        let at = begin.checked_add(day * number).unwrap();
        world.insert(&format!("R_{number:05}"), &at.to_string(), number % 5 + 1);
    }
}

#[tokio::test]
async fn everything_that_was_answered_becomes_rows() {
    let world = World::new().await;
    history(&world, 1000);

    let summary = backfill(&world, Span::ALL).await.unwrap();

    assert_eq!(summary.totals.documents, 1000);
    assert_eq!(summary.totals.written, 1000);
    assert_eq!(count(&world.jobs().store).await, 1000);
}

#[tokio::test]
async fn a_second_backfill_writes_nothing() {
    let world = World::new().await;
    history(&world, 300);
    backfill(&world, Span::ALL).await.unwrap();
    let before = dump(&world, "SELECT * FROM QUALTRICS_CHANGES");

    let summary = backfill(&world, Span::ALL).await.unwrap();

    assert_eq!((summary.totals.written, summary.totals.unchanged), (0, 300));
    assert_eq!(dump(&world, "SELECT * FROM QUALTRICS_CHANGES"), before);
}

#[tokio::test]
async fn a_span_has_its_responses_and_no_others() {
    let world = World::new().await;
    history(&world, 400);
    let instant = |text: &str| Some(text.parse().unwrap());

    let summary = backfill(
        &world,
        Span {
            since: instant("2008-02-01T00:00:00Z"),
            until: instant("2008-03-01T00:00:00Z"),
        },
    )
    .await
    .unwrap();

    assert_eq!(summary.totals.written, 29);
}

#[tokio::test]
async fn damaged_and_failed_exports_are_repeated_until_the_table_is_right() {
    let (sound, broken) = (World::new().await, World::new().await);
    history(&sound, 500);
    history(&broken, 500);
    backfill(&sound, Span::ALL).await.unwrap();
    let troubles = async {
        for (faults, endpoint) in [
            ("export-failed", "export-start"),
            ("truncated-zip", "export-file"),
            ("flipped-zip", "export-file"),
        ] {
            let so_far = broken.sandbox.counters().calls_of(endpoint);
            broken.sandbox.set_faults(faults.parse().unwrap());
            eventually(faults, Duration::from_secs(20), || async {
                broken.sandbox.counters().calls_of(endpoint) > so_far
            })
            .await;
        }
        broken.sandbox.set_faults(Faults::default());
    };

    let (summary, ()) = tokio::join!(backfill(&broken, Span::ALL), troubles);

    assert_eq!(summary.unwrap().totals.refused, 0);
    assert_eq!(dump(&broken, TABLE), dump(&sound, TABLE));
}

#[tokio::test]
async fn killed_ten_times_it_ends_with_the_same_table() {
    let (whole, killed) = (World::new().await, World::new().await);
    history(&whole, 12_000);
    history(&killed, 12_000);
    backfill(&whole, Span::ALL).await.unwrap();
    let command = || killed.command(&["backfill", "--survey", SURVEY, "--output", "json"]);
    for round in 0..10 {
        let mut child = command().spawn().unwrap();
        let rows_before = rows_in(&killed);
        eventually("more rows than before", Duration::from_secs(30), || async {
            rows_in(&killed) > rows_before
        })
        .await;
        tokio::time::sleep(Duration::from_millis(7 * round)).await;
        assert_eq!(child.try_wait().unwrap(), None, "it must be killed at work");
        child.kill().await.unwrap();
    }

    let output = command().output().await.unwrap();

    assert!(output.status.success(), "{output:?}");
    assert_eq!(dump(&killed, TABLE), dump(&whole, TABLE));
    const DIGESTS: &str =
        "SELECT RESPONSE_ID, RECORDED_AT, DIGEST FROM QUALTRICS_RAW ORDER BY RESPONSE_ID";
    assert_eq!(dump(&killed, DIGESTS), dump(&whole, DIGESTS));
    assert_eq!(dump(&killed, DIGESTS).len(), 12_000);
}

fn rows_in(world: &World) -> usize {
    let count = "SELECT COUNT(*) FROM sqlite_master WHERE name = 'FEEDBACK'";
    if dump(world, count) == ["Integer(1)"] {
        dump(world, "SELECT \"RESPONSEID\" FROM \"FEEDBACK\"").len()
    } else {
        0
    }
}

#[tokio::test]
async fn an_older_export_does_not_overwrite_a_newer_single_read() {
    let world = World::new().await;
    let served = world.serve(&[("RECONCILE_EVERY", "off")]).await;
    let response = world
        .sandbox
        .complete(SURVEY, serde_json::json!({ "Q1": 1 }))
        .unwrap();
    eventually("the row", Duration::from_secs(10), || async {
        count(served.store()).await == 1
    })
    .await;
    let before = dump(&world, TABLE);
    // The export that begins now counts as two minutes older than the read above.
    let values = serde_json::json!({ "Q1": 5 });
    world
        .sandbox
        .edit(SURVEY, &response, values.as_object().unwrap().clone())
        .unwrap();

    let summary = backfill(&world, Span::ALL).await.unwrap();

    assert_eq!(summary.totals.superseded, 1);
    assert_eq!(dump(&world, TABLE), before);
    served.stop().await;
}

#[tokio::test]
async fn the_erased_are_not_loaded_again() {
    let world = World::new().await;
    history(&world, 10);
    backfill(&world, Span::ALL).await.unwrap();
    let jobs = world.jobs();
    let table = "FEEDBACK".parse().unwrap();
    let remember = qualtrics_ingester::store::Remember::Hash;
    let erased = vec![id("R_00003")];
    jobs.store
        .erase(&survey(), Some(table), erased, remember)
        .await
        .unwrap();

    let summary = backfill(&world, Span::ALL).await.unwrap();

    assert_eq!(summary.totals.erased, 1);
    assert_eq!(count(&jobs.store).await, 9);
}
