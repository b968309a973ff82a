//! The client without a network: calls leave it as messages, after limits and credentials, and answers come back as a
//! server would have sent them, to be judged as those are.

use bytes::Bytes;
use ingester_core::time::Timestamp;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::{mpsc, oneshot};

use super::Qualtrics;
use super::ask::{Answer, Call, Content, File};
use super::client::Client;
use super::error::{CredentialKind, QualtricsError};
use super::judge::{Outcome, Received};
use crate::config;
use crate::lifecycle::Lifecycle;
use crate::telemetry::metrics::Metrics;

/// The other side of the network.
#[derive(Debug, Clone)]
pub struct Peer(pub mpsc::Sender<Sent>);

/// A call on its way.
#[derive(Debug)]
pub struct Sent {
    /// The call.
    pub call: Call,
    /// Takes what the server sends. Dropped, the connection is cut.
    pub reply: oneshot::Sender<Replied>,
}

/// What a server sends.
#[derive(Debug)]
pub enum Replied {
    /// An answer.
    Whole {
        /// Its status line.
        status: u16,
        /// Its headers.
        headers: Vec<(HeaderName, String)>,
        /// Its body.
        body: Bytes,
    },
    /// A file.
    File(File),
}

impl Qualtrics {
    /// Starts a client whose calls go to a peer.
    ///
    /// # Errors
    /// As [`Qualtrics::start`].
    pub fn simulated(
        settings: &config::Qualtrics,
        metrics: Metrics,
        life: &Lifecycle,
        peer: Peer,
    ) -> Result<Self, QualtricsError> {
        let client = Client::simulated(settings, metrics.clone(), peer)?;
        let requests_per_minute = settings.requests_per_minute.get();
        Ok(Self::dispatched(client, requests_per_minute, metrics, life))
    }
}

impl Peer {
    pub(super) async fn exchange(
        &self,
        call: &Call,
        asked_at: Timestamp,
        credential: CredentialKind,
    ) -> Outcome {
        let endpoint = call.endpoint();
        let (reply, answer) = oneshot::channel();
        let call = call.clone();
        drop(self.0.send(Sent { call, reply }).await);
        let Ok(replied) = answer.await else {
            let problem = "the connection was cut".into();
            return Outcome::broken_off(0, QualtricsError::Unreachable { endpoint, problem });
        };
        match replied {
            Replied::File(file) => {
                let content = Content::File(file);
                Outcome::answered(200, Answer { asked_at, content })
            }
            Replied::Whole {
                status,
                headers,
                body,
            } => {
                let headers: HeaderMap = headers
                    .into_iter()
                    .filter_map(|(name, value)| Some((name, HeaderValue::from_str(&value).ok()?)))
                    .collect();
                let received = Received {
                    endpoint,
                    status,
                    headers: &headers,
                    body,
                    asked_at,
                };
                received.judge(credential)
            }
        }
    }
}
