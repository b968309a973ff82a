//! INSERT, UPSERT, UPDATE, DELETE, MERGE: what SQLite is asked for, and which columns get the answers.

use std::sync::Arc;

use super::coerce::{Cast, coerce};
use super::scope::{Scope, Source};
use super::{Compiler, Typed};
use crate::dialect::ast::{
    Expr, Ident, Insert, InsertMode, InsertSource, Merge, MergeAction, ObjectName,
};
use crate::dialect::plan::{Body, Conflict, MergeStep, MergeStepAction, Parameter, RowSource};
use crate::engine::catalog::Table;
use crate::error::{SqlError, code};
use crate::types::SqlType;

impl Compiler<'_> {
    pub(super) fn insert(&mut self, insert: &Insert) -> Result<Body, SqlError> {
        let privileges: &[&str] = match insert.mode {
            InsertMode::Insert => &["INSERT"],
            InsertMode::Upsert | InsertMode::UpsertWhere(_) => &["INSERT", "UPDATE"],
        };
        let table = self.writable(&insert.table, privileges)?;
        let columns = self.named(&table, &insert.columns)?;
        let source = match &insert.source {
            InsertSource::Values(values) => self.values(&table, &columns, values)?,
            InsertSource::Query(query) => {
                let types = types_of(&table, &columns);
                let compiled = self.query(query, &types)?;
                check_count(columns.len(), compiled.columns.len(), insert.table.at)?;
                for (column, target) in compiled.columns.iter().zip(&types) {
                    coerce(&Typed::value("", column.sql_type), *target, Cast::Implicit)?;
                }
                RowSource::Sql {
                    sql: compiled.sql,
                    types: compiled
                        .columns
                        .iter()
                        .map(|column| column.sql_type)
                        .collect(),
                }
            }
        };
        let conflict = match &insert.mode {
            InsertMode::Insert => Conflict::Refuse,
            InsertMode::Upsert => {
                self.check_key(&table, &columns, insert.table.at)?;
                Conflict::Update
            }
            InsertMode::UpsertWhere(condition) => {
                Conflict::UpdateWhere(self.row_query(&table, None, &[], Some(condition))?.0)
            }
        };
        Ok(Body::Insert {
            table,
            columns,
            source,
            conflict,
        })
    }

    /// All key columns must be in the column list of an UPSERT by key.
    fn check_key(&self, table: &Table, columns: &[usize], at: usize) -> Result<(), SqlError> {
        if table.primary_key.is_empty() {
            return Err(SqlError::new(
                code::NOT_SUPPORTED,
                "UPSERT WITH PRIMARY KEY on a table without a key",
            )
            .at(at));
        }
        if table.primary_key.iter().all(|key| columns.contains(key)) {
            Ok(())
        } else {
            Err(SqlError::new(code::NOT_ENOUGH_VALUES, "UPSERT must name all key columns").at(at))
        }
    }

    fn writable(&self, name: &ObjectName, privileges: &[&str]) -> Result<Arc<Table>, SqlError> {
        let table = self.table(name, privileges)?;
        if table.is_system {
            return Err(crate::engine::catalog::insufficient_privilege());
        }
        Ok(table)
    }

    /// The positions of the named columns; all columns where none are named.
    fn named(&self, table: &Table, names: &[Ident]) -> Result<Vec<usize>, SqlError> {
        if names.is_empty() {
            return Ok((0..table.columns.len()).collect());
        }
        let mut columns = Vec::new();
        for ident in names {
            let position = position_of(table, ident)?;
            if columns.contains(&position) {
                return Err(SqlError::new(code::DUPLICATE_COLUMN, &ident.name).at(ident.at));
            }
            columns.push(position);
        }
        Ok(columns)
    }

    fn values(
        &mut self,
        table: &Table,
        columns: &[usize],
        values: &[Expr],
    ) -> Result<RowSource, SqlError> {
        check_count(columns.len(), values.len(), 0)?;
        let mut list = Vec::new();
        let mut types = Vec::new();
        let mut parameters = Vec::new();
        self.scopes.push(Scope::default());
        for (expr, column) in values.iter().zip(columns) {
            let typed = self.assigned(table, *column, expr)?;
            list.push(typed.sql.clone());
            types.push(typed.type_or_text());
            if let Expr::Parameter(index) = expr {
                parameters.push(*index);
            }
        }
        self.scopes.pop();
        Ok(if parameters.len() == values.len() {
            RowSource::Parameters(parameters)
        } else {
            RowSource::Sql {
                sql: format!("SELECT {}", list.join(", ")),
                types,
            }
        })
    }

    /// A value for a column: a bare parameter is described by the column.
    fn assigned(&mut self, table: &Table, column: usize, expr: &Expr) -> Result<Typed, SqlError> {
        let Some(column) = table.columns.get(column) else {
            return Err(SqlError::new(code::COLUMN, ""));
        };
        if let Expr::Parameter(index) = expr {
            return Ok(self.parameter(
                *index,
                Parameter {
                    sql_type: column.sql_type,
                    nullable: column.nullable,
                    has_default: column.default.is_some() || column.identity.is_some(),
                },
            ));
        }
        let typed = self.value(expr, Some(column.sql_type))?;
        // Whether the value fits is seen when it is there; whether its type can is seen now.
        coerce(&typed, column.sql_type, Cast::Implicit)
            .map_err(|error| error.at(super::expression::position(expr)))?;
        Ok(typed)
    }

    pub(super) fn update(
        &mut self,
        name: &ObjectName,
        alias: Option<&str>,
        set: &[(Ident, Expr)],
        filter: Option<&Expr>,
    ) -> Result<Body, SqlError> {
        let table = self.writable(name, &["UPDATE"])?;
        if filter.is_some() {
            self.require("SELECT", &table.schema, &table.name)?;
        }
        let (sql, columns, types) = {
            let mut columns = Vec::new();
            for (ident, _) in set {
                let position = position_of(&table, ident)?;
                if columns.contains(&position) {
                    return Err(SqlError::new(code::DUPLICATE_COLUMN, &ident.name).at(ident.at));
                }
                columns.push(position);
            }
            let exprs: Vec<(usize, &Expr)> = columns
                .iter()
                .copied()
                .zip(set.iter().map(|(_, expr)| expr))
                .collect();
            let (sql, types) = self.row_query(&table, alias, &exprs, filter)?;
            (sql, columns, types)
        };
        Ok(Body::Update {
            table,
            columns,
            types,
            sql,
        })
    }

    pub(super) fn delete(
        &mut self,
        name: &ObjectName,
        alias: Option<&str>,
        filter: Option<&Expr>,
    ) -> Result<Body, SqlError> {
        let table = self.writable(name, &["DELETE"])?;
        if filter.is_some() {
            self.require("SELECT", &table.schema, &table.name)?;
        }
        let (sql, _) = self.row_query(&table, alias, &[], filter)?;
        Ok(Body::Delete { table, sql })
    }

    /// `SELECT rid, values FROM table WHERE filter`, and the values' types.
    fn row_query(
        &mut self,
        table: &Arc<Table>,
        alias: Option<&str>,
        values: &[(usize, &Expr)],
        filter: Option<&Expr>,
    ) -> Result<(String, Vec<SqlType>), SqlError> {
        self.scopes.push(Scope::default());
        let sqlite_alias = self.next_alias('s');
        let rows = self.visible_rows(table);
        self.add_source(Source::of_table(
            Arc::clone(table),
            sqlite_alias.clone(),
            alias,
        ));
        let mut list = vec![format!("{sqlite_alias}.rid")];
        let mut types = Vec::new();
        for (column, expr) in values {
            let typed = self.assigned(table, *column, expr)?;
            types.push(typed.type_or_text());
            list.push(typed.sql);
        }
        let filter = match filter {
            Some(filter) => format!(" WHERE {}", self.condition(filter)?.sql),
            None => String::new(),
        };
        self.scopes.pop();
        Ok((
            format!(
                "SELECT {} FROM {rows} AS {sqlite_alias}{filter}",
                list.join(", ")
            ),
            types,
        ))
    }

    pub(super) fn merge(&mut self, merge: &Merge) -> Result<Body, SqlError> {
        let table = self.writable(&merge.table, &["SELECT"])?;
        self.scopes.push(Scope::default());
        let source = self.table_ref(&merge.source)?;
        let alias = self.next_alias('s');
        let rows = self.visible_rows(&table);
        let target = Source::of_table(Arc::clone(&table), alias.clone(), merge.alias.as_deref());
        self.add_source(target);
        let on = self.condition(&merge.on)?;
        let mut list = vec![format!("{alias}.rid")];
        let mut clauses = Vec::new();
        for clause in &merge.clauses {
            let condition = match &clause.condition {
                Some(condition) => self.condition(condition)?.sql,
                None => "1".to_owned(),
            };
            list.push(condition);
            let (action, assignments) = match &clause.action {
                MergeAction::Update(set) => {
                    (MergeStepAction::Update, self.set_positions(&table, set)?)
                }
                MergeAction::Delete => (MergeStepAction::Delete, Vec::new()),
                MergeAction::Insert(names, values) => {
                    let columns = self.named(&table, names)?;
                    check_count(columns.len(), values.len(), merge.table.at)?;
                    (
                        MergeStepAction::Insert,
                        columns.into_iter().zip(values).collect(),
                    )
                }
            };
            let privilege = match action {
                MergeStepAction::Update => "UPDATE",
                MergeStepAction::Delete => "DELETE",
                MergeStepAction::Insert => "INSERT",
            };
            self.require(privilege, &table.schema, &table.name)?;
            let mut step = MergeStep {
                action,
                columns: Vec::new(),
                types: Vec::new(),
            };
            for (column, expr) in assignments {
                let typed = self.assigned(&table, column, expr)?;
                step.columns.push(column);
                step.types.push(typed.type_or_text());
                list.push(typed.sql);
            }
            clauses.push(step);
        }
        self.scopes.pop();
        Ok(Body::Merge {
            table,
            sql: format!(
                "SELECT {} FROM {source} LEFT JOIN {rows} AS {alias} ON {}",
                list.join(", "),
                on.sql
            ),
            clauses,
        })
    }

    fn set_positions<'e>(
        &self,
        table: &Table,
        set: &'e [(Ident, Expr)],
    ) -> Result<Vec<(usize, &'e Expr)>, SqlError> {
        set.iter()
            .map(|(ident, expr)| Ok((position_of(table, ident)?, expr)))
            .collect()
    }
}

fn position_of(table: &Table, ident: &Ident) -> Result<usize, SqlError> {
    table
        .column(&ident.name)
        .ok_or_else(|| SqlError::new(code::COLUMN, &ident.name).at(ident.at))
}

fn types_of(table: &Table, columns: &[usize]) -> Vec<SqlType> {
    columns
        .iter()
        .filter_map(|column| table.columns.get(*column))
        .map(|column| column.sql_type)
        .collect()
}

fn check_count(columns: usize, values: usize, at: usize) -> Result<(), SqlError> {
    match values.cmp(&columns) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Less => Err(SqlError::new(code::NOT_ENOUGH_VALUES, "").at(at)),
        std::cmp::Ordering::Greater => Err(SqlError::new(code::TOO_MANY_VALUES, "").at(at)),
    }
}
