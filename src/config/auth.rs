//! Who may read: the mode of `AUTH` and what the bindings say of the issuers; and the clients that we are ourselves
//! when we ask for tokens.
//! Source of the fields: SAP BTP documentation, "Service binding credentials" of XSUAA, Identity and Job Scheduling.

use std::collections::BTreeSet;
use std::fmt;

use secrecy::SecretString;
use url::Url;

use super::error::{ConfigError, Fault, Findings};
use super::file::AuthTable;
use super::layer::{Given, Layers};
use super::setting::{Origin, Setting};
use super::value::{as_folder, is_loopback, web_url};
use super::vcap::{Binding, Fields, only};

/// Who may read.
#[derive(Debug, Clone)]
pub enum Auth {
    /// Everyone who reaches the service; on loopback only.
    None,
    /// Nobody: no data routes at all.
    Closed,
    /// Holders of tokens of the bound XSUAA instance.
    Xsuaa(Xsuaa),
    /// Holders of tokens of the bound Identity Authentication tenant.
    Ias(Ias),
    /// Holders of tokens of an `OpenID` Connect issuer.
    Oidc(Oidc),
}

impl Auth {
    /// The mode's name in `AUTH`.
    #[must_use]
    pub fn mode(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Closed => "closed",
            Self::Xsuaa(_) => "xsuaa",
            Self::Ias(_) => "ias",
            Self::Oidc(_) => "oidc",
        }
    }
}

/// A bound XSUAA instance. Nothing of it is secret: tokens are only checked.
#[derive(Debug, Clone)]
pub struct Xsuaa {
    /// `sb-qualtrics-ingester!t12345`
    pub client_id: String,
    /// `qualtrics-ingester!t12345`: what our scopes begin with.
    pub app_name: String,
    /// `authentication.eu10.hana.ondemand.com`: where the keys are, whatever the tenant.
    pub uaa_domain: String,
    /// The tenant's own address.
    pub url: Url,
    /// The tenant's zone; a token of another is refused. Empty where the binding does not say.
    pub zones: BTreeSet<String>,
    /// The key to check with where the keys can't be fetched.
    pub verification_key: Option<String>,
}

/// A bound Identity Authentication tenant.
#[derive(Debug, Clone)]
pub struct Ias {
    /// The application's client.
    pub client_id: String,
    /// The tenant's address, and with it the only issuer that is believed.
    pub url: Url,
    /// The tenant's id, which tokens repeat.
    pub app_tid: Option<String>,
}

/// An `OpenID` Connect issuer.
#[derive(Debug, Clone)]
pub struct Oidc {
    /// As tokens spell it: compared as text.
    pub issuer: String,
    /// The audience that tokens must name.
    pub audience: String,
}

/// A client of an authorization server: us, when we ask for a token.
#[derive(Debug, Clone)]
pub struct OAuthClient {
    /// Its id.
    pub client_id: String,
    /// Where tokens are asked for.
    pub token_url: Url,
    /// How it shows who it is.
    pub proof: ClientProof,
}

/// How a client shows who it is.
#[derive(Clone)]
pub enum ClientProof {
    /// By a secret.
    Secret(SecretString),
    /// By a TLS certificate.
    Certificate {
        /// The certificate and its chain, PEM.
        certificate: String,
        /// Its private key, PEM.
        key: SecretString,
    },
}

impl fmt::Debug for ClientProof {
    /// Names the kind alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret(_) => "Secret",
            Self::Certificate { .. } => "Certificate",
        })
    }
}

/// The bound SAP Job Scheduling Service.
#[derive(Debug, Clone)]
pub struct JobScheduler {
    /// Where runs are reported to, with a slash at the end; never the host that a request names.
    pub url: Url,
    /// Who we are to it.
    pub client: OAuthClient,
}

/// The mode: as set, else from the bindings, else `none` on loopback and `closed` elsewhere.
pub(super) fn auth(
    layers: &Layers,
    table: &AuthTable,
    bindings: &[Binding],
    listens_on_loopback: bool,
    findings: &mut Findings,
) -> Auth {
    let given = layers.get(Setting::Auth);
    let resolved = match given {
        Some(given) => mode(given, table, bindings),
        None => unset(table, bindings, listens_on_loopback, findings),
    };
    findings.take(resolved).unwrap_or(Auth::Closed)
}

fn mode(given: Given<'_>, table: &AuthTable, bindings: &[Binding]) -> Result<Auth, ConfigError> {
    let unbound = |service: &str| {
        let problem = format!("but no service {service} is bound");
        given.error(Fault::new(
            problem,
            "bind one (`cf bind-service`), or set AUTH=oidc",
        ))
    };
    match given.text.to_ascii_lowercase().as_str() {
        "none" => Ok(Auth::None),
        "closed" => Ok(Auth::Closed),
        "xsuaa" => xsuaa(bindings)?
            .map(Auth::Xsuaa)
            .ok_or_else(|| unbound("xsuaa")),
        "ias" => ias(bindings)?
            .map(Auth::Ias)
            .ok_or_else(|| unbound("identity")),
        "oidc" => oidc(table, given.origin)?.map(Auth::Oidc).ok_or_else(|| {
            given.error(Fault::new(
                "but the issuer is not set",
                "set issuer and audience in [auth]",
            ))
        }),
        _ => Err(given.error(Fault::new(
            "not a mode",
            "write xsuaa, ias, oidc, closed or none",
        ))),
    }
}

fn unset(
    table: &AuthTable,
    bindings: &[Binding],
    listens_on_loopback: bool,
    findings: &mut Findings,
) -> Result<Auth, ConfigError> {
    let xsuaa = xsuaa(bindings)?;
    let ias = ias(bindings)?;
    if xsuaa.is_some() && ias.is_some() {
        let text = "AUTH is not set and both xsuaa and identity are bound: xsuaa is used, AUTH=ias would use the other";
        findings.warn("AUTH", text);
    }
    if let Some(auth) = xsuaa.map(Auth::Xsuaa).or(ias.map(Auth::Ias)) {
        return Ok(auth);
    }
    if let Some(oidc) = oidc(table, &Origin::Default)? {
        return Ok(Auth::Oidc(oidc));
    }
    if listens_on_loopback {
        return Ok(Auth::None);
    }
    let text = "AUTH is not set and nothing is bound that checks tokens: there are no data routes (AUTH=closed); \
                bind xsuaa or identity, or set AUTH=oidc with issuer and audience in [auth]";
    findings.warn("AUTH", text);
    Ok(Auth::Closed)
}

/// The bound XSUAA; its plans other than these issue no users' tokens.
fn xsuaa(bindings: &[Binding]) -> Result<Option<Xsuaa>, ConfigError> {
    let fits = |b: &&Binding| {
        b.is("xsuaa")
            && matches!(
                b.plan.as_deref(),
                None | Some("application" | "broker" | "space")
            )
    };
    let candidates: Vec<&Binding> = bindings.iter().filter(fits).collect();
    let Some(binding) = only(&candidates, "xsuaa", "unbind all but one")? else {
        return Ok(None);
    };
    let fields = binding.credentials();
    let zones = ["tenantid", "zoneid", "identityzoneid"];
    Ok(Some(Xsuaa {
        client_id: fields.required("clientid")?.to_owned(),
        app_name: fields.required("xsappname")?.to_owned(),
        uaa_domain: host(fields, "uaadomain")?,
        url: url(fields, "url")?,
        zones: zones
            .iter()
            .filter_map(|key| fields.text(key))
            .map(str::to_owned)
            .collect(),
        verification_key: fields.pem("verificationkey"),
    }))
}

fn ias(bindings: &[Binding]) -> Result<Option<Ias>, ConfigError> {
    let Some(binding) = identity(bindings)? else {
        return Ok(None);
    };
    let fields = binding.credentials();
    Ok(Some(Ias {
        client_id: fields.required("clientid")?.to_owned(),
        url: url(fields, "url")?,
        app_tid: fields.text("app_tid").map(str::to_owned),
    }))
}

fn identity(bindings: &[Binding]) -> Result<Option<&Binding>, ConfigError> {
    let candidates: Vec<&Binding> = bindings.iter().filter(|b| b.is("identity")).collect();
    only(&candidates, "identity", "unbind all but one")
}

fn oidc(table: &AuthTable, origin: &Origin) -> Result<Option<Oidc>, ConfigError> {
    let missing = |key: &str| {
        let fault = Fault::new(
            "is not set",
            "set both issuer and audience in [auth], or neither",
        );
        ConfigError::about(format!("{key} of [auth]"), origin, fault)
    };
    let (issuer, audience) = match (&table.issuer, &table.audience) {
        (None, None) => return Ok(None),
        (Some(issuer), Some(audience)) => (issuer, audience),
        (None, Some(_)) => return Err(missing("issuer")),
        (Some(_), None) => return Err(missing("audience")),
    };
    let url = web_url(issuer)
        .ok()
        .filter(|url| url.scheme() == "https" || is_loopback(url));
    if url.is_none() {
        let fault = Fault::new(
            "is not an https URL",
            "copy it from the issuer's openid-configuration",
        );
        return Err(ConfigError::about("issuer of [auth]", origin, fault));
    }
    Ok(Some(Oidc {
        issuer: issuer.clone(),
        audience: audience.clone(),
    }))
}

/// The bound scheduler. With `authentication: ias` its binding names no client, and ours of the identity service is
/// the one. Source: SAP Job Scheduling Service, "Secure Access".
pub(super) fn job_scheduler(bindings: &[Binding], findings: &mut Findings) -> Option<JobScheduler> {
    let candidates: Vec<&Binding> = bindings.iter().filter(|b| b.is("jobscheduler")).collect();
    let binding = findings.take(only(&candidates, "jobscheduler", "unbind all but one"))??;
    let fields = binding.credentials();
    let client = match (fields.object("uaa"), findings.take(identity(bindings))?) {
        (Some(uaa), _) => xsuaa_client(uaa),
        (None, Some(identity)) => ias_client(identity.credentials()),
        (None, None) => {
            let text = format!(
                "the service {} is ignored: its binding holds no OAuth client, so runs can't be reported; use \
                 the plan standard or free",
                binding.name()
            );
            findings.warn("VCAP_SERVICES", text);
            return None;
        }
    };
    let client = findings.take(client)?;
    let url = as_folder(findings.take(url(fields, "url"))?);
    Some(JobScheduler { url, client })
}

fn xsuaa_client(uaa: Fields<'_>) -> Result<OAuthClient, ConfigError> {
    let client_id = uaa.required("clientid")?.to_owned();
    let (proof, base) = match certificate(uaa) {
        Some(proof) => (proof, url(uaa, "certurl")?),
        None => {
            uaa.required("clientsecret")?;
            let secret = uaa.secret("clientsecret").unwrap_or_default();
            (ClientProof::Secret(secret), url(uaa, "url")?)
        }
    };
    Ok(OAuthClient {
        client_id,
        token_url: below(base, "oauth/token"),
        proof,
    })
}

fn ias_client(fields: Fields<'_>) -> Result<OAuthClient, ConfigError> {
    let proof = match certificate(fields) {
        Some(proof) => proof,
        None => {
            fields.required("clientsecret")?;
            ClientProof::Secret(fields.secret("clientsecret").unwrap_or_default())
        }
    };
    let client_id = fields.required("clientid")?.to_owned();
    Ok(OAuthClient {
        client_id,
        token_url: below(url(fields, "url")?, "oauth2/token"),
        proof,
    })
}

fn certificate(fields: Fields<'_>) -> Option<ClientProof> {
    let certificate = fields.pem("certificate")?;
    let key = fields.pem("key")?.into();
    Some(ClientProof::Certificate { certificate, key })
}

/// `https`, or plain http to this machine, where a stand-in may run.
fn url(fields: Fields<'_>, key: &str) -> Result<Url, ConfigError> {
    let url = web_url(fields.required(key)?).map_err(|fault| {
        fields.error(Fault::new(
            format!("has a {key} that is {}", fault.problem),
            "bind it again",
        ))
    })?;
    if url.scheme() != "https" && !is_loopback(&url) {
        return Err(fields.error(Fault::new(
            format!("has a {key} without https"),
            "bind it again",
        )));
    }
    Ok(url)
}

/// A host name and nothing else, since it becomes part of a URL.
fn host(fields: Fields<'_>, key: &str) -> Result<String, ConfigError> {
    let text = fields.required(key)?;
    let plain = text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':'));
    if !plain || Url::parse(&format!("https://{text}/")).is_err() {
        return Err(fields.error(Fault::new(
            format!("has a {key} that is no host"),
            "bind it again",
        )));
    }
    Ok(text.to_owned())
}

fn below(mut base: Url, path: &str) -> Url {
    let path = format!("{}/{path}", base.path().trim_end_matches('/'));
    base.set_path(&path);
    base
}
