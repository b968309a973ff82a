//! Every SQL text of the product, for both dialects side by side.
//!
//! Values are binds, always. Identifiers pass through [`ColumnName`] and [`TableName`] and come out quoted. There is
//! no way to make a [`Statement`] from a text that was put together at run time.

use std::borrow::Cow;
use std::time::Duration;

use crate::inbox::whole_milliseconds;
use crate::row::{Cell, ColumnName, ColumnType, TableName};
use crate::time::Timestamp;

pub mod bulk;
pub mod changes;
pub mod ddl;
pub mod erased;
pub mod functions;
pub mod grants;
pub mod inbox;
pub mod rows;
pub mod runs;
mod select;
pub mod session;
pub mod surveys;

pub use select::{Context, Page, Selection, Shape, ShapeColumn, gone, recommended_indexes, select};

/// Which database a text is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// The embedded default.
    Sqlite,
    /// SAP HANA.
    Hana,
}

/// One SQL text with its values, in the order of its `?`; two where the dialects differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    text: Cow<'static, str>,
    binds: Vec<Cell>,
    /// What HANA is sent instead.
    hana: Option<Box<Self>>,
}

impl Statement {
    /// Begins a statement. By convention the text starts with the operation's name as a comment: `/* inbox.claim */`.
    #[must_use]
    pub fn new(text: &'static str) -> Self {
        Self {
            text: Cow::Borrowed(text),
            binds: Vec::new(),
            hana: None,
        }
    }

    /// One operation in both dialects, for callers that need not know which database they talk to.
    #[must_use]
    pub fn either(sqlite: Self, hana: Self) -> Self {
        Self {
            hana: Some(Box::new(hana)),
            ..sqlite
        }
    }

    /// The form that this dialect is sent.
    #[must_use]
    pub fn on(&self, dialect: Dialect) -> &Self {
        match (dialect, &self.hana) {
            (Dialect::Hana, Some(hana)) => hana,
            _ => self,
        }
    }

    /// Whether it defines tables: HANA then commits by itself, and prepares no such statement.
    #[must_use]
    pub fn is_definition(&self) -> bool {
        self.text.starts_with("CREATE ") || self.text.starts_with("ALTER ")
    }

    /// Appends a fixed piece of SQL.
    pub fn push(&mut self, text: &'static str) -> &mut Self {
        self.text.to_mut().push_str(text);
        self
    }

    /// Appends a quoted column name.
    pub fn column(&mut self, name: &ColumnName) -> &mut Self {
        self.text.to_mut().push_str(&name.quoted());
        self
    }

    /// Appends any other identifier, quoted.
    fn identifier(&mut self, name: &str) -> &mut Self {
        self.text.to_mut().push('"');
        self.text.to_mut().push_str(&name.replace('"', "\"\""));
        self.text.to_mut().push('"');
        self
    }

    /// Appends a quoted table name; SQLite ignores the schema.
    pub fn table(&mut self, dialect: Dialect, name: &TableName) -> &mut Self {
        self.text.to_mut().push_str(&match dialect {
            Dialect::Sqlite => name.unqualified(),
            Dialect::Hana => name.qualified(),
        });
        self
    }

    /// Appends `?` and the value that it stands for.
    pub fn bind(&mut self, value: Cell) -> &mut Self {
        self.text.to_mut().push('?');
        self.binds.push(value);
        self
    }

    /// Appends a whole number that is part of the text itself, where a dialect takes no bind (lengths, LIMIT).
    pub fn number(&mut self, value: u64) -> &mut Self {
        self.text.to_mut().push_str(&value.to_string());
        self
    }

    /// Values for the `?` of a text that is fixed as a whole, in their order.
    #[must_use]
    pub fn with(mut self, binds: impl IntoIterator<Item = Cell>) -> Self {
        self.binds.extend(binds);
        self
    }

    /// Appends a type as both dialects write it in a CAST.
    pub fn kind(&mut self, kind: ColumnType) -> &mut Self {
        self.text.to_mut().push_str(&kind.to_string());
        self
    }

    /// Appends another statement, text and values.
    pub fn append(&mut self, other: Self) -> &mut Self {
        self.text.to_mut().push_str(&other.text);
        self.binds.extend(other.binds);
        self
    }

    /// The text, with `?` for each value.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The values, in order.
    #[must_use]
    pub fn binds(&self) -> &[Cell] {
        &self.binds
    }
}

/// A text as a cell.
fn text(value: impl AsRef<str>) -> Cell {
    Cell::Text(value.as_ref().to_owned())
}

/// A whole number as a cell.
fn number(value: impl Into<i64>) -> Cell {
    Cell::Integer(value.into())
}

/// An instant of our own tables: whole milliseconds, so that all texts of one column have one length and sort as the
/// instants do.
fn stamp(value: Timestamp) -> Cell {
    Cell::Timestamp(whole_milliseconds(value))
}

/// The same, NULL where there is none.
fn when(value: Option<Timestamp>) -> Cell {
    value.map_or(Cell::Null, stamp)
}

/// An instant as a cell, as precise as it is, NULL where there is none.
fn instant(value: Option<Timestamp>) -> Cell {
    value.map_or(Cell::Null, Cell::Timestamp)
}

/// A duration as what HANA adds to its own clock: whole seconds, rounded up.
/// Assumed: `ADD_SECONDS` takes fractions on some releases only.
fn seconds(duration: Duration) -> Cell {
    let whole = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    Cell::Integer(i64::try_from(whole).unwrap_or(i64::MAX))
}

/// Appends `"COLUMN" IN (?, …)`.
fn in_list(
    statement: &mut Statement,
    column: &'static str,
    values: impl IntoIterator<Item = Cell>,
) {
    statement.push(column).push(" IN ");
    list_of(statement, values);
}

/// Appends `(?, …)`, padded with NULLs to a power of two: HANA caches plans by their exact text.
fn list_of(statement: &mut Statement, values: impl IntoIterator<Item = Cell>) {
    let mut values: Vec<Cell> = values.into_iter().collect();
    values.resize(values.len().max(1).next_power_of_two(), Cell::Null);
    statement.push("(");
    for (index, value) in values.into_iter().enumerate() {
        statement
            .push(if index == 0 { "" } else { ", " })
            .bind(value);
    }
    statement.push(")");
}

/// The instant by the clock that leases and delays go by: the writer's own on SQLite, the database's on HANA.
fn push_now(statement: &mut Statement, dialect: Dialect, now: Timestamp) {
    match dialect {
        Dialect::Sqlite => statement.bind(stamp(now)),
        Dialect::Hana => statement.push("CURRENT_UTCTIMESTAMP"),
    };
}

/// The instant `delay` from `now`.
fn later(now: Timestamp, delay: Duration) -> Timestamp {
    now.checked_add(delay).unwrap_or(now)
}
