//! ALTER TABLE, and indexes.

use std::sync::Arc;

use super::State;
use super::catalog::{Default, Index, Table};
use super::create::{collation, physical_columns, positions};
use super::functions::sql_error;
use super::storage::to_stored;
use crate::dialect::ast::{ColumnDefinition, Ident, ObjectName};
use crate::dialect::compile::Viewpoint;
use crate::error::{SqlError, code};
use crate::types::SqlType;

impl State {
    pub(super) fn add_columns(
        &mut self,
        name: &ObjectName,
        definitions: &[ColumnDefinition],
        viewpoint: &Viewpoint,
    ) -> Result<(), SqlError> {
        let mut table = (*self.changeable(name, "ALTER", viewpoint)?).clone();
        for definition in definitions {
            if table.column(&definition.name.name).is_some() {
                return Err(SqlError::new(code::COLUMN_EXISTS, &definition.name.name)
                    .at(definition.name.at));
            }
            let column = self.new_column(definition)?;
            if !column.nullable && column.default.is_none() && !self.is_empty(&table)? {
                return Err(SqlError::new(
                    code::NULL,
                    format!("Not nullable \"{}\" column", column.name),
                ));
            }
            table.columns.push(column);
        }
        let physical = table.physical();
        let first = table.columns.len() - definitions.len();
        for (position, column) in table.columns.iter().enumerate().skip(first) {
            self.run(&format!(
                "ALTER TABLE {physical} ADD COLUMN c{position}{}",
                collation(column.sql_type)
            ))?;
            if let Some(Default::Value(value)) = &column.default {
                self.sqlite
                    .execute(
                        &format!("UPDATE {physical} SET c{position} = ?1"),
                        [to_stored(value)],
                    )
                    .map_err(|error| sql_error(&error))?;
            }
        }
        self.replace(table);
        Ok(())
    }

    pub(super) fn is_empty(&self, table: &Table) -> Result<bool, SqlError> {
        let sql = format!("SELECT NOT EXISTS (SELECT 1 FROM {})", table.physical());
        self.sqlite
            .query_one(&sql, [], |row| row.get(0))
            .map_err(|error| sql_error(&error))
    }

    /// Only widening is understood: the values stay as they lie.
    pub(super) fn alter_columns(
        &mut self,
        name: &ObjectName,
        definitions: &[ColumnDefinition],
        viewpoint: &Viewpoint,
    ) -> Result<(), SqlError> {
        let mut table = (*self.changeable(name, "ALTER", viewpoint)?).clone();
        for definition in definitions {
            let position = positions(&table, std::slice::from_ref(&definition.name))?;
            let Some(column) = position
                .first()
                .and_then(|position| table.columns.get_mut(*position))
            else {
                continue;
            };
            let (from, to) = (column.sql_type, definition.sql_type);
            let wider = match (from, to) {
                (SqlType::NVarchar(from), SqlType::NVarchar(to)) => from <= to,
                (SqlType::NVarchar(_), SqlType::NClob) | (SqlType::Integer, SqlType::BigInt) => {
                    true
                }
                (
                    SqlType::Decimal {
                        precision: p1,
                        scale: s1,
                    },
                    SqlType::Decimal {
                        precision: p2,
                        scale: s2,
                    },
                ) => s1 <= s2 && p1 - s1 <= p2.saturating_sub(s2),
                _ => from == to,
            };
            if !wider {
                return Err(SqlError::new(
                    code::NOT_SUPPORTED,
                    format!("{} from {} to {}", column.name, from.name(), to.name()),
                )
                .at(definition.name.at));
            }
            column.sql_type = to;
            column.nullable = definition.nullable;
        }
        self.replace(table);
        Ok(())
    }

    /// Copies what stays into a new table.
    pub(super) fn drop_columns(
        &mut self,
        name: &ObjectName,
        names: &[Ident],
        viewpoint: &Viewpoint,
    ) -> Result<(), SqlError> {
        let old = self.changeable(name, "ALTER", viewpoint)?;
        let dropped = positions(&old, names)?;
        let indexed = old
            .uniques()
            .any(|(_, columns)| columns.iter().any(|column| dropped.contains(column)));
        if indexed {
            return Err(SqlError::new(
                code::NOT_SUPPORTED,
                "dropping a column of a key or index",
            ));
        }
        let kept: Vec<usize> = (0..old.columns.len())
            .filter(|position| !dropped.contains(position))
            .collect();
        let moved = |columns: &[usize]| {
            columns
                .iter()
                .filter_map(|column| kept.iter().position(|kept| kept == column))
                .collect::<Vec<_>>()
        };
        let mut table = (*old).clone();
        table.id = self.catalog.next_id();
        table.columns = kept
            .iter()
            .filter_map(|position| old.columns.get(*position).cloned())
            .collect();
        table.primary_key = moved(&old.primary_key);
        for index in &mut table.indexes {
            index.columns = moved(&index.columns);
        }
        self.create_physical(&table)?;
        self.run(&format!(
            "INSERT INTO {} SELECT x, d, {} FROM {old}; DROP TABLE {old}",
            table.physical(),
            physical_columns(&kept),
            old = old.physical()
        ))?;
        self.replace(table);
        Ok(())
    }

    pub(super) fn replace(&mut self, table: Table) {
        self.catalog
            .tables
            .insert((table.schema.clone(), table.name.clone()), Arc::new(table));
    }

    pub(super) fn create_index(
        &mut self,
        index: &ObjectName,
        table: &ObjectName,
        names: &[Ident],
        unique: bool,
        viewpoint: &Viewpoint,
    ) -> Result<(), SqlError> {
        let mut table = (*self.changeable(table, "INDEX", viewpoint)?).clone();
        let columns = positions(&table, names)?;
        let taken = self
            .catalog
            .tables
            .values()
            .filter(|other| other.schema == table.schema)
            .any(|other| other.indexes.iter().any(|known| known.name == index.name));
        if taken {
            return Err(SqlError::new(code::DUPLICATE_INDEX, &index.name).at(index.at));
        }
        for column in &columns {
            if table
                .columns
                .get(*column)
                .is_some_and(|column| column.sql_type.is_lob())
            {
                return Err(SqlError::new(code::LOB_INDEX, &index.name).at(index.at));
            }
        }
        let (physical, list) = (table.physical(), physical_columns(&columns));
        if unique {
            let sql = format!(
                "SELECT EXISTS (SELECT 1 FROM {physical} GROUP BY {list} HAVING count(*) > 1)"
            );
            let doubled = self.sqlite.query_one(&sql, [], |row| row.get(0));
            if doubled.map_err(|error| sql_error(&error))? {
                return Err(SqlError::new(code::UNIQUE_INDEX, &index.name));
            }
        }
        let id = self.catalog.next_id();
        self.run(&format!("CREATE INDEX i{id} ON {physical} ({list})"))?;
        table.indexes.push(Index {
            name: index.name.clone(),
            columns,
            unique,
        });
        self.replace(table);
        Ok(())
    }

    pub(super) fn drop_index(
        &mut self,
        index: &ObjectName,
        viewpoint: &Viewpoint,
    ) -> Result<(), SqlError> {
        let schema = index.schema.as_ref().unwrap_or(&viewpoint.schema);
        let table = self
            .catalog
            .tables
            .values()
            .find(|table| {
                table.schema == *schema
                    && table.indexes.iter().any(|known| known.name == index.name)
            })
            .ok_or_else(|| SqlError::new(code::INDEX, &index.name).at(index.at))?;
        let mut table = (**table).clone();
        table.indexes.retain(|known| known.name != index.name);
        self.replace(table);
        Ok(())
    }
}
