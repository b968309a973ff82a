//! How complete each survey is, for whoever serves figures: `Surveys`, metrics, readiness, the live page.
//!
//! Everything is kept in the database, so that every instance says the same and a restart forgets nothing; this is what
//! was read of it last.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ingester_core::id::SurveyId;
use ingester_core::row::{Cell, ColumnType};
use ingester_core::sql;
use ingester_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{backfill, history, reconcile, silence, subscriptions};
use crate::lifecycle;
use crate::store::{Store, StoreError};
use crate::telemetry::metrics::Metrics;

/// Where the responses of a survey are that Qualtrics has: each in one of these places.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Balance {
    /// All of them, those left out by `history` not counted.
    pub in_qualtrics: u64,
    /// With a row here.
    pub rows: u64,
    /// Waiting in the inbox.
    pub pending: u64,
    /// Given up; the inbox says why.
    pub dead: u64,
    /// Previews, tests, unfinished ones.
    pub skipped: u64,
    /// Erased here.
    pub erased: u64,
    /// Nowhere here.
    pub missing: u64,
}

impl std::ops::AddAssign for Balance {
    fn add_assign(&mut self, other: Self) {
        self.in_qualtrics += other.in_qualtrics;
        self.rows += other.rows;
        self.pending += other.pending;
        self.dead += other.dead;
        self.skipped += other.skipped;
        self.erased += other.erased;
        self.missing += other.missing;
    }
}

impl Balance {
    /// Whether every response is accounted for.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        self.in_qualtrics
            == self.rows + self.pending + self.dead + self.skipped + self.erased + self.missing
    }
}

/// Whether callbacks come; `Surveys.Subscription`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Callbacks {
    /// The subscription is there and ours.
    Ok,
    /// Nothing calls us.
    Missing,
    /// Something calls us, with another key.
    ForeignKey,
    /// Responses go on, callbacks don't.
    Silent,
    /// `EVENTS=off`.
    Off,
    /// Nobody has looked.
    #[default]
    Unknown,
}

impl Callbacks {
    /// As `Surveys.Subscription` says it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Missing => "missing",
            Self::ForeignKey => "foreign_key",
            Self::Silent => "silent",
            Self::Off => "off",
            Self::Unknown => "unknown",
        }
    }

    fn read(text: &str) -> Self {
        match text {
            "ok" => Self::Ok,
            "missing" => Self::Missing,
            "foreign_key" => Self::ForeignKey,
            _ => Self::Unknown,
        }
    }
}

/// How complete one survey is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SurveyStatus {
    /// The watermark: every change at Qualtrics up to this instant is here.
    pub complete_up_to: Option<Timestamp>,
    /// How much of `history` is loaded, in percent.
    pub history_loaded: u8,
    /// Where the responses are, as counted last.
    pub balance: Option<Balance>,
    /// When they were counted.
    pub counted_at: Option<Timestamp>,
    /// Rows here whose responses are not at Qualtrics any more; `reconcile --delete` removes them.
    pub deleted: u64,
    /// Whether callbacks come.
    pub callbacks: Callbacks,
    /// Since when they don't, if responses go on without them.
    pub silent_since: Option<Timestamp>,
}

/// The status of every configured survey. Cheap to clone; clones share it.
#[derive(Debug, Clone)]
pub struct Status(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    surveys: RwLock<HashMap<SurveyId, SurveyStatus>>,
    /// `EVENTS`.
    events: bool,
    metrics: Metrics,
}

impl Status {
    /// Nothing known yet. `events` is false for `EVENTS=off`.
    #[must_use]
    pub fn new(events: bool, metrics: Metrics) -> Self {
        Self(Arc::new(Inner {
            surveys: RwLock::default(),
            events,
            metrics,
        }))
    }

    /// What was last read of a survey.
    #[must_use]
    pub fn of(&self, survey: &SurveyId) -> SurveyStatus {
        let surveys = self.0.surveys.read();
        surveys
            .unwrap_or_else(PoisonError::into_inner)
            .get(survey)
            .copied()
            .unwrap_or_default()
    }

    /// Whether anybody is to call us at all.
    #[must_use]
    pub fn expects_callbacks(&self) -> bool {
        self.0.events
    }

    /// Reads it anew, and shows it in the metrics.
    ///
    /// # Errors
    /// If the database can't be read; then the last one stands.
    pub async fn refresh(&self, store: &Store, surveys: &[SurveyId]) -> Result<(), StoreError> {
        let marks = watermarks(store).await?;
        let loading = states(store, backfill::ALL).await?;
        let loaded = states(store, history::JOB).await?;
        let reconciled = states(store, reconcile::JOB).await?;
        let silent = states(store, silence::JOB).await?;
        let subscribed = subscriptions::states(store).await?;
        let mut read = HashMap::new();
        for survey in surveys {
            let last: Option<reconcile::State> = reconciled
                .get(survey.as_ref())
                .and_then(|state| serde_json::from_value(state.clone()).ok());
            let silent_since = silent
                .get(survey.as_ref())
                .and_then(|state| state.get("since")?.as_str()?.parse().ok());
            let subscription = subscribed
                .iter()
                .find(|(found, _)| found == survey)
                .map_or(Callbacks::Unknown, |(_, state)| Callbacks::read(state));
            let status = SurveyStatus {
                complete_up_to: marks.get(survey).copied(),
                history_loaded: history::percent(
                    loaded.get(survey.as_ref()),
                    loading.get(survey.as_ref()),
                ),
                balance: last.as_ref().and_then(|last| last.balance),
                counted_at: last.as_ref().and_then(|last| last.swept_at),
                deleted: last.as_ref().map_or(0, |last| last.deleted),
                callbacks: match silent_since {
                    _ if !self.0.events => Callbacks::Off,
                    Some(_) => Callbacks::Silent,
                    None => subscription,
                },
                silent_since,
            };
            self.show(survey, &status);
            if let Some(committed_at) = newest_row(store, survey).await? {
                let age = lifecycle::now().duration_since(committed_at);
                let age = Duration::try_from(age).unwrap_or_default();
                self.0.metrics.freshness(survey, age);
            }
            read.insert(survey.clone(), status);
        }
        *self
            .0
            .surveys
            .write()
            .unwrap_or_else(PoisonError::into_inner) = read;
        Ok(())
    }

    fn show(&self, survey: &SurveyId, status: &SurveyStatus) {
        let metrics = &self.0.metrics;
        if let Some(watermark) = status.complete_up_to {
            metrics.complete_up_to(survey, watermark);
        }
        if let Some(balance) = status.balance {
            let missing = i64::try_from(balance.missing).unwrap_or(i64::MAX);
            metrics.reconcile_missing(survey, missing);
        }
        match status.callbacks {
            Callbacks::Ok => metrics.subscription_up(survey, true),
            Callbacks::Missing | Callbacks::ForeignKey | Callbacks::Silent => {
                metrics.subscription_up(survey, false);
            }
            Callbacks::Off | Callbacks::Unknown => {}
        }
    }
}

async fn watermarks(store: &Store) -> Result<HashMap<SurveyId, Timestamp>, StoreError> {
    const KINDS: [ColumnType; 4] = [
        ColumnType::NVarchar(18),
        ColumnType::NVarchar(100),
        ColumnType::NVarchar(64),
        ColumnType::Timestamp,
    ];
    let rows = store.rows(sql::surveys::list(), &KINDS).await?;
    let mark = |row: &[Cell]| match row {
        [Cell::Text(survey), _, _, Cell::Timestamp(watermark)] => {
            Some((survey.parse().ok()?, *watermark))
        }
        _ => None,
    };
    Ok(rows.iter().filter_map(|row| mark(row)).collect())
}

/// When the newest row was committed; the log keeps each survey's last change.
async fn newest_row(store: &Store, survey: &SurveyId) -> Result<Option<Timestamp>, StoreError> {
    const KINDS: [ColumnType; 6] = [
        ColumnType::BigInt,
        ColumnType::NVarchar(18),
        ColumnType::NVarchar(69),
        ColumnType::Timestamp,
        ColumnType::Timestamp,
        ColumnType::Timestamp,
    ];
    let newest = sql::changes::newest(Some(survey.as_ref()), 1);
    let rows = store.rows(newest, &KINDS).await?;
    Ok(rows.first().and_then(|row| match &**row {
        [.., Cell::Timestamp(committed_at)] => Some(*committed_at),
        _ => None,
    }))
}

/// The kept states of a job, by subject.
async fn states(store: &Store, job: &str) -> Result<HashMap<String, Value>, StoreError> {
    const KINDS: [ColumnType; 4] = [
        ColumnType::NVarchar(60),
        ColumnType::NVarchar(36),
        ColumnType::Timestamp,
        ColumnType::NClob,
    ];
    let rows = store.rows(sql::runs::list(job), &KINDS).await?;
    let state = |row: &[Cell]| match row {
        [Cell::Text(subject), _, _, Cell::Text(state)] => {
            Some((subject.clone(), serde_json::from_str(state).ok()?))
        }
        _ => None,
    };
    Ok(rows.iter().filter_map(|row| state(row)).collect())
}
