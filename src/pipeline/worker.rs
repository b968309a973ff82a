//! One event: lease to outcome. The only place that turns errors into "again later" or "given up".

use std::time::Duration;

use ingester_core::inbox::{Event, Finished, Lease, Outcome, Reason, RetryKind, next_attempt};
use ingester_core::mapping::{DocumentError, ResponseDocument};

use super::Pipeline;
use super::held::Holding;
use crate::lifecycle;
use crate::qualtrics::{Priority, QualtricsError, Retry};
use crate::store::StoreError;
use crate::surveys::{Digested, SurveyError};
use crate::telemetry::metrics::EventOutcome;

/// How often finishing is tried again while the database is away and the lease is still ours.
const FINISH_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Works on a lease and settles it, unless it is lost meanwhile.
pub(super) async fn run(pipeline: &Pipeline, lease: Lease) {
    lifecycle::crash_point("leased");
    let holding = pipeline.held.hold(&lease);
    let digested = tokio::select! {
        biased;
        digested = work(pipeline, &lease) => digested,
        () = holding.lost() => {
            pipeline.parts.metrics.event(EventOutcome::LeaseLost);
            return;
        }
        () = pipeline.parts.life.aborting().cancelled() => {
            drop(holding);
            pipeline.parts.store.release(lease).await;
            return;
        }
    };
    settle(pipeline, &lease, digested, &holding).await;
}

/// What kept a response from being read.
enum Failure {
    Survey(SurveyError),
    Qualtrics(QualtricsError),
    Document(DocumentError),
}

impl Failure {
    /// Nothing that may be mended kills an event: a token that lost one right must not kill an inbox.
    fn retry_kind(&self) -> RetryKind {
        match self {
            Self::Qualtrics(error) if error.is_not_yet() => RetryKind::NotYet,
            Self::Qualtrics(error) => match error.retry() {
                Retry::After(delay) => RetryKind::After(delay),
                Retry::Backoff | Retry::Never => RetryKind::Failure,
            },
            Self::Document(DocumentError::NotYet) => RetryKind::NotYet,
            Self::Document(_) | Self::Survey(_) => RetryKind::Failure,
        }
    }

    fn reason(&self) -> Reason {
        match self {
            Self::Survey(error) => Reason::new(error.code(), error.to_string()),
            Self::Qualtrics(error) => Reason::new(error.code(), error.to_string()),
            Self::Document(error) => Reason::new(error.code(), error.to_string()),
        }
    }

    fn outcome(&self, lease: &Lease) -> Outcome {
        let (kind, reason) = (self.retry_kind(), self.reason());
        let age = lifecycle::now().duration_since(lease.event().received_at);
        let age = Duration::try_from(age).unwrap_or_default();
        match next_attempt(kind, lease.attempt(), age, jitter()) {
            Some(after) => Outcome::Retry { after, reason },
            None => Outcome::Dead(reason),
        }
    }
}

/// A number from 0 to 1 that differs from worker to worker.
fn jitter() -> f64 {
    f64::from(lifecycle::random()) / f64::from(u32::MAX)
}

async fn work(pipeline: &Pipeline, lease: &Lease) -> Digested {
    read_and_map(pipeline, lease)
        .await
        .unwrap_or_else(|failure| Digested {
            outcome: failure.outcome(lease),
            recorded_at: None,
            unknown: Vec::new(),
            truncated: 0,
        })
}

/// Three calls: the survey's map, the response, the row.
async fn read_and_map(pipeline: &Pipeline, lease: &Lease) -> Result<Digested, Failure> {
    let Event {
        survey_id,
        response_id,
        ..
    } = lease.event();
    let parts = &pipeline.parts;

    let survey = parts
        .surveys
        .compiled(survey_id)
        .await
        .map_err(Failure::Survey)?;
    let priority = if lease.attempt() == 1 {
        Priority::Live
    } else {
        Priority::Retry
    };
    let fetched = parts
        .qualtrics
        .response(survey_id, response_id, priority)
        .await
        .map_err(Failure::Qualtrics)?;
    lifecycle::crash_point("read");
    let document =
        ResponseDocument::parse(&fetched.body, Some(response_id)).map_err(Failure::Document)?;
    let mut digested = survey.digest(&document, fetched.asked_at);

    parts.surveys.count(survey_id, &digested);
    if !digested.unknown.is_empty()
        && let Some(newer) = parts.surveys.refresh(survey_id).await
    {
        digested = newer.digest(&document, fetched.asked_at);
    }
    Ok(digested)
}

/// Writes the outcome. While the database is away it is tried again for as long as the lease is ours: what was read
/// need not be read again.
async fn settle(pipeline: &Pipeline, lease: &Lease, mut digested: Digested, holding: &Holding) {
    let parts = &pipeline.parts;
    lifecycle::crash_point("mapped");
    loop {
        match parts.store.finish(lease, digested.outcome.clone()).await {
            Ok(finished) => return report(pipeline, lease, &digested, finished),
            Err(error) if !error.is_transient() => digested.outcome = refused(&error),
            // Its own table is missing, or takes no rows: it waits in the inbox, with the reason. Here it would keep a
            // worker from other surveys' events.
            Err(error)
                if error.concerns_one_write() && matches!(digested.outcome, Outcome::Row(_)) =>
            {
                if error.is_missing_table() {
                    parts.surveys.forget(&lease.event().survey_id);
                }
                digested.outcome = Failure::Survey(error.into()).outcome(lease);
            }
            Err(error) => {
                tracing::debug!(%error, "an outcome could not be written yet");
                tokio::select! {
                    biased;
                    () = tokio::time::sleep(FINISH_AGAIN_AFTER) => {}
                    () = holding.lost() => {
                        parts.metrics.event(EventOutcome::LeaseLost);
                        return;
                    }
                    // The lease runs out by itself, and the event is claimed after the restart.
                    () = parts.life.aborting().cancelled() => return,
                }
            }
        }
    }
}

fn refused(error: &StoreError) -> Outcome {
    Outcome::Dead(Reason::new(error.code(), error.to_string()))
}

fn report(pipeline: &Pipeline, lease: &Lease, digested: &Digested, finished: Finished) {
    let (metrics, event) = (&pipeline.parts.metrics, lease.event());
    let (survey, response, attempt) = (&event.survey_id, &event.response_id, lease.attempt());
    match (finished, &digested.outcome) {
        (Finished::Committed(change), _) => {
            lifecycle::crash_point("finished");
            metrics.event(EventOutcome::Row);
            metrics.row_committed(survey, 1);
            metrics.event_became_row(event, &change, digested.recorded_at);
            tracing::debug!(%survey, %response, attempt, position = change.position, "row committed");
            pipeline.parts.changes.publish();
        }
        (Finished::LeaseLost, _) => metrics.event(EventOutcome::LeaseLost),
        (Finished::Superseded | Finished::Erased, _) => metrics.event(EventOutcome::Skipped),
        (Finished::Settled, Outcome::Retry { after, reason }) => {
            metrics.event(EventOutcome::Retried);
            let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
            tracing::debug!(%survey, %response, attempt, after_ms, %reason, "tried again later: {reason}");
        }
        (Finished::Settled, Outcome::Dead(reason)) => {
            metrics.event(EventOutcome::Dead);
            tracing::info!(%survey, %response, attempt, code = reason.code, %reason, "event given up: {reason}; `inbox retry` revives it");
        }
        (Finished::Settled, Outcome::Skip(_) | Outcome::Row(_)) => {
            metrics.event(EventOutcome::Skipped)
        }
    }
}
