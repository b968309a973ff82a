//! The asks that wait for their turn: the newest live one first, then retries, reconcile and backfill, each the oldest
//! first. Bounded by the places that the handle gives out.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::ask::{Ask, Priority};

/// How many wait, by priority.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Asked for by events that came just now.
    pub live: usize,
    /// By events that failed before.
    pub retry: usize,
    /// By a comparison with the store.
    pub reconcile: usize,
    /// By the loading of history.
    pub backfill: usize,
}

/// The waiting asks of one kind.
#[derive(Debug, Default)]
pub(super) struct Queue {
    live: VecDeque<Queued>,
    retry: VecDeque<Queued>,
    reconcile: VecDeque<Queued>,
    backfill: VecDeque<Queued>,
}

/// An ask that waits.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) ask: Ask,
    pub(super) since: Instant,
    /// It was sent before, and may be sent once more only.
    pub(super) sent_twice: bool,
}

impl Queued {
    pub(super) fn new(ask: Ask, since: Instant) -> Self {
        Self {
            ask,
            since,
            sent_twice: false,
        }
    }

    fn is_abandoned(&self) -> bool {
        self.ask.reply.is_closed()
    }
}

impl Queue {
    pub(super) fn push(&mut self, queued: Queued) {
        match queued.ask.priority {
            Priority::Live => self.live.push_front(queued),
            Priority::Retry => self.retry.push_back(queued),
            Priority::Reconcile => self.reconcile.push_back(queued),
            Priority::Backfill => self.backfill.push_back(queued),
        }
    }

    /// Puts one back that had its turn already.
    pub(super) fn push_first(&mut self, queued: Queued) {
        self.of(queued.ask.priority).push_front(queued);
    }

    /// True if one waits whose asker still does.
    pub(super) fn has_waiting(&mut self) -> bool {
        self.by_rank().into_iter().any(|queue| {
            while queue.front().is_some_and(Queued::is_abandoned) {
                queue.pop_front();
            }
            !queue.is_empty()
        })
    }

    /// The one whose turn it is.
    pub(super) fn pop(&mut self) -> Option<Queued> {
        self.by_rank().into_iter().find_map(VecDeque::pop_front)
    }

    pub(super) fn waiting(&self) -> Waiting {
        Waiting {
            live: self.live.len(),
            retry: self.retry.len(),
            reconcile: self.reconcile.len(),
            backfill: self.backfill.len(),
        }
    }

    fn by_rank(&mut self) -> [&mut VecDeque<Queued>; 4] {
        [
            &mut self.live,
            &mut self.retry,
            &mut self.reconcile,
            &mut self.backfill,
        ]
    }

    fn of(&mut self, priority: Priority) -> &mut VecDeque<Queued> {
        match priority {
            Priority::Live => &mut self.live,
            Priority::Retry => &mut self.retry,
            Priority::Reconcile => &mut self.reconcile,
            Priority::Backfill => &mut self.backfill,
        }
    }
}
