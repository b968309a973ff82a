//! Long work, shared by commands and routes.
//!
//! In reading order: `runs` lets one process at a time do a job; `windows` cuts a span of time into exports; `backfill`
//! loads them, and `history` does so for `serve`; `reconcile` compares and moves the watermark; `silence` notices that
//! callbacks stopped; `erase` removes. What they find stands in [`status`].

pub mod backfill;
mod error;
pub mod fingerprint;
pub mod housekeeping;
pub mod instances;
mod runs;
pub mod subscriptions;
mod windows;

pub use error::JobError;
pub use runs::Patience;

use crate::bulk::Loader;
use crate::changes::Changes;
use crate::lifecycle::Lifecycle;
use crate::qualtrics::Qualtrics;
use crate::store::Store;
use crate::surveys::Surveys;
use crate::telemetry::metrics::Metrics;

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
}

impl Jobs {
    fn loader(&self) -> Loader {
        Loader {
            store: self.store.clone(),
            surveys: self.surveys.clone(),
            changes: self.changes.clone(),
            metrics: self.metrics.clone(),
        }
    }
}
