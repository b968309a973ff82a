//! The settings that the API client reads.

use std::num::NonZeroU32;

use secrecy::SecretString;
use url::Url;

/// How to reach Qualtrics, and how fast.
#[derive(Debug, Clone)]
pub struct Qualtrics {
    /// `QUALTRICS_BASE_URL`, or made from `QUALTRICS_DATACENTER`.
    pub base_url: Option<Url>,
    /// OAuth client credentials or an API token.
    pub credentials: Option<Credentials>,
    /// `QUALTRICS_REQUESTS_PER_MINUTE`.
    pub requests_per_minute: NonZeroU32,
}

/// Who we are to Qualtrics.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// `QUALTRICS_CLIENT_ID` and `QUALTRICS_CLIENT_SECRET`.
    OAuth {
        /// `QUALTRICS_CLIENT_ID`
        client_id: String,
        /// `QUALTRICS_CLIENT_SECRET`
        client_secret: SecretString,
    },
    /// `QUALTRICS_API_TOKEN`
    Token(SecretString),
}
