//! The invariants that hold whatever went wrong:
//!
//! - I1: each callback answered 200 is one `done` event whose row equals the document (or that has its reason), or a
//!   `dead` one with a reason.
//! - I2: no row without a response, no row without its document, and each row is told of.
//! - I3: memory within its limit, no panic, no unbounded log.
//! - I4: readiness and metrics tell the truth.
//! - I5: no more calls for responses than leases were taken.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use super::held::Held;
use super::{Ground, People};
use crate::process::{Running, SURVEY};

/// What a test may leave behind beyond the ordinary.
pub(crate) struct Invariants {
    /// Events that can't settle.
    pub(crate) left_open: usize,
    /// Events that rightly died.
    pub(crate) dead: usize,
    /// How long the rest may take to settle.
    pub(crate) patience: Duration,
    /// Calls for responses beyond one a lease: those that a token's end or a kill repeated.
    pub(crate) more_calls: u64,
    pub(crate) memory_mib: u64,
    pub(crate) log_lines: usize,
}

impl Default for Invariants {
    fn default() -> Self {
        Self {
            left_open: 0,
            dead: 0,
            patience: Duration::from_secs(60),
            more_calls: 0,
            // What the debug build's pages and the threads' arenas take; the shipped one has its own test of 64 MiB.
            memory_mib: 160,
            log_lines: 400,
        }
    }
}

impl Invariants {
    /// I1 to I5 of what was told to this service and others on the same ground.
    pub(crate) async fn hold(self, ground: &Ground, service: &Running) -> String {
        let (held, took) = ground.settled(self.left_open, self.patience).await;
        self.every_event_has_its_end(ground, &held);
        no_row_is_made_up(ground, &held);
        let memory_mib = kibibytes(service, "VmHWM:") / 1024;
        assert!(memory_mib <= self.memory_mib, "I3: {memory_mib} MiB");
        let log = service.log();
        assert!(!log.contains("panicked"), "I3: {log}");
        assert!(
            log.lines().count() <= self.log_lines,
            "I3: {} lines of log: {log}",
            log.lines().count()
        );
        self.outside_tells_the_truth(ground, service).await;
        let calls = ground.people.sandbox.counters().calls_of("response");
        let leases = held.attempts();
        assert!(
            calls <= leases + self.more_calls,
            "I5: {calls} calls in {leases} leases"
        );
        format!(
            "{} events, {} rows, {calls} calls, settled in {:.1} s, {memory_mib} MiB",
            held.events.len(),
            held.rows.len(),
            took.as_secs_f32()
        )
    }

    fn every_event_has_its_end(&self, ground: &Ground, held: &Held) {
        for response in ground.people.acknowledged() {
            let event = held
                .events
                .get(&response)
                .unwrap_or_else(|| panic!("I1: {response} was acknowledged and is lost"));
            match event.state.as_str() {
                "done" => assert!(
                    held.rows.contains_key(&response) || event.reason.is_some(),
                    "I1: {response} {event:?}"
                ),
                "dead" => assert!(event.reason.is_some(), "I1: {response} {event:?}"),
                _ => assert!(self.left_open > 0, "I1: {response} {event:?}"),
            }
        }
        let dead: Vec<_> = held
            .events
            .iter()
            .filter(|(_, event)| event.state == "dead")
            .collect();
        assert!(
            dead.len() <= self.dead,
            "I1: {} are dead: {dead:?}",
            dead.len()
        );
    }

    async fn outside_tells_the_truth(&self, ground: &Ground, service: &Running) {
        let get = async |path: &str| {
            ground
                .people
                .client
                .get(service.url(path))
                .send()
                .await
                .unwrap()
        };
        assert_eq!(get("/health/live").await.status(), 200);
        assert_eq!(
            strictly_ready(ground, service).await,
            200,
            "I4: {}",
            service.log()
        );
        let metrics = get("/metrics").await.text().await.unwrap();
        assert!(
            metrics.contains("\ningester_database_up 1\n"),
            "I4: {metrics}"
        );
    }
}

fn no_row_is_made_up(ground: &Ground, held: &Held) {
    let told: BTreeSet<&String> = held.changes.iter().collect();
    for (response, row) in &held.rows {
        let document = ground.people.sandbox.document(SURVEY, response);
        let document =
            document.unwrap_or_else(|| panic!("I2: {response} is a row and no response"));
        // What is nested too deeply for this reader is compared by nobody.
        let Ok(document) = serde_json::from_slice::<Value>(&document) else {
            continue;
        };
        let values = &document["values"];
        if let Some(score) = values["QID1"].as_i64() {
            assert_eq!(row.score, Some(score), "I1: {response}");
        }
        assert_eq!(
            row.account.as_deref(),
            values["AccountID"].as_str(),
            "I1: {response}"
        );
        assert_eq!(row.duration, values["duration"].as_i64(), "I1: {response}");
        if let Some(essay) = values["QID18_TEXT"].as_str() {
            let comment = row.comment.as_deref().unwrap_or_default();
            assert!(
                !comment.is_empty() && essay.starts_with(comment) || essay.is_empty(),
                "I1: {response}"
            );
        }
        assert!(
            held.documents.contains(response),
            "I2: {response} has no document"
        );
        assert!(told.contains(response), "I2: nobody was told of {response}");
    }
    for response in &held.documents {
        assert!(
            held.rows.contains_key(response),
            "I2: {response} has a document and no row"
        );
    }
}

/// What strict readiness answers.
pub(crate) async fn strictly_ready(ground: &Ground, service: &Running) -> u16 {
    let asked = ground
        .people
        .client
        .get(service.url("/health/ready?strict=true"))
        .send();
    asked.await.unwrap().status().as_u16()
}

/// A figure of `/proc/…/status`.
pub(crate) fn kibibytes(service: &Running, name: &str) -> u64 {
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", service.child.id().unwrap())).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The value of one line of `/metrics`.
pub(crate) async fn metric(people: &People, service: &Running, name: &str) -> f64 {
    let text = people
        .client
        .get(service.url("/metrics"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.map_or(0.0, |value| value.trim().parse().unwrap())
}
