//! One pass over one survey.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use ingester_core::id::{ResponseId, SurveyId};
use ingester_core::sql;
use ingester_core::time::Timestamp;
use tokio::time::{Instant, sleep};

use super::sweep::Present;
use super::{Found, JOB, Options, Report, Scope, State};
use crate::bulk::Reading;
use crate::config;
use crate::jobs::status::Balance;
use crate::jobs::windows::{Window, Windows};
use crate::jobs::{JobError, Jobs};
use crate::lifecycle;
use crate::qualtrics::{DateKind, ExportRequest, Priority, ResponseCounts, SurveyState};
use crate::surveys::{CompiledSurvey, SurveyError};

/// How far before its own beginning a pass vouches for.
const MARGIN: Duration = Duration::from_secs(10 * 60);
/// How far a pass looks back behind the beginning of the last one. Source: the dossier's "last run minus one hour".
const OVERLAP: Duration = Duration::from_secs(3600);
/// Edits move no count: a survey whose counts stand still is exported this often all the same.
const EDITS_SEEN_AFTER: Duration = Duration::from_secs(14 * 60);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Up to so many responses, all ids are read whenever a count has moved: it is one small export.
const FEW_RESPONSES: u64 = 10_000;
/// Missing responses that are read one by one.
const FEW_MISSING: usize = 3;
const FAILURES_MAX: u32 = 5;

pub(super) struct Pass<'a> {
    jobs: &'a Jobs,
    settings: &'a config::Survey,
    compiled: Arc<CompiledSurvey>,
    /// Tells whether rows are mapped as they were.
    map: String,
    wanted_since: Option<Timestamp>,
    options: Options,
    begun: Timestamp,
    look: SurveyState,
    state: State,
    found: Found,
    report: Report,
}

impl Jobs {
    pub(super) async fn pass(
        &self,
        survey: &SurveyId,
        options: Options,
    ) -> Result<Report, JobError> {
        let settings = self.surveys.get(survey).ok_or(SurveyError::NotConfigured)?;
        let (begun, clock) = (lifecycle::now(), Instant::now());
        let look = self.qualtrics.survey(survey).await?;
        let state: State = self.state(JOB, survey.as_ref()).await?.unwrap_or_default();
        if state.definition_changed_at != look.last_modified_date {
            self.surveys.refresh(survey).await;
        }
        let compiled = self.surveys.compiled(survey).await?;
        let mut pass = Pass {
            jobs: self,
            settings,
            map: fingerprint(&compiled),
            compiled,
            wanted_since: self.wanted_since(settings).await?,
            options,
            begun,
            look,
            state,
            found: Found::default(),
            report: Report {
                survey: survey.to_string(),
                ..Report::default()
            },
        };
        pass.run().await?;
        pass.report.seconds = clock.elapsed().as_secs();
        Ok(pass.end())
    }
}

impl Pass<'_> {
    fn survey(&self) -> &SurveyId {
        &self.settings.id
    }

    async fn run(&mut self) -> Result<(), JobError> {
        let since = match self.options.scope {
            Scope::All => None,
            Scope::Since(instant) => Some(instant),
            Scope::Changes | Scope::ChangesNow => {
                let last = match self.state.synced_at {
                    Some(last) => Some(last),
                    None => self.jobs.complete_at(self.settings).await?,
                };
                if self.options.scope == Scope::Changes && !self.has_moved() {
                    return Ok(());
                }
                last.map(|last| last.checked_sub(OVERLAP).unwrap_or(last))
            }
        };
        let mut present = None;
        match since {
            None => present = Some(self.everything().await?),
            Some(since) => {
                self.changes(since).await?;
                if self.is_verification_due() {
                    self.verify().await?;
                }
                if self.is_sweep_due() {
                    present = Some(self.ids().await?);
                }
            }
        }
        let damaged = std::mem::take(&mut self.found.damaged);
        self.report.damaged = u64::try_from(damaged.len()).unwrap_or(u64::MAX);
        let jobs = self.jobs;
        jobs.read_again(&self.settings.id, &damaged, &mut self.found)
            .await?;
        if let Some(present) = present {
            self.deletions(present).await?;
        }
        self.keep(since).await
    }

    /// Whether the cheap look says that something is new, or the last thorough one is too long ago.
    fn has_moved(&self) -> bool {
        let is_old = |instant: Option<Timestamp>, age: Duration| {
            instant
                .is_none_or(|instant| instant.checked_add(age).is_ok_and(|end| end <= self.begun))
        };
        self.state.counts != counts(self.look.response_counts)
            || self.state.counts.is_none()
            || self.state.definition_changed_at != self.look.last_modified_date
            || self.state.map != self.map
            || is_old(self.state.synced_at, EDITS_SEEN_AFTER)
    }

    /// What was changed since an instant.
    async fn changes(&mut self, since: Timestamp) -> Result<(), JobError> {
        let request = ExportRequest {
            start: Some(since),
            date: DateKind::Modified,
            ..ExportRequest::default()
        };
        self.export(request, None).await.map(drop)
    }

    /// All there is; in parts, if Qualtrics can't export it at once.
    async fn everything(&mut self) -> Result<Present, JobError> {
        let floor = self.look.creation_date.unwrap_or(Timestamp::UNIX_EPOCH);
        let mut windows = Windows::new(None, None, floor, self.begun).whole();
        let (mut present, mut balance, mut failures) = (Present::default(), Balance::default(), 0);
        while let Some(Window { start, end }) = windows.current() {
            let request = ExportRequest {
                start,
                end,
                ..ExportRequest::default()
            };
            match self.export(request, Some(&mut present)).await {
                Ok(part) => {
                    windows.finish(part.in_qualtrics);
                    balance += part;
                    failures = 0;
                }
                Err(error) if error.may_pass() && failures < FAILURES_MAX => {
                    failures += 1;
                    windows.halve();
                    sleep(Duration::from_secs(2) * failures).await;
                }
                Err(error) => return Err(error),
            }
        }
        self.state.balance = Some(balance);
        self.state.swept_at = Some(self.begun);
        self.state.verified_at = Some(self.begun);
        Ok(present)
    }

    async fn export(
        &mut self,
        request: ExportRequest,
        mut present: Option<&mut Present>,
    ) -> Result<Balance, JobError> {
        let (jobs, survey) = (self.jobs, self.settings.id.clone());
        let export = jobs
            .qualtrics
            .export(&survey, request, Priority::Reconcile)
            .await?;
        let mut reading = Reading::start(&jobs.life, &jobs.surveys, &survey, export);
        let mut balance = Balance::default();
        while let Some(rows) = reading.next().await? {
            if let Some(present) = &mut present {
                present.add(&rows);
            }
            self.report.compared += u64::try_from(rows.len()).unwrap_or(u64::MAX);
            let table = &self.compiled.table;
            let compared = jobs
                .compare(&survey, table, self.wanted_since, rows)
                .await?;
            balance += self.found.add(jobs, &survey, compared).await?;
        }
        Ok(balance)
    }

    fn is_verification_due(&self) -> bool {
        let is_old = self
            .state
            .verified_at
            .is_none_or(|at| self.is_a_day_ago(at));
        matches!(self.options.scope, Scope::Since(_)) || is_old || self.state.map != self.map
    }

    async fn verify(&mut self) -> Result<(), JobError> {
        let jobs = self.jobs;
        jobs.verify(&self.settings.id, &self.compiled, &mut self.found)
            .await?;
        self.state.verified_at = Some(self.begun);
        Ok(())
    }

    fn is_a_day_ago(&self, instant: Timestamp) -> bool {
        instant
            .checked_add(DAY)
            .is_ok_and(|tomorrow| tomorrow <= self.begun)
    }

    fn is_sweep_due(&self) -> bool {
        let (now, then) = (counts(self.look.response_counts), self.state.counts);
        let is_small = now.is_none_or(|(real, generated, _)| real + generated <= FEW_RESPONSES);
        let was_deleted = now.map(|(_, _, deleted)| deleted) != then.map(|(_, _, deleted)| deleted);
        matches!(self.options.scope, Scope::Since(_))
            || self.options.delete
            || self.state.swept_at.is_none_or(|at| self.is_a_day_ago(at))
            || was_deleted
            || (is_small && now != then)
    }

    /// All ids; what is missing here is fetched.
    async fn ids(&mut self) -> Result<Present, JobError> {
        let (jobs, survey) = (self.jobs, self.settings.id.clone());
        let table = &self.compiled.table.name;
        let mut swept = jobs.sweep(&survey, table, self.wanted_since).await?;
        if !swept.missing.is_empty() {
            let missing: Vec<ResponseId> = swept.missing.iter().cloned().collect();
            self.found.missing += swept.balance.missing;
            let newest = swept.recorded.map(|(_, last)| last);
            self.found.unannounced_at = self.found.unannounced_at.max(newest);
            if missing.len() <= FEW_MISSING {
                jobs.read_again(&survey, &missing, &mut self.found).await?;
            } else {
                let (start, end) = swept.recorded.unzip();
                let second = Duration::from_secs(1);
                let request = ExportRequest {
                    start,
                    end: end.and_then(|end| end.checked_add(second).ok()),
                    ..ExportRequest::default()
                };
                let missing = self.found.missing;
                self.export(request, None).await?;
                // They were counted as missing by their ids already.
                self.found.missing = missing;
            }
            jobs.find_again(&survey, &self.compiled.table.name, &mut swept)
                .await?;
        }
        self.state.balance = Some(swept.balance);
        self.state.swept_at = Some(self.begun);
        Ok(swept.present)
    }

    async fn deletions(&mut self, mut present: Present) -> Result<(), JobError> {
        let (jobs, table) = (self.jobs, &self.compiled.table.name);
        let survey = &self.settings.id;
        let surplus = jobs
            .surplus(survey, table, &mut present, self.begun)
            .await?;
        self.report.deleted = surplus.count;
        self.state.deleted = surplus.count;
        if !self.options.delete || surplus.count == 0 {
            return Ok(());
        }
        match jobs.remove(survey, table, &surplus, &self.options).await {
            Ok(removed) => {
                self.report.removed = removed;
                self.state.deleted = surplus.count.saturating_sub(removed);
                Ok(())
            }
            Err(error @ JobError::TooManyDeletions { .. }) => {
                self.report.kept_rows = Some(error.to_string());
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// The pass is over and every difference written: keeps what the next one goes by, and moves the watermark.
    async fn keep(&mut self, since: Option<Timestamp>) -> Result<(), JobError> {
        // A pass that began to look after the end of the last one leaves a gap that it does not vouch for.
        let is_gapless = match (since, self.state.synced_at) {
            (None, _) => true,
            (Some(since), Some(last)) => since <= last,
            (Some(since), None) => self
                .jobs
                .complete_at(self.settings)
                .await?
                .is_some_and(|complete| since <= complete),
        };
        self.state.map.clone_from(&self.map);
        self.state.counts = counts(self.look.response_counts);
        self.state.definition_changed_at = self.look.last_modified_date;
        if is_gapless {
            self.state.synced_at = Some(self.begun);
            let watermark = self.begun.checked_sub(MARGIN).unwrap_or(self.begun);
            let swept = self.state.swept_at;
            let moved = sql::surveys::move_watermark(self.survey(), watermark, swept);
            self.jobs.store.run(vec![moved]).await?;
            self.report.complete_up_to = Some(watermark);
        }
        let jobs = self.jobs;
        jobs.keep(JOB, self.survey().as_ref(), &self.state).await?;
        Ok(())
    }

    fn end(self) -> Report {
        let Self {
            found,
            state,
            mut report,
            ..
        } = self;
        report.missing = found.missing;
        report.unannounced_at = found.unannounced_at;
        report.stale = found.stale;
        report.written = found.totals.written;
        report.refused = found.totals.refused;
        report.balance = state.balance;
        let Report {
            survey,
            missing,
            stale,
            written,
            ..
        } = &report;
        if *written > 0 || report.removed > 0 {
            tracing::info!(%survey, missing, stale, written, "reconciled {survey}: {written} rows written");
        } else {
            tracing::debug!(%survey, "reconciled {survey}: nothing differs");
        }
        if let Some(problem) = &report.kept_rows {
            tracing::warn!(%survey, "{problem}");
        }
        report
    }
}

fn counts(counts: Option<ResponseCounts>) -> Option<(u64, u64, u64)> {
    counts.map(|counts| (counts.auditable, counts.generated, counts.deleted))
}

/// What rows are mapped by: the definition, the settings, the table. Another one means that rows may differ.
fn fingerprint(survey: &CompiledSurvey) -> String {
    let mut hasher = DefaultHasher::new();
    format!("{:?}{:?}", survey.settings, survey.table).hash(&mut hasher);
    format!("{} {:016x}", survey.version, hasher.finish())
}
