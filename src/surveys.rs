//! The configured surveys and how their responses become rows.
//!
//! A definition is fetched once for all who wait for it, kept in the database, and used from there after a restart:
//! with a known definition rows are written even while definition requests fail. A table is created as soon as the
//! definition is known; an existing one is used as it is.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ingester_core::id::SurveyId;
use ingester_core::inbox::{self, Outcome, RawDocument, Reason};
use ingester_core::mapping::{
    CodebookEntry, ColumnMap, MapNote, MapOptions, Mapped, PseudonymKey, ResponseDocument,
};
use ingester_core::row::{Cell, Column, ColumnName, ColumnType, Row, Table};
use ingester_core::sql::{self, Dialect};
use ingester_core::survey::{DefinitionAnswers, DefinitionError, SurveyDefinition};
use ingester_core::time::Timestamp;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::config;
use crate::qualtrics::{Qualtrics, QualtricsError};
use crate::store::{ExistingColumn, Store, StoreError};
use crate::telemetry::metrics::Metrics;

/// Unknown keys ask for the definition again, but not more often than this.
const REFRESH_AT_MOST_EVERY: Duration = Duration::from_secs(60);
/// Who waited for a definition that could not be had does not ask again at once.
const FAILURE_REMEMBERED: Duration = Duration::from_secs(2);

/// Why a survey's responses can't become rows now.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SurveyError {
    /// Not in the configuration.
    #[error("the survey is not configured: add a [[survey]] with its id to ingester.toml")]
    NotConfigured,
    /// Qualtrics does not show the definition.
    #[error("the survey's definition can't be had: {0}")]
    Unavailable(Arc<QualtricsError>),
    /// What Qualtrics shows is no definition, or a setting names what it does not have.
    #[error("{0}")]
    Definition(Arc<DefinitionError>),
    /// The database can't be asked, or refuses the table.
    #[error("{0}")]
    Store(StoreError),
    /// The table is there, but rows can't be written to it under their key.
    #[error(
        "table {table} has no primary key RESPONSEID: add it, or name another table for survey {survey}"
    )]
    NoKey {
        /// The survey.
        survey: SurveyId,
        /// Its table.
        table: String,
    },
    /// The schema belongs to another brand's deployment.
    #[error(
        "the database holds surveys of brand {kept}, not of {found}: give this deployment a schema of its own"
    )]
    OtherBrand {
        /// As it is kept.
        kept: String,
        /// As Qualtrics says.
        found: String,
    },
}

impl SurveyError {
    /// Stable code for dead letters, logs and `--output json`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotConfigured => "survey-not-configured",
            Self::Unavailable(_) => "definition-unavailable",
            Self::Definition(_) => "definition-unreadable",
            Self::Store(error) => error.code(),
            Self::NoKey { .. } => "table-without-key",
            Self::OtherBrand { .. } => "other-brand",
        }
    }
}

impl From<StoreError> for SurveyError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<QualtricsError> for SurveyError {
    fn from(error: QualtricsError) -> Self {
        Self::Unavailable(Arc::new(error))
    }
}

impl From<DefinitionError> for SurveyError {
    fn from(error: DefinitionError) -> Self {
        Self::Definition(Arc::new(error))
    }
}

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

#[derive(Debug, Default)]
struct Loading {
    refreshed: Option<Instant>,
    failed: Option<(Instant, SurveyError)>,
    /// Columns that the table lacks, as they were last reported.
    reported: Vec<ColumnName>,
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
        if let Some((at, error)) = &loading.failed
            && at.elapsed() < FAILURE_REMEMBERED
        {
            return Err(error.clone());
        }
        let result = match self.kept(&survey.settings.id).await {
            Ok(Some(definition)) => self.fit(survey, definition, &mut loading).await,
            Ok(None) => self.fetch(survey, &mut loading).await,
            Err(error) => Err(error),
        };
        if let Err(error) = &result {
            tracing::warn!(survey = %survey.settings.id, %error, "survey {} can't be mapped: {error}", survey.settings.id);
            loading.failed = Some((Instant::now(), error.clone()));
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
        if loading
            .refreshed
            .is_some_and(|at| at.elapsed() < REFRESH_AT_MOST_EVERY)
        {
            return None;
        }
        loading.refreshed = Some(Instant::now());
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

    async fn kept(&self, survey: &SurveyId) -> Result<Option<SurveyDefinition>, SurveyError> {
        const KINDS: [ColumnType; 3] = [
            ColumnType::NVarchar(100),
            ColumnType::NClob,
            ColumnType::NVarchar(64),
        ];
        let rows = self
            .0
            .store
            .rows(sql::surveys::definition(survey), &KINDS)
            .await?;
        Ok(match rows.first().map(|row| &**row) {
            // What a former version kept and this one can't read is fetched again.
            Some([_, Cell::Text(definition), _]) => SurveyDefinition::from_json(definition).ok(),
            _ => None,
        })
    }

    async fn fetch(
        &self,
        survey: &Survey,
        loading: &mut Loading,
    ) -> Result<Arc<CompiledSurvey>, SurveyError> {
        let bodies = self.0.qualtrics.definition(&survey.settings.id).await?;
        let answers = DefinitionAnswers {
            response_schema: bodies.response_schema.as_deref(),
            survey: bodies.survey.as_deref(),
            survey_definition: bodies.survey_definition.as_deref(),
        };
        let definition = SurveyDefinition::from_answers(&survey.settings.id, &answers)?;
        self.fit(survey, definition, loading).await
    }

    /// Compiles a definition, makes or reads the table, and keeps both.
    async fn fit(
        &self,
        survey: &Survey,
        definition: SurveyDefinition,
        loading: &mut Loading,
    ) -> Result<Arc<CompiledSurvey>, SurveyError> {
        let settings = &survey.settings;
        self.check_brand(&definition).await?;
        let assigned = codebook(&self.0.store, &settings.id).await?;
        let (wanted, notes) = ColumnMap::compile(&definition, &map_options(settings), &assigned)?;
        for note in &notes {
            tracing::info!(survey = %settings.id, "{note}");
        }
        let (map, missing) = self.table(settings, &wanted).await?;
        let version = definition.version();
        self.keep(settings, &definition, &version, &wanted).await?;
        if !missing.is_empty() && loading.reported != missing {
            let names: Vec<_> = missing.iter().map(ToString::to_string).collect();
            tracing::warn!(survey = %settings.id, "table {} lacks columns of survey {}, which are left out: {}; `schema apply` adds them", settings.table, settings.id, names.join(", "));
        }
        loading.reported.clone_from(&missing);
        loading.failed = None;
        let compiled = Arc::new(CompiledSurvey {
            settings: settings.clone(),
            table: Arc::new(map.table().clone()),
            definition,
            version,
            map,
            missing,
            notes,
            pseudonym_key: self.0.pseudonym_key.clone(),
            dialect: self.0.store.dialect(),
        });
        *survey
            .compiled
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Some(compiled.clone());
        Ok(compiled)
    }

    async fn check_brand(&self, definition: &SurveyDefinition) -> Result<(), SurveyError> {
        let Some(found) = definition.brand_id() else {
            return Ok(());
        };
        for kept in brands(&self.0.store).await? {
            if kept != found {
                return Err(SurveyError::OtherBrand {
                    kept,
                    found: found.to_owned(),
                });
            }
        }
        Ok(())
    }

    /// The map as the table lets it be: created if it is missing, with new columns where it may evolve.
    async fn table(
        &self,
        settings: &config::Survey,
        wanted: &ColumnMap,
    ) -> Result<(ColumnMap, Vec<ColumnName>), SurveyError> {
        let store = &self.0.store;
        let Some(existing) = store.table_columns(&settings.table).await? else {
            store.create_table(wanted.table()).await?;
            store
                .run(vec![sql::runs::put_once(
                    CREATED,
                    settings.id.as_ref(),
                    "created",
                )])
                .await?;
            tracing::info!(survey = %settings.id, "created table {}", settings.table);
            return Ok((wanted.clone(), Vec::new()));
        };
        check_key(settings, &existing)?;
        let columns: Vec<Column> = existing
            .into_iter()
            .map(|existing| existing.column)
            .collect();
        let (map, missing) = wanted.conform(&columns);
        if missing.is_empty() || !self.evolves(settings).await? {
            return Ok((map, missing));
        }
        let added: Vec<_> = wanted
            .table()
            .columns
            .iter()
            .filter(|column| missing.contains(&column.name))
            .collect();
        let statements = added
            .iter()
            .map(|column| sql::ddl::add_column(store.dialect(), &settings.table, column));
        store.run(statements.collect()).await?;
        for column in added {
            tracing::info!(survey = %settings.id, "added column {} to {}", column.name, settings.table);
        }
        let existing = store
            .table_columns(&settings.table)
            .await?
            .unwrap_or_default();
        let columns: Vec<Column> = existing
            .into_iter()
            .map(|existing| existing.column)
            .collect();
        Ok(wanted.conform(&columns))
    }

    /// New questions become columns where the configuration says so, by default only in tables that we created.
    async fn evolves(&self, settings: &config::Survey) -> Result<bool, SurveyError> {
        const KINDS: [ColumnType; 1] = [ColumnType::NVarchar(60)];
        if let Some(evolve) = settings.evolve {
            return Ok(evolve);
        }
        let created = self.0.store.rows(sql::runs::list(CREATED), &KINDS).await?;
        Ok(created
            .iter()
            .any(|row| matches!(&**row, [Cell::Text(survey)] if survey == settings.id.as_ref())))
    }

    async fn keep(
        &self,
        settings: &config::Survey,
        definition: &SurveyDefinition,
        version: &str,
        map: &ColumnMap,
    ) -> Result<(), SurveyError> {
        let mut statements = vec![
            sql::surveys::ensure(&settings.id),
            sql::surveys::define(
                &settings.id,
                definition.brand_id(),
                &definition.to_json(),
                version,
            ),
        ];
        statements.extend(map.codebook().iter().map(|entry| {
            let question = sql::surveys::Question {
                column: entry.column.to_string(),
                property: entry.property.clone(),
                tag: entry.tag.clone(),
                key: entry.question_key(),
                text: entry.text.clone(),
                kind: entry.kind.clone(),
                choices: entry.choices_json(),
            };
            sql::surveys::put_question(&settings.id, &question)
        }));
        self.0.store.run(statements).await?;
        Ok(())
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

/// The job under which `QUALTRICS_RUNS` notes that a survey's table was created by us.
const CREATED: &str = "table";

impl Survey {
    fn known(&self) -> Option<Arc<CompiledSurvey>> {
        self.compiled
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn check_key(settings: &config::Survey, existing: &[ExistingColumn]) -> Result<(), SurveyError> {
    let keys: Vec<_> = existing.iter().filter(|column| column.key).collect();
    match keys[..] {
        [key] if key.column.name.as_ref() == ColumnName::RESPONSE_ID => Ok(()),
        _ => Err(SurveyError::NoKey {
            survey: settings.id.clone(),
            table: settings.table.to_string(),
        }),
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

async fn brands(store: &Store) -> Result<Vec<String>, StoreError> {
    const KINDS: [ColumnType; 2] = [ColumnType::NVarchar(18), ColumnType::NVarchar(100)];
    let rows = store.rows(sql::surveys::list(), &KINDS).await?;
    Ok(rows
        .iter()
        .filter_map(|row| match &**row {
            [_, Cell::Text(brand)] => Some(brand.clone()),
            _ => None,
        })
        .collect())
}
