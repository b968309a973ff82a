//! The mathematics of both log-on methods. Source: the dossier's vectors, reproduced by both clients.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::options::Method;

/// Rounds of PBKDF2; clients refuse fewer than 15,000.
pub(super) const ROUNDS: u32 = 15_000;
pub(super) const SALT_BYTES: usize = 16;
pub(super) const NONCE_BYTES: usize = 48;

type Hash = [u8; 32];

/// What the server keeps of a password.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verifier {
    salt: [u8; SALT_BYTES],
    stored_key: Hash,
    server_key: Hash,
}

impl Verifier {
    pub(super) fn new(method: Method, password: &str, salt: [u8; SALT_BYTES]) -> Self {
        let salted = match method {
            Method::ScramSha256 => hmac(password.as_bytes(), &[&salt]),
            Method::ScramPbkdf2Sha256 => pbkdf2(password.as_bytes(), &salt, ROUNDS),
        };
        let client_key: Hash = Sha256::digest(salted).into();
        Self {
            salt,
            stored_key: Sha256::digest(client_key).into(),
            server_key: hmac(&salted, &[&salt]),
        }
    }

    pub(super) fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// Whether the client knows the password.
    pub(super) fn accepts(
        &self,
        proof: &[u8],
        server_nonce: &[u8],
        client_challenge: &[u8],
    ) -> bool {
        let signature = hmac(
            &self.stored_key,
            &[&self.salt, server_nonce, client_challenge],
        );
        let client_key: Vec<u8> = signature.iter().zip(proof).map(|(a, b)| a ^ b).collect();
        proof.len() == signature.len() && Sha256::digest(client_key).as_slice() == self.stored_key
    }

    /// Shows the client that the server knows the password too.
    pub(super) fn server_proof(&self, server_nonce: &[u8], client_challenge: &[u8]) -> Hash {
        hmac(
            &self.server_key,
            &[client_challenge, &self.salt, server_nonce],
        )
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

fn hmac(key: &[u8], data: &[&[u8]]) -> Hash {
    // A key of any length is taken.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return [0; 32];
    };
    for piece in data {
        mac.update(piece);
    }
    mac.finalize().into_bytes().into()
}

/// One block of PBKDF2-HMAC-SHA256. The keyed state is made once, which halves the time of a debug build.
fn pbkdf2(password: &[u8], salt: &[u8], rounds: u32) -> Hash {
    let Ok(keyed) = Hmac::<Sha256>::new_from_slice(password) else {
        return [0; 32];
    };
    let mut first = keyed.clone();
    first.update(salt);
    first.update(&1_u32.to_be_bytes());
    let mut last: Hash = first.finalize().into_bytes().into();
    let mut out = last;
    for _ in 1..rounds {
        let mut mac = keyed.clone();
        mac.update(&last);
        last = mac.finalize().into_bytes().into();
        for (to, from) in out.iter_mut().zip(last) {
            *to ^= from;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source: `tests/captures/auth-vectors.txt`.
    #[track_caller]
    fn check(method: Method, proof: &str, server_proof: &str) {
        let verifier = Verifier::new(method, "Secret123", [0xa5; 16]);
        let challenge: Vec<u8> = (0..64).collect();
        let mut proof = hex::decode(proof).unwrap();

        assert!(verifier.accepts(&proof, &[0x5a; 48], &challenge));
        assert_eq!(
            hex::encode(verifier.server_proof(&[0x5a; 48], &challenge)),
            server_proof
        );
        proof[0] ^= 1;
        assert!(!verifier.accepts(&proof, &[0x5a; 48], &challenge));
    }

    #[test]
    fn the_stretched_method_gives_the_published_vector() {
        check(
            Method::ScramPbkdf2Sha256,
            "6912d61b1c301056abd5199487490c747a5aad8103e36f3b68ce2157259a5646",
            "fd18e3db4331056c016f3c73ba5c3bdf6f3da3272c65585e7857642ff0524ae5",
        );
    }

    #[test]
    fn the_plain_method_gives_the_published_vector() {
        let verifier = Verifier::new(Method::ScramSha256, "Secret123", [0xa5; 16]);
        let challenge: Vec<u8> = (0..64).collect();
        let proof = hex::decode("1bd654fc0822d152f3a796e75c053b0117c28aa33ee1983d29621ddb649b90e9")
            .unwrap();

        assert!(verifier.accepts(&proof, &[0x5a; 48], &challenge));
        assert!(!verifier.accepts(&proof, &[0x5b; 48], &challenge));
    }
}
