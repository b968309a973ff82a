//! `schema`: the tables that surveys map to.

use ingester_core::id::SurveyId;
use ingester_core::sql::ddl;
use serde::Serialize;

use super::error::CliError;
use super::output::Format;
use super::parts::Inspected;
use super::{Globals, output, parts};
use crate::config::Config;
use crate::lifecycle::Lifecycle;
use crate::service;
use crate::telemetry::audit::Act;
use crate::telemetry::metrics::Metrics;
use apply::Applied;

mod apply;
pub(super) mod diff;
mod handover;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  qualtrics-ingester schema diff")]
pub(super) struct Schema {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Prints the table that a survey maps to.
    #[command(
        after_help = "Example:\n  qualtrics-ingester schema show --survey SV_22VlHYNeldrrrk1"
    )]
    Show(Which),
    /// Compares it with the database: missing columns, renamed tags, other types.
    #[command(after_help = "Example:\n  qualtrics-ingester schema diff --output json")]
    Diff(Which),
    /// Creates the table or adds what it lacks, and fills new columns of old rows from the kept documents.
    #[command(
        after_help = "Example:\n  qualtrics-ingester schema apply --survey SV_22VlHYNeldrrrk1"
    )]
    Apply(Which),
    /// Prints what the owner of HANA's tables has to grant, to the service and to others.
    #[command(after_help = "Example:\n  qualtrics-ingester schema grants --user INGESTER_APP")]
    Grants(handover::Grants),
    /// Prints the table as a CDS entity, for CAP applications that read it.
    #[command(after_help = "Example:\n  qualtrics-ingester schema cds > db/feedback.cds")]
    Cds(Which),
}

#[derive(Debug, clap::Args)]
struct Which {
    /// Only this survey; otherwise all configured ones.
    #[arg(long = "survey", value_name = "SV_…")]
    surveys: Vec<SurveyId>,
}

impl Schema {
    pub(super) async fn run(self, globals: &Globals) -> Result<(), CliError> {
        let config = parts::config(globals)?;
        match self.action {
            Action::Show(which) => show(globals, &config, &which).await,
            Action::Diff(which) => diff(globals, &config, &which).await,
            Action::Apply(which) => apply(globals, &config, &which).await,
            Action::Grants(grants) => grants.print(&config),
            Action::Cds(which) => handover::cds(&config, &which).await,
        }
    }
}

async fn inspect(config: &Config, which: &Which) -> Result<Vec<Inspected>, CliError> {
    let surveys = parts::selected(config, &which.surveys)?;
    let store = parts::store(config).await?;
    let qualtrics = parts::qualtrics_or_none(config, &Lifecycle::new())?;
    let mut inspected = Vec::new();
    for settings in surveys {
        inspected.push(Inspected::look(settings, config, &qualtrics, &store).await?);
    }
    Ok(inspected)
}

async fn show(globals: &Globals, config: &Config, which: &Which) -> Result<(), CliError> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Column {
        survey: String,
        table: String,
        column: String,
        property: String,
        tag: String,
        key: String,
        r#type: String,
        nullable: bool,
        text: String,
        kind: String,
    }
    let dialect = parts::dialect(config);
    let mut columns = Vec::new();
    for inspected in inspect(config, which).await? {
        let (table, codebook) = (inspected.map.table(), inspected.map.codebook());
        if globals.output == Format::Text {
            let remarks: Vec<String> = codebook.iter().map(|entry| entry.text.clone()).collect();
            let (id, name) = (&inspected.settings.id, &inspected.settings.name);
            output::line(format!("-- {name} ({id})"));
            output::line(ddl::create_table_with_remarks(dialect, table, &remarks));
            continue;
        }
        columns.extend(
            table
                .columns
                .iter()
                .zip(codebook)
                .map(|(column, entry)| Column {
                    survey: inspected.settings.id.to_string(),
                    table: table.name.to_string(),
                    column: column.name.to_string(),
                    property: column.property.clone(),
                    tag: entry.tag.clone(),
                    key: entry.question_key(),
                    r#type: column.kind.to_string(),
                    nullable: column.nullable,
                    text: entry.text.clone(),
                    kind: entry.kind.clone(),
                }),
        );
    }
    if globals.output == Format::Json {
        output::json(&columns);
    }
    Ok(())
}

async fn diff(globals: &Globals, config: &Config, which: &Which) -> Result<(), CliError> {
    let dialect = parts::dialect(config);
    let differences: Vec<_> = inspect(config, which)
        .await?
        .iter()
        .flat_map(|inspected| diff::differences(inspected, dialect))
        .collect();
    if differences.is_empty() && globals.output == Format::Text {
        output::line("the tables are as the surveys want them");
        return Ok(());
    }
    output::list(
        globals.output,
        &["TABLE", "COLUMN", "DIFFERENCE"],
        &differences,
        |one| {
            let column = one.column.clone().unwrap_or_default();
            vec![one.table.clone(), column, one.message.clone()]
        },
    );
    Ok(())
}

async fn apply(globals: &Globals, config: &Config, which: &Which) -> Result<(), CliError> {
    let selected = parts::selected(config, &which.surveys)?;
    config.pseudonyms_have_a_key()?;
    let store = parts::store(config).await?;
    let qualtrics = parts::qualtrics_or_none(config, &Lifecycle::new())?;
    // Whoever runs this wants the columns, whatever `evolve` says of `serve`.
    let mut evolving = config.clone();
    for survey in &mut evolving.surveys {
        survey.evolve = Some(true);
    }
    let surveys = service::surveys(&evolving, store.clone(), qualtrics, Metrics::new())?;
    let mut all = Vec::new();
    for settings in selected {
        let applied = apply::apply(settings, &surveys, &store).await?;
        parts::audit(config, Act::SchemaApply, &applied.to_string());
        all.push(applied);
    }
    output::list(
        globals.output,
        &[
            "TABLE",
            "COLUMNS",
            "ROWS FILLED",
            "UNCHANGED",
            "WITHOUT DOCUMENT",
        ],
        &all,
        |one| {
            let columns = match (one.created, &one.added[..]) {
                (true, _) => "created".to_owned(),
                (false, []) => "as they were".to_owned(),
                (false, added) => format!("added {}", added.join(", ")),
            };
            vec![
                one.table.clone(),
                columns,
                one.filled.to_string(),
                one.unchanged.to_string(),
                one.without_document.to_string(),
            ]
        },
    );
    judge(&all)
}

/// What could not be filled from here is said with where it can be had from.
fn judge(all: &[Applied]) -> Result<(), CliError> {
    for one in all {
        if one.without_document > 0 && !one.added.is_empty() {
            output::note(format!(
                "{}: {} rows have no kept document to fill new columns from: run `backfill --survey {}`",
                one.table, one.without_document, one.survey
            ));
        }
        for refused in &one.refused {
            output::note(format!(
                "{}: {} is left as it is: {}",
                one.table, refused.response, refused.reason
            ));
        }
    }
    match all.iter().map(|one| one.refused.len()).sum::<usize>() {
        0 => Ok(()),
        refused => Err(CliError::failed(format!(
            "{refused} responses could not be mapped from their kept documents: run `reconcile`"
        ))),
    }
}
