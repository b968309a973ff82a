//! What is served over OData: an entity set for each survey whose map is known, and two about surveys.
//!
//! The model is made again when a survey's map changes; whether it did is a look at one pointer per survey.

use std::sync::{Arc, PoisonError, RwLock};

use ingester_core::id::SurveyId;
use ingester_core::mapping::CodebookEntry;
use ingester_core::odata::{Choice, EntitySet, Model, SetKind, Source, StoredProperty};
use ingester_core::row::{Column, ColumnName, ColumnType, NameError, TableName};
use jiff::tz::TimeZone;

use crate::surveys::{CompiledSurvey, Surveys};

/// The schema's namespace in `$metadata`.
const NAMESPACE: &str = "FeedbackService";

/// The model as it is now. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Models {
    surveys: Surveys,
    time_zone: TimeZone,
    current: Arc<RwLock<Arc<Served>>>,
}

/// One state of the model, with the maps that it was made from.
#[derive(Debug)]
pub struct Served {
    /// The entity sets.
    pub model: Model,
    compiled: Vec<Arc<CompiledSurvey>>,
}

impl Models {
    /// No survey served yet. Days, weeks and months are those of the time zone.
    #[must_use]
    pub fn new(surveys: Surveys, time_zone: TimeZone) -> Self {
        let none = Served::new(Vec::new(), &time_zone);
        Self {
            surveys,
            time_zone,
            current: Arc::new(RwLock::new(Arc::new(none))),
        }
    }

    /// What is served now.
    #[must_use]
    pub fn current(&self) -> Arc<Served> {
        let current = self
            .current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let ids = self.surveys.ids();
        let known = || ids.iter().filter_map(|id| self.surveys.known(id));
        let is_current = known().count() == current.compiled.len()
            && known()
                .zip(&current.compiled)
                .all(|(known, made_from)| Arc::ptr_eq(&known, made_from));
        if is_current {
            return current;
        }
        let made = Arc::new(Served::new(known().collect(), &self.time_zone));
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = made.clone();
        made
    }
}

impl Served {
    fn new(compiled: Vec<Arc<CompiledSurvey>>, time_zone: &TimeZone) -> Self {
        let surveys = compiled.iter().map(|survey| survey_set(survey, time_zone));
        let about = [surveys_set(), questions_set()];
        Self {
            model: Model {
                namespace: NAMESPACE.to_owned(),
                // The names are fixed and fit; nothing is left out here.
                sets: surveys
                    .chain(about.into_iter().flatten())
                    .map(Arc::new)
                    .collect(),
            },
            compiled,
        }
    }

    /// The survey's map that the model was made from.
    #[must_use]
    pub fn survey(&self, id: &SurveyId) -> Option<&Arc<CompiledSurvey>> {
        self.compiled
            .iter()
            .find(|survey| survey.settings.id == *id)
    }

    /// The surveys that are served, in the configuration's order.
    pub fn surveys(&self) -> impl Iterator<Item = &Arc<CompiledSurvey>> {
        self.compiled.iter()
    }
}

fn survey_set(survey: &CompiledSurvey, time_zone: &TimeZone) -> EntitySet {
    let table = survey.map.table();
    let key = table.key_index();
    let columns = table.columns.iter().zip(survey.map.codebook()).enumerate();
    let stored =
        columns.map(|(index, (column, entry))| property(survey, column, entry, key == Some(index)));
    EntitySet::new(
        survey.settings.name.clone(),
        SetKind::Survey(survey.settings.id.clone()),
        Source::Table(table.name.clone()),
        stored.collect(),
        time_zone.clone(),
    )
}

fn property(
    survey: &CompiledSurvey,
    column: &Column,
    entry: &CodebookEntry,
    key: bool,
) -> StoredProperty {
    let choices = entry.choices.iter().map(|choice| Choice {
        recode: choice.recode.clone(),
        label: choice.label.clone(),
    });
    StoredProperty {
        name: column.property.clone(),
        column: column.name.clone(),
        kind: column.kind,
        nullable: column.nullable && !key,
        key,
        label: (!entry.text.is_empty()).then(|| entry.text.clone()),
        missing: survey.settings.missing_number.clone(),
        choices: choices.collect(),
        is_nps: entry.kind == NPS,
    }
}

/// The codebook's word for the group of an NPS question.
const NPS: &str = "nps";

/// `Surveys`: how fresh and how complete each survey is. Its rows are computed with each query, see
/// `http::surveys_set`.
fn surveys_set() -> Result<EntitySet, NameError> {
    let stored = [
        ("SurveyId", "SURVEY_ID", ColumnType::NVarchar(18)),
        ("Name", "NAME", ColumnType::NVarchar(500)),
        ("EntitySet", "ENTITY_SET", ColumnType::NVarchar(128)),
        ("Rows", "ROWS_VISIBLE", ColumnType::BigInt),
        ("LastResponseAt", "LAST_RESPONSE_AT", ColumnType::Timestamp),
        ("LastRowAt", "LAST_ROW_AT", ColumnType::Timestamp),
        ("PendingEvents", "PENDING_EVENTS", ColumnType::BigInt),
        ("DeadEvents", "DEAD_EVENTS", ColumnType::BigInt),
        (
            "OldestPendingSeconds",
            "OLDEST_PENDING_SECONDS",
            ColumnType::BigInt,
        ),
        ("EventToRowP50Ms", "EVENT_TO_ROW_P50_MS", ColumnType::BigInt),
        ("EventToRowP99Ms", "EVENT_TO_ROW_P99_MS", ColumnType::BigInt),
        ("CompleteUpTo", "COMPLETE_UP_TO", ColumnType::Timestamp),
        ("HistoryLoaded", "HISTORY_LOADED", ColumnType::Integer),
        ("InQualtrics", "IN_QUALTRICS", ColumnType::BigInt),
        ("Skipped", "SKIPPED", ColumnType::BigInt),
        ("Erased", "ERASED", ColumnType::BigInt),
        ("Missing", "MISSING", ColumnType::BigInt),
        ("Subscription", "SUBSCRIPTION", ColumnType::NVarchar(12)),
    ];
    about_surveys("Surveys", Source::Values, &stored, &["SurveyId"])
}

/// `Questions`: the codebook, so that a card can name a question by its text.
fn questions_set() -> Result<EntitySet, NameError> {
    let stored = [
        ("SurveyId", "SURVEY_ID", ColumnType::NVarchar(18)),
        ("Column", "COLUMN_NAME", ColumnType::NVarchar(127)),
        ("Property", "PROPERTY", ColumnType::NVarchar(127)),
        ("Tag", "TAG", ColumnType::NVarchar(500)),
        ("Key", "QUESTION_KEY", ColumnType::NVarchar(500)),
        ("Text", "TEXT", ColumnType::NVarchar(5000)),
        ("Type", "TYPE", ColumnType::NVarchar(100)),
        ("Choices", "CHOICES", ColumnType::NClob),
    ];
    let table: TableName = "QUALTRICS_QUESTIONS".parse()?;
    about_surveys(
        "Questions",
        Source::Table(table),
        &stored,
        &["SurveyId", "Column"],
    )
}

fn about_surveys(
    name: &str,
    source: Source,
    stored: &[(&str, &str, ColumnType)],
    keys: &[&str],
) -> Result<EntitySet, NameError> {
    let properties = stored.iter().map(|(name, column, kind)| {
        let key = keys.contains(name);
        Ok(StoredProperty {
            name: (*name).to_owned(),
            column: column.parse()?,
            kind: *kind,
            nullable: !key,
            key,
            label: None,
            missing: None,
            choices: Vec::new(),
            is_nps: false,
        })
    });
    let survey_column: ColumnName = "SURVEY_ID".parse()?;
    let kind = SetKind::AboutSurveys { survey_column };
    let properties = properties.collect::<Result<_, NameError>>()?;
    Ok(EntitySet::new(
        name,
        kind,
        source,
        properties,
        TimeZone::UTC,
    ))
}
