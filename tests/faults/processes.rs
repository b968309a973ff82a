//! Processes that are killed, stopped, asked to stop, or one too many.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::Scale;
use crate::ground::{Address, Dice, Ground, Invariants, count_of, eventually, metric, unoptimised};
use crate::process::{BUILT, SURVEY};

/// The drain after the last restart must be over by then.
const DRAINED_WITHIN: Duration = Duration::from_secs(5);

pub(crate) async fn f01_kill_9_at_random(scale: Scale) -> String {
    let ground = Ground::sqlite().await;
    let mut running = ground.serve().await;
    let address = Address::of(&running);
    let load = ground.people.load(&address, scale.pick(200, 500));
    let mut dice = Dice::new(1);
    let rounds = scale.pick(8, 200);
    let mut slowest_start = Duration::ZERO;

    for _ in 0..rounds {
        tokio::time::sleep(Duration::from_millis(30 + dice.below(500))).await;
        address.set(None);
        running.kill().await;
        let begun = Instant::now();
        running = ground.site.serve().await;
        slowest_start = slowest_start.max(begun.elapsed());
        address.set(Some(&running));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let answers = load.end().await;
    let begun = Instant::now();
    ground.settled(0, Duration::from_secs(60)).await;
    let drained = begun.elapsed();

    let acknowledged = count_of(&answers, 200);
    assert!(acknowledged > 50 * rounds, "{acknowledged}");
    assert!(drained < unoptimised(DRAINED_WITHIN), "{drained:?}");
    // Each kill repeats at most what was being read, all of it under leases that the table counts no more if the event
    // was leased at its acceptance and the process died before that was committed: none.
    let figures = Invariants::default().hold(&ground, &running).await;
    let whole = "PRAGMA integrity_check";
    let found: String = ground
        .site
        .open_database()
        .query_row(whole, [], |row| row.get(0))
        .unwrap();
    assert_eq!(found, "ok");
    format!(
        "{rounds} kills, {acknowledged} acknowledged, drained in {drained:.1?}, slowest start {slowest_start:.1?}; {figures}"
    )
}

pub(crate) async fn f27_another_instance_takes_over(_scale: Scale) -> String {
    let ground = Ground::hana().await;
    let mut leaving = ground.serve().await;
    let staying = ground.serve().await;
    // Longer than the shutdown may wait: what is read then can't end in time.
    ground
        .people
        .sandbox
        .set_faults("slow=1,slow-for=15s".parse().unwrap());
    let told = ground.people.tell_all(&leaving.url(""), 30).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    ground.people.sandbox.set_faults("".parse().unwrap());
    let begun = Instant::now();

    leaving.signal("TERM");
    tokio::time::sleep(Duration::from_millis(200)).await;
    let refused = ground.people.tell(&leaving.url(""), &told[0]).await;
    let status = tokio::time::timeout(Duration::from_secs(12), leaving.child.wait())
        .await
        .unwrap()
        .unwrap();
    let left = begun.elapsed();

    assert_eq!(refused.status, None, "the listener is closed");
    assert!(status.success(), "{status}: {}", leaving.log());
    assert!(left < Duration::from_secs(9), "{left:?}");
    let taken = Instant::now();
    ground.settled(0, Duration::from_secs(20)).await;
    let took = taken.elapsed();
    assert!(
        took < unoptimised(Duration::from_secs(5)),
        "{took:?}: {}",
        staying.log()
    );
    let figures = Invariants {
        more_calls: 30,
        ..Invariants::default()
    }
    .hold(&ground, &staying)
    .await;
    format!("left in {left:.1?}, taken over in {took:.1?}; {figures}")
}

pub(crate) async fn f28_the_process_is_stopped_and_goes_on(scale: Scale) -> String {
    let ground = Ground::hana().await;
    let stopped = ground.serve().await;
    let other = ground.serve().await;
    ground
        .people
        .sandbox
        .set_faults("slow=1,slow-for=500ms".parse().unwrap());
    ground.people.tell_all(&stopped.url(""), 20).await;

    stopped.signal("STOP");
    tokio::time::sleep(scale.pick(Duration::from_secs(16), Duration::from_secs(60))).await;
    let meanwhile = ground.held().await;
    let calls = ground.people.sandbox.counters().calls_of("response");
    stopped.signal("CONT");
    tokio::time::sleep(Duration::from_secs(4)).await;

    assert_eq!(
        meanwhile.open(),
        0,
        "the other one has it all: {}",
        other.log()
    );
    let held = ground.held().await;
    assert_eq!(
        held.changes.len(),
        held.rows.len(),
        "each row was written once"
    );
    let lost = metric(
        &ground.people,
        &stopped,
        "ingester_events_total{outcome=\"lease_lost\"}",
    )
    .await;
    assert!(lost >= 1.0, "{lost}: {}", stopped.log());
    let burst = ground.people.sandbox.counters().calls_of("response") - calls;
    assert!(burst <= 20, "{burst} calls after the pause");
    let figures = Invariants {
        more_calls: 20,
        ..Invariants::default()
    }
    .hold(&ground, &stopped)
    .await;
    format!("{lost} leases seen as lost; {figures}")
}

/// The binary of a release that this one has to get on with; this one itself until there is a release.
fn released() -> PathBuf {
    std::env::var_os("INGESTER_TEST_RELEASED").map_or_else(|| BUILT.into(), PathBuf::from)
}

/// Indexes are what a later release is most likely to add: a file without them is one of an earlier one.
const INDEXES: &str = "SELECT COUNT(*) FROM sqlite_schema WHERE type = 'index' AND name IN \
    ('QUALTRICS_INBOX_OPEN', 'QUALTRICS_INBOX_DONE', 'QUALTRICS_CHANGES_SURVEY')";
const NO_INDEXES: &str = "DROP INDEX IF EXISTS QUALTRICS_INBOX_OPEN; DROP INDEX IF EXISTS QUALTRICS_INBOX_DONE; \
    DROP INDEX IF EXISTS QUALTRICS_CHANGES_SURVEY;";

pub(crate) async fn f30_two_versions_on_one_database(scale: Scale) -> String {
    let file = by_turns(scale).await;
    let hana = side_by_side(scale).await;
    format!("{file}; on HANA {hana}")
}

/// One after the other on a file, each killed at random; and this version also while it brings the file up to date.
async fn by_turns(scale: Scale) -> String {
    let ground = Ground::sqlite().await;
    let mut running = ground.serve().await;
    let address = Address::of(&running);
    let load = ground.people.load(&address, scale.pick(100, 300));
    let mut dice = Dice::new(30);
    let rounds = scale.pick(3, 60);
    for _ in 0..rounds {
        tokio::time::sleep(Duration::from_millis(50 + dice.below(500))).await;
        address.set(None);
        running.kill().await;
        running = ground.site.try_serve(released()).await.unwrap();
        address.set(Some(&running));
        tokio::time::sleep(Duration::from_millis(50 + dice.below(500))).await;
        address.set(None);
        running.kill().await;
        ground
            .site
            .open_database()
            .execute_batch(NO_INDEXES)
            .unwrap();
        for _ in 0..3 {
            let mut interrupted = ground.site.command(&["serve"]);
            let mut interrupted = interrupted.stderr(Stdio::null()).spawn().unwrap();
            tokio::time::sleep(Duration::from_millis(dice.below(120))).await;
            interrupted.kill().await.unwrap();
        }
        running = ground.site.serve().await;
        address.set(Some(&running));
        let indexes = || {
            ground
                .site
                .open_database()
                .query_row(INDEXES, [], |row| row.get(0))
        };
        eventually("what the file lacked", || indexes() == Ok(3)).await;
    }
    let answers = load.end().await;
    let acknowledged = count_of(&answers, 200);
    assert!(acknowledged > 10 * rounds, "{acknowledged}");
    let figures = Invariants::default().hold(&ground, &running).await;
    format!("{rounds} turns, {acknowledged} acknowledged; {figures}")
}

/// At the same time on HANA, one of them killed at random; and both at once bring up to date what lacks a table.
async fn side_by_side(scale: Scale) -> String {
    let ground = Ground::hana().await;
    drop(ground.serve().await);
    let database = ground.hana.as_ref().unwrap().url();
    let mut dice = Dice::new(31);
    let rounds = scale.pick(2, 20);
    let mut acknowledged = 0;
    for round in 0..rounds {
        let connection = hdbconnect_async::Connection::new(database.as_str())
            .await
            .unwrap();
        connection
            .exec("DROP TABLE QUALTRICS_ERASED")
            .await
            .unwrap();
        let (released, built) =
            tokio::join!(ground.site.try_serve(released()), ground.site.serve());
        let [staying, leaving] = match round % 2 {
            0 => [built, released.unwrap()],
            _ => [released.unwrap(), built],
        };
        let loads = [&staying, &leaving].map(|at| (Address::of(at), at));
        let loads = loads.map(|(address, _)| (ground.people.load(&address, 40), address));
        tokio::time::sleep(Duration::from_millis(200 + dice.below(800))).await;
        loads[1].1.set(None);
        leaving.kill().await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        for (load, _) in loads {
            acknowledged += count_of(&load.end().await, 200);
        }
        connection
            .query("SELECT COUNT(*) FROM QUALTRICS_ERASED")
            .await
            .unwrap();
        // The leases of the one that was killed run out, and the other takes over.
        ground.settled(0, Duration::from_secs(60)).await;
        staying.kill().await;
    }
    let running = ground.serve().await;
    let figures = Invariants::default().hold(&ground, &running).await;
    format!("{rounds} rounds, {acknowledged} acknowledged; {figures}")
}

/// There is one format so far. A process of a later release leaves a database that this one must not touch.
pub(crate) async fn f30_a_newer_format_is_refused(_scale: Scale) -> String {
    let ground = Ground::sqlite().await;
    let running = ground.serve().await;
    ground.people.tell_all(&running.url(""), 3).await;
    ground.settled(0, Duration::from_secs(20)).await;
    running.kill().await;
    let set = |format: &str| {
        let changed = ground.site.open_database().execute(
            "UPDATE QUALTRICS_RUNS SET STATE = ?1 WHERE JOB = 'format'",
            [format],
        );
        assert_eq!(changed, Ok(1));
    };
    set("2");

    let running = ground.site.serve().await;
    let response = ground.people.complete();
    let refused = ground.people.tell(&running.url(""), &response).await;

    assert_eq!(refused.status, Some(503), "{refused:?}");
    assert!(
        running.log().contains("use the release that wrote them"),
        "{}",
        running.log()
    );
    set("1");
    let accepted = ground.people.tell(&running.url(""), &response).await;
    assert_eq!(
        accepted.status,
        Some(200),
        "it heals without a restart: {accepted:?}"
    );
    Invariants::default().hold(&ground, &running).await
}

pub(crate) async fn f31_a_second_process_on_one_file(_scale: Scale) -> String {
    let ground = Ground::sqlite().await;
    let running = ground.serve().await;

    let second = ground.run(&["serve"]).await;

    assert_eq!(second.status.code(), Some(1), "{second:?}");
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(
        said.contains("another `serve` works on this SQLite file"),
        "{said}"
    );
    let listed = ground.run(&["inbox", "list", "--survey", SURVEY]).await;
    assert!(listed.status.success(), "a command may: {listed:?}");
    ground.people.tell_all(&running.url(""), 10).await;
    Invariants::default().hold(&ground, &running).await
}
