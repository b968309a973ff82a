//! What a statement compiles into: texts for SQLite, and what the engine does with their rows.

use std::sync::Arc;

use super::ast::{Definition, LockClause, SessionStatement};
use crate::engine::catalog::Table;
use crate::types::SqlType;

/// A compiled statement.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) body: Body,
    pub(crate) parameters: Vec<Parameter>,
    /// Bound behind the parameters, in this order.
    pub(crate) system: Vec<SystemValue>,
    /// The catalog that it was compiled against.
    pub(crate) catalog_version: u64,
}

/// A parameter as HANA describes it to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parameter {
    pub(crate) sql_type: SqlType,
    pub(crate) nullable: bool,
    pub(crate) has_default: bool,
}

/// A column of a result set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OutputColumn {
    pub(crate) name: String,
    pub(crate) sql_type: SqlType,
    pub(crate) nullable: bool,
    pub(crate) table: Option<String>,
    pub(crate) schema: Option<String>,
    pub(crate) column: Option<String>,
}

/// A value that the session gives to a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SystemValue {
    /// The transaction whose uncommitted rows are visible.
    Transaction,
    /// Ticks of the statement's start.
    Instant,
    User,
    Schema,
    Connection,
    /// A session variable.
    Variable(String),
}

/// `LIMIT` and `OFFSET`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
    Number(u64),
    /// 0-based parameter.
    Parameter(usize),
}

#[derive(Debug, Clone)]
pub(crate) enum Body {
    Query {
        sql: String,
        columns: Vec<OutputColumn>,
        lock: Option<RowLock>,
    },
    Insert {
        table: Arc<Table>,
        /// Positions of the named columns.
        columns: Vec<usize>,
        source: RowSource,
        conflict: Conflict,
    },
    /// The SQL gives the row's id and a value for each column.
    Update {
        table: Arc<Table>,
        columns: Vec<usize>,
        types: Vec<SqlType>,
        sql: String,
    },
    /// The SQL gives the row's id.
    Delete {
        table: Arc<Table>,
        sql: String,
    },
    /// The SQL gives the matched row's id or NULL, then per clause its condition and values.
    Merge {
        table: Arc<Table>,
        sql: String,
        clauses: Vec<MergeStep>,
    },
    Definition(Definition),
    Session(SessionStatement),
}

/// Rows to lock: the query's SQL has the row's id behind its columns and no LIMIT of its own.
#[derive(Debug, Clone)]
pub(crate) struct RowLock {
    pub(crate) table: Arc<Table>,
    pub(crate) clause: LockClause,
    pub(crate) limit: Option<Count>,
    pub(crate) offset: Option<Count>,
}

#[derive(Debug, Clone)]
pub(crate) enum RowSource {
    /// Every value is a parameter: nothing to ask SQLite for.
    Parameters(Vec<usize>),
    Sql {
        sql: String,
        types: Vec<SqlType>,
    },
}

/// What happens to a row whose key is taken.
#[derive(Debug, Clone)]
pub(crate) enum Conflict {
    Refuse,
    Update,
    /// Rows that this SQL finds are updated; where it finds none, the row is inserted.
    UpdateWhere(String),
}

/// One WHEN of a MERGE. Its condition and values are consecutive columns of the merge's SQL.
#[derive(Debug, Clone)]
pub(crate) struct MergeStep {
    pub(crate) action: MergeStepAction,
    pub(crate) columns: Vec<usize>,
    pub(crate) types: Vec<SqlType>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MergeStepAction {
    Update,
    Delete,
    Insert,
}
