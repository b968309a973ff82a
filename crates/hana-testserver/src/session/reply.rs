//! Builds replies.

use super::{Answer, Session};
use crate::error::SqlError;
use crate::wire::error::{self, Severity};
use crate::wire::function_code;
use crate::wire::message::{Message, SegmentKind};
use crate::wire::options::{self, OptionValue};
use crate::wire::part::{Part, kind};

/// A reply in the making.
pub(super) struct Reply {
    kind: SegmentKind,
    parts: Vec<Part>,
}

impl Reply {
    pub(super) fn new(function_code: i16) -> Self {
        Self {
            kind: SegmentKind::Reply { function_code },
            parts: Vec::new(),
        }
    }

    /// One error instead of a result; the flag says what became of the transaction.
    pub(super) fn error(error: &SqlError, severity: Severity, flag: Option<u8>) -> Self {
        let reply = Self {
            kind: SegmentKind::Error {
                function_code: function_code::NIL,
            },
            parts: vec![error::part(std::iter::once(error), severity)],
        };
        match flag {
            Some(flag) => reply.with(transaction_flag(flag)),
            None => reply,
        }
    }

    /// A batch some of whose rows failed: HANA's clients look at the parts.
    pub(super) fn with_row_errors(mut self, errors: &[SqlError], function_code: i16) -> Self {
        self.kind = SegmentKind::Error { function_code };
        self.with(error::part(errors.iter(), Severity::Error))
    }

    pub(super) fn with(mut self, part: Part) -> Self {
        self.parts.push(part);
        self
    }

    pub(super) fn with_all(mut self, parts: impl IntoIterator<Item = Part>) -> Self {
        self.parts.extend(parts);
        self
    }

    pub(super) fn answer(self, session: &Session, request: &Message) -> Answer {
        Answer::Reply(self.encode(session, request))
    }

    /// The connection is closed behind it.
    pub(super) fn last_answer(self, session: &Session, request: &Message) -> Answer {
        Answer::Last(self.encode(session, request))
    }

    fn encode(self, session: &Session, request: &Message) -> Vec<u8> {
        Message::reply(
            session.wire_id(),
            request.packet_count,
            self.kind,
            self.parts,
        )
        .encode()
    }
}

/// Counts of affected rows.
pub(super) fn rows_affected(counts: &[i32]) -> Part {
    let buffer = counts
        .iter()
        .flat_map(|count| count.to_le_bytes())
        .collect();
    Part::new(kind::ROWS_AFFECTED, counts.len(), buffer)
}

/// What became of the transaction.
pub(super) fn transaction_flag(flag: u8) -> Part {
    options::part(
        kind::TRANSACTION_FLAGS,
        &[(flag, OptionValue::Boolean(true))],
    )
}

/// The sequence number is binary: node-hdb fails on a number. Source: captures.
pub(super) fn statement_context(sequence: u64, microseconds: u64) -> Part {
    let mut number = sequence.to_le_bytes().to_vec();
    number.extend([0; 2]);
    let time = i64::try_from(microseconds).unwrap_or(i64::MAX);
    options::part(
        kind::STATEMENT_CONTEXT,
        &[
            (1, OptionValue::Bytes(number)),
            (2, OptionValue::BigInt(time)),
        ],
    )
}
