//! The SELECTs behind OData: one text per query, made of a base table, the viewer's filter, and one block after the
//! other for what the query does to the rows.
//!
//! It takes nothing but a [`Visible`] query. The filter is the first condition on the base table, inside everything
//! else, so that no later step can see a row that the viewer doesn't.

mod base;
mod condition;
mod contents;
mod pages;
mod relation;
mod steps;
mod text;
mod value;

use self::relation::Relation;
use self::text::{Builder, sql};
use super::{Dialect, Statement};
use crate::access::Visible;
use crate::odata::{Problem, Query, QueryError, Resource};
use crate::row::{Cell, ColumnName, ColumnType, TableName};
use crate::time::Timestamp;

/// SQLite takes 32,766 binds, HANA 32,767.
const BINDS_MAX: usize = 30_000;

/// What a SELECT depends on beside the query.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Which database.
    pub dialect: Dialect,
    /// What `now()` means, and up to when the time zone's transitions are looked at.
    pub now: Timestamp,
    /// Rows of one answer; `None` for all of them (CSV).
    pub page_rows: Option<u64>,
    /// The rows of a set whose source is `Values`, cells in the order of its stored properties.
    pub values: &'a [Vec<Cell>],
}

/// What to run, and how to read what comes back.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    /// Run this first, if it is there: no row means that the row of the `$skiptoken` is gone, see [`gone`].
    pub anchor: Option<Statement>,
    /// One row, one number: what `$count` asks for.
    pub count: Option<Statement>,
    /// The rows. Of [`Page::rows`] plus one, the last only tells that there are more.
    pub rows: Option<Statement>,
    /// What each row has.
    pub shape: Shape,
    /// Which part of the rows this is.
    pub page: Page,
}

/// What each row of the result has, in the order of its cells.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Shape {
    /// The columns.
    pub columns: Vec<ShapeColumn>,
    /// After `concat`: which columns each part has. The row's part is its last cell, behind the columns' cells.
    pub parts: Option<Vec<Vec<bool>>>,
}

/// One column of the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShapeColumn {
    /// The property's name.
    pub name: String,
    /// How the cell is read from the database and written into the answer.
    pub kind: ColumnType,
}

impl Shape {
    /// The types of all cells of a row, the part's number included.
    pub fn kinds(&self) -> impl Iterator<Item = ColumnType> + '_ {
        let part = self.parts.as_ref().map(|_| ColumnType::Integer);
        self.columns.iter().map(|column| column.kind).chain(part)
    }
}

/// Which part of the rows this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Page {
    /// Rows that the answer may have; `None` for all that come.
    pub rows: Option<u64>,
    /// What is left of `$top` behind them.
    pub rest_of_top: Option<u64>,
    /// Where they end, counted from the beginning.
    pub end: u64,
}

/// Makes the statements for a query.
pub fn select(query: &Visible<Query>, context: &Context<'_>) -> Result<Selection, QueryError> {
    let mut builder = Builder::new(context);
    let (query, filter) = (query.get(), query.filter());
    let base = builder.base(query, filter);
    let before_order = builder.restricted(query, base.clone());
    let selection = match query.resource() {
        Resource::Count => Selection {
            anchor: None,
            count: Some(builder.counted(before_order)),
            rows: None,
            shape: Shape::default(),
            page: Page::default(),
        },
        Resource::List => {
            let count = query.count.then(|| builder.counted(before_order.clone()));
            let list = builder.list(query, &base, before_order);
            Selection { count, ..list }
        }
        Resource::Entity(_) | Resource::Property { .. } => {
            let (rows, shape) = builder.finished(query, &before_order, sql!["/* odata.entity */ "]);
            Selection {
                anchor: None,
                count: None,
                rows: Some(rows),
                shape,
                page: Page::default(),
            }
        }
    };
    let statements = [&selection.anchor, &selection.count, &selection.rows];
    let binds = statements
        .into_iter()
        .flatten()
        .map(|statement| statement.binds().len())
        .max();
    if builder.is_exhausted() || binds.unwrap_or(0) > BINDS_MAX {
        return Err(QueryError::new(
            Problem::Malformed,
            "the query is too large: ask for less at once",
        ));
    }
    Ok(selection)
}

/// The refusal of a page whose anchor row is not there any more.
#[must_use]
pub fn gone() -> QueryError {
    QueryError::new(
        Problem::Malformed,
        "the row that the $skiptoken continues from is gone: begin anew without it",
    )
}

impl Builder<'_> {
    /// The rows that the query is about, before order and pages.
    fn restricted(&mut self, query: &Query, base: Relation) -> Relation {
        let mut relation = self.steps(base, &query.apply);
        if !query.compute.is_empty() {
            relation = self.computed(relation, &query.compute);
        }
        if let Some(search) = &query.search {
            relation = self.searched(relation, search);
        }
        if let Some(filter) = &query.filter {
            relation = self.filtered(relation, filter);
        }
        relation
    }

    fn counted(&mut self, relation: Relation) -> Statement {
        let relation = if relation.is_plain() {
            relation
        } else {
            self.wrapped(relation)
        };
        let select = sql!["SELECT COUNT(*)", relation.tail()];
        self.with_ctes(sql!["/* odata.count */ "], select)
    }

    /// The SELECT over the query's result columns.
    fn finished(
        &mut self,
        query: &Query,
        relation: &Relation,
        head: Statement,
    ) -> (Statement, Shape) {
        let (list, shape) = relation.result_columns(&query.result_names());
        let select = sql!["SELECT ", list, relation.tail()];
        (self.with_ctes(head, select), shape)
    }
}

/// The indexes that make lists, pages and counts of a survey's table fast on SQLite; HANA's column store needs none.
/// It serves `$orderby=RecordedDate desc`, which cards ask for and whose ties the key breaks in ascending order, and
/// `RecordedDate` in `$filter`: the reader compares instants by this very expression, because a text with fewer digits
/// and `Z` sorts wrong. The key needs none: it is the primary key.
#[must_use]
pub fn recommended_indexes(table: &TableName) -> Vec<Statement> {
    let mut index = Statement::new("/* odata.index */ CREATE INDEX IF NOT EXISTS ");
    index
        .identifier(&format!("{}_NEWEST", table.name()))
        .push(" ON ")
        .table(Dialect::Sqlite, table);
    index.push(" (rtrim(");
    for (name, after) in [
        (ColumnName::RECORDED_DATE, ", 'Z') DESC, "),
        (ColumnName::RESPONSE_ID, ")"),
    ] {
        if let Ok(column) = name.parse() {
            index.column(&column).push(after);
        }
    }
    vec![index]
}
