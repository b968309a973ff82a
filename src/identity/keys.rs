//! The public keys of an issuer, as it publishes them.

use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde::Deserialize;
use serde_json::Value;

use super::error::IdentityError;
use super::token::Token;

/// No issuer publishes nearly as many; more are not looked at.
const KEYS_MAX: usize = 100;

/// A set of public keys. Keys of kinds that we don't check with are left out.
#[derive(Default)]
pub struct KeySet(Vec<PublicKey>);

impl std::fmt::Debug for KeySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|key| &key.id))
            .finish()
    }
}

struct PublicKey {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// One key of a set. `value` is the UAA's own addition to RFC 7517: the same key as PEM.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    n: Option<String>,
    e: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    value: Option<String>,
}

impl KeySet {
    /// Reads a JWKS. One key that can't be read leaves the others usable.
    ///
    /// # Errors
    /// If it is no JWKS, or has no key that can be used.
    pub fn parse(json: &[u8]) -> Result<Self, IdentityError> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let unavailable = |text: &str| IdentityError::KeysUnavailable(text.to_owned());
        let set: Set = serde_json::from_slice(json)
            .map_err(|_| unavailable("the answer is not a JSON Web Key Set"))?;
        let keys = set.keys.into_iter().take(KEYS_MAX);
        let keys: Vec<_> = keys
            .filter_map(|key| PublicKey::new(serde_json::from_value(key).ok()?))
            .collect();
        if keys.is_empty() {
            return Err(unavailable("the answer holds no key that can be used"));
        }
        Ok(Self(keys))
    }

    /// The one key that a binding holds itself; it answers to every id.
    pub(super) fn from_pem(pem: &str) -> Option<Self> {
        let key = DecodingKey::from_rsa_pem(pem.as_bytes()).ok()?;
        Some(Self(vec![PublicKey {
            id: None,
            algorithm: Algorithm::RS256,
            key,
        }]))
    }

    /// The key that the token names, else the only one without a name. A token that names none means IAS's
    /// `default-kid`, else the only key. Source: SAP's cloud-security libraries for the former.
    fn find(&self, token: &Token<'_>) -> Option<&PublicKey> {
        let fitting = || {
            self.0
                .iter()
                .filter(|key| Some(key.algorithm) == token.algorithm)
        };
        let named = |name: &str| fitting().find(|key| key.id.as_deref() == Some(name));
        match token.key_id.as_deref() {
            Some(name) => named(name).or_else(|| only(fitting().filter(|key| key.id.is_none()))),
            None => named("default-kid").or_else(|| only(fitting())),
        }
    }

    /// Whether the token's signature is right.
    ///
    /// # Errors
    /// [`IdentityError::UnknownKey`] or [`IdentityError::BadSignature`].
    pub fn verify(&self, token: &Token<'_>) -> Result<(), IdentityError> {
        let PublicKey { algorithm, key, .. } = self.find(token).ok_or(IdentityError::UnknownKey)?;
        match crypto::verify(token.signature, token.signed.as_bytes(), key, *algorithm) {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(IdentityError::BadSignature),
        }
    }
}

/// The first, if there is no second.
fn only<'a>(mut keys: impl Iterator<Item = &'a PublicKey>) -> Option<&'a PublicKey> {
    let first = keys.next();
    first.filter(|_| keys.next().is_none())
}

impl PublicKey {
    fn new(jwk: Jwk) -> Option<Self> {
        if jwk
            .purpose
            .as_deref()
            .is_some_and(|purpose| purpose != "sig")
        {
            return None;
        }
        let (algorithm, key) = match jwk.kty.as_str() {
            "RSA" => (Algorithm::RS256, rsa(&jwk)?),
            "EC" if jwk.crv.as_deref() == Some("P-256") => {
                let key = DecodingKey::from_ec_components(&jwk.x?, &jwk.y?).ok()?;
                (Algorithm::ES256, key)
            }
            _ => return None,
        };
        // A key is for the algorithm that it names, and for no other.
        let named = jwk.alg.is_none_or(|alg| format!("{algorithm:?}") == alg);
        named.then_some(Self {
            id: jwk.kid,
            algorithm,
            key,
        })
    }
}

fn rsa(jwk: &Jwk) -> Option<DecodingKey> {
    match (&jwk.n, &jwk.e, &jwk.value) {
        (Some(n), Some(e), _) => DecodingKey::from_rsa_components(n, e).ok(),
        (_, _, Some(pem)) => DecodingKey::from_rsa_pem(pem.as_bytes()).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_key_set_says_so() {
        for (json, text) in [
            ("", "not a JSON Web Key Set"),
            ("[]", "not a JSON Web Key Set"),
            (r#"{"keys": []}"#, "no key that can be used"),
            (
                r#"{"keys": [5, {"kty": "oct", "k": "c2VjcmV0"}, {"kty": "RSA", "n": "AQAB"}]}"#,
                "no key that can be used",
            ),
            (
                r#"{"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB", "alg": "HS256"}]}"#,
                "no key that can be used",
            ),
            (
                r#"{"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB", "use": "enc"}]}"#,
                "no key that can be used",
            ),
        ] {
            let error = KeySet::parse(json.as_bytes()).err().unwrap();
            assert!(error.to_string().contains(text), "{error}");
            assert!(error.is_transient());
        }
    }

    #[test]
    fn unknown_kinds_leave_the_others_usable() {
        let json = r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AA"}, {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "a", "value": "PEM"}]}"#;
        assert_eq!(
            format!("{:?}", KeySet::parse(json.as_bytes()).unwrap()),
            "[Some(\"a\")]"
        );
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>, n: String, x: String) {
            let _ = KeySet::parse(&bytes);
            let _ = KeySet::parse(serde_json::json!({"keys": [{"kty": "RSA", "n": n, "e": "AQAB"},
                {"kty": "EC", "crv": "P-256", "x": x, "y": n}, {"kty": "RSA", "value": x}]}).to_string().as_bytes());
        }
    }
}
