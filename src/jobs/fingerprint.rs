//! Which shared key is meant, without giving it away: HMAC-SHA-256 under the key, its first 16 bytes, 32 hex digits.
//!
//! Qualtrics never shows a subscription's key again, so what it was made with is remembered this way.

use hmac::{Hmac, KeyInit as _, Mac as _};
use ingester_core::id::SubscriptionId;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

/// Says that a subscription was made with this key. Over its id, so that equal keys look different elsewhere.
#[must_use]
pub fn of_subscription(key: &SecretString, id: &SubscriptionId) -> String {
    fingerprint(key, id.as_ref().as_bytes())
}

/// The key itself, as instances tell each other which ones they accept.
#[must_use]
pub fn of_key(key: &SecretString) -> String {
    fingerprint(
        key,
        b"qualtrics-ingester: fingerprint of QUALTRICS_SHARED_KEY\0",
    )
}

fn fingerprint(key: &SecretString, of: &[u8]) -> String {
    // HMAC takes keys of any length; the Result is the trait's, not the algorithm's.
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(key.expose_secret().as_bytes()) else {
        return String::new();
    };
    let mut digits = hex::encode(mac.chain_update(of).finalize().into_bytes());
    digits.truncate(32);
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_vector_agrees() {
        // Source: Python's hmac.new(b"kyma4ever", b"SUB_2hV5sr8NZQyBMaX", hashlib.sha256).hexdigest()[:32].
        let id = "SUB_2hV5sr8NZQyBMaX".parse().unwrap();

        assert_eq!(
            of_subscription(&"kyma4ever".into(), &id),
            "3284fd3639b65c63c78dd99cd681683f"
        );
    }

    #[test]
    fn keys_and_subscriptions_are_told_apart() {
        let (one, other) = ("key-one".into(), "key-two".into());
        let id = "SUB_1".parse().unwrap();

        assert_ne!(of_key(&one), of_key(&other));
        assert_ne!(of_subscription(&one, &id), of_subscription(&other, &id));
        assert_ne!(of_subscription(&one, &id), of_key(&one));
    }
}
