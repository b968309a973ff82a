//! Callbacks that come twice, late, in another order, from strangers, or under another key.
//!
//! Long because each fault of callbacks is one story, told in one place.

use std::sync::Arc;
use std::time::{Duration, Instant};

use qualtrics_sandbox::Handle;
use serde_json::json;

use crate::Scale;
use crate::ground::{
    Address, COMPLETED, FORM, Ground, Invariants, People, count_of, p99, unoptimised,
};
use crate::process::{KEY, SURVEY, message, signed};

pub(crate) async fn f16_duplicates_on_two_instances(scale: Scale) -> String {
    let ground = Ground::hana().await;
    let instances = [ground.serve().await, ground.serve().await];
    let responses: Vec<String> = (0..scale.pick(3, 30))
        .map(|_| ground.people.complete())
        .collect();

    for response in &responses {
        let telling = (0..100).map(|n| {
            let service = instances[n % 2].url("");
            let people = &ground.people;
            async move { people.tell(&service, response).await }
        });
        let answers = futures_util::future::join_all(telling).await;
        let of = |word: &str| {
            answers
                .iter()
                .filter(|answer| answer.body.contains(word))
                .count()
        };
        assert_eq!((of("accepted"), of("duplicate")), (1, 99), "{answers:?}");
    }

    let calls = || ground.people.sandbox.counters().calls_of("response");
    ground.settled(0, Duration::from_secs(30)).await;
    assert_eq!(
        calls(),
        u64::try_from(responses.len()).unwrap(),
        "one call for each row"
    );
    Invariants::default().hold(&ground, &instances[0]).await
}

fn submit(sandbox: &Handle, response: Option<&str>, comment: &str) -> String {
    let mut completion = qualtrics_sandbox::Completion::new(SURVEY);
    completion.values = json!({ "Q18": comment }).as_object().unwrap().clone();
    completion.response_id = response.map(str::to_owned);
    sandbox.submit(&completion).unwrap()
}

pub(crate) async fn f17_reordered_and_late(_scale: Scale) -> String {
    let ground = Ground::sqlite().await;
    let running = ground.serve().await;
    let (people, service) = (&ground.people, running.url(""));
    let comment =
        async |response: &str| ground.held().await.rows[response].comment.clone().unwrap();
    let settled = async || drop(ground.settled(0, Duration::from_secs(20)).await);

    let response = submit(&people.sandbox, None, "first");
    people
        .tell_as(&service, &response, "2026-01-02 03:04:05", KEY)
        .await;
    settled().await;
    assert_eq!(comment(&response).await, "first");
    submit(&people.sandbox, Some(&response), "second");
    let newer = people
        .tell_as(&service, &response, "2026-01-02 03:09:00", KEY)
        .await;
    assert!(newer.body.contains("accepted"), "{newer:?}");
    settled().await;
    assert_eq!(comment(&response).await, "second");

    let older = people
        .tell_as(&service, &response, "2026-01-02 03:05:00", KEY)
        .await;
    assert!(older.body.contains("duplicate"), "{older:?}");
    settled().await;
    assert_eq!(
        comment(&response).await,
        "second",
        "the newest content wins"
    );

    submit(&people.sandbox, Some(&response), "third");
    let same_second = people
        .tell_as(&service, &response, "2026-01-02 03:09:00", KEY)
        .await;
    assert!(same_second.body.contains("duplicate"), "{same_second:?}");
    let reconciled = ground.run(&["reconcile", "--survey", SURVEY]).await;
    assert!(reconciled.status.success(), "{reconciled:?}");
    assert_eq!(comment(&response).await, "third", "{reconciled:?}");

    let late = people.complete();
    let late_answer = people
        .tell_as(&service, &late, "2025-01-02 03:04:05", KEY)
        .await;
    assert!(late_answer.body.contains("accepted"), "{late_answer:?}");
    Invariants {
        more_calls: 2,
        ..Invariants::default()
    }
    .hold(&ground, &running)
    .await
}

pub(crate) async fn f18_a_dead_event_is_told_of_again(_scale: Scale) -> String {
    let ground = Ground::sqlite().await;
    let running = ground.serve().await;
    let (people, service) = (&ground.people, running.url(""));
    let response = people
        .sandbox
        .complete(SURVEY, json!({ "duration": "for ever" }))
        .unwrap();
    let told = async || people.tell(&service, &response).await.body;
    let state =
        async || ground.settled(0, Duration::from_secs(20)).await.0.events[&response].clone();
    let age = || {
        let aged = "UPDATE QUALTRICS_INBOX SET DONE_AT = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-11 minutes') WHERE RESPONSE_ID = ?1";
        assert_eq!(
            ground.site.open_database().execute(aged, [&response]),
            Ok(1)
        );
    };

    assert!(told().await.contains("accepted"));
    let first = state().await;
    assert_eq!(first.state, "dead", "{first:?}");
    assert!(
        told().await.contains("duplicate"),
        "not within the cool-down"
    );
    age();
    assert!(told().await.contains("accepted"), "back to life after it");
    assert_eq!(state().await.state, "dead");
    assert!(told().await.contains("duplicate"), "once per cool-down");
    age();
    people
        .sandbox
        .edit(
            SURVEY,
            &response,
            json!({ "duration": 7 }).as_object().unwrap().clone(),
        )
        .unwrap();
    assert!(told().await.contains("accepted"));
    assert_eq!(state().await.state, "done");
    assert!(told().await.contains("duplicate"));
    let figures = Invariants {
        more_calls: 2,
        ..Invariants::default()
    }
    .hold(&ground, &running)
    .await;
    format!("died of {:?}; {figures}", first.reason.unwrap())
}

/// What can be made of captured messages without the key is refused.
async fn refuse_forgeries(people: &People, service: &str, captured: &[String]) {
    let body = |n: usize| signed(&message(&captured[n], COMPLETED), KEY);
    let wrong = [
        (body(0).replace(SURVEY, "SV_00000000000000a"), 400),
        (format!("{}&MSG=%7B%7D", body(1)), 400),
        (format!("{}&HMAC=00", body(2)), 400),
        (
            signed(&message(&captured[3], COMPLETED), "another key"),
            401,
        ),
        (body(4).replace("MSG=%7B", "MSG=%20%7B"), 401),
        (body(5).split("&MSG").next().unwrap().to_owned(), 400),
    ];
    for (body, status) in wrong {
        let answer = people.post(service, body.clone()).await;
        assert_eq!(answer.status, Some(status), "{body}: {answer:?}");
    }
}

pub(crate) async fn f19_captured_messages_are_replayed(scale: Scale) -> String {
    let ground = Ground::sqlite().await;
    let running = ground.serve().await;
    let (people, service) = (ground.people.clone(), running.url(""));
    let captured: Vec<String> = people.tell_all(&service, 50).await;
    ground.settled(0, Duration::from_secs(30)).await;
    let address = Address::of(&running);
    let live = people.load(&address, 20);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let usual = p99(&live.end().await);
    ground.settled(0, Duration::from_secs(30)).await;
    let calls = people.sandbox.counters().calls_of("response");

    refuse_forgeries(&people, &service, &captured).await;
    let count = scale.pick(4_000, 1_000_000);
    let begun = Instant::now();
    let live = people.load(&address, 20);
    let bodies = captured
        .iter()
        .map(|response| signed(&message(response, COMPLETED), KEY));
    let bodies: Arc<Vec<String>> = Arc::new(bodies.collect());
    let replaying = (0..8).map(|lane| {
        let (people, service, bodies) = (people.clone(), service.clone(), bodies.clone());
        tokio::spawn(async move {
            for n in 0..count / 8 {
                let extra = if n % 3 == 0 {
                    "?SurveyID=SV_00000000000000a&Status=x"
                } else {
                    ""
                };
                let request = people
                    .client
                    .post(format!("{service}/webhooks/qualtrics{extra}"));
                let request = request
                    .header("content-type", FORM)
                    .body(bodies[(lane + n) % bodies.len()].clone());
                let answer = request.send().await.unwrap();
                assert_eq!(answer.status(), 200);
                assert_eq!(answer.text().await.unwrap(), r#"{"status":"duplicate"}"#);
            }
        })
    });
    for lane in futures_util::future::join_all(replaying).await {
        lane.unwrap();
    }
    let per_second = f64::from(u32::try_from(count).unwrap()) / begun.elapsed().as_secs_f64();
    let answers = live.end().await;
    let under_replay = p99(&answers);
    ground.settled(0, Duration::from_secs(30)).await;
    let of_replays = people.sandbox.counters().calls_of("response")
        - calls
        - u64::try_from(count_of(&answers, 200)).unwrap();

    assert_eq!(of_replays, 0, "replays cost no call");
    assert!(
        under_replay < usual + unoptimised(Duration::from_millis(50)),
        "{under_replay:?}, was {usual:?}"
    );
    let figures = Invariants::default().hold(&ground, &running).await;
    format!(
        "{count} replays at {per_second:.0}/s, live p99 {under_replay:.0?} (was {usual:.0?}); {figures}"
    )
}

pub(crate) async fn f20_keys_rotate_under_load(_scale: Scale) -> String {
    const OLD: &str = "the key before";
    const NEW: &str = "Schlüssel-鍵-🔑";
    let mut ground = Ground::sqlite().await;
    // Both orders: the new key may be configured first here, or first there.
    let steps = [(OLD, ""), (NEW, OLD), (OLD, NEW), (NEW, OLD), (NEW, "")];
    let (mut told, mut figures) = (0, String::new());
    for (n, (current, previous)) in steps.into_iter().enumerate() {
        ground
            .site
            .set("QUALTRICS_SHARED_KEY", current)
            .set("QUALTRICS_SHARED_KEY_PREVIOUS", previous);
        let mut running = ground.serve().await;
        let service = running.url("");
        let keys = [current, previous]
            .into_iter()
            .filter(|key| !key.is_empty());
        let telling = keys.flat_map(|key| (0..10).map(move |_| key)).map(|key| {
            let (people, service) = (&ground.people, &service);
            async move {
                let response = people.complete();
                people.tell_as(service, &response, COMPLETED, key).await
            }
        });
        let answers = futures_util::future::join_all(telling).await;
        assert_eq!(
            count_of(&answers, 200),
            answers.len(),
            "no genuine callback is refused: {answers:?}"
        );
        told += answers.len();
        for stranger in ["", "wrong", "the key before "] {
            let response = ground.people.complete();
            let answer = ground
                .people
                .post(&service, signed(&message(&response, COMPLETED), stranger))
                .await;
            assert_eq!(answer.status, Some(401), "step {n}, {stranger:?}");
        }
        figures = Invariants::default().hold(&ground, &running).await;
        running.signal("TERM");
        running.child.wait().await.unwrap();
    }
    format!(
        "{told} genuine callbacks in {} steps; {figures}",
        steps.len()
    )
}
