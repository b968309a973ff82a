//! Where the value of a key goes, and which choice an element of an array stands for.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::candidate::{Candidates, keys};
use super::number::same;
use crate::survey::SurveyDefinition;
use crate::survey::field::{Choice, Field, Spread};
use crate::survey::json::{Node, Shape};
use crate::survey::metadata::RESPONSE_ID_KEY;

/// Where the value of a key goes.
#[derive(Debug, Clone)]
pub(super) enum Target {
    /// Nowhere, but it is nothing new.
    Known,
    /// Into one column.
    One { column: usize, choices: Vec<Choice> },
    /// What was chosen, each into its own column.
    Chosen(Vec<Member>),
    /// What was shown, each's place into its own column.
    Places(Vec<Member>),
    /// Coordinates of points, each into its own column; a member's id is `1_x`.
    Points(Vec<Member>),
}

/// A choice, and its column if it has one.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) id: String,
    pub(super) recode: String,
    pub(super) label: String,
    pub(super) column: Option<usize>,
}

impl Target {
    /// After columns were left out: `places` says where each is now.
    pub(super) fn move_columns(&mut self, places: &[Option<usize>]) {
        let moved = |column: usize| places.get(column).copied().flatten();
        match self {
            Self::Known => {}
            Self::One { column, .. } => match moved(*column) {
                Some(place) => *column = place,
                None => *self = Self::Known,
            },
            Self::Chosen(members) | Self::Places(members) | Self::Points(members) => {
                for member in members {
                    member.column = member.column.and_then(moved);
                }
            }
        }
    }

    /// Two choices have the same recode, so that labels must tell.
    pub(super) fn is_ambiguous(&self) -> bool {
        match self {
            Self::Chosen(members) => members.iter().enumerate().any(|(at, member)| {
                members
                    .iter()
                    .skip(at + 1)
                    .any(|other| other.recode == member.recode)
            }),
            Self::Known | Self::One { .. } | Self::Places(_) | Self::Points(_) => false,
        }
    }

    /// A column that it fills.
    pub(super) fn column(&self) -> Option<usize> {
        match self {
            Self::Known => None,
            Self::One { column, .. } => Some(*column),
            Self::Chosen(members) | Self::Places(members) | Self::Points(members) => {
                members.iter().find_map(|member| member.column)
            }
        }
    }
}

/// Targets, and the keys that lead to them, sorted.
#[derive(Debug, Clone, Default)]
pub(super) struct Targets {
    pub(super) targets: Vec<Target>,
    keys: Vec<(Box<str>, usize)>,
}

impl Targets {
    /// One target per field, columns or not, so that what is known is not reported. `places` says which candidate is
    /// which column; `forgotten` are keys that only the codebook still knows.
    pub(super) fn of(
        definition: &SurveyDefinition,
        candidates: &Candidates<'_>,
        places: &BTreeMap<usize, usize>,
        forgotten: &[String],
    ) -> Self {
        let mut columns: Vec<Vec<(Option<&Choice>, Option<usize>)>> =
            vec![Vec::new(); candidates.fields.len()];
        for (at, candidate) in candidates.all.iter().enumerate() {
            if let Some(columns) = columns.get_mut(candidate.field) {
                columns.push((candidate.choice, places.get(&at).copied()));
            }
        }
        let mut targets = Vec::with_capacity(candidates.fields.len());
        let mut names: BTreeMap<String, usize> = BTreeMap::new();
        for (field, columns) in candidates.fields.iter().zip(columns) {
            let at = targets.len();
            for key in keys(field) {
                names.entry(key.to_owned()).or_insert(at);
            }
            targets.push(target(definition, field, &columns));
            for (key, target) in cells(field, &columns) {
                names.entry(key).or_insert(targets.len());
                targets.push(target);
            }
        }
        let known = targets.len();
        targets.push(Target::Known);
        for key in forgotten {
            names.entry(key.clone()).or_insert(known);
        }
        Self {
            targets,
            keys: names
                .into_iter()
                .map(|(key, at)| (key.into(), at))
                .collect(),
        }
    }

    /// The target of a key, with its position.
    pub(super) fn get(&self, key: &str) -> Option<(usize, &Target)> {
        let at = self
            .keys
            .binary_search_by(|(known, _)| known.as_ref().cmp(key))
            .ok()?;
        let (_, index) = self.keys.get(at)?;
        Some((*index, self.targets.get(*index)?))
    }
}

fn target(
    definition: &SurveyDefinition,
    field: &Field,
    columns: &[(Option<&Choice>, Option<usize>)],
) -> Target {
    let members = || {
        columns
            .iter()
            .filter_map(|(choice, column)| {
                let choice = (*choice)?;
                Some(Member {
                    id: choice.id.clone(),
                    recode: choice.recode.clone(),
                    label: choice.label.clone(),
                    column: *column,
                })
            })
            .collect()
    };
    match field.spread {
        Spread::Chosen => Target::Chosen(members()),
        Spread::Places => Target::Places(members()),
        Spread::Points => Target::Points(members()),
        Spread::One => match columns {
            [(_, Some(column))] if field.key != RESPONSE_ID_KEY => Target::One {
                column: *column,
                choices: definition.choices(field).to_vec(),
            },
            _ => Target::Known,
        },
    }
}

/// The other way in which several answers of a matrix' row may come: a key for each, `QID5_1_2`. That is what the export
/// file's import ids are; no recorded response has such a matrix, so both ways are taken.
fn cells(field: &Field, columns: &[(Option<&Choice>, Option<usize>)]) -> Vec<(String, Target)> {
    let is_row = field
        .question
        .as_ref()
        .is_some_and(|question| !field.key.ends_with(question.as_str()));
    if field.spread != Spread::Chosen || !is_row {
        return Vec::new();
    }
    columns
        .iter()
        .filter_map(|(choice, column)| {
            let choice = (*choice)?;
            let target = column.map_or(Target::Known, |column| Target::One {
                column,
                choices: vec![choice.clone()],
            });
            Some((format!("{}_{}", field.key, choice.id), target))
        })
        .collect()
}

/// What an element of an array stands for.
pub(super) enum Found<'a> {
    One(&'a Member),
    None,
    /// Which of several is open; one that has a column is named.
    Several(Option<usize>),
}

/// The members that the elements stand for: by recode where all of them are recodes, else by id where all of them are
/// ids. Values hold recodes in recordings; ids are what an unrecoded export would hold.
pub(super) fn found<'a>(
    value: Node<'_>,
    members: &'a [Member],
    labels: &[Node<'_>],
) -> Vec<Found<'a>> {
    // A scalar stands for the array of it: no recording has one, but it leaves nothing open.
    let elements = match value.shape() {
        Shape::Array => value.elements(),
        Shape::Null => Vec::new(),
        Shape::Bool | Shape::Number | Shape::Text | Shape::Object => vec![value],
    };
    let texts: Vec<Option<Cow<'_, str>>> = elements.iter().map(|element| element.text()).collect();
    let all_are = |part: Part| {
        texts.iter().all(|text| {
            let text = text.as_ref();
            text.is_some_and(|text| members.iter().any(|member| same(part(member), text)))
        })
    };
    let by_recode: Part = |member| &member.recode;
    let by_id: Part = |member| &member.id;
    let part = if !all_are(by_recode) && all_are(by_id) {
        by_id
    } else {
        by_recode
    };
    (0..)
        .zip(&texts)
        .map(|(at, text): (usize, _)| match text {
            Some(text) => one_of(members, part, text, labels.get(at).copied()),
            None => Found::None,
        })
        .collect()
}

/// By what an element names a member.
type Part = fn(&Member) -> &str;

fn one_of<'a>(members: &'a [Member], part: Part, text: &str, label: Option<Node<'_>>) -> Found<'a> {
    let mut matching = members.iter().filter(|member| same(part(member), text));
    let Some(first) = matching.next() else {
        return Found::None;
    };
    if matching.next().is_none() {
        return Found::One(first);
    }
    let label = label.and_then(Node::text);
    let is_labelled = |member: &&Member| {
        label
            .as_ref()
            .is_some_and(|label| same_label(&member.label, label))
    };
    let all = || members.iter().filter(|member| same(part(member), text));
    let mut labelled = all().filter(is_labelled);
    match (labelled.next(), labelled.next()) {
        (Some(member), None) => Found::One(member),
        _ => Found::Several(all().find_map(|member| member.column)),
    }
}

/// Labels keep line breaks and blanks of the editor; definitions' are folded.
fn same_label(known: &str, label: &str) -> bool {
    known.split_whitespace().eq(label.split_whitespace())
}

/// The one choice's label that has this recode.
pub(super) fn label_of<'a>(choices: &'a [Choice], recode: &str) -> Option<&'a str> {
    let mut matching = choices.iter().filter(|choice| same(&choice.recode, recode));
    match (matching.next(), matching.next()) {
        (Some(choice), None) if !choice.label.is_empty() => Some(&choice.label),
        _ => None,
    }
}
