//! The built binary on HANA: several instances on one database, a database that is away, the demo.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use ingester_core::row::{Cell, ColumnType};
use reqwest::Client;

use crate::database::Database;
use crate::hana_support::TestHana;
use crate::process::{KEY, Running, SURVEY, Site, message, signed};

async fn site() -> Site {
    let mut site = Site::unlimited().await;
    site.database = Database::Hana(TestHana::start().await);
    site
}

fn hana(site: &Site) -> &TestHana {
    match &site.database {
        Database::Hana(hana) => hana,
        Database::Sqlite(path) => panic!("{} is not HANA", path.display()),
    }
}

fn client() -> Client {
    Client::builder()
        .timeout(Duration::from_secs(5))
        .build()
        .unwrap()
}

async fn post(client: &Client, service: &str, response: &str) -> Option<u16> {
    let body = signed(&message(response, "2026-01-02 03:04:05"), KEY);
    let request = client
        .post(service)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body);
    request
        .send()
        .await
        .ok()
        .map(|answer| answer.status().as_u16())
}

/// Tells each event to one instance, every third to another one as well, 24 at a time, and one that is not acknowledged
/// to the next instance, as a router and Qualtrics' retries would. Answers what was acknowledged.
async fn post_all(urls: &[String], responses: &[String]) -> BTreeSet<String> {
    let client = client();
    let told = responses.iter().enumerate().flat_map(|(n, response)| {
        let again = (n % 3 == 0).then_some((n + 1, response));
        std::iter::once((n, response)).chain(again)
    });
    let posts = told.map(|(n, response)| {
        let client = &client;
        async move {
            for url in urls.iter().cycle().skip(n % urls.len()).take(urls.len()) {
                if post(client, url, response).await == Some(200) {
                    return Some(response.clone());
                }
            }
            None
        }
    });
    let answers = futures_util::stream::iter(posts).buffer_unordered(24);
    answers.filter_map(std::future::ready).collect().await
}

/// Ids of one column.
async fn ids(database: &Database, sql: &'static str) -> Vec<String> {
    let rows = database.rows(sql, &[ColumnType::NVarchar(69)]).await;
    let id = |row: &[Cell]| match &row[0] {
        Cell::Text(id) => id.clone(),
        other => panic!("{other:?}"),
    };
    rows.iter().map(|row| id(row)).collect()
}

async fn rows(site: &Site) -> Vec<String> {
    ids(
        &site.database,
        "SELECT \"RESPONSEID\" FROM \"PROJECTFEEDBACK\"",
    )
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_instances_of_which_two_are_killed_make_one_row_of_each_event() {
    const EVENTS: usize = 5000;
    let mut site = site().await;
    // Exports would bring rows before their callbacks come, which then bring them again.
    site.set("RECONCILE_EVERY", "off");
    let instances = [site.serve().await, site.serve().await, site.serve().await];
    let urls: Vec<String> = instances
        .iter()
        .map(|instance| instance.url("/webhooks/qualtrics"))
        .collect();
    let complete = |_| site.sandbox.complete(SURVEY, serde_json::json!({}));
    let responses: Vec<String> = (0..EVENTS).map(|n| complete(n).unwrap()).collect();
    let posting = post_all(&urls, &responses);
    let killing = async {
        let [first, second, third] = instances;
        // Elsewhere in the stream each time that this runs.
        let moments = uuid::Uuid::new_v4().as_u128();
        for (instance, moment) in [(first, moments % 2000), (second, (moments >> 64) % 2000)] {
            tokio::time::sleep(Duration::from_millis(moment.try_into().unwrap())).await;
            instance.kill().await;
        }
        third
    };

    let (acknowledged, survivor): (BTreeSet<String>, Running) = tokio::join!(posting, killing);

    let killed = Instant::now();
    assert_eq!(acknowledged.len(), EVENTS, "{}", survivor.log());
    loop {
        let found: BTreeSet<String> = rows(&site).await.into_iter().collect();
        if acknowledged.is_subset(&found) {
            break;
        }
        assert!(
            killed.elapsed() < Duration::from_secs(60),
            "{} of {}: {}",
            acknowledged.intersection(&found).count(),
            acknowledged.len(),
            survivor.log()
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    println!(
        "{EVENTS} acknowledged; all were rows {:?} after the last callback",
        killed.elapsed()
    );
    let attempts = "SELECT SUM(\"ATTEMPTS\") FROM \"QUALTRICS_INBOX\"";
    let attempts = site.database.number(attempts).await;
    let calls = i64::try_from(site.sandbox.counters().calls_of("response")).unwrap();
    assert!(calls <= attempts, "{calls} reads in {attempts} attempts");
    let all = rows(&site).await;
    let once: BTreeSet<&String> = all.iter().collect();
    assert_eq!(all.len(), once.len());
    let changes = ids(
        &site.database,
        "SELECT \"RESPONSE_ID\" FROM \"QUALTRICS_CHANGES\"",
    )
    .await;
    assert_eq!(changes.len(), all.len(), "each row is told of once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_is_away_callbacks_get_503_and_then_it_heals() {
    let site = site().await;
    let service = site.serve().await;
    let (client, url) = (client(), service.url("/webhooks/qualtrics"));
    let before = site
        .sandbox
        .complete(SURVEY, serde_json::json!({}))
        .unwrap();
    assert_eq!(post(&client, &url, &before).await, Some(200));

    hana(&site).server.pause().await;

    let lost = site
        .sandbox
        .complete(SURVEY, serde_json::json!({}))
        .unwrap();
    for _ in 0..10 {
        let asked = Instant::now();
        assert_eq!(post(&client, &url, &lost).await, Some(503));
        assert!(
            asked.elapsed() < Duration::from_secs(3),
            "{:?}",
            asked.elapsed()
        );
    }
    let ready = |query: &str| {
        client
            .get(service.url(&format!("/health/ready{query}")))
            .send()
    };
    assert_eq!(ready("").await.unwrap().status(), 200);
    assert_eq!(ready("?strict=true").await.unwrap().status(), 503);
    let log = service.log();
    assert_eq!(log.matches("events can't be stored").count(), 1, "{log}");
    for cause in [
        "may be stopped",
        "list of allowed addresses",
        "host, port or certificate",
    ] {
        assert!(log.contains(cause), "{log}");
    }

    hana(&site).server.resume().await.unwrap();

    let healed = Instant::now();
    while post(&client, &url, &lost).await != Some(200) {
        assert!(healed.elapsed() < Duration::from_secs(15));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    while rows(&site).await.len() < 2 {
        assert!(healed.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(ready("?strict=true").await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_and_the_checks_run_on_hana() {
    let hana = Database::Hana(TestHana::start().await);
    let address = hana.url();
    let folder = tempfile::tempdir().unwrap();
    let run = async |arguments: &[&str]| {
        let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_qualtrics-ingester"))
            .args(arguments)
            .current_dir(folder.path())
            .env_clear()
            .env("INGESTER_DATABASE_URL", &address)
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(Duration::from_secs(60), output).await;
        let output = output.unwrap().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code(),
            text(&output.stdout) + &text(&output.stderr),
        )
    };

    let (status, said) = run(&["demo", "--once", "60"]).await;
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("60 rows of 60 completed responses"), "{said}");

    let (_, said) = run(&["check", "--database"]).await;
    assert!(
        said.contains("HANA at 127.0.0.1, own tables there, takes rows"),
        "{said}"
    );
    assert!(
        said.contains("an upsert replaces, leaves alone what it does not name"),
        "{said}"
    );
}
