//! The settings. Five layers, strongest first: the command line, the environment, the TOML file, bound services,
//! defaults. [`Sources`] reads the texts, [`Config::load`] makes of them one checked [`Config`] and touches nothing;
//! whatever is wrong is found in one go, and each [`ConfigError`] names the setting, where it came from and the mend.
//!
//! Loading checks what is given. What only `serve` needs is asked by [`Config::check_serve`], what single commands
//! need by [`Config::qualtrics_access`] and its neighbours.

mod access;
mod auth;
mod check;
mod database;
mod error;
mod file;
mod layer;
mod pem;
mod qualtrics;
mod resolve;
mod setting;
mod sources;
mod survey;
mod value;
mod vcap;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use ingester_core::access::AccessRule;
use secrecy::SecretString;
use url::Url;

use crate::telemetry::log::LogFormat;
use crate::telemetry::otlp::Collector;

pub use auth::{Auth, ClientProof, Ias, JobScheduler, OAuthClient, Oidc, Xsuaa};
pub use database::{Certificate, Database, Hana};
pub use error::{ConfigError, ConfigErrors, Warning};
pub use qualtrics::{Credentials, Events, Qualtrics, Webhook};
pub use setting::{Origin, Setting};
pub use sources::Sources;
pub use survey::{History, Survey};
pub use value::is_loopback;

/// All settings, checked. `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where Qualtrics reaches this service, with a slash at the end.
    pub public_url: Option<Url>,
    /// The database.
    pub database: Database,
    /// SQLite even on Cloud Foundry.
    pub allow_ephemeral_store: bool,
    /// Whether this runs on Cloud Foundry.
    pub on_cloud_foundry: bool,
    /// Who runs this process, as the operating system names them.
    pub operator: String,
    /// How Qualtrics is reached.
    pub qualtrics: Qualtrics,
    /// Whether and how callbacks are taken.
    pub events: Events,
    /// The configured surveys; ids, names and tables are unique.
    pub surveys: Vec<Survey>,
    /// Whether `serve` ensures the subscriptions.
    pub ensure_subscriptions: bool,
    /// How often `serve` reconciles; nothing is never.
    pub reconcile_every: Option<Duration>,
    /// The key of `pseudonymize`.
    pub pseudonym_key: Option<SecretString>,
    /// Who may read.
    pub auth: Auth,
    /// XSUAA: identity providers whose e-mail claims domain rules may trust.
    pub email_origins: BTreeSet<String>,
    /// Who sees which rows; the first match decides.
    pub access: Vec<AccessRule>,
    /// The bearer token of `/metrics`.
    pub metrics_token: Option<SecretString>,
    /// Where `/cards/` loads UI5 from: the folder above `resources/`, with a slash at the end.
    pub ui5_url: Url,
    /// How log lines look.
    pub log_format: LogFormat,
    /// What is logged: `RUST_LOG`.
    pub log_filter: Option<String>,
    /// Where traces and metrics are pushed to.
    pub collector: Option<Collector>,
    /// Of OData answers.
    pub odata: OData,
    /// How long done events are kept.
    pub inbox_retention: Duration,
    /// What browsers may do from elsewhere.
    pub web: Web,
    /// The bound job scheduler.
    pub job_scheduler: Option<JobScheduler>,
    /// What works, but perhaps not as meant; to be logged once.
    pub warnings: Vec<Warning>,
    origins: BTreeMap<Setting, Origin>,
    database_origin: Origin,
}

/// Of OData answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OData {
    /// Rows per answer.
    pub page_size: NonZeroU32,
    /// The zone of the computed days, weeks and months; an IANA name.
    pub time_zone: String,
}

/// What browsers may do from elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Web {
    /// CORS: `https://host.example`, as browsers send it in `Origin`.
    pub allowed_origins: Vec<String>,
    /// CSP `frame-ancestors`: sources that may embed our pages.
    pub frame_ancestors: Vec<String>,
}

impl Config {
    /// Where a setting came from.
    #[must_use]
    pub fn origin(&self, setting: Setting) -> &Origin {
        self.origins.get(&setting).unwrap_or(&Origin::Default)
    }

    /// Where the database's address came from.
    #[must_use]
    pub fn database_origin(&self) -> &Origin {
        &self.database_origin
    }

    /// Whether the service can only be reached from this machine.
    #[must_use]
    pub fn listens_on_loopback(&self) -> bool {
        self.listen.ip().is_loopback()
    }
}
