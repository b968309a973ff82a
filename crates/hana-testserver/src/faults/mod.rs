//! Faults that a test switches on: connections cut, answers delayed, error codes, a server that is away.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::random;

mod syntax;

pub use syntax::FaultSyntaxError;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// The connection is cut instead of executing the statement.
    Cut,
    /// The connection is cut when a commit comes; nothing is committed.
    CutBeforeCommit,
    /// The commit is done, then the connection is cut instead of the answer.
    CutAfterCommit,
    /// The statement waits so long before it is executed.
    Slow(Duration),
    /// The statement, or one row of its batch, fails with this code.
    Error(i32),
    /// Writing statements are refused, as by a read-only database.
    ReadOnly,
    /// Log-on fails with this code.
    LogOn(i32),
    /// Connections are closed while the TLS handshake goes on; without TLS they never get an answer.
    Stopped,
}

/// One fault, with where and how often it strikes.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    kind: Kind,
    matching: Option<String>,
    row: Option<usize>,
    skip: u64,
    times: Option<u64>,
    probability: f64,
}

impl Fault {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            matching: None,
            row: None,
            skip: 0,
            times: None,
            probability: 1.0,
        }
    }

    /// Cuts the connection instead of executing a statement.
    #[must_use]
    pub fn cut() -> Self {
        Self::new(Kind::Cut)
    }

    /// Cuts the connection when a commit comes, explicit or automatic. Nothing is committed.
    #[must_use]
    pub fn cut_before_commit() -> Self {
        Self::new(Kind::CutBeforeCommit)
    }

    /// Commits, then cuts the connection instead of answering.
    #[must_use]
    pub fn cut_after_commit() -> Self {
        Self::new(Kind::CutAfterCommit)
    }

    /// Delays a statement.
    #[must_use]
    pub fn slow(delay: Duration) -> Self {
        Self::new(Kind::Slow(delay))
    }

    /// Fails a statement with this code. Codes that end the transaction do.
    #[must_use]
    pub fn error(code: i32) -> Self {
        Self::new(Kind::Error(code))
    }

    /// Refuses writing statements.
    #[must_use]
    pub fn read_only() -> Self {
        Self::new(Kind::ReadOnly)
    }

    /// Refuses log-on: 10 wrong password, 414 password to be changed, 416 user locked.
    #[must_use]
    pub fn log_on(code: i32) -> Self {
        Self::new(Kind::LogOn(code))
    }

    /// Behaves like a stopped HANA Cloud instance.
    #[must_use]
    pub fn stopped() -> Self {
        Self::new(Kind::Stopped)
    }

    /// Only statements whose text contains this, e.g. their leading comment.
    #[must_use]
    pub fn matching(mut self, text: &str) -> Self {
        self.matching = Some(text.to_owned());
        self
    }

    /// Only this row (from 0) of a batch, for [`Fault::error`].
    #[must_use]
    pub fn row(mut self, row: usize) -> Self {
        self.row = Some(row);
        self
    }

    /// From the n-th match (from 1) on.
    #[must_use]
    pub fn from_match(mut self, number: u64) -> Self {
        self.skip = number.saturating_sub(1);
        self
    }

    /// So many times, then never again.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// With this probability at each match.
    #[must_use]
    pub fn probability(mut self, probability: f64) -> Self {
        self.probability = probability;
        self
    }

    /// Whether it strikes now; counts the match.
    fn strikes(&mut self, statement: &str) -> bool {
        if self
            .matching
            .as_ref()
            .is_some_and(|text| !statement.contains(text))
        {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        if self.times == Some(0) || !random::happens(self.probability) {
            return false;
        }
        if let Some(times) = &mut self.times {
            *times -= 1;
        }
        true
    }
}

/// Switches faults on and off while the server runs.
#[derive(Debug, Clone, Default)]
pub struct FaultHandle {
    faults: Arc<Mutex<Vec<Fault>>>,
}

/// What happens to one statement.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Mishap {
    pub(crate) cut: bool,
    pub(crate) delay: Duration,
    /// The code with which the whole statement fails.
    pub(crate) error: Option<i32>,
    /// Rows of the batch that fail, with their codes.
    pub(crate) row_errors: Vec<(usize, i32)>,
    pub(crate) read_only: bool,
}

/// What happens to a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CommitMishap {
    None,
    CutBefore,
    CutAfter,
}

impl FaultHandle {
    /// Adds a fault beside those that are there.
    pub fn add(&self, fault: Fault) {
        self.change(|faults| faults.push(fault));
    }

    /// Ends all faults.
    pub fn clear(&self) {
        self.change(Vec::clear);
    }

    fn change<T>(&self, change: impl FnOnce(&mut Vec<Fault>) -> T) -> T {
        change(&mut self.faults.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Asks every fault about a statement that is to be executed.
    pub(crate) fn statement(&self, text: &str) -> Mishap {
        let mut mishap = Mishap::default();
        self.change(|faults| {
            for fault in faults {
                let kind = fault.kind;
                let is_about_statements = matches!(
                    kind,
                    Kind::Cut | Kind::Slow(_) | Kind::Error(_) | Kind::ReadOnly
                );
                if !is_about_statements || !fault.strikes(text) {
                    continue;
                }
                match kind {
                    Kind::Cut => mishap.cut = true,
                    Kind::Slow(delay) => mishap.delay += delay,
                    Kind::Error(code) => match fault.row {
                        Some(row) => mishap.row_errors.push((row, code)),
                        None => mishap.error = mishap.error.or(Some(code)),
                    },
                    _ => mishap.read_only = true,
                }
            }
        });
        mishap
    }

    /// Asks about a commit. The text is that of the last statement.
    pub(crate) fn commit(&self, text: &str) -> CommitMishap {
        self.change(|faults| {
            for fault in faults {
                let mishap = match fault.kind {
                    Kind::CutBeforeCommit => CommitMishap::CutBefore,
                    Kind::CutAfterCommit => CommitMishap::CutAfter,
                    _ => continue,
                };
                if fault.strikes(text) {
                    return mishap;
                }
            }
            CommitMishap::None
        })
    }

    /// The code with which a log-on fails.
    pub(crate) fn log_on(&self, user: &str) -> Option<i32> {
        self.change(|faults| {
            faults.iter_mut().find_map(|fault| match fault.kind {
                Kind::LogOn(code) => fault.strikes(user).then_some(code),
                _ => None,
            })
        })
    }

    /// Whether the instance is stopped.
    pub(crate) fn is_stopped(&self) -> bool {
        self.change(|faults| {
            faults
                .iter_mut()
                .any(|fault| fault.kind == Kind::Stopped && fault.strikes(""))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_strikes_from_its_match_on_and_so_often() {
        let faults = FaultHandle::default();
        faults.add(Fault::error(133).matching("b").from_match(2).times(1));

        let codes: Vec<_> = ["b", "a", "b", "b"]
            .iter()
            .map(|text| faults.statement(text).error)
            .collect();

        assert_eq!(codes, [None, None, Some(133), None]);
    }
}
