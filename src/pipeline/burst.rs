//! One export instead of many single reads, when reading the backlog one by one would take longer.
//!
//! The export's documents become rows on the way that all exports take, which settles the events that waited for them.
//! What it lacks goes on waiting. Meanwhile most of the rate is left to it: single reads take a quarter, newest first.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{Parts, Pipeline};
use crate::bulk::{Loader, Reading, ReadingError, Totals};
use crate::qualtrics::{Burst, ExportRequest, Figures, Priority};
use crate::store::{Backlog, StoreError};

/// How long an export is taken to last until one was measured.
const EXPORT_TAKES: Duration = Duration::from_secs(20);
/// How far before the oldest event the export begins: clocks differ.
const MARGIN: Duration = Duration::from_secs(5 * 60);
/// With fewer events an export costs as many calls as reading them.
const WORTH_AN_EXPORT: u64 = 10;
/// Exports lag behind by seconds, so that a second one at once would hold little more.
const PAUSE: Duration = Duration::from_secs(10);
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(60);

/// The export that is read, or when the next one may be.
#[derive(Debug, Default)]
pub(super) struct Bursts {
    running: Option<JoinHandle<Duration>>,
    /// Held from the first export until none is worth it any more: what exports can read soon is not read singly.
    guard: Option<Burst>,
    not_before: Option<Instant>,
}

impl Bursts {
    /// Begins a burst if one is worth it.
    pub(super) async fn look(&mut self, pipeline: &Pipeline) {
        match self.running.take_if(|burst| burst.is_finished()) {
            Some(ended) => {
                let pause = ended.await.unwrap_or(PAUSE_AFTER_FAILURE);
                self.not_before = Some(Instant::now() + pause);
            }
            None if self.running.is_some() => return,
            None => {}
        }
        if self.not_before.is_some_and(|at| Instant::now() < at) {
            return;
        }
        let parts = &pipeline.parts;
        let backlog = match parts.store.backlog(&parts.surveys.ids()).await {
            Ok(backlog) => backlog,
            Err(error) => return tracing::debug!(%error, "the backlog could not be counted"),
        };
        let figures = parts.qualtrics.figures();
        let waiting = backlog.iter().map(|survey| survey.events).sum();
        if !is_worth_it(waiting, &figures) {
            self.guard = None;
            return;
        }
        self.guard.get_or_insert_with(|| parts.qualtrics.burst());
        tracing::info!(
            events = waiting,
            "{waiting} events wait, which an export reads sooner than single reads"
        );
        let burst = run(parts.clone(), backlog);
        self.running = Some(parts.life.spawn("burst", burst));
    }
}

/// Whether single reads would take longer than an export.
fn is_worth_it(waiting: u64, figures: &Figures) -> bool {
    let ahead = figures.waiting.live + figures.waiting.retry;
    let ahead = u64::try_from(ahead).unwrap_or(u64::MAX);
    let later = waiting
        .saturating_add(ahead)
        .saturating_sub(figures.calls_left.into());
    let reading = figures.pause()
        + Duration::from_millis(
            later.saturating_mul(60_000) / u64::from(figures.per_minute.max(1)),
        );
    waiting >= WORTH_AN_EXPORT && later > 0 && reading > figures.last_export.unwrap_or(EXPORT_TAKES)
}

/// Reads the backlog of each survey where it is worth an export; answers for how long no other burst shall begin.
async fn run(parts: Arc<Parts>, backlog: Vec<Backlog>) -> Duration {
    let mut pause = PAUSE;
    for survey in backlog
        .into_iter()
        .filter(|survey| survey.events >= WORTH_AN_EXPORT)
    {
        let read = tokio::select! {
            biased;
            read = read(&parts, &survey) => read,
            () = parts.life.stopping().cancelled() => return pause,
        };
        let id = &survey.survey;
        match read {
            Ok(Totals {
                documents, settled, ..
            }) => tracing::info!(
                survey = %id, documents, settled,
                "an export of {documents} responses settled {settled} events of {id}"
            ),
            Err(problem) => {
                tracing::warn!(survey = %id, %problem, "an export for waiting events of {id} failed, they are read singly: {problem}");
                pause = PAUSE_AFTER_FAILURE;
            }
        }
    }
    pause
}

#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("{0}")]
    Reading(#[from] ReadingError),
    #[error("{0}")]
    Store(#[from] StoreError),
}

async fn read(parts: &Parts, backlog: &Backlog) -> Result<Totals, Problem> {
    let survey = &backlog.survey;
    let request = ExportRequest {
        start: backlog.oldest.checked_sub(MARGIN).ok(),
        ..ExportRequest::default()
    };
    let export = parts
        .qualtrics
        .export(survey, request, Priority::Live)
        .await
        .map_err(ReadingError::from)?;
    let loader = Loader {
        store: parts.store.clone(),
        surveys: parts.surveys.clone(),
        changes: parts.changes.clone(),
        metrics: parts.metrics.clone(),
    };
    let mut reading = Reading::start(&parts.life, &parts.surveys, survey, export);
    let mut totals = Totals::default();
    while let Some(rows) = reading.next().await? {
        totals += loader.load(survey, rows).await?;
    }
    Ok(totals)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(calls_left: u32, last_export_s: Option<u64>) -> Figures {
        let mut figures = Figures::default();
        figures.calls_left = calls_left;
        figures.per_minute = 200;
        figures.last_export = last_export_s.map(Duration::from_secs);
        figures
    }

    #[test]
    fn an_export_is_worth_it_when_single_reads_take_longer() {
        // 67 reads at 200 a minute take 20 seconds.
        assert!(!is_worth_it(66, &figures(0, None)));
        assert!(is_worth_it(67, &figures(0, None)));
        assert!(!is_worth_it(267, &figures(200, Some(21))));
        assert!(is_worth_it(267, &figures(200, Some(20))));
        // An export of two seconds is no reason for one when nine are waiting.
        assert!(!is_worth_it(9, &figures(0, Some(1))));
        assert!(!is_worth_it(100, &figures(200, Some(1))));
    }
}
