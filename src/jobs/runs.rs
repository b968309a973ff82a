//! One process at a time: a run is taken in `QUALTRICS_RUNS`, prolonged while the work goes on, and given back. A
//! process that is killed holds it for [`HELD`] at most.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ingester_core::sql;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep};

use super::{JobError, Jobs};
use crate::lifecycle;
use crate::store::StoreError;

/// How long a run lasts without being prolonged. Short, because two at once would only do the same work twice.
const HELD: Duration = Duration::from_secs(5);
const PROLONG_EVERY: Duration = Duration::from_millis(1500);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// The runs of this process.
#[derive(Debug, Clone, Default)]
pub(super) struct Held(Arc<Mutex<HashSet<String>>>);

/// One of them; free again when dropped.
struct Here {
    held: Held,
    name: String,
}

impl Held {
    fn take(&self, job: &str, subject: &str) -> Option<Here> {
        let name = format!("{job} {subject}");
        self.lock().insert(name.clone()).then(|| Here {
            held: self.clone(),
            name,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        self.held.lock().remove(&self.name);
    }
}

/// Whether to wait for a run that somebody else holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Not at all.
    None,
    /// Until one that was killed must have run out.
    Short,
}

impl Jobs {
    /// Does work that only one process may do at a time, and ends it when the run is lost or the process stops.
    ///
    /// # Errors
    /// [`JobError::Busy`] if another process is at it, else whatever the work ends with.
    pub(super) async fn alone<T>(
        &self,
        job: &'static str,
        subject: &str,
        patience: Patience,
        work: impl Future<Output = Result<T, JobError>>,
    ) -> Result<T, JobError> {
        let busy = || JobError::Busy {
            job,
            subject: if subject.is_empty() {
                "all surveys".to_owned()
            } else {
                subject.to_owned()
            },
        };
        let begun = Instant::now();
        let mut here = None;
        // In this process first: to the database two of its tasks are the same owner.
        loop {
            here = here.or_else(|| self.held.take(job, subject));
            if here.is_some() && self.take(job, subject).await? {
                break;
            }
            if patience == Patience::None || begun.elapsed() > HELD + PROLONG_EVERY {
                return Err(busy());
            }
            tokio::select! {
                () = sleep(LOOK_AGAIN_AFTER) => {}
                () = self.life.stopping().cancelled() => return Err(JobError::Stopping),
            }
        }
        let result = tokio::select! {
            result = work => result,
            () = self.lost(job, subject) => return Err(busy()),
            () = self.life.stopping().cancelled() => Err(JobError::Stopping),
        };
        let back = sql::runs::give_back(job, subject, self.store.owner());
        // What can't be given back runs out.
        drop(self.store.run(vec![back]).await);
        drop(here);
        result
    }

    async fn take(&self, job: &str, subject: &str) -> Result<bool, StoreError> {
        let owner = self.store.owner();
        let take = sql::runs::take(job, subject, owner, HELD, lifecycle::now());
        Ok(self.store.run(vec![take]).await?.first() == Some(&1))
    }

    /// Prolongs a run; completes when somebody else has it.
    async fn lost(&self, job: &str, subject: &str) {
        loop {
            sleep(PROLONG_EVERY).await;
            // A database that is away takes no run from us; the work will notice it by itself.
            if matches!(self.take(job, subject).await, Ok(false)) {
                return;
            }
        }
    }

    /// A run's kept state, if there is one that can be read.
    pub(super) async fn state<T: DeserializeOwned>(
        &self,
        job: &str,
        subject: &str,
    ) -> Result<Option<T>, StoreError> {
        let state = self.store.run_of(job, subject).await?;
        Ok(state
            .and_then(|run| run.state)
            .and_then(|state| serde_json::from_str(&state).ok()))
    }

    /// Keeps a run's state.
    pub(super) async fn keep<T: Serialize>(
        &self,
        job: &str,
        subject: &str,
        state: &T,
    ) -> Result<(), StoreError> {
        let state = serde_json::to_string(state).unwrap_or_default();
        self.store
            .run(vec![sql::runs::put(job, subject, &state)])
            .await?;
        Ok(())
    }
}
