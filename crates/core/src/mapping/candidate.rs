//! Every column that a definition could have, each with its name, whether it is wanted or not: so that a name does not
//! depend on which columns are wanted.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::codebook::CodebookEntry;
use super::names::Names;
use super::number::same;
use crate::survey::SurveyDefinition;
use crate::survey::field::{Choice, Field, Kind, Spread};
use crate::survey::metadata::{self, METADATA};

/// One column that could be.
#[derive(Debug)]
pub(super) struct Candidate<'a> {
    /// Position in [`Candidates::fields`].
    pub(super) field: usize,
    /// The choice of a spread field.
    pub(super) choice: Option<&'a Choice>,
    pub(super) tag: String,
    pub(super) property: String,
    /// The codebook's entry, if it had a column before.
    pub(super) assigned: Option<&'a CodebookEntry>,
    pub(super) rank: Rank,
}

impl Candidate<'_> {
    /// Its name in the database.
    pub(super) fn column(&self) -> Cow<'_, str> {
        match self.assigned {
            Some(entry) => Cow::Borrowed(entry.column.as_ref()),
            None => Cow::Owned(self.property.to_ascii_uppercase()),
        }
    }
}

/// Who is named first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Metadata,
    Question,
    EmbeddedData,
    /// No column unless named: deleted questions, display orders.
    Late,
}

/// All of them, in the order of naming.
#[derive(Debug)]
pub(super) struct Candidates<'a> {
    pub(super) fields: Vec<Cow<'a, Field>>,
    pub(super) all: Vec<Candidate<'a>>,
}

impl<'a> Candidates<'a> {
    pub(super) fn of(definition: &'a SurveyDefinition, assigned: &'a [CodebookEntry]) -> Self {
        let metadata = METADATA
            .iter()
            .map(|metadata| Cow::Owned(field_of(metadata)));
        let questions = definition.fields().iter().map(Cow::Borrowed);
        let fields: Vec<Cow<'a, Field>> = metadata.chain(questions).collect();
        let memory = Memory::of(assigned);
        let mut all = Vec::new();
        for (at, field) in fields.iter().enumerate() {
            let rank = rank(field);
            if field.spread == Spread::One {
                all.push(Candidate {
                    field: at,
                    choice: None,
                    tag: field.tag.clone(),
                    property: String::new(),
                    assigned: memory.of_key(field),
                    rank,
                });
                continue;
            }
            for choice in definition.choices(field) {
                all.push(Candidate {
                    field: at,
                    choice: Some(choice),
                    tag: field
                        .own_tags
                        .get(&choice.id)
                        .cloned()
                        .unwrap_or_else(|| format!("{}_{}", field.tag, choice.recode)),
                    property: String::new(),
                    assigned: memory.of_choice(field, choice),
                    rank,
                });
            }
        }
        all.sort_by_key(|candidate| candidate.rank);
        name(&mut all, assigned);
        Self { fields, all }
    }

    pub(super) fn field(&self, candidate: &Candidate<'_>) -> Option<&Field> {
        self.fields.get(candidate.field).map(Cow::as_ref)
    }
}

fn rank(field: &Field) -> Rank {
    match field.kind {
        Kind::Metadata => Rank::Metadata,
        _ if !field.by_default => Rank::Late,
        _ if field.question.is_some() => Rank::Question,
        _ => Rank::EmbeddedData,
    }
}

fn field_of(metadata: &metadata::Metadata) -> Field {
    let mut aliases = Vec::new();
    if metadata.personal {
        // A flow may declare these as fields of their own; they are personal all the same.
        aliases.push(metadata.tag.to_owned());
        if metadata.key == "externalDataReference" {
            aliases.push("ExternalDataReference".to_owned());
        }
    }
    Field {
        key: metadata.key.to_owned(),
        aliases,
        own_tags: BTreeMap::new(),
        tag: metadata.tag.to_owned(),
        question: None,
        kind: Kind::Metadata,
        answer: metadata.answer,
        spread: Spread::One,
        list: None,
        text: metadata.text.to_owned(),
        by_default: metadata.by_default,
    }
}

/// Names that were given stay; the others are made so that they differ from all of them.
fn name(candidates: &mut [Candidate<'_>], assigned: &[CodebookEntry]) {
    let mut names = Names::default();
    for entry in assigned {
        names.reserve(entry.column.as_ref());
    }
    for candidate in candidates {
        candidate.property = match candidate.assigned {
            Some(entry) => entry.property.clone(),
            None => names.give(&candidate.tag),
        };
    }
}

/// The codebook as it was, by key and choice.
struct Memory<'a> {
    exact: BTreeMap<(&'a str, Option<&'a str>), &'a CodebookEntry>,
    by_key: BTreeMap<&'a str, Vec<&'a CodebookEntry>>,
}

impl<'a> Memory<'a> {
    fn of(assigned: &'a [CodebookEntry]) -> Self {
        let mut memory = Self {
            exact: BTreeMap::new(),
            by_key: BTreeMap::new(),
        };
        for entry in assigned {
            memory
                .exact
                .insert((&entry.key, entry.choice.as_deref()), entry);
            memory.by_key.entry(&entry.key).or_default().push(entry);
        }
        memory
    }

    fn of_key(&self, field: &Field) -> Option<&'a CodebookEntry> {
        keys(field).find_map(|key| self.exact.get(&(key, None)).copied())
    }

    /// By the choice's id; where one of both sides knows only the recode, by that.
    fn of_choice(&self, field: &Field, choice: &Choice) -> Option<&'a CodebookEntry> {
        keys(field)
            .find_map(|key| self.exact.get(&(key, Some(choice.id.as_str()))).copied())
            .or_else(|| {
                keys(field).find_map(|key| {
                    let entries = self.by_key.get(key)?;
                    entries
                        .iter()
                        .copied()
                        .find(|entry| same_choice(entry, choice))
                })
            })
    }
}

fn same_choice(entry: &CodebookEntry, choice: &Choice) -> bool {
    let by_recode_only = choice.id.starts_with('~')
        || entry
            .choice
            .as_deref()
            .is_some_and(|id| id.starts_with('~'));
    by_recode_only
        && entry
            .choices
            .first()
            .is_some_and(|known| same(&known.recode, &choice.recode))
}

/// A field's key and its other spellings.
pub(super) fn keys(field: &Field) -> impl Iterator<Item = &str> {
    [&field.key]
        .into_iter()
        .chain(&field.aliases)
        .map(String::as_str)
}
