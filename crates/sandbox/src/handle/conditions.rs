//! The conditions that the sandbox works under: faults, limits, time, subscriptions; and what it has counted.

use std::time::Duration;

use crate::error::SandboxError;
use crate::faults::Faults;
use crate::handle::Handle;
use crate::journal::Counters;
use crate::limits::Limits;

impl Handle {
    /// The faults that strike.
    pub fn faults(&self) -> Faults {
        (*self.state.faults()).clone()
    }

    /// Replaces the faults; a seed among them starts the sequence of chances anew.
    pub fn set_faults(&self, faults: Faults) {
        self.state.set_faults(faults);
    }

    /// Replaces the limits and forgets what was counted.
    pub fn set_limits(&self, limits: Limits) {
        self.state.limits().set(limits);
    }

    /// What has happened so far.
    pub fn counters(&self) -> Counters {
        self.state.journal.counters()
    }

    /// Moves the sandbox's time on: answers become readable, tokens and files expire.
    pub fn advance(&self, by: Duration) {
        self.state
            .clock
            .shift(i64::try_from(by.as_millis()).unwrap_or(i64::MAX));
    }

    /// Forgets all OAuth tokens: the next call with one is 401.
    pub fn expire_tokens(&self) {
        self.state.tokens().clear();
    }

    /// The subscriptions' ids and the URLs that they call.
    pub fn subscriptions(&self) -> Vec<(String, String)> {
        self.state
            .subscriptions()
            .iter()
            .map(|one| (one.id.clone(), one.url.clone()))
            .collect()
    }

    /// Deletes a subscription behind its owner's back.
    ///
    /// # Errors
    /// No such subscription.
    pub fn drop_subscription(&self, id: &str) -> Result<(), SandboxError> {
        let mut subscriptions = self.state.subscriptions();
        let before = subscriptions.len();
        subscriptions.retain(|one| one.id != id);
        if subscriptions.len() < before {
            Ok(())
        } else {
            Err(SandboxError::NoSubscription(id.to_owned()))
        }
    }

    /// Gives a subscription another key or URL behind its owner's back.
    ///
    /// # Errors
    /// No such subscription.
    pub fn change_subscription(
        &self,
        id: &str,
        key: Option<&str>,
        url: Option<&str>,
    ) -> Result<(), SandboxError> {
        let mut subscriptions = self.state.subscriptions();
        let found = subscriptions.iter_mut().find(|one| one.id == id);
        let subscription = found.ok_or_else(|| SandboxError::NoSubscription(id.to_owned()))?;
        if let Some(key) = key {
            subscription.key = Some(key.to_owned());
        }
        if let Some(url) = url {
            url.clone_into(&mut subscription.url);
        }
        Ok(())
    }

    /// Waits until no callback is waiting or under way.
    pub async fn settle(&self) {
        while self.counters().callbacks_open > 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Back to the beginning: the first surveys, nothing else.
    ///
    /// # Errors
    /// The file that keeps the documents can't be emptied.
    pub fn reset(&self) -> Result<(), SandboxError> {
        Ok(self.state.reset()?)
    }
}
