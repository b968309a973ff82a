//! Carries out plans.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use rusqlite::types::Value as Stored;
use rusqlite::{CachedStatement, Row};

use super::catalog::Table;
use super::functions::now_ticks;
use super::rows::Writer;
use super::storage::{from_stored, to_stored};
use super::{Contended, Executed, Executor, Interrupt, State};
use crate::dialect::plan::{
    Body, Conflict, MergeStep, MergeStepAction, OutputColumn, Plan, RowSource, SystemValue,
};
use crate::error::{SqlError, code};
use crate::types::SqlType;
use crate::value::Value;

/// A row's new values by column position.
type Named = Vec<(usize, Value)>;

/// Everything that is bound to a plan's texts.
pub(super) struct Bound<'a> {
    parameters: &'a [Value],
    system: Vec<Stored>,
}

impl State {
    /// Tries a statement once. Nothing of it stays if it fails or has to wait.
    pub(super) fn attempt(
        &mut self,
        plan: &Plan,
        parameters: &[Value],
        executor: &Executor<'_>,
        transaction: Option<i64>,
        contended: &HashSet<Contended>,
    ) -> Result<Executed, Interrupt> {
        let bound = Bound {
            parameters,
            system: plan
                .system
                .iter()
                .map(|value| system_value(value, executor, transaction))
                .collect(),
        };
        if let Body::Query {
            sql,
            columns,
            lock: None,
        } = &plan.body
        {
            return self.select(sql, columns, &bound).map(Executed::Rows);
        }
        let transaction = transaction.unwrap_or_default();
        if let Body::Query {
            sql,
            columns,
            lock: Some(lock),
        } = &plan.body
        {
            return self
                .select_for_update(sql, columns, lock, &bound, transaction)
                .map(Executed::Rows);
        }
        self.sqlite
            .prepare_cached("SAVEPOINT statement")?
            .execute([])?;
        let mut touched = BTreeSet::new();
        let result = {
            let mut writer = Writer {
                sqlite: &self.sqlite,
                row_locks: &self.row_locks,
                sequences: &self.sequences,
                transaction,
                touched: &mut touched,
                contended,
            };
            modify(&mut writer, plan, &bound)
        };
        if result.is_err() {
            self.sqlite
                .prepare_cached("ROLLBACK TO statement")?
                .execute([])?;
        }
        self.sqlite
            .prepare_cached("RELEASE statement")?
            .execute([])?;
        if let Some(all) = self.transactions.get_mut(&transaction) {
            all.extend(touched);
        }
        result.map(Executed::Affected)
    }

    fn select(
        &self,
        sql: &str,
        columns: &[OutputColumn],
        bound: &Bound<'_>,
    ) -> Result<Vec<Vec<Value>>, Interrupt> {
        let mut statement = self.sqlite.prepare_cached(sql)?;
        bound.bind(&mut statement)?;
        let mut rows = statement.raw_query();
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            out.push(values(row, columns)?);
        }
        Ok(out)
    }
}

impl Bound<'_> {
    /// Binds what a text uses: parameters first, then what the session gives.
    pub(super) fn bind(&self, statement: &mut CachedStatement<'_>) -> Result<(), Interrupt> {
        let used = statement.parameter_count();
        let parameters = self.parameters.iter().map(to_stored);
        for (position, value) in parameters
            .chain(self.system.iter().cloned())
            .enumerate()
            .take(used)
        {
            statement.raw_bind_parameter(position + 1, value)?;
        }
        Ok(())
    }

    /// The number behind LIMIT or OFFSET.
    pub(super) fn count(&self, count: crate::dialect::plan::Count) -> Result<usize, SqlError> {
        use crate::dialect::plan::Count;
        let number = match count {
            Count::Number(number) => usize::try_from(number).ok(),
            Count::Parameter(index) => match self.parameters.get(index) {
                Some(Value::Int(number)) => usize::try_from(*number).ok(),
                _ => None,
            },
        };
        number.ok_or_else(|| SqlError::new(code::NUMBER, "LIMIT and OFFSET are at least 0"))
    }
}

fn system_value(value: &SystemValue, executor: &Executor<'_>, transaction: Option<i64>) -> Stored {
    let viewpoint = executor.viewpoint;
    match value {
        // No transaction has this number, so nothing uncommitted is visible.
        SystemValue::Transaction => Stored::Integer(transaction.unwrap_or(-1)),
        SystemValue::Instant => Stored::Integer(now_ticks()),
        SystemValue::User => Stored::Text(viewpoint.user.clone()),
        SystemValue::Schema => Stored::Text(viewpoint.schema.clone()),
        SystemValue::Connection => Stored::Integer(viewpoint.session),
        SystemValue::Variable(key) => executor
            .variables
            .get(key)
            .map_or(Stored::Null, |value| Stored::Text(value.clone())),
    }
}

/// One row as HANA's values.
pub(super) fn values(row: &Row<'_>, columns: &[OutputColumn]) -> Result<Vec<Value>, Interrupt> {
    let mut out = Vec::with_capacity(columns.len());
    for (position, column) in columns.iter().enumerate() {
        out.push(from_stored(row.get_ref(position)?, column.sql_type)?);
    }
    Ok(out)
}

fn modify(writer: &mut Writer<'_>, plan: &Plan, bound: &Bound<'_>) -> Result<u64, Interrupt> {
    match &plan.body {
        Body::Insert {
            table,
            columns,
            source,
            conflict,
        } => insert(writer, table, columns, source, conflict, bound),
        Body::Update {
            table,
            columns,
            types,
            sql,
        } => {
            let mut affected = 0;
            for (row_id, named) in found_rows(writer, sql, columns, types, bound)? {
                affected += u64::from(writer.update(table, row_id, &named)?);
            }
            Ok(affected)
        }
        Body::Delete { table, sql } => {
            let mut affected = 0;
            for (row_id, _) in found_rows(writer, sql, &[], &[], bound)? {
                affected += u64::from(writer.delete(table, row_id)?);
            }
            Ok(affected)
        }
        Body::Merge {
            table,
            sql,
            clauses,
        } => merge(writer, table, sql, clauses, bound),
        Body::Query { .. } | Body::Definition(_) | Body::Session(_) => {
            Err(SqlError::new(code::GENERAL, "test server: no modification").into())
        }
    }
}

fn insert(
    writer: &mut Writer<'_>,
    table: &Table,
    columns: &[usize],
    source: &RowSource,
    conflict: &Conflict,
    bound: &Bound<'_>,
) -> Result<u64, Interrupt> {
    let rows = match source {
        RowSource::Parameters(indexes) => {
            let values = indexes
                .iter()
                .map(|index| bound.parameters.get(*index).cloned().unwrap_or(Value::Null));
            vec![columns.iter().copied().zip(values).collect()]
        }
        RowSource::Sql { sql, types } => source_rows(writer, sql, columns, types, bound)?,
    };
    let mut affected = 0;
    for named in rows {
        match conflict {
            Conflict::Refuse => writer.insert(table, &named)?,
            Conflict::Update => writer.upsert(table, &named)?,
            Conflict::UpdateWhere(sql) => {
                let found = found_rows(writer, sql, &[], &[], bound)?;
                if found.is_empty() {
                    writer.insert(table, &named)?;
                }
                for (row_id, _) in found {
                    writer.update(table, row_id, &named)?;
                }
            }
        }
        affected += 1;
    }
    Ok(affected)
}

fn source_rows(
    writer: &Writer<'_>,
    sql: &str,
    columns: &[usize],
    types: &[SqlType],
    bound: &Bound<'_>,
) -> Result<Vec<Named>, Interrupt> {
    let mut statement = writer.sqlite.prepare_cached(sql)?;
    bound.bind(&mut statement)?;
    let mut rows = statement.raw_query();
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        out.push(named(row, 0, columns, types)?);
    }
    Ok(out)
}

/// Rows that a statement is about, by id, with their new values.
fn found_rows(
    writer: &Writer<'_>,
    sql: &str,
    columns: &[usize],
    types: &[SqlType],
    bound: &Bound<'_>,
) -> Result<Vec<(i64, Named)>, Interrupt> {
    let mut statement = writer.sqlite.prepare_cached(sql)?;
    bound.bind(&mut statement)?;
    let mut rows = statement.raw_query();
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        out.push((row.get(0)?, named(row, 1, columns, types)?));
    }
    Ok(out)
}

fn named(
    row: &Row<'_>,
    from: usize,
    columns: &[usize],
    types: &[SqlType],
) -> Result<Named, Interrupt> {
    let mut out = Vec::with_capacity(columns.len());
    for (position, (column, sql_type)) in columns.iter().zip(types).enumerate() {
        out.push((
            *column,
            from_stored(row.get_ref(from + position)?, *sql_type)?,
        ));
    }
    Ok(out)
}

fn merge(
    writer: &mut Writer<'_>,
    table: &Arc<Table>,
    sql: &str,
    clauses: &[MergeStep],
    bound: &Bound<'_>,
) -> Result<u64, Interrupt> {
    let mut steps: Vec<(Option<i64>, MergeStepAction, Named)> = Vec::new();
    {
        let mut statement = writer.sqlite.prepare_cached(sql)?;
        bound.bind(&mut statement)?;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            let row_id: Option<i64> = row.get(0)?;
            let mut at = 1;
            for clause in clauses {
                let holds = row.get::<_, Option<bool>>(at)?.unwrap_or(false);
                let fits = row_id.is_some() == (clause.action != MergeStepAction::Insert);
                if holds && fits {
                    steps.push((
                        row_id,
                        clause.action,
                        named(row, at + 1, &clause.columns, &clause.types)?,
                    ));
                    break;
                }
                at += 1 + clause.columns.len();
            }
        }
    }
    let mut affected = 0;
    for (row_id, action, named) in steps {
        affected += u64::from(match (action, row_id) {
            (MergeStepAction::Update, Some(row_id)) => writer.update(table, row_id, &named)?,
            (MergeStepAction::Delete, Some(row_id)) => writer.delete(table, row_id)?,
            _ => {
                writer.insert(table, &named)?;
                true
            }
        });
    }
    Ok(affected)
}
