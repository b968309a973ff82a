//! The disk: power that is lost, syncs and writes that fail, no room, damaged pages.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Scale;
use crate::ground::{Address, Dice, Ground, Invariants, count_of, strictly_ready, unoptimised};
use crate::process::Running;
use crate::shim::Shim;

/// Kills the process, and leaves in its folder only what was synced. Of the log a piece that was not may be there too:
/// disks write in the order that they like, here at least from the front.
async fn lose_power(ground: &Ground, shim: &Shim, running: Running, dice: &mut Dice) {
    running.kill().await;
    let folder = ground.site.folder.path();
    let log = "feedback.db-wal";
    let written = std::fs::read(folder.join(log)).unwrap_or_default();
    for name in ["feedback.db", log, "feedback.db-shm"] {
        drop(std::fs::remove_file(folder.join(name)));
        if shim.durable().join(name).exists() {
            std::fs::copy(shim.durable().join(name), folder.join(name)).unwrap();
        }
    }
    let synced = std::fs::read(folder.join(log)).unwrap_or_default();
    if written.len() > synced.len() && written.starts_with(&synced) {
        let torn = synced.len()
            + usize::try_from(dice.below(u64::try_from(written.len() - synced.len()).unwrap()))
                .unwrap();
        std::fs::write(folder.join(log), &written[..torn]).unwrap();
    }
}

/// What was looked at was also repaired: SQLite takes its log in when a file is closed. That lasts, as on a machine that
/// was started again.
fn start_again(ground: &Ground, shim: &Shim) {
    for name in ["feedback.db", "feedback.db-wal"] {
        let (here, kept) = (
            ground.site.folder.path().join(name),
            shim.durable().join(name),
        );
        drop(std::fs::remove_file(&kept));
        if here.exists() {
            std::fs::copy(here, kept).unwrap();
        }
    }
}

fn assert_whole(ground: &Ground) {
    let database = ground.site.open_database();
    let found: String = database
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(found, "ok");
}

pub(crate) async fn f03_power_is_lost(scale: Scale) -> String {
    let mut ground = Ground::sqlite().await;
    let shim = Shim::install(&mut ground.site);
    let mut running = ground.serve().await;
    let address = Address::of(&running);
    let load = ground.people.load(&address, scale.pick(40, 100));
    let mut dice = Dice::new(3);
    let rounds = scale.pick(6, 60);

    for round in 0..rounds {
        tokio::time::sleep(Duration::from_millis(100 + dice.below(900))).await;
        address.set(None);
        lose_power(&ground, &shim, running, &mut dice).await;
        // An answer that was on its way when the power went has arrived by now.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let held = ground.held();
        let acknowledged = ground.people.acknowledged();
        let held = held.await;
        for response in &acknowledged {
            assert!(
                held.events.contains_key(response),
                "round {round}: {response} was acknowledged and is lost"
            );
        }
        assert_whole(&ground);
        start_again(&ground, &shim);
        running = ground.site.serve().await;
        address.set(Some(&running));
    }

    let acknowledged = count_of(&load.end().await, 200);
    assert!(acknowledged > 5 * rounds, "{acknowledged}");
    let figures = Invariants::default().hold(&ground, &running).await;
    format!("power lost {rounds} times, {acknowledged} acknowledged; {figures}")
}

/// A failed sync or write loses what was not synced yet, and a second sync would say that all is well.
pub(crate) async fn f04_a_sync_or_a_write_fails_once(scale: Scale) -> String {
    let mut ground = Ground::sqlite().await;
    let shim = Shim::install(&mut ground.site);
    let mut running = ground.serve().await;
    let mut dice = Dice::new(4);
    let (mut refused, mut failures) = (0, 0);

    for round in 0..scale.pick(6, 60) {
        let fault = ["sync-fails-once", "write-fails-once"][round % 2];
        let (service, people) = (running.url(""), ground.people.clone());
        let telling = tokio::spawn(async move { people.tell_many(&service, 25).await });
        tokio::time::sleep(Duration::from_millis(dice.below(60))).await;
        shim.begin(fault);
        let answers: Vec<_> = telling
            .await
            .unwrap()
            .into_iter()
            .map(|(_, answer)| answer)
            .collect();
        let begun = Instant::now();
        while shim.is_ahead(fault) {
            ground.people.tell_many(&running.url(""), 1).await;
            assert!(
                begun.elapsed() < Duration::from_secs(10),
                "{fault} never came about"
            );
        }
        failures += 1;
        refused += count_of(&answers, 503);
        assert_eq!(
            count_of(&answers, 200) + count_of(&answers, 503),
            answers.len(),
            "{answers:?}"
        );
        // What is acknowledged after the failure must outlive the power just as well.
        ground.people.tell_all(&running.url(""), 3).await;
        lose_power(&ground, &shim, running, &mut dice).await;
        assert_whole(&ground);
        let held = ground.held().await;
        for response in ground.people.acknowledged() {
            assert!(
                held.events.contains_key(&response),
                "round {round}, {fault}: {response} is lost"
            );
        }
        start_again(&ground, &shim);
        running = ground.site.serve().await;
    }

    every_sync_fails(&ground, &shim, &running).await;
    let figures = Invariants {
        more_calls: 64,
        ..Invariants::default()
    }
    .hold(&ground, &running)
    .await;
    format!("{failures} failures, {refused} callbacks refused; {figures}")
}

/// For as long as syncs fail, nothing is acknowledged, and strict readiness says so.
async fn every_sync_fails(ground: &Ground, shim: &Shim, running: &Running) {
    shim.begin("sync-fails");
    let response = ground.people.complete();
    let answer = ground.people.tell(&running.url(""), &response).await;
    assert_eq!(answer.status, Some(503), "{answer:?}");
    for _ in 0..30 {
        assert_eq!(
            strictly_ready(ground, running).await,
            503,
            "I4: {}",
            running.log()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    shim.end("sync-fails");
    let answer = ground.people.tell(&running.url(""), &response).await;
    assert_eq!(answer.status, Some(200), "it heals by itself: {answer:?}");
    assert_eq!(strictly_ready(ground, running).await, 200);
    let log = running.log();
    assert!(
        log.contains(
            "events can't be stored: the database file can't be read or written: check the disk"
        ),
        "{log}"
    );
    assert!(log.contains("events can be stored again"), "{log}");
}

pub(crate) async fn f05_the_disk_is_full(scale: Scale) -> String {
    let mut ground = Ground::sqlite().await;
    let shim = Shim::install(&mut ground.site);
    let running = ground.serve().await;
    ground.people.tell_all(&running.url(""), 20).await;
    ground.settled(0, Duration::from_secs(20)).await;

    shim.begin("full");
    let begun = Instant::now();
    let mut refused = 0;
    while begun.elapsed() < scale.pick(Duration::from_secs(5), Duration::from_secs(60)) {
        let told = ground.people.tell_many(&running.url(""), 20).await;
        refused += told
            .iter()
            .filter(|(_, answer)| answer.status == Some(503))
            .count();
        for (_, answer) in &told {
            // A page that is there already may still be written; what is acknowledged is checked at the end.
            assert!(matches!(answer.status, Some(200 | 503)), "{answer:?}");
            assert!(
                answer.took < Duration::from_secs(3) + unoptimised(Duration::from_millis(250)),
                "{answer:?}"
            );
        }
        let rows = "/odata/v4/feedback/ProjectFeedback/$count";
        let rows = ground
            .people
            .client
            .get(running.url(rows))
            .send()
            .await
            .unwrap();
        assert_eq!(rows.status(), 200, "reads are served");
        for _ in 0..10 {
            // Whatever is written meanwhile, or need not be: events can't be stored.
            let ready = strictly_ready(&ground, &running).await;
            assert!(ready == 503 || refused == 0, "I4: {}", running.log());
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    }
    assert!(refused > 20, "{refused}");
    assert!(
        running.log().contains("the disk is full: free space"),
        "{}",
        running.log()
    );
    let listed = ground.run(&["inbox", "list", "--state", "dead"]).await;
    assert!(listed.status.success(), "the inbox is shown: {listed:?}");
    shim.end("full");

    let healed = Instant::now();
    while strictly_ready(&ground, &running).await != 200 {
        assert!(
            healed.elapsed() < Duration::from_secs(10),
            "no callback is needed: {}",
            running.log()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let took = healed.elapsed();
    let said = running.log().matches("events can't be stored").count();
    assert_eq!(said, 1, "{}", running.log());
    ground.people.tell_all(&running.url(""), 5).await;
    let figures = Invariants {
        more_calls: 64,
        ..Invariants::default()
    }
    .hold(&ground, &running)
    .await;
    assert_whole(&ground);
    format!("{refused} callbacks refused, healed in {took:.1?}; {figures}")
}

pub(crate) async fn f06_a_page_is_damaged(_scale: Scale) -> String {
    let ground = Ground::sqlite().await;
    let mut running = ground.serve().await;
    ground.people.tell_all(&running.url(""), 150).await;
    ground.settled(0, Duration::from_secs(60)).await;
    let whole = ground.held().await;
    running.signal("TERM");
    running.child.wait().await.unwrap();
    let database = ground.site.database().to_owned();
    // What is still in the log belongs to the file.
    ground
        .site
        .open_database()
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    let sound = std::fs::read(&database).unwrap();
    let damaged = damage_a_leaf(&ground, &database);

    let running = ground.site.serve().await;
    let list = ground
        .people
        .client
        .get(running.url("/odata/v4/feedback/ProjectFeedback?$top=1000"))
        .send()
        .await
        .unwrap();
    let status = list.status().as_u16();
    let text = list.text().await;
    let complete = text
        .ok()
        .and_then(|text| serde_json::from_str::<Value>(&text).ok())
        .filter(|_| status == 200);
    assert!(
        complete.is_none(),
        "a damaged table was served as if it were whole: {complete:?}"
    );
    let checked = ground.run(&["check"]).await;
    let said = String::from_utf8_lossy(&checked.stdout) + String::from_utf8_lossy(&checked.stderr);
    assert_eq!(checked.status.code(), Some(1), "{said}");
    assert!(said.contains("damaged"), "{said}");
    running.kill().await;

    // Restored, as the message says.
    for name in ["feedback.db-wal", "feedback.db-shm"] {
        drop(std::fs::remove_file(ground.site.folder.path().join(name)));
    }
    std::fs::write(&database, sound).unwrap();
    let running = ground.site.serve().await;
    assert_eq!(ground.held().await.rows, whole.rows);
    // `check` reads a response.
    let figures = Invariants {
        more_calls: 1,
        ..Invariants::default()
    }
    .hold(&ground, &running)
    .await;
    format!("page {damaged} damaged, answered {status}; {figures}")
}

/// Overwrites the head of a page that holds rows of the survey; answers which.
fn damage_a_leaf(ground: &Ground, path: &Path) -> usize {
    const PAGE: usize = 4096;
    // The pages are those with a row's text in them; the table's own are the leaves with its widest rows.
    let id: String = ground
        .site
        .open_database()
        .query_row(
            "SELECT RESPONSEID FROM PROJECTFEEDBACK WHERE Q18 <> '' ORDER BY ROWID LIMIT 1 OFFSET 20",
            [],
            |row| row.get(0),
        )
        .unwrap();
    let mut bytes = std::fs::read(path).unwrap();
    let account: Option<String> = ground
        .site
        .open_database()
        .query_row(
            "SELECT Q18 FROM PROJECTFEEDBACK WHERE RESPONSEID = ?1",
            [&id],
            |row| row.get(0),
        )
        .unwrap();
    let essay = account.unwrap_or_default();
    let contains = |page: &[u8], text: &str| {
        page.windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    // A row has the id right behind its record's head, a document has it inside JSON.
    let quoted = format!("\"{id}\"");
    let leaf = bytes.chunks(PAGE).position(|page| {
        page[0] == 0x0d && contains(page, &id) && contains(page, &essay) && !contains(page, &quoted)
    });
    let leaf = leaf.unwrap();
    bytes[leaf * PAGE..leaf * PAGE + 8].fill(0xff);
    std::fs::write(path, bytes).unwrap();
    leaf + 1
}
