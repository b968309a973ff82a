//! A definition and its settings into a [`ColumnMap`].

use std::collections::{BTreeMap, BTreeSet};

use super::candidate::{Candidate, Candidates, Rank, keys};
use super::codebook::split_key;
use super::column::{KEY, PSEUDONYM, TEXT, Trait, column_type, empty_cell, has_labels, is_scale};
use super::redact::Redaction;
use super::select::Selector;
use super::target::{Target, Targets};
use super::{CodebookEntry, ColumnMap, MapNote, MapOptions};
use crate::row::{Column, ColumnName, Table};
use crate::survey::field::Field;
use crate::survey::metadata::{RECORDED_DATE_KEY, RESPONSE_ID_KEY, personal_of};
use crate::survey::{DefinitionError, Kind, SurveyDefinition};

pub(super) fn compile(
    definition: &SurveyDefinition,
    options: &MapOptions,
    assigned: &[CodebookEntry],
) -> Result<(ColumnMap, Vec<MapNote>), DefinitionError> {
    let candidates = Candidates::of(definition, assigned);
    let selector = Selector {
        definition,
        candidates: &candidates,
        assigned,
    };
    let pseudonymized = pseudonymized(&selector, &options.pseudonymize)?;
    let selected = selected(&selector, options.columns.as_deref())?;
    let mut compilation = Compilation {
        definition,
        options,
        candidates: &candidates,
        pseudonymized: &pseudonymized,
        columns: Vec::new(),
        codebook: Vec::new(),
        traits: Vec::new(),
        notes: Vec::new(),
        places: BTreeMap::new(),
    };
    for (at, implied) in &selected {
        compilation.add(*at, *implied);
    }
    compilation.note_gone(assigned);
    let score = compilation.named(&selector, "score", options.score.as_deref())?;
    let comments = compilation.named(&selector, "comments", options.comments.as_deref())?;
    let forgotten = compilation.forgotten();
    let targets = Targets::of(definition, &candidates, &compilation.places, &forgotten);
    let redaction = redaction(&selector, &selected, &pseudonymized, &options.pseudonymize);
    let Compilation {
        columns,
        codebook,
        traits,
        notes,
        ..
    } = compilation;
    let find = |wanted: fn(&CodebookEntry) -> bool| {
        codebook
            .iter()
            .find(|entry| wanted(entry))
            .map(|entry| entry.column.clone())
    };
    let is_kind = |kind: Kind| {
        codebook
            .iter()
            .find(|entry| entry.kind == kind.as_str())
            .map(|entry| entry.column.clone())
    };
    let map = ColumnMap {
        score: score.or_else(|| find(is_scale)),
        comments: comments.or_else(|| is_kind(Kind::Essay)),
        reads_labels: traits.iter().any(|column| column.labelled)
            || targets.targets.iter().any(Target::is_ambiguous),
        table: Table {
            name: options.table.clone(),
            columns,
        },
        codebook,
        traits,
        targets,
        previews: options.previews,
        missing_number: options.missing_number.clone(),
        missing_text: options.missing_text.clone(),
        redaction,
    };
    Ok((map, notes))
}

/// Positions of the fields whose values are replaced.
fn pseudonymized(
    selector: &Selector<'_, '_>,
    names: &[String],
) -> Result<BTreeSet<usize>, DefinitionError> {
    let mut fields = BTreeSet::new();
    for name in names {
        for at in selector.find("pseudonymize", name)? {
            let Some(candidate) = selector.candidates.all.get(at) else {
                continue;
            };
            let is_needed = selector.candidates.field(candidate).is_some_and(|field| {
                field.kind == Kind::Metadata && personal_of(&field.key).is_none()
            });
            if candidate.choice.is_some() || is_needed {
                return Err(DefinitionError::NotPseudonymizable { tag: name.clone() });
            }
            fields.insert(candidate.field);
        }
    }
    Ok(fields)
}

/// The columns to have, in their order, each with whether it is only implied: the response's id comes first and the
/// recorded date last where the settings don't place them.
fn selected(
    selector: &Selector<'_, '_>,
    columns: Option<&[String]>,
) -> Result<Vec<(usize, bool)>, DefinitionError> {
    let candidates = selector.candidates;
    let mut chosen: Vec<usize> = Vec::new();
    match columns {
        Some(names) => {
            for name in names {
                chosen.extend(selector.find("columns", name)?);
            }
        }
        None => {
            let all = candidates.all.iter().enumerate();
            chosen.extend(
                all.filter(|(_, candidate)| by_default(candidates, candidate))
                    .map(|(at, _)| at),
            );
        }
    }
    let of_key = |key: &str| {
        candidates.all.iter().position(|candidate| {
            candidates
                .field(candidate)
                .is_some_and(|field| field.key == key)
        })
    };
    let mut selected: Vec<(usize, bool)> = Vec::with_capacity(chosen.len() + 2);
    let mut seen = BTreeSet::new();
    let response_id = of_key(RESPONSE_ID_KEY);
    let first = response_id.filter(|at| columns.is_none() || !chosen.contains(at));
    let last = of_key(RECORDED_DATE_KEY).filter(|at| !chosen.contains(at));
    let in_order = first
        .map(|at| (at, false))
        .into_iter()
        .chain(chosen.into_iter().map(|at| (at, false)))
        .chain(last.map(|at| (at, true)));
    selected.extend(in_order.filter(|(at, _)| seen.insert(*at)));
    Ok(selected)
}

/// Questions, embedded data, and metadata that is not personal. A deleted question's columns stay where they were given.
fn by_default(candidates: &Candidates<'_>, candidate: &Candidate<'_>) -> bool {
    match candidate.rank {
        Rank::Metadata => candidates
            .field(candidate)
            .is_some_and(|field| field.by_default),
        Rank::Question | Rank::EmbeddedData => true,
        Rank::Late => candidate.assigned.is_some(),
    }
}

/// Keys to remove and to replace. What is pseudonymised may stay in documents though it is no column: it says nothing,
/// and a column added later is filled from there.
fn redaction(
    selector: &Selector<'_, '_>,
    selected: &[(usize, bool)],
    pseudonymized: &BTreeSet<usize>,
    names: &[String],
) -> Redaction {
    let candidates = selector.candidates;
    let kept: BTreeSet<usize> = selected
        .iter()
        .filter_map(|(at, _)| candidates.all.get(*at))
        .map(|candidate| candidate.field)
        .chain(pseudonymized.iter().copied())
        .collect();
    let mut redaction = Redaction::default();
    for (at, field) in candidates.fields.iter().enumerate() {
        if kept.contains(&at) && field.kind == Kind::Metadata {
            redaction.keep(&field.key);
        }
        if pseudonymized.contains(&at) {
            redaction.pseudonymize(keys(field), &field.tag);
        }
    }
    // Documents of before still hold what the survey no longer asks.
    for entry in names.iter().flat_map(|name| selector.gone(name)) {
        redaction.pseudonymize([entry.key.as_str()].into_iter(), &entry.tag);
    }
    redaction
}

struct Compilation<'a, 'b> {
    definition: &'a SurveyDefinition,
    options: &'b MapOptions,
    candidates: &'b Candidates<'a>,
    pseudonymized: &'b BTreeSet<usize>,
    columns: Vec<Column>,
    codebook: Vec<CodebookEntry>,
    traits: Vec<Trait>,
    notes: Vec<MapNote>,
    /// Position among the candidates to position among the columns.
    places: BTreeMap<usize, usize>,
}

impl Compilation<'_, '_> {
    fn add(&mut self, at: usize, implied: bool) {
        let Some(candidate) = self.candidates.all.get(at) else {
            return;
        };
        let Some(field) = self.candidates.field(candidate) else {
            return;
        };
        // Made by folding, or stored by us: an identifier either way.
        let Ok(name) = candidate.column().parse::<ColumnName>() else {
            return;
        };
        let pseudonymized = self.pseudonymized.contains(&candidate.field);
        let labelled = self.options.labels && !pseudonymized && has_labels(field);
        let is_key = field.key == RESPONSE_ID_KEY;
        let kind = match (is_key, pseudonymized, labelled) {
            (true, ..) => KEY,
            (_, true, _) => PSEUDONYM,
            (_, _, true) => TEXT,
            (false, false, false) => column_type(field, self.definition.choices(field)),
        };
        let entry = self.entry(candidate, field, name.clone());
        self.note_changes(candidate, &entry);
        self.places.insert(at, self.columns.len());
        self.traits.push(Trait {
            empty: empty_cell(
                kind,
                !is_key,
                self.options.missing_number.as_ref(),
                self.options.missing_text.as_deref(),
            ),
            labelled,
            pseudonymized,
            is_key,
            implied,
        });
        self.columns.push(Column {
            name,
            property: candidate.property.clone(),
            kind,
            nullable: !is_key,
        });
        self.codebook.push(entry);
    }

    fn entry(&self, candidate: &Candidate<'_>, field: &Field, column: ColumnName) -> CodebookEntry {
        let mut former_tags = Vec::new();
        if let Some(known) = candidate.assigned {
            former_tags.extend(known.former_tags.iter().chain([&known.tag]).cloned());
            former_tags.retain(|tag| *tag != candidate.tag);
            former_tags.sort();
            former_tags.dedup();
        }
        let (text, choices) = match candidate.choice {
            Some(choice) => (
                format!("{} - {}", field.text, choice.label),
                vec![choice.clone()],
            ),
            None => (field.text.clone(), self.definition.choices(field).to_vec()),
        };
        CodebookEntry {
            column,
            property: candidate.property.clone(),
            tag: candidate.tag.clone(),
            key: field.key.clone(),
            choice: candidate.choice.map(|choice| choice.id.clone()),
            text,
            kind: field.kind.as_str().to_owned(),
            choices,
            former_tags,
        }
    }

    fn note_changes(&mut self, candidate: &Candidate<'_>, entry: &CodebookEntry) {
        let column = &entry.column;
        let Some(known) = candidate.assigned else {
            if super::names::fold(&entry.tag) != entry.property {
                self.notes.push(MapNote::Suffixed {
                    column: column.clone(),
                    tag: entry.tag.clone(),
                });
            }
            return;
        };
        if known.tag != entry.tag {
            self.notes.push(MapNote::Renamed {
                column: column.clone(),
                from: known.tag.clone(),
                to: entry.tag.clone(),
            });
        }
        for choice in &entry.choices {
            let before = known.choices.iter().find(|before| before.id == choice.id);
            if let Some(before) = before.filter(|before| before.recode != choice.recode) {
                self.notes.push(MapNote::Recoded {
                    column: column.clone(),
                    label: choice.label.clone(),
                    from: before.recode.clone(),
                    to: choice.recode.clone(),
                });
            }
        }
    }

    fn note_gone(&mut self, assigned: &[CodebookEntry]) {
        let still: BTreeSet<&str> = self
            .candidates
            .all
            .iter()
            .filter_map(|candidate| candidate.assigned)
            .map(|entry| entry.column.as_ref())
            .collect();
        let gone = assigned
            .iter()
            .filter(|entry| !still.contains(entry.column.as_ref()));
        self.notes.extend(gone.map(|entry| MapNote::Gone {
            column: entry.column.clone(),
            key: entry.question_key(),
        }));
    }

    /// The column that `score` or `comments` names.
    fn named(
        &self,
        selector: &Selector<'_, '_>,
        setting: &'static str,
        name: Option<&str>,
    ) -> Result<Option<ColumnName>, DefinitionError> {
        let Some(name) = name else {
            return Ok(None);
        };
        let found = selector.find(setting, name)?;
        let column = found
            .iter()
            .find_map(|at| self.places.get(at))
            .and_then(|place| self.columns.get(*place));
        match column {
            Some(column) => Ok(Some(column.name.clone())),
            None if found.is_empty() => Ok(None),
            None => Err(DefinitionError::NotAColumn {
                setting,
                tag: name.to_owned(),
            }),
        }
    }

    /// Keys that only the codebook still knows: answers of before are nothing new.
    fn forgotten(&self) -> Vec<String> {
        let gone = self.notes.iter().filter_map(|note| match note {
            MapNote::Gone { key, .. } => Some(split_key(key).0),
            MapNote::Renamed { .. } | MapNote::Recoded { .. } | MapNote::Suffixed { .. } => None,
        });
        gone.collect()
    }
}
