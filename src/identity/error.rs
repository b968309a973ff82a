//! Why a token is not believed.

/// Why a token is not believed, or can't be checked now. The caller is told nothing but 401 (or 503); the reason is
/// for the log and for `access explain`, and never repeats what the token says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Not three parts of base64url with JSON in them, too long, or without a claim that must be there.
    #[error("the token can't be read: {0}")]
    Malformed(&'static str),
    /// Signed in a way that the issuer does not sign, or not at all.
    #[error("the token is not signed with one of the algorithms that its issuer uses")]
    Algorithm,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its time has not come.
    #[error("the token is not valid yet: compare the clocks of this machine and of the issuer")]
    NotYetValid,
    /// From another issuer, or from another tenant of it.
    #[error("the token is from another issuer or tenant: only {0} is believed")]
    WrongIssuer(String),
    /// For another application.
    #[error("the token is for another application: its audience must hold {0}")]
    WrongAudience(String),
    /// Signed with a key that the issuer does not publish.
    #[error("the token is signed with a key that the issuer does not publish")]
    UnknownKey,
    /// Changed on the way, or made by somebody else.
    #[error("the token's signature is wrong")]
    BadSignature,
    /// The issuer's keys can't be had, so nothing can be said of the token.
    #[error("the issuer's keys can't be had, {0}: check that the service reaches its issuer")]
    KeysUnavailable(String),
}

impl IdentityError {
    /// A name that stays.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::Algorithm => "algorithm",
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::WrongIssuer(_) => "wrong-issuer",
            Self::WrongAudience(_) => "wrong-audience",
            Self::UnknownKey => "unknown-key",
            Self::BadSignature => "bad-signature",
            Self::KeysUnavailable(_) => "keys-unavailable",
        }
    }

    /// True where the fault is not the caller's: 503 rather than 401.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::KeysUnavailable(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_with_a_mend_name_it() {
        assert_eq!(
            IdentityError::KeysUnavailable("connection refused".to_owned()).to_string(),
            "the issuer's keys can't be had, connection refused: check that the service reaches its issuer"
        );
        assert_eq!(
            IdentityError::NotYetValid.to_string(),
            "the token is not valid yet: compare the clocks of this machine and of the issuer"
        );
        assert_eq!(
            IdentityError::WrongAudience("app!t1".to_owned()).to_string(),
            "the token is for another application: its audience must hold app!t1"
        );
    }
}
