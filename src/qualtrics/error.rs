//! What can go wrong with Qualtrics: one enum that answers questions, so that nobody else matches its variants.

use std::time::Duration;

use super::ask::Endpoint;
use super::said::Said;

/// A call of Qualtrics failed. Cheap to clone, because one failed token answers all who wait for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QualtricsError {
    /// A setting is missing.
    #[error("{setting} is not set: {mend}")]
    NotConfigured {
        /// Its name, or names.
        setting: &'static str,
        /// What to do.
        mend: &'static str,
    },
    /// The HTTP client can't be built; in practice TLS without any trusted certificate.
    #[error("HTTPS cannot be set up ({problem}): install the system's CA certificates")]
    Setup {
        /// What the TLS library says.
        problem: Box<str>,
    },
    /// 202, or a result that has only a message: the response exists, but can't be read yet.
    #[error("Qualtrics does not show the response yet{said}")]
    NotYet {
        /// What Qualtrics said.
        said: Said,
    },
    /// 404. Of a response that just completed it means "not yet" as well.
    #[error("Qualtrics has no such {} (404{said})", endpoint.thing())]
    NotFound {
        /// What was asked.
        endpoint: Endpoint,
        /// What Qualtrics said.
        said: Said,
    },
    /// 401, even with a new token; or the token endpoint refused the credentials.
    #[error("Qualtrics refuses our credentials for {endpoint} ({status}{said}): check {}", credential.mend())]
    Unauthorized {
        /// What was asked.
        endpoint: Endpoint,
        /// 400, 401 or 403 from the token endpoint, else 401.
        status: u16,
        /// Which credentials.
        credential: CredentialKind,
        /// What Qualtrics said.
        said: Said,
    },
    /// The token endpoint refuses a scope that is needed for everything.
    #[error(
        "the OAuth client of QUALTRICS_CLIENT_ID lacks a scope ({status}{said}): grant it {scopes} in Qualtrics' account settings"
    )]
    ScopeMissing {
        /// 400 or 403.
        status: u16,
        /// The scopes asked for.
        scopes: &'static str,
        /// What Qualtrics said.
        said: Said,
    },
    /// 403: the credentials are good, the right is missing.
    #[error("Qualtrics forbids {endpoint} (403{said}): {}", credential.right(*endpoint))]
    Forbidden {
        /// What was asked.
        endpoint: Endpoint,
        /// Which credentials.
        credential: CredentialKind,
        /// What Qualtrics said.
        said: Said,
    },
    /// Another 4xx: the request is not to Qualtrics' liking.
    #[error("Qualtrics refuses {endpoint} ({status}{said})")]
    Refused {
        /// What was asked.
        endpoint: Endpoint,
        /// The status.
        status: u16,
        /// What Qualtrics said.
        said: Said,
    },
    /// 429.
    #[error(
        "Qualtrics limits the rate of {endpoint} (429{said}): lower QUALTRICS_REQUESTS_PER_MINUTE if this lasts"
    )]
    RateLimited {
        /// What was asked.
        endpoint: Endpoint,
        /// What `Retry-After` said.
        retry_after: Option<Duration>,
        /// What Qualtrics said.
        said: Said,
    },
    /// 5xx.
    #[error("Qualtrics failed at {endpoint} ({status}{said})")]
    Server {
        /// What was asked.
        endpoint: Endpoint,
        /// The status.
        status: u16,
        /// What `Retry-After` said.
        retry_after: Option<Duration>,
        /// What Qualtrics said.
        said: Said,
    },
    /// No connection, or one that broke before the answer was complete.
    #[error(
        "Qualtrics cannot be reached for {endpoint} ({problem}): check QUALTRICS_BASE_URL or QUALTRICS_DATACENTER, and the network"
    )]
    Unreachable {
        /// What was asked.
        endpoint: Endpoint,
        /// The causes, joined with `: `.
        problem: Box<str>,
    },
    /// The answer was not complete in time.
    #[error("Qualtrics did not answer {endpoint} within {} s", after.as_secs())]
    Timeout {
        /// What was asked.
        endpoint: Endpoint,
        /// How long we waited.
        after: Duration,
    },
    /// An answer that is not what the API documents.
    #[error("Qualtrics answered {endpoint} with {problem}")]
    BadAnswer {
        /// What was asked.
        endpoint: Endpoint,
        /// What is wrong with it.
        problem: Box<str>,
    },
    /// An answer longer than we read.
    #[error("Qualtrics' answer to {endpoint} is longer than {limit_bytes} bytes")]
    TooLarge {
        /// What was asked.
        endpoint: Endpoint,
        /// How much is read.
        limit_bytes: usize,
    },
    /// A redirect, which is never followed: it would carry the token away.
    #[error(
        "{endpoint} was redirected to {host}: set QUALTRICS_BASE_URL to the brand's own API host"
    )]
    Redirected {
        /// What was asked.
        endpoint: Endpoint,
        /// The host in `Location`.
        host: Box<str>,
    },
    /// The export job ended as `failed`, or did not end.
    #[error("the export job {problem}: repeat it, with a shorter range if it fails again")]
    ExportFailed {
        /// What became of it.
        problem: Box<str>,
    },
    /// The export's archive was cut or altered on its way.
    #[error("the export's archive is damaged ({problem}): repeat the export")]
    ExportDamaged {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The service is shutting down.
    #[error("the service is stopping")]
    Stopping,
}

/// Whether and when to ask again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Not at all.
    Never,
    /// After what Qualtrics asked for.
    After(Duration),
    /// After the caller's own back-off.
    Backoff,
}

impl QualtricsError {
    /// Whether and when to ask again. No event dies of anything that may be mended: a right that was taken away comes
    /// back, and its events must still be there then.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            Self::NotConfigured { .. } | Self::Setup { .. } | Self::Stopping => Retry::Never,
            Self::RateLimited { retry_after, .. } | Self::Server { retry_after, .. } => {
                retry_after.map_or(Retry::Backoff, Retry::After)
            }
            Self::NotYet { .. }
            | Self::NotFound { .. }
            | Self::Unauthorized { .. }
            | Self::ScopeMissing { .. }
            | Self::Forbidden { .. }
            | Self::Refused { .. }
            | Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::BadAnswer { .. }
            | Self::TooLarge { .. }
            | Self::Redirected { .. }
            | Self::ExportFailed { .. }
            | Self::ExportDamaged { .. } => Retry::Backoff,
        }
    }

    /// The stable code that dead letters, logs and `--output json` share.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotConfigured { .. } => "not-configured",
            Self::Setup { .. } => "tls-unavailable",
            Self::NotYet { .. } => "not-yet",
            Self::NotFound { endpoint, .. } if *endpoint == Endpoint::Response => "response-gone",
            Self::NotFound { .. } => "not-found",
            Self::Unauthorized { .. } => "unauthorized",
            Self::ScopeMissing { .. } => "scope-missing",
            Self::Forbidden { .. } => "forbidden",
            Self::Refused { .. } => "refused",
            Self::RateLimited { .. } => "rate-limited",
            Self::Server { .. } => "server-error",
            Self::Unreachable { .. } => "unreachable",
            Self::Timeout { .. } => "timeout",
            Self::BadAnswer { .. } => "bad-answer",
            Self::TooLarge { .. } => "too-large",
            Self::Redirected { .. } => "redirected",
            Self::ExportFailed { .. } => "export-failed",
            Self::ExportDamaged { .. } => "export-damaged",
            Self::Stopping => "stopping",
        }
    }

    /// True if the response can't be read now but may be soon: 202, or 404. The schedule for these is the worker's.
    #[must_use]
    pub fn is_not_yet(&self) -> bool {
        match self {
            Self::NotYet { .. } => true,
            Self::NotFound { endpoint, .. } => *endpoint == Endpoint::Response,
            _ => false,
        }
    }

    /// True for 404 of anything.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// True if Qualtrics understood and won't, however often it is asked: 400, 403, 404 and their like.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::NotFound { .. } | Self::Forbidden { .. } | Self::Refused { .. }
        )
    }

    pub(super) fn bad(endpoint: Endpoint, problem: impl Into<Box<str>>) -> Self {
        Self::BadAnswer {
            endpoint,
            problem: problem.into(),
        }
    }
}

/// Which credentials are configured, so that an error names the right settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialKind {
    /// Client id and secret.
    OAuth,
    /// API token.
    Token,
}

impl CredentialKind {
    fn mend(self) -> &'static str {
        match self {
            Self::OAuth => {
                "QUALTRICS_CLIENT_ID and QUALTRICS_CLIENT_SECRET, and that QUALTRICS_BASE_URL or QUALTRICS_DATACENTER names the brand's own datacenter (others don't know its tokens)"
            }
            Self::Token => {
                "QUALTRICS_API_TOKEN (generating a new one in Qualtrics ends the old one)"
            }
        }
    }

    fn right(self, endpoint: Endpoint) -> String {
        let scope = endpoint.scope();
        let administrator = match endpoint {
            Endpoint::Subscriptions | Endpoint::Subscribe | Endpoint::Unsubscribe => {
                " and make its owner a brand administrator, or use `subscription workflow`"
            }
            _ => ", and its owner access to the survey",
        };
        match self {
            Self::OAuth => format!(
                "give the OAuth client of QUALTRICS_CLIENT_ID the scope {scope}{administrator}"
            ),
            Self::Token => {
                format!("give QUALTRICS_API_TOKEN's owner the right to {scope}{administrator}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said() -> Said {
        Said::new(Some("DCD_7"), Some("Unrecognized X-API-TOKEN."), Some(""))
    }

    #[test]
    fn refused_credentials_name_the_settings_to_check() {
        let unauthorized = |credential| QualtricsError::Unauthorized {
            endpoint: Endpoint::Response,
            status: 401,
            credential,
            said: said(),
        };

        let oauth = unauthorized(CredentialKind::OAuth).to_string();
        let token = unauthorized(CredentialKind::Token).to_string();

        assert_eq!(
            token,
            "Qualtrics refuses our credentials for response (401 DCD_7 Unrecognized X-API-TOKEN.): check \
             QUALTRICS_API_TOKEN (generating a new one in Qualtrics ends the old one)"
        );
        for setting in [
            "QUALTRICS_CLIENT_ID",
            "QUALTRICS_CLIENT_SECRET",
            "QUALTRICS_DATACENTER",
        ] {
            assert!(oauth.contains(setting), "{oauth}");
        }
    }

    #[test]
    fn a_missing_right_names_the_scope() {
        let error = QualtricsError::Forbidden {
            endpoint: Endpoint::Subscribe,
            credential: CredentialKind::OAuth,
            said: Said::default(),
        };

        assert_eq!(
            error.to_string(),
            "Qualtrics forbids subscription_create (403): give the OAuth client of QUALTRICS_CLIENT_ID the scope \
             write:subscriptions and make its owner a brand administrator, or use `subscription workflow`"
        );
    }

    #[test]
    fn an_error_stays_small() {
        assert!(size_of::<QualtricsError>() <= 64);
    }
}
