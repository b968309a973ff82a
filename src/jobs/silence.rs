//! Notices that callbacks stopped while responses go on: a subscription that was dropped, re-keyed or pointed elsewhere.
//!
//! A survey's counts are looked at every few seconds, which is one cheap call. Where they rose and no callback came, a
//! reconcile fills the hole at once, and what it finds decides: a response that became a row and that no callback told
//! of, with none since, means that callbacks are silent. The next callback ends it.

use std::collections::HashMap;
use std::time::Duration;

use ingester_core::id::SurveyId;
use ingester_core::row::ColumnType;
use ingester_core::sql;
use ingester_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::MissedTickBehavior;

use super::reconcile::{Options, Report, Scope};
use super::subscriptions::{SubscriptionError, Subscriptions};
use super::{JobError, Jobs, Patience};
use crate::lifecycle;

/// Under which `QUALTRICS_RUNS` keeps since when a survey's callbacks are silent.
pub(super) const JOB: &str = "silence";
/// How often counts are looked at; a second more for each survey beyond so many.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// Clocks of Qualtrics and ours differ, and a callback takes its time.
const TOLERANCE: Duration = Duration::from_secs(10);

#[derive(Debug, Serialize, Deserialize)]
struct Silent {
    since: Timestamp,
}

/// Watches over callbacks, for as long as the service lives.
#[derive(Debug)]
pub struct Watch {
    jobs: Jobs,
    /// Who makes subscriptions anew, where that is configured.
    subscriptions: Option<Subscriptions>,
    /// What was recorded before could not be told to this process.
    started_at: Timestamp,
    seen: HashMap<SurveyId, Seen>,
}

/// A survey's count, when it was looked at.
#[derive(Debug, Clone, Copy)]
struct Seen {
    responses: u64,
    at: Timestamp,
}

impl Watch {
    /// Begins now.
    #[must_use]
    pub fn new(jobs: Jobs, subscriptions: Option<Subscriptions>) -> Self {
        Self {
            jobs,
            subscriptions,
            started_at: lifecycle::now(),
            seen: HashMap::new(),
        }
    }

    /// Looks again and again, until the shutdown starts.
    pub async fn run(mut self) {
        let surveys = self.jobs.surveys.ids();
        let more = u64::try_from(surveys.len()).unwrap_or(u64::MAX);
        let every = LOOK_EVERY.max(Duration::from_secs(more));
        let stopping = self.jobs.life.stopping().clone();
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                _ = ticks.tick() => {}
            }
            for survey in surveys.iter() {
                match self.look(survey).await {
                    Ok(()) | Err(JobError::Busy { .. }) => {}
                    Err(JobError::Stopping) => return,
                    Err(error) => {
                        tracing::debug!(%survey, %error, "{survey} could not be looked at");
                    }
                }
            }
        }
    }

    async fn look(&mut self, survey: &SurveyId) -> Result<(), JobError> {
        let at = lifecycle::now();
        let counts = self.jobs.qualtrics.survey(survey).await?.response_counts;
        let Some(counts) = counts else {
            return Ok(());
        };
        let responses = counts.auditable + counts.generated;
        let before = self.seen.insert(survey.clone(), Seen { responses, at });
        if let Some(silent) = self.jobs.silent(survey).await?
            && self.jobs.was_heard(survey, silent.since).await?
        {
            self.jobs.heard_again(survey).await?;
        }
        let Some(before) = before.filter(|before| responses > before.responses) else {
            return Ok(());
        };
        let since = before.at.checked_sub(TOLERANCE).unwrap_or(before.at);
        if self.jobs.was_heard(survey, since).await? || !self.jobs.has_history(survey).await? {
            return Ok(());
        }
        let options = Options {
            scope: Scope::ChangesNow,
            ..Options::default()
        };
        let survey = std::slice::from_ref(survey);
        let results = self.jobs.reconcile(survey, options, Patience::Short).await;
        let results = match results {
            Ok(results) => results,
            Err(error) => {
                // Not looked at: the next look sees the same rise.
                self.seen
                    .extend(survey.iter().cloned().map(|id| (id, before)));
                return Err(error);
            }
        };
        for (survey, result) in results {
            if self.jobs.judge(&survey, &result?, self.started_at).await? {
                self.ensure().await;
            }
        }
        Ok(())
    }

    /// Makes the subscription anew where `ENSURE_SUBSCRIPTIONS` allows it.
    async fn ensure(&self) {
        let Some(subscriptions) = &self.subscriptions else {
            return;
        };
        match subscriptions.ensure().await {
            Ok(ensured) => ensured.audit("serve"),
            Err(SubscriptionError::Busy) => {}
            Err(error) => {
                tracing::warn!(setting = "ENSURE_SUBSCRIPTIONS", %error, "the subscriptions can't be ensured: {error}");
            }
        }
    }
}

impl Jobs {
    /// Decides by what a pass found whether callbacks are silent: a response recorded after `started_at` was missing,
    /// no callback told of it, and none came since. True if they are.
    ///
    /// # Errors
    /// If the database can't be asked.
    pub(super) async fn judge(
        &self,
        survey: &SurveyId,
        report: &Report,
        started_at: Timestamp,
    ) -> Result<bool, JobError> {
        let Some(recorded_at) = report.unannounced_at.filter(|at| *at >= started_at) else {
            return Ok(false);
        };
        let since = recorded_at.checked_sub(TOLERANCE).unwrap_or(recorded_at);
        if self.was_heard(survey, since).await? {
            return Ok(false);
        }
        if self.silent(survey).await?.is_none() {
            tracing::warn!(%survey, since = %recorded_at, "subscription of {survey} dead since {recorded_at}: responses come without callbacks; reconcile fills the gap, `subscription ensure` mends it");
            let silent = Silent { since: recorded_at };
            self.keep(JOB, survey.as_ref(), &silent).await?;
            self.status
                .refresh(&self.store, &self.surveys.ids())
                .await?;
        }
        Ok(true)
    }

    async fn silent(&self, survey: &SurveyId) -> Result<Option<Silent>, JobError> {
        Ok(self.state(JOB, survey.as_ref()).await?)
    }

    async fn was_heard(&self, survey: &SurveyId, since: Timestamp) -> Result<bool, JobError> {
        let heard = sql::bulk::heard_since(survey, since);
        let rows = self.store.rows(heard, &[ColumnType::Integer]).await?;
        Ok(!rows.is_empty())
    }

    async fn heard_again(&self, survey: &SurveyId) -> Result<(), JobError> {
        let forget = sql::runs::remove(JOB, survey.as_ref());
        self.store.run(vec![forget]).await?;
        tracing::info!(%survey, "callbacks of {survey} come again");
        self.status
            .refresh(&self.store, &self.surveys.ids())
            .await?;
        Ok(())
    }
}
