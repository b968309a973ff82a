//! Keyed pseudonyms for values that only need to be told apart.

use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

/// `PSEUDONYM_KEY`.
#[derive(Clone)]
pub struct PseudonymKey(SecretString);

/// The key is too short to resist guessing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("PSEUDONYM_KEY has fewer than 32 characters: make one with `openssl rand -hex 32`")]
pub struct PseudonymKeyError;

/// Shorter keys can be tried out.
const KEY_CHARS_MIN: usize = 32;

impl PseudonymKey {
    /// What stands for the value: HMAC-SHA-256, 64 hex digits. White space around it doesn't count, nor letter case in
    /// e-mail addresses (in anything with an `@`): people write theirs in many ways.
    #[must_use]
    pub fn pseudonym(&self, value: &str) -> String {
        let value = value.trim();
        if value.contains('@') {
            self.hmac(value.to_lowercase().as_bytes())
        } else {
            self.hmac(value.as_bytes())
        }
    }

    /// Tells keys apart without giving one away; kept in `QUALTRICS_RUNS`. 32 hex digits.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut digits = self.hmac(b"qualtrics-ingester: fingerprint of PSEUDONYM_KEY\0");
        digits.truncate(32);
        digits
    }

    fn hmac(&self, bytes: &[u8]) -> String {
        // HMAC takes keys of any length, so there is always an instance.
        let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(self.0.expose_secret().as_bytes()) else {
            return String::new();
        };
        hmac.update(bytes);
        hex::encode(hmac.finalize().into_bytes())
    }
}

impl FromStr for PseudonymKey {
    type Err = PseudonymKeyError;

    fn from_str(key: &str) -> Result<Self, PseudonymKeyError> {
        if key.chars().count() < KEY_CHARS_MIN {
            return Err(PseudonymKeyError);
        }
        Ok(Self(SecretString::from(key)))
    }
}

impl fmt::Debug for PseudonymKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PseudonymKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> PseudonymKey {
        "0123456789abcdef0123456789abcdef".parse().unwrap()
    }

    #[test]
    fn the_same_person_gets_the_same_pseudonym() {
        let pseudonym = key().pseudonym("jane@example.com");

        assert_eq!(pseudonym.len(), 64);
        assert_eq!(key().pseudonym("  Jane@Example.COM\n"), pseudonym);
        assert_ne!(key().pseudonym("john@example.com"), pseudonym);
        assert_ne!(key().pseudonym("ACME"), key().pseudonym("acme"));
    }

    #[test]
    fn a_published_vector_agrees() {
        // Source: Python's hmac.new(key, b"jane@example.com", hashlib.sha256).hexdigest().
        assert_eq!(
            key().pseudonym("jane@example.com"),
            "e54ecd8285defd5c7a03f9025dba809862224f8c4b3b8ec1b7844d775a27b734"
        );
    }

    #[test]
    fn a_key_is_long_and_never_shown() {
        assert!("short".parse::<PseudonymKey>().is_err());
        assert_eq!(format!("{:?}", key()), "PseudonymKey(…)");
        assert_eq!(key().fingerprint().len(), 32);
    }
}
