//! Every SQL text of the product, for both dialects side by side.
//!
//! Values are binds, always. Identifiers pass through [`ColumnName`] and [`TableName`] and come out quoted. There is
//! no way to make a [`Statement`] from a text that was put together at run time.

use crate::row::{Cell, ColumnName, TableName};

/// Which database a text is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// The embedded default.
    Sqlite,
    /// SAP HANA.
    Hana,
}

/// One SQL text with its values, in the order of its `?`.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    text: String,
    binds: Vec<Cell>,
}

impl Statement {
    /// Begins a statement. By convention the text starts with the operation's name as a comment: `/* inbox.claim */`.
    #[must_use]
    pub fn new(text: &'static str) -> Self {
        Self {
            text: text.to_owned(),
            binds: Vec::new(),
        }
    }

    /// Appends a fixed piece of SQL.
    pub fn push(&mut self, text: &'static str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Appends a quoted column name.
    pub fn column(&mut self, name: &ColumnName) -> &mut Self {
        self.text.push_str(&name.quoted());
        self
    }

    /// Appends a quoted table name; SQLite ignores the schema.
    pub fn table(&mut self, dialect: Dialect, name: &TableName) -> &mut Self {
        self.text.push_str(&match dialect {
            Dialect::Sqlite => name.unqualified(),
            Dialect::Hana => name.qualified(),
        });
        self
    }

    /// Appends `?` and the value that it stands for.
    pub fn bind(&mut self, value: Cell) -> &mut Self {
        self.text.push('?');
        self.binds.push(value);
        self
    }

    /// Appends a whole number that is part of the text itself, where a dialect takes no bind (lengths, LIMIT).
    pub fn number(&mut self, value: u64) -> &mut Self {
        self.text.push_str(&value.to_string());
        self
    }

    /// Appends another statement, text and values.
    pub fn append(&mut self, other: Self) -> &mut Self {
        self.text.push_str(&other.text);
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
