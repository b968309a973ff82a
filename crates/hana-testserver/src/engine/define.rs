//! CREATE, ALTER, DROP, TRUNCATE, GRANT, REVOKE. A definition commits the session's transaction first and waits for
//! others that wrote to its table.

use std::sync::Arc;
use std::time::Instant;

use super::catalog::{
    Catalog, Column, Default, Index, Privilege, SYS, Sequence, Table, insufficient_privilege,
    temporary_schema,
};
use super::functions::sql_error;
use super::{Engine, State, Transaction};
use crate::dialect::ast::{
    ColumnDefinition, Definition, Expr, Grant, GrantObject, Ident, ObjectName, TableKind,
};
use crate::dialect::compile::Viewpoint;
use crate::error::{SqlError, code};
use crate::types::{Family, SqlType};
use crate::value::{Value, parse_decimal};

impl Engine {
    /// Carries out a definition.
    pub(crate) fn define(
        &self,
        definition: &Definition,
        viewpoint: &Viewpoint,
        transaction: &mut Transaction,
    ) -> Result<(), SqlError> {
        self.commit(transaction)?;
        let deadline = Instant::now() + transaction.lock_wait;
        let mut state = self.state();
        if let Some(table) = existing_table(definition) {
            let table = state
                .catalog
                .table(table, &viewpoint.schema, viewpoint.session)?;
            while let Some(holder) = state.writer_of(table.id) {
                state = self.wait(state, None, holder, deadline)?;
            }
        }
        state.define(definition, viewpoint)?;
        state.catalog_changed()
    }

    /// Drops the temporary tables of a session that ends.
    pub(crate) fn drop_temporary(&self, session: i64) {
        let mut state = self.state();
        let schema = temporary_schema(session);
        let tables: Vec<Arc<Table>> = state
            .catalog
            .tables
            .values()
            .filter(|table| table.schema == schema)
            .cloned()
            .collect();
        for table in tables {
            // Nobody else can see the table; a failure would leave it unseen.
            drop(
                state
                    .sqlite
                    .execute_batch(&format!("DROP TABLE {}", table.physical())),
            );
            state
                .catalog
                .tables
                .remove(&(schema.clone(), table.name.clone()));
        }
    }
}

/// The table that a definition changes.
fn existing_table(definition: &Definition) -> Option<&ObjectName> {
    match definition {
        Definition::AddColumns(table, _)
        | Definition::AlterColumns(table, _)
        | Definition::DropColumns(table, _)
        | Definition::DropTable(table)
        | Definition::Truncate(table)
        | Definition::CreateIndex { table, .. } => Some(table),
        _ => None,
    }
}

impl State {
    /// A transaction that wrote to a table and is still open.
    fn writer_of(&self, table: i64) -> Option<i64> {
        let touched = |(transaction, tables): (&i64, &std::collections::BTreeSet<i64>)| {
            tables.contains(&table).then_some(*transaction)
        };
        self.transactions.iter().find_map(touched)
    }

    fn run(&self, sql: &str) -> Result<(), SqlError> {
        self.sqlite
            .execute_batch(sql)
            .map_err(|error| sql_error(&error))
    }

    fn define(&mut self, definition: &Definition, viewpoint: &Viewpoint) -> Result<(), SqlError> {
        match definition {
            Definition::CreateTable {
                table,
                kind,
                columns,
                primary_key,
                unique,
            } => self.create_table(table, *kind, columns, primary_key, unique, viewpoint),
            Definition::AddColumns(table, columns) => self.add_columns(table, columns, viewpoint),
            Definition::AlterColumns(table, columns) => {
                self.alter_columns(table, columns, viewpoint)
            }
            Definition::DropColumns(table, columns) => self.drop_columns(table, columns, viewpoint),
            Definition::DropTable(table) => {
                let table = self.changeable(table, "DROP", viewpoint)?;
                self.run(&format!("DROP TABLE {}", table.physical()))?;
                self.catalog
                    .tables
                    .remove(&(table.schema.clone(), table.name.clone()));
                Ok(())
            }
            Definition::Truncate(table) => {
                let table = self.changeable(table, "DELETE", viewpoint)?;
                self.run(&format!("DELETE FROM {}", table.physical()))
            }
            Definition::CreateIndex {
                index,
                table,
                columns,
                unique,
            } => self.create_index(index, table, columns, *unique, viewpoint),
            Definition::DropIndex(index) => self.drop_index(index, viewpoint),
            Definition::CreateSequence {
                sequence,
                start,
                increment,
            } => self.create_sequence(sequence, *start, *increment, viewpoint),
            Definition::DropSequence(sequence) => {
                self.catalog.sequence(sequence, &viewpoint.schema)?;
                let schema = sequence.schema.as_ref().unwrap_or(&viewpoint.schema);
                self.catalog
                    .sequences
                    .remove(&(schema.clone(), sequence.name.clone()));
                Ok(())
            }
            Definition::CreateSchema(name) => self.create_schema(name, viewpoint),
            Definition::Grant(grant) => self.grant(grant, viewpoint, true),
            Definition::Revoke(grant) => self.grant(grant, viewpoint, false),
        }
    }

    /// A table that the user may change so.
    fn changeable(
        &self,
        name: &ObjectName,
        privilege: &str,
        viewpoint: &Viewpoint,
    ) -> Result<Arc<Table>, SqlError> {
        let table = self
            .catalog
            .table(name, &viewpoint.schema, viewpoint.session)?;
        let allowed = !table.is_system
            && self
                .catalog
                .allows(&viewpoint.user, privilege, &table.schema, Some(&table.name));
        if allowed {
            Ok(table)
        } else {
            Err(insufficient_privilege())
        }
    }

    /// The schema in which the user may create.
    fn creatable(&self, name: &ObjectName, viewpoint: &Viewpoint) -> Result<String, SqlError> {
        let schema = name
            .schema
            .clone()
            .unwrap_or_else(|| viewpoint.schema.clone());
        if !self.catalog.schemas.contains_key(&schema) {
            return Err(SqlError::new(code::SCHEMA, schema).at(name.at));
        }
        if schema == SYS
            || !self
                .catalog
                .allows(&viewpoint.user, "CREATE ANY", &schema, None)
        {
            return Err(insufficient_privilege());
        }
        Ok(schema)
    }

    fn create_table(
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
    fn create_physical(&self, table: &Table) -> Result<(), SqlError> {
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

    fn new_column(&mut self, definition: &ColumnDefinition) -> Result<Column, SqlError> {
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

    fn new_sequence(&mut self, start: i64, increment: i64) -> i64 {
        let id = self.catalog.next_id();
        self.sequences
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .insert(id, (start, increment));
        id
    }

    fn add_columns(
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
                        [super::storage::to_stored(value)],
                    )
                    .map_err(|error| sql_error(&error))?;
            }
        }
        self.replace(table);
        Ok(())
    }

    fn is_empty(&self, table: &Table) -> Result<bool, SqlError> {
        let sql = format!("SELECT NOT EXISTS (SELECT 1 FROM {})", table.physical());
        self.sqlite
            .query_one(&sql, [], |row| row.get(0))
            .map_err(|error| sql_error(&error))
    }

    /// Only widening is understood: the values stay as they lie.
    fn alter_columns(
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
    fn drop_columns(
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

    fn replace(&mut self, table: Table) {
        self.catalog
            .tables
            .insert((table.schema.clone(), table.name.clone()), Arc::new(table));
    }

    fn create_index(
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

    fn drop_index(&mut self, index: &ObjectName, viewpoint: &Viewpoint) -> Result<(), SqlError> {
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

    fn create_sequence(
        &mut self,
        name: &ObjectName,
        start: i64,
        increment: i64,
        viewpoint: &Viewpoint,
    ) -> Result<(), SqlError> {
        let schema = self.creatable(name, viewpoint)?;
        if self
            .catalog
            .sequences
            .contains_key(&(schema.clone(), name.name.clone()))
        {
            return Err(SqlError::new(code::DUPLICATE_SEQUENCE, &name.name).at(name.at));
        }
        let id = self.new_sequence(start, increment);
        self.catalog.sequences.insert(
            (schema, name.name.clone()),
            Sequence {
                id,
                start,
                increment,
            },
        );
        Ok(())
    }

    fn create_schema(&mut self, name: &Ident, viewpoint: &Viewpoint) -> Result<(), SqlError> {
        if self.catalog.schemas.contains_key(&name.name) {
            return Err(SqlError::new(code::DUPLICATE_SCHEMA, &name.name).at(name.at));
        }
        self.catalog.add_schema(&name.name, &viewpoint.user);
        Ok(())
    }

    /// Only a schema's owner grants on it.
    fn grant(&mut self, grant: &Grant, viewpoint: &Viewpoint, give: bool) -> Result<(), SqlError> {
        let (schema, table) = match &grant.on {
            GrantObject::Schema(schema) => (schema.name.clone(), None),
            GrantObject::Table(name) => {
                let table = self
                    .catalog
                    .table(name, &viewpoint.schema, viewpoint.session)?;
                (table.schema.clone(), Some(table.name.clone()))
            }
        };
        match self.catalog.schemas.get(&schema) {
            None => return Err(SqlError::new(code::SCHEMA, schema)),
            Some(owner) if *owner != viewpoint.user => return Err(insufficient_privilege()),
            Some(_) => {}
        }
        if !self.catalog.users.contains(&grant.user.name) {
            return Err(SqlError::new(code::USER, &grant.user.name).at(grant.user.at));
        }
        for privilege in &grant.privileges {
            let privilege = Privilege {
                user: grant.user.name.clone(),
                privilege: privilege.clone(),
                schema: schema.clone(),
                table: table.clone(),
            };
            if give {
                self.catalog.privileges.insert(privilege);
            } else {
                self.catalog.privileges.remove(&privilege);
            }
        }
        Ok(())
    }
}

impl Catalog {
    /// A new schema, whose owner may do everything in it.
    pub(crate) fn add_schema(&mut self, schema: &str, owner: &str) {
        self.schemas
            .entry(schema.to_owned())
            .or_insert_with(|| owner.to_owned());
        for privilege in [
            "SELECT",
            "INSERT",
            "UPDATE",
            "DELETE",
            "CREATE ANY",
            "ALTER",
            "DROP",
            "INDEX",
        ] {
            self.privileges.insert(Privilege {
                user: owner.to_owned(),
                privilege: privilege.to_owned(),
                schema: schema.to_owned(),
                table: None,
            });
        }
    }
}

fn collation(sql_type: SqlType) -> &'static str {
    if sql_type.family() == Family::Decimal {
        " COLLATE dec"
    } else {
        ""
    }
}

fn physical_columns(columns: &[usize]) -> String {
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

fn positions(table: &Table, names: &[Ident]) -> Result<Vec<usize>, SqlError> {
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
