//! The system views: tables inside SQLite that are filled anew whenever the catalog changes.
//! Columns as in SAP HANA SQL and System Views Reference, only those that clients of this server ask for.

use std::sync::Arc;

use rusqlite::params_from_iter;
use rusqlite::types::Value as Stored;

use super::State;
use super::catalog::{Column, Default, SYS, Table};
use super::storage::to_stored;
use super::views::VIEWS;
use crate::dialect::ast::TableKind;
use crate::error::ERROR_TEXTS;
use crate::types::SqlType;

/// The version that `M_DATABASE` and the log-on tell: HANA Cloud.
pub(crate) const VERSION: &str = "4.00.000.00.1700000000";

/// A connection as `M_CONNECTIONS` shows it.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionRow {
    pub(crate) user: String,
    pub(crate) schema: String,
    pub(crate) client: String,
    pub(crate) encrypted: bool,
}

type Row = Vec<Stored>;

impl State {
    pub(super) fn create_system_views(&mut self) -> rusqlite::Result<()> {
        self.sqlite
            .execute_batch("CREATE TABLE visible (u TEXT, s TEXT, PRIMARY KEY (u, s))")?;
        self.catalog.schemas.insert(SYS.to_owned(), SYS.to_owned());
        for (name, columns) in VIEWS {
            let table = Table {
                id: self.catalog.next_id(),
                schema: SYS.to_owned(),
                name: (*name).to_owned(),
                kind: TableKind::Column,
                is_system: true,
                columns: columns
                    .iter()
                    .map(|(name, sql_type)| system_column(name, *sql_type))
                    .collect(),
                primary_key: Vec::new(),
                indexes: Vec::new(),
            };
            let columns: Vec<String> = (0..columns.len())
                .map(|position| format!("c{position}"))
                .collect();
            self.sqlite.execute_batch(&format!(
                "CREATE TABLE {} ({})",
                table.physical(),
                columns.join(", ")
            ))?;
            self.catalog
                .tables
                .insert((table.schema.clone(), table.name.clone()), Arc::new(table));
        }
        self.refresh_system_views()
    }

    /// Fills all views from the catalog.
    pub(super) fn refresh_system_views(&self) -> rusqlite::Result<()> {
        self.sqlite.execute_batch("BEGIN; DELETE FROM visible")?;
        let users = self.catalog.users.iter();
        for (user, schema) in users.flat_map(|user| {
            self.catalog
                .schemas
                .keys()
                .map(move |schema| (user, schema))
        }) {
            if self.catalog.sees(user, schema) {
                self.sqlite
                    .prepare_cached("INSERT INTO visible VALUES (?1, ?2)")?
                    .execute([user, schema])?;
            }
        }
        for (name, _) in VIEWS.iter().filter(|(name, _)| *name != "M_CONNECTIONS") {
            self.fill(name, self.view_rows(name))?;
        }
        self.sqlite.execute_batch("COMMIT")
    }

    pub(super) fn refresh_connections(&self) -> rusqlite::Result<()> {
        self.fill("M_CONNECTIONS", self.view_rows("M_CONNECTIONS"))
    }

    fn fill(&self, view: &str, rows: Vec<Row>) -> rusqlite::Result<()> {
        let Some(table) = self.catalog.tables.get(&(SYS.to_owned(), view.to_owned())) else {
            return Ok(());
        };
        let physical = table.physical();
        self.sqlite
            .prepare_cached(&format!("DELETE FROM {physical}"))?
            .execute([])?;
        let places = vec!["?"; table.columns.len()].join(", ");
        let mut insert = self
            .sqlite
            .prepare_cached(&format!("INSERT INTO {physical} VALUES ({places})"))?;
        for row in rows {
            insert.execute(params_from_iter(row))?;
        }
        Ok(())
    }

    fn view_rows(&self, view: &str) -> Vec<Row> {
        let catalog = &self.catalog;
        match view {
            "DUMMY" => vec![vec![text("X")]],
            "SCHEMAS" => catalog
                .schemas
                .iter()
                .map(|(name, owner)| vec![text(name), text(owner)])
                .collect(),
            "TABLES" => self.user_tables().map(table_row).collect(),
            "TABLE_COLUMNS" => self.user_tables().flat_map(column_rows).collect(),
            "CONSTRAINTS" => self.user_tables().flat_map(constraint_rows).collect(),
            "INDEXES" => self.user_tables().flat_map(index_rows).collect(),
            "INDEX_COLUMNS" => self.user_tables().flat_map(index_column_rows).collect(),
            "SEQUENCES" => catalog
                .sequences
                .iter()
                .map(|((schema, name), sequence)| {
                    vec![
                        text(schema),
                        text(name),
                        Stored::Integer(sequence.start),
                        Stored::Integer(sequence.increment),
                    ]
                })
                .collect(),
            "USERS" => catalog
                .users
                .iter()
                .map(|user| vec![text(user), flag(false)])
                .collect(),
            "EFFECTIVE_PRIVILEGES" | "GRANTED_PRIVILEGES" => self.privilege_rows(),
            "M_DATABASE" => vec![vec![
                text("HXE"),
                text("HXE"),
                text("localhost"),
                text(VERSION),
                text("DEVELOPMENT"),
            ]],
            "M_CONNECTIONS" => self
                .connections
                .iter()
                .map(|(id, row)| {
                    vec![
                        Stored::Integer(*id),
                        text("IDLE"),
                        text(&row.user),
                        text(&row.schema),
                        text(&row.client),
                        flag(row.encrypted),
                    ]
                })
                .collect(),
            "M_ERROR_CODES" => ERROR_TEXTS
                .iter()
                .map(|(code, words)| vec![Stored::Integer(i64::from(*code)), text(words)])
                .collect(),
            _ => Vec::new(),
        }
    }

    fn user_tables(&self) -> impl Iterator<Item = &Table> {
        self.catalog
            .tables
            .values()
            .map(Arc::as_ref)
            .filter(|table| !table.is_system && !table.schema.starts_with('#'))
    }

    fn privilege_rows(&self) -> Vec<Row> {
        self.catalog
            .privileges
            .iter()
            .map(|privilege| {
                let object_type = if privilege.table.is_some() {
                    "TABLE"
                } else {
                    "SCHEMA"
                };
                vec![
                    text(&privilege.user),
                    text(&privilege.user),
                    self.catalog
                        .schemas
                        .get(&privilege.schema)
                        .map_or(Stored::Null, |owner| text(owner)),
                    text(object_type),
                    text(&privilege.schema),
                    privilege.table.as_deref().map_or(Stored::Null, text),
                    text(&privilege.privilege),
                    flag(false),
                    flag(true),
                ]
            })
            .collect()
    }
}

fn text(text: &str) -> Stored {
    Stored::Text(text.to_owned())
}

fn number(number: usize) -> Stored {
    Stored::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

fn flag(value: bool) -> Stored {
    text(if value { "TRUE" } else { "FALSE" })
}

fn system_column(name: &str, sql_type: SqlType) -> Column {
    Column {
        name: name.to_owned(),
        sql_type,
        nullable: true,
        default: None,
        identity: None,
    }
}

fn table_row(table: &Table) -> Row {
    let is_column = table.kind != TableKind::Row;
    vec![
        text(&table.schema),
        text(&table.name),
        Stored::Integer(table.id),
        Stored::Null,
        flag(is_column),
        text(if is_column { "COLUMN" } else { "ROW" }),
        flag(!table.primary_key.is_empty()),
        flag(false),
    ]
}

fn column_rows(table: &Table) -> impl Iterator<Item = Row> {
    table.columns.iter().enumerate().map(|(position, column)| {
        let (length, scale) = column.sql_type.catalog_length_and_scale();
        let default = match &column.default {
            None => Stored::Null,
            Some(Default::Instant) => text("CURRENT_UTCTIMESTAMP"),
            Some(Default::Value(value)) => match to_stored(value) {
                Stored::Integer(number) => text(&number.to_string()),
                other => other,
            },
        };
        vec![
            text(&table.schema),
            text(&table.name),
            text(&column.name),
            number(position + 1),
            Stored::Integer(i64::from(column.sql_type.wire_code(8))),
            text(column.sql_type.name()),
            Stored::Integer(length),
            scale.map_or(Stored::Null, Stored::Integer),
            flag(column.nullable),
            default,
            Stored::Null,
            column
                .identity
                .map_or(Stored::Null, |_| text("BY DEFAULT AS IDENTITY")),
            Stored::Null,
        ]
    })
}

fn constraint_rows(table: &Table) -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, columns) in table.uniques() {
        let is_key = columns == table.primary_key.as_slice();
        for (position, column) in columns.iter().enumerate() {
            rows.push(vec![
                text(&table.schema),
                text(&table.name),
                column_name(table, *column),
                number(position + 1),
                text(&format!("{name}_{}", table.id)),
                flag(is_key),
                flag(true),
            ]);
        }
    }
    rows
}

fn index_rows(table: &Table) -> Vec<Row> {
    table
        .indexes
        .iter()
        .map(|index| {
            vec![
                text(&table.schema),
                text(&table.name),
                text(&index.name),
                if index.unique {
                    text("UNIQUE")
                } else {
                    Stored::Null
                },
            ]
        })
        .collect()
}

fn index_column_rows(table: &Table) -> Vec<Row> {
    let mut rows = Vec::new();
    for index in &table.indexes {
        for (position, column) in index.columns.iter().enumerate() {
            rows.push(vec![
                text(&table.schema),
                text(&table.name),
                text(&index.name),
                column_name(table, *column),
                number(position + 1),
                if index.unique {
                    text("UNIQUE")
                } else {
                    Stored::Null
                },
            ]);
        }
    }
    rows
}

fn column_name(table: &Table, position: usize) -> Stored {
    table
        .columns
        .get(position)
        .map_or(Stored::Null, |column| text(&column.name))
}
