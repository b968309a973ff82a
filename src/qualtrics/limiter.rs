//! How many calls of one kind may be sent now: a window of 60 seconds, a pause after 429, and a rate that falls then
//! and comes back. A state machine without a clock: every call takes `now`.
//!
//! A call holds its place from before it is sent until 60 seconds after its answer came. Qualtrics counts it somewhere
//! in between, so that no 60 seconds *there* hold more calls than allowed, however long each was on its way.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::concurrency::Concurrency;

/// What the limit counts over.
pub(super) const WINDOW: Duration = Duration::from_secs(60);
/// The shortest pause after a 429. Source: dossier of the Qualtrics API, "Rule for us".
const PAUSE_MIN: Duration = Duration::from_secs(5);
/// The pause after the second 429 in a row that names none. Databricks' connector waits as long.
const PAUSE_UNNAMED: Duration = Duration::from_secs(60);
/// What a 429 can't halve any further: a tenth of the rate.
const REDUCED_MIN: u32 = 100;
const RECOVERED_A_MINUTE: u32 = 100;
const MINUTE: Duration = Duration::from_secs(60);

/// The limit on one kind of call.
#[derive(Debug)]
pub(super) struct Limiter {
    quota: u32,
    /// What limits the window further, for now.
    cap: u32,
    /// A larger quota, and when it begins.
    grown: Option<(u32, Instant)>,
    in_flight: u32,
    /// When each ended call leaves the window, oldest first.
    leaving: VecDeque<Instant>,
    pause: Option<Instant>,
    reduced: Option<Reduced>,
    /// When the last 429 came, and how many came in a row, those of calls already under way not counted.
    limited: Option<Instant>,
    limited_in_a_row: u32,
    concurrency: Concurrency,
}

/// The rate after a 429: thousandths of the quota, growing by [`RECOVERED_A_MINUTE`] from an instant on.
#[derive(Debug, Clone, Copy)]
struct Reduced {
    permille: u32,
    from: Instant,
}

/// May one more call be sent?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// Yes, and its place is taken: [`Limiter::finish`] must follow.
    Now,
    /// Not before this instant.
    At(Instant),
    /// Not before a call in flight ends.
    AfterAnother,
}

/// How a call ended, as far as limits are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// An answer came, or could have come.
    Answered,
    /// 429, with what `Retry-After` said.
    Limited(Option<Duration>),
    /// 503, or no answer in time.
    Overloaded,
    /// It never left this machine, so that it counts nowhere.
    Unsent,
}

impl Limiter {
    /// At most `quota` calls in any 60 seconds.
    pub(super) fn new(quota: u32) -> Self {
        Self {
            quota: quota.max(1),
            cap: u32::MAX,
            grown: None,
            in_flight: 0,
            leaving: VecDeque::new(),
            pause: None,
            reduced: None,
            limited: None,
            limited_in_a_row: 0,
            concurrency: Concurrency::new(),
        }
    }

    /// Changes the quota: a smaller one holds at once, a larger one after 60 seconds, because the calls of whoever had
    /// the difference until now are still in the window.
    pub(super) fn set_quota(&mut self, quota: u32, now: Instant) {
        self.settle(now);
        let quota = quota.max(1);
        if quota <= self.quota {
            self.quota = quota;
            self.grown = None;
        } else {
            let from = match self.grown {
                Some((waiting, from)) if quota <= waiting => from,
                _ => now + WINDOW,
            };
            self.grown = Some((quota, from));
        }
    }

    /// Limits the window further, for now; may leave nothing.
    pub(super) fn set_cap(&mut self, cap: u32) {
        self.cap = cap;
    }

    /// Takes a place for one call, if there is one.
    pub(super) fn admit(&mut self, now: Instant) -> Admission {
        self.settle(now);
        if let Some(until) = self.pause {
            return Admission::At(until);
        }
        let allowed = self.allowed(now);
        let occupied = self.occupied();
        if occupied >= allowed {
            return self.next_place(occupied - allowed, now);
        }
        if self.in_flight >= self.concurrency.limit() {
            return Admission::AfterAnother;
        }
        self.in_flight += 1;
        Admission::Now
    }

    /// Gives a call's place back to the window.
    pub(super) fn finish(&mut self, sent_at: Instant, ending: Ending, now: Instant) {
        let was_full = self.in_flight >= self.concurrency.limit();
        self.in_flight = self.in_flight.saturating_sub(1);
        if ending != Ending::Unsent {
            self.leaving.push_back(now + WINDOW);
        }
        match ending {
            Ending::Answered => {
                self.concurrency.succeeded(was_full);
                if self.limited.is_none_or(|limited| sent_at >= limited) {
                    self.limited_in_a_row = 0;
                }
            }
            Ending::Overloaded => self.concurrency.overloaded(sent_at, now),
            Ending::Limited(retry_after) => {
                self.concurrency.overloaded(sent_at, now);
                self.slow_down(sent_at, retry_after, now);
            }
            Ending::Unsent => {}
        }
    }

    /// How many more calls the current 60 seconds allow.
    pub(super) fn calls_left(&mut self, now: Instant) -> u32 {
        self.settle(now);
        if self.pause.is_some() {
            return 0;
        }
        self.allowed(now).saturating_sub(self.occupied())
    }

    /// How many calls the current 60 seconds hold.
    pub(super) fn occupied(&self) -> u32 {
        let ended = u32::try_from(self.leaving.len()).unwrap_or(u32::MAX);
        ended.saturating_add(self.in_flight)
    }

    /// Until when nothing is sent, after a 429.
    pub(super) fn paused_until(&self) -> Option<Instant> {
        self.pause
    }

    /// When [`Limiter::calls_left`] changes without anything being sent.
    pub(super) fn next_change(&self, now: Instant) -> Option<Instant> {
        let front = self.leaving.front().copied();
        let rate = (self.reduced.is_some() || self.grown.is_some())
            .then(|| self.next_rate(now))
            .flatten();
        [front, self.pause, rate].into_iter().flatten().min()
    }

    fn slow_down(&mut self, sent_at: Instant, retry_after: Option<Duration>, now: Instant) {
        let already_known = self.limited.is_some_and(|limited| sent_at < limited);
        let unnamed = match (already_known, self.limited_in_a_row) {
            (true, _) => Duration::ZERO, // its pause is running
            (false, 0) => PAUSE_MIN,
            (false, _) => PAUSE_UNNAMED,
        };
        let pause = retry_after.map_or(unnamed, |named| named.max(PAUSE_MIN));
        let until = self
            .pause
            .map_or(now, |until| until.max(now))
            .max(now + pause);
        let permille = if already_known {
            self.permille(now)
        } else {
            self.limited_in_a_row += 1;
            self.limited = Some(now);
            (self.permille(now) / 2).max(REDUCED_MIN)
        };
        self.pause = Some(until);
        self.reduced = Some(Reduced {
            permille,
            from: until,
        });
    }

    /// Forgets what is over.
    fn settle(&mut self, now: Instant) {
        while self.leaving.front().is_some_and(|leaves| *leaves <= now) {
            self.leaving.pop_front();
        }
        if self.pause.is_some_and(|until| until <= now) {
            self.pause = None;
        }
        if let Some((quota, from)) = self.grown
            && from <= now
        {
            self.quota = quota;
            self.grown = None;
        }
        if self.permille(now) >= 1000 {
            self.reduced = None;
        }
    }

    fn allowed(&self, now: Instant) -> u32 {
        let reduced = u64::from(self.quota) * u64::from(self.permille(now)) / 1000;
        let reduced = u32::try_from(reduced).unwrap_or(u32::MAX);
        reduced.max(1).min(self.cap)
    }

    fn permille(&self, now: Instant) -> u32 {
        let Some(Reduced { permille, from }) = self.reduced else {
            return 1000;
        };
        let minutes = now.saturating_duration_since(from).as_secs() / MINUTE.as_secs();
        let recovered = u32::try_from(minutes)
            .unwrap_or(u32::MAX)
            .saturating_mul(RECOVERED_A_MINUTE);
        permille.saturating_add(recovered).min(1000)
    }

    /// When `excess` and one more places have become free, or the rate grows before that.
    fn next_place(&self, excess: u32, now: Instant) -> Admission {
        let leaving = usize::try_from(excess)
            .ok()
            .and_then(|excess| self.leaving.get(excess))
            .copied();
        match [leaving, self.next_rate(now)].into_iter().flatten().min() {
            Some(instant) => Admission::At(instant),
            None => Admission::AfterAnother,
        }
    }

    fn next_rate(&self, now: Instant) -> Option<Instant> {
        let recovery = self.reduced.map(|Reduced { from, .. }| {
            let minutes = now.saturating_duration_since(from).as_secs() / MINUTE.as_secs();
            from + MINUTE
                .saturating_mul(u32::try_from(minutes).unwrap_or(u32::MAX).saturating_add(1))
        });
        let grown = self.grown.map(|(_, from)| from);
        [recovery, grown].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests;
