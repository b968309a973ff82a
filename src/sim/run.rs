//! Runs worlds: one for each seed, and one for each step at which the only process of a quiet world can die.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::ops::RangeInclusive;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use clap::Parser as _;
use ingester_core::time::Timestamp;
use tokio::time::Instant;

use super::callbacks::{populate, send};
use super::plan::Plan;
use super::world::{Counts, DAWN, World, pass};
use super::{checker, process};
use crate::lifecycle::{Lifecycle, simulated};
use crate::store::StoreError;

/// Faults go on for so long after the last completion.
pub(super) const TROUBLE_AFTER: Duration = Duration::from_secs(60);
/// Then everything ends within this.
const PATIENCE: Duration = Duration::from_secs(2 * 3600);
/// A response that is never shown is given up after a day.
const PATIENCE_WITH_GONE: Duration = Duration::from_secs(26 * 3600);
/// One seed in so many is run twice, to see that it is the same.
const REPEATED: u64 = 25;

/// Simulates the pipeline with everything that goes wrong around it, and checks that nothing acknowledged is lost.
#[derive(Debug, clap::Parser)]
#[command(name = "sim")]
pub struct Args {
    /// The seeds to run, such as 1..2000, both included.
    #[arg(long, value_name = "FROM..TO", default_value = "1..200", value_parser = seeds)]
    seeds: RangeInclusive<u64>,
    /// Also lets the only process of a few small worlds die at each of its steps.
    #[arg(long)]
    every_step: bool,
    /// Replays one seed and prints its trace.
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,
}

fn seeds(text: &str) -> Result<RangeInclusive<u64>, String> {
    let (from, to) = text.split_once("..").ok_or("write FROM..TO")?;
    let number = |text: &str| text.parse::<u64>().map_err(|error| error.to_string());
    Ok(number(from)?..=number(to)?)
}

/// What became of a world.
#[derive(Debug, Clone)]
pub(super) struct Report {
    name: String,
    violations: Vec<String>,
    trace: Vec<String>,
    pub(super) hash: String,
    counts: Counts,
}

thread_local! {
    static PANICS: Cell<u64> = const { Cell::new(0) };
}

/// The command.
#[must_use]
pub fn main() -> ExitCode {
    let args = Args::parse();
    std::panic::set_hook(Box::new(|panic| {
        PANICS.set(PANICS.get() + 1);
        drop(writeln!(std::io::stderr(), "{panic}"));
    }));
    let mut out = std::io::stdout().lock();
    let reports = match args.seed {
        Some(seed) => vec![simulate(&format!("seed {seed}"), &Plan::of(seed))],
        None => all(&args),
    };
    for report in reports
        .iter()
        .filter(|report| args.seed.is_some() || !report.violations.is_empty())
        .take(3)
    {
        let shown = if args.seed.is_some() { usize::MAX } else { 60 };
        let skipped = report.trace.len().saturating_sub(shown);
        for line in report.trace.iter().skip(skipped) {
            drop(writeln!(out, "{line}"));
        }
        drop(writeln!(out, "{}: trace {}", report.name, report.hash));
        for violation in &report.violations {
            drop(writeln!(out, "{}: VIOLATION {violation}", report.name));
        }
    }
    let mut counts = Counts::default();
    reports.iter().for_each(|report| counts += report.counts);
    let broken = reports
        .iter()
        .filter(|report| !report.violations.is_empty())
        .count();
    let Counts {
        events,
        deaths,
        steps,
        faults,
        reads,
        exports,
        rows,
    } = counts;
    let worlds = reports.len();
    drop(writeln!(
        out,
        "{worlds} worlds: {events} callbacks, {rows} rows, {reads} reads, {exports} exports, {deaths} deaths, {faults} faults, {steps} steps; {broken} with violations"
    ));
    if broken == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Every step of the small worlds, if asked for, then the seeds; stops at the first that breaks a promise.
fn all(args: &Args) -> Vec<Report> {
    let mut worlds: Vec<(String, Plan)> = Vec::new();
    for (name, plan) in small().into_iter().filter(|_| args.every_step) {
        let steps = simulate(name, &plan).counts.steps;
        worlds.push((format!("{name}, undisturbed"), plan.clone()));
        worlds.extend((1..=steps).map(|step| {
            let plan = Plan {
                dies_at: Some(step),
                ..plan.clone()
            };
            (format!("{name}, dead at step {step}"), plan)
        }));
    }
    let seeds = args.seeds.clone();
    worlds.extend(seeds.map(|seed| (format!("seed {seed}"), Plan::of(seed))));
    let (next, broken) = (AtomicU64::new(0), AtomicBool::new(false));
    let done = Mutex::new(BTreeMap::new());
    let work = || {
        while !broken.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some((name, plan)) = usize::try_from(index)
                .ok()
                .and_then(|index| worlds.get(index))
            else {
                return;
            };
            let mut report = simulate(name, plan);
            if index.is_multiple_of(REPEATED) && simulate(name, plan).hash != report.hash {
                report
                    .violations
                    .push("it is another world the second time".to_owned());
            }
            if report.violations.is_empty() {
                report.trace.clear();
            } else {
                broken.store(true, Ordering::Relaxed);
            }
            if let Ok(mut done) = done.lock() {
                done.insert(index, report);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        (0..threads).for_each(|_| drop(scope.spawn(work)));
    });
    done.into_inner()
        .unwrap_or_default()
        .into_values()
        .collect()
}

/// Worlds that are small enough to let the process die at each of its steps.
fn small() -> Vec<(&'static str, Plan)> {
    let quiet = Plan::quiet(7);
    let with = |change: &dyn Fn(&mut Plan)| {
        let mut plan = quiet.clone();
        change(&mut plan);
        plan
    };
    vec![
        ("one event", quiet.clone()),
        (
            "one event, shown later",
            with(&|plan| plan.completions.hidden = 1000),
        ),
        (
            "one response, completed again",
            with(&|plan| plan.completions.again = 1000),
        ),
        (
            "one event, told of thrice",
            with(&|plan| plan.callbacks.repeated = 1000),
        ),
        (
            "one event, commits denied",
            with(&|plan| {
                plan.store.denies = 300;
                plan.callbacks.insistent = 1000;
            }),
        ),
    ]
}

/// One world from dawn to the end.
pub(super) fn simulate(name: &str, plan: &Plan) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let panics = PANICS.get();
    let lived = match &runtime {
        Ok(runtime) => runtime
            .block_on(live(plan))
            .map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let (mut violations, (trace, hash), counts) = match lived {
        Ok(world) => {
            let mut state = world.state();
            let violations = std::mem::take(&mut state.violations);
            (violations, state.told(), state.counts)
        }
        Err(error) => (vec![error], Default::default(), Counts::default()),
    };
    if PANICS.get() > panics {
        violations.push("something panicked".to_owned());
    }
    Report {
        name: name.to_owned(),
        violations,
        trace,
        hash,
        counts,
    }
}

async fn live(plan: &Plan) -> Result<World, StoreError> {
    let dawn: Timestamp = DAWN
        .parse()
        .map_err(|_| StoreError::unexpected("no dawn"))?;
    let _running = simulated::begin(dawn, plan.seed);
    let world = World::new(plan.clone())?;
    let callbacks = populate(&world, dawn);
    let tasks = Lifecycle::new();
    for place in 0..plan.instances {
        tasks.spawn("place", process::keep(world.clone(), place, tasks.clone()));
    }
    let senders = callbacks
        .into_iter()
        .map(|callback| tasks.spawn("sender", send(world.clone(), callback)));
    let senders: Vec<_> = senders.collect();
    pass(plan.spread + TROUBLE_AFTER).await;
    world.calm();
    let calm = Instant::now();
    let patience = match plan.completions.gone {
        0 => PATIENCE,
        _ => PATIENCE_WITH_GONE,
    };
    loop {
        pass(Duration::from_secs(1)).await;
        let mut state = world.state();
        let is_over =
            senders.iter().all(|sender| sender.is_finished()) && !checker::is_open(&mut state);
        if is_over || calm.elapsed() > patience {
            break;
        }
    }
    let mut state = world.state();
    checker::verdict(&mut state);
    let steps: u64 = state.reachable.values().map(|at| at.process.steps()).sum();
    state.counts.steps += steps;
    state.reachable.clear();
    drop(state);
    Ok(world)
}
