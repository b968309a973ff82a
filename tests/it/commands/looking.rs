//! `survey`, `link`, `inbox`: what is shown, and what they do to events.

use ingester_core::inbox::{Acceptance, Event, Outcome, Reason, whole_milliseconds};
use ingester_core::time::Timestamp;
use qualtrics_ingester::lifecycle;
use qualtrics_ingester::store::{LeaseWish, Role, Store};
use qualtrics_ingester::telemetry::metrics::Metrics;
use serde_json::json;

use super::{Desk, SURVEY};

#[tokio::test(flavor = "multi_thread")]
async fn surveys_are_listed_with_what_is_ours() {
    let desk = Desk::new().await;
    for _ in 0..3 {
        desk.sandbox.complete(SURVEY, json!({})).unwrap();
    }
    let line = |list: &[serde_json::Value], id: &str| {
        list.iter().find(|line| line["id"] == id).unwrap().clone()
    };

    let before = desk.list(&["survey", "list"]).await;
    desk.list(&["subscription", "ensure"]).await;
    let after = desk.list(&["survey", "list"]).await;

    let ours = line(&before, SURVEY);
    assert_eq!(
        (&ours["configured"], &ours["subscribed"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(
        (&ours["responses"], &ours["active"]),
        (&json!(3), &json!(true))
    );
    assert_eq!(line(&after, SURVEY)["subscribed"], true);
    assert!(
        after
            .iter()
            .any(|line| line["configured"] == false && line["subscribed"] == false)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_right_the_list_says_what_is_not_known() {
    let mut desk = Desk::new().await;
    desk.unset("PUBLIC_URL");

    let said = desk.run(&["survey", "list"]).await;

    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.stdout.contains('?'), "{said:?}");
    assert!(said.stderr.contains("PUBLIC_URL is not set"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_carries_its_fields_and_their_warnings() {
    let desk = Desk::new().await;

    let said = desk
        .run(&[
            "link",
            "--survey",
            SURVEY,
            "AccountID=ACME & Söhne",
            "phaseid=x",
            "Nobody=1",
        ])
        .await;

    assert_eq!(said.code, 0, "{said:?}");
    assert!(
        said.stdout.contains(&format!(
            "/jfe/form/{SURVEY}?AccountID=ACME%20%26%20S%C3%B6hne&phaseid=x&Nobody=1"
        )),
        "{said:?}"
    );
    assert!(
        said.stderr
            .contains("names are case-sensitive, write PhaseID"),
        "{said:?}"
    );
    assert!(said.stderr.contains("does not declare Nobody"), "{said:?}");
    assert!(
        !said.stderr.contains("does not declare AccountID"),
        "{said:?}"
    );

    desk.run(&["link", "--survey", SURVEY, "AccountID"])
        .await
        .fails(2, "KEY=VALUE");
}

/// Dead events by their reasons, as a service leaves them; no row of theirs exists.
async fn dead_events(desk: &Desk, events: &[(&str, &'static str)]) {
    let path = desk.folder.path().join("feedback.db");
    let store = Store::open_sqlite(path, Role::Command, Metrics::new()).unwrap();
    for (response, code) in events {
        let event = Event {
            survey_id: SURVEY.parse().unwrap(),
            response_id: response.parse().unwrap(),
            completed_at: Timestamp::UNIX_EPOCH,
            received_at: whole_milliseconds(lifecycle::now()),
        };
        let Acceptance::Leased(lease) = store.accept(event, LeaseWish::Lease).await.unwrap() else {
            panic!("{response} was there already");
        };
        let outcome = Outcome::Dead(Reason::new(code, "of this test"));
        store.finish(&lease, outcome).await.unwrap();
    }
}

async fn states(desk: &Desk) -> Vec<(String, String)> {
    let mut states: Vec<(String, String)> = desk
        .list(&["inbox", "list"])
        .await
        .iter()
        .map(|line| {
            let text = |name: &str| line[name].as_str().unwrap().to_owned();
            (text("response"), text("state"))
        })
        .collect();
    states.sort();
    states
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_revived_by_reason_and_by_id() {
    let desk = Desk::new().await;
    dead_events(
        &desk,
        &[
            ("R_1", "not-a-number"),
            ("R_2", "response-gone"),
            ("R_3", "response-gone"),
        ],
    )
    .await;
    let pair = |response: &str, state: &str| (response.to_owned(), state.to_owned());

    let said = desk
        .run(&["inbox", "retry", "--reason", "response-gone"])
        .await;
    assert_eq!(said.code, 0);
    for part in [
        "act=\"inbox-retry\" by=\"command of an unnamed user\"",
        "on=\"2 events of any survey with the reason response-gone\"",
    ] {
        assert!(said.stderr.contains(part), "{said:?}");
    }
    assert_eq!(
        states(&desk).await,
        [
            pair("R_1", "dead"),
            pair("R_2", "pending"),
            pair("R_3", "pending")
        ]
    );
    assert_eq!(desk.run(&["inbox", "retry", "R_1"]).await.code, 0);
    assert_eq!(states(&desk).await[0], pair("R_1", "pending"));

    desk.run(&["inbox", "retry", "R_9"])
        .await
        .fails(1, "no such event is dead or waiting");
    desk.run(&["inbox", "retry"]).await.fails(2, "required");
    desk.run(&["inbox", "retry", "--reason", "a%"])
        .await
        .fails(2, "expected a code");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_event_stays_dropped_until_it_is_named() {
    let desk = Desk::new().await;
    dead_events(&desk, &[("R_1", "not-a-number"), ("R_2", "response-gone")]).await;

    desk.run(&["inbox", "drop", "R_1"])
        .await
        .fails(2, "give up 1 events for good: there is no terminal");
    assert_eq!(desk.run(&["inbox", "drop", "R_1", "--yes"]).await.code, 0);
    assert_eq!(desk.run(&["inbox", "retry", "--all"]).await.code, 0);

    let shown = desk.list(&["inbox", "show", "R_1"]).await;
    assert_eq!(
        (&shown[0]["state"], &shown[0]["code"]),
        (&json!("dead"), &json!("dropped"))
    );
    assert_eq!(states(&desk).await[1].1, "pending");
    assert_eq!(
        desk.run(&["inbox", "retry", "--reason", "dropped"])
            .await
            .code,
        0
    );
    assert_eq!(states(&desk).await[0].1, "pending");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_shown_with_its_reason() {
    let desk = Desk::new().await;
    dead_events(&desk, &[("R_1", "not-a-number")]).await;

    let said = desk.run(&["inbox", "show", "R_1"]).await;

    assert_eq!(said.code, 0, "{said:?}");
    assert!(
        said.stdout
            .contains("reason        not-a-number: of this test"),
        "{said:?}"
    );
    assert!(
        !said.stdout.contains("1970"),
        "an unknown completion is none: {said:?}"
    );
    desk.run(&["inbox", "show", "R_2"])
        .await
        .fails(1, "the inbox has no event of R_2");
    assert_eq!(
        desk.list(&["inbox", "list", "--state", "done"]).await.len(),
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_counts_its_own_responses_among_those_of_another_one() {
    let desk = Desk::new().await;

    for _ in 0..2 {
        let said = desk.list(&["demo", "--once", "3"]).await;
        assert_eq!(
            (&said[0]["completed"], &said[0]["rows"]),
            (&json!(3), &json!(3))
        );
    }
}
