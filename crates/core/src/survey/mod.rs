//! What a survey asks: its definition, read from what Qualtrics says of it, in a form that can be kept.
//!
//! A [`SurveyDefinition`] lists the keys that a response's `values` may hold, in the definition's order, each with export
//! tag, type and choices. The response-schema is the first source, because it names key and tag directly; the survey's
//! questions complete it where it is silent or can't be had. Keys are what columns hang on: tags repeat and change, QIDs
//! don't. [`crate::mapping`] makes columns of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::id::SurveyId;
use crate::time::{Timestamp, parse_instant};

mod arrangement;
mod asked;
mod column_map;
mod derive;
mod error;
pub(crate) mod field;
pub(crate) mod json;
pub(crate) mod metadata;
pub(crate) mod schema;
mod text;

pub use error::DefinitionError;
pub use field::{Choice, Kind};

use arrangement::{Arrangement, Loops};
use asked::Asked;
use derive::Lists;
use field::{Answer, Field, Spread};
use json::Node;

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
        let schema = answers
            .response_schema
            .and_then(result)
            .and_then(Usable::schema);
        let survey = answers.survey.and_then(result).and_then(Usable::survey);
        let definition = answers
            .survey_definition
            .and_then(result)
            .and_then(Usable::definition);
        if schema.is_none() && survey.is_none() && definition.is_none() {
            return Err(DefinitionError::Nothing {
                survey: id.to_string(),
            });
        }
        for found in [
            survey.and_then(|survey| survey.text_at("id")),
            definition
                .as_ref()
                .and_then(|definition| definition.facts.text_at("SurveyID")),
        ] {
            if let Some(found) = found.filter(|found| found != id.as_ref()) {
                return Err(DefinitionError::OtherSurvey {
                    survey: id.to_string(),
                    found: found.chars().filter(|c| !c.is_control()).take(40).collect(),
                });
            }
        }

        let (asked, embedded) = asked(survey, definition.as_ref());
        let mut lists = Lists::default();
        let mut questions: Vec<Question> = asked.iter().map(question).collect();
        let mut fields: Vec<Field> = asked
            .iter()
            .flat_map(|asked| derive::fields(asked, &mut lists))
            .collect();
        fields.extend(
            definition
                .as_ref()
                .map_or_else(Vec::new, |definition| scores(definition.scoring)),
        );
        fields.extend(embedded.iter().map(|name| embedded_field(name)));
        if let Some((_, properties)) = schema {
            schema::overlay(properties, &mut fields, &mut questions, &mut lists);
        }
        let mut definition = Facts::new(
            survey,
            definition.as_ref(),
            schema.map(|(schema, _)| schema),
        )
        .into_definition(id);
        definition.embedded = embedded_names(embedded, &fields);
        definition.fields = ordered(fields, &questions);
        definition.questions = questions;
        definition.lists = lists.into_inner();
        Ok(definition)
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

/// What stands in the envelope, or the whole where there is none.
fn result(bytes: &[u8]) -> Option<Node<'_>> {
    let whole = Node::parse(bytes)?;
    Some(whole.get("result").unwrap_or(whole))
}

/// The parts of a survey definition that are read; a QSF file keeps them as elements of a list.
struct Definition<'a> {
    facts: Node<'a>,
    questions: Vec<(String, Node<'a>)>,
    blocks: Option<Node<'a>>,
    flow: Option<Node<'a>>,
    scoring: Option<Node<'a>>,
}

/// Tells an answer that can be used from an error body.
struct Usable;

impl Usable {
    fn schema(node: Node<'_>) -> Option<(Node<'_>, Node<'_>)> {
        Some((node, schema::properties(node)?))
    }

    fn survey(node: Node<'_>) -> Option<Node<'_>> {
        node.get("questions").map(|_| node)
    }

    fn definition(node: Node<'_>) -> Option<Definition<'_>> {
        let Some(elements) = node.get("SurveyElements") else {
            let questions = node.get("Questions")?.members();
            return Some(Definition {
                facts: node,
                questions: questions
                    .into_iter()
                    .map(|(id, question)| {
                        (
                            question
                                .text_at("QuestionID")
                                .unwrap_or_else(|| id.into_owned()),
                            question,
                        )
                    })
                    .collect(),
                blocks: node.get("Blocks"),
                flow: node.get("SurveyFlow"),
                scoring: node.get("Scoring"),
            });
        };
        let mut definition = Definition {
            facts: node.get("SurveyEntry").unwrap_or(node),
            questions: Vec::new(),
            blocks: None,
            flow: None,
            scoring: None,
        };
        for element in elements.elements() {
            let payload = element.get("Payload");
            match (element.text_at("Element").as_deref(), payload) {
                (Some("SQ"), Some(question)) => {
                    let id = question
                        .text_at("QuestionID")
                        .or_else(|| element.text_at("PrimaryAttribute"));
                    definition.questions.extend(id.map(|id| (id, question)));
                }
                (Some("BL"), payload) => definition.blocks = payload,
                (Some("FL"), payload) => definition.flow = payload,
                (Some("SCO"), payload) => definition.scoring = payload,
                _ => {}
            }
        }
        Some(definition)
    }
}

/// The questions of both descriptions, completed by each other, in the flow's order; and the declared fields.
fn asked(
    survey: Option<Node<'_>>,
    definition: Option<&Definition<'_>>,
) -> (Vec<Asked>, Vec<String>) {
    let mut questions: Vec<Asked> = definition.map_or_else(Vec::new, |definition| {
        definition
            .questions
            .iter()
            .map(|(id, node)| Asked::from_definition(id, *node))
            .collect()
    });
    let known: BTreeMap<String, usize> = questions
        .iter()
        .map(|asked| asked.id.clone())
        .zip(0..)
        .collect();
    for (id, node) in survey
        .and_then(|survey| survey.get("questions"))
        .map_or_else(Vec::new, Node::members)
    {
        let asked = Asked::from_survey(&id, node);
        match known.get(id.as_ref()).and_then(|at| questions.get_mut(*at)) {
            Some(question) => question.complete(asked),
            None => questions.push(asked),
        }
    }
    let mut arrangement = definition.map_or_else(Arrangement::default, |definition| {
        arrangement::of_definition(definition.blocks, definition.flow)
    });
    let other = survey.map_or_else(Arrangement::default, arrangement::of_survey);
    arrangement.order.extend(other.order);
    for (question, loops) in other.loops {
        arrangement.loops.entry(question).or_insert(loops);
    }
    arrangement.embedded.extend(other.embedded);
    arrange(&mut questions, &arrangement);
    if let Some(map) = survey.and_then(|survey| survey.get("exportColumnMap")) {
        column_map::complete(&mut questions, map);
    }

    let mut seen = BTreeSet::new();
    let mut embedded = arrangement.embedded;
    embedded.retain(|name| !name.is_empty() && seen.insert(name.clone()));
    (questions, embedded)
}

fn arrange(questions: &mut [Asked], arrangement: &Arrangement) {
    let mut places = BTreeMap::new();
    for (place, id) in arrangement.order.iter().enumerate() {
        places.entry(id).or_insert(place);
    }
    let choices: BTreeMap<String, Vec<String>> = questions
        .iter()
        .map(|asked| {
            (
                asked.id.clone(),
                asked
                    .choices
                    .iter()
                    .map(|choice| choice.id.clone())
                    .collect(),
            )
        })
        .collect();
    for asked in questions.iter_mut() {
        asked.trashed = arrangement.trashed.contains(&asked.id);
        asked.loops = match arrangement.loops.get(&asked.id) {
            None => Vec::new(),
            Some(Loops::Ids(ids)) => ids.clone(),
            Some(Loops::ChoicesOf(question)) => choices.get(question).cloned().unwrap_or_default(),
        };
    }
    questions.sort_by_key(|asked| {
        let place = places.get(&asked.id).copied().unwrap_or(usize::MAX);
        (asked.trashed, place)
    });
}

fn question(asked: &Asked) -> Question {
    let kind = [&asked.kind, &asked.selector, &asked.sub_selector];
    let kind: Vec<&str> = kind
        .into_iter()
        .map(String::as_str)
        .filter(|word| !word.is_empty())
        .collect();
    Question {
        id: asked.id.clone(),
        tag: asked.tag.clone(),
        text: asked.text.clone(),
        kind: kind.join("/"),
        trashed: asked.trashed,
    }
}

/// Scoring categories: key `SC_…`, tag `SC0`, `SC1` … in their order. Source: key builders of public clients.
fn scores(scoring: Option<Node<'_>>) -> Vec<Field> {
    let categories = scoring
        .and_then(|scoring| scoring.get("ScoringCategories"))
        .map_or_else(Vec::new, Node::members);
    (0..)
        .zip(categories)
        .filter_map(|(place, (_, category)): (usize, _)| {
            let name = category.text_at("Name").unwrap_or_default();
            Some(plain_field(
                category.text_at("ID")?,
                format!("SC{place}"),
                name,
                Kind::Score,
                Answer::Number,
            ))
        })
        .collect()
}

fn embedded_field(name: &str) -> Field {
    plain_field(
        name.to_owned(),
        name.to_owned(),
        name.to_owned(),
        Kind::EmbeddedData,
        Answer::Text,
    )
}

fn plain_field(key: String, tag: String, text: String, kind: Kind, answer: Answer) -> Field {
    Field {
        key,
        aliases: Vec::new(),
        tag,
        question: None,
        kind,
        answer,
        spread: Spread::One,
        list: None,
        text,
        by_default: true,
    }
}

/// What the flow declares; where only the schema is known, what it lists as embedded data.
fn embedded_names(declared: Vec<String>, fields: &[Field]) -> Vec<String> {
    if !declared.is_empty() {
        return declared;
    }
    fields
        .iter()
        .filter(|field| field.kind == Kind::EmbeddedData)
        .map(|field| field.key.clone())
        .collect()
}

/// Questions' fields by the questions' order, then everything else; personal metadata that the flow declares as a field
/// is metadata, and no field beside it.
fn ordered(mut fields: Vec<Field>, questions: &[Question]) -> Vec<Field> {
    fields.retain(|field| field.question.is_some() || metadata::personal_of(&field.key).is_none());
    let places: BTreeMap<&str, usize> = questions
        .iter()
        .map(|question| question.id.as_str())
        .zip(0..)
        .collect();
    fields.sort_by_key(|field| {
        field
            .question
            .as_deref()
            .and_then(|id| places.get(id).copied())
            .unwrap_or(usize::MAX)
    });
    let mut seen = BTreeSet::new();
    fields.retain(|field| seen.insert(field.key.clone()));
    fields
}

/// Name, brand, dates, counts.
struct Facts<'a> {
    survey: Option<Node<'a>>,
    definition: Option<Node<'a>>,
    options: Option<Node<'a>>,
    schema: Option<Node<'a>>,
}

impl<'a> Facts<'a> {
    fn new(
        survey: Option<Node<'a>>,
        definition: Option<&Definition<'a>>,
        schema: Option<Node<'a>>,
    ) -> Self {
        let definition = definition.map(|definition| definition.facts);
        Self {
            survey,
            definition,
            options: definition.and_then(|definition| definition.get("SurveyOptions")),
            schema,
        }
    }

    fn text(&self, survey: &str, definition: &[&str]) -> Option<String> {
        let in_definition = |name: &&str| {
            [self.definition, self.options]
                .into_iter()
                .flatten()
                .find_map(|node| node.text_at(name))
        };
        self.survey
            .and_then(|node| node.text_at(survey))
            .or_else(|| definition.iter().find_map(in_definition))
            .filter(|text| !text.is_empty())
    }

    fn into_definition(self, id: &SurveyId) -> SurveyDefinition {
        let instant = |survey, definition: &[&str]| parse_instant(&self.text(survey, definition)?);
        let count = |name| {
            let counts = self.survey?.get("responseCounts")?;
            counts.text_at(name)?.parse().ok()
        };
        SurveyDefinition {
            id: id.clone(),
            name: self
                .text("name", &["SurveyName"])
                .or_else(|| self.title())
                .unwrap_or_else(|| id.to_string()),
            brand_id: self.text("organizationId", &["BrandID", "SurveyBrandID"]),
            created: instant("creationDate", &["SurveyCreationDate"]),
            last_modified: instant("lastModifiedDate", &["LastModified"]),
            active: self
                .text("isActive", &["SurveyStatus"])
                .map(|status| status == "true" || status == "Active"),
            counts: count("auditable").map(|auditable| ResponseCounts {
                auditable,
                generated: count("generated").unwrap_or(0),
                deleted: count("deleted").unwrap_or(0),
            }),
            questions: Vec::new(),
            fields: Vec::new(),
            lists: Vec::new(),
            embedded: Vec::new(),
        }
    }

    /// `JSON Schema Example (SV_…) - Survey Response` without what Qualtrics puts behind the name.
    fn title(&self) -> Option<String> {
        let title = self.schema?.text_at("title")?;
        let (name, _) = title.rsplit_once(" (SV_")?;
        Some(name.to_owned())
    }
}
