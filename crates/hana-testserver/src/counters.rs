//! What a server has seen: for tests that assert round trips and commits.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::dialect::token::leading_comment;

/// A snapshot of everything counted since the server's start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests answered, log-on included.
    pub round_trips: u64,
    /// Executions by the statement's leading comment, or by its first word where it has none. PREPARE is not counted.
    pub statements: BTreeMap<String, u64>,
    /// Rows of parameters executed, by the same names.
    pub rows: BTreeMap<String, u64>,
    /// Transactions committed, automatic ones included.
    pub commits: u64,
    /// Transactions rolled back.
    pub rollbacks: u64,
    /// The same per connection, by its id.
    pub sessions: BTreeMap<i64, SessionCounters>,
}

/// What one connection did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionCounters {
    /// Requests answered.
    pub round_trips: u64,
    /// Transactions committed.
    pub commits: u64,
    /// Whether the connection is still there.
    pub is_open: bool,
}

/// Counts and logs; shared by all sessions.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    state: Mutex<(Counters, Vec<String>)>,
}

/// Statements kept in the log; older ones go.
const LOG_STATEMENTS_MAX: usize = 100_000;

impl Recorder {
    fn change(&self, change: impl FnOnce(&mut Counters, &mut Vec<String>)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (counters, log) = &mut *state;
        change(counters, log);
    }

    pub(crate) fn counters(&self) -> Counters {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .clone()
    }

    pub(crate) fn statements(&self) -> Vec<String> {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .1
            .clone()
    }

    pub(crate) fn opened(&self, session: i64) {
        self.change(|counters, _| counters.sessions.entry(session).or_default().is_open = true);
    }

    pub(crate) fn closed(&self, session: i64) {
        self.change(|counters, _| counters.sessions.entry(session).or_default().is_open = false);
    }

    pub(crate) fn round_trip(&self, session: i64) {
        self.change(|counters, _| {
            counters.round_trips += 1;
            counters.sessions.entry(session).or_default().round_trips += 1;
        });
    }

    pub(crate) fn statement(&self, text: &str, rows: usize) {
        self.change(|counters, log| {
            let name = name(text);
            *counters.statements.entry(name.clone()).or_default() += 1;
            *counters.rows.entry(name).or_default() += u64::try_from(rows).unwrap_or(u64::MAX);
            if log.len() == LOG_STATEMENTS_MAX {
                log.drain(..LOG_STATEMENTS_MAX / 2);
            }
            log.push(text.to_owned());
        });
    }

    pub(crate) fn commit(&self, session: i64) {
        self.change(|counters, _| {
            counters.commits += 1;
            counters.sessions.entry(session).or_default().commits += 1;
        });
    }

    pub(crate) fn rollback(&self) {
        self.change(|counters, _| counters.rollbacks += 1);
    }
}

/// A statement's leading comment, else its first word.
fn name(text: &str) -> String {
    leading_comment(text).map_or_else(
        || {
            text.split_whitespace()
                .next()
                .unwrap_or_default()
                .to_ascii_uppercase()
        },
        str::to_owned,
    )
}
