//! Who goes first, and how many go.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::super::{Call, QualtricsError, Share};
use super::*;

/// A peer that answers each single read well.
async fn well() -> Peer {
    Peer::start(Router::new().fallback(|request: Request<Body>| async move {
        let id = request.uri().path().rsplit('/').next().unwrap().to_owned();
        json(200, response_body(&id))
    }))
    .await
}

async fn eventually(condition: impl Fn() -> bool) {
    for _ in 0..1000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("waited in vain");
}

fn waiting_in_all(client: &Qualtrics) -> usize {
    let waiting = client.figures().waiting;
    waiting.live + waiting.retry + waiting.reconcile + waiting.backfill
}

#[tokio::test]
async fn those_that_wait_go_by_priority_and_the_newest_live_one_first() {
    let open = Arc::new(Notify::new());
    let gate = Arc::clone(&open);
    let peer = Peer::start(Router::new().fallback(move |request: Request<Body>| {
        let gate = Arc::clone(&gate);
        async move {
            let id = request.uri().path().rsplit('/').next().unwrap().to_owned();
            if id.starts_with("R_first") {
                gate.notified().await;
            }
            json(200, response_body(&id))
        }
    }))
    .await;
    let client = peer.client();
    let ask = |id: String, priority| {
        let client = client.clone();
        peer.life.spawn("asker", async move {
            client.read_id(&id, priority).await.unwrap();
        })
    };

    // Eight fill what may be in flight at first; the others wait.
    let mut all: Vec<_> = (0..8)
        .map(|n| ask(format!("R_first{n}"), Priority::Live))
        .collect();
    eventually(|| peer.asked().len() == 8).await;
    for (id, priority) in [
        ("R_backfill", Priority::Backfill),
        ("R_reconcile", Priority::Reconcile),
        ("R_retry1", Priority::Retry),
        ("R_retry2", Priority::Retry),
        ("R_live1", Priority::Live),
        ("R_live2", Priority::Live),
    ] {
        all.push(ask(id.to_owned(), priority));
        let waiting = all.len() - 8;
        eventually(|| waiting_in_all(&client) == waiting).await;
    }
    let waiting = client.figures().waiting;
    assert_eq!(
        (
            waiting.live,
            waiting.retry,
            waiting.reconcile,
            waiting.backfill
        ),
        (2, 2, 1, 1)
    );
    open.notify_one();
    eventually(|| peer.asked().len() == 14).await;
    open.notify_waiters();
    join_all(all).await;

    let order: Vec<_> = peer
        .asked()
        .split_off(8)
        .iter()
        .map(|line| line.rsplit('/').next().unwrap().to_owned())
        .collect();
    assert_eq!(
        order,
        [
            "R_live2",
            "R_live1",
            "R_retry1",
            "R_retry2",
            "R_reconcile",
            "R_backfill"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn the_window_is_filled_at_once_and_no_further() {
    let peer = well().await;
    let client = peer.client_with(Credentials::Token("t".into()), 10);
    let begun = Instant::now();

    let reads = (0..25).map(|n| {
        let client = client.clone();
        async move {
            client
                .read_id(&format!("R_{n}"), Priority::Live)
                .await
                .unwrap();
            begun.elapsed().as_secs()
        }
    });
    let mut ended = join_all(reads).await;

    ended.sort_unstable();
    assert!(ended[9] < 1, "{ended:?}");
    assert!(ended[10] >= 60 && ended[19] < 62, "{ended:?}");
    assert!(ended[20] >= 120 && ended[24] < 123, "{ended:?}");
}

#[tokio::test]
async fn an_idle_client_sends_at_once() {
    let peer = well().await;
    let client = peer.client();
    client.read().await.unwrap(); // connects

    let begun = std::time::Instant::now();
    for _ in 0..20 {
        client.read().await.unwrap();
    }

    assert!(
        begun.elapsed() < Duration::from_millis(400),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn a_share_and_a_burst_leave_room_for_others() {
    let peer = well().await;
    let client = peer.client();
    client.read().await.unwrap();
    let left = async |client: &Qualtrics, calls: u32| {
        eventually(|| client.figures().calls_left == calls).await;
    };

    left(&client, 199).await;
    let burst = client.burst();
    left(&client, 49).await;
    drop(burst);
    left(&client, 199).await;
    let share = |instances, reads_elsewhere| Share {
        instances: NonZeroU32::new(instances).unwrap(),
        reads_elsewhere,
    };
    client.set_share(share(4, 0));
    left(&client, 49).await;
    client.set_share(share(4, 190));
    left(&client, 9).await;
    client.set_share(share(1, 0));
    left(&client, 49).await; // more only when the others' calls have left the window
}

#[tokio::test]
async fn an_ask_whose_asker_went_is_not_sent() {
    let peer = well().await;
    let client = peer.client_with(Credentials::Token("t".into()), 1);
    client.read().await.unwrap();

    let gone = tokio::time::timeout(Duration::from_millis(50), client.read()).await;

    assert!(gone.is_err(), "the window is full");
    assert_eq!(peer.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn after_429_the_endpoint_pauses_and_the_others_go_on() {
    let peer = Peer::start(
        Router::new()
            .route(
                "/API/v3/whoami",
                axum::routing::get(|| async {
                    json(200, r#"{"result":{"brandId":"b"},"meta":{}}"#)
                }),
            )
            .fallback(|| async {
                let mut answer = json(429, "{}");
                answer
                    .headers_mut()
                    .insert("retry-after", "30".parse().unwrap());
                answer
            }),
    )
    .await;
    let client = peer.client();
    let begun = Instant::now();

    client.read().await.unwrap_err();
    tokio::time::sleep(Duration::from_millis(10)).await;
    let pause = client.figures().pause().as_secs();
    assert!((29..=30).contains(&pause), "{pause}");
    assert_eq!(client.figures().calls_left, 0);
    client.whoami().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5));

    client.read().await.unwrap_err();
    assert!(begun.elapsed() >= Duration::from_secs(30));
}

#[tokio::test]
async fn a_stopping_client_ends_what_is_under_way_and_refuses_the_rest() {
    let open = Arc::new(Notify::new());
    let gate = Arc::clone(&open);
    let peer = Peer::start(Router::new().fallback(move || {
        let gate = Arc::clone(&gate);
        async move {
            gate.notified().await;
            json(200, response_body(RESPONSE))
        }
    }))
    .await;
    let life = Lifecycle::new();
    let settings = config::Qualtrics {
        base_url: Some(peer.url.clone()),
        credentials: Some(Credentials::Token("t".into())),
        requests_per_minute: NonZeroU32::MIN,
    };
    let client = Qualtrics::start(&settings, Metrics::new(), &life).unwrap();

    let (sent, waiting, ()) = tokio::join!(client.read(), client.read(), async {
        eventually(|| waiting_in_all(&client) == 1 && peer.asked().len() == 1).await;
        life.stop();
        eventually(|| waiting_in_all(&client) == 0).await;
        open.notify_one();
    });

    assert!(sent.is_ok());
    assert_eq!(waiting.unwrap_err(), QualtricsError::Stopping);
    assert!(life.drained(Duration::from_secs(1)).await);
    assert_eq!(client.read().await.unwrap_err(), QualtricsError::Stopping);
}

#[tokio::test]
async fn whoever_drains_the_channel_is_qualtrics() {
    let (asks, mut drained) = tokio::sync::mpsc::channel(8);
    let client = Qualtrics::from_channel(asks);
    let simulator = async {
        let ask = drained.recv().await.unwrap();
        assert!(matches!(ask.what, Call::Response(..)));
        assert_eq!(ask.priority, Priority::Retry);
        let answer = super::super::Answer {
            asked_at: crate::lifecycle::now(),
            content: super::super::Content::Body(response_body(RESPONSE).into()),
        };
        ask.reply.send(Ok(answer)).unwrap();
    };

    let (fetched, ()) = tokio::join!(client.read_id(RESPONSE, Priority::Retry), simulator);

    assert!(fetched.is_ok());
}
