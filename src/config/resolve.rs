//! From texts to [`Config`]: the layers are stacked, each setting is read from the strongest layer that has it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use ingester_core::access::AccessRule;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use crate::telemetry::log::LogFormat;

use super::error::{ConfigError, ConfigErrors, Fault, Findings};
use super::file::{self, AccessTable, File, InboxTable, ODataTable, Scalar, SurveyTable, WebTable};
use super::layer::{Layer, Layers, shown};
use super::setting::{Origin, Setting};
use super::sources::Sources;
use super::value::{all_interfaces, as_folder, duration, positive, socket, switch, web_url};
use super::vcap::{self, Binding};
use super::{
    Config, Database, Events, OData, Qualtrics, Survey, Web, access, auth, database, survey,
};

impl Config {
    /// Makes one checked configuration of all sources. Pure: it reads no environment and opens no file.
    ///
    /// # Errors
    /// Everything that is wrong with what was given.
    pub fn load(sources: &Sources) -> Result<Self, ConfigErrors> {
        let mut findings = Findings::default();
        let services = sources
            .services
            .as_deref()
            .filter(|text| !text.trim().is_empty());
        let bindings = match services.map(vcap::parse) {
            Some(result) => findings.take(result).unwrap_or_default(),
            None => Vec::new(),
        };
        let file = match &sources.file {
            Some((path, text)) => findings.take(file::parse(text, path)).unwrap_or_default(),
            None => File::default(),
        };
        // The rest would only repeat in other words that a whole source is missing.
        if !findings.errors.is_empty() {
            return Err(ConfigErrors(findings.errors));
        }
        let file_origin = sources
            .file
            .as_ref()
            .map_or(Origin::Default, |(path, _)| Origin::File(path.clone()));
        let File { values, tables } = file;
        let layers = stack(sources, &file_origin, values, &bindings, &mut findings);
        let config = resolve(
            sources,
            &layers,
            tables,
            &file_origin,
            &bindings,
            &mut findings,
        );
        match config {
            Some(config) if findings.errors.is_empty() => Ok(Self {
                warnings: findings.warnings,
                ..config
            }),
            _ => Err(ConfigErrors(findings.errors)),
        }
    }
}

/// The layers, strongest first.
fn stack(
    sources: &Sources,
    file_origin: &Origin,
    file_values: BTreeMap<Setting, String>,
    bindings: &[Binding],
    findings: &mut Findings,
) -> Layers {
    for setting in sources
        .arguments
        .keys()
        .filter(|setting| setting.is_secret())
    {
        let fault = Fault::new(
            "is a secret, which others can read from the process list",
            "set it in the environment instead",
        );
        findings.error(ConfigError::of(*setting, &Origin::CommandLine, fault));
    }
    let arguments = sources
        .arguments
        .iter()
        .map(|(setting, text)| (*setting, text.clone()));
    let environment = Setting::ALL.iter().filter_map(|setting| {
        sources
            .environment
            .get(setting.name())
            .map(|text| (*setting, text.clone()))
    });
    let mut layers = vec![
        Layer::new(Origin::CommandLine, arguments),
        Layer::new(Origin::Environment, environment),
        Layer::new(file_origin.clone(), file_values),
    ];
    layers.extend(vcap::qualtrics(bindings, findings));
    layers.extend(platform(sources, findings));
    Layers(layers)
}

/// What Cloud Foundry says of the application: its first route is where it is reached.
fn platform(sources: &Sources, findings: &mut Findings) -> Option<Layer> {
    #[derive(Deserialize)]
    struct Application {
        #[serde(default)]
        application_uris: Vec<String>,
    }
    let text = sources.environment.get(ON_CLOUD_FOUNDRY)?;
    let Ok(application) = serde_json::from_str::<Application>(text) else {
        findings.warn(
            ON_CLOUD_FOUNDRY,
            "VCAP_APPLICATION can't be read: PUBLIC_URL has no default",
        );
        return None;
    };
    let route = application.application_uris.into_iter().next()?;
    Some(Layer::new(
        Origin::Platform,
        [(Setting::PublicUrl, format!("https://{route}"))],
    ))
}

/// Set by Cloud Foundry, and by it alone.
const ON_CLOUD_FOUNDRY: &str = "VCAP_APPLICATION";

/// Where OpenUI5 is public.
const PUBLIC_UI5: &str = "https://sdk.openui5.org/";

const RECONCILE_EVERY: Duration = Duration::from_secs(15 * 60);

/// A reconcile asks Qualtrics for an export: more often than this is a burden on the brand.
const RECONCILE_EVERY_MIN: Duration = Duration::from_secs(60);

/// Shorter keys can be guessed from the pseudonyms of known addresses.
const PSEUDONYM_KEY_CHARS_MIN: usize = 32;

/// Nothing, where an error was noted that leaves no sensible value.
fn resolve(
    sources: &Sources,
    layers: &Layers,
    tables: file::Tables,
    file_origin: &Origin,
    bindings: &[Binding],
    findings: &mut Findings,
) -> Option<Config> {
    warn_of_white_space(layers, findings);
    let on_cloud_foundry = sources.environment.contains_key(ON_CLOUD_FOUNDRY);
    let listen = listen(layers, findings);
    let database = database::database(layers, bindings, findings);
    let qualtrics = Qualtrics::resolve(layers, findings);
    let events = Events::resolve(layers, findings);
    let on_loopback = listen.is_some_and(|listen| listen.ip().is_loopback());
    let auth = auth::auth(layers, &tables.auth, bindings, on_loopback, findings);
    let ui5_url = match layers.read(Setting::Ui5Url, findings, ui5) {
        Some(url) => Some(url),
        None => Url::parse(PUBLIC_UI5).ok(),
    };
    let flag =
        |setting, findings: &mut Findings| layers.read(setting, findings, switch).unwrap_or(false);
    let secret = |setting| {
        layers
            .get(setting)
            .map(|given| SecretString::from(given.text))
    };
    let surveys = surveys(
        tables.surveys,
        database.as_ref().map(|d| &d.0),
        file_origin,
        findings,
    );
    let config = Config {
        public_url: layers
            .read(Setting::PublicUrl, findings, web_url)
            .map(as_folder),
        allow_ephemeral_store: flag(Setting::AllowEphemeralStore, findings),
        ensure_subscriptions: flag(Setting::EnsureSubscriptions, findings),
        reconcile_every: layers
            .read(Setting::ReconcileEvery, findings, reconcile_every)
            .unwrap_or(Some(RECONCILE_EVERY)),
        pseudonym_key: layers.read(Setting::PseudonymKey, findings, pseudonym_key),
        email_origins: tables.auth.email_origins.into_iter().collect(),
        access: access(tables.access, file_origin, findings),
        metrics_token: secret(Setting::MetricsToken),
        log_format: layers
            .read(Setting::LogFormat, findings, log_format)
            .unwrap_or(if on_cloud_foundry {
                LogFormat::Json
            } else {
                LogFormat::Text
            }),
        log_filter: layers
            .get(Setting::RustLog)
            .map(|given| given.text.to_owned()),
        collector: vcap::collector(layers, bindings, findings),
        odata: odata(tables.odata, file_origin, findings),
        inbox_retention: retention(tables.inbox, file_origin, findings),
        web: web(tables.web, file_origin, findings),
        job_scheduler: auth::job_scheduler(bindings, findings),
        operator: sources.operator(),
        warnings: Vec::new(),
        origins: Setting::ALL
            .iter()
            .filter_map(|setting| Some((*setting, layers.get(*setting)?.origin.clone())))
            .collect(),
        listen: listen?,
        database_origin: database.as_ref()?.1.clone(),
        database: database?.0,
        ui5_url: ui5_url?,
        on_cloud_foundry,
        qualtrics,
        events,
        surveys,
        auth,
    };
    Some(config)
}

/// A line break that a shell or an editor left is the usual reason for "wrong signature".
fn warn_of_white_space(layers: &Layers, findings: &mut Findings) {
    for given in Setting::ALL
        .iter()
        .filter_map(|setting| layers.get(*setting))
    {
        if given.text.trim() != given.text {
            let name = given.origin.spelling(given.setting);
            let text = format!(
                "{name} ({}) begins or ends with white space: remove it unless it belongs to the secret",
                given.origin
            );
            findings.warn(given.setting.name(), text);
        }
    }
}

/// The stronger layer decides; within one layer `LISTEN_ADDR`, and `PORT` alone means all interfaces.
fn listen(layers: &Layers, findings: &mut Findings) -> Option<SocketAddr> {
    let Some(given) = layers.first_of(Setting::ListenAddr, Setting::Port) else {
        return Some(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 8080));
    };
    findings.take(given.read(|text| {
        if given.setting == Setting::ListenAddr {
            return socket(text);
        }
        let fault = || Fault::new("not a port", "write a number from 0 to 65535");
        text.parse().map(all_interfaces).map_err(|_| fault())
    }))
}

fn ui5(text: &str) -> Result<Url, Fault> {
    let mut url = as_folder(web_url(text)?);
    if let Some(path) = url.path().strip_suffix("/resources/").map(str::to_owned) {
        url.set_path(&path);
    }
    Ok(as_folder(url))
}

fn reconcile_every(text: &str) -> Result<Option<Duration>, Fault> {
    match switch(text) {
        Ok(false) => Ok(None),
        _ => duration(text, RECONCILE_EVERY_MIN)
            .map(Some)
            .map_err(|fault| Fault {
                mend: format!("{}, or off", fault.mend),
                ..fault
            }),
    }
}

fn pseudonym_key(text: &str) -> Result<SecretString, Fault> {
    if text.chars().count() < PSEUDONYM_KEY_CHARS_MIN {
        let problem = format!("shorter than {PSEUDONYM_KEY_CHARS_MIN} characters");
        return Err(Fault::new(problem, "make one with `openssl rand -hex 32`"));
    }
    Ok(SecretString::from(text))
}

fn log_format(text: &str) -> Result<LogFormat, Fault> {
    match text.to_ascii_lowercase().as_str() {
        "json" => Ok(LogFormat::Json),
        "text" => Ok(LogFormat::Text),
        _ => Err(Fault::new("not a format", "write json or text")),
    }
}

fn surveys(
    tables: Vec<SurveyTable>,
    database: Option<&Database>,
    origin: &Origin,
    findings: &mut Findings,
) -> Vec<Survey> {
    let surveys: Vec<Survey> = tables
        .into_iter()
        .enumerate()
        .filter_map(|(index, table)| Survey::resolve(table, index + 1, origin, findings))
        .collect();
    if let Some(database) = database {
        survey::check_unique(&surveys, database, origin, findings);
    }
    surveys
}

fn access(tables: Vec<AccessTable>, origin: &Origin, findings: &mut Findings) -> Vec<AccessRule> {
    let rules = tables.into_iter().enumerate();
    rules
        .filter_map(|(index, table)| findings.take(access::rule(table, index + 1, origin)))
        .collect()
}

const PAGE_SIZE: NonZeroU32 = NonZeroU32::MIN.saturating_add(999);

fn odata(table: ODataTable, origin: &Origin, findings: &mut Findings) -> OData {
    let page_size = table.page_size.and_then(|Scalar(text)| {
        findings.take(positive(&text).map_err(|fault| {
            let problem = format!("is {}, {}", shown(&text), fault.problem);
            ConfigError::about("page_size of [odata]", origin, Fault { problem, ..fault })
        }))
    });
    let time_zone = table.time_zone.unwrap_or_else(|| "UTC".to_owned());
    let named = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-' | b'+');
    if time_zone.is_empty() || !time_zone.bytes().all(named) {
        let fault = Fault::new(
            format!("is {}, not a time zone", shown(&time_zone)),
            "write an IANA name, for example Europe/Berlin",
        );
        findings.error(ConfigError::about("time_zone of [odata]", origin, fault));
    }
    OData {
        page_size: page_size.unwrap_or(PAGE_SIZE),
        time_zone,
    }
}

const RETENTION: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A replay older than the retention costs a read, so a very short one undoes what duplicates cost.
const RETENTION_MIN: Duration = Duration::from_secs(60 * 60);

fn retention(table: InboxTable, origin: &Origin, findings: &mut Findings) -> Duration {
    let Some(text) = table.retention else {
        return RETENTION;
    };
    let read = duration(&text, RETENTION_MIN).map_err(|fault| {
        let problem = format!("is {}, {}", shown(&text), fault.problem);
        ConfigError::about("retention of [inbox]", origin, Fault { problem, ..fault })
    });
    findings.take(read).unwrap_or(RETENTION)
}

fn web(table: WebTable, origin: &Origin, findings: &mut Findings) -> Web {
    let mut allowed_origins = Vec::new();
    for text in table.allowed_origins {
        // A browser sends scheme, host and port, and nothing behind them.
        match web_url(&text).ok().filter(|url| url.path() == "/") {
            Some(url) => allowed_origins.push(url.origin().ascii_serialization()),
            None => {
                let problem = format!("holds {}, not an origin", shown(&text));
                let fault = Fault::new(problem, "write for example https://host.example");
                findings.error(ConfigError::about(
                    "allowed_origins of [web]",
                    origin,
                    fault,
                ));
            }
        }
    }
    for text in &table.frame_ancestors {
        let plain = |c: char| c.is_ascii_graphic() && !matches!(c, ';' | ',' | '"');
        if text.is_empty() || !text.chars().all(plain) {
            let problem = format!("holds {}, not a source", shown(text));
            let fault = Fault::new(
                problem,
                "write for example https://*.workzone.example, or 'self'",
            );
            findings.error(ConfigError::about(
                "frame_ancestors of [web]",
                origin,
                fault,
            ));
        }
    }
    Web {
        allowed_origins,
        frame_ancestors: table.frame_ancestors,
    }
}
