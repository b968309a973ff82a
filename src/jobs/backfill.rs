//! Loads what was answered before: exports by recorded date, window by window, from where the last run stopped.
//!
//! A row that is newer here is never overwritten, and events that wait for what an export holds are settled by it; so it
//! may run beside `serve`, killed at any instant, and again.

use std::pin::pin;
use std::time::Duration;

use futures_util::stream::{TryStreamExt as _, try_unfold};
use ingester_core::id::SurveyId;
use ingester_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::runs::Patience;
use super::windows::{Window, Windows};
use super::{JobError, Jobs};
use crate::bulk::{Reading, Totals};
use crate::lifecycle;
use crate::qualtrics::{Continuation, DateKind, ExportRequest, Fields, Priority};

/// The job of everything, and that of a part: a part that was loaded says nothing of the whole.
pub(super) const ALL: &str = "backfill";
const PART: &str = "backfill-part";
/// Windows that may fail in a row.
const FAILURES_MAX: u32 = 8;
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(2);
/// Chunks on their way into the database: while one is written, the next one's events are looked up.
const LOADS_AT_ONCE: usize = 2;
/// Qualtrics was founded in that year; a survey that does not say when it was made is not older.
const OLDEST: i64 = 1_009_843_200; // 2002-01-01

/// What to load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// From this instant on; nothing is the beginning.
    pub since: Option<Timestamp>,
    /// Up to before this instant; nothing is the end.
    pub until: Option<Timestamp>,
}

impl Span {
    /// All of it.
    pub const ALL: Self = Self {
        since: None,
        until: None,
    };

    fn job(&self) -> &'static str {
        if *self == Self::ALL { ALL } else { PART }
    }
}

/// How far a backfill is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// What became of the documents so far, former runs included.
    pub totals: Totals,
    /// Thousandths that are done.
    pub permille: u64,
}

/// What a backfill came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The survey.
    pub survey: String,
    /// What became of the documents, former runs included.
    #[serde(flatten)]
    pub totals: Totals,
    /// Exports that were loaded.
    pub windows: u64,
    /// Whether it went on where a former run had stopped.
    pub resumed: bool,
    /// How long this run took.
    pub seconds: u64,
}

/// What `QUALTRICS_RUNS` keeps of a backfill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    /// Whatever was there before this instant is in the table once it is finished.
    begun_at: Timestamp,
    windows: Windows,
    loaded: u64,
    totals: Totals,
    /// Responses that Qualtrics counted at the beginning; where only a part is loaded, of no use.
    expected: Option<u64>,
    finished: bool,
}

impl State {
    fn is_of(&self, span: &Span) -> bool {
        self.since == span.since && self.until == span.until
    }

    fn progress(&self, now: Totals) -> Progress {
        let mut totals = self.totals;
        totals += now;
        let permille = match self.expected {
            Some(expected) if expected > 0 && !self.finished => {
                (totals.documents.saturating_mul(1000) / expected).min(999)
            }
            _ => self.windows.permille(),
        };
        Progress { totals, permille }
    }
}

impl Jobs {
    /// Loads a survey's responses of a span. Progress goes to `progress`, which may be watched or not.
    ///
    /// # Errors
    /// [`JobError::Busy`] if it is running elsewhere; else whatever kept a window from being loaded. What was loaded
    /// stays, and the next run goes on there.
    pub async fn backfill(
        &self,
        survey: &SurveyId,
        span: Span,
        patience: Patience,
        progress: &watch::Sender<Progress>,
    ) -> Result<Summary, JobError> {
        let work = Box::pin(self.load_span(survey, &span, progress));
        self.alone(ALL, survey.as_ref(), patience, work).await
    }

    /// When the backfill of everything began that was finished last, if any was.
    pub(super) async fn backfilled_at(
        &self,
        survey: &SurveyId,
    ) -> Result<Option<Timestamp>, JobError> {
        let state: Option<State> = self.state(ALL, survey.as_ref()).await?;
        Ok(state
            .filter(|state| state.finished)
            .map(|state| state.begun_at))
    }

    async fn load_span(
        &self,
        survey: &SurveyId,
        span: &Span,
        progress: &watch::Sender<Progress>,
    ) -> Result<Summary, JobError> {
        let begun = Instant::now();
        self.surveys.compiled(survey).await?;
        let kept: Option<State> = self.state(span.job(), survey.as_ref()).await?;
        let unfinished = kept.filter(|state| state.is_of(span) && !state.finished);
        let resumed = unfinished.is_some();
        let mut state = match unfinished {
            Some(state) => state,
            None => self.begin(survey, span).await?,
        };
        progress.send_replace(state.progress(Totals::default()));
        let mut continuation = None;
        let mut failures = 0;
        while let Some(window) = state.windows.current() {
            match self.load_window(survey, window, &state, progress).await {
                Ok((totals, token)) => {
                    failures = 0;
                    continuation = token;
                    state.windows.finish(totals.documents);
                    state.totals += totals;
                    state.loaded += 1;
                    self.keep(span.job(), survey.as_ref(), &state).await?;
                    progress.send_replace(state.progress(Totals::default()));
                }
                Err(error) if error.may_pass() && failures < FAILURES_MAX => {
                    failures += 1;
                    tracing::warn!(%survey, %error, "an export of {survey} failed and is repeated in smaller parts: {error}");
                    state.windows.halve();
                    sleep(PAUSE_AFTER_FAILURE * failures).await;
                }
                Err(error) => return Err(error),
            }
        }
        if let Some(token) = continuation {
            state.totals += self.load_rest(survey, token).await;
        }
        state.finished = true;
        self.keep(span.job(), survey.as_ref(), &state).await?;
        progress.send_replace(state.progress(Totals::default()));
        Ok(Summary {
            survey: survey.to_string(),
            totals: state.totals,
            windows: state.loaded,
            resumed,
            seconds: begun.elapsed().as_secs(),
        })
    }

    async fn begin(&self, survey: &SurveyId, span: &Span) -> Result<State, JobError> {
        let found = self.qualtrics.survey(survey).await?;
        let begun_at = lifecycle::now();
        let floor = found
            .creation_date
            .or(Timestamp::from_second(OLDEST).ok())
            .unwrap_or(begun_at);
        let counts = found.response_counts.filter(|_| *span == Span::ALL);
        let state = State {
            since: span.since,
            until: span.until,
            begun_at,
            windows: Windows::new(span.since, span.until, floor, begun_at),
            loaded: 0,
            totals: Totals::default(),
            expected: counts.map(|counts| counts.auditable + counts.generated),
            finished: false,
        };
        self.keep(span.job(), survey.as_ref(), &state).await?;
        Ok(state)
    }

    async fn load_window(
        &self,
        survey: &SurveyId,
        window: Window,
        state: &State,
        progress: &watch::Sender<Progress>,
    ) -> Result<(Totals, Option<Box<str>>), JobError> {
        let request = ExportRequest {
            start: window.start,
            end: window.end,
            date: DateKind::Recorded,
            fields: Fields::All,
            continuation: if window.end.is_none() {
                Continuation::Allow
            } else {
                Continuation::None
            },
        };
        let shown = |totals| {
            progress.send_replace(state.progress(totals));
        };
        self.load_export(survey, request, shown).await
    }

    /// What the last export could not show yet. Without it nothing is lost: events and reconcile bring the same.
    async fn load_rest(&self, survey: &SurveyId, token: Box<str>) -> Totals {
        let request = ExportRequest {
            continuation: Continuation::Of(token),
            ..ExportRequest::default()
        };
        match self.load_export(survey, request, |_| ()).await {
            Ok((totals, _)) => totals,
            Err(error) => {
                tracing::info!(%survey, %error, "the export of {survey} could not be continued, which reconcile makes up for: {error}");
                Totals::default()
            }
        }
    }

    async fn load_export(
        &self,
        survey: &SurveyId,
        request: ExportRequest,
        shown: impl Fn(Totals),
    ) -> Result<(Totals, Option<Box<str>>), JobError> {
        let loader = self.loader();
        let export = self
            .qualtrics
            .export(survey, request, Priority::Backfill)
            .await?;
        let mut reading = Reading::start(&self.life, &self.surveys, survey, export);
        let continuation = reading.continuation.take();
        let chunks = try_unfold(reading, async |mut reading| {
            let rows = reading.next().await?;
            Ok::<_, JobError>(rows.map(|rows| (rows, reading)))
        });
        let loads = chunks.map_ok(async |rows| Ok(loader.load(survey, rows).await?));
        let mut loads = pin!(loads.try_buffered(LOADS_AT_ONCE));
        let mut totals = Totals::default();
        while let Some(loaded) = loads.try_next().await? {
            totals += loaded;
            shown(totals);
        }
        Ok((totals, continuation))
    }
}

/// How far the kept state says that a backfill of everything is, in thousandths.
pub(super) fn permille(state: &serde_json::Value) -> u64 {
    serde_json::from_value::<State>(state.clone())
        .map_or(0, |state| state.progress(Totals::default()).permille)
}
