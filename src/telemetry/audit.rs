//! One log line for each administrative act: what, by whom, on what. Written once the act is done, for long work once
//! it begins.
//!
//! The lines have a target of their own, so that `RUST_LOG=warn,audit=info` keeps them where the rest is too much.

use sha2::{Digest as _, Sha256};

/// What lines of this kind have as their target.
pub const TARGET: &str = "audit";

/// An administrative act, whichever way it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Events were made due.
    InboxRetry,
    /// Events were given up.
    InboxDrop,
    /// Responses were erased.
    Erase,
    /// Erasures were lifted.
    EraseForget,
    /// A subscription was made.
    SubscriptionCreated,
    /// A subscription was deleted.
    SubscriptionDeleted,
    /// A table was created, or got columns, or its rows were filled.
    SchemaApply,
    /// An export of responses was begun.
    Backfill,
    /// A comparison with Qualtrics was begun.
    Reconcile,
}

impl Act {
    /// Stable; what searches and alerts look for.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::InboxRetry => "inbox-retry",
            Self::InboxDrop => "inbox-drop",
            Self::Erase => "erase",
            Self::EraseForget => "erase-forget",
            Self::SubscriptionCreated => "subscription-created",
            Self::SubscriptionDeleted => "subscription-deleted",
            Self::SchemaApply => "schema-apply",
            Self::Backfill => "backfill",
            Self::Reconcile => "reconcile",
        }
    }
}

/// Writes the line. `by` is `serve`, `command of` an operating system's user, or a caller as [`caller`] names them; `on`
/// says on what, without personal data.
pub fn line(act: Act, by: &str, on: &str) {
    tracing::info!(target: TARGET, act = act.code(), by, on, "administrative act");
}

/// A caller's name as it may stand in a log. Names of people are often their e-mail addresses: of those the beginning of
/// the hash is shown, by which whoever knows the address can find the line again.
#[must_use]
pub fn caller(subject: &str) -> String {
    if subject.contains('@') {
        let hash = hex::encode(Sha256::digest(subject.as_bytes()));
        format!("sha256:{}", hash.get(..16).unwrap_or(&hash))
    } else {
        subject.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_named_without_an_address() {
        assert_eq!(caller("client/sb-jobs!t1"), "client/sb-jobs!t1");
        let named = caller("user/sap.custom/anna@sap.com");
        // printf %s user/sap.custom/anna@sap.com | sha256sum
        assert_eq!(named, "sha256:bc8f25174f6185d4");
    }
}
