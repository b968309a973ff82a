//! Result sets: the first chunk with the answer, the others by FETCHNEXT.

use std::time::Instant;

use super::execute::Run;
use super::reply::{Reply, transaction_flag};
use super::statement::function_code_of;
use super::{Answer, Session, auto_commit, id_of, part};
use crate::dialect::plan::{Body, OutputColumn};
use crate::error::{SqlError, code};
use crate::value::Value;
use crate::wire::bytes::{Malformed, Reader};
use crate::wire::error::Severity;
use crate::wire::function_code;
use crate::wire::message::Message;
use crate::wire::metadata;
use crate::wire::options::transaction;
use crate::wire::part::{Part, kind};
use crate::wire::result_set::{CLOSED, LAST_PACKET, put};

/// Rows that are still to be fetched.
#[derive(Debug)]
pub(super) struct Cursor {
    columns: Vec<OutputColumn>,
    rows: std::vec::IntoIter<Vec<Value>>,
}

impl Session {
    pub(super) fn result_set(
        &mut self,
        message: &Message,
        run: &Run<'_>,
        rows: Vec<Vec<Value>>,
        started: Instant,
    ) -> Answer {
        let Body::Query { columns, lock, .. } = &run.plan.body else {
            return Answer::Cut;
        };
        let id = self.next_id();
        let mut cursor = Cursor {
            columns: columns.clone(),
            rows: rows.into_iter(),
        };
        let chunk = self.chunk(&mut cursor, run.fetch_rows);
        if cursor.rows.len() > 0 {
            self.cursors.insert(id, cursor);
        }
        // Locks under auto-commit end with the statement.
        if lock.is_some() && auto_commit(message) && self.commit().is_err() {
            return Answer::Cut;
        }
        let flag = if self.transaction.is_open() {
            transaction::WRITE_STARTED
        } else {
            transaction::NO_WRITE_STARTED
        };
        let metadata = run
            .with_metadata
            .then(|| metadata::result_set(columns, self.format));
        let context = self.context_part(started);
        // hdbconnect wants RESULTSETID directly before RESULTSET, with a STATEMENTCONTEXT between at most.
        Reply::new(function_code_of(&run.plan.body))
            .with_all(metadata)
            .with(Part::new(kind::RESULT_SET_ID, 1, id.to_le_bytes().to_vec()))
            .with(context)
            .with(chunk)
            .with(transaction_flag(flag))
            .answer(self, message)
    }

    /// Takes the next rows of a cursor.
    fn chunk(&mut self, cursor: &mut Cursor, rows: usize) -> Part {
        let mut buffer = Vec::new();
        let mut count = 0;
        for row in cursor.rows.by_ref().take(rows.max(1)) {
            for (value, column) in row.iter().zip(&cursor.columns) {
                put(
                    &mut buffer,
                    value,
                    column.sql_type,
                    self.format,
                    &mut self.lob_reads,
                );
            }
            count += 1;
        }
        let mut part = Part::new(kind::RESULT_SET, count, buffer);
        if cursor.rows.len() == 0 {
            part.attributes = LAST_PACKET | CLOSED;
        }
        part
    }

    pub(super) fn fetch_next(&mut self, message: &Message) -> Result<Answer, Malformed> {
        let id = id_of(part(message, kind::RESULT_SET_ID)?)?;
        let rows = Reader::new(&part(message, kind::FETCH_SIZE)?.buffer).u32()?;
        let Some(mut cursor) = self.cursors.remove(&id) else {
            let error = SqlError::new(code::GENERAL, "invalid cursor state: no such result set");
            return Ok(Reply::error(&error, Severity::Error, None).answer(self, message));
        };
        let chunk = self.chunk(&mut cursor, usize::try_from(rows).unwrap_or(usize::MAX));
        if cursor.rows.len() > 0 {
            self.cursors.insert(id, cursor);
        }
        Ok(Reply::new(function_code::FETCH)
            .with(chunk)
            .answer(self, message))
    }

    pub(super) fn close_result_set(&mut self, message: &Message) -> Result<Answer, Malformed> {
        self.cursors
            .remove(&id_of(part(message, kind::RESULT_SET_ID)?)?);
        Ok(Reply::new(function_code::CLOSE_CURSOR).answer(self, message))
    }
}
