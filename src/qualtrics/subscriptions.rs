//! Event subscriptions: list, create, delete. There is no update, and the key is never shown again.
//! Source: Qualtrics API reference; recorded answers.

use std::fmt;

use ingester_core::id::SubscriptionId;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::ask::{Call, Endpoint, Priority};
use super::error::QualtricsError;
use super::{Qualtrics, envelope};

/// A subscription as Qualtrics lists it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// Its id.
    pub id: SubscriptionId,
    /// What it fires for; one topic, despite Qualtrics' name for it.
    #[serde(rename = "topics")]
    pub topic: String,
    /// Where Qualtrics posts. May carry a secret in its query, so it is for comparing, not for showing.
    #[serde(rename = "publicationUrl")]
    pub url: String,
    /// Whether messages are encrypted, which we don't take.
    #[serde(default)]
    pub encrypted: bool,
    /// How many posts were answered well; absent in some brands.
    #[serde(default)]
    pub successful_calls: Option<u64>,
}

/// A subscription to be made.
#[derive(Clone)]
pub struct NewSubscription {
    /// What it shall fire for, without the brand's id: `surveyengine.completedResponse.SV_…`.
    pub topic: String,
    /// Where Qualtrics shall post.
    pub url: Url,
    /// The key that Qualtrics shall sign with.
    pub shared_key: Option<SecretString>,
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subscription({}, {})", self.id, self.topic)
    }
}

impl fmt::Debug for NewSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewSubscription({})", self.topic)
    }
}

/// Exactly the documented fields, and none that we don't mean: some calls refuse unknown keys.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body<'a> {
    topics: &'a str,
    publication_url: &'a str,
    encrypt: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    shared_key: Option<&'a str>,
}

impl NewSubscription {
    pub(super) fn body(&self) -> Body<'_> {
        Body {
            topics: &self.topic,
            publication_url: self.url.as_str(),
            encrypt: false,
            shared_key: self.shared_key.as_ref().map(ExposeSecret::expose_secret),
        }
    }
}

impl Qualtrics {
    /// All event subscriptions of the brand, other people's included.
    ///
    /// # Errors
    /// Whatever a call ends with; a next page on another host.
    pub async fn subscriptions(&self) -> Result<Vec<Subscription>, QualtricsError> {
        self.pages(Call::Subscriptions).await
    }

    /// Makes a subscription. Qualtrics makes a second one if there is one already, so look first; it may exist even
    /// though this failed.
    ///
    /// # Errors
    /// Whatever the call ends with; [`QualtricsError::Forbidden`] without brand-administrator rights.
    pub async fn subscribe(
        &self,
        subscription: NewSubscription,
    ) -> Result<SubscriptionId, QualtricsError> {
        #[derive(Deserialize)]
        struct Created {
            id: SubscriptionId,
        }
        let endpoint = Endpoint::Subscribe;
        let answer = self
            .ask(Call::Subscribe(subscription), Priority::Live)
            .await?;
        let created: Created = envelope::result(endpoint, &answer.body(endpoint)?)?;
        Ok(created.id)
    }

    /// Deletes a subscription. One that does not exist counts as deleted.
    ///
    /// # Errors
    /// Whatever the call ends with.
    pub async fn unsubscribe(&self, id: &SubscriptionId) -> Result<(), QualtricsError> {
        match self
            .ask(Call::Unsubscribe(id.clone()), Priority::Live)
            .await
        {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }
}
