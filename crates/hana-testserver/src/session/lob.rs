//! LOBs: what a client still reads of a result, and what it still writes of a row.

use std::collections::BTreeMap;

use super::execute::complete;
use super::reply::{Reply, transaction_flag};
use super::statement::Aborted;
use super::{Answer, Session, auto_commit, part};
use crate::dialect::plan::Plan;
use crate::error::{SqlError, code};
use crate::types::SqlType;
use crate::value::Value;
use crate::wire::bytes::Malformed;
use crate::wire::error::Severity;
use crate::wire::lob::{ReadRequest, parse_read, parse_write, read_reply, write_reply};
use crate::wire::message::Message;
use crate::wire::options::transaction;
use crate::wire::parameters::Parameter;
use crate::wire::part::kind;
use crate::wire::result_set::LobStore;
use crate::wire::{cesu8, function_code};

/// Most bytes of LOBs that a session keeps for reading; the oldest go first.
const READABLE_BYTES_MAX: usize = 256 << 20;

/// LOBs of results, by locator.
#[derive(Debug, Default)]
pub(super) struct LobReads {
    last_locator: u64,
    bytes: usize,
    lobs: BTreeMap<u64, ReadableLob>,
}

#[derive(Debug)]
struct ReadableLob {
    bytes: Vec<u8>,
    is_text: bool,
}

impl LobStore for LobReads {
    fn keep(&mut self, bytes: Vec<u8>, is_text: bool) -> u64 {
        self.last_locator += 1;
        self.bytes += bytes.len();
        self.lobs
            .insert(self.last_locator, ReadableLob { bytes, is_text });
        while self.bytes > READABLE_BYTES_MAX
            && self.lobs.len() > 1
            && let Some((_, oldest)) = self.lobs.pop_first()
        {
            self.bytes -= oldest.bytes.len();
        }
        self.last_locator
    }
}

impl LobReads {
    /// A piece, and whether it is the last; `None` for an unknown locator.
    fn read(&self, request: ReadRequest) -> Option<(&[u8], bool)> {
        let lob = self.lobs.get(&request.locator)?;
        let end = request.offset.saturating_add(request.length);
        Some(if lob.is_text {
            let chunk = cesu8::slice_units(&lob.bytes, request.offset, request.length);
            (chunk, end >= cesu8::unit_count(&lob.bytes))
        } else {
            let end_in_bytes = end.min(lob.bytes.len());
            let chunk = lob
                .bytes
                .get(request.offset..end_in_bytes)
                .unwrap_or_default();
            (chunk, end >= lob.bytes.len())
        })
    }
}

/// Rows whose LOBs are not complete yet.
#[derive(Debug)]
pub(super) struct PendingLobs {
    plan: Plan,
    rows: Vec<PendingRow>,
}

#[derive(Debug)]
struct PendingRow {
    parameters: Vec<Parameter>,
    /// Open LOBs: locator and position of the parameter.
    open: Vec<(u64, usize)>,
}

impl PendingLobs {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            plan: plan.clone(),
            rows: Vec::new(),
        }
    }

    /// Keeps a row; every LOB that is not complete gets a locator.
    pub(super) fn add(&mut self, parameters: &[Parameter], mut locator: impl FnMut() -> u64) {
        let streamed = parameters
            .iter()
            .enumerate()
            .filter(|(_, parameter)| matches!(parameter, Parameter::Streamed(_)));
        let open = streamed
            .map(|(position, _)| (locator(), position))
            .collect();
        self.rows.push(PendingRow {
            parameters: parameters.to_vec(),
            open,
        });
    }

    /// Locators of all LOBs that are not complete, in the order of rows and parameters.
    pub(super) fn locators(&self) -> Vec<u64> {
        self.rows
            .iter()
            .flat_map(|row| row.open.iter().map(|(locator, _)| *locator))
            .collect()
    }

    /// Appends a piece.
    fn append(&mut self, locator: u64, data: &[u8], last: bool) -> Result<(), Malformed> {
        let unknown = Malformed("an unknown LOB locator");
        let row = self
            .rows
            .iter_mut()
            .find(|row| row.open.iter().any(|(open, _)| *open == locator))
            .ok_or(unknown.clone())?;
        let position = row
            .open
            .iter()
            .find(|(open, _)| *open == locator)
            .map(|(_, position)| *position);
        let slot = position
            .and_then(|position| row.parameters.get_mut(position))
            .ok_or(unknown.clone())?;
        let Parameter::Streamed(bytes) = slot else {
            return Err(unknown);
        };
        bytes.extend(data);
        if last {
            let sql_type = position
                .and_then(|position| self.plan.parameters.get(position))
                .map(|parameter| parameter.sql_type);
            let bytes = std::mem::take(bytes);
            *slot = Parameter::Value(match sql_type {
                Some(SqlType::Blob | SqlType::VarBinary(_)) => Value::Bytes(bytes),
                _ => Value::Text(cesu8::decode(&bytes)?),
            });
            row.open.retain(|(open, _)| *open != locator);
        }
        Ok(())
    }

    /// Takes the rows whose LOBs are all there.
    fn take_complete(&mut self) -> Vec<Vec<Value>> {
        let (done, open): (Vec<_>, Vec<_>) =
            self.rows.drain(..).partition(|row| row.open.is_empty());
        self.rows = open;
        done.iter()
            .filter_map(|row| complete(&row.parameters))
            .collect()
    }
}

impl Session {
    pub(super) fn read_lob(&mut self, message: &Message) -> Result<Answer, Malformed> {
        let request = parse_read(&part(message, kind::READ_LOB_REQUEST)?.buffer)?;
        let reply = match self.lob_reads.read(request) {
            Some((chunk, last)) => {
                Reply::new(function_code::READ_LOB).with(read_reply(request.locator, chunk, last))
            }
            None => Reply::error(
                &SqlError::new(code::GENERAL, "invalid LOB locator"),
                Severity::Error,
                None,
            ),
        };
        Ok(reply.answer(self, message))
    }

    /// Takes pieces; rows whose last piece has come are executed.
    pub(super) fn write_lob(&mut self, message: &Message) -> Result<Answer, Malformed> {
        let part = part(message, kind::WRITE_LOB_REQUEST)?;
        let mut pending = self
            .pending_lobs
            .take()
            .ok_or(Malformed("WRITELOB without an open LOB"))?;
        for piece in parse_write(&part.buffer, part.count)? {
            pending.append(piece.locator, piece.data, piece.last)?;
        }
        for values in pending.take_complete() {
            if let Err(error) = self.execute_once(&pending.plan, values) {
                return Ok(self.fail(message, &error));
            }
        }
        let open = pending.locators();
        let mut flag = transaction::WRITE_STARTED;
        if !open.is_empty() {
            self.pending_lobs = Some(pending);
        } else if auto_commit(message) {
            flag = transaction::COMMITTED;
            match self.commit() {
                Ok(()) => {}
                Err(Aborted::Cut) => return Ok(Answer::Cut),
                Err(Aborted::Error(error)) => return Ok(self.fail(message, &error)),
            }
        }
        Ok(Reply::new(function_code::WRITE_LOB)
            .with(write_reply(&open))
            .with(transaction_flag(flag))
            .answer(self, message))
    }
}
