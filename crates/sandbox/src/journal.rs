//! What happened: counters, and the last calls and callbacks.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// How much has happened since the start or the last reset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// API calls by endpoint and status, such as `response 200`.
    pub calls: BTreeMap<String, u64>,
    /// Responses that were completed here.
    pub completed: u64,
    /// Callbacks that were posted, repetitions included.
    pub callbacks_sent: u64,
    /// Callbacks that were answered 2xx.
    pub callbacks_acknowledged: u64,
    /// Callbacks that were answered otherwise or not at all.
    pub callbacks_failed: u64,
    /// Callbacks that were lost: by a fault, or because nothing repeats them any more.
    pub callbacks_lost: u64,
    /// Callbacks that are waiting or under way.
    pub callbacks_open: u64,
}

impl Counters {
    /// Calls of an endpoint, whatever their status.
    pub fn calls_of(&self, endpoint: &str) -> u64 {
        let of = |name: &str| {
            name.split_once(' ')
                .is_some_and(|(name, _)| name == endpoint)
        };
        self.calls
            .iter()
            .filter(|(name, _)| of(name))
            .map(|(_, count)| count)
            .sum()
    }
}

/// One API call.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Call {
    pub(crate) at: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) endpoint: &'static str,
    pub(crate) status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fault: Option<&'static str>,
}

/// One posted callback.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Posted {
    pub(crate) at: String,
    pub(crate) subscription: String,
    pub(crate) topic: String,
    pub(crate) response: String,
    pub(crate) attempt: u32,
    /// None: no answer.
    pub(crate) status: Option<u16>,
}

const LINES_MAX: usize = 2_000;

#[derive(Debug, Default)]
pub(crate) struct Journal(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    counters: Counters,
    calls: VecDeque<Call>,
    callbacks: VecDeque<Posted>,
}

impl Journal {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn call(&self, call: Call) {
        let mut inner = self.lock();
        *inner
            .counters
            .calls
            .entry(format!("{} {}", call.endpoint, call.status))
            .or_default() += 1;
        keep(&mut inner.calls, call);
    }

    pub(crate) fn callback(&self, posted: Posted) {
        let mut inner = self.lock();
        inner.counters.callbacks_sent += 1;
        match posted.status {
            Some(200..=299) => inner.counters.callbacks_acknowledged += 1,
            _ => inner.counters.callbacks_failed += 1,
        }
        keep(&mut inner.callbacks, posted);
    }

    pub(crate) fn count(&self, change: impl FnOnce(&mut Counters)) {
        change(&mut self.lock().counters);
    }

    pub(crate) fn counters(&self) -> Counters {
        self.lock().counters.clone()
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.lock().calls.iter().cloned().collect()
    }

    pub(crate) fn callbacks(&self) -> Vec<Posted> {
        self.lock().callbacks.iter().cloned().collect()
    }

    /// Forgets all but the callbacks that are still under way.
    pub(crate) fn clear(&self) {
        let mut inner = self.lock();
        let open = inner.counters.callbacks_open;
        *inner = Inner {
            counters: Counters {
                callbacks_open: open,
                ..Counters::default()
            },
            ..Inner::default()
        };
    }
}

fn keep<T>(lines: &mut VecDeque<T>, line: T) {
    if lines.len() == LINES_MAX {
        lines.pop_front();
    }
    lines.push_back(line);
}
