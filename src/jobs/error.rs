//! Why long work ended without being done.

use crate::bulk::ReadingError;
use crate::qualtrics::{QualtricsError, Retry};
use crate::store::StoreError;
use crate::surveys::SurveyError;

/// A job failed. It can be run again, and goes on where it stopped.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JobError {
    /// Qualtrics failed.
    #[error("{0}")]
    Qualtrics(#[from] QualtricsError),
    /// The survey's responses can't become rows.
    #[error("{0}")]
    Survey(#[from] SurveyError),
    /// The database failed.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// Another process is at it.
    #[error("{job} of {subject} is running already: wait until it ends")]
    Busy {
        /// Which job.
        job: &'static str,
        /// Of what.
        subject: String,
    },
    /// More rows than anybody deletes by accident.
    #[error(
        "{candidates} of {rows} rows of {survey} are not at Qualtrics any more, and none was deleted: look why, then run `reconcile --delete --delete-limit {candidates}`"
    )]
    TooManyDeletions {
        /// The survey.
        survey: ingester_core::id::SurveyId,
        /// How many would go.
        candidates: u64,
        /// Of how many.
        rows: u64,
    },
    /// The process is shutting down.
    #[error("interrupted: run it again to go on where it stopped")]
    Stopping,
}

impl From<ReadingError> for JobError {
    fn from(error: ReadingError) -> Self {
        match error {
            ReadingError::Qualtrics(error) => error.into(),
            ReadingError::Survey(error) => error.into(),
        }
    }
}

impl JobError {
    /// Stable code for logs and `--output json`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Qualtrics(error) => error.code(),
            Self::Survey(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Busy { .. } => "busy",
            Self::TooManyDeletions { .. } => "too-many-deletions",
            Self::Stopping => "stopping",
        }
    }

    /// Whether a shorter window, or the same one a little later, may succeed.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Qualtrics(error) => error.retry() != Retry::Never && !error.is_refusal(),
            Self::Store(error) => error.is_transient() && !error.is_missing_table(),
            Self::Survey(_)
            | Self::Busy { .. }
            | Self::TooManyDeletions { .. }
            | Self::Stopping => false,
        }
    }
}
