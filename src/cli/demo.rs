//! `demo`: a local Qualtrics and the service in one process, talking to each other over HTTP only.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ingester_core::inbox::Change;
use ingester_core::row::{Cell, ColumnType, Table};
use ingester_core::sql;
use qualtrics_sandbox::{Faults, Handle, Options, Sandbox, Survey};
use secrecy::SecretString;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::broadcast;

use super::error::CliError;
use super::{Globals, output};
use crate::config::{Config, Sources};
use crate::http::App;
use crate::lifecycle::Lifecycle;
use crate::qualtrics::NewSubscription;
use crate::service::Service;

/// Responses that the live demo begins with.
const FIRST_BURST: u32 = 20;
/// How long `--once` waits for the last row after the last completion.
const PATIENCE: Duration = Duration::from_secs(120);
/// What is taken over from the environment; everything else is the demo's own, so that it needs nothing and touches
/// nothing. `DATABASE_URL` is not looked at: it may be somebody else's database.
const TAKEN_OVER: [&str; 6] = [
    "INGESTER_DATABASE_URL",
    "DATABASE_PASSWORD",
    "RUST_LOG",
    "LOG_FORMAT",
    "UI5_URL",
    "QUALTRICS_REQUESTS_PER_MINUTE",
];

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  qualtrics-ingester demo\n  qualtrics-ingester demo --once 200\n  qualtrics-ingester demo --survey-definition my-survey.qsf"
)]
pub(super) struct Demo {
    /// Completes N responses, waits until all are rows, prints them with the latencies, and ends.
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "25")]
    once: Option<u32>,
    /// Keeps the database in this folder; otherwise in a temporary one.
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// A survey of your own: a QSF file, or an answer of GET /survey-definitions/{id}.
    #[arg(long, value_name = "FILE")]
    survey_definition: Option<PathBuf>,
    /// Where to listen; a free port if it is taken and none was asked for.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Responses per second once the first ones are in.
    #[arg(long, value_name = "PER_SECOND", default_value_t = 1.0)]
    rate: f64,
    /// What goes wrong at Qualtrics, such as 429=0.1,slow=0.05,not-yet=0.2,drop=0.02.
    #[arg(long = "fault", value_name = "SWITCHES", default_value_t)]
    faults: Faults,
}

impl Demo {
    pub(super) async fn run(self, globals: &Globals) -> Result<(), CliError> {
        if !(self.rate > 0.0 && self.rate <= 1000.0) {
            return Err(CliError::usage(
                "--rate is more than 0 and at most 1000 responses per second",
            ));
        }
        let folder = Folder::new(self.data_dir.as_deref())?;
        let survey = self.survey()?;
        let (survey_id, survey_name) = (survey.id().to_owned(), survey.name().to_owned());
        let options = Options {
            faults: self.faults.clone(),
            surveys: vec![survey],
            ..Options::default()
        };
        let sandbox = Sandbox::bind(([127, 0, 0, 1], 0).into(), options.clone())
            .await
            .map_err(|error| CliError::failed(error.to_string()))?;
        let (handle, sandbox_url) = (sandbox.handle(), sandbox.base_url());
        let config = self
            .config(&folder.path, &sandbox_url, &options, &survey_id)
            .await?;

        let life = Lifecycle::new();
        life.spawn(
            "sandbox",
            sandbox.run(life.stopping().clone().cancelled_owned()),
        );
        let service = Service::build(config, life.clone()).await?;
        let (app, addr) = (service.app().clone(), service.addr());
        life.stop_on_signals();

        let show = Show {
            app,
            handle,
            survey_id,
            survey_name,
            addr,
            sandbox_url,
        };
        let showing = async {
            let shown = match show.subscribe().await {
                Ok(()) => match self.once {
                    Some(responses) => show.once(globals, responses).await,
                    None => show.live(self.rate, &life).await,
                },
                Err(error) => Err(error),
            };
            life.stop();
            drop(show);
            shown
        };
        let (_, shown) = tokio::join!(service.run(), showing);
        shown
    }

    fn survey(&self) -> Result<Survey, CliError> {
        let survey = match &self.survey_definition {
            Some(path) => Survey::load(path),
            None => Survey::project_feedback(),
        };
        survey.map_err(|error| CliError::usage(error.to_string()))
    }

    async fn config(
        &self,
        folder: &Path,
        sandbox_url: &str,
        options: &Options,
        survey_id: &str,
    ) -> Result<Config, CliError> {
        let process = Sources::from_process(None)?;
        let mut environment: BTreeMap<String, String> = process
            .environment
            .into_iter()
            .filter(|(name, _)| TAKEN_OVER.contains(&name.as_str()))
            .collect();
        let key = uuid::Uuid::new_v4().simple().to_string();
        let own = [
            ("QUALTRICS_BASE_URL", sandbox_url.to_owned()),
            ("QUALTRICS_CLIENT_ID", options.client_id.clone()),
            ("QUALTRICS_CLIENT_SECRET", options.client_secret.clone()),
            ("QUALTRICS_SHARED_KEY", key),
            ("LISTEN_ADDR", self.address().await.to_string()),
        ];
        environment.extend(own.map(|(name, value)| (name.to_owned(), value)));
        // What goes right is on the screen; the log is for what does not.
        environment
            .entry("RUST_LOG".to_owned())
            .or_insert_with(|| "warn".to_owned());
        if !environment.contains_key("INGESTER_DATABASE_URL") {
            let path = folder.join("feedback.db");
            environment.insert(
                "INGESTER_DATABASE_URL".to_owned(),
                format!("sqlite:{}", path.display()),
            );
        }
        let mut sources = Sources::from_environment(environment, None)?;
        sources.file = Some((
            PathBuf::from("demo.toml"),
            format!("[[survey]]\nid = \"{survey_id}\"\n{}", self.name()),
        ));
        sources.services = None;
        let config = Config::load(&sources)?;
        super::start_logging(&config);
        config.check_serve()?;
        Ok(config)
    }

    /// The built-in survey has the name that the documentation speaks of.
    fn name(&self) -> &'static str {
        if self.survey_definition.is_some() {
            ""
        } else {
            "name = \"ProjectFeedback\"\n"
        }
    }

    /// The address asked for; port 8080 if nobody asked, or a free one if that is taken.
    async fn address(&self) -> SocketAddr {
        let usual = SocketAddr::from(([127, 0, 0, 1], 8080));
        match self.listen {
            Some(address) => address,
            None if TcpListener::bind(usual).await.is_ok() => usual,
            None => ([127, 0, 0, 1], 0).into(),
        }
    }
}

/// Where the database lives; removed at the end unless somebody wants to keep it.
struct Folder {
    path: PathBuf,
    temporary: bool,
}

impl Folder {
    fn new(kept: Option<&Path>) -> Result<Self, CliError> {
        let (path, temporary) = match kept {
            Some(path) => (path.to_owned(), false),
            None => (
                std::env::temp_dir().join(format!(
                    "qualtrics-ingester-demo-{}",
                    uuid::Uuid::now_v7().simple()
                )),
                true,
            ),
        };
        std::fs::create_dir_all(&path).map_err(|error| {
            CliError::usage(format!(
                "--data-dir {} can't be made: {error}",
                path.display()
            ))
        })?;
        Ok(Self { path, temporary })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.temporary {
            drop(std::fs::remove_dir_all(&self.path));
        }
    }
}

/// What the demo shows.
struct Show {
    app: App,
    handle: Handle,
    survey_id: String,
    survey_name: String,
    addr: SocketAddr,
    sandbox_url: String,
}

impl Show {
    async fn subscribe(&self) -> Result<(), CliError> {
        let key = self.app.config.subscription_key()?;
        let url = format!("http://{}/webhooks/qualtrics", self.addr);
        let subscription = NewSubscription {
            topic: format!("surveyengine.completedResponse.{}", self.survey_id),
            url: url
                .parse()
                .map_err(|_| CliError::failed(format!("{url} is no URL")))?,
            shared_key: Some(SecretString::clone(key)),
        };
        self.app.qualtrics.subscribe(subscription).await?;
        Ok(())
    }

    fn complete(&self) -> Result<String, CliError> {
        let nothing = serde_json::Value::Object(serde_json::Map::new());
        self.handle
            .complete(&self.survey_id, nothing)
            .map_err(|error| CliError::failed(error.to_string()))
    }

    async fn once(&self, globals: &Globals, responses: u32) -> Result<(), CliError> {
        let (mut changes, _) = self.app.changes.listen(&self.app.store).await?;
        for _ in 0..responses {
            self.complete()?;
        }
        let mut latencies = Latencies::default();
        let wanted = usize::try_from(responses).unwrap_or(usize::MAX);
        let waiting = async {
            while latencies.rows() < wanted {
                match changes.recv().await {
                    Ok(change) => latencies.add(&change),
                    Err(broadcast::error::RecvError::Lagged(missed)) => latencies.missed += missed,
                    Err(broadcast::error::RecvError::Closed) => return,
                }
            }
        };
        drop(tokio::time::timeout(PATIENCE, waiting).await);
        let rows = self.count().await?;
        if globals.output == output::Format::Json {
            let summary = serde_json::json!([{
                "completed": responses, "rows": rows, "p50Ms": latencies.milliseconds(50), "p99Ms": latencies.milliseconds(99),
            }]);
            output::line(summary.to_string());
        } else {
            self.print_newest().await?;
            output::line(format!(
                "{rows} rows of {responses} completed responses; event to row {latencies}"
            ));
        }
        if rows < u64::from(responses) {
            return Err(CliError::failed(format!(
                "{} responses did not become rows",
                u64::from(responses) - rows
            )));
        }
        Ok(())
    }

    async fn live(&self, rate: f64, life: &Lifecycle) -> Result<(), CliError> {
        let Self {
            addr,
            sandbox_url,
            survey_id,
            ..
        } = self;
        let set = self
            .app
            .surveys
            .ids()
            .first()
            .and_then(|id| self.app.surveys.get(id))
            .map(|survey| survey.name.clone())
            .unwrap_or_default();
        output::line(format!(
            "{} — a local Qualtrics, the service, and responses coming in. Ctrl-C ends it.",
            self.survey_name
        ));
        output::line(format!("  live page        http://{addr}/"));
        output::line(format!(
            "  fill in          {sandbox_url}/jfe/form/{survey_id}?AccountID=ACME&ProjectID=P1&PhaseID=Build"
        ));
        output::line(format!("  cards            http://{addr}/cards/"));
        output::line(format!(
            "  query            curl 'http://{addr}/odata/v4/feedback/{set}?$top=5&$orderby=RecordedDate%20desc&$count=true'"
        ));
        let (mut changes, _) = self.app.changes.listen(&self.app.store).await?;
        let mut latencies = Latencies::default();
        for _ in 0..FIRST_BURST {
            self.complete()?;
        }
        let mut completions = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
        let mut lines = tokio::time::interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                () = life.stopping().cancelled() => break,
                _ = completions.tick() => { self.complete()?; }
                change = changes.recv() => match change {
                    Ok(change) => latencies.add(&change),
                    Err(broadcast::error::RecvError::Lagged(missed)) => latencies.missed += missed,
                    Err(broadcast::error::RecvError::Closed) => break,
                },
                _ = lines.tick() => {
                    let calls_left = self.app.qualtrics.figures().calls_left;
                    output::status(format!("{} rows  event to row {latencies}  {calls_left} calls left this minute", latencies.rows()));
                }
            }
        }
        output::line("");
        Ok(())
    }

    async fn count(&self) -> Result<u64, CliError> {
        let Some(survey) = self
            .app
            .surveys
            .ids()
            .first()
            .and_then(|id| self.app.surveys.known(id))
        else {
            return Ok(0);
        };
        let statement = sql::rows::count(self.app.store.dialect(), &survey.table.name);
        let rows = self
            .app
            .store
            .rows(statement, &[ColumnType::BigInt])
            .await?;
        Ok(match rows.first().map(|row| &**row) {
            Some([Cell::Integer(count)]) => u64::try_from(*count).unwrap_or(0),
            _ => 0,
        })
    }

    /// The newest rows with their first columns, as the database has them.
    async fn print_newest(&self) -> Result<(), CliError> {
        const COLUMNS: usize = 8;
        let first = self
            .app
            .surveys
            .ids()
            .first()
            .and_then(|id| self.app.surveys.known(id));
        let Some(survey) = first else { return Ok(()) };
        // Dates are alike in all of them; answers are what one wants to see.
        let is_shown = |index: &usize| {
            survey
                .table
                .columns
                .get(*index)
                .is_some_and(|column| column.kind != ColumnType::Timestamp)
        };
        let shown: Vec<usize> = (0..survey.table.columns.len())
            .filter(is_shown)
            .take(COLUMNS)
            .collect();
        let lines = self.newest(&survey.table).await?.into_iter().map(|row| {
            shown
                .iter()
                .map(|&index| row.get(index).map(text).unwrap_or_default())
                .collect()
        });
        let name = |&index: &usize| {
            survey
                .table
                .columns
                .get(index)
                .map(|column| column.name.as_ref())
        };
        let names: Vec<&str> = shown.iter().filter_map(name).collect();
        output::line(output::table(&names, lines));
        Ok(())
    }

    async fn newest(&self, table: &Table) -> Result<Vec<Box<[Cell]>>, CliError> {
        const ROWS: u32 = 10;
        const CHANGE: [ColumnType; 3] = [
            ColumnType::BigInt,
            ColumnType::NVarchar(18),
            ColumnType::NVarchar(69),
        ];
        let store = &self.app.store;
        let kinds: Vec<_> = table.columns.iter().map(|column| column.kind).collect();
        let mut newest = Vec::new();
        for change in store
            .rows(sql::changes::newest(Some(&self.survey_id), ROWS), &CHANGE)
            .await?
        {
            let [_, _, Cell::Text(response)] = &*change else {
                continue;
            };
            let Ok(response) = response.parse() else {
                continue;
            };
            newest.append(
                &mut store
                    .rows(
                        sql::rows::current(store.dialect(), table, &response),
                        &kinds,
                    )
                    .await?,
            );
        }
        Ok(newest)
    }
}

/// A cell for people: the beginning of long texts.
fn text(cell: &Cell) -> String {
    const CHARS: usize = 40;
    let text = match cell {
        Cell::Null => String::new(),
        Cell::Boolean(value) => value.to_string(),
        Cell::Integer(value) => value.to_string(),
        Cell::Decimal(value) => value.normalized().to_plain_string(),
        Cell::Double(value) => value.to_string(),
        Cell::Date(value) => value.to_string(),
        Cell::Timestamp(value) => ingester_core::time::to_text(*value),
        Cell::Text(value) => value.clone(),
    };
    match text.char_indices().nth(CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// Event-to-row times.
#[derive(Debug, Default)]
struct Latencies {
    milliseconds: Vec<f64>,
    /// Rows of which only the number is known.
    missed: u64,
}

impl Latencies {
    fn add(&mut self, change: &Arc<Change>) {
        if let Some(received_at) = change.received_at {
            let duration = change.committed_at.duration_since(received_at);
            self.milliseconds.push(duration.as_secs_f64() * 1000.0);
        }
    }

    fn rows(&self) -> usize {
        self.milliseconds.len() + usize::try_from(self.missed).unwrap_or(0)
    }

    fn milliseconds(&self, percentile: usize) -> Option<f64> {
        let mut sorted = self.milliseconds.clone();
        sorted.sort_by(f64::total_cmp);
        let index = (sorted.len() * percentile).div_ceil(100).saturating_sub(1);
        sorted.get(index).copied()
    }
}

impl std::fmt::Display for Latencies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.milliseconds(50), self.milliseconds(99)) {
            (Some(p50), Some(p99)) => write!(f, "p50 {p50:.1} ms, p99 {p99:.1} ms"),
            _ => f.write_str("not measured yet"),
        }
    }
}
