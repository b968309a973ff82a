//! Who asks: from a bearer token to a [`Viewer`], checked here and not by asking the issuer. And the other way round:
//! tokens that we ask for ourselves, to report to the job scheduler.
//!
//! A token is believed if all of these hold: it is readable, signed with an algorithm of its issuer, from the one
//! issuer and tenant of the configuration, for this application, within its time, and signed with a key that the
//! issuer publishes at an address that the configuration names. Nothing that a token says about keys is read.

mod claims;
mod client;
mod error;
mod fetch;
mod http;
mod ias;
mod keys;
mod oidc;
mod token;
mod xsuaa;

#[cfg(test)]
mod tests;

use ingester_core::access::Viewer;
use ingester_core::time::Timestamp;
use jsonwebtoken::Algorithm;

use crate::config::{Auth, Ias, Oidc, Xsuaa};
use crate::lifecycle::{self, Lifecycle};

use claims::Claims;
use fetch::{Keys, Pace, Source};

pub use client::{ClientCredentials, ClientError};
pub use error::IdentityError;
pub use keys::KeySet;
pub use token::Token;

/// The scope that opens the data routes.
pub const READ: &str = "Read";

/// The scope that opens operations too.
pub const ADMIN: &str = "Admin";

/// The scope of the job scheduler.
pub const JOBS: &str = "JOBSCHEDULER";

/// Checks bearer tokens. Cheap to clone.
#[derive(Clone)]
pub struct Identity {
    issuer: Issuer,
    keys: Keys,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

/// The one issuer that is believed, and its rules.
#[derive(Debug, Clone)]
enum Issuer {
    Xsuaa(Xsuaa),
    Ias(Ias),
    Oidc(Oidc),
}

impl Identity {
    /// Nothing where no tokens are checked (`AUTH` is `none` or `closed`). The keys are fetched with the first token,
    /// so that an issuer that is away does not keep the service from starting.
    ///
    /// # Errors
    /// If the HTTP client can't be made.
    pub fn new(auth: &Auth, life: &Lifecycle) -> Result<Option<Self>, IdentityError> {
        let issuer = match auth {
            Auth::None | Auth::Closed => return Ok(None),
            Auth::Xsuaa(binding) => Issuer::Xsuaa(binding.clone()),
            Auth::Ias(binding) => Issuer::Ias(binding.clone()),
            Auth::Oidc(settings) => Issuer::Oidc(settings.clone()),
        };
        let unavailable = |text: String| IdentityError::KeysUnavailable(text);
        let source =
            Source::of(auth).ok_or_else(|| unavailable("their address is no URL".to_owned()))?;
        let http = http::client(None).map_err(|error| unavailable(error.to_string()))?;
        let keys = Keys::new(source, http, life.clone(), Pace::default());
        Ok(Some(Self { issuer, keys }))
    }

    /// The viewer behind a bearer token (what follows `Bearer `).
    ///
    /// # Errors
    /// Why the token is not believed; [`IdentityError::is_transient`] where that is not the token's fault.
    pub async fn authenticate(&self, bearer: &str) -> Result<Viewer, IdentityError> {
        let token = Token::parse(bearer)?;
        // The cheap checks first: a token that fails them is worth no call for keys.
        self.issuer.check_algorithm(&token)?;
        self.issuer.check_issuer(&token.claims)?;
        self.issuer.check_audience(&token.claims)?;
        token.claims.check_time(seconds(lifecycle::now()))?;
        self.keys.verify(&token).await?;
        self.issuer.viewer(&token.claims)
    }

    /// Every check of a token by itself, for `access explain`: all are made, also after one has failed.
    pub async fn explain(&self, bearer: &str) -> Explanation {
        let token = match Token::parse(bearer) {
            Ok(token) => token,
            Err(error) => {
                return Explanation {
                    checks: vec![Check::new("format", Err(error))],
                    claimed: None,
                };
            }
        };
        let mut explanation = self.explain_parsed(&token.claims);
        let signature = match self.issuer.check_algorithm(&token) {
            Ok(()) => self.keys.verify(&token).await,
            Err(error) => Err(error),
        };
        explanation
            .checks
            .insert(0, Check::new("signature", signature));
        explanation
    }

    /// The same for claims alone (`--claims FILE`): there is no signature to check.
    ///
    /// # Errors
    /// If the text is not a JSON object.
    pub fn explain_claims(&self, json: &str) -> Result<Explanation, IdentityError> {
        let claims = serde_json::from_str(json)
            .map_err(|_| IdentityError::Malformed("the claims are not a JSON object"))?;
        Ok(self.explain_parsed(&claims))
    }

    fn explain_parsed(&self, claims: &Claims) -> Explanation {
        let viewer = self.issuer.viewer(claims);
        let mut checks = vec![
            Check::new("issuer", self.issuer.check_issuer(claims)),
            Check::new("audience", self.issuer.check_audience(claims)),
            Check::new("time", claims.check_time(seconds(lifecycle::now()))),
        ];
        if let Err(error) = &viewer {
            checks.push(Check::new("subject", Err(error.clone())));
        }
        Explanation {
            checks,
            claimed: viewer.ok(),
        }
    }
}

/// What `access explain` says of a token.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// Each check, in order.
    pub checks: Vec<Check>,
    /// Who the token claims to be, believed or not: to show which rule would match, never to serve rows.
    pub claimed: Option<Viewer>,
}

impl Explanation {
    /// Whether all checks passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.claimed.is_some() && self.checks.iter().all(|check| check.result.is_ok())
    }
}

/// One check of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// `signature`, `issuer`, `audience`, `time`, or `format` and `subject` where these fail.
    pub name: &'static str,
    /// Whether it passed.
    pub result: Result<(), IdentityError>,
}

impl Check {
    fn new(name: &'static str, result: Result<(), IdentityError>) -> Self {
        Self { name, result }
    }
}

impl Issuer {
    /// SAP's issuers sign with RS256 and nothing else.
    fn check_algorithm(&self, token: &Token<'_>) -> Result<(), IdentityError> {
        let (allowed, names_key): (&[Algorithm], bool) = match self {
            Self::Xsuaa(_) => (&[Algorithm::RS256], true),
            Self::Ias(_) => (&[Algorithm::RS256], false),
            Self::Oidc(_) => (&[Algorithm::RS256, Algorithm::ES256], false),
        };
        if !token
            .algorithm
            .is_some_and(|algorithm| allowed.contains(&algorithm))
        {
            return Err(IdentityError::Algorithm);
        }
        if names_key && token.key_id.is_none() {
            return Err(IdentityError::Malformed("it names no key"));
        }
        Ok(())
    }

    fn check_issuer(&self, claims: &Claims) -> Result<(), IdentityError> {
        match self {
            Self::Xsuaa(binding) => xsuaa::check_issuer(binding, claims),
            Self::Ias(binding) => ias::check_issuer(binding, claims),
            Self::Oidc(settings) => oidc::check_issuer(settings, claims),
        }
    }

    fn check_audience(&self, claims: &Claims) -> Result<(), IdentityError> {
        match self {
            Self::Xsuaa(binding) => xsuaa::check_audience(binding, claims),
            Self::Ias(binding) => ias::check_audience(binding, claims),
            Self::Oidc(settings) => oidc::check_audience(settings, claims),
        }
    }

    fn viewer(&self, claims: &Claims) -> Result<Viewer, IdentityError> {
        match self {
            Self::Xsuaa(binding) => xsuaa::viewer(binding, claims),
            Self::Ias(_) => ias::viewer(claims),
            Self::Oidc(settings) => oidc::viewer(settings, claims),
        }
    }
}

/// Seconds since 1970; before it there were no tokens.
fn seconds(instant: Timestamp) -> u64 {
    u64::try_from(instant.as_second()).unwrap_or(0)
}
