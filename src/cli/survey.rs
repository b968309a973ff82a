//! `survey`: what the credentials see.

use futures_util::stream::{self, StreamExt as _};
use serde::Serialize;
use url::Url;

use super::error::CliError;
use super::{Globals, output, parts};
use crate::jobs::subscriptions::{self, callback_url};
use crate::lifecycle::Lifecycle;
use crate::qualtrics::{Qualtrics, SurveySummary};

/// Surveys asked for at a time; Qualtrics allows 3,000 such calls a minute.
const AT_A_TIME: usize = 8;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  qualtrics-ingester survey list")]
pub(super) struct Survey {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Lists the surveys that the credentials see.
    #[command(after_help = "Example:\n  qualtrics-ingester survey list")]
    List,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    id: String,
    name: String,
    active: bool,
    /// Nothing where Qualtrics does not say.
    responses: Option<u64>,
    last_change: Option<String>,
    configured: bool,
    /// Nothing where it can't be known.
    subscribed: Option<bool>,
}

impl Survey {
    pub(super) async fn run(self, globals: &Globals) -> Result<(), CliError> {
        let Action::List = self.action;
        let config = parts::config(globals)?;
        let qualtrics = parts::qualtrics(&config, &Lifecycle::new())?;
        let surveys = qualtrics.surveys().await?;
        let subscribed = match callback_url(&config) {
            Ok(url) => topics(&qualtrics, &url).await,
            Err(unset) => {
                output::note(format!(
                    "whether surveys are subscribed here is not known: {unset}"
                ));
                None
            }
        };
        let configured =
            |survey: &SurveySummary| config.surveys.iter().any(|known| known.id == survey.id);
        let lines: Vec<Line> = stream::iter(&surveys)
            .map(|survey| {
                line(
                    &qualtrics,
                    survey,
                    configured(survey),
                    subscribed.as_deref(),
                )
            })
            .buffered(AT_A_TIME)
            .collect()
            .await;
        output::list(
            globals.output,
            &[
                "ID",
                "NAME",
                "ACTIVE",
                "RESPONSES",
                "LAST CHANGE",
                "CONFIGURED",
                "SUBSCRIBED",
            ],
            &lines,
            |line| {
                vec![
                    line.id.clone(),
                    line.name.clone(),
                    yes_or_no(Some(line.active)),
                    line.responses
                        .map_or_else(|| "?".to_owned(), |count| count.to_string()),
                    line.last_change.clone().unwrap_or_default(),
                    yes_or_no(Some(line.configured)),
                    yes_or_no(line.subscribed),
                ]
            },
        );
        Ok(())
    }
}

fn yes_or_no(known: Option<bool>) -> String {
    match known {
        Some(true) => "yes",
        Some(false) => "no",
        None => "?",
    }
    .to_owned()
}

/// The topics for which we are called. Without the right to look, nothing is known.
async fn topics(qualtrics: &Qualtrics, url: &Url) -> Option<Vec<String>> {
    match qualtrics.subscriptions().await {
        Ok(listed) => Some(
            listed
                .into_iter()
                .filter(|one| Url::parse(&one.url).as_ref() == Ok(url))
                .map(|one| one.topic)
                .collect(),
        ),
        Err(error) => {
            output::note(format!(
                "whether surveys are subscribed here is not known: {error}"
            ));
            None
        }
    }
}

async fn line(
    qualtrics: &Qualtrics,
    survey: &SurveySummary,
    configured: bool,
    topics: Option<&[String]>,
) -> Line {
    // One survey that can't be looked into does not spoil the list.
    let state = qualtrics.survey(&survey.id).await.ok();
    let counts = state.and_then(|state| state.response_counts);
    let covers = |topics: &[String]| {
        topics
            .iter()
            .any(|topic| subscriptions::covers(topic, &survey.id))
    };
    Line {
        id: survey.id.to_string(),
        name: survey.name.clone(),
        active: survey.is_active,
        responses: counts.map(|counts| counts.auditable),
        last_change: survey.last_modified.map(|at| format!("{at:.0}")),
        configured,
        subscribed: topics.map(covers),
    }
}
