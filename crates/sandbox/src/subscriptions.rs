//! Event subscriptions: who is called for what.

use crate::json::{Json, Object};

/// A subscription. Its key is never shown.
#[derive(Clone)]
pub(crate) struct Subscription {
    pub(crate) id: String,
    pub(crate) topics: String,
    pub(crate) url: String,
    pub(crate) encrypted: bool,
    pub(crate) key: Option<String>,
    pub(crate) successful_calls: u64,
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Subscription")
            .field("id", &self.id)
            .field("topics", &self.topics)
            .field("url", &self.url)
            .field("key", &self.key.as_ref().map(|_| "[REDACTED]"))
            .finish_non_exhaustive()
    }
}

impl Subscription {
    /// Source: recorded list. `scope` is the brand there.
    pub(crate) fn view(&self, brand: &str) -> Json {
        Json::Object(
            Object::new()
                .with("id", self.id.as_str())
                .with("scope", brand)
                .with("topics", self.topics.as_str())
                .with("publicationUrl", self.url.as_str())
                .with("encrypted", self.encrypted)
                .with("successfulCalls", self.successful_calls),
        )
    }
}
