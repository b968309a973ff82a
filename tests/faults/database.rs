//! The database on the other side: restarted, slow, without a table or a right.

use std::time::{Duration, Instant};

use hana_testserver::Fault;

use crate::Scale;
use crate::ground::{
    Address, COMPLETED, Ground, Invariants, config, count_of, eventually, kibibytes, p99,
    strictly_ready, unoptimised,
};
use crate::process::{KEY, Running, SURVEY, message, signed};
use crate::proxy::{Proxy, Way};

const OTHER_SURVEY: &str = "SV_0EveryTypeOfQst";

pub(crate) async fn f07_the_database_restarts_under_load(scale: Scale) -> String {
    let ground = Ground::hana().await;
    let server = ground.hana.as_ref().unwrap();
    let running = ground.serve().await;
    ground.people.tell_all(&running.url(""), 10).await;
    ground.settled(0, Duration::from_secs(20)).await;
    let address = Address::of(&running);
    let before = ground.people.load(&address, 20);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let usual = p99(&before.end().await);
    let load = ground.people.load(&address, 20);

    for round in 0..scale.pick(3, 30) {
        let faults = server.faults();
        faults.add(Fault::cut_before_commit().probability(0.2));
        faults.add(Fault::cut_after_commit().probability(0.2));
        tokio::time::sleep(Duration::from_millis(700)).await;
        faults.clear();
        if round % 2 == 0 {
            server.cut_connections();
        } else {
            server.restart().await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    let healed = Instant::now();
    let answers = load.end().await;
    loop {
        let again = ground.people.load(&address, 20);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let again = again.end().await;
        let is_usual = p99(&again) < usual * 3 + unoptimised(Duration::from_millis(25));
        if is_usual && count_of(&again, 200) == again.len() {
            break;
        }
        assert!(
            healed.elapsed() < Duration::from_secs(10),
            "p99 {:?}, was {usual:?}",
            p99(&again)
        );
    }

    let took = healed.elapsed();
    let held = ground.settled(0, Duration::from_secs(60)).await.0;
    assert_eq!(
        held.changes.len(),
        held.rows.len(),
        "each row was written once"
    );
    let figures = Invariants {
        more_calls: 10,
        log_lines: 1000,
        ..Invariants::default()
    }
    .hold(&ground, &running)
    .await;
    let (accepted, refused) = (count_of(&answers, 200), count_of(&answers, 503));
    format!(
        "{accepted} accepted, {refused} refused meanwhile, p99 was {usual:.0?} and again after {took:.1?}; {figures}"
    )
}

pub(crate) async fn f08_the_database_is_slow(scale: Scale) -> String {
    let ground = Ground::hana().await;
    let running = ground.serve().await;
    ground.people.tell_all(&running.url(""), 20).await;
    ground.settled(0, Duration::from_secs(20)).await;
    let memory = kibibytes(&running, "VmRSS:");
    let faults = ground.hana.as_ref().unwrap().faults();
    faults.add(Fault::slow(Duration::from_secs(2)));

    let load = ground.people.load(&Address::of(&running), 30);
    tokio::time::sleep(scale.pick(Duration::from_secs(12), Duration::from_secs(120))).await;
    let answers = load.end().await;
    let slowest = answers.iter().map(|answer| answer.took).max().unwrap();
    let grown = kibibytes(&running, "VmRSS:").saturating_sub(memory) / 1024;
    faults.clear();

    assert!(
        slowest < Duration::from_secs(3) + unoptimised(Duration::from_millis(250)),
        "{slowest:?}"
    );
    assert_eq!(
        count_of(&answers, 200) + count_of(&answers, 503),
        answers.len()
    );
    assert!(grown < 40, "{grown} MiB more");
    ground.settled(0, Duration::from_secs(60)).await;
    let calls = ground.people.sandbox.counters().calls_of("response");
    let events = u64::try_from(ground.held().await.events.len()).unwrap();
    assert!(
        calls <= events,
        "{calls} calls for {events} events: something was read twice"
    );
    let figures = Invariants::default().hold(&ground, &running).await;
    let (accepted, refused) = (count_of(&answers, 200), count_of(&answers, 503));
    format!(
        "{accepted} accepted, {refused} refused, slowest {slowest:.1?}, {grown} MiB more; {figures}"
    )
}

/// Nothing that the database says is believed to be well formed. What a changed bit may do to one answer is the
/// connection's fault, which TLS keeps away; it heals. Memory is only printed: the driver makes room for whatever length
/// an answer claims. Where that is more than there is, the process ends, and is started again as a platform would.
pub(crate) async fn f10_answers_of_the_database_are_damaged(scale: Scale) -> String {
    let mut ground = Ground::hana().await;
    let proxy = Proxy::before(ground.hana.as_ref().unwrap().addr()).await;
    let url = format!("hdbsql://INGESTER:Secret123@{}", proxy.addr);
    ground.site.set("INGESTER_DATABASE_URL", &url);
    let mut running = ground.serve().await;
    ground.people.tell_all(&running.url(""), 10).await;
    ground.settled(0, Duration::from_secs(20)).await;

    proxy.set(Way::Garble);
    let begun = Instant::now();
    let (mut asked, mut refused, mut deaths) = (0, 0, 0);
    while begun.elapsed() < scale.pick(Duration::from_secs(8), Duration::from_secs(300)) {
        let told = ground.people.tell_many(&running.url(""), 5).await;
        asked += told.len();
        refused += told
            .iter()
            .filter(|(_, answer)| answer.status == Some(503))
            .count();
        let read = ground
            .people
            .client
            .get(running.url("/odata/v4/feedback/ProjectFeedback?$top=5"))
            .send();
        drop(read.await);
        if let Some(ended) = running.child.try_wait().unwrap() {
            let log = running.log();
            assert!(log.contains("memory allocation of"), "{ended:?}: {log}");
            deaths += 1;
            running = ground.serve().await;
        }
    }
    proxy.set(Way::Pass);

    let healed = Instant::now();
    let response = ground.people.complete();
    while ground.people.tell(&running.url(""), &response).await.status != Some(200) {
        assert!(
            healed.elapsed() < Duration::from_secs(30),
            "{}",
            running.log()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let took = healed.elapsed();
    while !ground.held().await.rows.contains_key(&response) {
        assert!(
            healed.elapsed() < Duration::from_secs(60),
            "{}",
            running.log()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let memory_mib = kibibytes(&running, "VmHWM:") / 1024;
    let lines = running.log().lines().count();
    let panics = running.log().matches("driver panicked").count();
    format!(
        "{refused} of {asked} refused, {panics} panics of the driver, {deaths} deaths of memory, healed in {took:.1?}, {lines} lines of log, {memory_mib} MiB"
    )
}

/// More than there are workers: were each of them to keep one, no other survey's event would find any.
const MORE_THAN_WORKERS: usize = 80;

pub(crate) async fn f09_a_table_is_dropped(_scale: Scale) -> String {
    let ground = Ground::sqlite().await;
    let settings = config(&[SURVEY, OTHER_SURVEY]);
    std::fs::write(ground.site.folder.path().join("ingester.toml"), settings).unwrap();
    let running = ground.serve().await;
    ground.people.tell_all(&running.url(""), 5).await;
    ground.settled(0, Duration::from_secs(20)).await;
    let change = |statements: &str| {
        ground
            .site
            .open_database()
            .execute_batch(statements)
            .unwrap()
    };
    // A view in the table's place: the service can neither write it nor make a table of that name.
    change(
        "ALTER TABLE PROJECTFEEDBACK RENAME TO SET_ASIDE; CREATE VIEW PROJECTFEEDBACK AS SELECT * FROM SET_ASIDE",
    );

    let waiting = ground
        .people
        .tell_all(&running.url(""), MORE_THAN_WORKERS)
        .await;
    let other = ground
        .people
        .sandbox
        .complete(OTHER_SURVEY, serde_json::json!({}))
        .unwrap();
    let text = message(&other, COMPLETED).replace(SURVEY, OTHER_SURVEY);
    let body = signed(&text, KEY).replace(
        &format!("completedResponse.{SURVEY}"),
        "completedResponse.*",
    );
    assert_eq!(
        ground.people.post(&running.url(""), body).await.status,
        Some(200)
    );
    eventually("the healthy survey's row", || {
        let rows =
            ground
                .site
                .open_database()
                .query_row("SELECT COUNT(*) FROM OTHER1", [], |row| row.get(0));
        rows == Ok(1)
    })
    .await;
    let reason = reason_of(&ground, &waiting[0]).await;
    assert_eq!(ground.held().await.open(), MORE_THAN_WORKERS, "events wait");
    change("DROP VIEW PROJECTFEEDBACK; ALTER TABLE SET_ASIDE RENAME TO PROJECTFEEDBACK");
    ground.settled(0, Duration::from_secs(60)).await;

    the_inbox_is_missing(&ground, &running).await;
    let figures = Invariants {
        more_calls: 10,
        ..Invariants::default()
    }
    .hold(&ground, &running)
    .await;
    format!("waited for {reason:?}; {figures}")
}

/// Our own table is no better: nothing can be stored, which strict readiness says as long as it is so.
async fn the_inbox_is_missing(ground: &Ground, running: &Running) {
    let change = |statements: &str| {
        ground
            .site
            .open_database()
            .execute_batch(statements)
            .unwrap()
    };
    change("ALTER TABLE QUALTRICS_INBOX RENAME TO INBOX_ASIDE");
    let lost = ground.people.complete();
    let refused = ground.people.tell(&running.url(""), &lost).await;
    assert_eq!(refused.status, Some(503), "{refused:?}");
    for _ in 0..30 {
        assert_eq!(
            strictly_ready(ground, running).await,
            503,
            "I4: {}",
            running.log()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(
        running
            .log()
            .matches("events can't be stored: a table is missing")
            .count(),
        1,
        "{}",
        running.log()
    );
    change("ALTER TABLE INBOX_ASIDE RENAME TO QUALTRICS_INBOX");
    assert_eq!(
        ground.people.tell(&running.url(""), &lost).await.status,
        Some(200),
        "it heals by itself"
    );
}

/// What the inbox says of an event that waits.
async fn reason_of(ground: &Ground, response: &str) -> String {
    let begun = Instant::now();
    loop {
        let held = ground.held().await;
        if let Some(reason) = &held.events[response].reason {
            return reason.clone();
        }
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "no reason: {:?}",
            held.events[response]
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

pub(crate) async fn f09_rights_are_withdrawn(_scale: Scale) -> String {
    let ground = Ground::hana().await;
    let server = ground.hana.as_ref().unwrap();
    let running = ground.serve().await;
    ground.people.tell_all(&running.url(""), 3).await;
    ground.settled(0, Duration::from_secs(20)).await;
    server
        .faults()
        .add(Fault::error(258).matching("row.upsert"));

    let waiting = ground.people.tell_all(&running.url(""), 5).await;
    let reason = reason_of(&ground, &waiting[0]).await;
    assert!(
        reason.starts_with("privilege-missing: the database user lacks a right: let the owner"),
        "{reason}"
    );
    assert_eq!(ground.held().await.open(), 5, "events wait");
    server.faults().clear();
    let figures = Invariants {
        patience: Duration::from_secs(40),
        ..Invariants::default()
    }
    .hold(&ground, &running)
    .await;
    format!("waited for {reason:?}; {figures}")
}
