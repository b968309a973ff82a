//! One call over HTTP: build it, give it credentials, send it, and say what came.
//!
//! Nothing here waits for a turn or tries again; the dispatcher decides that.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ingester_core::time::Timestamp;
use reqwest::RequestBuilder;
use reqwest::header::{self, HeaderValue};
use secrecy::ExposeSecret as _;
use tokio::time::Instant;
use url::Url;

use super::ask::{Answer, Call, Content, Endpoint};
use super::error::{CredentialKind, QualtricsError};
use super::judge::{Outcome, Received};
use super::limiter::Ending;
use super::token::{OAuthClient, Token, Tokens};
use super::{download, http, requests};
use crate::config::{self, Credentials};
use crate::lifecycle::{self, Lifecycle};
use crate::telemetry::metrics::Metrics;

/// The HTTP client with its base and its credentials.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
    credential: Credential,
    metrics: Metrics,
    notice_logged: AtomicBool,
    /// Answers in the network's stead.
    #[cfg(feature = "sim")]
    peer: Option<super::simulated::Peer>,
}

#[derive(Debug)]
enum Credential {
    /// Sent as `X-API-TOKEN`; marked sensitive, so that `Debug` hides it.
    Token(HeaderValue),
    OAuth(Tokens),
}

/// How a call ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) endpoint: Endpoint,
    pub(super) sent_at: Instant,
    pub(super) ending: Ending,
    pub(super) result: Result<Answer, QualtricsError>,
    /// True if the call may be sent once more at once: with a new token, or over a new connection.
    pub(super) again: bool,
}

impl Client {
    /// Sets up the client. Nothing is sent, except that the first OAuth token is asked for in the background.
    pub(super) fn new(
        settings: &config::Qualtrics,
        metrics: Metrics,
        life: &Lifecycle,
    ) -> Result<Self, QualtricsError> {
        let base = http::base(settings)?;
        let http = http::client(&base)?;
        let credential = match &settings.credentials {
            None => {
                return Err(QualtricsError::NotConfigured {
                    setting: "QUALTRICS_CLIENT_ID",
                    mend: "set it and QUALTRICS_CLIENT_SECRET to an OAuth client's, or set QUALTRICS_API_TOKEN",
                });
            }
            Some(Credentials::Token(token)) => {
                Credential::Token(http::token_header(token.expose_secret())?)
            }
            Some(Credentials::OAuth {
                client_id,
                client_secret,
            }) => {
                let client = OAuthClient {
                    http: http.clone(),
                    url: http::join(&base, "/oauth2/token"),
                    id: client_id.clone(),
                    secret: client_secret.clone(),
                    metrics: metrics.clone(),
                };
                Credential::OAuth(Tokens::start(client, life))
            }
        };
        Ok(Self {
            http,
            base,
            credential,
            metrics,
            notice_logged: AtomicBool::new(false),
            #[cfg(feature = "sim")]
            peer: None,
        })
    }

    /// A client without a network.
    #[cfg(feature = "sim")]
    pub(super) fn simulated(
        settings: &config::Qualtrics,
        metrics: Metrics,
        peer: super::simulated::Peer,
    ) -> Result<Self, QualtricsError> {
        // One for all worlds: setting it up reads the system's certificates.
        static HTTP: std::sync::OnceLock<Result<reqwest::Client, QualtricsError>> =
            std::sync::OnceLock::new();
        let base = http::base(settings)?;
        Ok(Self {
            http: HTTP.get_or_init(|| http::client(&base)).clone()?,
            base,
            credential: Credential::Token(HeaderValue::from_static("simulated")),
            metrics,
            notice_logged: AtomicBool::new(false),
            peer: Some(peer),
        })
    }

    /// Performs one call.
    pub(super) async fn call(&self, call: &Call) -> Ended {
        let endpoint = call.endpoint();
        let (request, token) = match self.prepare(call).await {
            Ok(prepared) => prepared,
            Err(error) => {
                return Ended {
                    endpoint,
                    sent_at: Instant::now(),
                    ending: Ending::Unsent,
                    result: Err(error),
                    again: false,
                };
            }
        };

        let sent_at = Instant::now();
        let exchange = self.exchange(call, request, lifecycle::now());
        let outcome = tokio::time::timeout(endpoint.deadline(), exchange)
            .await
            .unwrap_or_else(|_| Outcome::timeout(endpoint));
        self.record(endpoint, &outcome, sent_at.elapsed());

        let renewed = match (&self.credential, token) {
            (Credential::OAuth(tokens), Some(token)) if outcome.status == 401 => {
                tokens.refused(&token)
            }
            _ => false,
        };
        Ended {
            endpoint,
            sent_at,
            ending: outcome.ending,
            result: outcome.result,
            again: renewed || (outcome.connection_was_stale && call.is_repeatable()),
        }
    }

    async fn prepare(
        &self,
        call: &Call,
    ) -> Result<(RequestBuilder, Option<Token>), QualtricsError> {
        let request = requests::request(&self.http, &self.base, call)?;
        match &self.credential {
            Credential::Token(token) => Ok((request.header("x-api-token", token.clone()), None)),
            Credential::OAuth(tokens) => {
                let token = tokens.current().await?;
                Ok((
                    request.header(header::AUTHORIZATION, token.header()),
                    Some(token),
                ))
            }
        }
    }

    async fn exchange(&self, call: &Call, request: RequestBuilder, asked_at: Timestamp) -> Outcome {
        let endpoint = call.endpoint();
        #[cfg(feature = "sim")]
        if let Some(peer) = &self.peer {
            return peer.exchange(call, asked_at, self.credential.kind()).await;
        }
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Outcome::unanswered(endpoint, error),
        };
        let status = response.status().as_u16();
        if endpoint == Endpoint::ExportFile && status == 200 && !http::is_json(response.headers()) {
            let content = Content::File(download::file(response));
            return Outcome::answered(status, Answer { asked_at, content });
        }
        let headers = response.headers().clone();
        let body = match http::body(endpoint, response).await {
            Ok(body) => body,
            // Its status says more than its missing end.
            Err(_) if status >= 400 => bytes::Bytes::new(),
            Err(error) => return Outcome::broken_off(status, error),
        };
        let received = Received {
            endpoint,
            status,
            headers: &headers,
            body,
            asked_at,
        };
        received.judge(self.credential.kind())
    }

    fn record(&self, endpoint: Endpoint, outcome: &Outcome, duration: Duration) {
        self.metrics
            .qualtrics_request(endpoint.name(), outcome.status, duration);
        tracing::debug!(
            endpoint = endpoint.name(),
            status = outcome.status,
            request_id = outcome.request_id.as_deref(),
            duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
            "asked Qualtrics"
        );
        // Source: an API token used at another datacenter works, with `meta.notice` "Request proxied …".
        if let Some(notice) = &outcome.notice
            && !self.notice_logged.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                setting = "QUALTRICS_BASE_URL",
                "Qualtrics says: {notice} (set QUALTRICS_BASE_URL or QUALTRICS_DATACENTER accordingly)"
            );
        }
    }
}

impl Credential {
    fn kind(&self) -> CredentialKind {
        match self {
            Self::Token(_) => CredentialKind::Token,
            Self::OAuth(_) => CredentialKind::OAuth,
        }
    }
}

impl Call {
    /// True if sending it twice does no more than sending it once.
    fn is_repeatable(&self) -> bool {
        !matches!(
            self,
            Self::Subscribe(_) | Self::Unsubscribe(_) | Self::ExportStart(..)
        )
    }
}
