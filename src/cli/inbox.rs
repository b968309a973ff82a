//! `inbox`: the durable queue, dead letters included.

use std::fmt;

use ingester_core::id::{ResponseId, SurveyId};
use ingester_core::row::{Cell, ColumnType};
use ingester_core::sql::{self, inbox::Selection};
use ingester_core::time::Timestamp;
use serde::Serialize;

use super::error::CliError;
use super::output::Format;
use super::{Globals, output, parts};
use crate::config::Config;
use crate::lifecycle;
use crate::store::Store;
use crate::telemetry::audit::Act;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  qualtrics-ingester inbox list --state dead\n  qualtrics-ingester inbox retry --reason not-a-number"
)]
pub(super) struct Inbox {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Lists events, newest first.
    #[command(after_help = "Example:\n  qualtrics-ingester inbox list --state dead")]
    List {
        /// Only this survey's.
        #[arg(long, value_name = "SV_…")]
        survey: Option<SurveyId>,
        /// Only events in this state.
        #[arg(long)]
        state: Option<EventState>,
        /// Only events whose reason has this code.
        #[arg(long, value_name = "CODE", value_parser = code)]
        reason: Option<String>,
        /// How many at most.
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: u32,
    },
    /// Shows everything about a response's event.
    #[command(after_help = "Example:\n  qualtrics-ingester inbox show R_2Y62vxvBCVIJxEG")]
    Show {
        /// The response.
        response: ResponseId,
    },
    /// Makes dead and waiting events due now; a running service takes them up within a second.
    #[command(
        after_help = "Examples:\n  qualtrics-ingester inbox retry R_2Y62vxvBCVIJxEG\n  qualtrics-ingester inbox retry --reason not-a-number --survey SV_22VlHYNeldrrrk1"
    )]
    Retry(Which),
    /// Gives events up by hand: they stay, dead, and reconcile leaves them alone.
    #[command(
        after_help = "Example:\n  qualtrics-ingester inbox drop --reason response-gone --yes"
    )]
    Drop {
        #[command(flatten)]
        which: Which,
        /// Doesn't ask.
        #[arg(long)]
        yes: bool,
    },
}

/// Which events a command acts on.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
struct Which {
    /// Responses by their ids.
    #[arg(value_name = "R_…", conflicts_with_all = ["all", "reason"])]
    responses: Vec<ResponseId>,
    /// Events whose reason has this code, as `inbox list` shows it before the colon.
    #[arg(long, value_name = "CODE", value_parser = code)]
    reason: Option<String>,
    /// Only this survey's.
    #[arg(long, value_name = "SV_…")]
    survey: Option<SurveyId>,
    /// All of them, dropped ones left out.
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum EventState {
    Pending,
    Leased,
    Done,
    Dead,
}

impl EventState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Leased => "leased",
            Self::Done => "done",
            Self::Dead => "dead",
        }
    }
}

/// A reason's code: small letters and hyphens, so that nothing in it is a sign of LIKE.
fn code(text: &str) -> Result<String, String> {
    let is_code = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if !text.is_empty() && text.bytes().all(is_code) {
        Ok(text.to_owned())
    } else {
        Err("expected a code such as response-gone".to_owned())
    }
}

/// One event, as the inbox holds it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    survey: String,
    response: String,
    state: String,
    attempts: i64,
    received_at: Option<Timestamp>,
    completed_at: Option<Timestamp>,
    next_attempt_at: Option<Timestamp>,
    lease_owner: Option<String>,
    lease_until: Option<Timestamp>,
    /// The code of `reason`, where it has one.
    code: Option<String>,
    reason: Option<String>,
    done_at: Option<Timestamp>,
}

impl Inbox {
    pub(super) async fn run(self, globals: &Globals) -> Result<(), CliError> {
        let config = parts::config(globals)?;
        let store = parts::store(&config).await?;
        match self.action {
            Action::List {
                survey,
                state,
                reason,
                limit,
            } => {
                let selection = Selection {
                    survey,
                    response: None,
                    state: state.map(|state| state.as_str().to_owned()),
                    reason,
                };
                list(globals, &events(&store, &selection, limit).await?);
                Ok(())
            }
            Action::Show { response } => show(globals, &store, response).await,
            Action::Retry(which) => {
                let revive =
                    |selection: &Selection| sql::inbox::revive(selection, lifecycle::now());
                let changed = act(&store, &which, revive).await?;
                audit(&config, Act::InboxRetry, &which, changed);
                report(&which, changed, "due now")
            }
            Action::Drop { which, yes } => {
                let count = count(&store, &which).await?;
                if count > 0 {
                    parts::consent(yes, &format!("give up {count} events for good"))?;
                }
                let drop_events =
                    |selection: &Selection| sql::inbox::drop_events(selection, lifecycle::now());
                let changed = act(&store, &which, drop_events).await?;
                audit(&config, Act::InboxDrop, &which, changed);
                report(&which, changed, "dropped")
            }
        }
    }
}

impl Which {
    /// One selection per named response, else one for all that is meant.
    fn selections(&self) -> Vec<Selection> {
        let common = Selection {
            survey: self.survey.clone(),
            response: None,
            state: None,
            reason: self.reason.clone(),
        };
        if self.responses.is_empty() {
            return vec![common];
        }
        let responses = self.responses.iter();
        responses
            .map(|response| Selection {
                response: Some(response.clone()),
                ..common.clone()
            })
            .collect()
    }
}

async fn act(
    store: &Store,
    which: &Which,
    statement: impl Fn(&Selection) -> sql::Statement,
) -> Result<u64, CliError> {
    let statements = which.selections().iter().map(statement).collect();
    Ok(store.run(statements).await?.iter().sum())
}

async fn count(store: &Store, which: &Which) -> Result<i64, CliError> {
    let mut sum = 0;
    for selection in which.selections() {
        let rows = store
            .rows(sql::inbox::count(&selection), &[ColumnType::BigInt])
            .await?;
        if let Some([Cell::Integer(count)]) = rows.first().map(|row| &**row) {
            sum += count;
        }
    }
    Ok(sum)
}

fn audit(config: &Config, act: Act, which: &Which, changed: u64) {
    if changed > 0 {
        parts::audit(config, act, &format!("{changed} events {which}"));
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let survey = self.survey.as_ref().map_or("any survey", |id| id.as_ref());
        write!(f, "of {survey}")?;
        if let Some(reason) = &self.reason {
            write!(f, " with the reason {reason}")?;
        }
        for response in &self.responses {
            write!(f, " {response}")?;
        }
        Ok(())
    }
}

/// Whoever named responses and changed none should know why.
fn report(which: &Which, changed: u64, what: &str) -> Result<(), CliError> {
    if changed == 0 && !which.responses.is_empty() {
        return Err(CliError::failed(
            "no such event is dead or waiting: `inbox show` says how it stands",
        ));
    }
    output::note(format!("{changed} events {what}"));
    Ok(())
}

async fn events(store: &Store, selection: &Selection, limit: u32) -> Result<Vec<Line>, CliError> {
    let rows = store
        .rows(sql::inbox::list(selection, limit), &sql::inbox::LISTED)
        .await?;
    Ok(rows.iter().filter_map(|row| line(row)).collect())
}

fn line(row: &[Cell]) -> Option<Line> {
    let text = |cell: &Cell| match cell {
        Cell::Text(text) => Some(text.clone()),
        _ => None,
    };
    let instant = |cell: &Cell| match cell {
        Cell::Timestamp(at) => Some(*at),
        _ => None,
    };
    let [
        survey,
        response,
        completed,
        received,
        state,
        Cell::Integer(attempts),
        next,
        owner,
        until,
        reason,
        done,
    ] = row
    else {
        return None;
    };
    let reason = text(reason);
    Some(Line {
        survey: text(survey)?,
        response: text(response)?,
        state: text(state)?,
        attempts: *attempts,
        received_at: instant(received),
        // The epoch stands for a completion that nobody told of.
        completed_at: instant(completed).filter(|at| *at != Timestamp::UNIX_EPOCH),
        next_attempt_at: instant(next),
        lease_owner: text(owner),
        lease_until: instant(until),
        code: reason
            .as_deref()
            .and_then(|reason| Some(reason.split_once(": ")?.0.to_owned())),
        reason,
        done_at: instant(done),
    })
}

fn list(globals: &Globals, lines: &[Line]) {
    output::list(
        globals.output,
        &[
            "RECEIVED", "SURVEY", "RESPONSE", "STATE", "ATTEMPTS", "NEXT", "REASON",
        ],
        lines,
        |line| {
            vec![
                seconds(line.received_at),
                line.survey.clone(),
                line.response.clone(),
                line.state.clone(),
                line.attempts.to_string(),
                seconds(line.next_attempt_at),
                line.reason.clone().unwrap_or_default(),
            ]
        },
    );
}

async fn show(globals: &Globals, store: &Store, response: ResponseId) -> Result<(), CliError> {
    let selection = Selection {
        response: Some(response.clone()),
        ..Selection::default()
    };
    let lines = events(store, &selection, 100).await?;
    if lines.is_empty() {
        return Err(CliError::failed(format!(
            "the inbox has no event of {response}: done ones are removed after [inbox] retention"
        )));
    }
    if globals.output == Format::Json {
        list(globals, &lines);
        return Ok(());
    }
    for line in lines {
        let facts = [
            ("survey", line.survey.clone()),
            ("response", line.response.clone()),
            ("state", line.state.clone()),
            ("reason", line.reason.clone().unwrap_or_default()),
            ("attempts", line.attempts.to_string()),
            ("completed", seconds(line.completed_at)),
            ("received", seconds(line.received_at)),
            ("next attempt", seconds(line.next_attempt_at)),
            ("leased by", line.lease_owner.clone().unwrap_or_default()),
            ("leased until", seconds(line.lease_until)),
            ("ended", seconds(line.done_at)),
        ];
        for (name, fact) in facts.iter().filter(|(_, fact)| !fact.is_empty()) {
            output::line(format!("{name:<13} {}", output::printable(fact)));
        }
    }
    Ok(())
}

fn seconds(instant: Option<Timestamp>) -> String {
    instant.map_or_else(String::new, |at| format!("{at:.0}"))
}
