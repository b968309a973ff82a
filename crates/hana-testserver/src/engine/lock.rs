//! `SELECT … FOR UPDATE`.

use std::time::Duration;

use super::execute::{Bound, values};
use super::{Blocked, Interrupt, State};
use crate::dialect::ast::LockClause;
use crate::dialect::plan::{OutputColumn, RowLock};
use crate::error::{SqlError, code};
use crate::value::Value;

impl State {
    /// Reads and locks rows. Assumed: with IGNORE LOCKED the LIMIT counts the rows that could be locked.
    pub(super) fn select_for_update(
        &mut self,
        sql: &str,
        columns: &[OutputColumn],
        lock: &RowLock,
        bound: &Bound<'_>,
        transaction: i64,
    ) -> Result<Vec<Vec<Value>>, Interrupt> {
        let limit = lock
            .limit
            .map(|count| bound.count(count))
            .transpose()?
            .unwrap_or(usize::MAX);
        let offset = lock
            .offset
            .map(|count| bound.count(count))
            .transpose()?
            .unwrap_or(0);
        let mut locked = Vec::new();
        let mut out = Vec::new();
        {
            let holder_sql = format!("SELECT d FROM {} WHERE rowid = ?1", lock.table.physical());
            let mut statement = self.sqlite.prepare_cached(sql)?;
            bound.bind(&mut statement)?;
            let mut rows = statement.raw_query();
            let mut skipped = 0;
            while let Some(row) = rows.next()? {
                if out.len() == limit {
                    break;
                }
                let row_id: i64 = row.get(columns.len())?;
                let deleter: i64 = self
                    .sqlite
                    .prepare_cached(&holder_sql)?
                    .query_one([row_id], |row| row.get(0))?;
                let holder = self
                    .row_locks
                    .get(&(lock.table.id, row_id))
                    .copied()
                    .unwrap_or(deleter);
                if holder != 0 && holder != transaction {
                    match lock.clause {
                        LockClause::IgnoreLocked => continue,
                        LockClause::NoWait => return Err(SqlError::new(code::BUSY, "").into()),
                        LockClause::Wait | LockClause::WaitSeconds(_) => {
                            return Err(blocked(holder, lock.clause));
                        }
                    }
                }
                if skipped < offset {
                    skipped += 1;
                    continue;
                }
                locked.push(row_id);
                out.push(values(row, columns)?);
            }
        }
        for row_id in locked {
            self.row_locks.insert((lock.table.id, row_id), transaction);
        }
        Ok(out)
    }
}

fn blocked(by: i64, clause: LockClause) -> Interrupt {
    Interrupt::Blocked(Blocked {
        by,
        new_key: None,
        wait: match clause {
            LockClause::WaitSeconds(seconds) => Some(Duration::from_secs(u64::from(seconds))),
            LockClause::Wait | LockClause::NoWait | LockClause::IgnoreLocked => None,
        },
    })
}
