//! Whoever completes surveys and posts callbacks, once or as a load.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use qualtrics_sandbox::Handle;
use reqwest::Client;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::process::{KEY, Running, SURVEY, message, signed};

pub(crate) const FORM: &str = "application/x-www-form-urlencoded";
pub(crate) const COMPLETED: &str = "2026-01-02 03:04:05";

/// Whoever completes surveys and posts callbacks; clones remember the same answers.
#[derive(Clone)]
pub(crate) struct People {
    pub(crate) sandbox: Handle,
    pub(crate) client: Client,
    pub(super) told: Arc<Mutex<BTreeSet<String>>>,
}

/// What a callback was answered with; nothing if there was no answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: Option<u16>,
    pub(crate) body: String,
    pub(crate) took: Duration,
}

impl People {
    pub(crate) fn complete(&self) -> String {
        self.sandbox.complete(SURVEY, json!({})).unwrap()
    }

    /// Posts a body as Qualtrics does.
    pub(crate) async fn post(&self, service: &str, body: String) -> Answer {
        let begun = Instant::now();
        let request = self
            .client
            .post(format!("{service}/webhooks/qualtrics"))
            .header("content-type", FORM)
            .body(body);
        let (status, body) = match request.send().await {
            Ok(response) => {
                let status = response.status().as_u16();
                if status == 503 {
                    assert!(
                        response.headers().contains_key("retry-after"),
                        "503 without Retry-After"
                    );
                }
                (Some(status), response.text().await.unwrap_or_default())
            }
            Err(_) => (None, String::new()),
        };
        Answer {
            status,
            body,
            took: begun.elapsed(),
        }
    }

    /// Tells of a response under a key, and remembers what was acknowledged.
    pub(crate) async fn tell_as(
        &self,
        service: &str,
        response: &str,
        completed: &str,
        key: &str,
    ) -> Answer {
        let answer = self
            .post(service, signed(&message(response, completed), key))
            .await;
        if answer.status == Some(200) {
            self.told.lock().unwrap().insert(response.to_owned());
        }
        answer
    }

    pub(crate) async fn tell(&self, service: &str, response: &str) -> Answer {
        self.tell_as(service, response, COMPLETED, KEY).await
    }

    /// Completes responses and tells of all at once; answers their ids and what was said.
    pub(crate) async fn tell_many(&self, service: &str, count: usize) -> Vec<(String, Answer)> {
        let telling = (0..count).map(|_| async {
            let response = self.complete();
            let answer = self.tell(service, &response).await;
            (response, answer)
        });
        futures_util::future::join_all(telling).await
    }

    /// As [`People::tell_many`], each of which must be acknowledged.
    pub(crate) async fn tell_all(&self, service: &str, count: usize) -> Vec<String> {
        let told = self.tell_many(service, count).await;
        for (_, answer) in &told {
            assert_eq!(answer.status, Some(200), "{answer:?}");
        }
        told.into_iter().map(|(response, _)| response).collect()
    }

    pub(crate) fn acknowledged(&self) -> BTreeSet<String> {
        self.told.lock().unwrap().clone()
    }

    /// Tells of new responses at this rate until it is ended. The address may change, or be away, meanwhile.
    pub(crate) fn load(&self, address: &Address, per_second: u32) -> Load {
        const AT_ONCE: usize = 96;
        let (people, address) = (self.clone(), address.clone());
        let (ending, mut ended) = tokio::sync::oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let room = Arc::new(Semaphore::new(AT_ONCE));
            let mut ticks = tokio::time::interval(Duration::from_secs(1) / per_second);
            let mut telling = tokio::task::JoinSet::new();
            let mut answers = Vec::new();
            loop {
                tokio::select! {
                    _ = &mut ended => break,
                    _ = ticks.tick() => {}
                }
                while let Some(answer) = telling.try_join_next() {
                    answers.push(answer.unwrap());
                }
                let (Some(service), Ok(permit)) = (address.get(), room.clone().try_acquire_owned())
                else {
                    continue;
                };
                let people = people.clone();
                telling.spawn(async move {
                    let _permit = permit;
                    let response = people.complete();
                    people.tell(&service, &response).await
                });
            }
            answers.extend(telling.join_all().await);
            answers
        });
        Load { ending, task }
    }
}

/// Where callbacks go; nowhere while nothing listens.
#[derive(Clone, Default)]
pub(crate) struct Address(Arc<Mutex<Option<String>>>);

impl Address {
    pub(crate) fn of(running: &Running) -> Self {
        let address = Self::default();
        address.set(Some(running));
        address
    }

    pub(crate) fn set(&self, running: Option<&Running>) {
        *self.0.lock().unwrap() = running.map(|running| running.url(""));
    }

    fn get(&self) -> Option<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Callbacks that keep coming.
pub(crate) struct Load {
    ending: tokio::sync::oneshot::Sender<()>,
    task: tokio::task::JoinHandle<Vec<Answer>>,
}

impl Load {
    /// Ends it; what was answered meanwhile.
    pub(crate) async fn end(self) -> Vec<Answer> {
        drop(self.ending);
        self.task.await.unwrap()
    }
}

/// The time that 99 of a hundred took at most.
pub(crate) fn p99(answers: &[Answer]) -> Duration {
    let mut took: Vec<Duration> = answers.iter().map(|answer| answer.took).collect();
    took.sort();
    took.get(took.len() * 99 / 100).copied().unwrap_or_default()
}

pub(crate) fn count_of(answers: &[Answer], status: u16) -> usize {
    answers
        .iter()
        .filter(|answer| answer.status == Some(status))
        .count()
}
