//! What `history` asks for: loaded by `serve` itself, once, behind live events.

use ingester_core::id::SurveyId;
use ingester_core::sql;
use ingester_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;

use super::backfill::{Progress, Span};
use super::{JobError, Jobs, Patience};
use crate::config::{History, Survey};
use crate::lifecycle;

/// Under which `QUALTRICS_RUNS` keeps what was loaded.
pub(super) const JOB: &str = "history";

/// Where the history of a survey stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Loaded {
    /// From which instant on responses are wanted; nothing means all.
    since: Option<Timestamp>,
    /// Whatever was at Qualtrics before this instant is here.
    complete_at: Timestamp,
}

impl Jobs {
    /// From which instant on a survey's responses are wanted; nothing means all of them. For `history = "none"` that is
    /// the instant at which anybody first asked.
    ///
    /// # Errors
    /// If the database can't be asked.
    pub(super) async fn wanted_since(
        &self,
        settings: &Survey,
    ) -> Result<Option<Timestamp>, JobError> {
        Ok(match settings.history {
            History::All => None,
            History::Since(instant) => Some(instant),
            History::None => {
                let now = lifecycle::now();
                let loaded = Loaded {
                    since: Some(now),
                    complete_at: now,
                };
                let state = serde_json::to_string(&loaded).unwrap_or_default();
                let once = sql::runs::put_once(JOB, settings.id.as_ref(), &state);
                self.store.run(vec![once]).await?;
                let loaded: Option<Loaded> = self.state(JOB, settings.id.as_ref()).await?;
                loaded.and_then(|loaded| loaded.since)
            }
        })
    }

    /// Since when a survey is followed without a gap: whatever was at Qualtrics before this instant, as far as it is
    /// wanted, is here. Nothing while history is not loaded.
    ///
    /// # Errors
    /// If the database can't be asked.
    pub(super) async fn complete_at(
        &self,
        settings: &Survey,
    ) -> Result<Option<Timestamp>, JobError> {
        let wanted = self.wanted_since(settings).await?;
        let loaded: Option<Loaded> = self.state(JOB, settings.id.as_ref()).await?;
        let covers = |loaded: &Loaded| match (loaded.since, wanted) {
            (None, _) => true,
            (Some(since), Some(wanted)) => since <= wanted,
            (Some(_), None) => false,
        };
        if let Some(loaded) = loaded.filter(covers) {
            return Ok(Some(loaded.complete_at));
        }
        self.backfilled_at(&settings.id).await
    }

    /// Loads the history that is wanted and not there, survey by survey. One that fails is tried again next time.
    pub async fn load_history(&self) {
        for survey in self.surveys.ids().iter() {
            let Some(settings) = self.surveys.get(survey) else {
                continue;
            };
            match self.load_history_of(settings).await {
                Ok(()) | Err(JobError::Busy { .. } | JobError::Stopping) => {}
                Err(error) => {
                    tracing::warn!(%survey, %error, "the history of {survey} could not be loaded and will be tried again: {error}");
                }
            }
        }
    }

    async fn load_history_of(&self, settings: &Survey) -> Result<(), JobError> {
        if self.complete_at(settings).await?.is_some() {
            return Ok(());
        }
        let survey = &settings.id;
        let since = self.wanted_since(settings).await?;
        let begun_at = lifecycle::now();
        tracing::info!(%survey, "loading the history of {survey}, behind live events");
        let span = Span { since, until: None };
        let progress = watch::Sender::new(Progress::default());
        let summary = self
            .backfill(survey, span, Patience::None, &progress)
            .await?;
        let complete_at = match since {
            None => self.backfilled_at(survey).await?.unwrap_or(begun_at),
            Some(_) => begun_at,
        };
        self.keep(JOB, survey.as_ref(), &Loaded { since, complete_at })
            .await?;
        let (rows, seconds) = (summary.totals.written, summary.seconds);
        tracing::info!(%survey, rows, seconds, "loaded the history of {survey}: {rows} rows");
        Ok(())
    }

    /// Whether a survey has its history.
    ///
    /// # Errors
    /// If the database can't be asked.
    pub async fn has_history(&self, survey: &SurveyId) -> Result<bool, JobError> {
        match self.surveys.get(survey) {
            Some(settings) => Ok(self.complete_at(settings).await?.is_some()),
            None => Ok(false),
        }
    }
}

/// How much of the history is loaded, from what is kept of it and of the backfill that loads it.
pub(super) fn percent(loaded: Option<&Value>, loading: Option<&Value>) -> u8 {
    if loaded.is_some() {
        return 100;
    }
    let permille = loading.map_or(0, super::backfill::permille);
    u8::try_from(permille / 10).unwrap_or(100)
}
