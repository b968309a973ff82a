//! A bearer token taken apart. Nothing here is believed yet: the signature is checked elsewhere.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde::Deserialize;

use super::claims::Claims;
use super::error::IdentityError;

/// Longer tokens are refused before they are looked at. Source: SAP BTP refuses tokens over 16 KiB too.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// A compact JWS with JSON claims. Source: RFC 7515, section 7.1; RFC 7519, section 7.2.
pub struct Token<'a> {
    /// What the header says of the signature, if it is one of the kinds that we check at all.
    pub(super) algorithm: Option<Algorithm>,
    /// Which key it names.
    pub(super) key_id: Option<String>,
    /// What it says.
    pub(super) claims: Claims,
    /// Header and claims as they were signed.
    pub(super) signed: &'a str,
    /// Base64url, as it came.
    pub(super) signature: &'a str,
}

impl std::fmt::Debug for Token<'_> {
    /// Leaves out everything that the token says: it opens doors, and its claims are personal.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token")
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// Members that point to keys (`jku`, `jwk`, `x5u`, `x5c`) are not read: keys come from the binding alone.
#[derive(Deserialize)]
struct Header {
    alg: Option<String>,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<serde_json::Value>,
}

impl<'a> Token<'a> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// [`IdentityError::Malformed`] if it is no such token.
    pub fn parse(text: &'a str) -> Result<Self, IdentityError> {
        if text.len() > TOKEN_BYTES_MAX {
            return Err(IdentityError::Malformed("it is longer than 16 KiB"));
        }
        let parts = IdentityError::Malformed("it has not three parts");
        let (signed, signature) = text.rsplit_once('.').ok_or(parts.clone())?;
        let (header, claims) = signed.split_once('.').ok_or(parts.clone())?;
        if claims.contains('.') {
            return Err(parts);
        }
        let header: Header = json(header)?;
        if header.crit.is_some() {
            // Source: RFC 7515, section 4.1.11: who does not understand a critical member must refuse.
            return Err(IdentityError::Malformed("its header has critical members"));
        }
        if header
            .typ
            .as_deref()
            .is_some_and(|typ| !is_access_token(typ))
        {
            // Source: RFC 8725, section 3.11: a logout token, say, is no access token though the issuer signed it.
            return Err(IdentityError::Malformed("its type is not JWT or at+jwt"));
        }
        Ok(Self {
            algorithm: header.alg.as_deref().and_then(algorithm),
            key_id: header.kid,
            claims: json(claims)?,
            signed,
            signature,
        })
    }
}

fn is_access_token(typ: &str) -> bool {
    let typ = typ.to_ascii_lowercase();
    matches!(
        typ.strip_prefix("application/").unwrap_or(&typ),
        "jwt" | "at+jwt"
    )
}

/// Only what issuers sign with and what needs no shared secret: `none` and the HMACs have no name here.
fn algorithm(name: &str) -> Option<Algorithm> {
    match name {
        "RS256" => Some(Algorithm::RS256),
        "ES256" => Some(Algorithm::ES256),
        _ => None,
    }
}

fn json<T: serde::de::DeserializeOwned>(part: &str) -> Result<T, IdentityError> {
    let bytes = URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| IdentityError::Malformed("a part is not base64url"))?;
    serde_json::from_slice(&bytes)
        .map_err(|_| IdentityError::Malformed("a part is not a JSON object"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str, claims: &str) -> String {
        format!(
            "{}.{}.c2ln",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(claims)
        )
    }

    #[track_caller]
    fn refused(text: &str, code: &str) {
        assert_eq!(Token::parse(text).err().unwrap().code(), code, "{text}");
    }

    #[test]
    fn what_is_no_token_is_malformed() {
        for text in [
            "",
            ".",
            "..",
            "a.b",
            "a.b.c.d",
            "e30.e30",
            "e30=.e30.c2ln",
            "W10.e30.x",
            "e30.W10.x",
        ] {
            refused(text, "malformed");
        }
        refused(&"a".repeat(TOKEN_BYTES_MAX + 1), "malformed");
        refused(
            &token(r#"{"alg":"RS256","crit":["exp"]}"#, "{}"),
            "malformed",
        );
        refused(
            &token(r#"{"alg":"RS256","typ":"logout+jwt"}"#, "{}"),
            "malformed",
        );
        refused(&token(r#"{"alg":5}"#, "{}"), "malformed");
    }

    #[test]
    fn only_public_key_algorithms_have_a_name() {
        for (alg, known) in [
            ("RS256", true),
            ("ES256", true),
            ("none", false),
            ("HS256", false),
            ("RS384", false),
            ("rs256", false),
        ] {
            let text = token(&format!(r#"{{"alg":"{alg}","typ":"at+JWT"}}"#), "{}");
            assert_eq!(
                Token::parse(&text).unwrap().algorithm.is_some(),
                known,
                "{alg}"
            );
        }
        assert!(
            Token::parse(&token("{}", "{}"))
                .unwrap()
                .algorithm
                .is_none()
        );
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text: String, header: String, claims: String) {
            let _ = Token::parse(&text);
            let _ = Token::parse(&token(&header, &claims));
        }
    }
}
