//! The rows of one entity set that one viewer sees.

use std::collections::BTreeMap;

use bigdecimal::BigDecimal;
use sha2::{Digest, Sha256};

use super::{Rows, Viewer};
use crate::odata::{EntitySet, PropertyValue};
use crate::row::{Cell, ColumnName, ColumnType};

/// Which rows are seen. Its [`RowFilter::digest`] tells one viewer's answers from another's.
#[derive(Debug, Clone, PartialEq)]
pub enum RowFilter {
    /// All of them.
    All,
    /// None.
    Nothing,
    /// Those for which every clause holds.
    Where(Vec<Clause>),
}

/// A column and the values of which it must have one.
#[derive(Debug, Clone, PartialEq)]
pub struct Clause {
    /// The column.
    pub column: ColumnName,
    /// The column's type.
    pub kind: ColumnType,
    /// The values, never empty.
    pub values: Vec<Cell>,
}

impl RowFilter {
    /// What the rule's rows mean for this viewer in this set. A column that the set does not have, an attribute that
    /// the viewer does not have, and values that the column can't have all mean: no rows.
    pub(super) fn new(rows: &Rows, viewer: &Viewer, set: &EntitySet) -> Self {
        match rows {
            Rows::All => Self::All,
            Rows::Where(columns) => {
                clauses(columns, viewer, set).map_or(Self::Nothing, Self::Where)
            }
        }
    }

    /// Rows whose column has one of these texts.
    pub(super) fn of_texts(column: ColumnName, texts: Vec<String>) -> Self {
        if texts.is_empty() {
            return Self::Nothing;
        }
        Self::Where(vec![Clause {
            column,
            kind: ColumnType::NVarchar(5000),
            values: texts.into_iter().map(Cell::Text).collect(),
        }])
    }

    /// Names the filter in entity tags: equal exactly where the filters are.
    #[must_use]
    pub fn digest(&self) -> String {
        let hash = Sha256::digest(format!("{self:?}"));
        hex::encode(hash.iter().take(16).copied().collect::<Vec<u8>>())
    }
}

fn clauses(
    columns: &BTreeMap<String, Vec<String>>,
    viewer: &Viewer,
    set: &EntitySet,
) -> Option<Vec<Clause>> {
    columns
        .iter()
        .map(|(name, wanted)| {
            let property = set.property(name)?;
            let PropertyValue::Column { column, .. } = &property.value else {
                return None;
            };
            let texts = expanded(wanted, viewer)?;
            let values: Vec<Cell> = texts
                .iter()
                .filter_map(|text| cell(text, property.kind))
                .collect();
            (!values.is_empty()).then(|| Clause {
                column: column.clone(),
                kind: property.kind,
                values,
            })
        })
        .collect()
}

/// The values with `$user.Name` replaced by the viewer's attribute; none if that is absent or empty.
#[must_use]
pub fn expanded(wanted: &[String], viewer: &Viewer) -> Option<Vec<String>> {
    let mut texts = Vec::new();
    for text in wanted {
        match text.strip_prefix("$user.") {
            None => texts.push(text.clone()),
            Some(attribute) => {
                let values = viewer.attributes.get(attribute)?;
                let before = texts.len();
                texts.extend(values.iter().filter(|value| !value.is_empty()).cloned());
                if texts.len() == before {
                    return None;
                }
            }
        }
    }
    texts.sort();
    texts.dedup();
    Some(texts)
}

/// The text as a value of the column, if it is one.
fn cell(text: &str, kind: ColumnType) -> Option<Cell> {
    match kind {
        ColumnType::Integer | ColumnType::BigInt => text.parse().ok().map(Cell::Integer),
        ColumnType::Double => text
            .parse()
            .ok()
            .filter(|value: &f64| value.is_finite())
            .map(Cell::Double),
        ColumnType::Decimal { .. } => decimal(text).map(Cell::Decimal),
        ColumnType::Boolean => text.parse().ok().map(Cell::Boolean),
        ColumnType::Date => text.parse().ok().map(Cell::Date),
        ColumnType::Timestamp => text.parse().ok().map(Cell::Timestamp),
        ColumnType::NVarchar(_) | ColumnType::NClob => Some(Cell::Text(text.to_owned())),
    }
}

/// A decimal in plain digits: an exponent could stand for gigabytes of zeros.
fn decimal(text: &str) -> Option<BigDecimal> {
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.'));
    plain.then(|| text.parse().ok()).flatten()
}
