//! What `GET /surveys/{id}/response-schema` says of the keys in `values`: key, export tag, type and labels directly.
//! Where it speaks it is right; where it is silent, what was derived from the questions stays.
//!
//! Source: Qualtrics' own API description (`fixtures/surveys/SV_ai71yqu2ZLvpadf`). Unknown is whether the choices of a
//! multi-answer question have tags of their own there, and whether deleted questions stay in it.

use std::collections::{BTreeMap, BTreeSet};

use super::field::{Answer, Choice, Field, Kind, Spread};
use super::json::Node;
use super::lists::Lists;
use super::text::plain;
use super::{Question, metadata};

/// `result.properties.values.properties`, if it is there.
pub(super) fn properties(schema: Node<'_>) -> Option<Node<'_>> {
    schema
        .get("properties")?
        .get("values")?
        .get("properties")
        .filter(|properties| !properties.members().is_empty())
}

/// Corrects and completes `fields` and `questions`.
pub(super) fn overlay(
    properties: Node<'_>,
    fields: &mut Vec<Field>,
    questions: &mut Vec<Question>,
    lists: &mut Lists,
) {
    let mut index: BTreeMap<String, usize> = BTreeMap::new();
    for (at, field) in fields.iter().enumerate() {
        for key in field.aliases.iter().chain([&field.key]) {
            index.insert(key.clone(), at);
        }
    }
    let properties = properties.members();
    let keys: BTreeSet<&str> = properties.iter().map(|(key, _)| key.as_ref()).collect();
    for (key, property) in &properties {
        if metadata::of_key(key).is_some() || metadata::personal_of(key).is_some() {
            continue;
        }
        match index.get(key.as_ref()).and_then(|at| fields.get_mut(*at)) {
            Some(field) => correct(field, key, *property, lists),
            None => {
                let is_nps = keys.contains(format!("{key}_NPS_GROUP").as_str());
                let field = described(key, *property, is_nps, questions, lists);
                index.insert(field.key.clone(), fields.len());
                fields.push(field);
            }
        }
    }
}

/// Takes over what the schema says of a field that the questions gave.
fn correct(field: &mut Field, key: &str, property: Node<'_>, lists: &mut Lists) {
    if field.key != key {
        field.aliases.retain(|alias| alias != key);
        field
            .aliases
            .push(std::mem::replace(&mut field.key, key.to_owned()));
    }
    if let Some(tag) = property.text_at("exportTag") {
        field.tag = tag;
    }
    let said = Said::of(property);
    if field.spread == Spread::One && said.spread == Spread::Chosen {
        field.spread = Spread::Chosen;
        field.kind = Kind::MultipleChoice;
    }
    match (field.answer, said.answer) {
        (Answer::Text | Answer::Number | Answer::Structure, Answer::Integer) => {
            field.answer = Answer::Integer
        }
        (Answer::Text | Answer::Structure, Answer::Number) => field.answer = Answer::Number,
        (Answer::Structure, Answer::Text | Answer::Recode) => field.answer = said.answer,
        _ => {}
    }
    if !said.choices.is_empty() {
        let merged = merge(lists.get(field.list), said.choices);
        field.list = lists.intern(merged);
    }
}

/// The definition's choices with the schema's recodes and labels; a choice is the same by its recode, else by its label.
fn merge(known: &[Choice], said: Vec<Choice>) -> Vec<Choice> {
    let mut merged = known.to_vec();
    for choice in said {
        let same = merged
            .iter()
            .position(|known| known.recode == choice.recode)
            .or_else(|| merged.iter().position(|known| known.label == choice.label));
        match same.and_then(|at| merged.get_mut(at)) {
            Some(known) => {
                known.recode = choice.recode;
                known.label = choice.label;
            }
            None => merged.push(choice),
        }
    }
    merged
}

/// A field that only the schema knows.
fn described(
    key: &str,
    property: Node<'_>,
    is_nps: bool,
    questions: &mut Vec<Question>,
    lists: &mut Lists,
) -> Field {
    let said = Said::of(property);
    let tag = property
        .text_at("exportTag")
        .unwrap_or_else(|| key.to_owned());
    let text = plain(&property.text_at("description").unwrap_or_default());
    let is_question = property
        .text_at("dataType")
        .map_or_else(|| question_of(key).is_some(), |kind| kind == "question");
    let question = is_question
        .then(|| property.text_at("questionId").or_else(|| question_of(key)))
        .flatten();
    if let Some(id) = &question
        && !questions.iter().any(|question| question.id == *id)
    {
        questions.push(Question {
            id: id.clone(),
            tag: property
                .text_at("questionExportTag")
                .unwrap_or_else(|| tag.clone()),
            text: text.clone(),
            kind: String::new(),
            trashed: false,
        });
    }
    let spread = if key.ends_with("_DO") && said.spread != Spread::One {
        Spread::Places
    } else {
        said.spread
    };
    Field {
        kind: if is_nps {
            Kind::Nps
        } else {
            kind_of(key, question.is_some(), spread, said.answer)
        },
        key: key.to_owned(),
        aliases: Vec::new(),
        own_tags: BTreeMap::new(),
        tag,
        question,
        answer: if spread == Spread::Places || (is_nps && said.answer == Answer::Number) {
            Answer::Integer
        } else {
            said.answer
        },
        spread,
        list: lists.intern(said.choices),
        text,
        by_default: spread != Spread::Places,
    }
}

fn kind_of(key: &str, is_question: bool, spread: Spread, answer: Answer) -> Kind {
    match (spread, answer) {
        (Spread::Points, _) => Kind::Number,
        (Spread::Places, _) => Kind::DisplayOrder,
        _ if !is_question && key.starts_with("SC_") => Kind::Score,
        _ if !is_question => Kind::EmbeddedData,
        _ if key.ends_with("_NPS_GROUP") => Kind::NpsGroup,
        _ if key.ends_with("_RANK") => Kind::Rank,
        _ if key.ends_with("_GROUP") => Kind::Group,
        (Spread::Chosen, _) => Kind::MultipleChoice,
        (Spread::One, Answer::Recode) if question_of(key).is_some_and(|id| key.ends_with(&id)) => {
            Kind::SingleChoice
        }
        (Spread::One, Answer::Recode) => Kind::MatrixChoice,
        (Spread::One, Answer::Text) if is_beside_choice(key) => Kind::ChoiceText,
        (Spread::One, Answer::Text | Answer::Instant) => Kind::Text,
        (Spread::One, Answer::Number | Answer::Integer | Answer::BigInteger) => Kind::Number,
        (Spread::One, Answer::Structure) => Kind::Structure,
    }
}

/// `QID5_2_TEXT`, but not `QID5_TEXT`.
fn is_beside_choice(key: &str) -> bool {
    question_of(key).is_some_and(|id| {
        key.strip_suffix("_TEXT")
            .is_some_and(|rest| !rest.ends_with(&id))
    })
}

/// `QID5` in `QID5`, `QID5_2_TEXT`, `QID8#1_2` and `2_QID5_TEXT`.
pub(crate) fn question_of(key: &str) -> Option<String> {
    let looped = key
        .split_once('_')
        .filter(|(id, _)| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()));
    let key = looped.map_or(key, |(_, rest)| rest);
    let digits: String = key
        .strip_prefix("QID")?
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    (!digits.is_empty()).then(|| format!("QID{digits}"))
}

/// The JSON Schema's words for one key.
struct Said {
    answer: Answer,
    spread: Spread,
    choices: Vec<Choice>,
}

impl Said {
    fn of(property: Node<'_>) -> Self {
        let kind = property.text_at("type").unwrap_or_default();
        if kind == "array" {
            let choices = property.get("items").map_or_else(Vec::new, one_of);
            return Self {
                answer: if choices.is_empty() {
                    Answer::Structure
                } else {
                    Answer::Recode
                },
                spread: if choices.is_empty() {
                    Spread::One
                } else {
                    Spread::Chosen
                },
                choices,
            };
        }
        let choices = one_of(property);
        let answer = match kind.as_str() {
            "string"
                if property
                    .text_at("format")
                    .is_some_and(|format| format == "date-time") =>
            {
                Answer::Instant
            }
            "object" => Answer::Structure,
            _ if !choices.is_empty() => Answer::Recode,
            "integer" => Answer::Integer,
            "number" => Answer::Number,
            _ => Answer::Text,
        };
        Self {
            answer,
            spread: Spread::One,
            choices,
        }
    }
}

/// `oneOf: [{label, const}]`.
fn one_of(node: Node<'_>) -> Vec<Choice> {
    node.get("oneOf")
        .map_or_else(Vec::new, Node::elements)
        .into_iter()
        .filter_map(|choice| {
            let recode = choice.text_at("const")?;
            Some(Choice {
                id: format!("~{recode}"),
                label: plain(&choice.text_at("label").unwrap_or_default()),
                recode,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_its_question() {
        let check =
            |key: &str, id: Option<&str>| assert_eq!(question_of(key).as_deref(), id, "{key}");
        check("QID5", Some("QID5"));
        check("QID5_2_TEXT", Some("QID5"));
        check("2_QID5_TEXT", Some("QID5"));
        check("QID8#1_2", Some("QID8"));
        check(
            "QID98765432109876543210987_TEXT",
            Some("QID98765432109876543210987"),
        );
        check("QID", None);
        check("Q5", None);
        check("1_2", None);
    }
}
