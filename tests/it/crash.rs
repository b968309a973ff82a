//! Killed at any moment, nothing that was acknowledged is lost; asked to stop, it ends in order and in time.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::Client;

use crate::process::{KEY, SURVEY, Site, eventually, message, signed};

fn done(site: &Site, responses: &BTreeSet<String>) -> bool {
    let database = site.open_database();
    let mut statement = database
        .prepare("SELECT RESPONSE_ID FROM QUALTRICS_INBOX WHERE STATE = 'done'")
        .unwrap();
    let done: BTreeSet<String> = statement
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    responses.is_subset(&done)
}

/// Every acknowledged response is a row whose cells are those of its document, and nothing else is there.
fn assert_rows_equal_documents(site: &Site, acknowledged: &BTreeSet<String>) {
    let database = site.open_database();
    let mut statement = database
        .prepare("SELECT RESPONSEID, Q1, Q18, ACCOUNTID, DURATION_IN_SECONDS FROM PROJECTFEEDBACK")
        .unwrap();
    type Row = (
        String,
        Option<i64>,
        Option<String>,
        Option<String>,
        Option<i64>,
    );
    let rows: Vec<Row> = statement
        .query_map([], |row| {
            Ok((
                row.get(0)?,
                row.get(1)?,
                row.get(2)?,
                row.get(3)?,
                row.get(4)?,
            ))
        })
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let documents = site.documents();
    let found: BTreeSet<String> = rows.iter().map(|row| row.0.clone()).collect();
    assert!(
        acknowledged.is_subset(&found),
        "{} rows of {}",
        found.len(),
        acknowledged.len()
    );
    for (response, score, comment, account, duration) in rows {
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
            let killing = async {
                tokio::time::sleep(Duration::from_millis(15 + 20 * round)).await;
                running.kill().await;
            };
            tokio::join!(posting, killing);
            running = site.serve().await;
        }
    }

    let acknowledged = acknowledged.lock().unwrap().clone();
    assert!(acknowledged.len() > 75, "{}", acknowledged.len());
    eventually("every acknowledged event to be done", || {
        done(&site, &acknowledged)
    })
    .await;
    assert_rows_equal_documents(&site, &acknowledged);
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
    let leased: i64 = site
        .open_database()
        .query_row(
            "SELECT COUNT(*) FROM QUALTRICS_INBOX WHERE STATE = 'leased'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(leased, 0, "leases were left: {}", running.log());
    let again = site.serve().await;
    eventually("the rest", || done(&site, &acknowledged)).await;
    assert_rows_equal_documents(&site, &acknowledged);
    drop(again);
}

#[tokio::test]
async fn a_second_signal_ends_at_once_with_1() {
    let site = Site::unlimited().await;
    let mut running = site.serve().await;
    let database = site.open_database();
    let count = "SELECT COUNT(*) FROM sqlite_schema WHERE name = 'PROJECTFEEDBACK'";
    eventually("the table", || {
        database.query_row(count, [], |row| row.get(0)) == Ok(1)
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
    eventually("the shutdown to begin", || {
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
