//! What a seed means: how many responses, what goes wrong and how often.

use std::time::Duration;

use crate::lifecycle::simulated::Random;

/// Draws from a seed.
#[derive(Debug)]
pub(super) struct Dice(Random);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(Random::new(seed))
    }

    /// True in so many of a thousand cases.
    pub(super) fn chance(&mut self, permille: u64) -> bool {
        self.below(1000) < permille
    }

    /// From `0` up to before `end`.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0.draw() % end.max(1)
    }

    /// From `from` up to and with `to`.
    pub(super) fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to.saturating_sub(from) + 1)
    }

    pub(super) fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.between(from, to))
    }

    pub(super) fn one_of<T: Copy>(&mut self, values: &[T]) -> Option<T> {
        let end = u64::try_from(values.len()).unwrap_or(u64::MAX);
        let index = usize::try_from(self.below(end)).unwrap_or(0);
        values.get(index).copied()
    }
}

/// What is simulated. Chances are of a thousand.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) seed: u64,
    /// Processes on one database.
    pub(super) instances: usize,
    pub(super) responses: u64,
    /// Responses complete within this.
    pub(super) spread: Duration,
    /// Single reads a minute.
    pub(super) rate: u32,
    /// Exports are loaded again and again beside the events, as backfill and reconcile do.
    pub(super) loads: bool,
    pub(super) completions: Completions,
    pub(super) callbacks: Callbacks,
    pub(super) store: StoreFaults,
    pub(super) network: NetworkFaults,
    pub(super) process: ProcessFaults,
    /// The first process dies at this step.
    pub(super) dies_at: Option<u64>,
}

/// What respondents do.
#[derive(Debug, Clone, Default)]
pub(super) struct Completions {
    /// Finishing again.
    pub(super) again: u64,
    pub(super) preview: u64,
    /// Answers that fit no column.
    pub(super) poison: u64,
    /// Such answers that are mended later, and told of again.
    pub(super) mended: u64,
    /// Not shown at first.
    pub(super) hidden: u64,
    /// Not shown for two days.
    pub(super) gone: u64,
}

/// What becomes of Qualtrics' messages.
#[derive(Debug, Clone, Default)]
pub(super) struct Callbacks {
    pub(super) lost: u64,
    pub(super) repeated: u64,
    pub(super) late: u64,
    /// Without a date of completion.
    pub(super) undated: u64,
    /// Sent again after an error.
    pub(super) insistent: u64,
}

/// What the database does.
#[derive(Debug, Clone, Default)]
pub(super) struct StoreFaults {
    /// Refuses before anything happened.
    pub(super) refuses: u64,
    /// Fails at the commit.
    pub(super) fails: u64,
    /// Commits, and says that it failed.
    pub(super) denies: u64,
    /// Commits, and says nothing.
    pub(super) silent: u64,
    pub(super) slow: u64,
    /// Reads that fail.
    pub(super) reads: u64,
}

/// What Qualtrics and the network do.
#[derive(Debug, Clone, Default)]
pub(super) struct NetworkFaults {
    pub(super) limited: u64,
    pub(super) failed: u64,
    pub(super) cut: u64,
    pub(super) late: u64,
    /// HTML, half a body, another status in the envelope than in the line.
    pub(super) garbage: u64,
    /// Responses that an export lacks.
    pub(super) lacking: u64,
}

/// What becomes of processes.
#[derive(Debug, Clone, Default)]
pub(super) struct ProcessFaults {
    /// Dies within so many steps.
    pub(super) dies_within: Option<u64>,
    /// Is stopped in good order.
    pub(super) stops: u64,
    /// Is not scheduled for a while.
    pub(super) pauses: u64,
    /// Starts with a wrong clock.
    pub(super) skewed: u64,
}

impl Plan {
    /// One response, nothing goes wrong.
    pub(super) fn quiet(seed: u64) -> Self {
        Self {
            seed,
            instances: 1,
            responses: 1,
            spread: Duration::from_secs(1),
            rate: 200,
            loads: false,
            completions: Completions::default(),
            callbacks: Callbacks::default(),
            store: StoreFaults::default(),
            network: NetworkFaults::default(),
            process: ProcessFaults::default(),
            dies_at: None,
        }
    }

    /// What this seed means.
    pub(super) fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed ^ 0x5EED);
        let kind = seed % 10;
        let burst = kind >= 8;
        // In worlds of kind 9 exports overtake events: calls and callbacks are slow, lost and undated, and people finish
        // again.
        let mut plan = Self::quiet(seed);
        plan.responses = if burst {
            dice.between(60, 160)
        } else {
            dice.between(3, 30)
        };
        plan.spread = dice.millis(500, if burst { 20_000 } else { 90_000 });
        plan.rate = if burst { 60 } else { 200 };
        plan.loads = kind == 9;
        plan.completions = Completions {
            again: dice.below(if kind == 9 { 1000 } else { 500 }),
            preview: dice.below(100),
            poison: dice.below(100),
            mended: if dice.chance(150) { 100 } else { 0 },
            hidden: dice.below(400),
            gone: if seed.is_multiple_of(500) { 50 } else { 0 },
        };
        plan.callbacks = Callbacks {
            lost: dice.below(if kind == 9 { 400 } else { 100 }),
            repeated: dice.below(500),
            late: dice.below(if kind == 9 { 600 } else { 200 }),
            undated: dice.below(if kind == 9 { 600 } else { 50 }),
            insistent: dice.below(1000),
        };
        if kind == 0 {
            return plan;
        }
        plan.instances = if matches!(kind, 6 | 7 | 9) { 2 } else { 1 };
        plan.store = StoreFaults {
            refuses: dice.below(40),
            fails: dice.below(40),
            denies: dice.below(40),
            silent: dice.below(30),
            slow: dice.below(25),
            reads: dice.below(60),
        };
        plan.network = NetworkFaults {
            limited: dice.below(60),
            failed: dice.below(80),
            cut: dice.below(60),
            late: dice.below(if kind == 9 { 500 } else { 40 }),
            garbage: dice.below(60),
            lacking: dice.below(400),
        };
        plan.process = ProcessFaults {
            dies_within: dice.chance(700).then(|| dice.between(50, 4000)),
            stops: dice.below(400),
            pauses: dice.below(500),
            skewed: dice.below(400),
        };
        // What a clock that was ahead killed is revived later than ten minutes after. And several instances go by their
        // database's clock, which the embedded store's statements, shared here, take from the process.
        if plan.completions.mended > 0 || plan.instances > 1 {
            plan.process.skewed = 0;
        }
        plan
    }
}
