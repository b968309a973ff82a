//! CREATE TABLE, and what columns are made of.

use std::sync::Arc;

use super::State;
use super::catalog::{Column, Default, Index, Table, temporary_schema};
use crate::dialect::ast::{ColumnDefinition, Expr, Ident, ObjectName, TableKind};
use crate::dialect::compile::Viewpoint;
use crate::error::{SqlError, code};
use crate::types::{Family, SqlType};
use crate::value::{Value, parse_decimal};

impl State {
    pub(super) fn create_table(
        &mut self,
        name: &ObjectName,
        kind: TableKind,
        definitions: &[ColumnDefinition],
        primary_key: &[Ident],
        unique: &[Vec<Ident>],
        viewpoint: &Viewpoint,
    ) -> Result<(), SqlError> {
        let schema = match kind {
            TableKind::LocalTemporary => temporary_schema(viewpoint.session),
            TableKind::Column | TableKind::Row => self.creatable(name, viewpoint)?,
        };
        if self
            .catalog
            .tables
            .contains_key(&(schema.clone(), name.name.clone()))
        {
            return Err(SqlError::new(code::DUPLICATE_TABLE, &name.name).at(name.at));
        }
        let mut table = Table {
            id: self.catalog.next_id(),
            schema,
            name: name.name.clone(),
            kind,
            is_system: false,
            columns: Vec::new(),
            primary_key: Vec::new(),
            indexes: Vec::new(),
        };
        for definition in definitions {
            if table.column(&definition.name.name).is_some() {
                return Err(SqlError::new(code::DUPLICATE_COLUMN, &definition.name.name)
                    .at(definition.name.at));
            }
            let column = self.new_column(definition)?;
            if definition.primary_key {
                table.primary_key.push(table.columns.len());
            }
            if definition.unique {
                let columns = vec![table.columns.len()];
                table
                    .indexes
                    .push(unique_index(self.catalog.next_id(), columns));
            }
            table.columns.push(column);
        }
        if !primary_key.is_empty() {
            if !table.primary_key.is_empty() {
                return Err(SqlError::new(code::PRIMARY_KEY, &name.name));
            }
            table.primary_key = positions(&table, primary_key)?;
        }
        for position in table.primary_key.clone() {
            if let Some(column) = table.columns.get_mut(position) {
                column.nullable = false;
            }
        }
        for names in unique {
            let columns = positions(&table, names)?;
            table
                .indexes
                .push(unique_index(self.catalog.next_id(), columns));
        }
        self.create_physical(&table)?;
        self.catalog
            .tables
            .insert((table.schema.clone(), table.name.clone()), Arc::new(table));
        Ok(())
    }

    /// Creates what SQLite knows of a table.
    pub(super) fn create_physical(&self, table: &Table) -> Result<(), SqlError> {
        let physical = table.physical();
        let columns: Vec<String> = table
            .columns
            .iter()
            .enumerate()
            .map(|(position, column)| format!("c{position}{}", collation(column.sql_type)))
            .collect();
        self.run(&format!(
            "CREATE TABLE {physical} (x INTEGER NOT NULL DEFAULT 0, d INTEGER NOT NULL DEFAULT 0, {});
             CREATE INDEX {physical}x ON {physical} (x) WHERE x <> 0;
             CREATE INDEX {physical}d ON {physical} (d) WHERE d <> 0;",
            columns.join(", ")
        ))?;
        for (number, (_, columns)) in table.uniques().enumerate() {
            for column in columns {
                if table
                    .columns
                    .get(*column)
                    .is_some_and(|column| column.sql_type.is_lob())
                {
                    return Err(SqlError::new(code::LOB_INDEX, &table.name));
                }
            }
            self.run(&format!(
                "CREATE INDEX {physical}u{number} ON {physical} ({})",
                physical_columns(columns)
            ))?;
        }
        Ok(())
    }

    pub(super) fn new_column(&mut self, definition: &ColumnDefinition) -> Result<Column, SqlError> {
        let identity = if definition.identity {
            if definition.sql_type.family() != Family::Integer {
                return Err(SqlError::new(
                    code::DATATYPE,
                    "an identity is a whole number",
                ));
            }
            Some(self.new_sequence(1, 1))
        } else {
            None
        };
        Ok(Column {
            name: definition.name.name.clone(),
            sql_type: definition.sql_type,
            nullable: definition.nullable,
            default: definition
                .default
                .as_ref()
                .map(|expr| default_of(expr, definition.sql_type))
                .transpose()?,
            identity,
        })
    }

    pub(super) fn new_sequence(&mut self, start: i64, increment: i64) -> i64 {
        let id = self.catalog.next_id();
        self.sequences
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .insert(id, (start, increment));
        id
    }
}

pub(super) fn collation(sql_type: SqlType) -> &'static str {
    if sql_type.family() == Family::Decimal {
        " COLLATE dec"
    } else {
        ""
    }
}

pub(super) fn physical_columns(columns: &[usize]) -> String {
    columns
        .iter()
        .map(|column| format!("c{column}"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn unique_index(id: i64, columns: Vec<usize>) -> Index {
    Index {
        name: format!("_SYS_TREE_CS_#{id}"),
        columns,
        unique: true,
    }
}

pub(super) fn positions(table: &Table, names: &[Ident]) -> Result<Vec<usize>, SqlError> {
    names
        .iter()
        .map(|ident| {
            table
                .column(&ident.name)
                .ok_or_else(|| SqlError::new(code::COLUMN, &ident.name).at(ident.at))
        })
        .collect()
}

/// A default is a literal or the current instant.
fn default_of(expr: &Expr, sql_type: SqlType) -> Result<Default, SqlError> {
    let invalid = || SqlError::new(code::DEFAULT, "");
    let value = match expr {
        Expr::Integer(digits) | Expr::Decimal(digits) | Expr::Double(digits) => {
            Value::Decimal(parse_decimal(digits)?)
        }
        Expr::Negative(inner) => match &**inner {
            Expr::Integer(digits) | Expr::Decimal(digits) => {
                Value::Decimal(-parse_decimal(digits)?)
            }
            _ => return Err(invalid()),
        },
        Expr::Text(text) => Value::Text(text.clone()),
        Expr::Boolean(value) => Value::Boolean(*value),
        Expr::Null => Value::Null,
        Expr::Call { name, .. }
            if name.starts_with("CURRENT_") && sql_type.family() == Family::Instant =>
        {
            return Ok(Default::Instant);
        }
        _ => return Err(invalid()),
    };
    value
        .convert(sql_type)
        .map(Default::Value)
        .map_err(|_| invalid())
}
