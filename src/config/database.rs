//! Which database: an SQLite file or HANA, from an address or from a bound service.

use std::fmt;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::error::{ConfigError, Fault, Findings};
use super::layer::{Given, Layers};
use super::pem;
use super::setting::{Origin, Setting};
use super::value::{is_loopback_host, switch};
use super::vcap::{Binding, only};

/// The database.
#[derive(Debug, Clone)]
pub enum Database {
    /// A file on this machine.
    Sqlite(PathBuf),
    /// SAP HANA.
    Hana(Hana),
}

/// How to reach HANA.
#[derive(Clone)]
pub struct Hana {
    /// Host name or address; also the name that TLS asks for.
    pub host: String,
    /// The SQL port; 443 on HANA Cloud.
    pub port: u16,
    /// The user, decoded.
    pub user: String,
    /// The password, decoded.
    pub password: SecretString,
    /// Whether the connection is encrypted. Only loopback may do without.
    pub tls: bool,
    /// A certificate to trust beside the public ones.
    pub certificate: Option<Certificate>,
    /// The schema to work in, unquoted; the user's own where it is absent.
    pub schema: Option<String>,
    /// The tenant database to ask the system database for (on premise).
    pub database: Option<String>,
}

impl fmt::Debug for Hana {
    /// Leaves out password and certificate.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hana")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user", &self.user)
            .field("tls", &self.tls)
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

/// A certificate in PEM form, one or several blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Certificate {
    /// The text itself, as bindings bring it.
    Pem(String),
    /// The file that `certificate=` in the address names.
    File(PathBuf),
}

/// How large a certificate file may be.
const CERTIFICATE_BYTES_MAX: u64 = 256 * 1024;

impl Certificate {
    /// The PEM text, every block on lines of its own.
    ///
    /// # Errors
    /// If the file can't be read.
    pub fn pem(&self) -> Result<String, ConfigError> {
        match self {
            Self::Pem(text) => Ok(pem::unfold(text)),
            Self::File(path) => super::sources::read_file(path, CERTIFICATE_BYTES_MAX)
                .map(|text| pem::unfold(&text))
                .map_err(|error| ConfigError {
                    setting: "certificate= in DATABASE_URL".to_owned(),
                    origin: None,
                    problem: format!("can't be read from {}, {error}", path.display()),
                    mend: "name a readable PEM file".to_owned(),
                }),
        }
    }
}

/// Where the data lies if nobody says otherwise.
const DEFAULT_FILE: &str = "feedback.db";

/// The database and where it came from. Addresses come before bindings, stronger layers before weaker ones, and
/// within one layer `INGESTER_DATABASE_URL` before `DATABASE_URL`.
pub(super) fn database(
    layers: &Layers,
    bindings: &[Binding],
    findings: &mut Findings,
) -> Option<(Database, Origin)> {
    let password = layers
        .get(Setting::DatabasePassword)
        .map(|given| SecretString::from(given.text));
    for layer in &layers.0 {
        for setting in [Setting::IngesterDatabaseUrl, Setting::DatabaseUrl] {
            let Some(given) = layer.get(setting) else {
                continue;
            };
            if is_foreign(given) {
                findings.warn(
                    setting.name(),
                    format!(
                        "{} ({}) is ignored: its scheme is neither sqlite nor hdbsqls, so it is \
                         another service's; INGESTER_DATABASE_URL would be read",
                        setting.name(),
                        given.origin
                    ),
                );
                continue;
            }
            let database = findings.take(from_url(given, password.as_ref()))?;
            return Some((database, given.origin.clone()));
        }
    }
    let fitting = fitting(bindings, findings);
    match findings.take(bound(layers, bindings, &fitting))? {
        Some(binding) => {
            let hana = findings.take(from_binding(binding, password))?;
            Some((Database::Hana(hana), binding.origin()))
        }
        None => Some((
            Database::Sqlite(PathBuf::from(DEFAULT_FILE)),
            Origin::Default,
        )),
    }
}

/// `DATABASE_URL` in the environment is also what Cloud Foundry sets for another bound relational service.
fn is_foreign(given: Given<'_>) -> bool {
    let ours = ["sqlite:", "hdbsql:", "hdbsqls:"];
    given.setting == Setting::DatabaseUrl
        && *given.origin == Origin::Environment
        && given.text.contains(':')
        && !ours.iter().any(|scheme| given.text.starts_with(scheme))
}

/// `sqlite:<path>`, `hdbsqls://user@host:port?…` or, on loopback, `hdbsql://…`.
fn from_url(given: Given<'_>, password: Option<&SecretString>) -> Result<Database, ConfigError> {
    if let Some(path) = given.text.strip_prefix("sqlite:") {
        return given.read(|_| sqlite(path)).map(Database::Sqlite);
    }
    if given.text.starts_with("hdbsql:") || given.text.starts_with("hdbsqls:") {
        let hana = given.read(|text| hana(text, password.cloned()))?;
        let in_address =
            password.is_none_or(|p| p.expose_secret() != hana.password.expose_secret());
        if *given.origin == Origin::CommandLine && in_address {
            return Err(given.error(Fault::new(
                "an address with a password, which others can read from the process list",
                "set DATABASE_PASSWORD in the environment instead",
            )));
        }
        return Ok(Database::Hana(hana));
    }
    Err(given.error(Fault::new(
        "neither sqlite:<path> nor hdbsqls://user@host:port",
        "write for example sqlite:feedback.db",
    )))
}

fn sqlite(path: &str) -> Result<PathBuf, Fault> {
    // `sqlite://feedback.db` and `sqlite:///var/feedback.db` are what other tools write.
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path.contains('?') || path.starts_with(":memory:") {
        return Err(Fault::new(
            "not the path of a file",
            "write for example sqlite:feedback.db, without options",
        ));
    }
    Ok(PathBuf::from(path))
}

/// The options that a HANA address may carry; the driver's and other clients' words for the same are understood.
const OPTIONS: &str = "schema, db, certificate";

fn hana(text: &str, password: Option<SecretString>) -> Result<Hana, Fault> {
    let form = "write hdbsqls://user@host:port?schema=NAME, with % before what is special in a user or password";
    let url = Url::parse(text).map_err(|_| Fault::new("not a URL", form))?;
    let host = url.host_str().filter(|host| !host.is_empty());
    let host = host.ok_or_else(|| Fault::new("an address without a host", form))?;
    let port = url.port().ok_or_else(|| {
        Fault::new(
            "an address without a port",
            "add :443 for HANA Cloud, :3<instance>15 on premise",
        )
    })?;
    let user = decoded(url.username())?;
    if user.is_empty() {
        return Err(Fault::new("an address without a user", form));
    }
    let password = match url.password() {
        Some(text) => Some(SecretString::from(decoded(text)?)),
        None => password,
    };
    let password = password.filter(|password| !password.expose_secret().is_empty());
    let password = password
        .ok_or_else(|| Fault::new("an address without a password", "set DATABASE_PASSWORD"))?;
    let tls = url.scheme() == "hdbsqls";
    if !tls && !is_loopback_host(host) {
        return Err(Fault::new(
            "an address without TLS to another machine",
            "write hdbsqls:// instead of hdbsql://",
        ));
    }
    let host = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    let mut hana = Hana {
        host,
        port,
        user,
        password,
        tls,
        certificate: None,
        schema: None,
        database: None,
    };
    for (option, value) in url.query_pairs() {
        apply(&mut hana, &option, &value)?;
    }
    Ok(hana)
}

fn apply(hana: &mut Hana, option: &str, value: &str) -> Result<(), Fault> {
    match option.to_ascii_lowercase().as_str() {
        "schema" | "currentschema" => hana.schema = Some(value.to_owned()),
        "db" | "databasename" => hana.database = Some(value.to_owned()),
        "certificate" | "ssltruststore" if value.contains("-----BEGIN ") => {
            hana.certificate = Some(Certificate::Pem(value.to_owned()));
        }
        "certificate" | "ssltruststore" => {
            hana.certificate = Some(Certificate::File(PathBuf::from(value)));
        }
        // What we do anyway.
        "no_compression" | "use_mozillas_root_certificates" => {}
        "encrypt" | "validatecertificate" | "sslvalidatecertificate" => {
            if !switch(value).unwrap_or(false) && hana.tls {
                return Err(Fault::new(
                    "an address that trusts any certificate",
                    "name the server's own with certificate=<PEM file> instead",
                ));
            }
        }
        _ => {
            return Err(Fault::new(
                format!("an address with the unknown option {option:?}"),
                format!("leave it out; the options are {OPTIONS}"),
            ));
        }
    }
    Ok(())
}

fn decoded(text: &str) -> Result<String, Fault> {
    percent_decode_str(text)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| {
            Fault::new(
                "not UTF-8 after percent-decoding",
                "write a % itself as %25",
            )
        })
}

/// The bound HANA services. `securestore` and `sbss` give no tables.
fn fitting<'a>(bindings: &'a [Binding], findings: &mut Findings) -> Vec<&'a Binding> {
    let (fitting, other): (Vec<_>, Vec<_>) = bindings
        .iter()
        .filter(|binding| binding.is("hana"))
        .partition(|binding| !matches!(binding.plan.as_deref(), Some("securestore" | "sbss")));
    for binding in other {
        let plan = binding.plan.as_deref().unwrap_or_default();
        findings.warn(
            "VCAP_SERVICES",
            format!(
                "the service {} is ignored: the plan {plan} gives no tables",
                binding.name()
            ),
        );
    }
    fitting
}

/// The binding to use: the one that `DATABASE_SERVICE` names, else the only HANA.
fn bound<'a>(
    layers: &Layers,
    bindings: &'a [Binding],
    fitting: &[&'a Binding],
) -> Result<Option<&'a Binding>, ConfigError> {
    let Some(given) = layers.get(Setting::DatabaseService) else {
        return only(fitting, "hana", "name one in DATABASE_SERVICE");
    };
    let named = |binding: &&Binding| binding.names.iter().any(|name| name == given.text);
    bindings.iter().find(named).map(Some).ok_or_else(|| {
        let known: Vec<&str> = fitting.iter().map(|binding| binding.name()).collect();
        given.error(Fault::new(
            "not the name of a bound service",
            format!("name one of them ({}), or unset it", known.join(", ")),
        ))
    })
}

/// A service's credentials; where host and port are missing, its JDBC address has them.
fn from_binding(binding: &Binding, password: Option<SecretString>) -> Result<Hana, ConfigError> {
    let fields = binding.credentials();
    let jdbc = fields.text("url").and_then(jdbc);
    let jdbc_option = |wanted: &str| {
        let mut pairs = jdbc.as_ref()?.query_pairs();
        pairs
            .find(|(key, _)| key.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value.into_owned())
    };
    let host = match (fields.text("host"), &jdbc) {
        (None, Some(url)) => url.host_str().unwrap_or_default().to_owned(),
        _ => fields.required("host")?.trim().to_owned(),
    };
    let port = fields.port("port").or_else(|| jdbc.as_ref()?.port());
    let port = port.ok_or_else(|| {
        fields.error(Fault::new(
            "lacks a port",
            "bind the service again, or set DATABASE_URL",
        ))
    })?;
    let password = fields.secret("password").or(password).ok_or_else(|| {
        fields.error(Fault::new(
            "lacks a password",
            "bind it again, or set DATABASE_PASSWORD",
        ))
    })?;
    let tls = fields.switch("encrypt") != Some(false);
    let trusting = [
        fields.switch("sslValidateCertificate"),
        fields.switch("validateCertificate"),
    ];
    if !is_loopback_host(&host) && (!tls || trusting.contains(&Some(false))) {
        return Err(fields.error(Fault::new(
            "switches encryption or the check of the certificate off",
            "put the server's own certificate into the field certificate",
        )));
    }
    Ok(Hana {
        host,
        port,
        user: fields.required("user")?.to_owned(),
        password,
        tls,
        certificate: fields.pem("certificate").map(Certificate::Pem),
        schema: fields
            .text("schema")
            .map(str::to_owned)
            .or_else(|| jdbc_option("currentschema")),
        database: fields.text("databaseName").map(str::to_owned),
    })
}

/// `jdbc:sap://host:443?encrypt=true&currentschema=…` without its first prefix.
fn jdbc(text: &str) -> Option<Url> {
    Url::parse(text.strip_prefix("jdbc:")?).ok()
}
