//! Putting fragments together, and the limit on how many there may be.

use std::cell::Cell as Counter;

use super::Context;
use crate::row::Cell;
use crate::sql::{Dialect, Statement};

/// A fixed text or a finished fragment.
pub(super) trait Piece {
    fn add_to(self, statement: &mut Statement);
}

impl Piece for &'static str {
    fn add_to(self, statement: &mut Statement) {
        statement.push(self);
    }
}

impl Piece for Statement {
    fn add_to(self, statement: &mut Statement) {
        statement.append(self);
    }
}

/// A fragment of fixed texts and other fragments, in order.
macro_rules! sql {
    ($($piece:expr),* $(,)?) => {{
        let mut statement = crate::sql::Statement::new("");
        $(crate::sql::select::text::Piece::add_to($piece, &mut statement);)*
        statement
    }};
}
pub(super) use sql;

/// Makes fragments for one query.
#[derive(Debug)]
pub(super) struct Builder<'a> {
    pub(super) context: &'a Context<'a>,
    ctes: Vec<Statement>,
    /// Fragments that may still be made: conditions compared with null are written twice, so that a short URL could
    /// ask for an endless text.
    budget: Counter<u32>,
}

const FRAGMENTS_MAX: u32 = 50_000;

impl<'a> Builder<'a> {
    pub(super) fn new(context: &'a Context<'a>) -> Self {
        Self {
            context,
            ctes: Vec::new(),
            budget: Counter::new(FRAGMENTS_MAX),
        }
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.context.dialect
    }

    pub(super) fn by_dialect<T>(&self, sqlite: T, hana: T) -> T {
        match self.context.dialect {
            Dialect::Sqlite => sqlite,
            Dialect::Hana => hana,
        }
    }

    /// Takes one fragment from the budget; false once there is none.
    pub(super) fn spend(&self) -> bool {
        let left = self.budget.get();
        self.budget.set(left.saturating_sub(1));
        left > 0
    }

    pub(super) fn is_exhausted(&self) -> bool {
        self.budget.get() == 0
    }

    /// Gives a query a name, so that it is written (and run) once.
    pub(super) fn cte(&mut self, query: Statement) -> Statement {
        let name = cte_name(self.ctes.len());
        self.ctes.push(query);
        name
    }

    /// A whole statement: its name, the named queries, the SELECT.
    pub(super) fn with_ctes(&self, head: Statement, select: Statement) -> Statement {
        let mut statement = head;
        for (index, query) in self.ctes.iter().enumerate() {
            statement.push(if index == 0 { "WITH " } else { ", " });
            statement.append(sql![cte_name(index), " AS (", query.clone(), ")"]);
        }
        if !self.ctes.is_empty() {
            statement.push(" ");
        }
        statement.append(select);
        statement
    }
}

fn cte_name(index: usize) -> Statement {
    numbered("\"#P", index)
}

/// A name that is ours and no column's: `"C0"`, `"#A1"`.
pub(super) fn numbered(prefix: &'static str, index: usize) -> Statement {
    let mut name = Statement::new(prefix);
    name.number(u64::try_from(index).unwrap_or(u64::MAX))
        .push("\"");
    name
}

pub(super) fn bind(value: Cell) -> Statement {
    let mut statement = Statement::new("");
    statement.bind(value);
    statement
}

pub(super) fn list(
    fragments: impl IntoIterator<Item = Statement>,
    separator: &'static str,
) -> Statement {
    let mut list = Statement::new("");
    for (index, fragment) in fragments.into_iter().enumerate() {
        if index > 0 {
            list.push(separator);
        }
        list.append(fragment);
    }
    list
}

/// Conditions joined by ` AND ` or ` OR ` as a balanced tree of brackets: SQLite takes no expression deeper than 1,000,
/// and a long chain is as deep as it is long.
pub(super) fn joined(
    mut conditions: Vec<Statement>,
    word: &'static str,
    empty: &'static str,
) -> Statement {
    const FLAT_MAX: usize = 8;
    if conditions.len() <= FLAT_MAX {
        return match conditions.pop() {
            None => Statement::new(empty),
            Some(only) if conditions.is_empty() => only,
            Some(last) => {
                conditions.push(last);
                sql!["(", list(conditions, word), ")"]
            }
        };
    }
    let right = conditions.split_off(conditions.len() / 2);
    sql![
        "(",
        joined(conditions, word, empty),
        word,
        joined(right, word, empty),
        ")"
    ]
}

pub(super) fn all(conditions: Vec<Statement>) -> Statement {
    joined(conditions, " AND ", "1 = 1")
}

pub(super) fn any(conditions: Vec<Statement>) -> Statement {
    joined(conditions, " OR ", "1 = 0")
}
