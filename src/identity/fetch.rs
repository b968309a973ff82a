//! The issuer's keys, fetched and kept. A key that is not known asks for them again, at most every 30 seconds; keys
//! that can't be fetched again stay.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use super::error::IdentityError;
use super::http;
use super::keys::KeySet;
use super::token::Token;
use crate::config::{Auth, Ias, Oidc, Xsuaa, is_loopback};
use crate::lifecycle::Lifecycle;

/// Where an issuer's keys are. All of it comes from the configuration, nothing from a token.
#[derive(Debug, Clone)]
pub(super) struct Source {
    address: Address,
    headers: Vec<(&'static str, String)>,
    /// To check with while the keys have never been had.
    fallback: Option<String>,
}

#[derive(Debug, Clone)]
enum Address {
    /// The key set itself.
    Keys(Url),
    /// The issuer, whose discovery document names the key set.
    Issuer { url: Url, spelling: Option<String> },
}

impl Source {
    /// Nothing where no tokens are checked.
    pub(super) fn of(auth: &Auth) -> Option<Self> {
        match auth {
            Auth::None | Auth::Closed => None,
            Auth::Xsuaa(binding) => Self::xsuaa(binding),
            Auth::Ias(binding) => Some(Self::ias(binding)),
            Auth::Oidc(settings) => Self::oidc(settings),
        }
    }

    /// `https://<uaadomain>/token_keys`, the region's own address, so that nobody's subdomain matters; the stand-in
    /// of a test has no region and is asked on loopback.
    fn xsuaa(binding: &Xsuaa) -> Option<Self> {
        let mut url = if binding.url.scheme() == "http" && is_loopback(&binding.url) {
            let mut url = binding.url.clone();
            url.set_path(&format!("{}/token_keys", url.path().trim_end_matches('/')));
            url
        } else {
            Url::parse(&format!("https://{}/token_keys", binding.uaa_domain)).ok()?
        };
        let mut headers = Vec::new();
        if let Some(zone) = binding.zones.first() {
            url.query_pairs_mut().append_pair("zid", zone);
            headers.push(("x-zid", zone.clone()));
        }
        Some(Self {
            address: Address::Keys(url),
            headers,
            fallback: binding.verification_key.clone(),
        })
    }

    fn ias(binding: &Ias) -> Self {
        let mut headers = vec![("x-client_id", binding.client_id.clone())];
        headers.extend(binding.app_tid.clone().map(|tenant| ("x-app_tid", tenant)));
        let address = Address::Issuer {
            url: binding.url.clone(),
            spelling: None,
        };
        Self {
            address,
            headers,
            fallback: None,
        }
    }

    fn oidc(settings: &Oidc) -> Option<Self> {
        let url = Url::parse(&settings.issuer).ok()?;
        let address = Address::Issuer {
            url,
            spelling: Some(settings.issuer.clone()),
        };
        Some(Self {
            address,
            headers: Vec::new(),
            fallback: None,
        })
    }

    fn request(&self, http: &reqwest::Client, url: Url) -> reqwest::RequestBuilder {
        let request = http.get(url).header("accept", "application/json");
        self.headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, value)
        })
    }

    async fn fetch(&self, http: &reqwest::Client) -> Result<KeySet, IdentityError> {
        let url = match &self.address {
            Address::Keys(url) => url.clone(),
            Address::Issuer { url, spelling } => self
                .discover(http, url, spelling.as_deref())
                .await
                .map_err(IdentityError::KeysUnavailable)?,
        };
        let body = http::read(self.request(http, url)).await;
        KeySet::parse(&body.map_err(IdentityError::KeysUnavailable)?)
    }

    /// The key set's address. Source: `OpenID` Connect Discovery 1.0, section 4; the issuer must be the one asked for.
    async fn discover(
        &self,
        http: &reqwest::Client,
        issuer: &Url,
        spelling: Option<&str>,
    ) -> Result<Url, http::Problem> {
        #[derive(Deserialize)]
        struct Document {
            issuer: String,
            jwks_uri: String,
        }
        let mut url = issuer.clone();
        let path = format!(
            "{}/.well-known/openid-configuration",
            url.path().trim_end_matches('/')
        );
        url.set_path(&path);
        let document: Document = http::read_json(self.request(http, url)).await?;
        if spelling.is_some_and(|spelling| spelling != document.issuer) {
            return Err("its discovery document names another issuer".to_owned());
        }
        let keys = Url::parse(&document.jwks_uri)
            .map_err(|_| "its discovery document names no key set".to_owned())?;
        let safe = keys.scheme() == "https" || (is_loopback(issuer) && is_loopback(&keys));
        if safe {
            Ok(keys)
        } else {
            Err("its keys are not under https".to_owned())
        }
    }
}

/// How often keys are fetched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Keys older than this are fetched again, beside the request that noticed. Source: SAP's libraries keep them
    /// for 600 to 900 seconds.
    pub keep: Duration,
    /// Keys older than this are used only after an attempt to fetch newer ones.
    pub keep_without_looking: Duration,
    /// Between two fetches for a key that was not known.
    pub unknown_key: Duration,
    /// Between two fetches while none succeeds.
    pub failed: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            keep: Duration::from_secs(600),
            keep_without_looking: Duration::from_secs(3600),
            unknown_key: Duration::from_secs(30),
            failed: Duration::from_secs(2),
        }
    }
}

/// The keys of one issuer. Cheap to clone.
#[derive(Clone)]
pub(super) struct Keys(Arc<Inner>);

struct Inner {
    source: Source,
    http: reqwest::Client,
    life: Lifecycle,
    pace: Pace,
    state: RwLock<State>,
    /// Held by whoever fetches: one at a time.
    fetching: Mutex<()>,
}

#[derive(Clone, Default)]
struct State {
    keys: Option<Arc<KeySet>>,
    /// When they were.
    fetched_at: Option<Instant>,
    /// The last attempt, and its error if it failed.
    attempt: Option<(Instant, Option<IdentityError>)>,
}

impl Keys {
    pub(super) fn new(source: Source, http: reqwest::Client, life: Lifecycle, pace: Pace) -> Self {
        Self(Arc::new(Inner {
            source,
            http,
            life,
            pace,
            state: RwLock::default(),
            fetching: Mutex::new(()),
        }))
    }

    /// Checks the token's signature with the keys that are there, and fetches them where they are missing, old, or
    /// don't confirm the signature (issuers rotate keys, stand-ins even under the same id).
    ///
    /// # Cancel safety
    /// Whoever waits may go away: a fetch that has begun ends in a task of its own, so that hanging up neither
    /// starts fetches without bound nor keeps others from the keys.
    pub(super) async fn verify(&self, token: &Token<'_>) -> Result<(), IdentityError> {
        let before = self.0.state();
        let confirmed = before
            .keys
            .as_ref()
            .is_some_and(|keys| keys.verify(token).is_ok());
        let age = before.fetched_at.map_or(Duration::MAX, |at| at.elapsed());
        if confirmed && age < self.0.pace.keep {
            return Ok(());
        }
        if self.0.may_fetch(&before) {
            let inner = Arc::clone(&self.0);
            let fetch = self
                .0
                .life
                .spawn("token keys", async move { inner.fetch().await });
            if confirmed && age < self.0.pace.keep_without_looking {
                return Ok(());
            }
            // An error here is a panic in the task or the end of the runtime; the state below tells what is known.
            let _ = fetch.await;
        }
        let after = self.0.state();
        match (&after.keys, after.attempt) {
            (Some(keys), _) => keys.verify(token),
            (None, Some((_, Some(error)))) => self.0.with_fallback(token, error),
            (None, _) => {
                let error = IdentityError::KeysUnavailable("none were fetched yet".to_owned());
                self.0.with_fallback(token, error)
            }
        }
    }
}

impl Inner {
    fn state(&self) -> State {
        self.state
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn may_fetch(&self, state: &State) -> bool {
        match &state.attempt {
            None => true,
            Some((at, None)) => at.elapsed() >= self.pace.unknown_key,
            // Failures with keys at hand are no hurry, failures without any are.
            Some((at, Some(_))) if state.keys.is_some() => at.elapsed() >= self.pace.unknown_key,
            Some((at, Some(_))) => at.elapsed() >= self.pace.failed,
        }
    }

    /// Fetches the keys, unless somebody did so while this call waited for its turn.
    async fn fetch(&self) {
        let _turn = self.fetching.lock().await;
        if !self.may_fetch(&self.state()) {
            return;
        }
        let failed_before = matches!(self.state().attempt, Some((_, Some(_))));
        let fetched = self.source.fetch(&self.http).await;
        // Once when it begins and once when it ends; in between each request would say the same.
        match &fetched {
            Err(error) if !failed_before => {
                tracing::warn!(%error, "the keys of the token issuer can't be fetched; those at hand stay in use");
            }
            Ok(_) if failed_before => {
                tracing::info!("the keys of the token issuer are fetched again")
            }
            Ok(_) | Err(_) => {}
        }
        let now = Instant::now();
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.attempt = Some((now, fetched.as_ref().err().cloned()));
        if let Ok(keys) = fetched {
            state.keys = Some(Arc::new(keys));
            state.fetched_at = Some(now);
        }
    }

    /// The binding's own key, only while the issuer's can't be had.
    fn with_fallback(&self, token: &Token<'_>, error: IdentityError) -> Result<(), IdentityError> {
        let keys = self.source.fallback.as_deref().and_then(KeySet::from_pem);
        keys.map_or(Err(error), |keys| keys.verify(token))
    }
}

#[cfg(test)]
impl Keys {
    /// Keys that are there already and never fetched again.
    pub(super) fn fixed(source: Source, keys: KeySet) -> Self {
        let never = Duration::from_secs(1 << 40);
        let pace = Pace {
            keep: never,
            keep_without_looking: never,
            unknown_key: never,
            failed: never,
        };
        let http = http::client(None).unwrap();
        let fixed = Self::new(source, http, Lifecycle::new(), pace);
        let now = Instant::now();
        *fixed.0.state.write().unwrap() = State {
            keys: Some(Arc::new(keys)),
            fetched_at: Some(now),
            attempt: Some((now, None)),
        };
        fixed
    }
}
