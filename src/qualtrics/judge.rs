//! What an answer means. Only the status decides, the worse of the two that there are; never an error code.

use std::time::Duration;

use bytes::Bytes;
use ingester_core::time::Timestamp;
use reqwest::header::{self, HeaderMap};
use url::Url;

use super::ask::{Answer, Content, Endpoint};
use super::envelope::{self, Meta};
use super::error::{CredentialKind, QualtricsError};
use super::http;
use super::limiter::Ending;
use super::said::excerpt;
use crate::lifecycle;

/// A complete answer, not yet looked at.
pub(super) struct Received<'a> {
    pub(super) endpoint: Endpoint,
    pub(super) status: u16,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: Bytes,
    pub(super) asked_at: Timestamp,
}

/// What a call came to.
pub(super) struct Outcome {
    /// The worse status; 0 if there was no answer.
    pub(super) status: u16,
    pub(super) ending: Ending,
    pub(super) result: Result<Answer, QualtricsError>,
    pub(super) request_id: Option<Box<str>>,
    pub(super) notice: Option<Box<str>>,
    /// True if the connection ended before anything of the answer came.
    pub(super) connection_was_stale: bool,
}

impl Received<'_> {
    /// Decides.
    pub(super) fn judge(self, credential: CredentialKind) -> Outcome {
        let meta = envelope::meta(&self.body);
        let is_envelope = meta.is_some();
        let meta = meta.unwrap_or_default();
        let status = meta.worse_status(self.status);
        let request_id = meta.request_id.as_deref().map(excerpt);
        let notice = meta.notice.as_deref().map(excerpt);
        let failure = self.failure(status, &meta, credential);
        let ending = match &failure {
            Some(QualtricsError::RateLimited { retry_after, .. }) => Ending::Limited(*retry_after),
            Some(QualtricsError::Server { status: 503, .. }) => Ending::Overloaded,
            _ => Ending::Answered,
        };
        let nothing_to_say = self.body.is_empty() && self.endpoint == Endpoint::Unsubscribe;
        let result = match failure {
            Some(error) => Err(error),
            None if is_envelope || nothing_to_say => Ok(Answer {
                asked_at: self.asked_at,
                content: Content::Body(self.body),
            }),
            None => Err(QualtricsError::bad(self.endpoint, self.describe())),
        };
        Outcome {
            status,
            ending,
            result,
            request_id,
            notice,
            connection_was_stale: false,
        }
    }

    /// The error that a status stands for, if it stands for one.
    fn failure(
        &self,
        status: u16,
        meta: &Meta<'_>,
        credential: CredentialKind,
    ) -> Option<QualtricsError> {
        let endpoint = self.endpoint;
        let said = meta.said();
        let error = match status {
            202 if endpoint == Endpoint::Response => QualtricsError::NotYet { said },
            200..=299 => return None,
            300..=399 => redirected(endpoint, self.headers),
            401 => QualtricsError::Unauthorized {
                endpoint,
                status,
                credential,
                said,
            },
            403 => QualtricsError::Forbidden {
                endpoint,
                credential,
                said,
            },
            404 => QualtricsError::NotFound { endpoint, said },
            429 => QualtricsError::RateLimited {
                endpoint,
                retry_after: retry_after(self.headers),
                said,
            },
            400..=499 => QualtricsError::Refused {
                endpoint,
                status,
                said,
            },
            500.. => QualtricsError::Server {
                endpoint,
                status,
                retry_after: retry_after(self.headers),
                said,
            },
            _ => QualtricsError::bad(endpoint, format!("status {status}")),
        };
        Some(error)
    }

    /// Names what came instead of JSON, without repeating it.
    fn describe(&self) -> String {
        if self.body.is_empty() {
            return "an empty body".to_owned();
        }
        let kind = self.headers.get(header::CONTENT_TYPE);
        match kind.and_then(|kind| kind.to_str().ok()) {
            Some(kind) if !http::is_json(self.headers) => {
                format!("{} instead of JSON", excerpt(kind))
            }
            _ => "broken JSON".to_owned(),
        }
    }
}

impl Outcome {
    /// The answer has begun well, and its content follows.
    pub(super) fn answered(status: u16, answer: Answer) -> Self {
        Self::new(status, Ending::Answered, Ok(answer))
    }

    /// The answer has begun, but its body did not come to a good end.
    pub(super) fn broken_off(status: u16, error: QualtricsError) -> Self {
        let ending = match error {
            QualtricsError::Timeout { .. } => Ending::Overloaded,
            _ => Ending::Answered,
        };
        Self::new(status, ending, Err(error))
    }

    /// The deadline passed.
    pub(super) fn timeout(endpoint: Endpoint) -> Self {
        let after = endpoint.deadline();
        let error = QualtricsError::Timeout { endpoint, after };
        Self::new(0, Ending::Overloaded, Err(error))
    }

    /// Nothing of an answer came.
    pub(super) fn unanswered(endpoint: Endpoint, error: reqwest::Error) -> Self {
        let ending = if error.is_connect() {
            Ending::Unsent // nothing went out, so nothing is counted
        } else if error.is_timeout() {
            Ending::Overloaded
        } else {
            Ending::Answered
        };
        let stale = !error.is_connect() && http::closed_before_answering(&error);
        Self {
            connection_was_stale: stale,
            ..Self::new(0, ending, Err(http::broken(endpoint, error)))
        }
    }

    fn new(status: u16, ending: Ending, result: Result<Answer, QualtricsError>) -> Self {
        Self {
            status,
            ending,
            result,
            request_id: None,
            notice: None,
            connection_was_stale: false,
        }
    }
}

/// What `Retry-After` says, if it says anything.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    envelope::retry_after(text, lifecycle::now())
}

/// A redirect is refused, and its target named by host only: the rest may carry secrets.
pub(super) fn redirected(endpoint: Endpoint, headers: &HeaderMap) -> QualtricsError {
    let location = headers.get(header::LOCATION);
    let location = location.and_then(|value| Url::parse(value.to_str().ok()?).ok());
    let host = location.and_then(|url| url.host_str().map(excerpt));
    QualtricsError::Redirected {
        endpoint,
        host: host.unwrap_or_else(|| "another path".into()),
    }
}
