//! The tree that a statement parses into. Offsets are bytes of the statement's text, for error positions.

use crate::types::SqlType;

/// A name with its optional schema.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ObjectName {
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
    pub(crate) at: usize,
}

/// A column's name where one is listed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ident {
    pub(crate) name: String,
    pub(crate) at: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Statement {
    Query {
        query: Query,
        lock: Option<LockClause>,
    },
    Insert(Insert),
    Update {
        table: ObjectName,
        alias: Option<String>,
        set: Vec<(Ident, Expr)>,
        filter: Option<Expr>,
    },
    Delete {
        table: ObjectName,
        alias: Option<String>,
        filter: Option<Expr>,
    },
    Merge(Merge),
    Define(Definition),
    Session(SessionStatement),
}

/// How `FOR UPDATE` treats rows that another transaction holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LockClause {
    /// For the session's lock wait time-out.
    Wait,
    WaitSeconds(u32),
    NoWait,
    IgnoreLocked,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Insert {
    pub(crate) table: ObjectName,
    pub(crate) columns: Vec<Ident>,
    pub(crate) source: InsertSource,
    pub(crate) mode: InsertMode,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum InsertSource {
    Values(Vec<Expr>),
    Query(Box<Query>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum InsertMode {
    Insert,
    /// By primary key.
    Upsert,
    /// `UPSERT … VALUES … WHERE`: updates what the condition finds, else inserts.
    UpsertWhere(Expr),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Merge {
    pub(crate) table: ObjectName,
    pub(crate) alias: Option<String>,
    pub(crate) source: TableRef,
    pub(crate) on: Expr,
    pub(crate) clauses: Vec<MergeClause>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MergeClause {
    pub(crate) condition: Option<Expr>,
    pub(crate) action: MergeAction,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum MergeAction {
    Update(Vec<(Ident, Expr)>),
    Delete,
    Insert(Vec<Ident>, Vec<Expr>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Definition {
    CreateTable {
        table: ObjectName,
        kind: TableKind,
        columns: Vec<ColumnDefinition>,
        primary_key: Vec<Ident>,
        unique: Vec<Vec<Ident>>,
    },
    AddColumns(ObjectName, Vec<ColumnDefinition>),
    AlterColumns(ObjectName, Vec<ColumnDefinition>),
    DropColumns(ObjectName, Vec<Ident>),
    DropTable(ObjectName),
    Truncate(ObjectName),
    CreateIndex {
        index: ObjectName,
        table: ObjectName,
        columns: Vec<Ident>,
        unique: bool,
    },
    DropIndex(ObjectName),
    CreateSequence {
        sequence: ObjectName,
        start: i64,
        increment: i64,
    },
    DropSequence(ObjectName),
    CreateSchema(Ident),
    Grant(Grant),
    Revoke(Grant),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TableKind {
    Column,
    Row,
    /// `#NAME`, seen by its session only.
    LocalTemporary,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Grant {
    pub(crate) privileges: Vec<String>,
    /// `None` of the name: the whole schema.
    pub(crate) on: GrantObject,
    pub(crate) user: Ident,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum GrantObject {
    Schema(Ident),
    Table(ObjectName),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ColumnDefinition {
    pub(crate) name: Ident,
    pub(crate) sql_type: SqlType,
    pub(crate) nullable: bool,
    pub(crate) default: Option<Expr>,
    pub(crate) identity: bool,
    pub(crate) primary_key: bool,
    pub(crate) unique: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SessionStatement {
    Commit,
    Rollback,
    SetSchema(Ident),
    SetVariable(String, Option<String>),
    LockWait {
        milliseconds: u64,
    },
    /// Only READ COMMITTED is kept; the others are refused.
    Isolation,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Query {
    pub(crate) with: Vec<CommonTable>,
    pub(crate) body: SetExpr,
    pub(crate) order_by: Vec<OrderItem>,
    pub(crate) limit: Option<Expr>,
    pub(crate) offset: Option<Expr>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CommonTable {
    pub(crate) name: Ident,
    pub(crate) columns: Vec<Ident>,
    pub(crate) query: Query,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SetExpr {
    Select(Box<Select>),
    Nested(Box<Query>),
    Operation {
        operator: SetOperator,
        left: Box<Self>,
        right: Box<Self>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SetOperator {
    UnionAll,
    Union,
    Intersect,
    Except,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Select {
    pub(crate) distinct: bool,
    pub(crate) top: Option<Expr>,
    pub(crate) items: Vec<SelectItem>,
    pub(crate) from: Vec<TableRef>,
    pub(crate) filter: Option<Expr>,
    pub(crate) group_by: Vec<Expr>,
    pub(crate) having: Option<Expr>,
    pub(crate) at: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SelectItem {
    /// `*` or `alias.*`.
    All(Option<Ident>),
    Expr {
        expr: Expr,
        alias: Option<String>,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TableRef {
    Table {
        name: ObjectName,
        alias: Option<String>,
    },
    Query {
        query: Box<Query>,
        alias: Option<String>,
        columns: Vec<Ident>,
    },
    Join {
        left: Box<Self>,
        right: Box<Self>,
        kind: JoinKind,
        on: Option<Expr>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
    Cross,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OrderItem {
    pub(crate) expr: Expr,
    pub(crate) descending: bool,
    pub(crate) nulls_first: Option<bool>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr {
    Column {
        qualifier: Option<String>,
        name: String,
        at: usize,
    },
    Integer(String),
    Decimal(String),
    Double(String),
    Text(String),
    Bytes(Vec<u8>),
    Boolean(bool),
    Null,
    /// 0-based.
    Parameter(usize),
    Negative(Box<Self>),
    Arithmetic {
        operator: ArithmeticOperator,
        left: Box<Self>,
        right: Box<Self>,
        at: usize,
    },
    Concat(Box<Self>, Box<Self>),
    Compare {
        operator: &'static str,
        left: Box<Self>,
        right: Box<Self>,
        at: usize,
    },
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Not(Box<Self>),
    IsNull {
        expr: Box<Self>,
        negated: bool,
    },
    Between {
        expr: Box<Self>,
        low: Box<Self>,
        high: Box<Self>,
        negated: bool,
        at: usize,
    },
    InList {
        expr: Box<Self>,
        list: Vec<Self>,
        negated: bool,
        at: usize,
    },
    InQuery {
        exprs: Vec<Self>,
        query: Box<Query>,
        negated: bool,
        at: usize,
    },
    Exists(Box<Query>),
    Like {
        expr: Box<Self>,
        pattern: Box<Self>,
        escape: Option<Box<Self>>,
        negated: bool,
        at: usize,
    },
    /// `LIKE_REGEXPR`.
    Matches {
        expr: Box<Self>,
        pattern: Box<Self>,
        negated: bool,
        at: usize,
    },
    Case {
        operand: Option<Box<Self>>,
        branches: Vec<(Self, Self)>,
        otherwise: Option<Box<Self>>,
        at: usize,
    },
    Call {
        name: String,
        args: Vec<Self>,
        distinct: bool,
        at: usize,
    },
    CountAll,
    Window {
        function: String,
        partition_by: Vec<Self>,
        order_by: Vec<OrderItem>,
        at: usize,
    },
    Cast {
        expr: Box<Self>,
        to: SqlType,
        at: usize,
    },
    NextValue(ObjectName),
    Subquery(Box<Query>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ArithmeticOperator {
    Add,
    Subtract,
    Multiply,
    Divide,
}
