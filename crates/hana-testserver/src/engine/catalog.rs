//! What exists: schemas, tables, sequences, users' privileges. Names are kept as HANA keeps them, upper case unless
//! quoted; SQLite sees only numbers (`t12`, `c3`), because it does not tell `a` from `A`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::dialect::ast::{ObjectName, TableKind};
use crate::error::{SqlError, code};
use crate::types::SqlType;
use crate::value::Value;

/// A table or system view.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) id: i64,
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) kind: TableKind,
    /// A view of the catalog: read only, without versions.
    pub(crate) is_system: bool,
    pub(crate) columns: Vec<Column>,
    /// Positions of the key's columns; empty without a key.
    pub(crate) primary_key: Vec<usize>,
    pub(crate) indexes: Vec<Index>,
}

#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) sql_type: SqlType,
    pub(crate) nullable: bool,
    pub(crate) default: Option<Default>,
    /// The sequence behind an identity column.
    pub(crate) identity: Option<i64>,
}

/// What a column gets that a statement does not name.
#[derive(Debug, Clone)]
pub(crate) enum Default {
    Value(Value),
    /// The statement's instant.
    Instant,
}

#[derive(Debug, Clone)]
pub(crate) struct Index {
    pub(crate) name: String,
    pub(crate) columns: Vec<usize>,
    pub(crate) unique: bool,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Sequence {
    pub(crate) id: i64,
    pub(crate) start: i64,
    pub(crate) increment: i64,
}

/// A privilege on a schema or on one table of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Privilege {
    pub(crate) user: String,
    pub(crate) privilege: String,
    pub(crate) schema: String,
    pub(crate) table: Option<String>,
}

/// Everything that a name can mean.
#[derive(Debug, std::default::Default)]
pub(crate) struct Catalog {
    /// Counts changes, so that plans know when they are stale.
    pub(crate) version: u64,
    last_id: i64,
    pub(crate) users: BTreeSet<String>,
    /// Schema to owner.
    pub(crate) schemas: BTreeMap<String, String>,
    pub(crate) tables: BTreeMap<(String, String), Arc<Table>>,
    pub(crate) sequences: BTreeMap<(String, String), Sequence>,
    pub(crate) privileges: BTreeSet<Privilege>,
}

pub(crate) const SYS: &str = "SYS";

impl Table {
    /// The table's name inside SQLite.
    pub(crate) fn physical(&self) -> String {
        format!("t{}", self.id)
    }

    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The key and every unique index: name and columns.
    pub(crate) fn uniques(&self) -> impl Iterator<Item = (&str, &[usize])> {
        let key = (!self.primary_key.is_empty())
            .then_some(("_SYS_TREE_CS_PRIMARY", self.primary_key.as_slice()));
        let indexes = self.indexes.iter().filter(|index| index.unique);
        key.into_iter()
            .chain(indexes.map(|index| (index.name.as_str(), index.columns.as_slice())))
    }
}

impl Catalog {
    pub(crate) fn next_id(&mut self) -> i64 {
        self.last_id += 1;
        self.last_id
    }

    /// Finds a table as a session sees it: its schema, its own temporary tables, then the public synonyms of `SYS`.
    pub(crate) fn table(
        &self,
        name: &ObjectName,
        current_schema: &str,
        session: i64,
    ) -> Result<Arc<Table>, SqlError> {
        if name.name.starts_with('#') {
            return self
                .tables
                .get(&(temporary_schema(session), name.name.clone()))
                .cloned()
                .ok_or_else(|| no_table(name, current_schema));
        }
        let schema = name.schema.as_deref().unwrap_or(current_schema);
        if !self.schemas.contains_key(schema) {
            return Err(SqlError::new(code::SCHEMA, schema).at(name.at));
        }
        let found = self.tables.get(&(schema.to_owned(), name.name.clone()));
        let public = || {
            let unqualified = name.schema.is_none();
            unqualified
                .then(|| self.tables.get(&(SYS.to_owned(), name.name.clone())))
                .flatten()
        };
        found
            .or_else(public)
            .cloned()
            .ok_or_else(|| no_table(name, schema))
    }

    pub(crate) fn sequence(
        &self,
        name: &ObjectName,
        current_schema: &str,
    ) -> Result<Sequence, SqlError> {
        let schema = name.schema.as_deref().unwrap_or(current_schema);
        self.sequences
            .get(&(schema.to_owned(), name.name.clone()))
            .copied()
            .ok_or_else(|| SqlError::new(code::SEQUENCE, &name.name).at(name.at))
    }

    pub(crate) fn allows(
        &self,
        user: &str,
        privilege: &str,
        schema: &str,
        table: Option<&str>,
    ) -> bool {
        if schema == SYS {
            return privilege == "SELECT";
        }
        let granted = |table: Option<&str>| {
            self.privileges.contains(&Privilege {
                user: user.to_owned(),
                privilege: privilege.to_owned(),
                schema: schema.to_owned(),
                table: table.map(str::to_owned),
            })
        };
        schema.starts_with('#') || granted(None) || table.is_some_and(|table| granted(Some(table)))
    }

    /// Whether a user may see that a schema exists.
    pub(crate) fn sees(&self, user: &str, schema: &str) -> bool {
        schema == SYS
            || self
                .privileges
                .iter()
                .any(|privilege| privilege.user == user && privilege.schema == schema)
    }
}

/// Where a session's `#TABLES` live.
pub(crate) fn temporary_schema(session: i64) -> String {
    format!("#{session}")
}

fn no_table(name: &ObjectName, schema: &str) -> SqlError {
    SqlError::new(
        code::TABLE,
        format!("Could not find table/view {} in schema {schema}", name.name),
    )
    .at(name.at)
}

/// The refusal that HANA gives without saying what is missing.
pub(crate) fn insufficient_privilege() -> SqlError {
    SqlError::new(
        code::PRIVILEGE,
        "Detailed info for this error can be found with guid '5F1A7C0E9D3B4A6C8E2D1B0A99887766'",
    )
}
