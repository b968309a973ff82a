//! Columns' types, which follow from the definition and never from data, and what empty cells get.

use bigdecimal::BigDecimal;

use super::CodebookEntry;
use super::cell::{cut, fit_decimal};
use super::error::Misfit;
use super::number::Exact;
use crate::row::{Cell, ColumnType};
use crate::survey::Kind;
use crate::survey::field::{Answer, Choice, Field, Spread};

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

/// The type of text columns that we create. Not NCLOB, which HANA can't compare, sort or group.
pub(super) const TEXT: ColumnType = ColumnType::NVarchar(5000);
/// The response id's type: longer than any id, short enough for a key.
pub(super) const KEY: ColumnType = ColumnType::NVarchar(100);
/// 64 hex digits.
pub(super) const PSEUDONYM: ColumnType = ColumnType::NVarchar(64);
/// Numbers without recodes.
const DECIMAL: ColumnType = ColumnType::Decimal {
    precision: 20,
    scale: 6,
};

/// Fields that documents have labels for. NPS has none, only its group. Source: recorded responses.
pub(super) fn has_labels(field: &Field) -> bool {
    let is_metadata =
        field.kind == Kind::Metadata && matches!(field.key.as_str(), "status" | "finished");
    is_metadata || (field.answer == Answer::Recode && field.spread != Spread::Places)
}

pub(super) fn column_type(field: &Field, choices: &[Choice]) -> ColumnType {
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

/// A single-choice question whose recodes are a scale of at least three numbers, fit for figures.
pub(super) fn is_scale(entry: &CodebookEntry) -> bool {
    let numbers = entry
        .choices
        .iter()
        .filter_map(|choice| Exact::parse(&choice.recode));
    let mut numbers: Vec<String> = numbers.map(|number| number.plain()).collect();
    numbers.sort();
    numbers.dedup();
    entry.kind == Kind::SingleChoice.as_str()
        && numbers.len() >= 3
        && numbers.len() == entry.choices.len()
}
