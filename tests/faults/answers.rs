//! What Qualtrics answers, or does not.

use std::time::{Duration, Instant};

use crate::Scale;
use crate::ground::{Address, Ground, Invariants, count_of, kibibytes, p99, unoptimised};
use crate::proxy::{Proxy, Way};

pub(crate) async fn f11_qualtrics_is_unreachable(scale: Scale) -> String {
    let mut ground = Ground::sqlite().await;
    let target = ground
        .site
        .sandbox_url
        .trim_start_matches("http://")
        .parse()
        .unwrap();
    let proxy = Proxy::before(target).await;
    ground
        .site
        .set("QUALTRICS_BASE_URL", &format!("http://{}", proxy.addr));
    let running = ground.serve().await;
    ground.people.tell_all(&running.url(""), 10).await;
    ground.settled(0, Duration::from_secs(20)).await;
    let memory = kibibytes(&running, "VmRSS:");

    proxy.set(Way::Swallow);
    let load = ground.people.load(&Address::of(&running), 40);
    tokio::time::sleep(scale.pick(Duration::from_secs(8), Duration::from_secs(600))).await;
    let answers = load.end().await;
    assert_eq!(
        count_of(&answers, 200),
        answers.len(),
        "every callback is accepted"
    );
    let waiting = ground.held().await.open();
    assert!(waiting >= answers.len(), "{waiting} of {}", answers.len());
    let grown = kibibytes(&running, "VmRSS:").saturating_sub(memory) / 1024;
    assert!(grown < 40, "{grown} MiB more");
    proxy.set(Way::Cut);
    tokio::time::sleep(Duration::from_millis(200)).await;
    proxy.set(Way::Pass);
    let newest = ground.people.complete();
    ground.people.tell(&running.url(""), &newest).await;
    let back = Instant::now();
    while !ground.held().await.rows.contains_key(&newest) {
        assert!(
            back.elapsed() < Duration::from_secs(10),
            "what is new waits behind what is old"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    let first = back.elapsed();
    let (accepted, slowest) = (answers.len(), p99(&answers));
    assert!(
        slowest < unoptimised(Duration::from_millis(250)),
        "{slowest:?}"
    );
    let figures = Invariants {
        patience: Duration::from_secs(90),
        ..Invariants::default()
    }
    .hold(&ground, &running)
    .await;
    format!(
        "{accepted} accepted meanwhile, p99 {slowest:.0?}, newest first after {first:.1?}, {grown} MiB more; {figures}"
    )
}

pub(crate) async fn f12_a_storm_of_429(scale: Scale) -> String {
    let ground = Ground::sqlite().await;
    let running = ground.serve().await;
    let mut refused = 0;
    for retry_after in scale.pick(
        &["1", "-5", "date"][..],
        &["1", "-5", "date", "none", "999999999", "soon"],
    ) {
        let faults = format!("429=0.9,retry-after={retry_after},on=responses");
        ground.people.sandbox.set_faults(faults.parse().unwrap());
        ground.people.tell_all(&running.url(""), 20).await;
        let before = ground.people.sandbox.counters().calls_of("response");
        tokio::time::sleep(Duration::from_secs(6)).await;
        let calls = ground.people.sandbox.counters().calls_of("response") - before;
        // A client that does not hear would have asked for each event again and again.
        assert!(
            calls <= 60,
            "{calls} calls in six seconds of storm with Retry-After {retry_after}"
        );
        refused += calls;
    }
    ground.people.sandbox.set_faults("".parse().unwrap());

    let patience = scale.pick(Duration::from_secs(100), Duration::from_secs(1800));
    let figures = Invariants {
        patience,
        ..Invariants::default()
    }
    .hold(&ground, &running)
    .await;
    let limited = ground
        .people
        .sandbox
        .counters()
        .calls
        .get("response 429")
        .copied()
        .unwrap_or_default();
    assert!(limited > 0);
    format!("{limited} of the calls were 429, {refused} calls in the storm; {figures}")
}

pub(crate) async fn f13_answers_are_broken(scale: Scale) -> String {
    const KINDS: [(&str, &[&str]); 13] = [
        ("500=1", &["server-error"]),
        ("503=1", &["server-error"]),
        ("504=1", &["server-error"]),
        ("reset=1", &["unreachable", "bad-answer", "timeout"]),
        ("cut-json=1", &["bad-answer"]),
        ("html=1", &["server-error"]),
        ("html-ok=1", &["bad-answer"]),
        ("contradict=1", &["server-error", "bad-answer"]),
        ("redirect=1", &["redirected"]),
        ("gzip-bomb=1", &["too-large", "bad-answer"]),
        ("endless=1", &["too-large", "timeout", "bad-answer"]),
        ("403=1", &["forbidden", "scope-missing"]),
        ("never=1", &["response-gone", "not-yet", "response-not-yet"]),
    ];
    let ground = Ground::sqlite().await;
    let running = ground.serve().await;
    let mut seen = Vec::new();
    for (fault, codes) in KINDS {
        ground
            .people
            .sandbox
            .set_faults(format!("{fault},on=responses").parse().unwrap());
        let told = ground
            .people
            .tell_all(&running.url(""), scale.pick(2, 20))
            .await;
        let begun = Instant::now();
        let reason = loop {
            let held = ground.held().await;
            let reasons: Vec<_> = told
                .iter()
                .filter_map(|response| held.events[response].reason.clone())
                .collect();
            if reasons.len() == told.len() {
                break reasons[0].clone();
            }
            assert!(
                begun.elapsed() < Duration::from_secs(40),
                "{fault}: no reason"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let code = reason.split(':').next().unwrap().to_owned();
        assert!(codes.contains(&code.as_str()), "{fault}: {reason}");
        seen.push(format!("{} {code}", fault.trim_end_matches("=1")));
        if fault == "never=1" {
            // Nobody can read these; they are withdrawn, as an operator would.
            for response in &told {
                let dropped = ground.run(&["inbox", "drop", response, "--yes"]).await;
                assert!(dropped.status.success(), "{dropped:?}");
            }
        }
    }
    ground.people.sandbox.set_faults("".parse().unwrap());
    let figures = Invariants {
        patience: Duration::from_secs(100),
        dead: scale.pick(2, 20),
        more_calls: 20,
        ..Invariants::default()
    };
    let figures = figures.hold(&ground, &running).await;
    format!("{}; {figures}", seen.join(", "))
}

pub(crate) async fn f14_tokens_expire(_scale: Scale) -> String {
    let ground = Ground::sqlite().await;
    let running = ground.serve().await;
    let tokens = || ground.people.sandbox.counters().calls_of("token");
    ground.people.tell_all(&running.url(""), 5).await;
    ground.settled(0, Duration::from_secs(20)).await;
    let before = tokens();

    // All of them are under way when the token ends.
    ground.people.sandbox.expire_tokens();
    ground.people.tell_all(&running.url(""), 60).await;
    ground.settled(0, Duration::from_secs(30)).await;
    let refreshed = tokens() - before;
    assert!(
        (1..=2).contains(&refreshed),
        "{refreshed} refreshes for 60 waiters"
    );

    let before = tokens();
    ground.people.sandbox.expire_tokens();
    ground
        .people
        .sandbox
        .set_faults("503=1,on=token".parse().unwrap());
    ground.people.tell_all(&running.url(""), 60).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let asked = tokens() - before;
    assert!(
        asked <= 12,
        "{asked} calls of a token endpoint that is down"
    );
    ground.people.sandbox.set_faults("".parse().unwrap());
    let figures = Invariants {
        more_calls: 130,
        patience: Duration::from_secs(100),
        ..Invariants::default()
    };
    let figures = figures.hold(&ground, &running).await;
    format!("{refreshed} refreshes for 60 waiters, {asked} calls while it was down; {figures}")
}

pub(crate) async fn f15_responses_are_not_visible_yet(_scale: Scale) -> String {
    let ground = Ground::sqlite().await;
    let running = ground.serve().await;
    ground.people.sandbox.set_faults(
        "not-yet=1,not-yet-for=3s,not-yet-status=mixed"
            .parse()
            .unwrap(),
    );
    ground.people.tell_all(&running.url(""), 20).await;
    let (_, took) = ground.settled(0, Duration::from_secs(30)).await;
    assert!(took < Duration::from_secs(12), "{took:?}");

    ground.people.sandbox.set_faults("never=1".parse().unwrap());
    let never = ground.people.tell_all(&running.url(""), 1).await;
    crate::ground::eventually("the first refusal", || {
        let asked = "SELECT COUNT(*) FROM QUALTRICS_INBOX WHERE RESPONSE_ID = ?1 AND LAST_ERROR IS NOT NULL";
        ground.site.open_database().query_row(asked, [&never[0]], |row| row.get(0)) == Ok(1)
    })
    .await;
    assert_eq!(ground.held().await.events[&never[0]].state, "pending");
    // A day passes for this event.
    let aged = "UPDATE QUALTRICS_INBOX SET RECEIVED_AT = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-25 hours'), \
                NEXT_ATTEMPT_AT = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE RESPONSE_ID = ?1 AND STATE = 'pending'";
    assert_eq!(
        ground.site.open_database().execute(aged, [&never[0]]),
        Ok(1)
    );
    ground.settled(0, Duration::from_secs(20)).await;
    let event = ground.held().await.events[&never[0]].clone();
    assert_eq!(event.state, "dead");
    let reason = event.reason.unwrap();
    let code = reason.split(':').next().unwrap();
    assert_eq!(code, "response-gone", "{reason}");
    let figures = Invariants {
        dead: 1,
        ..Invariants::default()
    }
    .hold(&ground, &running)
    .await;
    format!("rows after {took:.1?}, then dead of {reason:?}; {figures}")
}
