//! One document into one row: a single pass over `values`, nothing copied but what goes into cells.

use std::borrow::Cow;

use super::cell::{Fitted, Value, fit};
use super::column::Trait;
use super::document::ResponseDocument;
use super::error::{MappingError, Misfit};
use super::target::{Found, Member, Target, found, label_of};
use super::{ColumnMap, Mapped, SkipReason};
use crate::row::{Cell, Column, ColumnType, Row};
use crate::survey::field::Choice;
use crate::survey::json::{Node, Shape, decode};
use crate::survey::metadata;

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
        seen: vec![None; map.targets.targets.len()],
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
        let Some((index, target)) = self.map.targets.get(&key) else {
            if metadata::personal_of(&key).is_none() && !is_flow_order(&key) {
                self.unknown.push(key.into_owned());
            }
            return;
        };
        if value.shape() == Shape::Null || matches!(target, Target::Known) {
            return;
        }
        if let Some(seen) = self.seen.get_mut(index) {
            match seen {
                None => *seen = Some(value),
                Some(before) if *before == value => return,
                Some(_) => {
                    if let Some(column) = target.column() {
                        self.fail(column, Misfit::DuplicateKey);
                    }
                    return;
                }
            }
        }
        match target {
            Target::Known => {}
            Target::One { column, choices } => self.one(&key, value, *column, choices),
            Target::Chosen(members) => self.chosen(&key, value, members),
            Target::Places(members) => self.places(&key, value, members),
            Target::Points(members) => self.points(value, members),
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

    /// Elements are `{"x": …, "y": …}`. Source: the response-schema's description of heat maps.
    fn points(&mut self, value: Node<'a>, members: &'a [Member]) {
        for (click, point) in (1..).zip(value.elements()) {
            let click: u32 = click;
            for (axis, coordinate) in point.members() {
                let id = format!("{click}_{axis}");
                let column = members
                    .iter()
                    .find(|member| member.id == id)
                    .and_then(|member| member.column);
                match (column, Value::of(coordinate)) {
                    (Some(column), Ok(coordinate)) => self.put(column, coordinate),
                    (Some(column), Err(misfit)) => self.fail(column, misfit),
                    (None, _) => {}
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
                match self.cells.get_mut(column) {
                    Some(Some(before)) if *before != cell => {
                        self.fail(column, Misfit::DuplicateKey)
                    }
                    Some(place) => *place = Some(cell),
                    None => {}
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

/// The order in which blocks and arms of a flow were shown, which only exports that ask for it have.
fn is_flow_order(key: &str) -> bool {
    (key.starts_with("FL_") || key.starts_with("BL_")) && key.ends_with("_DO")
}
