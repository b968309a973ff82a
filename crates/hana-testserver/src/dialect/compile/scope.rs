//! What names mean inside a query.

use std::sync::Arc;

use super::Compiler;
use crate::dialect::ast::ObjectName;
use crate::dialect::plan::SystemValue;
use crate::engine::catalog::Table;
use crate::error::{SqlError, code};
use crate::types::SqlType;

/// The sources of one SELECT.
#[derive(Debug, Default)]
pub(super) struct Scope {
    pub(super) sources: Vec<Source>,
    /// The SQL of the grouping expressions once they are known.
    pub(super) grouped: Option<Vec<String>>,
    pub(super) in_aggregate: bool,
    /// Where aggregates may stand: the SELECT list, HAVING, ORDER BY.
    pub(super) aggregates_allowed: bool,
}

/// One table, view or sub-query of FROM.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// The name that qualifies its columns.
    pub(super) name: Option<String>,
    /// Its alias in SQLite.
    pub(super) alias: String,
    pub(super) table: Option<Arc<Table>>,
    pub(super) columns: Vec<SourceColumn>,
}

#[derive(Debug, Clone)]
pub(super) struct SourceColumn {
    pub(super) name: String,
    pub(super) sql_type: SqlType,
    pub(super) nullable: bool,
}

/// A query named by WITH.
#[derive(Debug, Clone)]
pub(super) struct CommonTable {
    pub(super) name: String,
    pub(super) alias: String,
    pub(super) columns: Vec<SourceColumn>,
}

/// A column that a name was resolved to.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) sql: String,
    pub(super) column: SourceColumn,
    pub(super) table: Option<Arc<Table>>,
    /// Whether it belongs to the innermost SELECT.
    pub(super) is_local: bool,
}

impl Source {
    pub(super) fn of_table(table: Arc<Table>, alias: String, name: Option<&str>) -> Self {
        let columns = table
            .columns
            .iter()
            .map(|column| SourceColumn {
                name: column.name.clone(),
                sql_type: column.sql_type,
                nullable: column.nullable,
            })
            .collect();
        Self {
            name: Some(name.unwrap_or(&table.name).to_owned()),
            alias,
            table: Some(table),
            columns,
        }
    }

    pub(super) fn sql(&self, position: usize) -> String {
        format!("{}.c{position}", self.alias)
    }
}

impl Compiler<'_> {
    /// Resolves a column from the innermost SELECT outwards.
    pub(super) fn resolve(
        &self,
        qualifier: Option<&str>,
        name: &str,
        at: usize,
    ) -> Result<Found, SqlError> {
        let innermost = self.scopes.len().saturating_sub(1);
        for (depth, scope) in self.scopes.iter().enumerate().rev() {
            let mut found = scope
                .sources
                .iter()
                .filter(|source| qualifier.is_none() || source.name.as_deref() == qualifier)
                .filter_map(|source| {
                    let position = source
                        .columns
                        .iter()
                        .position(|column| column.name == name)?;
                    Some(Found {
                        sql: source.sql(position),
                        column: source.columns.get(position)?.clone(),
                        table: source.table.clone(),
                        is_local: depth == innermost,
                    })
                });
            if let Some(first) = found.next() {
                return match found.next() {
                    Some(_) => Err(SqlError::new(code::AMBIGUOUS, name).at(at)),
                    None => Ok(first),
                };
            }
        }
        let shown = match qualifier {
            Some(qualifier) => format!("{qualifier}.{name}"),
            None => name.to_owned(),
        };
        Err(SqlError::new(code::COLUMN, shown).at(at))
    }

    /// Finds a table that may be written or read, with its rights.
    pub(super) fn table(
        &self,
        name: &ObjectName,
        privileges: &[&str],
    ) -> Result<Arc<Table>, SqlError> {
        let table = self
            .catalog
            .table(name, &self.viewpoint.schema, self.viewpoint.session)?;
        for privilege in privileges {
            self.require(privilege, &table.schema, &table.name)?;
        }
        Ok(table)
    }

    /// The rows of a table that this transaction sees, as a sub-query. `rid` is the row's id.
    ///
    /// A row has the transaction that wrote it (`x`, 0 once committed) and the one that deleted it (`d`, 0 while alive).
    pub(super) fn visible_rows(&mut self, table: &Table) -> String {
        let columns: Vec<String> = (0..table.columns.len())
            .map(|position| format!("c{position}"))
            .collect();
        let columns = columns.join(",");
        let physical = table.physical();
        if table.is_system {
            let user = self.system_value(SystemValue::User);
            return match table.column("SCHEMA_NAME") {
                Some(schema) => format!(
                    "(SELECT {columns} FROM {physical} WHERE c{schema} IN (SELECT s FROM visible WHERE u = {user}) OR c{schema} IS NULL)"
                ),
                None => format!("(SELECT {columns} FROM {physical})"),
            };
        }
        let transaction = self.system_value(SystemValue::Transaction);
        format!(
            "(SELECT {columns}, rowid AS rid FROM {physical} WHERE x IN (0, {transaction}) AND d <> {transaction})"
        )
    }
}
