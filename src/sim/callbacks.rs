//! What respondents do, and what Qualtrics tells of it.

use std::time::Duration;

use ingester_core::id::ResponseId;
use ingester_core::inbox::{Event, whole_milliseconds};
use ingester_core::time::Timestamp;

use super::brand::{Content, Response, Version};
use super::network;
use super::plan::Completions;
use super::run::TROUBLE_AFTER;
use super::world::{State, World, pass};

/// A dead event is told of again so long after calm, when what killed it is mended.
const MENDED_AFTER: Duration = Duration::from_secs(40 * 60);

/// A message of Qualtrics on its way.
#[derive(Debug, Clone)]
pub(super) struct Callback {
    response: ResponseId,
    completed: Timestamp,
    /// When it is sent.
    at: Duration,
    is_undated: bool,
    /// What was wrong with the answers is mended just before.
    mends: bool,
}

/// Lets respondents answer, and Qualtrics tell of it.
pub(super) fn populate(world: &World, dawn: Timestamp) -> Vec<Callback> {
    let mut callbacks = Vec::new();
    let mut state = world.state();
    let plan = state.plan.clone();
    for number in 0..plan.responses {
        let Ok(id) = format!("R_sim{number:012}").parse::<ResponseId>() else {
            continue;
        };
        let Completions {
            again,
            preview,
            poison,
            mended,
            ..
        } = plan.completions;
        let mends = state.dice.chance(mended);
        let content = if mends || state.dice.chance(poison) {
            Content::Poison
        } else if state.dice.chance(preview) {
            Content::Preview
        } else {
            Content::Good
        };
        let mut versions = Vec::new();
        let spread = u64::try_from(plan.spread.as_millis()).unwrap_or(0);
        let mut seconds = state.dice.below(spread) / 1000;
        loop {
            let after = Duration::from_secs(seconds);
            let completed = dawn.checked_add(after).unwrap_or(dawn);
            versions.push(Version { completed, content });
            tell(&mut state, &id, completed, after, &mut callbacks);
            if mends || versions.len() > 3 || !state.dice.chance(again) {
                break;
            }
            let longest = if state.dice.chance(400) { 4 } else { 40 };
            seconds += state.dice.between(1, longest);
        }
        let first = versions.first().map_or(dawn, |first| first.completed);
        if mends {
            callbacks.push(Callback {
                response: id.clone(),
                completed: first,
                at: plan.spread + TROUBLE_AFTER + MENDED_AFTER,
                is_undated: false,
                mends,
            });
        }
        let hidden = network::hidden(&mut state, first);
        let response = Response {
            id: id.clone(),
            versions,
            hidden,
        };
        state.responses.insert(id, response);
    }
    callbacks
}

/// The callbacks of one completion: none, one or several, soon or late.
fn tell(
    state: &mut State,
    id: &ResponseId,
    completed: Timestamp,
    after: Duration,
    callbacks: &mut Vec<Callback>,
) {
    let plan = state.plan.callbacks.clone();
    if state.dice.chance(plan.lost) {
        return;
    }
    let is_undated = state.dice.chance(plan.undated);
    for _ in 0..3 {
        let late = if state.dice.chance(plan.late) {
            let longest = state.dice.one_of(&[20_000, 400_000]).unwrap_or(20_000);
            state.dice.millis(3_000, longest)
        } else {
            state.dice.millis(20, 1_500)
        };
        callbacks.push(Callback {
            response: id.clone(),
            completed,
            at: after + late,
            is_undated,
            mends: false,
        });
        if !state.dice.chance(plan.repeated) {
            return;
        }
    }
}

/// Sends a callback to one of the processes, and notes what it was answered.
pub(super) async fn send(world: World, callback: Callback) {
    let Callback {
        response,
        completed,
        at,
        is_undated,
        mends,
    } = callback;
    pass(at).await;
    if mends && let Some(response) = world.state().responses.get_mut(&response) {
        for version in &mut response.versions {
            version.content = Content::Good;
        }
    }
    let (survey_id, insistent) = {
        let state = world.state();
        (state.survey.clone(), state.plan.callbacks.insistent)
    };
    let completed_at = if is_undated {
        Timestamp::UNIX_EPOCH
    } else {
        completed
    };
    for _ in 0..4 {
        let reachable = {
            let mut state = world.state();
            state.counts.events += 1;
            let places: Vec<usize> = state.reachable.keys().copied().collect();
            let place = state.dice.one_of(&places);
            place.and_then(|place| state.reachable.get(&place).cloned())
        };
        if let Some(reachable) = reachable {
            let received_at = whole_milliseconds(world.state().lease_clock(&reachable.process));
            let event = Event {
                survey_id: survey_id.clone(),
                response_id: response.clone(),
                completed_at,
                received_at,
            };
            let answer = reachable.pipeline.accept(event).await;
            let mut state = world.state();
            if let Ok(accepted) = answer {
                state.note(&format!(
                    "callback of {response} at {completed_at} is answered {accepted:?}"
                ));
                let known = state.acknowledged.entry(response).or_insert(completed_at);
                *known = completed_at.max(*known);
                return;
            }
            state.note(&format!(
                "callback of {response} at {completed_at} is not stored"
            ));
        }
        if !world.state().dice.chance(insistent) {
            return;
        }
        let again = world.state().dice.millis(500, 20_000);
        pass(again).await;
    }
}
