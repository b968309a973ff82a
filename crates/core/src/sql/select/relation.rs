//! One SELECT in the making: where its rows come from and what is done with them, until another SELECT goes around it.

use super::text::{Builder, list, numbered, sql};
use super::{Shape, ShapeColumn};
use crate::odata::Direction;
use crate::row::ColumnType;
use crate::sql::Statement;

/// More rows than any table has; HANA has no OFFSET without LIMIT.
const NO_LIMIT: u64 = 2_147_384_648;

/// A column of a relation: how OData knows it and how the SELECT writes it, as it is stored.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: ColumnType,
    pub(super) sql: Statement,
}

#[derive(Debug, Clone)]
pub(super) struct Relation {
    pub(super) from: Statement,
    pub(super) columns: Vec<Column>,
    pub(super) conditions: Vec<Statement>,
    /// GROUP BY; empty for one row over all.
    pub(super) groups: Option<Vec<Statement>>,
    /// The order that was asked for.
    pub(super) order: Vec<(Statement, Direction)>,
    /// Columns that no two rows agree in; they make every order total.
    pub(super) identity: Vec<usize>,
    pub(super) limit: Option<u64>,
    pub(super) offset: u64,
    /// After `concat`: the columns of each part. Its rows then have a column `"#B"`, the part's number.
    pub(super) parts: Option<Vec<Vec<usize>>>,
}

impl Relation {
    pub(super) fn new(from: Statement, columns: Vec<Column>) -> Self {
        Self {
            from,
            columns,
            conditions: Vec::new(),
            groups: None,
            order: Vec::new(),
            identity: Vec::new(),
            limit: None,
            offset: 0,
            parts: None,
        }
    }

    pub(super) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// Whether conditions may still be added, and rows counted, without another SELECT around it.
    pub(super) fn is_plain(&self) -> bool {
        self.groups.is_none() && !self.is_limited()
    }

    pub(super) fn is_limited(&self) -> bool {
        self.limit.is_some() || self.offset > 0
    }

    /// Skips rows, then keeps the first so many of the rest.
    pub(super) fn cut(&mut self, skip: u64, top: Option<u64>) {
        self.offset = self.offset.saturating_add(skip);
        let left = self.limit.map(|limit| limit.saturating_sub(skip));
        self.limit = match (left, top) {
            (Some(left), Some(top)) => Some(left.min(top)),
            (left, top) => left.or(top),
        };
    }

    /// The order, made total.
    pub(super) fn total_order(&self) -> Vec<(Statement, Direction)> {
        let identity = self
            .identity
            .iter()
            .filter_map(|index| self.columns.get(*index));
        let identity = identity.map(|column| (column.sql.clone(), Direction::Ascending));
        let mut order = self.order.clone();
        for item in identity {
            if order.iter().all(|(sql, _)| *sql != item.0) {
                order.push(item);
            }
        }
        order
    }

    /// Everything behind the select list.
    pub(super) fn tail(&self) -> Statement {
        let mut tail = sql![" FROM ", self.from.clone()];
        if !self.conditions.is_empty() {
            tail.append(sql![" WHERE ", list(self.conditions.clone(), " AND ")]);
        }
        if let Some(groups) = self.groups.as_ref().filter(|groups| !groups.is_empty()) {
            tail.append(sql![" GROUP BY ", list(groups.clone(), ", ")]);
        }
        tail
    }

    /// ORDER BY and LIMIT. An order matters only where rows are shown or cut.
    pub(super) fn order_and_limit(&self) -> Statement {
        let mut tail = Statement::new("");
        let order = self.total_order();
        // One row over all rows needs no order.
        let single = self.groups.as_ref().is_some_and(Vec::is_empty);
        if !order.is_empty() && !single {
            tail.append(sql![" ORDER BY ", order_list(order)]);
        }
        if self.is_limited() {
            tail.push(" LIMIT ")
                .number(self.limit.unwrap_or(NO_LIMIT).min(NO_LIMIT));
        }
        if self.offset > 0 {
            tail.push(" OFFSET ").number(self.offset.min(NO_LIMIT));
        }
        tail
    }

    /// The select list for the named columns, and what its rows look like.
    pub(super) fn result_columns(&self, names: &[&str]) -> (Statement, Shape) {
        let found: Vec<(usize, &Column)> = names
            .iter()
            .filter_map(|name| Some((self.position(name)?, self.column(name)?)))
            .collect();
        let mut fragments: Vec<Statement> =
            found.iter().map(|(_, column)| column.sql.clone()).collect();
        let parts = self.parts.as_ref().map(|parts| {
            fragments.push(sql!["\"#B\""]);
            let has = |part: &Vec<usize>| {
                found
                    .iter()
                    .map(|(index, _)| part.contains(index))
                    .collect()
            };
            parts.iter().map(has).collect()
        });
        let columns = found.into_iter().map(|(_, column)| ShapeColumn {
            name: column.name.clone(),
            kind: column.kind,
        });
        let shape = Shape {
            columns: columns.collect(),
            parts,
        };
        (list(fragments, ", "), shape)
    }
}

pub(super) fn order_list(order: Vec<(Statement, Direction)>) -> Statement {
    let item = |(sql, direction): (Statement, Direction)| match direction {
        // Null is lowest in both databases, as it is in OData.
        Direction::Ascending => sql,
        Direction::Descending => sql![sql, " DESC"],
    };
    list(order.into_iter().map(item), ", ")
}

impl Builder<'_> {
    /// A relation over the rows of this one. An order is kept as a number, `"#N"`.
    pub(super) fn wrapped(&mut self, relation: Relation) -> Relation {
        let select = self.numbered_select(&relation);
        outer(sql!["(", select, ") \"R\""], relation)
    }

    /// The same with the inner rows under a name of their own, for those that are read more than once.
    pub(super) fn shared(&mut self, relation: Relation) -> Relation {
        let select = self.numbered_select(&relation);
        let name = self.cte(select);
        outer(name, relation)
    }

    /// A whole SELECT whose columns are `"C0"`, `"C1"` …, and `"#B"`, `"#N"` where they matter.
    fn numbered_select(&self, relation: &Relation) -> Statement {
        let columns = relation.columns.iter().enumerate();
        let mut columns: Vec<Statement> = columns
            .map(|(index, column)| sql![column.sql.clone(), " AS ", numbered("\"C", index)])
            .collect();
        if relation.parts.is_some() {
            columns.push(sql!["\"#B\" AS \"#B\""]);
        }
        if !relation.order.is_empty() {
            let order = order_list(relation.total_order());
            columns.push(sql!["ROW_NUMBER() OVER (ORDER BY ", order, ") AS \"#N\""]);
        }
        let cut = if relation.is_limited() {
            relation.order_and_limit()
        } else {
            Statement::new("")
        };
        sql!["SELECT ", list(columns, ", "), relation.tail(), cut]
    }
}

/// A relation over the numbered columns of a finished SELECT.
fn outer(from: Statement, inner: Relation) -> Relation {
    let columns = inner
        .columns
        .into_iter()
        .enumerate()
        .map(|(index, column)| Column {
            sql: numbered("\"C", index),
            ..column
        });
    let mut relation = Relation::new(from, columns.collect());
    relation.identity = inner.identity;
    relation.parts = inner.parts;
    if !inner.order.is_empty() {
        relation.order = vec![(sql!["\"#N\""], Direction::Ascending)];
    }
    relation
}
