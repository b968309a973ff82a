//! What a survey asks: its definition, read from what Qualtrics says of it, in a form that can be kept.
//!
//! A [`SurveyDefinition`] lists the keys that a response's `values` may hold, in the definition's order, each with export
//! tag, type and choices. The response-schema is the first source, because it names key and tag directly; the survey's
//! questions complete it where it is silent or can't be had. Keys are what columns hang on: tags repeat and change, QIDs
//! don't. [`crate::mapping`] makes columns of it.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::id::SurveyId;
use crate::time::Timestamp;

mod answers;
mod arrangement;
mod asked;
mod column_map;
mod derive;
mod error;
mod facts;
pub(crate) mod field;
mod grid;
pub(crate) mod json;
mod lists;
pub(crate) mod metadata;
pub(crate) mod schema;
mod text;

pub use error::DefinitionError;
pub use field::{Choice, Kind};

use field::Field;

/// Qualtrics' answers about one survey, as received, with or without their envelope. One of them is enough.
#[derive(Debug, Clone, Copy, Default)]
pub struct DefinitionAnswers<'a> {
    /// `GET /surveys/{id}/response-schema`.
    pub response_schema: Option<&'a [u8]>,
    /// `GET /surveys/{id}`.
    pub survey: Option<&'a [u8]>,
    /// `GET /survey-definitions/{id}`, also `?format=qsf`; or a QSF file.
    pub survey_definition: Option<&'a [u8]>,
}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// `QID5`.
    pub id: String,
    /// Its export tag.
    pub tag: String,
    /// Its text, without markup.
    pub text: String,
    /// Type, selector and sub-selector in Qualtrics' words, such as `MC/SAVR/TX`; empty where only the schema is known.
    pub kind: String,
    /// Deleted, though its data remain.
    pub trashed: bool,
}

/// How many responses Qualtrics counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseCounts {
    /// Recorded ones, previews left out.
    pub auditable: u64,
    /// Generated test responses.
    pub generated: u64,
    /// Deleted ones.
    pub deleted: u64,
}

/// What a survey asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SurveyDefinition {
    id: SurveyId,
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    brand_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_modified: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    active: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    counts: Option<ResponseCounts>,
    questions: Vec<Question>,
    fields: Vec<Field>,
    lists: Vec<Vec<Choice>>,
    embedded: Vec<String>,
}

impl SurveyDefinition {
    /// Reads whatever was answered.
    ///
    /// # Errors
    /// When none of the answers says anything of the survey, or one is about another survey.
    pub fn from_answers(
        id: &SurveyId,
        answers: &DefinitionAnswers<'_>,
    ) -> Result<Self, DefinitionError> {
        answers::read(id, answers)
    }

    /// As it is kept in `QUALTRICS_SURVEYS.DEFINITION`: compact, and the same for the same definition.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Every key is a string and no number is a float, so this has no way to fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads what [`Self::to_json`] wrote.
    ///
    /// # Errors
    /// When it is something else.
    pub fn from_json(text: &str) -> Result<Self, DefinitionError> {
        let unreadable = |problem: String| DefinitionError::Stored { problem };
        let definition: Self =
            serde_json::from_str(text).map_err(|error| unreadable(error.to_string()))?;
        let lists = definition.lists.len();
        if definition
            .fields
            .iter()
            .any(|field| field.list.is_some_and(|list| list >= lists))
        {
            return Err(unreadable(
                "a field names a list of choices that is not there".to_owned(),
            ));
        }
        Ok(definition)
    }

    /// Changes with what responses are mapped by, and with the name; not with counts, dates and activity.
    /// 64 hex digits.
    #[must_use]
    pub fn version(&self) -> String {
        let lasting = Self {
            created: None,
            last_modified: None,
            active: None,
            counts: None,
            ..self.clone()
        };
        hex::encode(Sha256::digest(lasting.to_json()))
    }

    /// The survey.
    #[must_use]
    pub fn id(&self) -> &SurveyId {
        &self.id
    }

    /// Its title, else its id.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The brand that it belongs to.
    #[must_use]
    pub fn brand_id(&self) -> Option<&str> {
        self.brand_id.as_deref()
    }

    /// When it was created.
    #[must_use]
    pub fn created(&self) -> Option<Timestamp> {
        self.created
    }

    /// When it was last changed.
    #[must_use]
    pub fn last_modified(&self) -> Option<Timestamp> {
        self.last_modified
    }

    /// Whether it takes responses.
    #[must_use]
    pub fn is_active(&self) -> Option<bool> {
        self.active
    }

    /// How many responses Qualtrics counted when it was asked.
    #[must_use]
    pub fn response_counts(&self) -> Option<ResponseCounts> {
        self.counts
    }

    /// The fields that the flow declares. Others in a link are dropped by Qualtrics without a word.
    pub fn embedded_fields(&self) -> impl Iterator<Item = &str> {
        self.embedded.iter().map(String::as_str)
    }

    /// The questions in the flow's order, deleted ones last.
    #[must_use]
    pub fn questions(&self) -> &[Question] {
        &self.questions
    }

    /// The keys of `values`, metadata left out.
    pub(crate) fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// A field's choices.
    pub(crate) fn choices(&self, field: &Field) -> &[Choice] {
        field
            .list
            .and_then(|list| self.lists.get(list))
            .map_or(&[], Vec::as_slice)
    }
}

/// Reads bytes as a survey definition in whatever form they have. For fuzzing.
///
/// # Errors
/// When they are none.
pub fn read_definition(id: &SurveyId, bytes: &[u8]) -> Result<SurveyDefinition, DefinitionError> {
    let answers = DefinitionAnswers {
        response_schema: Some(bytes),
        survey: Some(bytes),
        survey_definition: Some(bytes),
    };
    SurveyDefinition::from_answers(id, &answers)
}
