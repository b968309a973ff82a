//! What looking after the subscriptions came to.

use ingester_core::id::{SubscriptionId, SurveyId};
use serde::Serialize;

use super::plan::Standing;
use crate::qualtrics::{QualtricsError, Subscription};
use crate::store::StoreError;
use crate::telemetry::audit::{self, Act};

/// How a survey stands; in `Surveys.Subscription`, and as 1 or 0 in `ingester_subscription_up`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// There, ours, under the configured key or the one before it.
    Ok,
    /// Nothing calls us for it.
    Missing,
    /// Something calls us for it, with another key or encrypted.
    ForeignKey,
}

impl State {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Missing => "missing",
            Self::ForeignKey => "foreign_key",
        }
    }
}

/// Why the subscriptions can't be looked after.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SubscriptionError {
    /// Qualtrics won't.
    #[error("{source}{hint}", source = .0, hint = hint(.0))]
    Qualtrics(#[from] QualtricsError),
    /// The database won't.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// Another instance is at it.
    #[error("another instance is looking after the subscriptions: try again in a minute")]
    Busy,
}

impl SubscriptionError {
    /// Stable code for logs and `--output json`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Qualtrics(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Busy => "busy",
        }
    }
}

/// What an answer may mean here beside what it says. Nobody recorded whether Qualtrics answers 401 or 403 to people
/// who are no brand administrators.
fn hint(error: &QualtricsError) -> &'static str {
    match error.code() {
        "unauthorized" => {
            "; if other calls work with them, their owner is no brand administrator: use `subscription workflow`"
        }
        "refused" => {
            "; Qualtrics must reach PUBLIC_URL over https: check it, and that `serve` runs there"
        }
        _ => "",
    }
}

/// A subscription and how it stands to us.
#[derive(Debug, Clone)]
pub struct Judged {
    /// As listed.
    pub subscription: Subscription,
    /// Judged.
    pub standing: Standing,
}

/// Something that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A subscription was made.
    Created(SubscriptionId, String),
    /// One of ours was deleted.
    Deleted(SubscriptionId),
}

impl Ensured {
    /// Writes a line of each change.
    pub fn audit(&self, by: &str) {
        for change in &self.changes {
            let act = match change {
                Change::Created(..) => Act::SubscriptionCreated,
                Change::Deleted(_) => Act::SubscriptionDeleted,
            };
            audit::line(act, by, &change.to_string());
        }
    }
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Created(id, topic) => write!(f, "subscribed to {topic} as {id}"),
            Self::Deleted(id) => write!(f, "deleted the subscription {id}, which is replaced"),
        }
    }
}

/// What ensuring came to.
#[derive(Debug, Clone, Default)]
pub struct Ensured {
    /// Each survey with its state.
    pub surveys: Vec<(SurveyId, State, Option<SubscriptionId>)>,
    /// What was done.
    pub changes: Vec<Change>,
    /// Instances that don't accept the configured key yet; while there are any, nothing is replaced.
    pub waiting_for: Vec<String>,
    /// How many subscriptions would be replaced or deleted but for that.
    pub held_back: usize,
    /// What is left alone.
    pub others: Vec<Judged>,
}

impl Ensured {
    /// Whether every survey has its subscription, under the configured key.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.held_back == 0 && self.surveys.iter().all(|(_, state, _)| *state == State::Ok)
    }
}

/// What a key's replacement waits for, in one line.
#[must_use]
pub fn waiting(ensured: &Ensured) -> Option<String> {
    (ensured.held_back > 0).then(|| {
        format!(
            "subscriptions are not replaced yet: {} live instances do not accept the configured QUALTRICS_SHARED_KEY; restart \
             them with it, and with the key before it as QUALTRICS_SHARED_KEY_PREVIOUS",
            ensured.waiting_for.len()
        )
    })
}
