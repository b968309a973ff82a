//! A sandbox, and the jobs or the service that work with it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use ingester_core::id::{ResponseId, SurveyId};
use ingester_core::row::{Cell, ColumnType, TableName};
use ingester_core::sql::rows;
use qualtrics_ingester::config::{Config, Sources};
use qualtrics_ingester::http::App;
use qualtrics_ingester::jobs::Jobs;
use qualtrics_ingester::lifecycle::Lifecycle;
use qualtrics_ingester::qualtrics::NewSubscription;
use qualtrics_ingester::service::{self, Service};
use qualtrics_ingester::store::Store;
use qualtrics_sandbox::{Handle, Limits, Options, Sandbox};
use secrecy::SecretString;

pub(super) const SURVEY: &str = "SV_22VlHYNeldrrrk1";
const KEY: &str = "a key of the test";

pub(super) fn survey() -> SurveyId {
    SURVEY.parse().unwrap()
}

pub(super) fn id(text: &str) -> ResponseId {
    text.parse().unwrap()
}

/// A sandbox and a folder for the database.
pub(super) struct World {
    pub(super) sandbox: Handle,
    pub(super) url: String,
    folder: std::sync::Arc<tempfile::TempDir>,
    life: Lifecycle,
    toml: String,
    /// Bound services.
    pub(super) services: Option<String>,
    /// Another database than the folder's.
    pub(super) database: Option<String>,
}

impl World {
    /// Without limits: what is limited is asked for.
    pub(super) async fn new() -> Self {
        Self::with(Limits::Off, "").await
    }

    pub(super) async fn with(limits: Limits, settings: &str) -> Self {
        let options = Options {
            limits,
            ..Options::default()
        };
        let sandbox = Sandbox::bind(([127, 0, 0, 1], 0).into(), options)
            .await
            .unwrap();
        let life = Lifecycle::new();
        let (handle, url) = (sandbox.handle(), sandbox.base_url());
        life.spawn(
            "sandbox",
            sandbox.run(life.stopping().clone().cancelled_owned()),
        );
        Self {
            sandbox: handle,
            url,
            folder: std::sync::Arc::new(tempfile::tempdir().unwrap()),
            life,
            services: None,
            database: None,
            toml: Self::survey(settings),
        }
    }

    /// The same database and sandbox under more settings of the survey.
    pub(super) fn with_settings(&self, settings: &str) -> Self {
        self.under(format!("{}{settings}\n", self.toml))
    }

    /// The same database and sandbox under other settings of the survey.
    pub(super) fn with_toml(&self, settings: &str) -> Self {
        self.under(Self::survey(settings))
    }

    fn survey(settings: &str) -> String {
        format!("[[survey]]\nid = \"{SURVEY}\"\nname = \"Feedback\"\n{settings}")
    }

    fn under(&self, toml: String) -> Self {
        Self {
            sandbox: self.sandbox.clone(),
            url: self.url.clone(),
            folder: self.folder.clone(),
            life: self.life.clone(),
            services: self.services.clone(),
            database: self.database.clone(),
            toml,
        }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    pub(super) fn environment(&self) -> BTreeMap<String, String> {
        let file = self.folder.path().join("feedback.db");
        let database = self
            .database
            .clone()
            .unwrap_or_else(|| format!("sqlite:{}", file.display()));
        [
            ("QUALTRICS_BASE_URL", self.url.clone()),
            ("QUALTRICS_CLIENT_ID", "sandbox-client".to_owned()),
            ("QUALTRICS_CLIENT_SECRET", "sandbox-secret".to_owned()),
            ("QUALTRICS_SHARED_KEY", KEY.to_owned()),
            ("LISTEN_ADDR", "127.0.0.1:0".to_owned()),
            ("INGESTER_DATABASE_URL", database),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    pub(super) fn config(&self, settings: &[(&str, &str)]) -> Config {
        let mut environment = self.environment();
        environment.extend(
            settings
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        let mut sources = Sources::from_environment(environment, None).unwrap();
        sources.file = Some((PathBuf::from("test.toml"), self.toml.clone()));
        sources.services = self.services.clone();
        Config::load(&sources).unwrap()
    }

    /// The built binary with these settings, as a process of its own.
    pub(super) fn command(&self, arguments: &[&str]) -> tokio::process::Command {
        let config = self.path().join("ingester.toml");
        std::fs::write(&config, &self.toml).unwrap();
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_qualtrics-ingester"));
        command
            .args(arguments)
            .env_clear()
            .envs(self.environment())
            .env("INGESTER_CONFIG", &config)
            .kill_on_drop(true);
        command
    }

    /// `serve` as a process of its own, once Qualtrics calls it. Its log stands beside the database.
    pub(super) async fn spawn(&self) -> tokio::process::Child {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let log = std::fs::File::create(self.path().join("serve.log")).unwrap();
        let serve = self
            .command(&["serve"])
            .env("LISTEN_ADDR", &address)
            .env("PUBLIC_URL", format!("http://{address}"))
            .env("ENSURE_SUBSCRIPTIONS", "true")
            .env("RECONCILE_EVERY", "off")
            .env("RUST_LOG", "debug")
            .stderr(log)
            .spawn();
        eventually("a subscription", Duration::from_secs(20), || async {
            !self.sandbox.subscriptions().is_empty()
        })
        .await;
        serve.unwrap()
    }

    /// As a command has them.
    pub(super) fn jobs(&self) -> Jobs {
        service::jobs(&self.config(&[]), &Lifecycle::new()).unwrap()
    }

    /// A running service that Qualtrics calls.
    pub(super) async fn serve(&self, settings: &[(&str, &str)]) -> Served {
        let served = self.serve_unsubscribed(settings).await;
        served.subscribe().await;
        served
    }

    pub(super) async fn serve_unsubscribed(&self, settings: &[(&str, &str)]) -> Served {
        let life = Lifecycle::new();
        // The writer of a service that was stopped ends a little after it.
        let begun = std::time::Instant::now();
        let service = loop {
            match Service::build(self.config(settings), life.clone()).await {
                Ok(service) => break service,
                Err(error) => assert!(begun.elapsed() < Duration::from_secs(5), "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let (app, addr) = (service.app().clone(), service.addr());
        let running = self.life.spawn("service", service.run());
        Served {
            app: Some(app),
            url: format!("http://{addr}"),
            life,
            running,
        }
    }

    pub(super) fn insert(&self, response: &str, recorded_at: &str, answer: u32) {
        let document = serde_json::json!({
            "responseId": response,
            "values": {
                "startDate": recorded_at, "endDate": recorded_at, "status": 0, "progress": 100, "duration": 60,
                "finished": 1, "recordedDate": recorded_at, "_recordId": response, "distributionChannel": "anonymous",
                "userLanguage": "EN", "QID1": answer, "AccountID": format!("account {response}")
            },
            "labels": {}, "displayedFields": [], "displayedValues": {}
        });
        self.sandbox
            .insert(SURVEY, &serde_json::to_vec(&document).unwrap())
            .unwrap();
    }

    /// API calls so far; tokens and definitions not counted.
    pub(super) fn calls(&self) -> u64 {
        let counters = self.sandbox.counters();
        let of = |endpoint| counters.calls_of(endpoint);
        counters.calls.values().sum::<u64>() - of("token")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.life.stop();
    }
}

/// A service that runs.
pub(super) struct Served {
    app: Option<App>,
    pub(super) url: String,
    life: Lifecycle,
    running: tokio::task::JoinHandle<bool>,
}

impl Served {
    pub(super) fn app(&self) -> &App {
        self.app.as_ref().unwrap()
    }

    pub(super) fn store(&self) -> &Store {
        &self.app().store
    }

    pub(super) async fn subscribe(&self) {
        let subscription = NewSubscription {
            topic: format!("surveyengine.completedResponse.{SURVEY}"),
            url: format!("{}/webhooks/qualtrics", self.url).parse().unwrap(),
            shared_key: Some(SecretString::from(KEY)),
        };
        self.app().qualtrics.subscribe(subscription).await.unwrap();
    }

    pub(super) async fn stop(mut self) {
        self.app = None;
        self.life.stop();
        assert!(self.running.await.unwrap());
    }
}

/// The table, as text, ordered: equal texts are equal tables.
pub(super) fn dump(world: &World, query: &str) -> Vec<String> {
    let connection = rusqlite::Connection::open(world.path().join("feedback.db")).unwrap();
    connection.busy_timeout(Duration::from_secs(10)).unwrap();
    let mut statement = connection.prepare(query).unwrap();
    let columns = statement.column_count();
    let mut rows = statement.query([]).unwrap();
    let mut lines = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        let cells = (0..columns).map(|column| format!("{:?}", row.get_ref(column).unwrap()));
        lines.push(cells.collect::<Vec<_>>().join("|"));
    }
    lines
}

pub(super) const TABLE: &str = "SELECT * FROM \"FEEDBACK\" ORDER BY \"RESPONSEID\"";

/// Changes the database past the service.
pub(super) fn tamper(world: &World, statement: &str) -> usize {
    let connection = rusqlite::Connection::open(world.path().join("feedback.db")).unwrap();
    connection.busy_timeout(Duration::from_secs(10)).unwrap();
    connection.execute(statement, []).unwrap()
}

/// How many rows the survey's table has; none if there is no table yet.
pub(super) async fn count(store: &Store) -> i64 {
    let table: TableName = "FEEDBACK".parse().unwrap();
    let rows = store
        .rows(rows::count(store.dialect(), &table), &[ColumnType::BigInt])
        .await;
    match rows.ok().as_deref() {
        Some([row]) => match &row[0] {
            Cell::Integer(count) => *count,
            other => panic!("{other:?}"),
        },
        _ => 0,
    }
}

/// Waits until something is so, and fails if it does not become so.
#[track_caller]
pub(super) fn eventually<'a, F: Future<Output = bool> + 'a>(
    what: &'a str,
    patience: Duration,
    condition: impl Fn() -> F + 'a,
) -> impl Future<Output = ()> + 'a {
    let place = std::panic::Location::caller();
    async move {
        let begun = std::time::Instant::now();
        while !condition().await {
            assert!(begun.elapsed() < patience, "{place}: not in time: {what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
