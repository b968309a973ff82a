//! Why a document is no document, and why one is no row. No message repeats an answer.

use crate::id::ResponseId;
use crate::row::{ColumnName, ColumnType};

/// Why a value is not in its cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// A text or structure where a number belongs; NaN and Infinity too.
    #[error("the value is not a number")]
    NotANumber,
    /// Beyond what the column holds.
    #[error("the value is out of range")]
    OutOfRange,
    /// Digits after the point that the column does not have.
    #[error("the value has a fraction that the column can't hold")]
    Fraction,
    /// More digits than the database keeps.
    #[error("the value has more digits than the database keeps exactly")]
    DecimalPrecision,
    /// No date, or no instant.
    #[error("the value is not a date")]
    NotADate,
    /// An instant for a DATE column, whose time of day would be lost.
    #[error("the value has a time of day that the column can't hold")]
    TimeOfDay,
    /// Neither true nor false.
    #[error("the value is not a boolean")]
    NotABoolean,
    /// Nothing, in a NOT NULL column.
    #[error("there is no value, and the column is NOT NULL: set `missing`")]
    NotNull,
    /// Half of a UTF-16 pair, which is no character.
    #[error("the text has a lone surrogate, which is no character")]
    LoneSurrogate,
    /// U+0000, which SQLite's functions take for the end of a text.
    #[error("the text has a NUL character")]
    Nul,
    /// A key that is too long for its column; keys are never cut.
    #[error("the response id is longer than the column")]
    KeyTooLong,
    /// Two choices have this recode, and no label tells which is meant.
    #[error("several choices of the question have the same recode")]
    AmbiguousChoice,
    /// The document says two different things under one key.
    #[error("the document has the key twice, with different values")]
    DuplicateKey,
    /// The value should have been replaced before.
    #[error("the value has not been pseudonymised")]
    NotRedacted,
}

impl Misfit {
    /// Stable code, shared by dead letters, logs and `--output json`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotANumber => "not-a-number",
            Self::OutOfRange => "out-of-range",
            Self::Fraction => "fraction",
            Self::DecimalPrecision => "decimal-precision",
            Self::NotADate => "not-a-date",
            Self::TimeOfDay => "time-of-day",
            Self::NotABoolean => "not-a-boolean",
            Self::NotNull => "not-null",
            Self::LoneSurrogate => "lone-surrogate",
            Self::Nul => "nul-character",
            Self::KeyTooLong => "key-too-long",
            Self::AmbiguousChoice => "ambiguous-choice",
            Self::DuplicateKey => "duplicate-key",
            Self::NotRedacted => "not-redacted",
        }
    }
}

/// Why a document does not become a row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// A value does not fit its column.
    #[error("column {column} ({kind}): {misfit}")]
    Column {
        /// The column.
        column: ColumnName,
        /// Its type.
        kind: ColumnType,
        /// What is wrong.
        misfit: Misfit,
    },
    /// `pseudonymize` is set, and there is no key.
    #[error(
        "PSEUDONYM_KEY is not set, and `pseudonymize` needs it: set it to at least 32 characters"
    )]
    NoPseudonymKey,
}

impl MappingError {
    /// Stable code, shared by dead letters, logs and `--output json`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Column { misfit, .. } => misfit.code(),
            Self::NoPseudonymKey => "pseudonym-key-missing",
        }
    }

    /// The column that is named.
    #[must_use]
    pub const fn column(&self) -> Option<&ColumnName> {
        match self {
            Self::Column { column, .. } => Some(column),
            Self::NoPseudonymKey => None,
        }
    }
}

/// Why bytes are not the response that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Qualtrics answers 202 with only a message while a response can't be read yet.
    #[error("the response is not yet available")]
    NotYet,
    /// `{}`, which occurs as a line of real ndjson exports.
    #[error("the document is an empty object")]
    Empty,
    /// No JSON: an HTML page of a gateway, or cut off.
    #[error("the document is not JSON")]
    NotJson,
    /// JSON, but nothing that a response has.
    #[error("the document is not a survey response: {0}")]
    NotAResponse(&'static str),
    /// Another response than the one asked for.
    #[error("the document is the response {found}, not {asked}")]
    OtherResponse {
        /// The one asked for.
        asked: ResponseId,
        /// The one that came.
        found: ResponseId,
    },
}

impl DocumentError {
    /// Stable code, shared by dead letters, logs and `--output json`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotYet => "response-not-yet",
            Self::Empty => "document-empty",
            Self::NotJson => "document-not-json",
            Self::NotAResponse(_) => "document-malformed",
            Self::OtherResponse { .. } => "document-other-response",
        }
    }
}
