//! A span of time in windows, one export each: halved where one fails, doubled where one holds little.
//! Source: exports of more than 1.8 GB fail, and a job that failed is to be repeated with a shorter range.

use std::time::Duration;

use ingester_core::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What the first window spans.
pub(super) const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);
/// A window is not halved below this.
const SHORTEST: Duration = Duration::from_secs(3600);
/// A window with fewer documents than this makes the next one twice as long.
const FEW: u64 = 10_000;

/// What is left of a span. Its first window reaches back without end if the span does, and so its last one forth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Windows {
    /// Where the next window begins; nothing is the beginning of all.
    next: Option<Timestamp>,
    /// Where the beginning of all is taken to be: nothing much is older.
    floor: Timestamp,
    /// Where the span ends; nothing is never.
    end: Option<Timestamp>,
    /// Where a span without an end is taken to end: when the work began.
    ceiling: Timestamp,
    length_s: u64,
    done: bool,
}

/// From an instant on, up to before another; open where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) start: Option<Timestamp>,
    pub(super) end: Option<Timestamp>,
}

impl Windows {
    /// The span from `start` to `end`; `floor` and `now` stand for where they are open.
    pub(super) fn new(
        start: Option<Timestamp>,
        end: Option<Timestamp>,
        floor: Timestamp,
        now: Timestamp,
    ) -> Self {
        let ceiling = end.unwrap_or(now);
        Self {
            next: start,
            floor: start.unwrap_or(floor).min(ceiling),
            end,
            ceiling,
            length_s: MONTH.as_secs(),
            done: start.is_some_and(|start| end.is_some_and(|end| start >= end)),
        }
    }

    /// The same in a single window, unless it fails.
    pub(super) fn whole(mut self) -> Self {
        let span = Duration::try_from(self.ceiling.duration_since(self.floor)).unwrap_or_default();
        self.length_s = span.as_secs().saturating_add(1);
        self
    }

    /// The next window; nothing once all are done.
    pub(super) fn current(&self) -> Option<Window> {
        if self.done {
            return None;
        }
        let end = self.boundary();
        Some(Window {
            start: self.next,
            end: if end < self.ceiling {
                Some(end)
            } else {
                self.end
            },
        })
    }

    fn boundary(&self) -> Timestamp {
        let start = self.next.unwrap_or(self.floor);
        start
            .checked_add(Duration::from_secs(self.length_s))
            .unwrap_or(self.ceiling)
    }

    /// The current window is done; it held so many documents.
    pub(super) fn finish(&mut self, documents: u64) {
        let end = self.boundary();
        self.done = end >= self.ceiling;
        self.next = Some(end);
        if documents < FEW {
            self.length_s = self.length_s.saturating_mul(2);
        }
    }

    /// The current window failed; the next try is half as long, down to an hour.
    pub(super) fn halve(&mut self) {
        let span = Duration::try_from(self.ceiling.duration_since(self.next.unwrap_or(self.floor)))
            .unwrap_or_default();
        let length = self.length_s.min(span.as_secs());
        self.length_s = (length / 2).max(SHORTEST.as_secs());
    }

    /// How much of the span is done, in thousandths.
    pub(super) fn permille(&self) -> u64 {
        if self.done {
            return 1000;
        }
        let seconds = |from: Timestamp, to: Timestamp| {
            u64::try_from(to.as_second().saturating_sub(from.as_second())).unwrap_or(0)
        };
        let next = self.next.unwrap_or(self.floor);
        let whole = seconds(self.floor, self.ceiling).max(1);
        (seconds(self.floor, next).saturating_mul(1000) / whole).min(999)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn an_open_span_is_open_at_both_ends_and_gapless_between() {
        let mut windows = Windows::new(None, None, at(0), at(100 * 24 * 3600));
        let mut seen = Vec::new();

        while let Some(window) = windows.current() {
            seen.push(window);
            windows.finish(FEW);
        }

        assert_eq!(seen.len(), 4);
        assert_eq!((seen[0].start, seen[3].end), (None, None));
        assert!(seen.windows(2).all(|pair| pair[0].end == pair[1].start));
    }

    #[test]
    fn little_in_a_window_makes_the_next_one_longer() {
        let mut windows = Windows::new(None, None, at(0), at(3600 * 24 * 3650));
        let mut count = 0;

        while windows.current().is_some() {
            windows.finish(0);
            count += 1;
        }

        assert_eq!(count, 7);
    }

    proptest! {
        #[test]
        fn whatever_fails_every_instant_is_in_one_window(
            from in 0_i64..10_000_000, length in 1_i64..100_000_000, fails in proptest::collection::vec(any::<bool>(), 0..200),
        ) {
            let (start, end) = (at(from), at(from + length));
            let mut windows = Windows::new(Some(start), Some(end), at(0), end).whole();
            let mut fails = fails.into_iter();
            let mut reached = start;

            while let Some(window) = windows.current() {
                prop_assert_eq!(window.start, Some(reached));
                if fails.next() == Some(true) {
                    windows.halve();
                    continue;
                }
                reached = window.end.unwrap();
                windows.finish(FEW);
            }

            prop_assert_eq!(reached, end);
        }
    }
}
