//! `$apply`: sequences of transformations, each changing which properties the next one sees.
//! Source: OData Extension for Data Aggregation V4.0, 3.

mod read;

use std::fmt;

use super::expr::Expr;
use super::operands::column_kind;
use super::parser::Member;
use super::search::Search;
use crate::row::ColumnType;

pub(super) use read::{computed, order, whole};

/// One step of `$apply`.
#[derive(Debug, Clone, PartialEq)]
pub enum Transformation {
    /// Rows as they are.
    Identity,
    /// Rows for which the condition is true.
    Filter(Expr),
    /// Rows that hold the words.
    Search(Search),
    /// One row per combination of the keys' values.
    GroupBy {
        /// The grouping properties.
        keys: Vec<Member>,
        /// What is computed over each group.
        aggregates: Vec<Aggregate>,
    },
    /// One row over all rows.
    Aggregate(Vec<Aggregate>),
    /// The same rows in this order.
    OrderBy(Vec<OrderItem>),
    /// The first so many rows.
    Top(u64),
    /// All but the first so many rows.
    Skip(u64),
    /// The so many rows with the largest values.
    TopCount(u64, Expr),
    /// The so many rows with the smallest values.
    BottomCount(u64, Expr),
    /// The same rows with more properties.
    Compute(Vec<Computed>),
    /// The rows of each sequence after those of the one before.
    Concat(Vec<Vec<Self>>),
}

/// A value computed over many rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    /// What is computed.
    pub value: AggregateValue,
    /// The name of the result.
    pub alias: String,
}

/// What is computed over many rows.
#[derive(Debug, Clone, PartialEq)]
pub enum AggregateValue {
    /// The number of rows.
    Count,
    /// A method over an expression's values.
    Of(Expr, Method),
}

/// An aggregation method; nulls don't take part. Source: Data Aggregation, 3.2.1.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the method of that name")]
pub enum Method {
    Sum,
    Average,
    Min,
    Max,
    CountDistinct,
}

impl Method {
    pub(super) const ALL: [(Self, &'static str); 5] = [
        (Self::Sum, "sum"),
        (Self::Average, "average"),
        (Self::Min, "min"),
        (Self::Max, "max"),
        (Self::CountDistinct, "countdistinct"),
    ];

    fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(method, _)| *method == self)
            .map_or("", |(_, name)| name)
    }
}

/// One expression of an order.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderItem {
    /// What is compared.
    pub expr: Expr,
    /// Which end comes first.
    pub direction: Direction,
}

/// Which end comes first. Null is lower than everything. Source: OData V4.01 Part 1, 11.2.6.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Smallest first, nulls before all.
    Ascending,
    /// Largest first, nulls after all.
    Descending,
}

/// A property computed from others of the same row.
#[derive(Debug, Clone, PartialEq)]
pub struct Computed {
    /// How it is computed.
    pub expr: Expr,
    /// The new property's name.
    pub alias: String,
}

impl Aggregate {
    /// The column type of the result. Counts are decimals without fraction. Source: Data Aggregation, 3.2.1.3, 3.2.1.4.
    #[must_use]
    pub fn kind(&self) -> ColumnType {
        const COUNT: ColumnType = ColumnType::Decimal {
            precision: 19,
            scale: 0,
        };
        match &self.value {
            AggregateValue::Count | AggregateValue::Of(_, Method::CountDistinct) => COUNT,
            AggregateValue::Of(_, Method::Average) => ColumnType::Double,
            AggregateValue::Of(expr, Method::Min | Method::Max) => grouped_kind(column_kind(expr)),
            AggregateValue::Of(expr, Method::Sum) => match column_kind(expr) {
                ColumnType::Integer => ColumnType::BigInt,
                ColumnType::Decimal { scale, .. } => ColumnType::Decimal {
                    precision: 38,
                    scale,
                },
                kind => kind,
            },
        }
    }
}

/// The type of a column that was grouped by: HANA can't group NCLOBs, their first 5,000 characters stand for them.
pub(crate) fn grouped_kind(kind: ColumnType) -> ColumnType {
    match kind {
        ColumnType::NClob => ColumnType::NVarchar(5000),
        kind => kind,
    }
}

impl fmt::Display for Transformation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity => f.write_str("identity"),
            Self::Filter(condition) => write!(f, "filter({condition})"),
            Self::Search(search) => write!(f, "search({search})"),
            Self::GroupBy { keys, aggregates } => {
                let keys: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
                write!(f, "groupby(({})", keys.join(","))?;
                if !aggregates.is_empty() {
                    write!(f, ",aggregate({})", List(aggregates))?;
                }
                f.write_str(")")
            }
            Self::Aggregate(aggregates) => write!(f, "aggregate({})", List(aggregates)),
            Self::OrderBy(items) => write!(f, "orderby({})", List(items)),
            Self::Top(count) => write!(f, "top({count})"),
            Self::Skip(count) => write!(f, "skip({count})"),
            Self::TopCount(count, expr) => write!(f, "topcount({count},{expr})"),
            Self::BottomCount(count, expr) => write!(f, "bottomcount({count},{expr})"),
            Self::Compute(computed) => write!(f, "compute({})", List(computed)),
            Self::Concat(sequences) => {
                f.write_str("concat(")?;
                for (index, sequence) in sequences.iter().enumerate() {
                    write!(
                        f,
                        "{}{}",
                        if index == 0 { "" } else { "," },
                        Sequence(sequence)
                    )?;
                }
                f.write_str(")")
            }
        }
    }
}

/// A list with commas between its members, as URLs write it.
pub(crate) struct List<'a, T>(pub(crate) &'a [T]);

impl<T: fmt::Display> fmt::Display for List<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, item) in self.0.iter().enumerate() {
            write!(f, "{}{item}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

/// Transformations with `/` between them.
pub(crate) struct Sequence<'a>(pub(crate) &'a [Transformation]);

impl fmt::Display for Sequence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, item) in self.0.iter().enumerate() {
            write!(f, "{}{item}", if index == 0 { "" } else { "/" })?;
        }
        Ok(())
    }
}

impl fmt::Display for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            AggregateValue::Count => write!(f, "$count as {}", self.alias),
            AggregateValue::Of(expr, method) => {
                write!(f, "{expr} with {} as {}", method.name(), self.alias)
            }
        }
    }
}

impl fmt::Display for OrderItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.direction {
            Direction::Ascending => write!(f, "{}", self.expr),
            Direction::Descending => write!(f, "{} desc", self.expr),
        }
    }
}

impl fmt::Display for Computed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} as {}", self.expr, self.alias)
    }
}
