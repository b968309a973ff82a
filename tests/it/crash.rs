//! Killed at any moment, nothing that was acknowledged is lost; asked to stop, it ends in order and in time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::Client;

use ingester_core::row::{Cell, ColumnType};

use crate::process::{KEY, SURVEY, Site, message, signed};
use crate::support::eventually;

async fn done(site: &Site, responses: &BTreeSet<String>) -> bool {
    let done = "SELECT RESPONSE_ID FROM QUALTRICS_INBOX WHERE STATE = 'done'";
    let done = site.database.rows(done, &[ColumnType::NVarchar(50)]).await;
    let done: BTreeSet<String> = done.iter().filter_map(|row| text(&row[0])).collect();
    responses.is_subset(&done)
}

fn text(cell: &Cell) -> Option<String> {
    match cell {
        Cell::Text(text) => Some(text.clone()),
        _ => None,
    }
}

fn integer(cell: &Cell) -> Option<i64> {
    match cell {
        Cell::Integer(number) => Some(*number),
        _ => None,
    }
}

/// Responses of the sandbox, each with its document.
fn documents(site: &Site) -> BTreeMap<String, serde_json::Value> {
    let ids = site.sandbox.response_ids(SURVEY);
    let document = |id: String| {
        let bytes = site.sandbox.document(SURVEY, &id).unwrap();
        let document: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        (id, document)
    };
    ids.into_iter().map(document).collect()
}

/// Every acknowledged response is a row whose cells are those of its document, and nothing else is there.
async fn assert_rows_equal_documents(site: &Site, acknowledged: &BTreeSet<String>) {
    let columns = [
        ColumnType::NVarchar(50),
        ColumnType::BigInt,
        ColumnType::NVarchar(5000),
        ColumnType::NVarchar(5000),
        ColumnType::BigInt,
    ];
    let rows = "SELECT RESPONSEID, Q1, Q18, ACCOUNTID, DURATION_IN_SECONDS FROM PROJECTFEEDBACK";
    let rows = site.database.rows(rows, &columns).await;
    let documents = documents(site);
    let found: BTreeSet<String> = rows.iter().filter_map(|row| text(&row[0])).collect();
    assert!(
        acknowledged.is_subset(&found),
        "{} rows of {}",
        found.len(),
        acknowledged.len()
    );
    for row in rows {
        let (response, score) = (text(&row[0]).unwrap(), integer(&row[1]));
        let (comment, account, duration) = (text(&row[2]), text(&row[3]), integer(&row[4]));
        let values = &documents[&response]["values"];
        assert_eq!(score, values["QID1"].as_i64(), "{response}");
        assert_eq!(
            account.as_deref(),
            values["AccountID"].as_str(),
            "{response}"
        );
        assert_eq!(duration, values["duration"].as_i64(), "{response}");
        let essay = values
            .as_object()
            .unwrap()
            .iter()
            .find(|(key, _)| *key == "QID18_TEXT")
            .and_then(|(_, value)| value.as_str());
        assert_eq!(comment.as_deref(), essay, "{response}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_by_three_kills_in_a_stream_of_callbacks() {
    let site = Site::unlimited().await;
    let mut running = site.serve().await;
    let client = Client::builder()
        .timeout(Duration::from_secs(5))
        .build()
        .unwrap();
    let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));

    for round in 0..4 {
        let url = running.url("/webhooks/qualtrics");
        let responses: Vec<String> = (0..75)
            .map(|_| {
                site.sandbox
                    .complete(SURVEY, serde_json::json!({}))
                    .unwrap()
            })
            .collect();
        let posting = responses.into_iter().map(|response| {
            let (client, url, acknowledged) = (client.clone(), url.clone(), acknowledged.clone());
            async move {
                let body = signed(&message(&response, "2026-01-02 03:04:05"), KEY);
                let request = client
                    .post(url)
                    .header("content-type", "application/x-www-form-urlencoded")
                    .body(body);
                if request
                    .send()
                    .await
                    .is_ok_and(|answer| answer.status() == 200)
                {
                    acknowledged.lock().unwrap().insert(response);
                }
            }
        });
        let posting = futures_util::future::join_all(posting);
        if round == 3 {
            posting.await;
        } else {
            // Somewhere in the middle, elsewhere in each round.
            let before = acknowledged.lock().unwrap().len();
            let killing = async {
                eventually("some are acknowledged", async || {
                    acknowledged.lock().unwrap().len() > before + 20 * round
                })
                .await;
                running.kill().await;
            };
            tokio::join!(posting, killing);
            running = site.serve().await;
        }
    }

    let acknowledged = acknowledged.lock().unwrap().clone();
    assert!(acknowledged.len() > 75, "{}", acknowledged.len());
    eventually("every acknowledged event is done", async || {
        done(&site, &acknowledged).await
    })
    .await;
    assert_rows_equal_documents(&site, &acknowledged).await;
    drop(running);
}

#[tokio::test]
async fn sigterm_under_load_finishes_what_is_in_flight_and_exits_0() {
    let mut site = Site::unlimited().await;
    site.sandbox
        .set_faults("slow=1,slow-for=500ms".parse().unwrap());
    site.set("RUST_LOG", "info");
    let mut running = site.serve().await;
    let client = Client::builder().build().unwrap();
    let mut acknowledged = BTreeSet::new();
    for _ in 0..20 {
        let response = site
            .sandbox
            .complete(SURVEY, serde_json::json!({}))
            .unwrap();
        let body = signed(&message(&response, "2026-01-02 03:04:05"), KEY);
        let request = client
            .post(running.url("/webhooks/qualtrics"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        assert_eq!(request.send().await.unwrap().status(), 200);
        acknowledged.insert(response);
    }
    let begun = Instant::now();

    running.signal("TERM");
    let status = tokio::time::timeout(Duration::from_secs(12), running.child.wait())
        .await
        .unwrap()
        .unwrap();

    assert!(status.success(), "{status}: {}", running.log());
    assert!(
        begun.elapsed() < Duration::from_secs(9),
        "{:?}",
        begun.elapsed()
    );
    let leased = "SELECT COUNT(*) FROM QUALTRICS_INBOX WHERE STATE = 'leased'";
    let leased = site.database.number(leased).await;
    assert_eq!(leased, 0, "leases were left: {}", running.log());
    let again = site.serve().await;
    eventually("the rest is done", async || {
        done(&site, &acknowledged).await
    })
    .await;
    assert_rows_equal_documents(&site, &acknowledged).await;
    drop(again);
}

#[tokio::test]
async fn a_second_signal_ends_at_once_with_1() {
    let site = Site::unlimited().await;
    let mut running = site.serve().await;
    eventually("the definition is there", async || {
        let count = "SELECT COUNT(*) FROM QUALTRICS_QUESTIONS";
        site.database.number(count).await > 0
    })
    .await;
    site.sandbox
        .set_faults("slow=1,slow-for=20s".parse().unwrap());
    let response = site
        .sandbox
        .complete(SURVEY, serde_json::json!({}))
        .unwrap();
    let body = signed(&message(&response, "2026-01-02 03:04:05"), KEY);
    let request = Client::builder()
        .build()
        .unwrap()
        .post(running.url("/webhooks/qualtrics"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body);
    assert_eq!(request.send().await.unwrap().status(), 200);
    let begun = Instant::now();

    running.signal("TERM");
    eventually("the shutdown begins", async || {
        running.log().contains("shutting down")
    })
    .await;
    running.signal("TERM");
    let status = tokio::time::timeout(Duration::from_secs(10), running.child.wait())
        .await
        .unwrap()
        .unwrap();

    assert_eq!(status.code(), Some(1), "{}", running.log());
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
}
