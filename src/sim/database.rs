//! The database of a process: drains what it writes and asks, and fails as databases do.

use std::time::Duration;

use ingester_core::inbox::Outcome;

use super::world::{State, World, pass};
use crate::lifecycle::simulated::Process;
use crate::store::simulated::{Answering, Queue, Reading};
use crate::store::{StoreError, Write};

/// A commit that takes longer than this disturbs leases.
const LONG: Duration = Duration::from_secs(1);

/// What becomes of one batch.
struct Fate {
    /// Before the commit, and after it.
    takes: [Duration; 2],
    refused: bool,
    /// Which commit fails.
    failing: Option<usize>,
    answering: Answering,
}

/// Drains what `owner` writes until nobody is left who could write.
pub(super) async fn writes(world: World, owner: String, process: Process, mut queue: Queue) {
    while queue.take().await {
        let fate = {
            let mut state = world.state();
            inspect(&mut state, &owner, queue.taken());
            fate(&mut state, &owner)
        };
        let [before, after] = fate.takes;
        if !lives_through(&process, before).await {
            // What the process sent before it died may have arrived.
            if world.state().dice.chance(500) {
                commit(&world, &owner, &process, &mut queue, None);
            }
            queue.answer(&Answering::Never);
            continue;
        }
        if fate.refused {
            world.note(format!("{owner} is refused {}", kinds(queue.taken())));
        } else {
            commit(&world, &owner, &process, &mut queue, fate.failing);
        }
        if lives_through(&process, after).await {
            if matches!(fate.answering, Answering::Truly) {
                let mut state = world.state();
                for response in queue.granted() {
                    *state.leases_of.entry(response.clone()).or_default() += 1;
                    *state
                        .leases_by
                        .entry((owner.clone(), response))
                        .or_default() += 1;
                }
            }
            queue.answer(&fate.answering);
        } else {
            queue.answer(&Answering::Never);
        }
    }
}

fn commit(
    world: &World,
    owner: &str,
    process: &Process,
    queue: &mut Queue,
    failing: Option<usize>,
) {
    let mut state = world.state();
    let now = state.lease_clock(process);
    let kinds = kinds(queue.taken());
    if kinds != "claim" || failing.is_some() {
        state.note(&format!("{owner} commits {kinds}"));
    }
    queue.commit(now, failing);
    state.check(now);
}

/// Waits, unless the process dies meanwhile; one that is paused waits longer.
async fn lives_through(process: &Process, time: Duration) -> bool {
    tokio::select! {
        biased;
        () = process.died() => return false,
        () = pass(time) => {}
    }
    process.awake().await;
    process.step()
}

fn fate(state: &mut State, owner: &str) -> Fate {
    let faults = state.plan.store.clone();
    let mut fate = Fate {
        takes: [state.dice.millis(0, 3), state.dice.millis(0, 2)],
        refused: state.fault(faults.refuses),
        failing: None,
        answering: Answering::Truly,
    };
    let failed = || StoreError::unavailable("simulated");
    if fate.refused {
        fate.answering = Answering::Failed(failed());
    } else if state.fault(faults.fails) {
        fate.failing = usize::try_from(state.dice.below(2)).ok();
        state.note(&format!("{owner}: a commit fails"));
    } else if state.fault(faults.denies) {
        state.note(&format!("{owner}: a commit is denied"));
        fate.answering = Answering::Failed(failed());
    } else if state.fault(faults.silent) {
        state.note(&format!("{owner}: a commit is not answered"));
        fate.answering = Answering::Never;
    }
    if state.fault(faults.slow) {
        let [before, after] = &mut fate.takes;
        *before = state.dice.millis(500, 9_000);
        *after = state.dice.millis(0, 4_000);
    }
    let slow = fate.takes.iter().sum::<Duration>() > LONG;
    if slow || fate.refused || fate.failing.is_some() || !matches!(fate.answering, Answering::Truly)
    {
        state.disturb(owner);
    }
    fate
}

/// Looks at what is about to be written for what must never be.
fn inspect(state: &mut State, owner: &str, writes: &[Write]) {
    for write in writes {
        if let Write::Finish {
            event,
            outcome: Outcome::Retry { reason, .. },
            ..
        } = write
        {
            let read = (owner.to_owned(), event.response_id.clone());
            let is_well_read = state.well_read.get(&read) == Some(&true);
            // Of several leases nobody outside can tell whose read it was; one that is being stopped refuses its calls.
            let is_sure = state.leases_by.get(&read) == Some(&1) && state.alive.contains(owner);
            if is_well_read && is_sure {
                let id = &event.response_id;
                state.violate(format!(
                    "I5: {id} was read well and is to be read again ({reason})"
                ));
            }
        }
    }
}

fn kinds(writes: &[Write]) -> String {
    let kinds: Vec<&str> = writes.iter().map(kind).collect();
    kinds.join(" ")
}

fn kind(write: &Write) -> &'static str {
    match write {
        Write::Accept { .. } => "accept",
        Write::Claim { .. } => "claim",
        Write::Renew { .. } => "renew",
        Write::Finish { outcome, .. } => match outcome {
            Outcome::Row(_) => "row",
            Outcome::Skip(_) => "skip",
            Outcome::Retry { .. } => "retry",
            Outcome::Dead(_) => "dead",
        },
        Write::Release { .. } => "release",
        Write::Load { .. } => "load",
        Write::Erase { .. } => "erase",
        Write::Run { .. } => "run",
        Write::Rehearse { .. } => "rehearse",
    }
}

/// Answers what a process reads.
pub(super) async fn reads(world: World, owner: String, process: Process, mut reading: Reading) {
    while let Some(read) = reading.next().await {
        let (takes, fails) = {
            let mut state = world.state();
            let permille = state.plan.store.reads;
            (state.dice.millis(0, 3), state.fault(permille))
        };
        if !lives_through(&process, takes).await {
            continue;
        }
        if fails {
            world.note(format!("{owner} can't read"));
        }
        reading.answer(read, fails.then(|| StoreError::unavailable("simulated")));
    }
}
