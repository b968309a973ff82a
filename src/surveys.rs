//! The configured surveys and how their responses become rows.
//!
//! A definition is fetched once for all who wait for it, kept in the database, and used from there after a restart:
//! with a known definition rows are written even while definition requests fail. A table is created as soon as the
//! definition is known; an existing one is used as it is.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use ingester_core::id::SurveyId;
use ingester_core::inbox::{self, Outcome, RawDocument, Reason};
use ingester_core::mapping::{
    CodebookEntry, ColumnMap, MapNote, MapOptions, Mapped, PseudonymKey, ResponseDocument,
};
use ingester_core::row::{Cell, ColumnName, ColumnType, Row, Table};
use ingester_core::sql::{self, Dialect};
use ingester_core::survey::SurveyDefinition;
use ingester_core::time::Timestamp;
use tokio::sync::Mutex;

use crate::config;
use crate::qualtrics::Qualtrics;
use crate::store::{Store, StoreError};
use crate::telemetry::metrics::Metrics;

mod error;
mod fit;
mod loading;

pub use error::SurveyError;
use loading::Loading;

/// The configured surveys. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Surveys(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    ids: Arc<[SurveyId]>,
    surveys: HashMap<SurveyId, Survey>,
    store: Store,
    qualtrics: Qualtrics,
    metrics: Metrics,
    pseudonym_key: Option<PseudonymKey>,
}

#[derive(Debug)]
struct Survey {
    settings: config::Survey,
    compiled: RwLock<Option<Arc<CompiledSurvey>>>,
    /// Whoever holds this asks for the definition; the others wait for what comes of it.
    loading: Mutex<Loading>,
}

/// One survey with its definition, ready to turn documents into rows.
#[derive(Debug)]
pub struct CompiledSurvey {
    /// Its settings.
    pub settings: config::Survey,
    /// As Qualtrics describes it.
    pub definition: SurveyDefinition,
    /// [`SurveyDefinition::version`] of it.
    pub version: String,
    /// Fitted to the table as it is.
    pub map: ColumnMap,
    /// The table as it is, shared by all rows.
    pub table: Arc<Table>,
    /// Columns that the definition gives and the table lacks.
    pub missing: Vec<ColumnName>,
    /// What changed against the codebook as it was.
    pub notes: Vec<MapNote>,
    pseudonym_key: Option<PseudonymKey>,
    dialect: Dialect,
}

/// What a document came to.
#[derive(Debug)]
pub struct Digested {
    /// Row, skip or dead.
    pub outcome: Outcome,
    /// The document's recorded date.
    pub recorded_at: Option<Timestamp>,
    /// Keys that the definition does not have.
    pub unknown: Vec<String>,
    /// How many texts were cut.
    pub truncated: usize,
}

impl CompiledSurvey {
    /// What stands for a value under `pseudonymize`, if there is a key for it.
    #[must_use]
    pub fn pseudonym(&self, value: &str) -> Option<String> {
        let key = self.pseudonym_key.as_ref()?;
        Some(key.pseudonym(value))
    }

    /// Turns a document into a row, or into the reason why it is none. The only way to a row: single reads, bursts,
    /// backfill and reconcile all come through here.
    #[must_use]
    pub fn digest(&self, document: &ResponseDocument, asked_at: Timestamp) -> Digested {
        let dead = |code, message: String| Digested {
            outcome: Outcome::Dead(Reason::new(code, message)),
            recorded_at: document.recorded_at(),
            unknown: Vec::new(),
            truncated: 0,
        };
        let redacted = match self.map.redact(document, self.pseudonym_key.as_ref()) {
            Ok(redacted) => redacted,
            Err(error) => return dead(error.code(), error.to_string()),
        };
        match self.map.map(&redacted) {
            Err(error) => dead(error.code(), error.to_string()),
            Ok(Mapped::Skip(reason)) => Digested {
                outcome: Outcome::Skip(Reason::new(reason.code(), "not kept as a row")),
                recorded_at: document.recorded_at(),
                unknown: Vec::new(),
                truncated: 0,
            },
            Ok(Mapped::Row {
                row,
                recorded_at,
                unknown,
                truncated,
            }) => match self.inexact(&row) {
                // A REAL would hold another number: rather no row than a wrong one.
                Some(column) => dead(
                    "decimal-precision",
                    format!("column {column}: SQLite holds no more than 15 significant digits"),
                ),
                None => Digested {
                    outcome: Outcome::Row(Arc::new(self.mapped(
                        row,
                        recorded_at,
                        asked_at,
                        &redacted,
                    ))),
                    recorded_at,
                    unknown,
                    truncated: truncated.len(),
                },
            },
        }
    }

    fn mapped(
        &self,
        row: Row,
        recorded_at: Option<Timestamp>,
        asked_at: Timestamp,
        redacted: &ResponseDocument,
    ) -> inbox::Mapped {
        inbox::Mapped {
            table: self.table.clone(),
            row,
            raw: RawDocument {
                recorded_at,
                asked_at,
                digest: redacted.digest(),
                document: self
                    .settings
                    .keep_raw
                    .then(|| redacted.as_json().to_owned()),
            },
        }
    }

    /// The column whose decimal the embedded store would round; HANA holds them all.
    fn inexact(&self, row: &Row) -> Option<&ColumnName> {
        let cells = row.0.iter().zip(&self.table.columns);
        cells
            .filter(|(cell, _)| self.dialect == Dialect::Sqlite && !cell.is_exact_in_sqlite())
            .map(|(_, column)| &column.name)
            .next()
    }
}

impl Surveys {
    /// The configured surveys, none compiled yet.
    #[must_use]
    pub fn new(
        surveys: Vec<config::Survey>,
        store: Store,
        qualtrics: Qualtrics,
        metrics: Metrics,
        pseudonym_key: Option<PseudonymKey>,
    ) -> Self {
        Self(Arc::new(Inner {
            ids: surveys.iter().map(|survey| survey.id.clone()).collect(),
            surveys: surveys
                .into_iter()
                .map(|settings| {
                    let survey = Survey {
                        settings,
                        compiled: RwLock::default(),
                        loading: Mutex::default(),
                    };
                    (survey.settings.id.clone(), survey)
                })
                .collect(),
            store,
            qualtrics,
            metrics,
            pseudonym_key,
        }))
    }

    /// The configured ids, in the configuration's order.
    #[must_use]
    pub fn ids(&self) -> Arc<[SurveyId]> {
        self.0.ids.clone()
    }

    /// A survey's settings, if it is configured.
    #[must_use]
    pub fn get(&self, survey: &SurveyId) -> Option<&config::Survey> {
        self.0.surveys.get(survey).map(|survey| &survey.settings)
    }

    /// A survey's map if it is known already.
    #[must_use]
    pub fn known(&self, survey: &SurveyId) -> Option<Arc<CompiledSurvey>> {
        self.0.surveys.get(survey)?.known()
    }

    /// A survey's map; if it is not known yet, from the database or from Qualtrics, once for all who wait.
    ///
    /// # Errors
    /// If the definition can't be had, or the table can't be made or used.
    pub async fn compiled(&self, survey: &SurveyId) -> Result<Arc<CompiledSurvey>, SurveyError> {
        let survey = self
            .0
            .surveys
            .get(survey)
            .ok_or(SurveyError::NotConfigured)?;
        if let Some(compiled) = survey.known() {
            return Ok(compiled);
        }
        let mut loading = survey.loading.lock().await;
        if let Some(compiled) = survey.known() {
            return Ok(compiled);
        }
        if let Some(error) = loading.recent_failure() {
            return Err(error);
        }
        let result = match self.kept(&survey.settings.id).await {
            Ok(Some(definition)) => self.fit(survey, definition, &mut loading).await,
            Ok(None) => self.fetch(survey, &mut loading).await,
            Err(error) => Err(error),
        };
        if let Err(error) = &result {
            loading.failed(&survey.settings.id, error);
        }
        result
    }

    /// Asks for the definition again because a document has keys that it does not know, at most once a minute. Answers
    /// the new map if the definition changed.
    pub async fn refresh(&self, survey: &SurveyId) -> Option<Arc<CompiledSurvey>> {
        let survey = self.0.surveys.get(survey)?;
        let before = survey.known().map(|compiled| compiled.version.clone());
        let mut loading = survey.loading.lock().await;
        let now = survey.known();
        if now.as_ref().map(|compiled| &compiled.version) != before.as_ref() {
            return now;
        }
        if !loading.may_refresh() {
            return None;
        }
        match self.fetch(survey, &mut loading).await {
            Ok(compiled) => (Some(&compiled.version) != before.as_ref()).then_some(compiled),
            Err(error) => {
                tracing::warn!(survey = %survey.settings.id, %error, "the definition of {} could not be refreshed: {error}", survey.settings.id);
                None
            }
        }
    }

    /// Forgets a survey's map: its table is not what it was.
    pub fn forget(&self, survey: &SurveyId) {
        if let Some(survey) = self.0.surveys.get(survey) {
            *survey
                .compiled
                .write()
                .unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    /// Counts what a document's digest is worth noticing.
    pub fn count(&self, survey: &SurveyId, digested: &Digested) {
        let number = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
        self.count_many(
            survey,
            number(digested.unknown.len()),
            number(digested.truncated),
        );
    }

    /// The same for many documents: keys that the definition does not have, and texts that were cut.
    pub fn count_many(&self, survey: &SurveyId, unknown: u64, truncated: u64) {
        if unknown > 0 {
            self.0.metrics.unknown_keys(survey, unknown);
        }
        if truncated > 0 {
            self.0.metrics.cells_truncated(survey, truncated);
        }
    }
}

impl Survey {
    fn known(&self) -> Option<Arc<CompiledSurvey>> {
        self.compiled
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// What the settings of a survey mean for its rows.
#[must_use]
pub fn map_options(settings: &config::Survey) -> MapOptions {
    MapOptions {
        table: settings.table.clone(),
        columns: settings.columns.clone(),
        missing_number: settings.missing_number.clone(),
        missing_text: settings.missing_text.clone(),
        labels: settings.labels,
        pseudonymize: settings.pseudonymize.clone(),
        previews: settings.previews,
        score: settings.score.clone(),
        comments: settings.comments.clone(),
    }
}

/// A survey's codebook as the database keeps it. Lines that can't be read are as good as absent.
///
/// # Errors
/// If the database can't be read.
pub async fn codebook(store: &Store, survey: &SurveyId) -> Result<Vec<CodebookEntry>, StoreError> {
    const KINDS: [ColumnType; 7] = [
        ColumnType::NVarchar(127),
        ColumnType::NVarchar(127),
        ColumnType::NVarchar(500),
        ColumnType::NVarchar(500),
        ColumnType::NVarchar(5000),
        ColumnType::NVarchar(100),
        ColumnType::NClob,
    ];
    let text = |cell: &Cell| match cell {
        Cell::Text(text) => text.clone(),
        _ => String::new(),
    };
    let rows = store.rows(sql::surveys::questions(survey), &KINDS).await?;
    Ok(rows
        .iter()
        .filter_map(|row| match &**row {
            [column, property, tag, key, question, kind, choices] => CodebookEntry::from_stored(
                text(column).parse().ok()?,
                text(property),
                text(tag),
                &text(key),
                text(question),
                text(kind),
                &text(choices),
            )
            .ok(),
            _ => None,
        })
        .collect())
}
