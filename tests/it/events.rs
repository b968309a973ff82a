//! `/events`: rows as they land, resumed where a listener left off.

use std::collections::BTreeSet;
use std::time::Duration;

use ingester_core::sql::Dialect;
use rusqlite::Connection;
use serde_json::json;

use crate::support::{SURVEY, Setup, TestService, response};

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_told_as_they_land_and_streams_end_with_the_service() {
    let service = TestService::start().await;
    let mut events = service.anybody().events(None).await;

    let ids = service.complete([response("ACME", 5)]).await;

    assert_eq!(events.row().await, ids[0]);
    let life = service.life.clone();
    life.stop();
    assert_eq!(events.next().await, None);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_resumes_where_it_left_off() {
    let service = TestService::start().await;
    let client = service.anybody();
    let mut events = client.events(None).await;
    let first = service.complete([response("ACME", 5)]).await;
    let told = events.next().await.unwrap();
    assert_eq!(told.data.unwrap()["key"], json!(first[0]));
    drop(events);
    let missed = service.complete((0..3).map(|_| response("ACME", 4))).await;

    let mut resumed = client.events(told.id.as_deref()).await;

    // On HANA positions become visible out of order, so that what is younger than a minute is told again.
    let is_told_again = service.app.store.dialect() == Dialect::Hana;
    let mut found = Vec::new();
    while found.len() < missed.len() {
        let key = resumed.row().await;
        if !(is_told_again && key == first[0]) {
            found.push(key);
        }
    }
    let of = |keys: Vec<String>| keys.into_iter().collect::<BTreeSet<_>>();
    assert_eq!(of(found), of(missed));
    let next = service.complete([response("ACME", 1)]).await;
    assert_eq!(
        resumed.row().await,
        next[0],
        "each once, and then what is new"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_position_means_read_again() {
    let service = TestService::start().await;
    service.complete([response("ACME", 5)]).await;

    for unknown in ["4711", "-1", "x", "99999999999999999999"] {
        let request = service
            .anybody()
            .request(reqwest::Method::GET, "/events")
            .header("last-event-id", unknown);
        let mut response = request.send().await.unwrap();
        let first = response.chunk().await.unwrap().unwrap();
        let first = String::from_utf8(first.to_vec()).unwrap();
        assert!(first.contains("event: reset"), "{unknown}: {first}");
        assert!(first.contains("id: 1"), "{unknown}: {first}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_log_has_lost_means_read_again() {
    let service = Setup::default().on_sqlite().start().await;
    service
        .complete([response("ACME", 5), response("ACME", 4)])
        .await;
    let connection = Connection::open(service.database()).unwrap();
    // A day passes, and only the newest change of the survey is kept.
    connection
        .execute_batch(
            "DELETE FROM QUALTRICS_CHANGES WHERE POSITION = 1;
             INSERT INTO QUALTRICS_CHANGES VALUES (10, 'SV_other1234567', 'R_x', NULL, NULL, '2020-01-01T00:00:00.000Z');
             INSERT INTO QUALTRICS_CHANGES VALUES (20, 'SV_other1234567', 'R_y', NULL, NULL, '2020-01-01T00:00:00.000Z')",
        )
        .unwrap();
    let begins = async |id: &str| {
        let client = service.anybody();
        let request = client
            .request(reqwest::Method::GET, "/events")
            .header("last-event-id", id);
        let mut response = request.send().await.unwrap();
        String::from_utf8(response.chunk().await.unwrap().unwrap().to_vec()).unwrap()
    };

    assert!(begins("1").await.contains("event: reset"), "it is gone");
    assert!(
        !begins("2").await.contains("event: reset"),
        "it is there and young"
    );
    assert!(
        begins("10").await.contains("event: reset"),
        "others of its age are gone"
    );
    assert!(
        !begins("20").await.contains("event: reset"),
        "nothing came behind it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_other_processes_are_told_within_a_second_or_so() {
    let service = Setup::default().on_sqlite().start().await;
    let ids = service.complete([response("ACME", 5)]).await;
    let mut events = service.anybody().events(None).await;
    let connection = Connection::open(service.database()).unwrap();

    let insert = "INSERT INTO QUALTRICS_CHANGES (SURVEY_ID, RESPONSE_ID, COMMITTED_AT) VALUES (?, ?, '2026-01-01T00:00:00.000Z')";
    connection.execute(insert, [SURVEY, "R_erased"]).unwrap();
    connection.execute(insert, [SURVEY, &ids[0]]).unwrap();

    let told = tokio::time::timeout(Duration::from_secs(3), events.row()).await;
    assert_eq!(
        told.unwrap(),
        ids[0],
        "and nothing of a row that is not there"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_lags_behind_the_ring_misses_nothing() {
    let service = Setup::default().on_sqlite().start().await;
    let ids = service.complete([response("ACME", 5)]).await;
    let mut events = service.anybody().events(None).await;
    let mut connection = Connection::open(service.database()).unwrap();

    // More than the ring holds, at once.
    let transaction = connection.transaction().unwrap();
    for _ in 0..3000 {
        transaction
            .execute(
                "INSERT INTO QUALTRICS_CHANGES (SURVEY_ID, RESPONSE_ID, COMMITTED_AT) VALUES (?, ?, '2026-01-01T00:00:00.000Z')",
                [SURVEY, &ids[0]],
            )
            .unwrap();
    }
    transaction.commit().unwrap();

    let mut last = 0;
    for _ in 0..3000 {
        let position: i64 = events.next().await.unwrap().id.unwrap().parse().unwrap();
        assert!(position > last, "in order, each once");
        last = position;
    }
    assert_eq!(last, 3001);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_listeners_hear_the_same() {
    let service = TestService::start().await;
    let mut listeners = Vec::new();
    for _ in 0..200 {
        listeners.push(service.anybody().events(None).await);
    }

    let ids = service.complete([response("ACME", 5)]).await;

    for events in &mut listeners {
        assert_eq!(events.row().await, ids[0]);
    }
}
