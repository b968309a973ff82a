//! Responses to rows: which columns a survey has, and what of a document goes into them.
//!
//! A [`ColumnMap`] is compiled once per definition and settings, and then applied to every document in one pass over its
//! `values`. It is all or nothing: a row is exactly what the document says under the columns' export tags, or there is a
//! [`MappingError`] that names the column. Beside the row it says what the document held that the map doesn't know.
//!
//! The way of one response: [`ResponseDocument::parse`], [`ColumnMap::redact`] (before anything is stored), then
//! [`ColumnMap::map`]. Mapping a stored document again gives the same row.

use bigdecimal::BigDecimal;

use crate::row::{Column, ColumnName, Row, Table, TableName};
use crate::survey::{DefinitionError, SurveyDefinition};
use crate::time::Timestamp;

mod candidate;
mod cell;
mod codebook;
mod column;
mod compile;
mod document;
mod error;
mod fill;
mod names;
mod number;
mod pseudonym;
mod redact;
mod select;
mod target;

pub use codebook::CodebookEntry;
pub use document::ResponseDocument;
pub use error::{DocumentError, MappingError, Misfit};
pub use pseudonym::{PseudonymKey, PseudonymKeyError};

use column::Trait;
use redact::Redaction;
use target::Targets;

/// A survey's settings, as far as they say what its rows are.
#[derive(Debug, Clone)]
pub struct MapOptions {
    /// The table.
    pub table: TableName,
    /// What to have as columns; `None`: all questions and embedded data, and metadata that is not personal.
    pub columns: Option<Vec<String>>,
    /// What empty cells of number columns get.
    pub missing_number: Option<BigDecimal>,
    /// What empty cells of text columns get.
    pub missing_text: Option<String>,
    /// Labels instead of recodes.
    pub labels: bool,
    /// Whose values to replace.
    pub pseudonymize: Vec<String>,
    /// Keep preview and test responses.
    pub previews: bool,
    /// The question that figures show at first.
    pub score: Option<String>,
    /// The question whose texts are shown.
    pub comments: Option<String>,
}

impl MapOptions {
    /// The defaults for a table.
    #[must_use]
    pub fn new(table: TableName) -> Self {
        Self {
            table,
            columns: None,
            missing_number: None,
            missing_text: None,
            labels: false,
            pseudonymize: Vec::new(),
            previews: false,
            score: None,
            comments: None,
        }
    }
}

/// What changed against the codebook as it was; `schema diff` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MapNote {
    /// The question's export tag is another one now; column and property stay.
    Renamed {
        /// The column.
        column: ColumnName,
        /// The tag as it was.
        from: String,
        /// The tag as it is.
        to: String,
    },
    /// A choice has another recode now: what later reads return differs from older rows.
    Recoded {
        /// The column.
        column: ColumnName,
        /// The choice's text.
        label: String,
        /// The recode as it was.
        from: String,
        /// The recode as it is.
        to: String,
    },
    /// The definition no longer has what the column holds; the column is left alone.
    Gone {
        /// The column.
        column: ColumnName,
        /// Key and choice.
        key: String,
    },
    /// The tag's name was taken by another column.
    Suffixed {
        /// The column.
        column: ColumnName,
        /// The tag.
        tag: String,
    },
}

impl std::fmt::Display for MapNote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Renamed { column, from, to } => {
                write!(f, "column {column}: export tag {from} is now {to}")
            }
            Self::Recoded {
                column,
                label,
                from,
                to,
            } => write!(
                f,
                "column {column}: recode {from} of \"{label}\" is now {to}"
            ),
            Self::Gone { column, key } => {
                write!(f, "column {column}: the survey no longer has {key}")
            }
            Self::Suffixed { column, tag } => write!(
                f,
                "column {column}: another column has the name of tag {tag}"
            ),
        }
    }
}

/// How a survey's responses become rows of its table.
#[derive(Debug, Clone)]
pub struct ColumnMap {
    table: Table,
    /// One per column, in the same order.
    codebook: Vec<CodebookEntry>,
    /// Likewise.
    traits: Vec<Trait>,
    targets: Targets,
    /// Whether `labels` of a document has to be read.
    reads_labels: bool,
    previews: bool,
    missing_number: Option<BigDecimal>,
    missing_text: Option<String>,
    redaction: Redaction,
    score: Option<ColumnName>,
    comments: Option<ColumnName>,
}

/// What became of a document.
#[derive(Debug, Clone, PartialEq)]
pub enum Mapped {
    /// A row.
    Row {
        /// Its cells, in the table's order.
        row: Row,
        /// The document's recorded date.
        recorded_at: Option<Timestamp>,
        /// Keys of `values` that the definition doesn't have. `QID5=?` stands for a choice that it doesn't have.
        unknown: Vec<String>,
        /// Columns whose text was cut.
        truncated: Vec<ColumnName>,
    },
    /// Rightly no row.
    Skip(SkipReason),
}

/// Why a response is no row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkipReason {
    /// A preview (status 1, offline 17).
    Preview,
    /// Generated test data (status 2).
    Test,
    /// Not finished.
    Unfinished,
}

impl SkipReason {
    /// Stable code, as the inbox keeps it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Preview => "preview",
            Self::Test => "test",
            Self::Unfinished => "unfinished",
        }
    }
}

impl std::fmt::Display for SkipReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

impl ColumnMap {
    /// Makes the map. `assigned` is the codebook as it was stored, all rows of the survey: columns once given stay.
    ///
    /// # Errors
    /// When a setting names something that the survey doesn't have, or has twice.
    pub fn compile(
        definition: &SurveyDefinition,
        options: &MapOptions,
        assigned: &[CodebookEntry],
    ) -> Result<(Self, Vec<MapNote>), DefinitionError> {
        compile::compile(definition, options, assigned)
    }

    /// The table that rows are for.
    #[must_use]
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// What the columns mean: one entry per column of [`Self::table`], in the same order.
    #[must_use]
    pub fn codebook(&self) -> &[CodebookEntry] {
        &self.codebook
    }

    /// The question that figures show at first.
    #[must_use]
    pub fn score(&self) -> Option<&CodebookEntry> {
        self.entry(self.score.as_ref())
    }

    /// The question whose texts are shown.
    #[must_use]
    pub fn comments(&self) -> Option<&CodebookEntry> {
        self.entry(self.comments.as_ref())
    }

    fn entry(&self, column: Option<&ColumnName>) -> Option<&CodebookEntry> {
        let column = column?;
        self.codebook.iter().find(|entry| entry.column == *column)
    }

    /// The same map for a table as it is: its types, lengths, nullability and spelling of names. Columns that it lacks are
    /// left out and returned (`RECORDEDDATE` only if it was asked for).
    #[must_use]
    pub fn conform(&self, existing: &[Column]) -> (Self, Vec<ColumnName>) {
        let mut map = self.clone();
        let mut missing = Vec::new();
        let mut places = Vec::with_capacity(self.table.columns.len());
        map.table.columns.clear();
        map.codebook.clear();
        map.traits.clear();
        let columns = self
            .table
            .columns
            .iter()
            .zip(&self.codebook)
            .zip(&self.traits);
        for ((column, entry), traits) in columns {
            let Some(there) = same_column(existing, &column.name) else {
                places.push(None);
                if !traits.implied {
                    missing.push(column.name.clone());
                }
                continue;
            };
            places.push(Some(map.table.columns.len()));
            map.table.columns.push(Column {
                name: there.name.clone(),
                property: column.property.clone(),
                kind: there.kind,
                nullable: there.nullable,
            });
            map.codebook.push(CodebookEntry {
                column: there.name.clone(),
                ..entry.clone()
            });
            map.traits.push(Trait {
                empty: column::empty_cell(
                    there.kind,
                    there.nullable,
                    self.missing_number.as_ref(),
                    self.missing_text.as_deref(),
                ),
                ..traits.clone()
            });
        }
        for target in &mut map.targets.targets {
            target.move_columns(&places);
        }
        for named in [&mut map.score, &mut map.comments] {
            *named = named
                .take()
                .and_then(|name| same_column(existing, &name))
                .map(|column| column.name.clone());
        }
        (map, missing)
    }

    /// Columns of an existing table that every row must fill and that this map doesn't: no row can be written to it
    /// until they have a default, are made nullable, or are dropped.
    #[must_use]
    pub fn unfilled(&self, existing: &[Column]) -> Vec<ColumnName> {
        existing
            .iter()
            .filter(|column| {
                !column.nullable && same_column(&self.table.columns, &column.name).is_none()
            })
            .map(|column| column.name.clone())
            .collect()
    }

    /// Puts a document's answers into the table's columns.
    ///
    /// # Errors
    /// When a value does not fit its column. There is no row then, not even a part of one.
    pub fn map(&self, document: &ResponseDocument) -> Result<Mapped, MappingError> {
        fill::map(self, document)
    }

    /// The document as it may be stored: without personal metadata that `columns` doesn't name, and with pseudonyms for
    /// what `pseudonymize` names. Redacting twice changes nothing.
    ///
    /// # Errors
    /// When pseudonyms are needed and there is no key.
    pub fn redact(
        &self,
        document: &ResponseDocument,
        key: Option<&PseudonymKey>,
    ) -> Result<ResponseDocument, MappingError> {
        self.redaction.redact(document, key)
    }
}

/// The column of that name; its letter case matters only where two differ in nothing else.
fn same_column<'a>(columns: &'a [Column], name: &ColumnName) -> Option<&'a Column> {
    columns
        .iter()
        .find(|column| column.name == *name)
        .or_else(|| {
            columns
                .iter()
                .find(|column| column.name.as_ref().eq_ignore_ascii_case(name.as_ref()))
        })
}
