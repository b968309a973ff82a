//! One request for an OAuth token: client credentials, as a dozen public clients ask for them.
//! Source: RFC 6749, 4.4; Qualtrics documents Basic authentication and `scope` for it.

use std::time::Duration;

use reqwest::Response;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use super::ask::Endpoint;
use super::error::{CredentialKind, QualtricsError};
use super::said::Said;
use super::{http, judge};
use crate::telemetry::metrics::Metrics;

/// Everything that the product asks for.
const ALL_SCOPES: &str =
    "read:surveys read:survey_responses read:subscriptions write:subscriptions read:users";
/// What rows need. Assumed: a client that lacks one scope of several is refused altogether; then its subscriptions are
/// managed by somebody else, and its rows must come nevertheless.
const ROW_SCOPES: &str = "read:surveys read:survey_responses";

const LIFE_DEFAULT: Duration = Duration::from_secs(3600);
const LIFE_MAX: Duration = Duration::from_secs(24 * 3600);

/// An OAuth client as Qualtrics knows it.
#[derive(Debug)]
pub(super) struct OAuthClient {
    pub(super) http: reqwest::Client,
    pub(super) url: Url,
    pub(super) id: String,
    pub(super) secret: SecretString,
    pub(super) metrics: Metrics,
}

/// A token as it was granted.
pub(super) struct Granted {
    pub(super) header: HeaderValue,
    pub(super) life: Duration,
}

#[derive(Deserialize)]
struct Grant {
    access_token: String,
    /// A number, by RFC 6749, 5.1, which recommends it; some servers write it as text.
    #[serde(default)]
    expires_in: Value,
}

#[derive(Default, Deserialize)]
struct Denial<'a> {
    error: Option<&'a str>,
}

impl OAuthClient {
    /// Asks for a token with all scopes; if that is refused because of a scope, for one that is enough for rows.
    pub(super) async fn request(&self) -> Result<Granted, QualtricsError> {
        let refused = match self.request_scopes(ALL_SCOPES).await {
            Err(QualtricsError::ScopeMissing { status, said, .. }) => (status, said),
            other => return other,
        };
        let granted = self.request_scopes(ROW_SCOPES).await?;
        let (status, said) = refused;
        tracing::warn!(
            setting = "QUALTRICS_CLIENT_ID",
            "the OAuth client was refused {ALL_SCOPES} ({status}{said}) but granted {ROW_SCOPES}: rows will come, \
             subscriptions can't be managed"
        );
        Ok(granted)
    }

    async fn request_scopes(&self, scopes: &'static str) -> Result<Granted, QualtricsError> {
        let asked_at = Instant::now();
        let deadline = Endpoint::Token.deadline();
        let (status, result) = tokio::time::timeout(deadline, self.exchange(scopes))
            .await
            .unwrap_or_else(|_| {
                let error = QualtricsError::Timeout {
                    endpoint: Endpoint::Token,
                    after: deadline,
                };
                (0, Err(error))
            });
        let endpoint = Endpoint::Token.name();
        self.metrics
            .qualtrics_request(endpoint, status, asked_at.elapsed());
        result
    }

    async fn exchange(&self, scopes: &'static str) -> (u16, Result<Granted, QualtricsError>) {
        let request = self
            .http
            .post(self.url.clone())
            .basic_auth(&self.id, Some(self.secret.expose_secret()))
            .form(&[("grant_type", "client_credentials"), ("scope", scopes)]);
        match request.send().await {
            Ok(response) => (response.status().as_u16(), read(response, scopes).await),
            Err(error) => (0, Err(http::broken(Endpoint::Token, error))),
        }
    }
}

/// Error bodies are not recorded, so the status decides; of the body only RFC 6749's `invalid_scope` does.
async fn read(response: Response, scopes: &'static str) -> Result<Granted, QualtricsError> {
    let endpoint = Endpoint::Token;
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let body = match http::body(endpoint, response).await {
        Ok(body) => body,
        Err(error) if status == 200 => return Err(error),
        Err(_) => bytes::Bytes::new(),
    };
    match status {
        200..=299 => grant(&body),
        300..=399 => Err(judge::redirected(endpoint, &headers)),
        400 | 401 | 403 => {
            let denial: Denial<'_> = serde_json::from_slice(&body).unwrap_or_default();
            let said = Said::new(denial.error, None, None);
            if denial.error == Some("invalid_scope") {
                return Err(QualtricsError::ScopeMissing {
                    status,
                    scopes,
                    said,
                });
            }
            Err(QualtricsError::Unauthorized {
                endpoint,
                status,
                credential: CredentialKind::OAuth,
                said,
            })
        }
        404 => Err(QualtricsError::NotFound {
            endpoint,
            said: Said::default(),
        }),
        429 => Err(QualtricsError::RateLimited {
            endpoint,
            retry_after: judge::retry_after(&headers),
            said: Said::default(),
        }),
        500.. => Err(QualtricsError::Server {
            endpoint,
            status,
            retry_after: judge::retry_after(&headers),
            said: Said::default(),
        }),
        _ => Err(QualtricsError::Refused {
            endpoint,
            status,
            said: Said::default(),
        }),
    }
}

fn grant(body: &[u8]) -> Result<Granted, QualtricsError> {
    let endpoint = Endpoint::Token;
    let no_token = || QualtricsError::bad(endpoint, "something that is no token");
    let grant: Grant = serde_json::from_slice(body).map_err(|_| no_token())?;
    let mut header =
        HeaderValue::from_str(&format!("Bearer {}", grant.access_token)).map_err(|_| no_token())?;
    header.set_sensitive(true);
    let seconds = &grant.expires_in;
    let seconds = seconds
        .as_u64()
        .or_else(|| seconds.as_str()?.trim().parse().ok());
    let life = seconds.map_or(LIFE_DEFAULT, Duration::from_secs);
    Ok(Granted {
        header,
        life: life.clamp(Duration::from_secs(1), LIFE_MAX),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_is_read_however_it_is_written() {
        let life = |written: &str| {
            let body = format!(r#"{{"access_token":"t"{written}}}"#);
            grant(body.as_bytes()).unwrap().life
        };

        assert_eq!(life(r#","expires_in":3599"#), Duration::from_secs(3599));
        assert_eq!(life(r#","expires_in":"3599""#), Duration::from_secs(3599));
        for unreadable in ["", r#","expires_in":null"#, r#","expires_in":"soon""#] {
            assert_eq!(life(unreadable), LIFE_DEFAULT, "{unreadable}");
        }
    }
}
