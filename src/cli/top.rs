//! `top`: how a running service does, as it goes.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde::Serialize;
use tokio::time::Instant;
use url::Url;

use super::error::CliError;
use super::output::Format;
use super::{Globals, output, parts};
use crate::config::Config;
use crate::lifecycle::signal;

mod exposition;

use exposition::Exposition;

/// How often the view is renewed.
const EVERY: Duration = Duration::from_secs(1);
/// How long the service may take to answer.
const DEADLINE: Duration = Duration::from_secs(5);
/// More than any exposition of ours has.
const BYTES_MAX: usize = 4 * 1024 * 1024;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  qualtrics-ingester top\n  METRICS_TOKEN=… qualtrics-ingester top --url https://feedback.example"
)]
pub(super) struct Top {
    /// The running service; otherwise the one that listens as configured.
    #[arg(long, value_name = "URL")]
    url: Option<Url>,
}

/// One look.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Look {
    status: String,
    database_up: bool,
    subscriptions_up: Option<f64>,
    accepted: f64,
    duplicates: f64,
    retried: f64,
    rows: f64,
    dead: f64,
    refused: f64,
    accepted_per_second: Option<f64>,
    rows_per_second: Option<f64>,
    event_to_row_p50_ms: Option<f64>,
    event_to_row_p99_ms: Option<f64>,
    pending: f64,
    leased: f64,
    dead_letters: f64,
    oldest_pending_seconds: f64,
    calls_left: f64,
    qualtrics_requests: f64,
    #[serde(skip)]
    event_to_row: Vec<(f64, f64)>,
}

impl Top {
    pub(super) async fn run(self, globals: &Globals) -> Result<(), CliError> {
        let config = parts::config(globals)?;
        let url = match self.url {
            Some(url) => url,
            None => Url::parse(&format!("http://{}/", reachable(&config)))
                .map_err(|error| CliError::usage(error.to_string()))?,
        };
        let client = reqwest::Client::builder()
            .timeout(DEADLINE)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| CliError::failed(error.to_string()))?;
        let service = Service {
            client,
            url,
            token: config
                .metrics_token
                .map(|token| token.expose_secret().to_owned()),
        };
        let first = service.look().await?;
        if globals.output == Format::Json {
            output::json(&[first]);
            return Ok(());
        }
        if !output::is_live() {
            for line in first.lines() {
                output::line(line);
            }
            return Ok(());
        }
        service.watch(first).await
    }
}

/// An address that listens on all interfaces is reached at this machine's own.
fn reachable(config: &Config) -> std::net::SocketAddr {
    let mut address = config.listen;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    address
}

/// The service that is looked at.
struct Service {
    client: reqwest::Client,
    url: Url,
    token: Option<String>,
}

impl Service {
    async fn watch(&self, first: Look) -> Result<(), CliError> {
        let mut screen = output::Screen::default();
        let (mut before, mut at) = (first.clone(), Instant::now());
        screen.show(&first.lines());
        let mut ticks = tokio::time::interval(EVERY);
        ticks.tick().await;
        loop {
            tokio::select! {
                _ = signal() => return Ok(()),
                _ = ticks.tick() => {}
            }
            let mut look = self.look().await?;
            let seconds = at.elapsed().as_secs_f64();
            look.compare(&before, seconds);
            screen.show(&look.lines());
            (before, at) = (look, Instant::now());
        }
    }

    async fn look(&self) -> Result<Look, CliError> {
        let metrics = self.get("metrics").await?;
        let ready = self.get("health/ready").await?;
        let ready: serde_json::Value = serde_json::from_str(&ready).unwrap_or_default();
        let status = ready.get("status").and_then(|status| status.as_str());
        Ok(Look::new(
            &Exposition::parse(&metrics),
            status.unwrap_or("?"),
        ))
    }

    /// A body, whatever the status but 401: a service that is stopping says so with 503.
    async fn get(&self, path: &str) -> Result<String, CliError> {
        let url = self
            .url
            .join(path)
            .map_err(|error| CliError::usage(format!("--url: {error}")))?;
        let mut request = self.client.get(url.clone());
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let gone = |error: reqwest::Error| {
            let error = error.without_url();
            CliError::failed(format!(
                "{url} does not answer ({error}): start the service with `serve`, or name it with --url"
            ))
        };
        let mut response = request.send().await.map_err(gone)?;
        match response.status().as_u16() {
            401 | 403 => {
                return Err(CliError::failed(format!(
                    "{url} wants a token: set METRICS_TOKEN to the service's"
                )));
            }
            200 | 503 => {}
            status => {
                return Err(CliError::failed(format!(
                    "{url} answers {status}, so it is no qualtrics-ingester: name the service with --url"
                )));
            }
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(gone)? {
            body.extend_from_slice(&chunk);
            if body.len() > BYTES_MAX {
                return Err(CliError::failed(format!("{url} answers more than 4 MiB")));
            }
        }
        Ok(String::from_utf8_lossy(&body).into_owned())
    }
}

impl Look {
    fn new(metrics: &Exposition<'_>, status: &str) -> Self {
        let outcome = |outcome| metrics.value("ingester_events_total", Some(("outcome", outcome)));
        let inbox = |state| metrics.value("ingester_inbox_events", Some(("state", state)));
        let event_to_row = metrics.buckets("ingester_event_to_row_seconds");
        Self {
            status: status.to_owned(),
            database_up: metrics.value("ingester_database_up", None) > 0.0,
            subscriptions_up: metrics
                .has("ingester_subscription_up")
                .then(|| metrics.value("ingester_subscription_up", None)),
            accepted: outcome("accepted"),
            duplicates: outcome("duplicate"),
            retried: outcome("retried"),
            rows: outcome("row"),
            dead: outcome("dead"),
            refused: metrics.value("ingester_callbacks_refused_total", None),
            accepted_per_second: None,
            rows_per_second: None,
            event_to_row_p50_ms: milliseconds(&event_to_row, 0.50),
            event_to_row_p99_ms: milliseconds(&event_to_row, 0.99),
            pending: inbox("pending"),
            leased: inbox("leased"),
            dead_letters: inbox("dead"),
            oldest_pending_seconds: metrics.value("ingester_oldest_pending_seconds", None),
            calls_left: metrics.value("ingester_qualtrics_calls_left", None),
            qualtrics_requests: metrics.value("ingester_qualtrics_requests_total", None),
            event_to_row,
        }
    }

    /// Rates since the look before, and latencies of that time alone if there was anything in it.
    fn compare(&mut self, before: &Self, seconds: f64) {
        // A service that was restarted counts from zero again.
        let rate = |now: f64, before: f64| ((now - before) / seconds).max(0.0);
        self.accepted_per_second = Some(rate(self.accepted, before.accepted));
        self.rows_per_second = Some(rate(self.rows, before.rows));
        let recent: Vec<(f64, f64)> = self
            .event_to_row
            .iter()
            .zip(&before.event_to_row)
            .map(|((bound, now), (_, before))| (*bound, now - before))
            .collect();
        if let Some(p50) = milliseconds(&recent, 0.50) {
            self.event_to_row_p50_ms = Some(p50);
            self.event_to_row_p99_ms = milliseconds(&recent, 0.99);
        }
    }

    fn lines(&self) -> Vec<String> {
        let rate =
            |rate: Option<f64>| rate.map_or_else(String::new, |rate| format!(" ({rate:.1}/s)"));
        let time =
            |time: Option<f64>| time.map_or_else(|| "-".to_owned(), |time| format!("{time:.1} ms"));
        let up = if self.database_up { "up" } else { "down" };
        let subscriptions = self
            .subscriptions_up
            .map_or_else(String::new, |up| format!("  subscriptions {up:.0}"));
        vec![
            format!("service    {}  database {up}{subscriptions}", self.status),
            format!(
                "callbacks  accepted {:.0}{}  duplicates {:.0}  refused {:.0}",
                self.accepted,
                rate(self.accepted_per_second),
                self.duplicates,
                self.refused
            ),
            format!(
                "rows       {:.0}{}  retried {:.0}  dead {:.0}",
                self.rows,
                rate(self.rows_per_second),
                self.retried,
                self.dead
            ),
            format!(
                "event to row  p50 {}  p99 {}",
                time(self.event_to_row_p50_ms),
                time(self.event_to_row_p99_ms)
            ),
            format!(
                "inbox      pending {:.0}  leased {:.0}  dead {:.0}  oldest {:.0} s",
                self.pending, self.leased, self.dead_letters, self.oldest_pending_seconds
            ),
            format!(
                "qualtrics  {:.0} calls left this minute  {:.0} made",
                self.calls_left, self.qualtrics_requests
            ),
        ]
    }
}

fn milliseconds(buckets: &[(f64, f64)], share: f64) -> Option<f64> {
    exposition::quantile(buckets, share).map(|seconds| seconds * 1000.0)
}
