//! `cards`: the Work Zone cards of the configured surveys, and their content package.

use std::path::PathBuf;

use ingester_core::id::SurveyId;
use ingester_core::row::{Cell, ColumnType};
use ingester_core::sql;
use serde::Serialize;

use super::error::CliError;
use super::parts::Inspected;
use super::{Globals, output, parts};
use crate::cards::{Answers, Deck, Release, package};
use crate::config::Config;
use crate::http::cards::form;
use crate::lifecycle::Lifecycle;
use crate::store::Store;

/// The job under which `QUALTRICS_RUNS` keeps the last release of a package.
const JOB: &str = "cards";

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  qualtrics-ingester cards list\n  qualtrics-ingester cards package -o feedback-cards.zip"
)]
pub(super) struct Cards {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Lists the cards, and those that the tables can't answer with the reason.
    #[command(after_help = "Example:\n  qualtrics-ingester cards list --output json")]
    List(Selection),
    /// Prints the manifest of a card.
    #[command(after_help = "Example:\n  qualtrics-ingester cards show satisfaction")]
    Show {
        /// Its name, as `cards list` prints it.
        name: String,
    },
    /// Writes the content package for upload.
    #[command(
        after_help = "Examples:\n  qualtrics-ingester cards package -o feedback-cards.zip\n  qualtrics-ingester cards package --survey SV_22VlHYNeldrrrk1 -o project-cards.zip"
    )]
    Package {
        #[command(flatten)]
        selection: Selection,
        /// Where the package goes.
        #[arg(
            short = 'o',
            long = "file",
            value_name = "FILE",
            default_value = "feedback-cards.zip"
        )]
        file: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
struct Selection {
    /// A fixed set for these surveys; otherwise cards whose survey is chosen in Work Zone.
    #[arg(long = "survey", value_name = "SV_…")]
    surveys: Vec<SurveyId>,
}

/// A card, or one that is left out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    name: String,
    title: &'static str,
    #[serde(rename = "type")]
    card_type: &'static str,
    surveys: Vec<String>,
    /// Why there is no such card for these surveys.
    left_out: Option<&'static str>,
}

impl Cards {
    pub(super) async fn run(self, globals: &Globals) -> Result<(), CliError> {
        let config = parts::config(globals)?;
        let store = parts::store(&config).await?;
        match self.action {
            Action::List(selection) => {
                let deck = deck(&config, &store, &selection.surveys).await?;
                list(globals, &deck);
                Ok(())
            }
            Action::Show { name } => show(&config, &store, &name).await,
            Action::Package { selection, file } => {
                let deck = deck(&config, &store, &selection.surveys).await?;
                pack(globals, &store, &deck, &file).await
            }
        }
    }
}

fn list(globals: &Globals, deck: &Deck) {
    let made = deck.cards.iter().map(|card| Line {
        name: card.name.clone(),
        title: card.kind.title(),
        card_type: card.kind.card_type(),
        surveys: card
            .surveys
            .iter()
            .map(|survey| survey.id.clone())
            .collect(),
        left_out: None,
    });
    let left_out = deck.left_out.iter().map(|left_out| Line {
        name: left_out.kind.name().to_owned(),
        title: left_out.kind.title(),
        card_type: left_out.kind.card_type(),
        surveys: vec![left_out.survey.clone()],
        left_out: Some(left_out.reason),
    });
    let lines: Vec<Line> = made.chain(left_out).collect();
    output::list(
        globals.output,
        &["NAME", "TITLE", "TYPE", "SURVEYS", "LEFT OUT, BECAUSE"],
        &lines,
        |line| {
            vec![
                line.name.clone(),
                line.title.to_owned(),
                line.card_type.to_owned(),
                line.surveys.join(" "),
                line.left_out.unwrap_or_default().to_owned(),
            ]
        },
    );
}

async fn show(config: &Config, store: &Store, name: &str) -> Result<(), CliError> {
    let answers = answers(config, store, &[]).await?;
    for deck in [Deck::generic(&answers), Deck::fixed(&answers)] {
        let Some(card) = deck.card(name) else {
            continue;
        };
        let version = kept(store, &deck)
            .await?
            .map_or_else(|| "1.0.0".to_owned(), |release| release.version);
        let manifest = card.files(&version).remove("manifest.json");
        output::raw(&manifest.unwrap_or_default());
        return Ok(());
    }
    Err(CliError::usage(format!(
        "there is no card {name}: `cards list` prints their names"
    )))
}

async fn pack(
    globals: &Globals,
    store: &Store,
    deck: &Deck,
    to: &std::path::Path,
) -> Result<(), CliError> {
    if deck.cards.is_empty() {
        return Err(CliError::failed(
            "the surveys' tables can answer no card: `cards list` says why",
        ));
    }
    let package = package(deck, kept(store, deck).await?.as_ref())
        .await
        .map_err(|error| CliError::failed(format!("the package can't be made: {error}")))?;
    std::fs::write(to, &package.bytes)
        .map_err(|error| CliError::usage(format!("{} can't be written: {error}", to.display())))?;
    // Kept once the file is there: a version that nobody has is not skipped.
    let state = serde_json::to_string(&package.release).unwrap_or_default();
    store
        .run(vec![sql::runs::put(JOB, &deck.package_id, &state)])
        .await?;
    let summary = serde_json::json!([{
        "file": to.display().to_string(),
        "id": deck.package_id,
        "version": package.release.version,
        "cards": deck.cards.len(),
        "bytes": package.bytes.len(),
        "paths": package.paths,
    }]);
    match globals.output {
        output::Format::Json => output::line(summary.to_string()),
        output::Format::Text => output::line(format!(
            "{}: package {} {} with {} cards, {} bytes",
            to.display(),
            deck.package_id,
            package.release.version,
            deck.cards.len(),
            package.bytes.len()
        )),
    }
    Ok(())
}

/// The package as it was packed last.
async fn kept(store: &Store, deck: &Deck) -> Result<Option<Release>, CliError> {
    const KINDS: [ColumnType; 4] = [
        ColumnType::NVarchar(60),
        ColumnType::NVarchar(100),
        ColumnType::Timestamp,
        ColumnType::NClob,
    ];
    let rows = store.rows(sql::runs::list(JOB), &KINDS).await?;
    Ok(rows.iter().find_map(|row| match &**row {
        [Cell::Text(package), _, _, Cell::Text(state)] if *package == deck.package_id => {
            serde_json::from_str(state).ok()
        }
        _ => None,
    }))
}

/// Generic cards, or a fixed set where surveys are named.
async fn deck(config: &Config, store: &Store, surveys: &[SurveyId]) -> Result<Deck, CliError> {
    let answers = answers(config, store, surveys).await?;
    Ok(if surveys.is_empty() {
        Deck::generic(&answers)
    } else {
        Deck::fixed(&answers)
    })
}

async fn answers(
    config: &Config,
    store: &Store,
    surveys: &[SurveyId],
) -> Result<Vec<Answers>, CliError> {
    let life = Lifecycle::new();
    let qualtrics = parts::qualtrics_or_none(config, &life)?;
    let form = form(config.qualtrics.base_url.as_ref());
    let mut answers = Vec::new();
    for settings in parts::selected(config, surveys)? {
        let survey = Inspected::look(settings, config, &qualtrics, store).await?;
        // Only what the table has can be asked for.
        let map = match &survey.existing {
            Some(_) => survey.map.conform(&survey.columns()).0,
            None => survey.map,
        };
        answers.push(Answers::new(
            settings.id.as_ref(),
            &settings.name,
            &settings.name,
            form.clone(),
            &map,
        ));
    }
    life.stop();
    Ok(answers)
}
