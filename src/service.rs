//! Builds the parts from the configuration, binds, and runs. `serve`, `demo` and the tests all start here.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ingester_core::access::{AccessError, AccessRules, EmailTrust};
use ingester_core::callback::{SharedKeys, Signing};
use ingester_core::mapping::PseudonymKey;
use jiff::tz::TimeZone;
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::changes::Changes;
use crate::config::{Auth, Config, Database, Webhook};
use crate::http::{self, App};
use crate::identity::{ClientError, Identity, IdentityError};
use crate::jobs::instances::Announcer;
use crate::jobs::keeper::Keeper;
use crate::jobs::silence::Watch;
use crate::jobs::subscriptions::{Subscriptions, Wish};
use crate::jobs::{self, Jobs, housekeeping};
use crate::lifecycle::{DRAIN_DEADLINE, Lifecycle};
use crate::model::Models;
use crate::pipeline::{Parts, Pipeline};
use crate::qualtrics::{Qualtrics, QualtricsError};
use crate::store::{Role, Store, StoreError};
use crate::surveys::Surveys;
use crate::telemetry::metrics::Metrics;

/// Of the time for an orderly end, what is left for those who were told to stop at once.
const ABORT_DEADLINE: Duration = Duration::from_millis(500);

/// Why the service can't start.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The address is taken, or not ours.
    #[error("can't listen on {address}: {source}: set LISTEN_ADDR or PORT to a free address")]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The database is taken by another `serve`.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The Qualtrics client can't be set up.
    #[error("{0}")]
    Qualtrics(#[from] QualtricsError),
    /// Tokens can't be checked, or asked for.
    #[error("{0}")]
    Identity(#[from] IdentityError),
    /// The job scheduler's binding can't be used.
    #[error("{0}")]
    JobScheduler(#[from] ClientError),
    /// The key for pseudonyms is too short.
    #[error("PSEUDONYM_KEY: {0}")]
    PseudonymKey(#[from] ingester_core::mapping::PseudonymKeyError),
    /// The access rules contradict the other settings.
    #[error("{0}")]
    Access(#[from] AccessError),
    /// There is no such time zone.
    #[error(
        "time_zone of [odata] is {0}, which is no time zone: write an IANA name, for example Europe/Berlin"
    )]
    TimeZone(String),
}

/// A service that listens and is not yet serving.
#[derive(Debug)]
pub struct Service {
    app: App,
    listener: TcpListener,
    addr: SocketAddr,
}

impl Service {
    /// Opens the store, starts the parts, and binds.
    ///
    /// # Errors
    /// If the address or the database is taken, or the configuration can't be used.
    pub async fn build(config: Config, life: Lifecycle) -> Result<Self, ServiceError> {
        let metrics = Metrics::new();
        let (listener, addr) = listen(config.listen).await?;
        let store = open(&config, Role::Service, &metrics)?;
        let qualtrics = Qualtrics::start(&config.qualtrics, metrics.clone(), &life)?;
        let surveys = surveys(&config, store.clone(), qualtrics.clone(), metrics.clone())?;
        let time_zone = TimeZone::get(&config.odata.time_zone)
            .map_err(|_| ServiceError::TimeZone(config.odata.time_zone.clone()))?;
        let models = Models::new(surveys.clone(), time_zone);
        let identity = Identity::new(&config.auth, &life)?;
        let access = access_rules(&config)?;
        let changes = Changes::default();
        let pipeline = Pipeline::start(Parts {
            store: store.clone(),
            surveys: surveys.clone(),
            qualtrics: qualtrics.clone(),
            changes: changes.clone(),
            metrics: metrics.clone(),
            life: life.clone(),
        });
        life.spawn_part(
            "housekeeping",
            housekeeping::run(store.clone(), config.inbox_retention, life.clone()),
        );
        life.spawn_part(
            "changes",
            changes.clone().follow(store.clone(), life.clone()),
        );
        life.spawn("definitions", prepare(surveys.clone()));
        let subscriptions = start_subscriptions(&config, &store, &qualtrics, &metrics, &life)?;
        let parts = jobs::Parts {
            store: store.clone(),
            surveys: surveys.clone(),
            qualtrics: qualtrics.clone(),
            changes: changes.clone(),
            metrics: metrics.clone(),
        };
        let jobs = Jobs::new(parts, life.clone(), config.events.webhook().is_some());
        start_jobs(&config, &jobs, subscriptions);
        let app = App::new(http::Parts {
            signing: config.events.webhook().map(signing),
            store,
            surveys,
            qualtrics,
            pipeline,
            changes,
            models,
            identity,
            access,
            reports: http::reports(&config)?,
            jobs,
            metrics,
            life,
            config,
            ready: AtomicBool::new(false),
        });
        Ok(Self {
            app,
            listener,
            addr,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The parts, for whoever runs in the same process.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Serves until the shutdown is over. True if it was an orderly one.
    pub async fn run(self) -> bool {
        let Self {
            app,
            listener,
            addr,
        } = self;
        let life = app.life.clone();
        app.ready.store(true, Ordering::Release);
        tracing::info!(%addr, "listening on {addr}");
        let router = http::router(app.clone());
        life.spawn_part(
            "server",
            http::server::serve(listener, router, life.clone()),
        );
        life.stopping().cancelled().await;
        tracing::info!("shutting down");
        drop(app);
        let drained = tokio::select! {
            drained = life.drained(DRAIN_DEADLINE - ABORT_DEADLINE) => drained,
            () = life.aborting().cancelled() => false,
        };
        if !drained {
            life.abort();
            if !life.drained(ABORT_DEADLINE).await {
                tracing::warn!(
                    "some work did not end in time; its events are claimed again after the restart"
                );
            }
        }
        !life.failed()
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServiceError> {
    let listen = |source| ServiceError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(listen)?;
    let addr = listener.local_addr().map_err(listen)?;
    Ok((listener, addr))
}

/// Opens the configured database.
///
/// # Errors
/// If another `serve` holds it, or its settings can't be used.
pub fn open(config: &Config, role: Role, metrics: &Metrics) -> Result<Store, ServiceError> {
    match &config.database {
        Database::Sqlite(path) => Ok(Store::open_sqlite(path.clone(), role, metrics.clone())?),
        Database::Hana(settings) => Ok(Store::open_hana(settings.clone(), role, metrics.clone())?),
    }
}

/// Who sees which rows. With `AUTH=none` nobody is asked who they are, so that no rule could tell one viewer from
/// another: everybody who reaches the service, which is on loopback then, sees everything.
///
/// # Errors
/// If a rule can't be kept.
pub fn access_rules(config: &Config) -> Result<AccessRules, AccessError> {
    let trust = match &config.auth {
        Auth::None => return Ok(AccessRules::open()),
        Auth::Xsuaa(_) => EmailTrust::Origins(config.email_origins.clone()),
        Auth::Closed | Auth::Ias(_) | Auth::Oidc(_) => EmailTrust::Verified,
    };
    AccessRules::new(config.access.clone(), trust)
}

/// The parts of jobs that a command runs, beside `serve` or without it.
///
/// # Errors
/// If the configuration can't be used.
pub fn jobs(config: &Config, life: &Lifecycle) -> Result<Jobs, ServiceError> {
    let metrics = Metrics::new();
    let store = open(config, Role::Command, &metrics)?;
    // Without access one that answers nothing: the database may know enough.
    let qualtrics = match config.qualtrics_access() {
        Ok(_) => Qualtrics::start(&config.qualtrics, metrics.clone(), life)?,
        Err(_) => Qualtrics::from_channel(mpsc::channel(1).0),
    };
    let parts = jobs::Parts {
        surveys: surveys(config, store.clone(), qualtrics.clone(), metrics.clone())?,
        store,
        qualtrics,
        changes: Changes::default(),
        metrics,
    };
    let events = config.events.webhook().is_some();
    Ok(Jobs::new(parts, life.clone(), events))
}

/// The configured surveys.
///
/// # Errors
/// If the key for pseudonyms is too short.
pub fn surveys(
    config: &Config,
    store: Store,
    qualtrics: Qualtrics,
    metrics: Metrics,
) -> Result<Surveys, ServiceError> {
    let key = config.pseudonym_key.as_ref();
    let pseudonym_key = key
        .map(|key| key.expose_secret().parse::<PseudonymKey>())
        .transpose()?;
    Ok(Surveys::new(
        config.surveys.clone(),
        store,
        qualtrics,
        metrics,
        pseudonym_key,
    ))
}

/// Tells the other instances of this one, and keeps the subscriptions where that is wanted.
fn start_subscriptions(
    config: &Config,
    store: &Store,
    qualtrics: &Qualtrics,
    metrics: &Metrics,
    life: &Lifecycle,
) -> Result<Option<Subscriptions>, ServiceError> {
    let announcer = Announcer::new(
        config,
        pseudonym_fingerprint(config)?,
        store.clone(),
        qualtrics.clone(),
        metrics.clone(),
        life.clone(),
    );
    life.spawn_part("instances", announcer.run());
    if !config.ensure_subscriptions {
        return Ok(None);
    }
    // What is missing for it, `Config::check_serve` has said.
    let Ok(wish) = Wish::of(config) else {
        return Ok(None);
    };
    let subscriptions = Subscriptions::new(wish, store.clone(), qualtrics.clone());
    life.spawn_part(
        "subscriptions",
        subscriptions.clone().keep(metrics.clone(), life.clone()),
    );
    Ok(Some(subscriptions))
}

/// Starts what keeps the tables complete.
fn start_jobs(config: &Config, jobs: &Jobs, subscriptions: Option<Subscriptions>) {
    let life = &jobs.life;
    life.spawn_part("figures", Keeper::figures(jobs.clone()));
    let Some(every) = config.reconcile_every else {
        return;
    };
    life.spawn_part("history", Keeper::history(jobs.clone()));
    life.spawn_part("reconcile", Keeper::new(jobs.clone(), every).reconcile());
    if jobs.status.expects_callbacks() {
        life.spawn_part("silence", Watch::new(jobs.clone(), subscriptions).run());
    }
}

/// The fingerprint of `PSEUDONYM_KEY`, where a survey uses it.
///
/// # Errors
/// If the key is too short.
pub fn pseudonym_fingerprint(config: &Config) -> Result<Option<String>, ServiceError> {
    let used = config
        .surveys
        .iter()
        .any(|survey| !survey.pseudonymize.is_empty());
    let key = config.pseudonym_key.as_ref().filter(|_| used);
    let key = key
        .map(|key| key.expose_secret().parse::<PseudonymKey>())
        .transpose()?;
    Ok(key.map(|key| key.fingerprint()))
}

fn signing(webhook: &Webhook) -> Signing {
    Signing {
        keys: webhook.shared_key.clone().map(|current| SharedKeys {
            current,
            previous: webhook.shared_key_previous.clone(),
        }),
        token: webhook.token.clone(),
        allow_unsigned: webhook.allow_unsigned,
    }
}

/// Makes the maps and tables before the first event asks for them. What fails now is asked again by whoever needs it.
async fn prepare(surveys: Surveys) {
    for survey in surveys.ids().iter() {
        drop(surveys.compiled(survey).await);
    }
}
