//! What several commands need: the settings, the store, the API, a survey as it is, and consent.

use std::time::Duration;

use ingester_core::id::SurveyId;
use ingester_core::mapping::{ColumnMap, MapNote};
use ingester_core::row::{Cell, Column, ColumnType};
use ingester_core::sql::{self, Dialect};
use ingester_core::survey::{DefinitionAnswers, SurveyDefinition};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::error::CliError;
use super::{Globals, output, start_logging};
use crate::config::{self, Config, Database, Sources};
use crate::lifecycle::Lifecycle;
use crate::qualtrics::Qualtrics;
use crate::service::{self, ServiceError};
use crate::store::{ExistingColumn, Role, Store};
use crate::surveys;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::{audit, log};

/// How long a command waits for a database that somebody else holds.
const BUSY_PATIENCE: Duration = Duration::from_secs(5);

/// The settings of a command. Its findings are on the screen, so the log is for what goes wrong.
pub(super) fn config(globals: &Globals) -> Result<Config, CliError> {
    let sources = Sources::from_process(globals.config.as_deref())?;
    quiet(&sources)
}

/// The same from sources of one's own.
pub(super) fn quiet(sources: &Sources) -> Result<Config, CliError> {
    let mut config = Config::load(sources)?;
    config
        .log_filter
        .get_or_insert_with(|| format!("{},{}=info", log::OF_COMMANDS, audit::TARGET));
    start_logging(&config, None);
    Ok(config)
}

/// Writes the line of an act that this command did or begins.
pub(super) fn audit(config: &Config, act: audit::Act, on: &str) {
    audit::line(act, &by(config), on);
}

/// Who asked, where a command did.
pub(super) fn by(config: &Config) -> String {
    format!("command of {}", config.operator)
}

/// The database, beside a running service, once it is open and its own tables are there.
pub(super) async fn store(config: &Config) -> Result<Store, CliError> {
    Ok(open(config).await?)
}

/// The same with an error that has a code.
pub(super) async fn open(config: &Config) -> Result<Store, ServiceError> {
    let store = service::open(config, Role::Command, &Metrics::new())?;
    let begun = Instant::now();
    loop {
        match store.run(Vec::new()).await {
            Ok(_) => return Ok(store),
            // On a full disk the inbox can still be looked at; what has to write says so itself.
            Err(error) if error.is_full() => return Ok(store),
            // Whoever closes a file as the last one holds it for an instant, and SQLite does not wait for that by itself.
            // Source: SQLite, "Write-Ahead Logging", 9.
            Err(error) if error.is_busy() && begun.elapsed() < BUSY_PATIENCE => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// The API; the error names the setting that is missing.
pub(super) fn qualtrics(config: &Config, life: &Lifecycle) -> Result<Qualtrics, CliError> {
    config.qualtrics_access()?;
    Ok(Qualtrics::start(&config.qualtrics, Metrics::new(), life)?)
}

/// The API, or where it is not configured one that answers nothing: the database may know enough.
pub(super) fn qualtrics_or_none(config: &Config, life: &Lifecycle) -> Result<Qualtrics, CliError> {
    if config.qualtrics_access().is_ok() {
        return qualtrics(config, life);
    }
    Ok(Qualtrics::from_channel(mpsc::channel(1).0))
}

/// Which SQL the configured database speaks.
pub(super) fn dialect(config: &Config) -> Dialect {
    match config.database {
        Database::Sqlite(_) => Dialect::Sqlite,
        Database::Hana(_) => Dialect::Hana,
    }
}

/// The configured surveys, or those of them that were named.
pub(super) fn selected<'a>(
    config: &'a Config,
    named: &[SurveyId],
) -> Result<Vec<&'a config::Survey>, CliError> {
    if config.surveys.is_empty() {
        return Err(CliError::usage(
            "no [[survey]] is configured: `init` writes ingester.toml from what Qualtrics says",
        ));
    }
    for id in named {
        if !config.surveys.iter().any(|survey| survey.id == *id) {
            return Err(CliError::usage(format!(
                "survey {id} is not configured: add a [[survey]] with its id to ingester.toml"
            )));
        }
    }
    let is_wanted = |survey: &&config::Survey| named.is_empty() || named.contains(&survey.id);
    Ok(config.surveys.iter().filter(is_wanted).collect())
}

/// Asks before something is removed. Without a terminal only `--yes` will do.
pub(super) fn consent(yes: bool, question: &str) -> Result<(), CliError> {
    if yes {
        return Ok(());
    }
    if !output::is_interactive() {
        return Err(CliError::usage(format!(
            "{question}: there is no terminal to answer on, so say --yes"
        )));
    }
    if output::confirm(&format!("{question}?")) {
        Ok(())
    } else {
        Err(CliError::failed("nothing was done"))
    }
}

/// A survey as Qualtrics, the settings and the database have it. Looking changes nothing.
pub(super) struct Inspected {
    pub(super) settings: config::Survey,
    /// As the definition and the settings want it.
    pub(super) map: ColumnMap,
    /// What changed against the codebook.
    pub(super) notes: Vec<MapNote>,
    /// The table, if it is there.
    pub(super) existing: Option<Vec<ExistingColumn>>,
}

impl Inspected {
    /// Looks at one survey, with the definition that was fetched.
    pub(super) async fn with_definition(
        settings: &config::Survey,
        definition: &SurveyDefinition,
        store: &Store,
    ) -> Result<Self, CliError> {
        let assigned = surveys::codebook(store, &settings.id).await?;
        let (map, notes) =
            ColumnMap::compile(definition, &surveys::map_options(settings), &assigned)
                .map_err(|error| CliError::usage(error.to_string()))?;
        Ok(Self {
            existing: store.table_columns(&settings.table).await?,
            settings: settings.clone(),
            map,
            notes,
        })
    }

    /// Looks at one survey. Where Qualtrics is not configured, by the definition that the database keeps.
    pub(super) async fn look(
        settings: &config::Survey,
        config: &Config,
        qualtrics: &Qualtrics,
        store: &Store,
    ) -> Result<Self, CliError> {
        let definition = match config.qualtrics_access() {
            Ok(_) => definition(qualtrics, &settings.id).await?,
            Err(unset) => kept_definition(store, &settings.id)
                .await?
                .ok_or_else(|| CliError::from(unset))?,
        };
        Self::with_definition(settings, &definition, store).await
    }

    /// The table's columns, without what is known of its key.
    pub(super) fn columns(&self) -> Vec<Column> {
        let existing = self.existing.iter().flatten();
        existing.map(|existing| existing.column.clone()).collect()
    }
}

/// A survey's definition, as Qualtrics describes it now.
pub(super) async fn definition(
    qualtrics: &Qualtrics,
    survey: &SurveyId,
) -> Result<SurveyDefinition, CliError> {
    let bodies = qualtrics.definition(survey).await?;
    let answers = DefinitionAnswers {
        response_schema: bodies.response_schema.as_deref(),
        survey: bodies.survey.as_deref(),
        survey_definition: bodies.survey_definition.as_deref(),
    };
    SurveyDefinition::from_answers(survey, &answers)
        .map_err(|error| CliError::failed(error.to_string()))
}

async fn kept_definition(
    store: &Store,
    survey: &SurveyId,
) -> Result<Option<SurveyDefinition>, CliError> {
    const KINDS: [ColumnType; 3] = [
        ColumnType::NVarchar(100),
        ColumnType::NClob,
        ColumnType::NVarchar(64),
    ];
    let rows = store.rows(sql::surveys::definition(survey), &KINDS).await?;
    Ok(match rows.first().map(|row| &**row) {
        Some([_, Cell::Text(text), _]) => SurveyDefinition::from_json(text).ok(),
        _ => None,
    })
}
