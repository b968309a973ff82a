//! One document into one row: a single pass over `values`, nothing copied but what goes into cells.

use std::borrow::Cow;

use super::cell::{Fitted, Value, fit};
use super::compile::Trait;
use super::document::ResponseDocument;
use super::error::{MappingError, Misfit};
use super::number::same;
use super::{ColumnMap, Mapped, SkipReason};
use crate::row::{Cell, Column, ColumnType, Row};
use crate::survey::field::Choice;
use crate::survey::json::{Node, Shape, decode};
use crate::survey::metadata;

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
}

/// A choice, and its column if it has one.
#[derive(Debug, Clone)]
pub(super) struct Member {
    id: String,
    recode: String,
    label: String,
    column: Option<usize>,
}

impl Member {
    pub(super) fn new(choice: &Choice, column: Option<usize>) -> Self {
        Self {
            id: choice.id.clone(),
            recode: choice.recode.clone(),
            label: choice.label.clone(),
            column,
        }
    }
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
            Self::Chosen(members) | Self::Places(members) => {
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
            Self::Known | Self::One { .. } | Self::Places(_) => false,
        }
    }
}

pub(super) fn map(map: &ColumnMap, document: &ResponseDocument) -> Result<Mapped, MappingError> {
    if let Some(reason) = skip(map, document) {
        return Ok(Mapped::Skip(reason));
    }
    let mut filling = Filling {
        map,
        document,
        labels: if map.reads_labels {
            labels(document)
        } else {
            Vec::new()
        },
        cells: vec![None; map.table.columns.len()],
        seen: vec![None; map.targets.len()],
        unknown: Vec::new(),
        truncated: Vec::new(),
        failed: None,
    };
    document
        .values()
        .each_member(|key, value| filling.member(key, value));
    filling.finish()
}

/// Previews and tests by their status; so says Qualtrics' dataset description: 1 preview, 2 test, 17 offline preview.
fn skip(map: &ColumnMap, document: &ResponseDocument) -> Option<SkipReason> {
    if !document.finished {
        return Some(SkipReason::Unfinished);
    }
    match document.status.as_deref() {
        Some("1" | "17") if !map.previews => Some(SkipReason::Preview),
        Some("2") if !map.previews => Some(SkipReason::Test),
        _ => None,
    }
}

/// The document's labels by key, sorted.
fn labels(document: &ResponseDocument) -> Vec<(Cow<'_, str>, Node<'_>)> {
    let mut labels = document.labels().map_or_else(Vec::new, Node::members);
    labels.sort_by(|a, b| a.0.cmp(&b.0));
    labels
}

/// A row in the making.
struct Filling<'a> {
    map: &'a ColumnMap,
    document: &'a ResponseDocument,
    labels: Vec<(Cow<'a, str>, Node<'a>)>,
    cells: Vec<Option<Cell>>,
    /// By target, the value that came already.
    seen: Vec<Option<Node<'a>>>,
    unknown: Vec<String>,
    /// Positions of columns.
    truncated: Vec<usize>,
    /// The first column that can't be filled.
    failed: Option<(usize, Misfit)>,
}

impl<'a> Filling<'a> {
    fn member(&mut self, raw_key: &'a str, value: Node<'a>) {
        let Some(key) = decode(raw_key) else {
            // No key of a definition has half a character in it.
            self.unknown.push(raw_key.to_owned());
            return;
        };
        let Ok(at) = self
            .map
            .keys
            .binary_search_by(|(known, _)| known.as_ref().cmp(&key))
        else {
            if metadata::personal_of(&key).is_none() {
                self.unknown.push(key.into_owned());
            }
            return;
        };
        let Some((index, target)) = self
            .map
            .keys
            .get(at)
            .and_then(|(_, index)| Some((*index, self.map.targets.get(*index)?)))
        else {
            return;
        };
        if value.shape() == Shape::Null || matches!(target, Target::Known) {
            return;
        }
        if let Some(seen) = self.seen.get_mut(index) {
            match seen {
                None => *seen = Some(value),
                Some(before) if *before == value => return,
                Some(_) => return self.fail_target(target, Misfit::DuplicateKey),
            }
        }
        match target {
            Target::Known => {}
            Target::One { column, choices } => self.one(&key, value, *column, choices),
            Target::Chosen(members) => self.chosen(&key, value, members),
            Target::Places(members) => self.places(&key, value, members),
        }
    }

    fn one(&mut self, key: &str, value: Node<'a>, column: usize, choices: &'a [Choice]) {
        let Some(traits) = self.map.traits.get(column) else {
            return;
        };
        let value = match Value::of(value) {
            Ok(value) => value,
            Err(misfit) => return self.fail(column, misfit),
        };
        if traits.pseudonymized
            && !value.is_empty()
            && !self.document.pseudonymized.iter().any(|done| done == key)
        {
            return self.fail(column, Misfit::NotRedacted);
        }
        if !traits.labelled {
            return self.put(column, value);
        }
        match self.label(key).map(Value::of) {
            Some(Ok(label)) if !label.is_empty() => self.put(column, label),
            Some(Err(misfit)) => self.fail(column, misfit),
            _ => {
                let label = match &value {
                    Value::Number(text) | Value::Text(text) => label_of(choices, text),
                    Value::Null | Value::Bool(_) | Value::Json(_) => None,
                };
                self.put(
                    column,
                    label.map_or(value, |label| Value::Text(Cow::Borrowed(label))),
                );
            }
        }
    }

    fn chosen(&mut self, key: &str, value: Node<'a>, members: &'a [Member]) {
        let labels = self.label(key).map_or_else(Vec::new, Node::elements);
        for (at, found) in found(value, members, &labels).into_iter().enumerate() {
            let member = match found {
                Found::One(member) => member,
                Found::None => {
                    self.unknown_choice(key);
                    continue;
                }
                Found::Several(column) => {
                    if let Some(column) = column {
                        self.fail(column, Misfit::AmbiguousChoice);
                    }
                    continue;
                }
            };
            let Some(column) = member.column else {
                continue;
            };
            if !self
                .map
                .traits
                .get(column)
                .is_some_and(|traits| traits.labelled)
            {
                self.put(column, Value::Text(Cow::Borrowed(&member.recode)));
                continue;
            }
            match labels.get(at).copied().map(Value::of) {
                Some(Ok(label)) if !label.is_empty() => self.put(column, label),
                Some(Err(misfit)) => self.fail(column, misfit),
                _ if member.label.is_empty() => {
                    self.put(column, Value::Text(Cow::Borrowed(&member.recode)))
                }
                _ => self.put(column, Value::Text(Cow::Borrowed(&member.label))),
            }
        }
    }

    fn places(&mut self, key: &str, value: Node<'a>, members: &'a [Member]) {
        for (place, found) in (1..).zip(found(value, members, &[])) {
            let place: u32 = place;
            match found {
                Found::One(Member {
                    column: Some(column),
                    ..
                }) => self.put(*column, Value::Number(Cow::Owned(place.to_string()))),
                Found::One(_) => {}
                Found::None => self.unknown_choice(key),
                Found::Several(column) => {
                    if let Some(column) = column {
                        self.fail(column, Misfit::AmbiguousChoice);
                    }
                }
            }
        }
    }

    fn label(&self, key: &str) -> Option<Node<'a>> {
        let at = self
            .labels
            .binary_search_by(|(label, _)| label.as_ref().cmp(key))
            .ok()?;
        self.labels.get(at).map(|(_, label)| *label)
    }

    fn unknown_choice(&mut self, key: &str) {
        let unknown = format!("{key}=?");
        if self.unknown.last() != Some(&unknown) {
            self.unknown.push(unknown);
        }
    }

    fn put(&mut self, column: usize, value: Value<'_>) {
        let Some(kind) = self.map.table.columns.get(column).map(|column| column.kind) else {
            return;
        };
        // The export shows an empty text as an empty cell, so a configured text stands for it too.
        let is_text = matches!(kind, ColumnType::NVarchar(_) | ColumnType::NClob);
        if is_text && value.is_empty() && self.map.missing_text.is_some() {
            return;
        }
        match fit(value, kind) {
            Ok(Fitted {
                cell: Cell::Null, ..
            }) => {}
            Ok(Fitted { cell, cut }) => {
                if cut {
                    self.truncated.push(column);
                }
                if let Some(place) = self.cells.get_mut(column) {
                    *place = Some(cell);
                }
            }
            Err(misfit) => self.fail(column, misfit),
        }
    }

    /// What fails is reported in the table's order, whatever the document's.
    fn fail(&mut self, column: usize, misfit: Misfit) {
        if self.failed.is_none_or(|(first, _)| column < first) {
            self.failed = Some((column, misfit));
        }
    }

    fn fail_target(&mut self, target: &Target, misfit: Misfit) {
        match target {
            Target::Known => {}
            Target::One { column, .. } => self.fail(*column, misfit),
            Target::Chosen(members) | Target::Places(members) => {
                if let Some(column) = members.iter().find_map(|member| member.column) {
                    self.fail(column, misfit);
                }
            }
        }
    }

    fn finish(mut self) -> Result<Mapped, MappingError> {
        let mut cells = Vec::with_capacity(self.cells.len());
        let columns = self.map.table.columns.iter().zip(&self.map.traits);
        for ((at, cell), (column, traits)) in std::mem::take(&mut self.cells)
            .into_iter()
            .enumerate()
            .zip(columns)
        {
            match finished(self.document, cell, column, traits) {
                Ok(cell) => cells.push(cell),
                Err(misfit) => self.fail(at, misfit),
            }
        }
        let named = |at: usize| self.map.table.columns.get(at);
        if let Some((column, misfit)) = self
            .failed
            .and_then(|(at, misfit)| Some((named(at)?, misfit)))
        {
            return Err(MappingError::Column {
                column: column.name.clone(),
                kind: column.kind,
                misfit,
            });
        }
        self.truncated.sort_unstable();
        self.truncated.dedup();
        self.unknown.sort_unstable();
        self.unknown.dedup();
        Ok(Mapped::Row {
            row: Row(cells.into()),
            recorded_at: self.document.recorded_at(),
            truncated: self
                .truncated
                .iter()
                .filter_map(|at| named(*at))
                .map(|column| column.name.clone())
                .collect(),
            unknown: self.unknown,
        })
    }
}

fn finished(
    document: &ResponseDocument,
    cell: Option<Cell>,
    column: &Column,
    traits: &Trait,
) -> Result<Cell, Misfit> {
    if !traits.is_key {
        return cell.map_or_else(|| traits.empty.clone(), Ok);
    }
    let id = Value::Text(Cow::Borrowed(document.response_id().as_ref()));
    let Fitted { cell, cut } = fit(id, column.kind)?;
    if cut {
        Err(Misfit::KeyTooLong)
    } else {
        Ok(cell)
    }
}

/// What an element of an array stands for.
enum Found<'a> {
    One(&'a Member),
    None,
    /// Which of several is open; one that has a column is named.
    Several(Option<usize>),
}

/// The members that the elements stand for: by recode where all of them are recodes, else by id where all of them are
/// ids. Values hold recodes in recordings; ids are what an unrecoded export would hold.
fn found<'a>(value: Node<'a>, members: &'a [Member], labels: &[Node<'a>]) -> Vec<Found<'a>> {
    // A scalar stands for the array of it: no recording has one, but it leaves nothing open.
    let elements = match value.shape() {
        Shape::Array => value.elements(),
        Shape::Null => Vec::new(),
        Shape::Bool | Shape::Number | Shape::Text | Shape::Object => vec![value],
    };
    let texts: Vec<Option<Cow<'_, str>>> = elements.iter().map(|element| element.text()).collect();
    let all_are = |part: fn(&Member) -> &str| {
        texts.iter().all(|text| {
            text.as_ref()
                .is_some_and(|text| members.iter().any(|member| same(part(member), text)))
        })
    };
    let by_recode: fn(&Member) -> &str = |member| &member.recode;
    let by_id: fn(&Member) -> &str = |member| &member.id;
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

fn one_of<'a>(
    members: &'a [Member],
    part: fn(&Member) -> &str,
    text: &str,
    label: Option<Node<'_>>,
) -> Found<'a> {
    let mut same_part = members.iter().filter(|member| same(part(member), text));
    let Some(first) = same_part.next() else {
        return Found::None;
    };
    if same_part.next().is_none() {
        return Found::One(first);
    }
    let label = label.and_then(Node::text);
    let mut labelled = members.iter().filter(|member| {
        same(part(member), text)
            && label
                .as_ref()
                .is_some_and(|label| same_label(&member.label, label))
    });
    match (labelled.next(), labelled.next()) {
        (Some(member), None) => Found::One(member),
        _ => Found::Several(
            members
                .iter()
                .filter(|member| same(part(member), text))
                .find_map(|member| member.column),
        ),
    }
}

/// Labels keep line breaks and blanks of the editor; definitions' are folded.
fn same_label(known: &str, label: &str) -> bool {
    known.split_whitespace().eq(label.split_whitespace())
}

/// The one choice's label that has this recode.
fn label_of<'a>(choices: &'a [Choice], recode: &str) -> Option<&'a str> {
    let mut same_recode = choices.iter().filter(|choice| same(&choice.recode, recode));
    match (same_recode.next(), same_recode.next()) {
        (Some(choice), None) if !choice.label.is_empty() => Some(&choice.label),
        _ => None,
    }
}
