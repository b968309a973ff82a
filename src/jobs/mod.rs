//! Long work, shared by commands and routes.
//!
//! In reading order: `runs` lets one process at a time do a job; `windows` cuts a span of time into exports; `backfill`
//! loads them, and `history` does so for `serve`; `reconcile` compares and moves the watermark; `silence` notices that
//! callbacks stopped; `keeper` runs these in `serve`; `erase` removes. What they find stands in [`status`].

pub mod backfill;
pub mod erase;
mod error;
pub mod fingerprint;
pub mod history;
pub mod housekeeping;
pub mod instances;
pub mod keeper;
pub mod reconcile;
mod runs;
pub mod silence;
pub mod status;
pub mod subscriptions;
mod windows;

pub use error::JobError;
pub use runs::Patience;

use std::sync::Arc;

use tokio::sync::Notify;

use crate::bulk::Loader;
use crate::changes::Changes;
use crate::lifecycle::Lifecycle;
use crate::qualtrics::Qualtrics;
use crate::store::Store;
use crate::surveys::Surveys;
use crate::telemetry::metrics::Metrics;
use status::Status;

/// What jobs are made from.
#[derive(Debug)]
#[expect(missing_docs, reason = "each is the part of the same name")]
pub struct Parts {
    pub store: Store,
    pub surveys: Surveys,
    pub qualtrics: Qualtrics,
    pub changes: Changes,
    pub metrics: Metrics,
}

/// What jobs work with. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Jobs {
    /// The database.
    pub store: Store,
    /// Definitions and maps.
    pub surveys: Surveys,
    /// Where responses are exported and read.
    pub qualtrics: Qualtrics,
    /// Who is told of rows.
    pub changes: Changes,
    /// What is counted.
    pub metrics: Metrics,
    /// Who owns the tasks.
    pub life: Lifecycle,
    /// What is known of each survey's completeness.
    pub status: Status,
    /// Wakes the reconciling of `serve`.
    soon: Arc<Notify>,
    held: runs::Held,
}

impl Jobs {
    /// From what a service or a command is made of. `events` is false for `EVENTS=off`.
    #[must_use]
    pub fn new(parts: Parts, life: Lifecycle, events: bool) -> Self {
        let Parts {
            store,
            surveys,
            qualtrics,
            changes,
            metrics,
        } = parts;
        Self {
            status: Status::new(events, metrics.clone()),
            soon: Arc::default(),
            held: runs::Held::default(),
            store,
            surveys,
            qualtrics,
            changes,
            metrics,
            life,
        }
    }

    fn loader(&self) -> Loader {
        Loader {
            store: self.store.clone(),
            surveys: self.surveys.clone(),
            changes: self.changes.clone(),
            metrics: self.metrics.clone(),
        }
    }
}
