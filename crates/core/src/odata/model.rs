//! What is served: entity sets and their properties, stored and computed.

use std::sync::Arc;

use bigdecimal::BigDecimal;
use jiff::tz::TimeZone;

use crate::id::SurveyId;
use crate::row::{ColumnName, ColumnType, TableName};

/// All entity sets, in the order in which the service document lists them.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// The schema's namespace in `$metadata`.
    pub namespace: String,
    /// The entity sets.
    pub sets: Vec<Arc<EntitySet>>,
}

impl Model {
    /// The entity set of that name; names are case-sensitive.
    #[must_use]
    pub fn set(&self, name: &str) -> Option<&Arc<EntitySet>> {
        self.sets.iter().find(|set| set.name == name)
    }

    /// The entity set that serves the survey's rows.
    #[must_use]
    pub fn survey(&self, id: &SurveyId) -> Option<&Arc<EntitySet>> {
        self.sets
            .iter()
            .find(|set| matches!(&set.kind, SetKind::Survey(survey) if survey == id))
    }
}

/// What the rows of an entity set are, which decides who sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetKind {
    /// Responses to a survey: the viewer's access rule filters them.
    Survey(SurveyId),
    /// Rows about surveys, not responses (`Surveys`, `Questions`): seen where the rule opens the survey that the named
    /// property holds the id of.
    AboutSurveys {
        /// The column with the survey's id.
        survey_column: ColumnName,
    },
}

/// Where the rows of an entity set come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A table of the database.
    Table(TableName),
    /// The rows that the service computes and hands over with each query (`Surveys`), in the order of the stored
    /// properties. The database evaluates the query over them as it does over a table, so there is one meaning.
    Values,
}

/// One entity set.
#[derive(Debug, Clone, PartialEq)]
pub struct EntitySet {
    /// Its name in URLs.
    pub name: String,
    /// Whose rows they are.
    pub kind: SetKind,
    /// Where they are.
    pub source: Source,
    /// Stored properties first, then the computed ones.
    pub properties: Vec<Property>,
    /// Of `RecordedDay`, `RecordedWeek`, `RecordedMonth`.
    pub time_zone: TimeZone,
}

/// A property and how its value is had.
#[derive(Debug, Clone, PartialEq)]
pub struct Property {
    /// Its name in OData.
    pub name: String,
    /// Its type.
    pub kind: ColumnType,
    /// False where the column is NOT NULL.
    pub nullable: bool,
    /// Whether it is (part of) the key.
    pub key: bool,
    /// The question's text.
    pub label: Option<String>,
    /// Where the value comes from.
    pub value: PropertyValue,
}

/// Where a property's value comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum PropertyValue {
    /// A column; the number configured as `missing` reads as null.
    Column {
        /// The column.
        column: ColumnName,
        /// What empty cells were filled with.
        missing: Option<BigDecimal>,
    },
    /// The choice's text for the recode that the column holds.
    Label {
        /// The column with the recode.
        column: ColumnName,
        /// That column's type.
        kind: ColumnType,
        /// The question's choices.
        choices: Vec<Choice>,
    },
    /// 100 for promoters (9, 10), 0 for passives (7, 8), −100 for detractors (0 to 6): its average is the NPS.
    Nps {
        /// The column with the answer from 0 to 10.
        column: ColumnName,
    },
    /// The day, week or month of `RECORDEDDATE` in the set's time zone.
    Recorded(Period),
}

/// A calendar unit, named by its first day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// The day itself.
    Day,
    /// The week's Monday.
    Week,
    /// The month's first day.
    Month,
}

/// One choice of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What the column holds where it was chosen, as text.
    pub recode: String,
    /// What the respondent read.
    pub label: String,
}

/// A column as the service knows it from table and codebook; [`EntitySet::new`] makes properties of it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredProperty {
    /// Its name in OData.
    pub name: String,
    /// The column.
    pub column: ColumnName,
    /// The column's type.
    pub kind: ColumnType,
    /// False where the column is NOT NULL.
    pub nullable: bool,
    /// Whether it is (part of) the key.
    pub key: bool,
    /// The question's text.
    pub label: Option<String>,
    /// The number configured as missing: null in OData.
    pub missing: Option<BigDecimal>,
    /// The choices of a choice question; empty for others.
    pub choices: Vec<Choice>,
    /// Whether the question is an NPS question.
    pub is_nps: bool,
}

impl EntitySet {
    /// An entity set with the computed properties that its columns allow. A computed property whose name a column
    /// already has is left out.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        kind: SetKind,
        source: Source,
        stored: Vec<StoredProperty>,
        time_zone: TimeZone,
    ) -> Self {
        let computed: Vec<Property> = stored
            .iter()
            .flat_map(|column| [label_of(column), nps_of(column)])
            .flatten()
            .chain(recorded_of(&stored))
            .filter(|computed| stored.iter().all(|column| column.name != computed.name))
            .collect();
        let properties = stored
            .into_iter()
            .map(Property::from)
            .chain(computed)
            .collect();
        Self {
            name: name.into(),
            kind,
            source,
            properties,
            time_zone,
        }
    }

    /// The property of that name; names are case-sensitive.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&Property> {
        self.properties
            .iter()
            .find(|property| property.name == name)
    }

    /// The properties that make up the key, in order.
    pub fn key(&self) -> impl Iterator<Item = &Property> {
        self.properties.iter().filter(|property| property.key)
    }

    /// Whether rows know when they were recorded.
    #[must_use]
    pub fn has_recorded_date(&self) -> bool {
        self.recorded_date().is_some()
    }

    /// The property over `RECORDEDDATE`.
    #[must_use]
    pub fn recorded_date(&self) -> Option<&Property> {
        self.properties.iter().find(|property| {
            property.column().is_some_and(is_recorded_date)
                && property.kind == ColumnType::Timestamp
        })
    }
}

impl Property {
    /// Whether the property is computed: read on request, left out of plain lists.
    #[must_use]
    pub fn is_computed(&self) -> bool {
        self.column().is_none()
    }

    /// The column of a stored property.
    #[must_use]
    pub fn column(&self) -> Option<&ColumnName> {
        match &self.value {
            PropertyValue::Column { column, .. } => Some(column),
            PropertyValue::Label { .. }
            | PropertyValue::Nps { .. }
            | PropertyValue::Recorded(_) => None,
        }
    }
}

impl From<StoredProperty> for Property {
    fn from(stored: StoredProperty) -> Self {
        Self {
            name: stored.name,
            kind: stored.kind,
            nullable: stored.nullable || stored.missing.is_some(),
            key: stored.key,
            label: stored.label,
            value: PropertyValue::Column {
                column: stored.column,
                missing: stored.missing.filter(|_| is_number(stored.kind)),
            },
        }
    }
}

fn is_number(kind: ColumnType) -> bool {
    matches!(
        kind,
        ColumnType::Integer | ColumnType::BigInt | ColumnType::Double | ColumnType::Decimal { .. }
    )
}

fn is_recorded_date(column: &ColumnName) -> bool {
    column.as_ref() == ColumnName::RECORDED_DATE
}

fn label_of(stored: &StoredProperty) -> Option<Property> {
    let length = stored
        .choices
        .iter()
        .map(|choice| choice.label.encode_utf16().count())
        .max()?;
    Some(Property {
        name: format!("{}_Label", stored.name),
        kind: ColumnType::NVarchar(u32::try_from(length).unwrap_or(u32::MAX).clamp(1, 5000)),
        nullable: true,
        key: false,
        label: stored.label.clone(),
        value: PropertyValue::Label {
            column: stored.column.clone(),
            kind: stored.kind,
            choices: stored.choices.clone(),
        },
    })
}

fn nps_of(stored: &StoredProperty) -> Option<Property> {
    (stored.is_nps && is_number(stored.kind)).then(|| Property {
        name: format!("{}_NPS", stored.name),
        kind: ColumnType::Integer,
        nullable: true,
        key: false,
        label: stored.label.clone(),
        value: PropertyValue::Nps {
            column: stored.column.clone(),
        },
    })
}

fn recorded_of(stored: &[StoredProperty]) -> Vec<Property> {
    let recorded = stored
        .iter()
        .any(|column| is_recorded_date(&column.column) && column.kind == ColumnType::Timestamp);
    if !recorded {
        return Vec::new();
    }
    [
        ("RecordedDay", Period::Day),
        ("RecordedWeek", Period::Week),
        ("RecordedMonth", Period::Month),
    ]
    .map(|(name, period)| Property {
        name: name.to_owned(),
        kind: ColumnType::Date,
        nullable: true,
        key: false,
        label: None,
        value: PropertyValue::Recorded(period),
    })
    .into()
}
