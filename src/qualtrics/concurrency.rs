//! How many calls of one kind may be in flight at once: one more after each full round of successes, half after a sign
//! of overload. Source: additive increase, multiplicative decrease, as in TCP (RFC 5681, 3.1).

use tokio::time::Instant;

const START: u32 = 8;
const MAX: u32 = 64;

/// The limit, and what moves it.
#[derive(Debug)]
pub(super) struct Concurrency {
    limit: u32,
    successes: u32,
    overloaded: Option<Instant>,
}

impl Concurrency {
    pub(super) fn new() -> Self {
        Self {
            limit: START,
            successes: 0,
            overloaded: None,
        }
    }

    pub(super) fn limit(&self) -> u32 {
        self.limit
    }

    /// A call succeeded. Only one that ended while the limit was reached says anything about a higher one.
    pub(super) fn succeeded(&mut self, was_full: bool) {
        if !was_full {
            return;
        }
        self.successes += 1;
        if self.successes >= self.limit {
            self.successes = 0;
            self.limit = (self.limit + 1).min(MAX);
        }
    }

    /// A call met 429, 503 or no answer. Those that were under way when the last one was noticed tell nothing new.
    pub(super) fn overloaded(&mut self, sent_at: Instant, now: Instant) {
        if self.overloaded.is_some_and(|noticed| sent_at < noticed) {
            return;
        }
        self.overloaded = Some(now);
        self.successes = 0;
        self.limit = (self.limit / 2).max(1);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_grows_by_one_a_round_only_while_it_is_the_limit() {
        let mut concurrency = Concurrency::new();

        for _ in 0..100 {
            concurrency.succeeded(false);
        }
        assert_eq!(concurrency.limit(), START);

        for _ in 0..START {
            concurrency.succeeded(true);
        }
        assert_eq!(concurrency.limit(), START + 1);

        for _ in 0..10_000 {
            concurrency.succeeded(true);
        }
        assert_eq!(concurrency.limit(), MAX);
    }

    #[test]
    fn one_overload_noticed_by_many_calls_halves_once_and_never_below_one() {
        let mut concurrency = Concurrency::new();
        let start = Instant::now();

        for _ in 0..8 {
            concurrency.overloaded(start, start + Duration::from_secs(1));
        }
        assert_eq!(concurrency.limit(), START / 2);

        for second in 2..20 {
            let sent = start + Duration::from_secs(second);
            concurrency.overloaded(sent, sent);
        }
        assert_eq!(concurrency.limit(), 1);
    }
}
