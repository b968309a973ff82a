//! What `serve` does by itself to be complete: it loads history, reconciles, and shows how far it is.

use std::time::Duration;

use ingester_core::id::SurveyId;
use ingester_core::row::{Cell, ColumnType};
use ingester_core::sql;
use ingester_core::time::Timestamp;
use tokio::time::{Instant, MissedTickBehavior, sleep};

use super::reconcile::{Options, Scope};
use super::{JobError, Jobs, Patience};
use crate::lifecycle;

/// How often the figures are read that others may have changed.
const REFRESH_EVERY: Duration = Duration::from_secs(5);
/// How soon history that could not be loaded is tried again.
const HISTORY_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// A pass that could not be begun because another one runs is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(20);

/// Keeps the tables complete, for as long as the service lives.
#[derive(Debug)]
pub struct Keeper {
    jobs: Jobs,
    every: Duration,
    started_at: Timestamp,
}

impl Keeper {
    /// Reconciles every so often.
    #[must_use]
    pub fn new(jobs: Jobs, every: Duration) -> Self {
        Self {
            jobs,
            every,
            started_at: lifecycle::now(),
        }
    }

    /// Loads history, survey by survey, and looks now and then whether there is more to load.
    pub async fn history(jobs: Jobs) {
        let stopping = jobs.life.stopping().clone();
        loop {
            jobs.load_history().await;
            jobs.reconcile_soon();
            tokio::select! {
                () = stopping.cancelled() => return,
                () = sleep(HISTORY_AGAIN_AFTER) => {}
            }
            while jobs.has_all_history().await {
                tokio::select! {
                    () = stopping.cancelled() => return,
                    () = sleep(HISTORY_AGAIN_AFTER) => {}
                }
            }
        }
    }

    /// Reconciles at once, then every so often, and whenever [`Jobs::reconcile_soon`] was called.
    pub async fn reconcile(self) {
        let stopping = self.jobs.life.stopping().clone();
        let mut next = Instant::now();
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep_until(next) => {}
                () = self.jobs.soon.notified() => {}
            }
            let begun = Instant::now();
            let pause = match self.pass().await {
                Ok(()) => self.every,
                Err(JobError::Stopping) => return,
                Err(JobError::Busy { .. }) => AGAIN_AFTER.min(self.every),
                Err(error) => {
                    tracing::warn!(%error, code = error.code(), "reconcile could not be begun: {error}");
                    AGAIN_AFTER.min(self.every)
                }
            };
            next = begun + pause;
        }
    }

    async fn pass(&self) -> Result<(), JobError> {
        let mut surveys = Vec::new();
        for survey in self.jobs.surveys.ids().iter() {
            // Until then the loading of history brings all there is.
            if self.jobs.has_history(survey).await? {
                surveys.push(survey.clone());
            }
        }
        let options = Options {
            scope: Scope::Changes,
            ..Options::default()
        };
        let results = self
            .jobs
            .reconcile(&surveys, options, Patience::None)
            .await?;
        for (survey, result) in results {
            if let (Ok(report), true) = (result, self.jobs.status.expects_callbacks()) {
                self.jobs.judge(&survey, &report, self.started_at).await?;
            }
        }
        Ok(())
    }

    /// Reads the figures again and again; a database that came back, and a subscription that was made anew, may have
    /// missed something.
    pub async fn figures(jobs: Jobs) {
        let stopping = jobs.life.stopping().clone();
        let surveys = jobs.surveys.ids();
        let mut ticks = tokio::time::interval(REFRESH_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut was_well, mut subscribed) = (true, None);
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let is_well = jobs.store.health().problem().is_none();
            if is_well && !was_well {
                jobs.reconcile_soon();
            }
            was_well = is_well;
            if let Err(error) = jobs.status.refresh(&jobs.store, &surveys).await {
                tracing::debug!(%error, "how complete the surveys are could not be read");
            }
            let Ok(now) = jobs.subscribed().await else {
                continue;
            };
            if subscribed
                .replace(now.clone())
                .is_some_and(|before| before != now)
            {
                jobs.reconcile_soon();
            }
        }
    }
}

impl Jobs {
    /// Lets `serve` reconcile at once.
    pub fn reconcile_soon(&self) {
        self.soon.notify_one();
    }

    async fn has_all_history(&self) -> bool {
        for survey in self.surveys.ids().iter() {
            if !matches!(self.has_history(survey).await, Ok(true)) {
                return false;
            }
        }
        true
    }

    /// The surveys' subscriptions, as they are remembered.
    async fn subscribed(&self) -> Result<Vec<(SurveyId, String)>, JobError> {
        const KINDS: [ColumnType; 7] = [
            ColumnType::NVarchar(18),
            ColumnType::NVarchar(100),
            ColumnType::NVarchar(64),
            ColumnType::Timestamp,
            ColumnType::Timestamp,
            ColumnType::BigInt,
            ColumnType::NVarchar(64),
        ];
        let rows = self.store.rows(sql::surveys::list(), &KINDS).await?;
        let one = |row: &[Cell]| match row {
            [Cell::Text(survey), .., Cell::Text(subscription)] => {
                Some((survey.parse().ok()?, subscription.clone()))
            }
            _ => None,
        };
        Ok(rows.iter().filter_map(|row| one(row)).collect())
    }
}
