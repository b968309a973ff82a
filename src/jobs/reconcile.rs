//! Compares Qualtrics with the store, cell by cell, writes only what differs, and says up to when all is complete.
//!
//! `serve` looks often and cheaply: at the survey's counts, then by modification date at what changed since the last
//! pass, and once a day at all ids and all kept documents. A command without `--since` compares everything there is. The
//! **watermark** is moved at the end of a pass in which every difference was written, to ten minutes before the pass
//! began: exports lag behind by up to two.

mod compare;
mod pass;
mod sweep;
mod verify;

use ingester_core::id::{ResponseId, SurveyId};
use ingester_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::status::Balance;
use super::{JobError, Jobs, Patience};
use crate::bulk::Totals;
use crate::store::StoreError;
use compare::Compared;

pub(super) const JOB: &str = "reconcile";

/// What a pass shall do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// How much is compared.
    pub scope: Scope,
    /// Whether rows go whose responses are gone.
    pub delete: bool,
    /// How many may go.
    pub delete_limit: Option<u64>,
}

/// How much a pass compares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scope {
    /// What changed since the last pass; `serve`'s.
    #[default]
    Changes,
    /// The same, even if no count has moved.
    ChangesNow,
    /// What changed since an instant, all ids, all kept documents.
    Since(Timestamp),
    /// Everything.
    All,
}

/// What a pass over one survey came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The survey.
    pub survey: String,
    /// Documents that were compared.
    pub compared: u64,
    /// Responses that had no row.
    pub missing: u64,
    /// Rows with other cells than the response.
    pub stale: u64,
    /// Kept documents that were altered.
    pub damaged: u64,
    /// Rows whose responses are not at Qualtrics any more.
    pub deleted: u64,
    /// Rows that were written.
    pub written: u64,
    /// Rows that were removed.
    pub removed: u64,
    /// Responses that can't become rows.
    pub refused: u64,
    /// Where the responses are, if all were counted.
    pub balance: Option<Balance>,
    /// The watermark.
    pub complete_up_to: Option<Timestamp>,
    /// How long it took.
    pub seconds: u64,
    /// When the newest response was recorded that was missing and that no callback told of.
    #[serde(skip)]
    pub unannounced_at: Option<Timestamp>,
    /// Why rows were not removed.
    #[serde(skip)]
    pub kept_rows: Option<String>,
}

/// What `QUALTRICS_RUNS` keeps of a survey's last pass.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct State {
    /// When the last pass began that wrote every difference.
    synced_at: Option<Timestamp>,
    pub(super) swept_at: Option<Timestamp>,
    verified_at: Option<Timestamp>,
    /// By what the rows were mapped.
    map: String,
    /// As Qualtrics counted: respondents' responses, generated ones, deleted ones.
    counts: Option<(u64, u64, u64)>,
    definition_changed_at: Option<Timestamp>,
    pub(super) balance: Option<Balance>,
    pub(super) deleted: u64,
}

/// What a pass has found so far.
#[derive(Debug, Default)]
struct Found {
    totals: Totals,
    same: u64,
    skipped: u64,
    missing: u64,
    unannounced_at: Option<Timestamp>,
    stale: u64,
    damaged: Vec<ResponseId>,
}

impl Found {
    /// Writes what differs; answers where the chunk's responses are then.
    async fn add(
        &mut self,
        jobs: &Jobs,
        survey: &SurveyId,
        compared: Compared,
    ) -> Result<Balance, StoreError> {
        let loaded = match compared.load.is_empty() {
            true => Totals::default(),
            false => jobs.loader().load(survey, compared.load).await?,
        };
        let damaged = u64::try_from(compared.damaged.len()).unwrap_or(u64::MAX);
        let mut balance = Balance {
            in_qualtrics: 0,
            rows: compared.same + damaged + loaded.rows(),
            pending: 0,
            dead: loaded.refused + loaded.dropped,
            skipped: compared.skipped + loaded.skipped,
            erased: loaded.erased,
            missing: 0,
        };
        balance.in_qualtrics = balance.rows + balance.dead + balance.skipped + balance.erased;
        self.totals += loaded;
        self.same += compared.same;
        self.skipped += compared.skipped;
        self.missing += compared
            .missing
            .saturating_sub(loaded.erased + loaded.dropped);
        self.unannounced_at = self.unannounced_at.max(compared.unannounced_at);
        self.stale += compared.stale;
        self.damaged.extend(compared.damaged);
        Ok(balance)
    }
}

impl Jobs {
    /// Reconciles surveys, one after the other; only one process does so at a time. `each` hears of every survey.
    ///
    /// # Errors
    /// [`JobError::Busy`] if it is running elsewhere. What fails in one survey does not keep the others from being
    /// reconciled, and is in its result.
    pub async fn reconcile(
        &self,
        surveys: &[SurveyId],
        options: Options,
        patience: Patience,
    ) -> Result<Vec<(SurveyId, Result<Report, JobError>)>, JobError> {
        let work = Box::pin(async {
            let mut results = Vec::new();
            for survey in surveys {
                let result = self.pass(survey, options).await;
                if let Err(error) = &result {
                    tracing::warn!(%survey, %error, code = error.code(), "{survey} could not be reconciled: {error}");
                }
                results.push((survey.clone(), result));
            }
            Ok(results)
        });
        let results = self.alone(JOB, "", patience, work).await;
        // Whoever looks sees the new figures at once; if they can't be read now, they are a little later.
        drop(self.status.refresh(&self.store, &self.surveys.ids()).await);
        results
    }
}
