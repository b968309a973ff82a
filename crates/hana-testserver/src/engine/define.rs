//! CREATE, ALTER, DROP, TRUNCATE, GRANT, REVOKE. A definition commits the session's transaction first and waits for
//! others that wrote to its table.

use std::sync::Arc;
use std::time::Instant;

use super::catalog::{
    Catalog, Privilege, SYS, Sequence, Table, insufficient_privilege, temporary_schema,
};
use super::functions::sql_error;
use super::{Engine, State, Transaction};
use crate::dialect::ast::{Definition, Grant, GrantObject, Ident, ObjectName};
use crate::dialect::compile::Viewpoint;
use crate::error::{SqlError, code};

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

    pub(super) fn run(&self, sql: &str) -> Result<(), SqlError> {
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
    pub(super) fn changeable(
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
    pub(super) fn creatable(
        &self,
        name: &ObjectName,
        viewpoint: &Viewpoint,
    ) -> Result<String, SqlError> {
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
