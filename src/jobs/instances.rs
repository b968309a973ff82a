//! Who else works on this database, and what the others have to know of it: the keys that an instance accepts, so that
//! none is replaced too early, and how many single reads it made, so that all together keep to the rate.

use std::num::NonZeroU32;
use std::time::Duration;

use ingester_core::row::{Cell, ColumnType};
use ingester_core::sql::{self, Statement};
use ingester_core::time::{self, Timestamp};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tokio::time::MissedTickBehavior;

use super::fingerprint;
use crate::config::Config;
use crate::lifecycle::{self, Lifecycle};
use crate::qualtrics::{Qualtrics, Share};
use crate::store::{Store, StoreError};
use crate::telemetry::metrics::Metrics;

/// The job under which instances announce themselves.
const JOB: &str = "instance";
/// How often an announcement is renewed.
const EVERY: Duration = Duration::from_secs(5);
/// How long it holds: a killed instance is forgotten after this.
const LIFE: Duration = Duration::from_secs(15);
/// The job that keeps when the previous shared key last verified a callback, by the key's fingerprint.
const PREVIOUS_KEY: &str = "previous-key";
/// The job that keeps the fingerprint of `PSEUDONYM_KEY`, as it first was.
pub const PSEUDONYM_KEY: &str = "pseudonym-key";

/// Columns of [`sql::runs::list`].
const KINDS: [ColumnType; 4] = [
    ColumnType::NVarchar(60),
    ColumnType::NVarchar(36),
    ColumnType::Timestamp,
    ColumnType::NClob,
];

/// What an instance says of itself.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Announcement {
    /// Fingerprints of the shared keys that it accepts.
    #[serde(default)]
    keys: Vec<String>,
    /// Single reads of its last 60 seconds.
    #[serde(default)]
    reads: u32,
}

/// An instance that lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its name, new with each process.
    pub owner: String,
    /// Fingerprints of the shared keys that it accepts. None if it is of a version that says it otherwise.
    keys: Vec<String>,
    reads: u32,
}

impl Instance {
    /// Whether callbacks signed with this key are believed there.
    #[must_use]
    pub fn accepts(&self, key: &SecretString) -> bool {
        self.keys.contains(&fingerprint::of_key(key))
    }
}

/// The instances that live.
///
/// # Errors
/// If the database can't be read.
pub async fn live(store: &Store) -> Result<Vec<Instance>, StoreError> {
    let now = lifecycle::now();
    let rows = store.rows(sql::runs::list(JOB), &KINDS).await?;
    Ok(rows
        .iter()
        .filter_map(|row| match &**row {
            [Cell::Text(owner), _, Cell::Timestamp(until), state] if *until >= now => {
                let said: Announcement = match state {
                    Cell::Text(state) => serde_json::from_str(state).unwrap_or_default(),
                    _ => Announcement::default(),
                };
                Some(Instance {
                    owner: owner.clone(),
                    keys: said.keys,
                    reads: said.reads,
                })
            }
            _ => None,
        })
        .collect())
}

/// When a callback was last signed with the previous key, if ever.
///
/// # Errors
/// If the database can't be read.
pub async fn previous_key_last_used(
    store: &Store,
    previous: &SecretString,
) -> Result<Option<Timestamp>, StoreError> {
    let wanted = fingerprint::of_key(previous);
    let rows = store.rows(sql::runs::list(PREVIOUS_KEY), &KINDS).await?;
    Ok(rows.iter().find_map(|row| match &**row {
        [Cell::Text(key), _, _, Cell::Text(at)] if *key == wanted => time::parse_instant(at),
        _ => None,
    }))
}

/// A state that was kept once under a job, if it was.
///
/// # Errors
/// If the database can't be read.
pub async fn kept(store: &Store, job: &str) -> Result<Option<String>, StoreError> {
    let rows = store.rows(sql::runs::list(job), &KINDS).await?;
    Ok(rows.first().and_then(|row| match &**row {
        [_, _, _, Cell::Text(state)] => Some(state.clone()),
        _ => None,
    }))
}

/// What one instance announces, and learns from the others.
#[derive(Debug)]
pub struct Announcer {
    store: Store,
    qualtrics: Qualtrics,
    metrics: Metrics,
    life: Lifecycle,
    keys: Vec<String>,
    previous_key: Option<String>,
    pseudonym_key: Option<String>,
    noted: Option<Timestamp>,
}

impl Announcer {
    /// Nothing is announced yet. `pseudonym_key` is its fingerprint, where it is used.
    #[must_use]
    pub fn new(
        config: &Config,
        pseudonym_key: Option<String>,
        store: Store,
        qualtrics: Qualtrics,
        metrics: Metrics,
        life: Lifecycle,
    ) -> Self {
        let webhook = config.events.webhook();
        let current = webhook.and_then(|webhook| webhook.shared_key.as_ref());
        let previous = webhook.and_then(|webhook| webhook.shared_key_previous.as_ref());
        Self {
            keys: [current, previous]
                .into_iter()
                .flatten()
                .map(fingerprint::of_key)
                .collect(),
            previous_key: previous.map(fingerprint::of_key),
            pseudonym_key,
            noted: None,
            store,
            qualtrics,
            metrics,
            life,
        }
    }

    /// Announces until the shutdown starts, then takes the announcement back: its callbacks go to others from there on.
    pub async fn run(mut self) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.life.stopping().cancelled() => break,
                _ = ticks.tick() => {}
            }
            if let Err(error) = self.announce().await {
                tracing::debug!(%error, "this instance could not be announced");
            }
        }
        let mut farewell = vec![sql::runs::remove(JOB, self.store.owner().as_ref())];
        farewell.extend(self.previous_key_use(self.metrics.previous_key_last_used()));
        // If the database does not take it, the announcement runs out by itself.
        drop(self.store.run(farewell).await);
    }

    async fn announce(&mut self) -> Result<(), StoreError> {
        let now = lifecycle::now();
        let said = Announcement {
            keys: self.keys.clone(),
            reads: self.qualtrics.figures().reads_in_window,
        };
        let state = serde_json::to_string(&said).unwrap_or_default();
        let mut statements = vec![
            sql::runs::announce(JOB, self.store.owner(), LIFE, &state, now),
            sql::runs::remove_expired(JOB, now),
        ];
        let used = self.metrics.previous_key_last_used();
        statements.extend(self.previous_key_use(used));
        if let Some(key) = &self.pseudonym_key {
            statements.push(sql::runs::put_once(PSEUDONYM_KEY, "", key));
        }
        self.store.run(statements).await?;
        self.noted = used;
        self.pseudonym_key = None;

        let others: Vec<Instance> = live(&self.store)
            .await?
            .into_iter()
            .filter(|instance| instance.owner != self.store.owner().as_ref())
            .collect();
        let reads = others.iter().map(|instance| instance.reads);
        self.qualtrics.set_share(Share {
            instances: NonZeroU32::MIN.saturating_add(u32::try_from(others.len()).unwrap_or(0)),
            reads_elsewhere: reads.fold(0, u32::saturating_add),
        });
        Ok(())
    }

    /// Keeps when the previous key was last used, beyond the life of this process.
    fn previous_key_use(&self, used: Option<Timestamp>) -> Option<Statement> {
        let (key, at) = (self.previous_key.as_ref()?, used?);
        (self.noted != used).then(|| sql::runs::put(PREVIOUS_KEY, key, &time::to_text(at)))
    }
}
