//! How a sandbox is set up.

use std::fmt;
use std::time::Duration;

use crate::faults::Faults;
use crate::limits::Limits;
use crate::survey::Survey;

/// A sandbox's settings. The default has the built-in surveys, no faults, Qualtrics' limits, and credentials that are
/// no secrets.
#[derive(Clone)]
pub struct Options {
    /// What goes wrong.
    pub faults: Faults,
    /// How many calls a minute are answered.
    pub limits: Limits,
    /// The surveys of the brand.
    pub surveys: Vec<Survey>,
    /// OAuth client id, `sandbox-client`.
    pub client_id: String,
    /// OAuth client secret, `sandbox-secret`.
    pub client_secret: String,
    /// API token, `sandbox-token`.
    pub api_token: String,
    /// The brand's id, which callbacks carry in front of their topic: `sandboxbrand`.
    pub brand: String,
    /// The data centre that answers name, `fra1`.
    pub datacenter: String,
    /// How long an OAuth token lives, an hour; tokens say one second less, as recorded.
    pub token_lifetime: Duration,
    /// The scopes that the OAuth client is registered for.
    pub scopes: Vec<String>,
    /// Whether the API token's user is a brand administrator: only such a user may manage subscriptions.
    pub brand_administrator: bool,
}

/// The default OAuth client's scopes: what an ingesting service needs, and deletion for tests.
const SCOPES: [&str; 7] = [
    "read:surveys",
    "read:survey_responses",
    "manage:survey_responses",
    "read:subscriptions",
    "write:subscriptions",
    "read:users",
    "manage:erasure_requests",
];

impl Default for Options {
    fn default() -> Self {
        Self {
            faults: Faults::default(),
            limits: Limits::default(),
            surveys: Survey::built_in(),
            client_id: "sandbox-client".to_owned(),
            client_secret: "sandbox-secret".to_owned(),
            api_token: "sandbox-token".to_owned(),
            brand: "sandboxbrand".to_owned(),
            datacenter: "fra1".to_owned(),
            token_lifetime: Duration::from_secs(3_600),
            scopes: SCOPES.map(str::to_owned).to_vec(),
            brand_administrator: true,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let surveys: Vec<&str> = self.surveys.iter().map(Survey::id).collect();
        formatter
            .debug_struct("Options")
            .field("faults", &self.faults.to_string())
            .field("limits", &self.limits)
            .field("surveys", &surveys)
            .field("client_id", &self.client_id)
            .field("client_secret", &"[REDACTED]")
            .field("api_token", &"[REDACTED]")
            .field("brand", &self.brand)
            .finish_non_exhaustive()
    }
}
