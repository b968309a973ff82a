//! Qualtrics' answers about a survey, put together into one definition.

use std::collections::{BTreeMap, BTreeSet};

use super::arrangement::{self, Arrangement, Loops};
use super::asked::{Asked, Part};
use super::derive;
use super::facts::Facts;
use super::field::{Answer, Field, Kind, Spread};
use super::json::Node;
use super::lists::Lists;
use super::{
    DefinitionAnswers, DefinitionError, Question, SurveyDefinition, column_map, metadata, schema,
};
use crate::id::SurveyId;

/// Reads whatever was answered.
pub(super) fn read(
    id: &SurveyId,
    answers: &DefinitionAnswers<'_>,
) -> Result<SurveyDefinition, DefinitionError> {
    let schema = answers
        .response_schema
        .and_then(result)
        .and_then(usable_schema);
    let survey = answers
        .survey
        .and_then(result)
        .filter(|survey| survey.get("questions").is_some());
    let definition = answers
        .survey_definition
        .and_then(result)
        .and_then(Definition::of);
    if schema.is_none() && survey.is_none() && definition.is_none() {
        return Err(DefinitionError::Nothing {
            survey: id.to_string(),
        });
    }
    check_id(id, survey.and_then(|survey| survey.text_at("id")))?;
    check_id(
        id,
        definition
            .as_ref()
            .and_then(|definition| definition.facts.text_at("SurveyID")),
    )?;

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
        display_orders(&mut fields);
    }
    let facts = Facts::new(
        survey,
        definition.as_ref(),
        schema.map(|(schema, _)| schema),
    );
    Ok(SurveyDefinition {
        embedded: embedded_names(embedded, &fields),
        fields: ordered(fields, &questions),
        questions,
        lists: lists.into_inner(),
        ..facts.into_definition(id)
    })
}

fn check_id(id: &SurveyId, found: Option<String>) -> Result<(), DefinitionError> {
    match found {
        Some(found) if found != id.as_ref() => Err(DefinitionError::OtherSurvey {
            survey: id.to_string(),
            found: found.chars().filter(|c| !c.is_control()).take(40).collect(),
        }),
        _ => Ok(()),
    }
}

/// What stands in the envelope, or the whole where there is none.
fn result(bytes: &[u8]) -> Option<Node<'_>> {
    let whole = Node::parse(bytes)?;
    Some(whole.get("result").unwrap_or(whole))
}

/// The schema and what it says of `values`; an error body says nothing.
fn usable_schema(node: Node<'_>) -> Option<(Node<'_>, Node<'_>)> {
    Some((node, schema::properties(node)?))
}

/// The parts of a survey definition that are read; a QSF file keeps them as elements of a list.
pub(super) struct Definition<'a> {
    pub(super) facts: Node<'a>,
    questions: Vec<(String, Node<'a>)>,
    /// `Blocks`, or one block each: both occur in QSF files.
    blocks: Vec<Node<'a>>,
    flow: Option<Node<'a>>,
    scoring: Option<Node<'a>>,
}

impl<'a> Definition<'a> {
    fn of(node: Node<'a>) -> Option<Self> {
        if let Some(elements) = node.get("SurveyElements") {
            return Some(Self::of_elements(
                node.get("SurveyEntry").unwrap_or(node),
                elements,
            ));
        }
        let questions = node.get("Questions")?.members().into_iter();
        Some(Self {
            facts: node,
            questions: questions
                .map(|(id, question)| {
                    (
                        question
                            .text_at("QuestionID")
                            .unwrap_or_else(|| id.into_owned()),
                        question,
                    )
                })
                .collect(),
            blocks: node.get("Blocks").into_iter().collect(),
            flow: node.get("SurveyFlow"),
            scoring: node.get("Scoring"),
        })
    }

    fn of_elements(facts: Node<'a>, elements: Node<'a>) -> Self {
        let mut definition = Self {
            facts,
            questions: Vec::new(),
            blocks: Vec::new(),
            flow: None,
            scoring: None,
        };
        for element in elements.elements() {
            let Some(payload) = element.get("Payload") else {
                continue;
            };
            match element.text_at("Element").as_deref() {
                Some("SQ") => {
                    let id = payload
                        .text_at("QuestionID")
                        .or_else(|| element.text_at("PrimaryAttribute"));
                    definition.questions.extend(id.map(|id| (id, payload)));
                }
                Some("BL") => definition.blocks.push(payload),
                Some("FL") => definition.flow = Some(payload),
                Some("SCO") => definition.scoring = Some(payload),
                _ => {}
            }
        }
        definition
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
        arrangement::of_definition(&definition.blocks, definition.flow)
    });
    let other = survey.map_or_else(Arrangement::default, arrangement::of_survey);
    arrangement.order.extend(other.order);
    for (question, loops) in other.loops {
        arrangement.loops.entry(question).or_insert(loops);
    }
    arrangement.embedded.extend(other.embedded);
    arrange(&mut questions, &arrangement);
    carry_forward(&mut questions);
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

/// Choices that are carried forward from another question have its ids with an `x` before them.
fn carry_forward(questions: &mut [Asked]) {
    let choices: BTreeMap<String, Vec<Part>> = questions
        .iter()
        .map(|asked| (asked.id.clone(), asked.choices.clone()))
        .collect();
    for asked in questions {
        let Some(carried) = asked
            .carried_from
            .as_ref()
            .and_then(|from| choices.get(from))
        else {
            continue;
        };
        for choice in carried {
            let id = format!("x{}", choice.id);
            if !asked.choices.iter().any(|known| known.id == id) {
                asked.choices.push(Part {
                    id,
                    label: choice.label.clone(),
                    has_text: choice.has_text,
                    ..Part::default()
                });
            }
        }
    }
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

/// A question that only the schema knows may be shown in any order too: responses then hold the order, which the schema
/// does not list. Source: the documented response beside the documented schema (`fixtures/surveys/SV_ai71yqu2ZLvpadf`).
fn display_orders(fields: &mut Vec<Field>) {
    let known: BTreeSet<String> = fields.iter().map(|field| field.key.clone()).collect();
    let orders: Vec<Field> = fields
        .iter()
        .filter(|field| field.list.is_some() && field.question.as_ref() == Some(&field.key))
        .filter(|field| !known.contains(&format!("{}_DO", field.key)))
        .map(|field| Field {
            key: format!("{}_DO", field.key),
            aliases: Vec::new(),
            tag: format!("{}_DO", field.tag),
            own_tags: BTreeMap::new(),
            kind: Kind::DisplayOrder,
            answer: Answer::Integer,
            spread: Spread::Places,
            by_default: false,
            ..field.clone()
        })
        .collect();
    fields.extend(orders);
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
        own_tags: BTreeMap::new(),
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
