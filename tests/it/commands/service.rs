//! What a running service does for the administrator: subscriptions, announcements, `top`.

use std::time::Duration;

use qualtrics_ingester::config::{Config, Sources};
use qualtrics_ingester::jobs::instances;
use qualtrics_ingester::lifecycle::Lifecycle;
use qualtrics_ingester::service::Service;
use serde_json::json;

use super::{Desk, KEY, SURVEY};

/// A service with the desk's settings.
struct Running {
    life: Lifecycle,
    url: String,
    store: qualtrics_ingester::store::Store,
    ended: tokio::task::JoinHandle<bool>,
}

impl Running {
    async fn start(desk: &Desk) -> Self {
        let mut environment: std::collections::BTreeMap<_, _> =
            desk.settings.iter().cloned().collect();
        environment.insert("LISTEN_ADDR".to_owned(), "127.0.0.1:0".to_owned());
        let file = desk.folder.path().join("ingester.toml");
        let sources = Sources::from_environment(environment, Some(&file)).unwrap();
        let config = Config::load(&sources).unwrap();
        let life = Lifecycle::new();
        let service = Service::build(config, life.clone()).await.unwrap();
        let (url, store) = (
            format!("http://{}/", service.addr()),
            service.app().store.clone(),
        );
        // Whoever looks into the database from here on finds its tables.
        store.run(Vec::new()).await.unwrap();
        #[expect(
            clippy::disallowed_methods,
            reason = "the tracker waits for all its tasks, and this one waits for the tracker"
        )]
        let ended = tokio::spawn(service.run());
        Self {
            life,
            url,
            store,
            ended,
        }
    }
}

/// Waits for something that takes no given time.
async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    for _ in 0..400 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{what} did not happen within 10 s");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_ensures_its_subscriptions_and_announces_its_keys() {
    let mut desk = Desk::new().await;
    desk.set("ENSURE_SUBSCRIPTIONS", "true");

    let running = Running::start(&desk).await;

    let metrics = || async {
        let text = reqwest::get(format!("{}metrics", running.url))
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        text.contains(&format!(
            "ingester_subscription_up{{survey=\"{SURVEY}\"}} 1"
        ))
    };
    eventually("subscription_up", metrics).await;
    assert_eq!(desk.sandbox.subscriptions().len(), 1);
    eventually("the announcement", || async {
        instances::live(&running.store).await.unwrap().len() == 1
    })
    .await;

    // Another key must wait for this instance, which does not know it.
    desk.set("QUALTRICS_SHARED_KEY", "another key, which nobody knows");
    desk.run(&["subscription", "ensure"])
        .await
        .fails(1, "1 live instances do not accept");

    running.life.stop();
    assert!(running.ended.await.unwrap());
    assert!(
        instances::live(&running.store).await.unwrap().is_empty(),
        "it takes its announcement back"
    );
    let ensured = desk.list(&["subscription", "ensure"]).await;
    assert_eq!(ensured[0]["state"], "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_wish_nothing_is_subscribed() {
    let desk = Desk::new().await;

    let running = Running::start(&desk).await;
    eventually("the announcement", || async {
        !instances::live(&running.store).await.unwrap().is_empty()
    })
    .await;

    assert!(desk.sandbox.subscriptions().is_empty());
    running.life.stop();
    running.ended.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn callbacks_under_the_previous_key_are_remembered() {
    let mut desk = Desk::new().await;
    let old = KEY;
    desk.set(
        "QUALTRICS_SHARED_KEY",
        "the new key, the new key, the new key",
    );
    desk.set("QUALTRICS_SHARED_KEY_PREVIOUS", old);
    let running = Running::start(&desk).await;
    let message = json!({ "Status": "Complete", "SurveyID": SURVEY, "ResponseID": "R_1", "CompletedDate": "2026-01-01 00:00:00" }).to_string();
    let signature = ingester_core::callback::sign(&old.into(), message.as_bytes());
    let answer = reqwest::Client::builder()
        .build()
        .unwrap()
        .post(format!("{}webhooks/qualtrics", running.url))
        .form(&[
            ("Topic", format!("surveyengine.completedResponse.{SURVEY}")),
            ("HMAC", signature),
            ("MSG", message),
        ])
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);

    running.life.stop();
    running.ended.await.unwrap();
    let check = desk.run(&["check"]).await;
    assert!(
        check
            .stdout
            .contains("previous-key                     last used 20"),
        "{check:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn top_shows_a_service_once_where_there_is_no_terminal() {
    let mut desk = Desk::new().await;
    let running = Running::start(&desk).await;
    desk.set("PUBLIC_URL", &running.url);
    desk.list(&["subscription", "ensure"]).await;
    // The subscription is of the address that `top` looks at, so a completion becomes a row there.
    desk.sandbox.complete(SURVEY, json!({})).unwrap();

    let rows =
        || async { desk.list(&["top", "--url", &running.url]).await[0]["rows"] == json!(1.0) };
    eventually("the row", rows).await;
    let said = desk.run(&["top", "--url", &running.url]).await;

    assert_eq!(said.code, 0, "{said:?}");
    for words in [
        "service    ok  database up",
        "accepted 1",
        "event to row  p50 ",
        "calls left this minute",
    ] {
        assert!(said.stdout.contains(words), "{words}: {said:?}");
    }
    assert!(!said.stdout.contains('\u{1b}'), "{said:?}");
    running.life.stop();
    running.ended.await.unwrap();
    desk.run(&["top", "--url", &running.url])
        .await
        .fails(1, "does not answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_callbacks_are_answered_as_their_fixtures_say() {
    let desk = Desk::new().await;
    let running = Running::start(&desk).await;
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/callbacks");

    let replayed = desk.list(&["replay", fixtures, "--to", &running.url]).await;

    assert!(replayed.len() > 10, "{replayed:?}");
    assert!(replayed.iter().all(|one| one["asExpected"] == true));
    assert!(replayed.iter().any(|one| one["answer"] == "accepted"));
    running.life.stop();
    running.ended.await.unwrap();
    desk.run(&["replay", fixtures, "--to", &running.url])
        .await
        .fails(1, "does not answer");
}
