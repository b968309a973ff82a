//! What `demo` shows: the links, the counts, the newest rows and how long each took.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ingester_core::id::ResponseId;
use ingester_core::inbox::Change;
use ingester_core::row::{Cell, ColumnType, Table};
use ingester_core::sql;
use qualtrics_sandbox::Handle;
use secrecy::SecretString;
use tokio::sync::broadcast;

use crate::cli::error::CliError;
use crate::cli::{Globals, output};
use crate::http::App;
use crate::lifecycle::Lifecycle;
use crate::qualtrics::NewSubscription;

/// Responses that the live demo begins with.
const FIRST_BURST: u32 = 20;
/// How long `--once` waits for the last row after the last completion.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the demo shows.
pub(super) struct Show {
    pub(super) app: App,
    pub(super) handle: Handle,
    pub(super) survey_id: String,
    pub(super) survey_name: String,
    pub(super) addr: SocketAddr,
    pub(super) sandbox_url: String,
}

impl Show {
    pub(super) async fn subscribe(&self) -> Result<(), CliError> {
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

    pub(super) async fn once(&self, globals: &Globals, responses: u32) -> Result<(), CliError> {
        let (mut changes, _) = self.app.changes.listen(&self.app.store).await?;
        let mut completed = Vec::new();
        for _ in 0..responses {
            completed.push(self.complete()?);
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
        let rows = self.rows_of(&completed).await?;
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
        if rows < completed.len() {
            return Err(CliError::failed(format!(
                "{} responses did not become rows",
                completed.len() - rows
            )));
        }
        Ok(())
    }

    pub(super) async fn live(&self, rate: f64, life: &Lifecycle) -> Result<(), CliError> {
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

    /// How many of these responses are rows; the database may have others.
    async fn rows_of(&self, responses: &[String]) -> Result<usize, CliError> {
        const AT_ONCE: usize = 500;
        let ids = self.app.surveys.ids();
        let Some(survey) = ids.first().and_then(|id| self.app.surveys.known(id)) else {
            return Ok(0);
        };
        let responses: Vec<ResponseId> =
            responses.iter().filter_map(|id| id.parse().ok()).collect();
        let mut found = 0;
        for some in responses.chunks(AT_ONCE) {
            found += self.app.store.ids_of(&survey.table.name, some).await?.len();
        }
        Ok(found)
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
