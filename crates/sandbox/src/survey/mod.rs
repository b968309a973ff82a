//! A survey: its definition as Qualtrics keeps it, and what follows from it.

pub(crate) mod column_map;
pub(crate) mod definition;
pub(crate) mod edit;
pub(crate) mod field;
pub(crate) mod link;
pub(crate) mod metadata;
pub(crate) mod question;
pub(crate) mod schema;
pub(crate) mod text;
pub(crate) mod view;

use std::path::Path;

use serde_json::{Map, Value};

pub use self::definition::SurveyError;
use self::field::Field;
use self::question::{Question, members};
use crate::json::scalar_text;

/// A survey that the sandbox can serve.
#[derive(Clone, Debug)]
pub struct Survey {
    pub(crate) definition: Map<String, Value>,
    pub(crate) id: String,
    pub(crate) name: String,
    /// In the survey's order, without the trash.
    pub(crate) questions: Vec<Question>,
    pub(crate) fields: Vec<Field>,
    pub(crate) embedded: Vec<Embedded>,
    pub(crate) extras: Vec<Extra>,
    pub(crate) anonymous: bool,
}

/// An embedded-data field that the flow declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Embedded {
    pub(crate) name: String,
    /// The value that the flow sets.
    pub(crate) value: Option<String>,
}

/// A number or text that is computed from the answers: a score, a derived field, topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extra {
    pub(crate) key: String,
    pub(crate) tag: String,
    pub(crate) text: String,
    pub(crate) is_score: bool,
}

impl Survey {
    /// Reads a QSF file, or an answer of `survey-definitions` with or without envelope or `format=qsf`.
    ///
    /// # Errors
    /// The text is no JSON, no survey, or the survey's id does not look like one.
    pub fn from_json(text: &str) -> Result<Self, SurveyError> {
        Ok(Self::build(definition::normalize(serde_json::from_str(
            text,
        )?)?))
    }

    /// Reads such a file.
    ///
    /// # Errors
    /// As [`Survey::from_json`], or the file can't be read.
    pub fn load(path: &Path) -> Result<Self, SurveyError> {
        let text = std::fs::read_to_string(path).map_err(|source| SurveyError::File {
            path: path.display().to_string(),
            source,
        })?;
        Self::from_json(text.trim_start_matches('\u{feff}'))
    }

    /// "Project Feedback", `SV_22VlHYNeldrrrk1`: Q1, Q8 (three rows), Q2, Q17, Q18, `AccountID`, `ProjectID`, `PhaseID`.
    ///
    /// # Errors
    /// None, as a test proves.
    pub fn project_feedback() -> Result<Self, SurveyError> {
        Self::from_json(include_str!("../../surveys/project-feedback.json"))
    }

    /// "Every question type", `SV_0EveryTypeOfQst`: each type and peculiarity that a mapper has to know.
    ///
    /// # Errors
    /// None, as a test proves.
    pub fn every_question_type() -> Result<Self, SurveyError> {
        Self::from_json(include_str!("../../surveys/every-question-type.json"))
    }

    /// The surveys that the sandbox has by default.
    pub fn built_in() -> Vec<Self> {
        [Self::project_feedback(), Self::every_question_type()]
            .into_iter()
            .flatten()
            .collect()
    }

    /// `SV_…`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The survey's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The names of the embedded data that the flow declares: what a link may carry.
    pub fn embedded_data(&self) -> Vec<&str> {
        self.embedded
            .iter()
            .map(|field| field.name.as_str())
            .collect()
    }

    pub(crate) fn build(definition: Map<String, Value>) -> Self {
        let text = |name: &str| {
            definition
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let questions = questions(&definition);
        let anonymous = definition
            .get("SurveyOptions")
            .and_then(|options| options.get("AnonymizeResponse"))
            .is_some_and(|value| scalar_text(value) == "Yes");
        Self {
            id: text("SurveyID"),
            name: text("SurveyName"),
            fields: questions.iter().flat_map(field::fields).collect(),
            questions,
            embedded: embedded(&definition),
            extras: extras(&definition),
            anonymous,
            definition,
        }
    }

    /// What `definition` says under a name, as text.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.definition
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    pub(crate) fn is_active(&self) -> bool {
        self.text("SurveyStatus") == "Active"
    }

    pub(crate) fn is_guess(&self) -> bool {
        self.questions
            .iter()
            .any(|question| question.kind.is_guess())
    }

    pub(crate) fn language(&self) -> String {
        let language = self
            .definition
            .get("SurveyOptions")
            .and_then(|options| options.get("SurveyLanguage"));
        language.and_then(Value::as_str).unwrap_or("EN").to_owned()
    }

    /// A question by QID or tag.
    pub(crate) fn question(&self, name: &str) -> Option<&Question> {
        self.questions
            .iter()
            .find(|question| question.id == name || question.tag == name)
    }

    /// A key of `values` by itself or by its export tag.
    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        let by_key = self.fields.iter().find(|field| field.key == name);
        by_key.or_else(|| self.fields.iter().find(|field| field.tag == name))
    }
}

/// Blocks in the flow's order, then those that the flow leaves out; the trash never.
pub(crate) fn blocks_in_order(definition: &Map<String, Value>) -> Vec<(String, &Value)> {
    let mut blocks: Vec<(String, &Value)> = members(definition.get("Blocks"))
        .into_iter()
        .filter(|(_, block)| !is_trash(block))
        .collect();
    let mut flow = Vec::new();
    block_ids(definition.get("SurveyFlow"), &mut flow);
    blocks.sort_by_key(|(id, _)| {
        flow.iter()
            .position(|other| other == id)
            .unwrap_or(usize::MAX)
    });
    blocks
}

pub(crate) fn is_trash(block: &Value) -> bool {
    block.get("Type").and_then(Value::as_str) == Some("Trash")
}

fn block_ids(flow: Option<&Value>, ids: &mut Vec<String>) {
    let Some(flow) = flow else { return };
    if let Some(id) = flow.get("ID").and_then(Value::as_str) {
        ids.push(id.to_owned());
    }
    for (_, part) in members(flow.get("Flow")) {
        block_ids(Some(part), ids);
    }
}

fn questions(definition: &Map<String, Value>) -> Vec<Question> {
    let mut questions = Vec::new();
    for (_, block) in blocks_in_order(definition) {
        let loops = loop_count(block);
        for (_, element) in members(block.get("BlockElements")) {
            let Some(id) = element.get("QuestionID").and_then(Value::as_str) else {
                continue;
            };
            let Some(found) = definition
                .get("Questions")
                .and_then(|questions| questions.get(id))
            else {
                continue;
            };
            let mut question = Question::read(id, found);
            question.loops = loops;
            questions.push(question);
        }
    }
    questions
}

/// How often a block is repeated. Source: recorded `loopAndMerge` of type `Static`, and QSF files' `LoopingOptions`.
pub(crate) fn loop_count(block: &Value) -> Option<usize> {
    let looping = block.pointer("/Options/Looping").and_then(Value::as_str)?;
    if looping == "None" {
        return None;
    }
    let turns = members(block.pointer("/Options/LoopingOptions/Static")).len();
    Some(if turns == 0 { 3 } else { turns })
}

fn embedded(definition: &Map<String, Value>) -> Vec<Embedded> {
    let mut found = Vec::new();
    collect_embedded(definition.get("SurveyFlow"), &mut found);
    found
}

fn collect_embedded(flow: Option<&Value>, found: &mut Vec<Embedded>) {
    let Some(flow) = flow else { return };
    for (_, field) in members(flow.get("EmbeddedData")) {
        let Some(name) = field.get("Field").and_then(Value::as_str) else {
            continue;
        };
        let value = field
            .get("Value")
            .map(scalar_text)
            .filter(|value| !value.is_empty());
        if !found.iter().any(|other: &Embedded| other.name == name) {
            found.push(Embedded {
                name: name.to_owned(),
                value,
            });
        }
    }
    for (_, part) in members(flow.get("Flow")) {
        collect_embedded(Some(part), found);
    }
}

/// Scores from the definition, and what Text iQ and bucketing would add (`SandboxDerived`, ours).
fn extras(definition: &Map<String, Value>) -> Vec<Extra> {
    let mut found = Vec::new();
    let scoring = definition
        .get("Scoring")
        .and_then(|scoring| scoring.get("ScoringCategories"));
    for (at, (_, category)) in members(scoring).into_iter().enumerate() {
        let text = |name: &str| category.get(name).map(scalar_text).unwrap_or_default();
        found.push(Extra {
            key: text("ID"),
            tag: format!("SC{at}"),
            text: text("Name"),
            is_score: true,
        });
    }
    for (_, derived) in members(definition.get("SandboxDerived")) {
        let text = |name: &str| derived.get(name).map(scalar_text).unwrap_or_default();
        found.push(Extra {
            key: text("Key"),
            tag: text("Tag"),
            text: text("Text"),
            is_score: false,
        });
    }
    found
}
