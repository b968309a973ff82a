//! Rows and their versions. Beside its columns a row has `x`, the transaction that wrote it, and `d`, the one that
//! deleted it; 0 means "committed" and "alive". An update deletes the old version and writes a new one, so that others
//! go on seeing the old one until the commit removes it.

use std::collections::{BTreeSet, HashMap, HashSet};

use rusqlite::types::Value as Stored;
use rusqlite::{CachedStatement, Connection, params_from_iter};

use super::catalog::{Default, Table};
use super::functions::{Sequences, next_value, now_ticks};
use super::storage::to_stored;
use super::{Blocked, Contended, Interrupt, State};
use crate::error::{SqlError, code};
use crate::value::Value;

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Commit,
    Rollback,
}

/// Writes rows for one transaction.
pub(super) struct Writer<'a> {
    pub(super) sqlite: &'a Connection,
    pub(super) row_locks: &'a HashMap<(i64, i64), i64>,
    pub(super) sequences: &'a Sequences,
    pub(super) transaction: i64,
    pub(super) touched: &'a mut BTreeSet<i64>,
    /// Keys that this statement waited for while another transaction inserted them.
    pub(super) contended: &'a HashSet<Contended>,
}

/// Who has a key.
enum Holder {
    Nobody,
    Row(i64),
}

impl State {
    /// Commits or rolls back: all tables in one step.
    pub(super) fn end(&mut self, transaction: i64, end: End) -> rusqlite::Result<()> {
        let touched = self.transactions.remove(&transaction).unwrap_or_default();
        self.row_locks.retain(|_, holder| *holder != transaction);
        self.waits.remove(&transaction);
        let (remove, keep) = match end {
            End::Commit => ("d", "UPDATE t{} SET x = 0 WHERE x = ?1"),
            End::Rollback => ("x", "UPDATE t{} SET d = 0 WHERE d = ?1"),
        };
        self.sqlite.execute_batch("BEGIN")?;
        for table in touched {
            let table = table.to_string();
            self.sqlite
                .prepare_cached(&format!("DELETE FROM t{table} WHERE {remove} = ?1"))?
                .execute([transaction])?;
            self.sqlite
                .prepare_cached(&keep.replace("{}", &table))?
                .execute([transaction])?;
        }
        self.sqlite.execute_batch("COMMIT")
    }
}

impl Writer<'_> {
    fn cached(&self, sql: &str) -> rusqlite::Result<CachedStatement<'_>> {
        self.sqlite.prepare_cached(sql)
    }

    /// Inserts a row of the named values; the other columns get their defaults. A taken key is refused.
    pub(super) fn insert(
        &mut self,
        table: &Table,
        named: &[(usize, Value)],
    ) -> Result<(), Interrupt> {
        let row = self.complete(table, named)?;
        for (name, columns) in table.uniques() {
            if let Holder::Row(_) = self.holder(table, columns, &row, None)? {
                return Err(unique(table, name).into());
            }
        }
        self.write_version(table, &row)
    }

    /// Updates the row with the same key, or inserts one.
    pub(super) fn upsert(
        &mut self,
        table: &Table,
        named: &[(usize, Value)],
    ) -> Result<(), Interrupt> {
        let mut key_row = vec![Stored::Null; table.columns.len()];
        for (position, value) in named {
            set(
                &mut key_row,
                *position,
                to_stored(&convert(table, *position, value)?),
            );
        }
        match self.holder(table, &table.primary_key, &key_row, None)? {
            Holder::Nobody => self.insert(table, named),
            // HANA may give 301 even to an UPSERT that waited for another's new row; this server always does.
            // Source: the dossier, 3.2.
            Holder::Row(_)
                if self
                    .contended
                    .contains(&contended(table, &table.primary_key, &key_row)) =>
            {
                Err(unique(table, "_SYS_TREE_CS_PRIMARY").into())
            }
            Holder::Row(row) => self.update(table, row, named).map(drop),
        }
    }

    /// Updates columns of one row; `false` where the row is gone.
    pub(super) fn update(
        &mut self,
        table: &Table,
        row_id: i64,
        named: &[(usize, Value)],
    ) -> Result<bool, Interrupt> {
        let Some((writer, mut row)) = self.lock_row(table, row_id)? else {
            return Ok(false);
        };
        let mut changed = Vec::new();
        for (position, value) in named {
            let stored = to_stored(&convert(table, *position, value)?);
            check_null(table, *position, &stored)?;
            if row.get(*position) != Some(&stored) {
                changed.push(*position);
            }
            set(&mut row, *position, stored);
        }
        for (name, columns) in table.uniques() {
            if columns.iter().any(|column| changed.contains(column))
                && let Holder::Row(_) = self.holder(table, columns, &row, Some(row_id))?
            {
                return Err(unique(table, name).into());
            }
        }
        if writer == self.transaction {
            let sets: Vec<String> = (0..row.len())
                .map(|position| format!("c{position} = ?{}", position + 2))
                .collect();
            let sql = format!(
                "UPDATE {} SET {} WHERE rowid = ?1",
                table.physical(),
                sets.join(", ")
            );
            let values = std::iter::once(Stored::Integer(row_id)).chain(row);
            self.cached(&sql)?.execute(params_from_iter(values))?;
            self.touched.insert(table.id);
            return Ok(true);
        }
        self.delete_version(table, row_id)?;
        self.write_version(table, &row)?;
        Ok(true)
    }

    /// Deletes one row; `false` where it is gone.
    pub(super) fn delete(&mut self, table: &Table, row_id: i64) -> Result<bool, Interrupt> {
        let Some((writer, _)) = self.lock_row(table, row_id)? else {
            return Ok(false);
        };
        if writer == self.transaction {
            let sql = format!("DELETE FROM {} WHERE rowid = ?1", table.physical());
            self.cached(&sql)?.execute([row_id])?;
            self.touched.insert(table.id);
        } else {
            self.delete_version(table, row_id)?;
        }
        Ok(true)
    }

    /// Reads a row that this transaction is about to change, unless another transaction has it.
    fn lock_row(
        &self,
        table: &Table,
        row_id: i64,
    ) -> Result<Option<(i64, Vec<Stored>)>, Interrupt> {
        if let Some(holder) = self.row_locks.get(&(table.id, row_id))
            && *holder != self.transaction
        {
            return Err(blocked(*holder, None));
        }
        let columns: Vec<String> = (0..table.columns.len())
            .map(|position| format!("c{position}"))
            .collect();
        let sql = format!(
            "SELECT x, d, {} FROM {} WHERE rowid = ?1",
            columns.join(", "),
            table.physical()
        );
        let mut statement = self.cached(&sql)?;
        let mut rows = statement.query([row_id])?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        let (writer, deleter): (i64, i64) = (row.get(0)?, row.get(1)?);
        if deleter == self.transaction {
            return Ok(None);
        }
        if deleter != 0 {
            return Err(blocked(deleter, None));
        }
        let values = (0..table.columns.len())
            .map(|position| row.get(position + 2))
            .collect::<rusqlite::Result<_>>()?;
        Ok(Some((writer, values)))
    }

    /// Finds the row that has these values in a key's columns. NULLs are never equal.
    fn holder(
        &self,
        table: &Table,
        columns: &[usize],
        row: &[Stored],
        except: Option<i64>,
    ) -> Result<Holder, Interrupt> {
        let key: Vec<&Stored> = columns
            .iter()
            .filter_map(|column| row.get(*column))
            .collect();
        if key.iter().any(|value| matches!(value, Stored::Null)) {
            return Ok(Holder::Nobody);
        }
        let condition: Vec<String> = columns
            .iter()
            .enumerate()
            .map(|(position, column)| format!("c{column} = ?{}", position + 1))
            .collect();
        let sql = format!(
            "SELECT rowid, x, d FROM {} WHERE {}",
            table.physical(),
            condition.join(" AND ")
        );
        let mut statement = self.cached(&sql)?;
        let mut rows = statement.query(params_from_iter(key))?;
        let mut found = Holder::Nobody;
        while let Some(version) = rows.next()? {
            let (row_id, writer, deleter): (i64, i64, i64) =
                (version.get(0)?, version.get(1)?, version.get(2)?);
            if except == Some(row_id) || deleter == self.transaction {
                continue;
            }
            if writer != 0 && writer != self.transaction {
                return Err(blocked(writer, Some(contended(table, columns, row))));
            }
            if deleter != 0 {
                return Err(blocked(deleter, None));
            }
            found = Holder::Row(row_id);
        }
        Ok(found)
    }

    /// All columns of a new row, converted and checked.
    fn complete(&self, table: &Table, named: &[(usize, Value)]) -> Result<Vec<Stored>, SqlError> {
        let mut row = Vec::with_capacity(table.columns.len());
        for (position, column) in table.columns.iter().enumerate() {
            let given = named.iter().find(|(named, _)| *named == position);
            let value = match (given, &column.default, column.identity) {
                (Some((_, value)), _, _) => convert(table, position, value)?,
                (None, _, Some(sequence)) => Value::Int(next_value(self.sequences, sequence)?),
                (None, Some(Default::Value(value)), None) => value.clone(),
                (None, Some(Default::Instant), None) => {
                    Value::Timestamp(now_ticks()).convert(column.sql_type)?
                }
                (None, None, None) => Value::Null,
            };
            let stored = to_stored(&value);
            check_null(table, position, &stored)?;
            row.push(stored);
        }
        Ok(row)
    }

    fn write_version(&mut self, table: &Table, row: &[Stored]) -> Result<(), Interrupt> {
        let columns: Vec<String> = (0..row.len())
            .map(|position| format!("c{position}"))
            .collect();
        let places: Vec<String> = (0..row.len())
            .map(|position| format!("?{}", position + 2))
            .collect();
        let sql = format!(
            "INSERT INTO {} (x, {}) VALUES (?1, {})",
            table.physical(),
            columns.join(", "),
            places.join(", ")
        );
        let transaction = Stored::Integer(self.transaction);
        self.cached(&sql)?
            .execute(params_from_iter(std::iter::once(&transaction).chain(row)))?;
        self.touched.insert(table.id);
        Ok(())
    }

    fn delete_version(&mut self, table: &Table, row_id: i64) -> Result<(), Interrupt> {
        let sql = format!("UPDATE {} SET d = ?1 WHERE rowid = ?2", table.physical());
        self.cached(&sql)?.execute([self.transaction, row_id])?;
        self.touched.insert(table.id);
        Ok(())
    }
}

fn set(row: &mut [Stored], position: usize, stored: Stored) {
    if let Some(slot) = row.get_mut(position) {
        *slot = stored;
    }
}

fn contended(table: &Table, columns: &[usize], row: &[Stored]) -> Contended {
    let key: Vec<Option<&Stored>> = columns.iter().map(|column| row.get(*column)).collect();
    (table.id, format!("{key:?}"))
}

fn blocked(by: i64, new_key: Option<Contended>) -> Interrupt {
    Interrupt::Blocked(Blocked {
        by,
        new_key,
        wait: None,
    })
}

/// Converts a value to its column's type; an error says which column.
fn convert(table: &Table, position: usize, value: &Value) -> Result<Value, SqlError> {
    let Some(column) = table.columns.get(position) else {
        return Err(SqlError::new(code::COLUMN, ""));
    };
    value.clone().convert(column.sql_type).map_err(|mut error| {
        error.text = format!("{}: {}.{}", error.text, table.name, column.name);
        error
    })
}

fn check_null(table: &Table, position: usize, stored: &Stored) -> Result<(), SqlError> {
    match table.columns.get(position) {
        Some(column) if !column.nullable && *stored == Stored::Null => Err(SqlError::new(
            code::NULL,
            format!("Not nullable \"{}\" column", column.name),
        )),
        _ => Ok(()),
    }
}

fn unique(table: &Table, index: &str) -> SqlError {
    SqlError::new(
        code::UNIQUE,
        format!("Table({}), Index({index})", table.name),
    )
}
