//! `subscription rotate`: which step of a key's change is next.

use std::time::Duration;

use serde::Serialize;

use crate::cli::Globals;
use crate::cli::error::CliError;
use crate::cli::output::{self, Format};
use crate::config::Config;
use crate::jobs::instances;
use crate::jobs::subscriptions::{Standing, State, Subscriptions};
use crate::lifecycle;
use crate::store::Store;

/// How long the previous key may have been unused before it is safe to remove: late callbacks are still signed with it.
const PREVIOUS_KEY_REST: Duration = Duration::from_secs(60 * 60);

/// The next step of a key's change.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Step {
    step: String,
    waits_for: Vec<String>,
}

pub(super) async fn run(globals: &Globals, config: &Config) -> Result<(), CliError> {
    let (subscriptions, store) = super::subscriptions(config).await?;
    let step = next_step(config, &subscriptions, &store).await?;
    match globals.output {
        Format::Json => output::json(&[step]),
        Format::Text => {
            output::line(format!("next: {}", step.step));
            for one in &step.waits_for {
                output::line(format!("waits for: {one}"));
            }
        }
    }
    Ok(())
}

async fn next_step(
    config: &Config,
    subscriptions: &Subscriptions,
    store: &Store,
) -> Result<Step, CliError> {
    let waiting_for = subscriptions.waiting_for().await?;
    let listed = subscriptions.list().await?;
    let states = subscriptions.states(&listed);
    let to_replace = listed.iter().any(|one| {
        matches!(
            one.standing,
            Standing::PreviousKey | Standing::UnknownKey | Standing::Encrypted
        )
    });
    let missing = states.iter().any(|(_, state, _)| *state == State::Missing);
    let step = |step: &str, waits_for| Step {
        step: step.to_owned(),
        waits_for,
    };
    if (to_replace || missing) && !waiting_for.is_empty() {
        return Ok(step(
            "restart these instances with the configured key as QUALTRICS_SHARED_KEY, and the key before it as \
             QUALTRICS_SHARED_KEY_PREVIOUS",
            waiting_for
                .into_iter()
                .map(|owner| format!("instance {owner}"))
                .collect(),
        ));
    }
    if to_replace || missing {
        return Ok(step(
            "run `subscription ensure`: it subscribes with the configured key, then deletes what has another one \
             (`serve` with ENSURE_SUBSCRIPTIONS=true does so within ten minutes)",
            Vec::new(),
        ));
    }
    let webhook = config.events.webhook();
    let Some(previous) = webhook.and_then(|webhook| webhook.shared_key_previous.as_ref()) else {
        return Ok(step(
            "nothing is under way; to change the key, make one with `openssl rand -hex 32`, set it as QUALTRICS_SHARED_KEY and \
             the present one as QUALTRICS_SHARED_KEY_PREVIOUS on every instance, restart them, and ask again",
            Vec::new(),
        ));
    };
    let last_used = instances::previous_key_last_used(store, previous).await?;
    let rested = last_used.is_none_or(|at| {
        lifecycle::now()
            .checked_sub(PREVIOUS_KEY_REST)
            .is_ok_and(|before| at < before)
    });
    let used = last_used.map_or_else(
        || "never seen in use".to_owned(),
        |at| format!("last used {at:.0}"),
    );
    let waits_for = if rested {
        Vec::new()
    } else {
        vec!["an hour without a callback signed with the previous key".to_owned()]
    };
    Ok(step(
        &format!("remove QUALTRICS_SHARED_KEY_PREVIOUS ({used}) and restart"),
        waits_for,
    ))
}
