//! The real service on a free port, with a sandbox for Qualtrics and a folder of its own.

mod client;
mod issuer;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use qualtrics_ingester::config::{Config, Sources};
use qualtrics_ingester::http::App;
use qualtrics_ingester::lifecycle::Lifecycle;
use qualtrics_ingester::qualtrics::NewSubscription;
use qualtrics_ingester::service::Service;
use qualtrics_sandbox::{Handle, Options, Sandbox, Survey};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::database::Database;

pub(crate) use client::Client;
pub(crate) use issuer::{Issuer, Signer, claims};

/// The sandbox's survey, served as `ProjectFeedback`.
pub(crate) const SURVEY: &str = "SV_22VlHYNeldrrrk1";
/// Where OData's URLs begin.
pub(crate) const ODATA: &str = "/odata/v4/feedback/";

/// A running service.
pub(crate) struct TestService {
    pub(crate) base: String,
    pub(crate) app: App,
    pub(crate) sandbox: Handle,
    pub(crate) life: Lifecycle,
    running: JoinHandle<bool>,
    _database: Database,
    folder: tempfile::TempDir,
}

/// What a service is started with beside the usual.
#[derive(Default)]
pub(crate) struct Setup {
    toml: String,
    environment: BTreeMap<String, String>,
    services: Option<String>,
    sqlite: bool,
}

impl Setup {
    /// More of the configuration file.
    pub(crate) fn toml(mut self, toml: &str) -> Self {
        self.toml.push_str(toml);
        self
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Tokens of this issuer are asked for.
    pub(crate) fn issuer(self, issuer: &Issuer) -> Self {
        self.services(&issuer.binding())
    }

    /// `VCAP_SERVICES`, with an XSUAA in it.
    pub(crate) fn services(mut self, services: &str) -> Self {
        self.services = Some(services.to_owned());
        self.variable("AUTH", "xsuaa")
    }

    /// On SQLite whatever the suite runs on, because the test writes into the file itself.
    pub(crate) fn on_sqlite(mut self) -> Self {
        self.sqlite = true;
        self
    }

    pub(crate) async fn start(self) -> TestService {
        let folder = tempfile::tempdir().unwrap();
        let database = if self.sqlite {
            Database::sqlite(folder.path())
        } else {
            Database::fresh(folder.path()).await
        };
        let options = Options {
            surveys: vec![Survey::project_feedback().unwrap()],
            ..Options::default()
        };
        let sandbox = Sandbox::bind(([127, 0, 0, 1], 0).into(), options.clone())
            .await
            .unwrap();
        let (handle, sandbox_url) = (sandbox.handle(), sandbox.base_url());
        let life = Lifecycle::new();
        life.spawn(
            "sandbox",
            sandbox.run(life.stopping().clone().cancelled_owned()),
        );

        let service = Service::build(self.config(&database, &sandbox_url, &options), life.clone())
            .await
            .unwrap();
        let (app, addr) = (service.app().clone(), service.addr());
        let running = life_of(service);
        let subscription = NewSubscription {
            topic: format!("surveyengine.completedResponse.{SURVEY}"),
            url: format!("http://{addr}/webhooks/qualtrics").parse().unwrap(),
            shared_key: None,
        };
        app.qualtrics.subscribe(subscription).await.unwrap();
        app.surveys
            .compiled(&SURVEY.parse().unwrap())
            .await
            .unwrap();
        TestService {
            base: format!("http://{addr}"),
            app,
            sandbox: handle,
            life,
            running,
            _database: database,
            folder,
        }
    }

    fn config(&self, database: &Database, sandbox_url: &str, options: &Options) -> Config {
        let mut environment: BTreeMap<String, String> = [
            ("QUALTRICS_BASE_URL", sandbox_url.to_owned()),
            ("QUALTRICS_CLIENT_ID", options.client_id.clone()),
            ("QUALTRICS_CLIENT_SECRET", options.client_secret.clone()),
            ("QUALTRICS_ALLOW_UNSIGNED", "true".to_owned()),
            ("QUALTRICS_REQUESTS_PER_MINUTE", "1000000".to_owned()),
            ("LISTEN_ADDR", "127.0.0.1:0".to_owned()),
            ("INGESTER_DATABASE_URL", database.url()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        environment.extend(self.environment.clone());
        let mut sources = Sources::from_environment(environment, None).unwrap();
        let survey = format!("[[survey]]\nid = \"{SURVEY}\"\nname = \"ProjectFeedback\"\n");
        sources.file = Some((PathBuf::from("test.toml"), format!("{survey}{}", self.toml)));
        sources.services = self.services.clone();
        let config = Config::load(&sources).unwrap();
        config.check_serve().unwrap();
        config
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the service's own end is what tests wait for"
)]
fn life_of(service: Service) -> JoinHandle<bool> {
    tokio::spawn(service.run())
}

impl TestService {
    /// A service that asks nobody who they are.
    pub(crate) async fn start() -> Self {
        Setup::default().start().await
    }

    /// Somebody without a token.
    pub(crate) fn anybody(&self) -> Client {
        Client::new(&self.base, None)
    }

    /// Somebody with a token.
    pub(crate) fn viewer(&self, token: &str) -> Client {
        Client::new(&self.base, Some(token))
    }

    /// Completes responses and waits until all are rows; answers their ids, in order.
    pub(crate) async fn complete(&self, answers: impl IntoIterator<Item = Value>) -> Vec<String> {
        let before = self.rows().await;
        let ids: Vec<String> = answers
            .into_iter()
            .map(|answers| self.sandbox.complete(SURVEY, answers).unwrap())
            .collect();
        let wanted = before + ids.len();
        eventually("all responses are rows", async || {
            self.rows().await == wanted
        })
        .await;
        ids
    }

    /// How many rows there are, whoever may see them.
    async fn rows(&self) -> usize {
        let statement = ingester_core::sql::inbox::done_counts();
        let kinds = [
            ingester_core::row::ColumnType::NVarchar(18),
            ingester_core::row::ColumnType::BigInt,
        ];
        let rows = self.app.store.rows(statement, &kinds).await.unwrap();
        match rows.first().map(|row| &row[1]) {
            Some(ingester_core::row::Cell::Integer(count)) => usize::try_from(*count).unwrap(),
            _ => 0,
        }
    }

    /// The file of a service that was started on SQLite.
    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("feedback.db")
    }

    /// Stops in good order.
    pub(crate) async fn stop(self) {
        self.life.stop();
        assert!(self.running.await.unwrap(), "the shutdown was orderly");
    }
}

/// Answers of a response with these embedded fields.
pub(crate) fn response(account: &str, q1: i64) -> Value {
    json!({ "AccountID": account, "ProjectID": "P1", "PhaseID": "Realize", "Q1": q1, "Q18": format!("from {account}") })
}

/// Waits for a condition instead of sleeping for luck.
#[track_caller]
pub(crate) fn eventually<F>(what: &str, mut condition: F) -> impl Future<Output = ()>
where
    F: AsyncFnMut() -> bool,
{
    let place = std::panic::Location::caller();
    async move {
        let waiting = async {
            while !condition().await {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), waiting).await;
        assert!(waited.is_ok(), "{place}: not within 20 s: {what}");
    }
}
