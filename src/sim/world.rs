//! What all parts of one simulated world share: the dice, the trace, and what is known to be true.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ingester_core::id::{ResponseId, SurveyId};
use ingester_core::time::Timestamp;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::brand::{Job, Response, SURVEY};
use super::checker::Checker;
use super::plan::{Dice, Plan};
use crate::lifecycle;
use crate::lifecycle::simulated::Process;
use crate::pipeline::Pipeline;
use crate::store::StoreError;
use crate::store::simulated::Database;

/// When every world begins.
pub(super) const DAWN: &str = "2026-03-01T08:00:00Z";

/// The world. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct World(Arc<Mutex<State>>);

/// What was counted.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) events: u64,
    pub(super) deaths: u64,
    pub(super) steps: u64,
    pub(super) faults: u64,
    pub(super) reads: u64,
    pub(super) exports: u64,
    pub(super) rows: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.events += other.events;
        self.deaths += other.deaths;
        self.steps += other.steps;
        self.faults += other.faults;
        self.reads += other.reads;
        self.exports += other.exports;
        self.rows += other.rows;
    }
}

/// A process that callbacks can reach.
#[derive(Debug, Clone)]
pub(super) struct Reachable {
    pub(super) pipeline: Pipeline,
    pub(super) process: Process,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) plan: Plan,
    pub(super) dice: Dice,
    pub(super) survey: SurveyId,
    pub(super) database: Database,
    begun: Instant,
    trace: Vec<String>,
    hash: Sha256,
    pub(super) violations: Vec<String>,
    pub(super) counts: Counts,
    /// Nothing goes wrong any more.
    calm: bool,
    pub(super) responses: BTreeMap<ResponseId, Response>,
    pub(super) jobs: Vec<Job>,
    /// The newest completion of each response whose callback was answered with 200.
    pub(super) acknowledged: BTreeMap<ResponseId, Timestamp>,
    pub(super) reachable: BTreeMap<usize, Reachable>,
    /// Owners of leases that are at work.
    pub(super) alive: BTreeSet<String>,
    /// When something went wrong with an owner's database or time.
    pub(super) disturbed: BTreeMap<String, Vec<Timestamp>>,
    /// Whether all reads of a response by an owner went well.
    pub(super) well_read: BTreeMap<(String, ResponseId), bool>,
    pub(super) reads_of: BTreeMap<ResponseId, u64>,
    pub(super) leases_of: BTreeMap<ResponseId, u64>,
    pub(super) leases_by: BTreeMap<(String, ResponseId), u64>,
    pub(super) checker: Checker,
}

impl World {
    pub(super) fn new(plan: Plan) -> Result<Self, StoreError> {
        let Ok(survey) = SURVEY.parse() else {
            return Err(StoreError::unexpected("the survey's id"));
        };
        Ok(Self(Arc::new(Mutex::new(State {
            dice: Dice::new(plan.seed),
            plan,
            survey,
            database: Database::new()?,
            begun: Instant::now(),
            trace: Vec::new(),
            hash: Sha256::new(),
            violations: Vec::new(),
            counts: Counts::default(),
            calm: false,
            responses: BTreeMap::new(),
            jobs: Vec::new(),
            acknowledged: BTreeMap::new(),
            reachable: BTreeMap::new(),
            alive: BTreeSet::new(),
            disturbed: BTreeMap::new(),
            well_read: BTreeMap::new(),
            reads_of: BTreeMap::new(),
            leases_of: BTreeMap::new(),
            leases_by: BTreeMap::new(),
            checker: Checker::default(),
        }))))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(&self, line: impl AsRef<str>) {
        self.state().note(line.as_ref());
    }

    /// Ends everything that goes wrong.
    pub(super) fn calm(&self) {
        let mut state = self.state();
        state.note("from here on nothing goes wrong any more");
        state.calm = true;
        state.reachable.values().for_each(|at| at.process.spare());
    }

    pub(super) fn is_calm(&self) -> bool {
        self.state().is_calm()
    }
}

impl State {
    pub(super) fn note(&mut self, line: &str) {
        let at = self.begun.elapsed().as_millis();
        let line = format!("{:>5}.{:03} {line}", at / 1000, at % 1000);
        self.hash.update(line.as_bytes());
        self.trace.push(line);
    }

    pub(super) fn violate(&mut self, what: String) {
        if !self.violations.contains(&what) {
            self.note(&format!("VIOLATION {what}"));
            self.violations.push(what);
        }
    }

    pub(super) fn is_calm(&self) -> bool {
        self.calm
    }

    /// True if this goes wrong now.
    pub(super) fn fault(&mut self, permille: u64) -> bool {
        let strikes = self.dice.chance(permille) && !self.calm;
        self.counts.faults += u64::from(strikes);
        strikes
    }

    /// Something went wrong that explains why this owner may lose leases.
    pub(super) fn disturb(&mut self, owner: &str) {
        let now = lifecycle::now();
        let disturbed = self.disturbed.entry(owner.to_owned());
        disturbed.or_default().push(now);
    }

    /// The instant by the clock that leases are counted with: the database's, which for an embedded one is that of its
    /// process.
    pub(super) fn lease_clock(&self, process: &Process) -> Timestamp {
        if self.plan.instances == 1 {
            process.with_clock(lifecycle::now)
        } else {
            lifecycle::now()
        }
    }

    /// Holds what stands in the database against what must be.
    pub(super) fn check(&mut self, now: Timestamp) {
        let mut checker = std::mem::take(&mut self.checker);
        checker.look(self, now);
        self.checker = checker;
    }

    /// The trace so far, and what tells it from others.
    pub(super) fn told(&mut self) -> (Vec<String>, String) {
        let hash = hex::encode(self.hash.clone().finalize());
        (std::mem::take(&mut self.trace), hash)
    }
}

/// The time that passes in a fraction of a second.
pub(super) async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}
