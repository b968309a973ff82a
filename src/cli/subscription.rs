//! `subscription`: the event subscriptions by hand.

use std::time::Duration;

use ingester_core::id::SubscriptionId;
use serde::Serialize;
use serde_json::json;
use tokio::time::Instant;
use url::Url;

use super::error::CliError;
use super::output::Format;
use super::{Globals, output, parts};
use crate::config::{self, Config};
use crate::jobs::subscriptions::{
    Ensured, Judged, Standing, State, SubscriptionError, Subscriptions, Wish, callback_url, waiting,
};
use crate::lifecycle::Lifecycle;
use crate::qualtrics::Subscription as Listed;
use crate::store::Store;
use crate::telemetry::audit::Act;

/// How long a command waits for an instance that is looking after the subscriptions.
const PATIENCE: Duration = Duration::from_secs(20);

mod rotate;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  qualtrics-ingester subscription ensure")]
pub(super) struct Subscription {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Lists all subscriptions of the brand, and which of them are ours.
    #[command(after_help = "Example:\n  qualtrics-ingester subscription list --output json")]
    List,
    /// Creates what is missing and replaces our own that have another key; others are left alone.
    #[command(
        after_help = "Example:\n  PUBLIC_URL=https://feedback.example qualtrics-ingester subscription ensure"
    )]
    Ensure,
    /// Says which step of a key's change is next, and what it waits for.
    #[command(after_help = "Example:\n  qualtrics-ingester subscription rotate")]
    Rotate,
    /// Prints what to enter into Qualtrics' Workflows: a way in without brand-administrator rights.
    #[command(after_help = "Example:\n  qualtrics-ingester subscription workflow")]
    Workflow,
    /// Deletes a subscription.
    #[command(
        after_help = "Example:\n  qualtrics-ingester subscription delete SUB_2hV5sr8NZQyBMaX --yes"
    )]
    Delete {
        /// The subscription, as `subscription list` shows it.
        id: SubscriptionId,
        /// Also one that calls somebody else.
        #[arg(long)]
        foreign: bool,
        /// Doesn't ask.
        #[arg(long)]
        yes: bool,
    },
}

impl Subscription {
    pub(super) async fn run(self, globals: &Globals) -> Result<(), CliError> {
        let config = parts::config(globals)?;
        match self.action {
            Action::List => list(globals, &config).await,
            Action::Ensure => ensure(globals, &config).await,
            Action::Rotate => rotate::run(globals, &config).await,
            Action::Workflow => workflow(globals, &config),
            Action::Delete { id, foreign, yes } => delete(&config, &id, foreign, yes).await,
        }
    }
}

impl From<SubscriptionError> for CliError {
    fn from(error: SubscriptionError) -> Self {
        Self::failed(error.to_string())
    }
}

/// The subscriptions as configured, with the store behind them.
async fn subscriptions(config: &Config) -> Result<(Subscriptions, Store), CliError> {
    let wish = Wish::of(config)?;
    parts::selected(config, &[])?;
    let store = parts::store(config).await?;
    let qualtrics = parts::qualtrics(config, &Lifecycle::new())?;
    Ok((Subscriptions::new(wish, store.clone(), qualtrics), store))
}

/// One line of the list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    id: String,
    topic: String,
    url: String,
    encrypted: bool,
    successful_calls: Option<u64>,
    standing: Option<Standing>,
}

impl Line {
    fn new(listed: &Listed, standing: Option<Standing>) -> Self {
        Self {
            id: listed.id.to_string(),
            topic: output::printable(&listed.topic),
            url: shown(&listed.url),
            encrypted: listed.encrypted,
            successful_calls: listed.successful_calls,
            standing,
        }
    }
}

/// An address without what may be a secret in it.
fn shown(url: &str) -> String {
    let Ok(mut url) = Url::parse(url) else {
        return "(no URL)".to_owned();
    };
    if url.query().is_some() {
        url.set_query(Some("…"));
    }
    let _ = url.set_password(None);
    let _ = url.set_username("");
    url.to_string().replace("?%E2%80%A6", "?…")
}

fn print(globals: &Globals, lines: &[Line]) {
    output::list(
        globals.output,
        &["ID", "TOPIC", "URL", "CALLS", ""],
        lines,
        |line| {
            let calls = line
                .successful_calls
                .map_or_else(String::new, |calls| calls.to_string());
            let standing = line.standing.map_or("", Standing::words);
            vec![
                line.id.clone(),
                line.topic.clone(),
                line.url.clone(),
                calls,
                standing.to_owned(),
            ]
        },
    );
}

async fn list(globals: &Globals, config: &Config) -> Result<(), CliError> {
    // Without an address or a key of our own there is still a list to look at.
    if let Err(unset) = Wish::of(config) {
        let qualtrics = parts::qualtrics(config, &Lifecycle::new())?;
        let listed = qualtrics.subscriptions().await;
        let listed = listed.map_err(SubscriptionError::from)?;
        let lines: Vec<_> = listed.iter().map(|one| Line::new(one, None)).collect();
        print(globals, &lines);
        output::note(format!("which of them are ours is not known: {unset}"));
        return Ok(());
    }
    let (subscriptions, _) = subscriptions(config).await?;
    let listed = subscriptions.list().await?;
    let lines: Vec<_> = listed
        .iter()
        .map(|one| Line::new(&one.subscription, Some(one.standing)))
        .collect();
    print(globals, &lines);
    for (survey, state, _) in subscriptions.states(&listed) {
        if state != State::Ok {
            output::note(format!(
                "survey {survey} has no subscription of ours: run `subscription ensure`"
            ));
        }
    }
    Ok(())
}

async fn ensure(globals: &Globals, config: &Config) -> Result<(), CliError> {
    let (subscriptions, _) = subscriptions(config).await?;
    warn_of_address(config);
    let begun = Instant::now();
    let ensured = loop {
        match subscriptions.ensure().await {
            Err(SubscriptionError::Busy) if begun.elapsed() < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
            ended => break ended?,
        }
    };
    ensured.audit(&parts::by(config));
    for change in &ensured.changes {
        output::note(change.to_string());
    }
    print_surveys(globals, &ensured);
    for Judged { subscription, .. } in &ensured.others {
        output::note(format!(
            "left alone: {} for {} to {}",
            subscription.id,
            output::printable(&subscription.topic),
            shown(&subscription.url)
        ));
    }
    match waiting(&ensured) {
        Some(waiting) => Err(CliError::failed(waiting)),
        None if ensured.is_complete() => Ok(()),
        None => Err(CliError::failed(
            "Qualtrics does not list what was just subscribed: run `subscription list` in a minute",
        )),
    }
}

fn print_surveys(globals: &Globals, ensured: &Ensured) {
    #[derive(Serialize)]
    struct Survey {
        survey: String,
        state: State,
        subscription: Option<String>,
    }
    let surveys: Vec<Survey> = ensured
        .surveys
        .iter()
        .map(|(survey, state, id)| Survey {
            survey: survey.to_string(),
            state: *state,
            subscription: id.as_ref().map(ToString::to_string),
        })
        .collect();
    output::list(
        globals.output,
        &["SURVEY", "STATE", "SUBSCRIPTION"],
        &surveys,
        |line| {
            let id = line.subscription.clone().unwrap_or_default();
            vec![line.survey.clone(), line.state.as_str().to_owned(), id]
        },
    );
}

/// Qualtrics' own address decides whether plain http can work: the sandbox is on this machine.
fn warn_of_address(config: &Config) {
    if let Some(problem) = address_problem(config) {
        output::note(format!("warning: {problem}"));
    }
}

/// What keeps Qualtrics from reaching `PUBLIC_URL`, as far as its form says.
pub(super) fn address_problem(config: &Config) -> Option<String> {
    let url = config.public_url.as_ref()?;
    let is_sandbox = |base: &Url| config::is_loopback(base);
    if config.qualtrics.base_url.as_ref().is_some_and(is_sandbox) {
        return None;
    }
    if config::is_loopback(url) {
        return Some(format!(
            "PUBLIC_URL is {url}, which Qualtrics can't reach: set it to the address of the service on the internet"
        ));
    }
    (url.scheme() != "https").then(|| {
        format!("PUBLIC_URL is {url}, where answers' ids travel in the clear: set it to an https address")
    })
}

fn workflow(globals: &Globals, config: &Config) -> Result<(), CliError> {
    const RESPONSE: &str = "${rm://Field/ResponseID}";
    let url = callback_url(config)?;
    let surveys = parts::selected(config, &[])?;
    let webhook = config.events.webhook();
    if webhook.is_none_or(|webhook| webhook.token.is_none()) {
        output::note(
            "QUALTRICS_WEBHOOK_TOKEN is not set: set it to a value of your own, for example from `openssl rand -hex 32`, and \
             restart; until then these calls are refused",
        );
    }
    if globals.output == Format::Json {
        let tasks: Vec<_> = surveys
            .iter()
            .map(|survey| {
                json!({
                    "survey": survey.id, "method": "POST", "url": url.as_str(), "secretHeader": "X-API-Key", "secretSetting": "QUALTRICS_WEBHOOK_TOKEN",
                    "contentType": "application/x-www-form-urlencoded",
                    "body": { "SurveyID": survey.id, "ResponseID": RESPONSE },
                })
            })
            .collect();
        output::json(&tasks);
        return Ok(());
    }
    output::line(
        "In Qualtrics, in each survey: Workflows, Create a workflow, Started when an event is received,",
    );
    output::line("Survey response; then Add task, Web service:");
    for survey in surveys {
        let (id, name) = (&survey.id, &survey.name);
        output::line(format!("\n{name}"));
        output::line(format!("  Method   POST\n  URL      {url}"));
        output::line("  Header   X-API-Key: the value of QUALTRICS_WEBHOOK_TOKEN");
        output::line(format!(
            "  Body     form-urlencoded   SurveyID    {id}\n                             ResponseID  {RESPONSE}"
        ));
        output::line(format!(
            "      or   JSON              {{\"SurveyID\":\"{id}\",\"ResponseID\":\"{RESPONSE}\"}}"
        ));
    }
    Ok(())
}

async fn delete(
    config: &Config,
    id: &SubscriptionId,
    foreign: bool,
    yes: bool,
) -> Result<(), CliError> {
    let (qualtrics, store) = (
        parts::qualtrics(config, &Lifecycle::new())?,
        parts::store(config).await?,
    );
    let listed = qualtrics.subscriptions().await;
    let listed = listed.map_err(SubscriptionError::from)?;
    let Some(found) = listed.iter().find(|one| one.id == *id) else {
        return Err(CliError::failed(format!(
            "the brand has no subscription {id}: `subscription list` shows them"
        )));
    };
    let ours = callback_url(config).ok();
    let is_ours = ours.is_some() && Url::parse(&found.url).ok() == ours;
    if !is_ours && !foreign {
        return Err(CliError::usage(format!(
            "subscription {id} calls {}, not this service (PUBLIC_URL): say --foreign to delete it all the same",
            shown(&found.url)
        )));
    }
    let topic = output::printable(&found.topic);
    parts::consent(
        yes,
        &format!("delete {id} for {topic} to {}", shown(&found.url)),
    )?;
    Subscriptions::forget(&store, &qualtrics, id).await?;
    parts::audit(
        config,
        Act::SubscriptionDeleted,
        &format!("{id} for {topic}"),
    );
    output::note(format!("deleted {id}"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_secrets() {
        assert_eq!(
            shown("https://me:pass@host.example/hook?token=secret"),
            "https://host.example/hook?…"
        );
        assert_eq!(
            shown("https://host.example/hook"),
            "https://host.example/hook"
        );
        assert_eq!(shown("secret"), "(no URL)");
    }
}
