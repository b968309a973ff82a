//! A definition and its settings into a [`ColumnMap`].

use std::collections::{BTreeMap, BTreeSet};

use bigdecimal::BigDecimal;

use super::candidate::{Candidate, Candidates, Rank, keys};
use super::cell::{cut, fit_decimal};
use super::error::Misfit;
use super::fill::{Member, Target};
use super::number::Exact;
use super::redact::Redaction;
use super::select::Selector;
use super::{CodebookEntry, ColumnMap, MapNote, MapOptions, TEXT, is_scale};
use crate::row::{Cell, Column, ColumnName, ColumnType, Table};
use crate::survey::field::{Answer, Choice, Field, Spread};
use crate::survey::metadata::{RECORDED_DATE_KEY, RESPONSE_ID_KEY};
use crate::survey::{DefinitionError, Kind, SurveyDefinition};

/// What the map knows of a column beyond name and type.
#[derive(Debug, Clone)]
pub(super) struct Trait {
    /// What an empty cell gets, or why it can't be empty.
    pub(super) empty: Result<Cell, Misfit>,
    /// Holds the answer's label.
    pub(super) labelled: bool,
    /// Only pseudonyms may get there.
    pub(super) pseudonymized: bool,
    /// The response's id.
    pub(super) is_key: bool,
    /// There though nobody asked for it.
    pub(super) implied: bool,
}

pub(super) fn compile(
    definition: &SurveyDefinition,
    options: &MapOptions,
    assigned: &[CodebookEntry],
) -> Result<(ColumnMap, Vec<MapNote>), DefinitionError> {
    let candidates = Candidates::of(definition, assigned);
    let selector = Selector {
        definition,
        candidates: &candidates,
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
    let (targets, keys) = compilation.targets();
    let redaction = redaction(&candidates, &selected, &pseudonymized);
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
            || targets.iter().any(Target::is_ambiguous),
        table: Table {
            name: options.table.clone(),
            columns,
        },
        codebook,
        traits,
        keys,
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
            let is_spread = candidate.choice.is_some();
            let is_key = selector
                .candidates
                .field(candidate)
                .is_some_and(|field| field.key == RESPONSE_ID_KEY);
            if is_spread || is_key {
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
    candidates: &Candidates<'_>,
    selected: &[(usize, bool)],
    pseudonymized: &BTreeSet<usize>,
) -> Redaction {
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
        let kind = if is_key {
            KEY
        } else if pseudonymized {
            PSEUDONYM
        } else if labelled {
            TEXT
        } else {
            column_type(field, self.definition.choices(field))
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
            None => Err(DefinitionError::NotAColumn {
                setting,
                tag: name.to_owned(),
            }),
        }
    }

    /// What stands under which key: one target per field, columns or not, so that what is known is not reported.
    fn targets(&self) -> (Vec<Target>, Vec<(Box<str>, usize)>) {
        let mut members: Vec<Vec<Member>> = vec![Vec::new(); self.candidates.fields.len()];
        let mut single: Vec<Option<usize>> = vec![None; self.candidates.fields.len()];
        for (at, candidate) in self.candidates.all.iter().enumerate() {
            let column = self.places.get(&at).copied();
            match candidate.choice {
                Some(choice) => {
                    if let Some(members) = members.get_mut(candidate.field) {
                        members.push(Member::new(choice, column));
                    }
                }
                None => {
                    if let Some(place) = single.get_mut(candidate.field) {
                        *place = column;
                    }
                }
            }
        }
        let mut targets = Vec::with_capacity(self.candidates.fields.len());
        let mut names: BTreeMap<Box<str>, usize> = BTreeMap::new();
        for (at, ((field, members), column)) in self
            .candidates
            .fields
            .iter()
            .zip(members)
            .zip(single)
            .enumerate()
        {
            let is_key = field.key == RESPONSE_ID_KEY;
            targets.push(match (field.spread, column) {
                (Spread::Chosen, _) => Target::Chosen(members),
                (Spread::Places, _) => Target::Places(members),
                (Spread::One, Some(column)) if !is_key => Target::One {
                    column,
                    choices: self.definition.choices(field).to_vec(),
                },
                (Spread::One, _) => Target::Known,
            });
            for key in keys(field) {
                names.entry(key.into()).or_insert(at);
            }
        }
        // Of deleted questions only the codebook knows; their keys are nothing new.
        let known = targets.len();
        targets.push(Target::Known);
        for key in self.forgotten() {
            names.entry(key.into()).or_insert(known);
        }
        (targets, names.into_iter().collect())
    }

    fn forgotten(&self) -> impl Iterator<Item = &str> {
        self.notes.iter().filter_map(|note| match note {
            MapNote::Gone { key, .. } => {
                Some(key.rsplit_once('=').map_or(key.as_str(), |(key, _)| key))
            }
            MapNote::Renamed { .. } | MapNote::Recoded { .. } | MapNote::Suffixed { .. } => None,
        })
    }
}

/// The response id's type: longer than any id, short enough for a key.
const KEY: ColumnType = ColumnType::NVarchar(100);
/// 64 hex digits.
const PSEUDONYM: ColumnType = ColumnType::NVarchar(64);
/// Numbers without recodes.
const DECIMAL: ColumnType = ColumnType::Decimal {
    precision: 20,
    scale: 6,
};

/// Fields that documents have labels for. NPS has none, only its group. Source: recorded responses.
fn has_labels(field: &Field) -> bool {
    let is_metadata =
        field.kind == Kind::Metadata && matches!(field.key.as_str(), "status" | "finished");
    is_metadata || (field.answer == Answer::Recode && field.spread != Spread::Places)
}

fn column_type(field: &Field, choices: &[Choice]) -> ColumnType {
    match field.answer {
        Answer::Recode => recode_type(choices),
        Answer::Text => TEXT,
        Answer::Number => DECIMAL,
        Answer::Integer => ColumnType::Integer,
        Answer::BigInteger => ColumnType::BigInt,
        Answer::Instant => ColumnType::Timestamp,
        Answer::Structure => ColumnType::NClob,
    }
}

/// The narrowest type that holds all recodes of the question.
fn recode_type(choices: &[Choice]) -> ColumnType {
    let mut kind = ColumnType::Integer;
    for choice in choices {
        let Some(number) = Exact::parse(&choice.recode) else {
            return TEXT;
        };
        let whole = number.to_i64();
        if whole.is_some_and(|number| i32::try_from(number).is_ok()) {
            continue;
        }
        if whole.is_some() && kind != DECIMAL {
            kind = ColumnType::BigInt;
        } else if number.fraction_digits() <= 6 && number.whole_digits() <= 14 {
            kind = DECIMAL;
        } else {
            return TEXT;
        }
    }
    kind
}

/// What a cell of this type gets where there is nothing, or why that is impossible.
pub(super) fn empty_cell(
    kind: ColumnType,
    nullable: bool,
    missing_number: Option<&BigDecimal>,
    missing_text: Option<&str>,
) -> Result<Cell, Misfit> {
    let cell = match kind {
        ColumnType::Integer
        | ColumnType::BigInt
        | ColumnType::Double
        | ColumnType::Decimal { .. } => {
            missing_number.map_or(Ok(Cell::Null), |number| fit_decimal(number, kind))?
        }
        ColumnType::NVarchar(length) => {
            missing_text.map_or(Cell::Null, |text| Cell::Text(cut(text, length).to_owned()))
        }
        ColumnType::NClob => missing_text.map_or(Cell::Null, |text| Cell::Text(text.to_owned())),
        ColumnType::Boolean | ColumnType::Date | ColumnType::Timestamp => Cell::Null,
    };
    if cell == Cell::Null && !nullable {
        return Err(Misfit::NotNull);
    }
    Ok(cell)
}
