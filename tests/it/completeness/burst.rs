//! More events than single reads can take.

use std::time::{Duration, Instant};

use ingester_core::time::Timestamp;
use qualtrics_ingester::jobs::erase::Which;
use qualtrics_sandbox::Limits;

use super::support::{SURVEY, World, count, dump, eventually, id};

const OPEN: &str = "SELECT * FROM QUALTRICS_INBOX WHERE STATE <> 'done'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_completions_within_a_minute_are_rows_a_minute_later() {
    let world = World::with(Limits::Real, "").await;
    world
        .sandbox
        .set_faults("export-lag=5s,export-time=2s".parse().unwrap());
    let served = world.serve(&[("RECONCILE_EVERY", "off")]).await;

    let begun = Instant::now();
    for number in 0..1000_u32 {
        let due = Duration::from_millis(u64::from(number) * 59);
        tokio::time::sleep(due.saturating_sub(begun.elapsed())).await;
        world
            .sandbox
            .complete(SURVEY, serde_json::json!({}))
            .unwrap();
    }
    world.sandbox.settle().await;
    let last_callback = Instant::now();
    eventually("all rows", Duration::from_secs(60), || async {
        count(served.store()).await == 1000 && dump(&world, OPEN).is_empty()
    })
    .await;

    println!(
        "rows {} s after the last callback, {} calls: {:?}",
        last_callback.elapsed().as_secs(),
        world.calls(),
        world.sandbox.counters().calls
    );
    let counters = world.sandbox.counters();
    assert!(world.calls() <= 300, "{:?}", counters.calls);
    assert!(!counters.calls.contains_key("response 429"));
    assert!(most_reads_in_a_minute(&world).await <= PER_MINUTE);
    served.stop().await;
}

/// What is configured by default.
const PER_MINUTE: usize = 200;

/// The most single reads that any 60 seconds hold, as Qualtrics saw them; less one for what the way there differs.
async fn most_reads_in_a_minute(world: &World) -> usize {
    let calls = reqwest::get(format!("{}/control/calls", world.url)).await;
    let calls: serde_json::Value = calls.unwrap().json().await.unwrap();
    let reads = calls.as_array().unwrap().iter();
    let reads: Vec<Timestamp> = reads
        .filter(|call| call["endpoint"] == "response")
        .map(|call| call["at"].as_str().unwrap().parse().unwrap())
        .collect();
    assert!(reads.len() > PER_MINUTE, "the limit was not met");
    let span = Duration::from_secs(59);
    let within = |begin: &Timestamp| {
        let end = begin.checked_add(span).unwrap();
        reads
            .iter()
            .filter(|at| (*begin..end).contains(*at))
            .count()
    };
    reads.iter().map(within).max().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_export_lacks_goes_on_waiting() {
    let world = World::new().await;
    world
        .sandbox
        .set_faults("export-missing=0.3,seed=3".parse().unwrap());
    let settings = [
        ("RECONCILE_EVERY", "off"),
        ("QUALTRICS_REQUESTS_PER_MINUTE", "20"),
    ];
    let served = world.serve(&settings).await;

    for _ in 0..100 {
        world
            .sandbox
            .complete(SURVEY, serde_json::json!({}))
            .unwrap();
    }
    world.sandbox.settle().await;
    let is_read = || world.sandbox.counters().calls_of("export-file") == 2;
    eventually("two bursts", Duration::from_secs(60), || async {
        is_read()
    })
    .await;
    let open = || async { i64::try_from(dump(&world, OPEN).len()).unwrap() };
    eventually("they end", Duration::from_secs(10), || async {
        open().await + count(served.store()).await == 100
    })
    .await;

    assert!(open().await > 0, "some are in no export");
    assert!(world.sandbox.counters().calls_of("response") <= 20);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_for_waiting_events_brings_back_nothing_that_was_erased() {
    let world = World::new().await;
    world.insert("R_gone", "2024-01-01T00:00:00Z", 1);
    let jobs = world.jobs();
    let gone = Which::Ids(vec![id("R_gone")]);
    for selection in jobs.select(&gone, None).await.unwrap() {
        jobs.erase(&selection).await.unwrap();
    }
    let settings = [
        ("RECONCILE_EVERY", "off"),
        ("QUALTRICS_REQUESTS_PER_MINUTE", "10"),
    ];
    let served = world.serve(&settings).await;

    // In the middle: the first find a free worker, the last are read singly, newest first.
    for number in 0..100 {
        if number == 50 {
            world.sandbox.announce(SURVEY, "R_gone").unwrap();
        }
        world
            .sandbox
            .complete(SURVEY, serde_json::json!({}))
            .unwrap();
    }
    world.sandbox.settle().await;
    let erased =
        "SELECT * FROM QUALTRICS_INBOX WHERE STATE = 'done' AND LAST_ERROR LIKE 'erased:%'";
    eventually("all events end", Duration::from_secs(60), || async {
        dump(&world, OPEN).is_empty()
    })
    .await;

    assert_eq!(dump(&world, erased).len(), 1);
    assert_eq!(count(served.store()).await, 100);
    assert!(world.sandbox.counters().calls_of("export-file") > 0);
    served.stop().await;
}
