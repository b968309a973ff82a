//! Callbacks on their way: loss, duplicates, delay, reordering, time-out, repetition.
//!
//! Qualtrics documents none of it; the switches in [`crate::faults`] say what happens here.

use std::sync::Arc;
use std::time::Duration;

use http::header;

use crate::callback::{self, Event, Protection};
use crate::clock;
use crate::faults::{Faults, OnOff, Retry};
use crate::journal::Posted;
use crate::state::State;

/// What chance decided for one callback, before it leaves.
#[derive(Clone, Debug)]
struct Letter {
    subscription: String,
    event: Arc<Event>,
    faults: Arc<Faults>,
    wait: Duration,
    unsigned: bool,
    encrypted: bool,
    wrong_hmac: bool,
    wrong_topic: bool,
}

/// Calls every subscription that covers the event.
pub(crate) fn announce(state: &Arc<State>, event: Event) {
    let faults = state.faults();
    let topic = event.topic();
    let event = Arc::new(event);
    let subscribed: Vec<String> = {
        let subscriptions = state.subscriptions();
        let covering = subscriptions
            .iter()
            .filter(|subscription| callback::covers(&subscription.topics, &topic));
        covering
            .map(|subscription| subscription.id.clone())
            .collect()
    };
    for subscription in subscribed {
        let copies = if state.strikes(faults.duplicate) {
            2
        } else {
            1
        };
        for _ in 0..copies {
            if state.strikes(faults.drop) {
                state.journal.count(|counters| counters.callbacks_lost += 1);
                continue;
            }
            let overtaken = state.strikes(faults.reorder);
            let letter = Letter {
                subscription: subscription.clone(),
                event: Arc::clone(&event),
                wait: faults.delay.get()
                    + if overtaken {
                        faults.reorder_for.get()
                    } else {
                        Duration::ZERO
                    },
                unsigned: state.strikes(faults.unsigned),
                encrypted: state.strikes(faults.encrypted),
                wrong_hmac: state.strikes(faults.wrong_hmac),
                wrong_topic: state.strikes(faults.wrong_topic),
                faults: Arc::clone(&faults),
            };
            send(state, letter);
        }
    }
}

fn send(state: &Arc<State>, letter: Letter) {
    state.journal.count(|counters| counters.callbacks_open += 1);
    let task = Arc::clone(state);
    state.runtime.spawn(async move {
        let delivered = tokio::select! {
            delivered = deliver(&task, &letter) => delivered,
            () = task.stop.cancelled() => false,
        };
        task.journal.count(|counters| {
            counters.callbacks_open -= 1;
            counters.callbacks_lost += u64::from(!delivered);
        });
    });
}

/// Posts until a 2xx, or until the policy gives up.
async fn deliver(state: &State, letter: &Letter) -> bool {
    if !letter.wait.is_zero() {
        tokio::time::sleep(letter.wait).await;
    }
    let mut wait = letter.faults.retry_base.get();
    for attempt in 1_u32.. {
        match post(state, letter, attempt).await {
            None => return false,
            Some(true) => return true,
            Some(false) => {}
        }
        if letter.faults.retry == Retry::Off || attempt > letter.faults.retries.count() {
            return false;
        }
        tokio::time::sleep(wait).await;
        if letter.faults.retry == Retry::Exponential {
            wait *= 2;
        }
    }
    false
}

/// None: the subscription is gone.
async fn post(state: &State, letter: &Letter, attempt: u32) -> Option<bool> {
    let permit = state.deliveries.acquire().await.ok()?;
    let subscription = state
        .subscriptions()
        .iter()
        .find(|one| one.id == letter.subscription)?
        .clone();
    let body = body(letter, subscription.key.as_deref(), subscription.encrypted);
    let client = if letter.faults.keep_alive == OnOff::On {
        &state.client
    } else {
        &state.fresh_client
    };
    let answer = client
        .post(&subscription.url)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .timeout(letter.faults.timeout.get())
        .body(body)
        .send()
        .await;
    drop(permit);
    let status = answer.ok().map(|answer| answer.status());
    let success = status.is_some_and(|status| status.is_success());
    if success {
        let mut subscriptions = state.subscriptions();
        if let Some(one) = subscriptions
            .iter_mut()
            .find(|one| one.id == letter.subscription)
        {
            one.successful_calls += 1;
        }
    }
    state.journal.callback(Posted {
        at: clock::millis(state.clock.now()),
        subscription: letter.subscription.clone(),
        topic: letter.event.topic(),
        response: letter.event.response.clone(),
        attempt,
        status: status.map(|status| status.as_u16()),
    });
    Some(success)
}

fn body(letter: &Letter, key: Option<&str>, encrypted: bool) -> String {
    let topic = if letter.wrong_topic {
        letter
            .event
            .topic()
            .replace(&letter.event.survey, "SV_0AnotherSurvey0")
    } else {
        letter.event.topic()
    };
    let protection = match key {
        _ if letter.unsigned => Protection::None,
        None => Protection::None,
        Some(_) if letter.wrong_hmac => Protection::Signed("some other key"),
        Some(key) if encrypted || letter.encrypted => Protection::Encrypted(key),
        Some(key) => Protection::Signed(key),
    };
    callback::body(&letter.event, &topic, protection, letter.faults.message)
}

/// The GET that the docs let one expect when a subscription is created; whether it is sent is not recorded.
pub(crate) async fn probe(state: &State, url: &str) -> bool {
    let answer = state
        .client
        .get(url)
        .timeout(Duration::from_secs(5))
        .send()
        .await;
    answer.is_ok_and(|answer| answer.status().is_success())
}
