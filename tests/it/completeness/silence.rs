//! Callbacks stop, responses go on.

use std::time::Duration;

use qualtrics_ingester::jobs::status::Callbacks;
use qualtrics_sandbox::Handle;

use super::support::{SURVEY, World, count, eventually, survey};

#[tokio::test]
async fn a_dropped_subscription_is_noticed_and_the_gap_filled_within_a_minute() {
    silenced(|sandbox, subscription| sandbox.drop_subscription(subscription).unwrap()).await;
}

#[tokio::test]
async fn a_subscription_with_another_key_is_noticed_and_the_gap_filled_within_a_minute() {
    silenced(|sandbox, subscription| {
        let key = Some("somebody-elses-key");
        sandbox
            .change_subscription(subscription, key, None)
            .unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_subscription_that_points_elsewhere_is_noticed_and_the_gap_filled_within_a_minute() {
    silenced(|sandbox, subscription| {
        let elsewhere = Some("http://127.0.0.1:9/webhooks/qualtrics");
        sandbox
            .change_subscription(subscription, None, elsewhere)
            .unwrap();
    })
    .await;
}

async fn silenced(change: impl FnOnce(&Handle, &str)) {
    let world = World::new().await;
    let served = world.serve(&[]).await;
    let complete = || {
        world
            .sandbox
            .complete(SURVEY, serde_json::json!({}))
            .unwrap()
    };
    complete();
    eventually(
        "the first row and history",
        Duration::from_secs(30),
        || async {
            let status = served.app().jobs.status.of(&survey());
            count(served.store()).await == 1 && status.complete_up_to.is_some()
        },
    )
    .await;
    // The callback above must be further away than what counts as heard just now.
    tokio::time::sleep(Duration::from_secs(11)).await;
    let (subscription, url) = world.sandbox.subscriptions().remove(0);
    change(&world.sandbox, &subscription);

    complete();
    eventually("the row", Duration::from_secs(60), || async {
        count(served.store()).await == 2
    })
    .await;
    let status = || served.app().jobs.status.of(&survey());
    eventually("it is said", Duration::from_secs(10), || async {
        status().callbacks == Callbacks::Silent && status().silent_since.is_some()
    })
    .await;
    assert!(url.starts_with(&served.url));

    served.subscribe().await;
    complete();
    eventually("callbacks come again", Duration::from_secs(60), || async {
        status().callbacks != Callbacks::Silent && count(served.store()).await == 3
    })
    .await;
    served.stop().await;
}
