//! Tokens that we ask for ourselves: the client-credentials grant, by secret or by certificate.
//! Source: RFC 6749, section 4.4; SAP Job Scheduling Service, "Secure Access".

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::http;
use crate::config::{ClientProof, OAuthClient};

/// Why we have no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The certificate and key of the binding can't be used.
    #[error("the client certificate of the binding can't be used, {0}: bind the service again")]
    Certificate(String),
    /// The authorization server can't be reached, or gives none.
    #[error("no token from the authorization server, {0}: check the binding's client")]
    NoToken(String),
}

/// A client of an authorization server, with the token that it has. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ClientCredentials {
    client: Arc<OAuthClient>,
    http: reqwest::Client,
    token: Arc<Mutex<Option<Cached>>>,
}

#[derive(Debug)]
struct Cached {
    token: SecretString,
    until: Instant,
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    expires_in: Option<u64>,
}

/// Assumed where the answer does not say; short, so that a wrong guess costs a call and no error.
const LIFETIME: Duration = Duration::from_secs(300);

/// A token is asked for again this long before it expires.
const MARGIN: Duration = Duration::from_secs(60);

impl ClientCredentials {
    /// Makes the client; no call yet.
    ///
    /// # Errors
    /// If the binding's certificate can't be used.
    pub fn new(client: &OAuthClient) -> Result<Self, ClientError> {
        let unusable = |error: reqwest::Error| ClientError::Certificate(error.to_string());
        let certificate = match &client.proof {
            ClientProof::Secret(_) => None,
            ClientProof::Certificate { certificate, key } => {
                let pem = format!("{certificate}\n{}", key.expose_secret());
                Some(reqwest::Identity::from_pem(pem.as_bytes()).map_err(unusable)?)
            }
        };
        let http = http::client(certificate).map_err(unusable)?;
        Ok(Self {
            client: Arc::new(client.clone()),
            http,
            token: Arc::default(),
        })
    }

    /// The token: the one that is there while it lasts, else a new one. Who asks meanwhile waits for the same.
    ///
    /// # Errors
    /// If there is none to be had.
    ///
    /// # Cancel safety
    /// A caller that goes away leaves the old state.
    pub async fn token(&self) -> Result<SecretString, ClientError> {
        let mut cached = self.token.lock().await;
        if let Some(cached) = cached
            .as_ref()
            .filter(|cached| Instant::now() < cached.until)
        {
            return Ok(cached.token.clone());
        }
        let asked_at = Instant::now();
        let answer = self.ask().await?;
        let lifetime = answer.expires_in.map_or(LIFETIME, Duration::from_secs);
        // Half of a life that is shorter than the margin.
        let used = lifetime.saturating_sub(MARGIN).max(lifetime / 2);
        // A lifetime beyond what a clock can name is long enough as an hour.
        let until = asked_at
            .checked_add(used)
            .unwrap_or(asked_at + Duration::from_secs(3600));
        let token = SecretString::from(answer.access_token);
        *cached = Some(Cached {
            token: token.clone(),
            until,
        });
        Ok(token)
    }

    /// Drops the token, after a 401; the next call asks for a new one. Once per call, never in a loop.
    pub async fn forget(&self) {
        *self.token.lock().await = None;
    }

    /// The secret goes into the body, because the UAA reads the header's encoded form differently than RFC 6749.
    async fn ask(&self) -> Result<Answer, ClientError> {
        let client_id = self.client.client_id.as_str();
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("client_id", client_id),
        ];
        if let ClientProof::Secret(secret) = &self.client.proof {
            form.push(("client_secret", secret.expose_secret()));
        }
        let request = self.http.post(self.client.token_url.clone()).form(&form);
        let request = request.header("accept", "application/json");
        http::read_json(request).await.map_err(ClientError::NoToken)
    }
}
