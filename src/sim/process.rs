//! Processes: born on a database, at work until they die, are stopped or are paused, and born again.

use std::num::NonZeroU32;
use std::time::Duration;

use ingester_core::id::SurveyId;
use jiff::SignedDuration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::brand::SURVEY;
use super::plan::ProcessFaults;
use super::world::{Reachable, World, pass};
use super::{database, network};
use crate::bulk::{Loader, Reading};
use crate::changes::Changes;
use crate::config::{self, History};
use crate::lifecycle::Lifecycle;
use crate::lifecycle::simulated::Process;
use crate::pipeline::{Parts, Pipeline};
use crate::qualtrics::simulated::Peer;
use crate::qualtrics::{ExportRequest, Priority, Qualtrics};
use crate::surveys::Surveys;
use crate::telemetry::metrics::Metrics;

/// How long a process that is stopped may take, as `serve` has it.
const DRAIN: Duration = Duration::from_millis(7_500);
const ABORT: Duration = Duration::from_millis(500);

/// What is in store for a process.
struct Fate {
    skew: SignedDuration,
    dies_at: Option<u64>,
    stops_after: Option<Duration>,
    pauses: bool,
}

/// Keeps a process going at this place; each that ends is followed by another.
pub(super) async fn keep(world: World, place: usize, tasks: Lifecycle) {
    for birth in 0_u32.. {
        let owner = format!("{place}.{birth}");
        let fate = fate(&world, birth == 0 && place == 0);
        let process = Process::new(fate.skew, fate.dies_at);
        let life = process.life();
        let born = process.with_clock(|| bear(&world, &owner, &process, &life, &tasks));
        let (pipeline, drains) = match born {
            Ok(born) => born,
            Err(problem) => return world.state().violate(format!("no process: {problem}")),
        };
        {
            let mut state = world.state();
            let skew = fate.skew.as_secs();
            state.note(&format!("{owner} is born, its clock wrong by {skew} s"));
            state.alive.insert(owner.clone());
            // It may have freed what its predecessor held.
            let now = state.lease_clock(&process);
            state.check(now);
            let process = process.clone();
            state
                .reachable
                .insert(place, Reachable { pipeline, process });
            if state.is_calm() {
                state.reachable.values().for_each(|at| at.process.spare());
            }
        }
        if fate.pauses {
            tasks.spawn(
                "pauses",
                pauses(world.clone(), owner.clone(), process.clone()),
            );
        }
        tokio::select! {
            biased;
            () = process.died() => world.note(format!("{owner} dies")),
            () = stop(&world, &owner, &life, fate.stops_after) => {}
        }
        bury(&world, place, &owner, &process, drains).await;
        let pause = world.state().dice.millis(0, 20_000);
        pass(pause).await;
    }
}

/// Stops a process in good order, if ever.
async fn stop(world: &World, owner: &str, life: &Lifecycle, after: Option<Duration>) {
    match after {
        Some(after) => pass(after).await,
        None => std::future::pending().await,
    }
    if world.is_calm() {
        return std::future::pending().await;
    }
    {
        let mut state = world.state();
        state.note(&format!("{owner} is stopped"));
        state.alive.remove(owner);
    }
    life.stop();
    if !life.drained(DRAIN).await {
        life.abort();
        let _in_time: bool = life.drained(ABORT).await;
    }
}

/// Ends what is left of a process, and waits until nothing of it can reach the database any more.
async fn bury(
    world: &World,
    place: usize,
    owner: &str,
    process: &Process,
    drains: Vec<JoinHandle<()>>,
) {
    {
        let mut state = world.state();
        state.alive.remove(owner);
        state.reachable.remove(&place);
        state.counts.deaths += u64::from(process.is_dead());
        state.counts.steps += process.steps();
    }
    process.kill();
    for drain in drains {
        drop(drain.await);
    }
}

fn fate(world: &World, is_first: bool) -> Fate {
    let mut state = world.state();
    let ProcessFaults {
        dies_within,
        stops,
        pauses,
        skewed,
    } = state.plan.process.clone();
    let dies_at = if is_first && state.plan.dies_at.is_some() {
        state.plan.dies_at
    } else {
        dies_within.map(|within| state.dice.below(within))
    };
    let stops_after = state.fault(stops).then(|| state.dice.millis(200, 60_000));
    let skews = [-60, -5, 5, 600, 3_600];
    let skew = match state.fault(skewed) {
        true => state.dice.one_of(&skews).unwrap_or(0),
        false => 0,
    };
    Fate {
        skew: SignedDuration::from_secs(skew),
        dies_at: dies_at.filter(|_| !state.is_calm()),
        stops_after: stops_after.filter(|_| !state.is_calm()),
        pauses: state.fault(pauses),
    }
}

/// Lets a process stand still now and then.
async fn pauses(world: World, owner: String, process: Process) {
    while !process.is_dead() && !world.is_calm() {
        let (until, length) = {
            let mut state = world.state();
            (
                state.dice.millis(100, 30_000),
                state.dice.millis(100, 25_000),
            )
        };
        pass(until).await;
        process.pause();
        let note = |what| {
            let mut state = world.state();
            state.note(&format!("{owner} {what}"));
            state.disturb(&owner);
        };
        note("is paused");
        pass(length).await;
        process.resume();
        note("goes on");
    }
}

/// A process at work, and what drains its store: over when nothing of it can reach the database any more.
type Born = (Pipeline, Vec<JoinHandle<()>>);

/// Starts what `serve` starts, as far as it works on events.
fn bear(
    world: &World,
    owner: &str,
    process: &Process,
    life: &Lifecycle,
    tasks: &Lifecycle,
) -> Result<Born, Box<dyn std::error::Error + Send + Sync>> {
    let (database, is_alone, rate) = {
        let state = world.state();
        let is_alone = state.plan.instances == 1;
        (state.database.clone(), is_alone, state.plan.rate)
    };
    let (store, queue, reading) = database.open(owner, is_alone)?;
    let (peer, sent) = mpsc::channel(64);
    let metrics = Metrics::new();
    let settings = config::Qualtrics {
        base_url: Some("http://localhost/".parse()?),
        credentials: None,
        requests_per_minute: NonZeroU32::new(rate).unwrap_or(NonZeroU32::MIN),
    };
    let qualtrics = Qualtrics::simulated(&settings, metrics.clone(), life, Peer(peer))?;
    let surveys = vec![survey()?];
    let surveys = Surveys::new(
        surveys,
        store.clone(),
        qualtrics.clone(),
        metrics.clone(),
        None,
    );
    let parts = Parts {
        store,
        surveys,
        qualtrics,
        changes: Changes::default(),
        metrics,
        life: life.clone(),
    };
    let of = || (world.clone(), owner.to_owned(), process.clone());
    let (w, o, p) = of();
    let writes = tasks.spawn("writes", database::writes(w, o, p, queue));
    let (w, o, p) = of();
    let reads = tasks.spawn("reads", database::reads(w, o, p, reading));
    let (w, o, p) = of();
    tasks.spawn("network", network::calls(w, o, p, sent, tasks.clone()));
    if world.state().plan.loads {
        life.spawn("loads", load(world.clone(), parts.clone()));
    }
    Ok((Pipeline::start(parts), vec![writes, reads]))
}

/// Loads one export after the other, as backfill and reconcile do; what fails is left to the next.
async fn load(world: World, parts: Parts) {
    let Ok(survey) = SURVEY.parse::<SurveyId>() else {
        return;
    };
    let loader = Loader {
        store: parts.store.clone(),
        surveys: parts.surveys.clone(),
        changes: parts.changes.clone(),
        metrics: parts.metrics.clone(),
    };
    while !world.is_calm() {
        let pause = world.state().dice.millis(500, 5_000);
        pass(pause).await;
        let request = ExportRequest::default();
        let export = parts.qualtrics.export(&survey, request, Priority::Live);
        let Ok(export) = export.await else { continue };
        let mut reading = Reading::start(&parts.life, &parts.surveys, &survey, export);
        while let Ok(Some(rows)) = reading.next().await {
            if loader.load(&survey, rows).await.is_err() {
                break;
            }
        }
    }
}

fn survey() -> Result<config::Survey, Box<dyn std::error::Error + Send + Sync>> {
    let columns = ["ResponseId", "RecordedDate", "Q1", "Q18"];
    Ok(config::Survey {
        id: SURVEY.parse()?,
        name: "Feedback".to_owned(),
        table: "FEEDBACK".parse()?,
        columns: Some(columns.map(str::to_owned).to_vec()),
        missing_number: None,
        missing_text: None,
        labels: false,
        pseudonymize: Vec::new(),
        previews: false,
        evolve: None,
        keep_raw: true,
        score: None,
        comments: None,
        history: History::None,
    })
}
