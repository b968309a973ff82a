//! What is remembered of the attempts to get a survey's definition, so that those who wait do not all ask and complain.

use std::time::Duration;

use ingester_core::id::SurveyId;
use ingester_core::row::ColumnName;
use tokio::time::Instant;

use super::SurveyError;

/// Unknown keys ask for the definition again, but not more often than this.
const REFRESH_AT_MOST_EVERY: Duration = Duration::from_secs(60);
/// Who waited for a definition that could not be had does not ask again at once.
const FAILURE_REMEMBERED: Duration = Duration::from_secs(2);
/// The same failure is logged once in this time, because every event that waits for the definition meets it.
const SAID_AGAIN_AFTER: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(super) struct Loading {
    refreshed: Option<Instant>,
    failed: Option<(Instant, SurveyError)>,
    /// What was logged of failures last.
    said: Option<(Instant, String)>,
    /// Columns that the table lacks, as they were last reported.
    pub(super) reported: Vec<ColumnName>,
}

impl Loading {
    /// The failure that is too young to try again.
    pub(super) fn recent_failure(&self) -> Option<SurveyError> {
        let (at, error) = self.failed.as_ref()?;
        (at.elapsed() < FAILURE_REMEMBERED).then(|| error.clone())
    }

    pub(super) fn failed(&mut self, survey: &SurveyId, error: &SurveyError) {
        let (now, text) = (Instant::now(), error.to_string());
        let is_said = |(at, said): &(Instant, String)| {
            *said == text && now.duration_since(*at) < SAID_AGAIN_AFTER
        };
        if !self.said.as_ref().is_some_and(is_said) {
            tracing::warn!(%survey, %error, "survey {survey} can't be mapped: {error}");
            self.said = Some((now, text));
        }
        self.failed = Some((now, error.clone()));
    }

    pub(super) fn succeeded(&mut self) {
        self.failed = None;
    }

    /// Whether the definition may be asked for again by now; it counts as asked for then.
    pub(super) fn may_refresh(&mut self) -> bool {
        let may = self
            .refreshed
            .is_none_or(|at| at.elapsed() >= REFRESH_AT_MOST_EVERY);
        if may {
            self.refreshed = Some(Instant::now());
        }
        may
    }
}
