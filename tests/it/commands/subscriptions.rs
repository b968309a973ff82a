//! `subscription`: idempotent, careful with what is not ours, and patient with instances.

use std::time::Duration;

use ingester_core::inbox::Owner;
use ingester_core::sql;
use qualtrics_ingester::jobs::fingerprint;
use qualtrics_ingester::lifecycle;
use qualtrics_ingester::store::{Role, Store};
use qualtrics_ingester::telemetry::metrics::Metrics;
use qualtrics_sandbox::Options;

use super::{Desk, KEY, SURVEY};

const NEW_KEY: &str = "fedcba9876543210fedcba9876543210";

impl Desk {
    /// Somebody else's subscription, made behind our back.
    async fn subscribe(&self, topic: &str, url: &str) -> String {
        let client = reqwest::Client::builder().build().unwrap();
        let base = &self
            .settings
            .iter()
            .find(|(name, _)| name == "QUALTRICS_BASE_URL")
            .unwrap()
            .1;
        let answer = client
            .post(format!("{base}/API/v3/eventsubscriptions"))
            .header("X-API-TOKEN", "sandbox-token")
            .json(&serde_json::json!({ "topics": topic, "publicationUrl": url, "sharedKey": "theirs" }))
            .send()
            .await
            .unwrap();
        let body: serde_json::Value = answer.json().await.unwrap();
        body["result"]["id"].as_str().unwrap().to_owned()
    }

    fn ids(&self) -> Vec<String> {
        let subscriptions = self.sandbox.subscriptions();
        subscriptions.into_iter().map(|(id, _)| id).collect()
    }

    fn store(&self) -> Store {
        let path = self.folder.path().join("feedback.db");
        Store::open_sqlite(path, Role::Command, Metrics::new()).unwrap()
    }

    /// An instance that accepts the key, or lives no more.
    async fn announce(&self, name: &str, key: Option<&str>) {
        let statement = match key {
            Some(key) => {
                let state = serde_json::json!({ "keys": [fingerprint::of_key(&key.into())] });
                sql::runs::announce(
                    "instance",
                    &Owner::new(name),
                    Duration::from_secs(600),
                    &state.to_string(),
                    lifecycle::now(),
                )
            }
            None => sql::runs::remove("instance", name),
        };
        self.store().run(vec![statement]).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ensuring_twice_changes_nothing_more() {
    let desk = Desk::new().await;

    let first = desk.list(&["subscription", "ensure"]).await;
    let ids = desk.ids();
    let second = desk.list(&["subscription", "ensure"]).await;

    assert_eq!(ids.len(), 1);
    assert_eq!(first, second);
    assert_eq!(first[0]["state"], "ok");
    assert_eq!(first[0]["subscription"], ids[0].as_str());
    assert_eq!(desk.ids(), ids);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_calls_others_is_left_alone_and_listed() {
    let desk = Desk::new().await;
    let topic = format!("surveyengine.completedResponse.{SURVEY}");
    let theirs = desk
        .subscribe(&topic, "https://theirs.example/hook?token=their-secret")
        .await;

    let said = desk.run(&["subscription", "ensure"]).await;

    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(desk.ids().len(), 2);
    assert!(
        said.stderr.contains(&format!(
            "left alone: {theirs} for {topic} to https://theirs.example/hook?…"
        )),
        "{said:?}"
    );
    assert!(!said.stderr.contains("their-secret"), "{said:?}");

    let listed = desk.list(&["subscription", "list"]).await;
    assert_eq!(listed[0]["standing"], "other-url");
    assert_eq!(listed[1]["standing"], "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_calls_us_with_an_unknown_key_is_replaced() {
    let desk = Desk::new().await;
    let unknown = desk
        .subscribe(
            "surveyengine.completedResponse.*",
            "http://127.0.0.1:9/webhooks/qualtrics",
        )
        .await;
    assert_eq!(
        desk.list(&["subscription", "list"]).await[0]["standing"],
        "unknown-key"
    );

    let ensured = desk.list(&["subscription", "ensure"]).await;

    let ids = desk.ids();
    assert_eq!(ids.len(), 1);
    assert_ne!(ids[0], unknown);
    assert_eq!(ensured[0]["state"], "ok");
    assert_eq!(
        desk.list(&["subscription", "list"]).await[0]["topic"],
        "surveyengine.completedResponse.*"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_replaced_once_every_live_instance_accepts_it() {
    let mut desk = Desk::new().await;
    desk.list(&["subscription", "ensure"]).await;
    let before = desk.ids();
    let step = desk.list(&["subscription", "rotate"]).await;
    assert!(
        step[0]["step"]
            .as_str()
            .unwrap()
            .starts_with("nothing is under way"),
        "{step:?}"
    );

    desk.set("QUALTRICS_SHARED_KEY", NEW_KEY);
    desk.set("QUALTRICS_SHARED_KEY_PREVIOUS", KEY);
    desk.announce("slow", Some(KEY)).await;
    desk.run(&["subscription", "ensure"]).await.fails(
        1,
        "1 live instances do not accept the configured QUALTRICS_SHARED_KEY; restart them with it",
    );
    assert_eq!(desk.ids(), before, "nothing is touched before");
    let step = desk.list(&["subscription", "rotate"]).await;
    assert_eq!(step[0]["waitsFor"], serde_json::json!(["instance slow"]));

    desk.announce("slow", Some(NEW_KEY)).await;
    let step = desk.list(&["subscription", "rotate"]).await;
    assert!(
        step[0]["step"]
            .as_str()
            .unwrap()
            .starts_with("run `subscription ensure`"),
        "{step:?}"
    );
    desk.list(&["subscription", "ensure"]).await;
    assert_eq!(desk.ids().len(), 1);
    assert_ne!(desk.ids(), before);

    let step = desk.list(&["subscription", "rotate"]).await;
    let text = step[0]["step"].as_str().unwrap();
    assert_eq!(
        text,
        "remove QUALTRICS_SHARED_KEY_PREVIOUS (never seen in use) and restart"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_subscription_waits_for_nobody() {
    let desk = Desk::new().await;
    desk.announce("slow", Some(NEW_KEY)).await;

    let ensured = desk.list(&["subscription", "ensure"]).await;

    assert_eq!(ensured[0]["state"], "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_is_gone_is_not_waited_for() {
    let mut desk = Desk::new().await;
    desk.list(&["subscription", "ensure"]).await;
    desk.set("QUALTRICS_SHARED_KEY", NEW_KEY);
    desk.announce("gone", Some(KEY)).await;
    desk.announce("gone", None).await;

    let ensured = desk.list(&["subscription", "ensure"]).await;

    assert_eq!(ensured[0]["state"], "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_without_the_right_are_shown_the_other_way() {
    let mut desk = Desk::with(Options {
        brand_administrator: false,
        ..Options::default()
    })
    .await;
    desk.unset("QUALTRICS_CLIENT_ID");
    desk.unset("QUALTRICS_CLIENT_SECRET");
    desk.set("QUALTRICS_API_TOKEN", "sandbox-token");

    desk.run(&["subscription", "ensure"])
        .await
        .fails(1, "use `subscription workflow`");

    let said = desk.run(&["subscription", "workflow"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    for words in [
        "http://127.0.0.1:9/webhooks/qualtrics",
        "X-API-Key: the value of QUALTRICS_WEBHOOK_TOKEN",
        SURVEY,
        "${rm://Field/ResponseID}",
    ] {
        assert!(said.stdout.contains(words), "{words}: {said:?}");
    }
    assert!(
        said.stderr.contains("QUALTRICS_WEBHOOK_TOKEN is not set"),
        "{said:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_asks_and_spares_others() {
    let desk = Desk::new().await;
    desk.list(&["subscription", "ensure"]).await;
    let ours = desk.ids()[0].clone();
    let theirs = desk.subscribe("*", "https://theirs.example/hook").await;

    desk.run(&["subscription", "delete", &ours])
        .await
        .fails(2, "there is no terminal to answer on, so say --yes");
    desk.run(&["subscription", "delete", &theirs, "--yes"])
        .await
        .fails(2, "not this service (PUBLIC_URL): say --foreign");
    desk.run(&["subscription", "delete", "SUB_gone", "--yes"])
        .await
        .fails(1, "the brand has no subscription SUB_gone");
    assert_eq!(desk.ids().len(), 2);

    assert_eq!(
        desk.run(&["subscription", "delete", &ours, "--yes"])
            .await
            .code,
        0
    );
    assert_eq!(
        desk.run(&["subscription", "delete", &theirs, "--yes", "--foreign"])
            .await
            .code,
        0
    );
    assert!(desk.ids().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_set_is_named_with_its_mend() {
    let mut desk = Desk::new().await;
    desk.unset("PUBLIC_URL");
    desk.run(&["subscription", "ensure"]).await.fails(
        2,
        "PUBLIC_URL is not set: set it to the address under which Qualtrics reaches this service",
    );
    desk.unset("QUALTRICS_SHARED_KEY");
    desk.run(&["subscription", "ensure"]).await.fails(
        2,
        "QUALTRICS_SHARED_KEY is not set: set it to a key of your own",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_went_behind_our_back_is_made_again() {
    let desk = Desk::new().await;
    desk.list(&["subscription", "ensure"]).await;
    let deleted = desk.ids()[0].clone();
    desk.sandbox.drop_subscription(&deleted).unwrap();

    desk.list(&["subscription", "ensure"]).await;
    let pointed_elsewhere = desk.ids()[0].clone();
    assert_ne!(pointed_elsewhere, deleted);
    let elsewhere = Some("https://elsewhere.example/hook");
    desk.sandbox
        .change_subscription(&pointed_elsewhere, None, elsewhere)
        .unwrap();
    let ensured = desk.list(&["subscription", "ensure"]).await;

    assert_eq!(ensured[0]["state"], "ok");
    assert_eq!(
        desk.ids().len(),
        2,
        "what calls somebody else now is left alone"
    );
    assert_ne!(ensured[0]["subscription"], pointed_elsewhere.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_at_once_make_one_subscription() {
    let desk = Desk::new().await;
    let ensure = || desk.run(&["subscription", "ensure"]);

    let (one, two, three) = tokio::join!(ensure(), ensure(), ensure());

    for said in [one, two, three] {
        assert_eq!(said.code, 0, "{said:?}");
    }
    assert_eq!(desk.ids().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_replacement_is_finished_by_the_next() {
    let mut desk = Desk::new().await;
    desk.list(&["subscription", "ensure"]).await;
    desk.set("QUALTRICS_SHARED_KEY", NEW_KEY);
    // Made, and then the process died: neither remembered nor the old one deleted.
    let topic = format!("surveyengine.completedResponse.{SURVEY}");
    desk.subscribe(&topic, "http://127.0.0.1:9/webhooks/qualtrics")
        .await;

    let ensured = desk.list(&["subscription", "ensure"]).await;

    assert_eq!(desk.ids(), [ensured[0]["subscription"].as_str().unwrap()]);
}
