//! Form bytes to a trusted callback.
//!
//! [`Callback`] has no public constructor: only [`Signing`] makes one, so nothing that was not verified can be
//! enqueued. With a shared key the form holds `Topic`, `HMAC` and `MSG`; the HMAC covers the decoded `MSG` and nothing
//! else, so `Topic` may be swapped by whoever replays a body, and only what stands inside `MSG` decides.
//!
//! Source: the signature is HMAC-SHA-512 in hex over the UTF-8 bytes of `MSG` as decoded once from the form, keyed by
//! the bytes of the shared key; two recorded pairs stand in `fixtures/callbacks/signature-vectors.json`.

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha512;

use crate::id::{ResponseId, SurveyId};
use crate::time::{self, Timestamp};

mod form;
mod message;

pub use form::{FIELDS_MAX, Form};

/// Why a callback is not accepted. Nothing of what the caller sent is repeated here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not a form with the fields that a callback has.
    #[error("the body is no callback: {0}")]
    Malformed(&'static str),
    /// `MSG` is ciphertext.
    #[error(
        "MSG is encrypted: create the subscription with encrypt:false (`subscription ensure` does)"
    )]
    Encrypted,
    /// A survey or response id of the wrong form.
    #[error("{0}")]
    InvalidId(&'static str),
    /// `Topic` names another survey than the signed message.
    #[error("Topic names another survey than the signed MSG")]
    TopicMismatch,
    /// No signature and no token.
    #[error(
        "the callback is not signed: set the subscription's sharedKey, or send QUALTRICS_WEBHOOK_TOKEN"
    )]
    Unsigned,
    /// Something stands where the signature should be, but it is not one.
    #[error("HMAC is not 128 hexadecimal digits")]
    MalformedSignature,
    /// The signature is not made with one of our keys.
    #[error(
        "the signature does not match: QUALTRICS_SHARED_KEY must be the key that the subscription was created with"
    )]
    WrongSignature,
    /// A token was sent, but not ours.
    #[error("the token is not QUALTRICS_WEBHOOK_TOKEN")]
    WrongToken,
}

impl Refusal {
    /// Whether it is a matter of who is asking (401) rather than of what was sent (400).
    #[must_use]
    pub fn is_unauthenticated(self) -> bool {
        match self {
            Self::Unsigned | Self::MalformedSignature | Self::WrongSignature | Self::WrongToken => {
                true
            }
            Self::Malformed(_) | Self::Encrypted | Self::InvalidId(_) | Self::TopicMismatch => {
                false
            }
        }
    }

    /// Stable code, for the answer and the metric's label.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::Encrypted => "encrypted",
            Self::InvalidId(_) => "invalid-id",
            Self::TopicMismatch => "topic-mismatch",
            Self::Unsigned => "unsigned",
            Self::MalformedSignature => "malformed-signature",
            Self::WrongSignature => "wrong-signature",
            Self::WrongToken => "wrong-token",
        }
    }
}

/// The subscription's key, and the one before it while keys rotate.
#[derive(Debug, Clone)]
pub struct SharedKeys {
    /// `QUALTRICS_SHARED_KEY`.
    pub current: SecretString,
    /// `QUALTRICS_SHARED_KEY_PREVIOUS`.
    pub previous: Option<SecretString>,
}

/// What makes a callback trusted. With nothing set, nothing is.
#[derive(Debug, Clone, Default)]
pub struct Signing {
    /// Keys of signed callbacks.
    pub keys: Option<SharedKeys>,
    /// Token of callers that can't sign.
    pub token: Option<SecretString>,
    /// Accepts callbacks that prove nothing; only ever set on loopback.
    pub allow_unsigned: bool,
}

/// What vouched for a callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// A signature under the current key.
    CurrentKey,
    /// A signature under the previous key.
    PreviousKey,
    /// The webhook token.
    Token,
    /// Nothing; accepted on loopback only.
    Nothing,
}

/// When the response was completed, as far as the callback says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completion {
    /// `CompletedDate`, whole seconds.
    At(Timestamp),
    /// Absent or unreadable in a signed callback: counts as older than any.
    Unknown,
    /// Absent from a caller with the token: the instant of receipt, so that the response is read again.
    OnReceipt,
}

/// A completed response that somebody trusted tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    survey_id: SurveyId,
    response_id: ResponseId,
    completion: Completion,
    proof: Proof,
}

impl Callback {
    /// The survey.
    #[must_use]
    pub fn survey_id(&self) -> &SurveyId {
        &self.survey_id
    }

    /// The response.
    #[must_use]
    pub fn response_id(&self) -> &ResponseId {
        &self.response_id
    }

    /// When it was completed.
    #[must_use]
    pub fn completion(&self) -> Completion {
        self.completion
    }

    /// What vouched for it.
    #[must_use]
    pub fn proof(&self) -> Proof {
        self.proof
    }
}

/// What a verified callback asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Read this response.
    Completed(Callback),
    /// Genuine, but nothing to do: another event (started, partial, survey activated …).
    Ignored,
}

impl Signing {
    /// Whether `presented` is the webhook token, compared in constant time.
    ///
    /// # Errors
    /// [`Refusal::WrongToken`] if it is not, or if no token is configured.
    pub fn check_token(&self, presented: &[u8]) -> Result<TokenAccepted, Refusal> {
        match &self.token {
            Some(token) if equal_in_constant_time(token.expose_secret().as_bytes(), presented) => {
                Ok(TokenAccepted(()))
            }
            _ => Err(Refusal::WrongToken),
        }
    }

    /// Verifies a posted form.
    ///
    /// # Errors
    /// A [`Refusal`] that says why it is not trusted, or not a callback.
    pub fn verify(&self, form: &Form) -> Result<Verdict, Refusal> {
        let Some(message) = form.message() else {
            return self.unsigned(form);
        };
        if message::is_ciphertext(message) {
            return Err(Refusal::Encrypted);
        }
        let signature = form.signature().ok_or(Refusal::Unsigned)?;
        let proof = self.verify_signature(message, signature)?;
        message::Fields::from_json(message)?.verdict(form.topic(), proof)
    }

    /// Takes a form from a caller who proved to know the token. A message that is signed although is verified all the
    /// same where keys are configured: the stricter proof decides.
    ///
    /// # Errors
    /// As [`Signing::verify`].
    pub fn verify_with_token(&self, _: TokenAccepted, form: &Form) -> Result<Verdict, Refusal> {
        match form.message() {
            Some(_) if self.keys.is_some() && form.signature().is_some() => self.verify(form),
            Some(message) if message::is_ciphertext(message) => Err(Refusal::Encrypted),
            Some(message) => {
                message::Fields::from_json(message)?.verdict(form.topic(), Proof::Token)
            }
            None => message::Fields::from_form(form).verdict(form.topic(), Proof::Token),
        }
    }

    /// Takes a JSON object from a caller who proved to know the token.
    ///
    /// # Errors
    /// As [`Signing::verify`].
    pub fn verify_json_with_token(
        &self,
        _: TokenAccepted,
        body: &[u8],
    ) -> Result<Verdict, Refusal> {
        message::Fields::from_json(body)?.verdict(None, Proof::Token)
    }

    fn unsigned(&self, form: &Form) -> Result<Verdict, Refusal> {
        if !form.has_event_fields() {
            return Err(Refusal::Malformed(
                "neither MSG nor SurveyID and ResponseID",
            ));
        }
        if self.allow_unsigned {
            message::Fields::from_form(form).verdict(form.topic(), Proof::Nothing)
        } else {
            Err(Refusal::Unsigned)
        }
    }

    fn verify_signature(&self, message: &[u8], signature: &[u8]) -> Result<Proof, Refusal> {
        let mut digest = [0_u8; 64];
        hex::decode_to_slice(signature, &mut digest).map_err(|_| Refusal::MalformedSignature)?;
        let keys = self.keys.as_ref().ok_or(Refusal::WrongSignature)?;
        if matches(&keys.current, message, &digest) {
            return Ok(Proof::CurrentKey);
        }
        match &keys.previous {
            Some(previous) if matches(previous, message, &digest) => Ok(Proof::PreviousKey),
            _ => Err(Refusal::WrongSignature),
        }
    }
}

/// Proof that [`Signing::check_token`] said yes.
#[derive(Debug, Clone, Copy)]
pub struct TokenAccepted(());

/// Signs a message as Qualtrics does: 128 lower-case hex digits. For `replay`; the sandbox has its own lines.
#[must_use]
pub fn sign(key: &SecretString, message: &[u8]) -> String {
    keyed(key)
        .map(|mac| hex::encode(mac.chain_update(message).finalize().into_bytes()))
        .unwrap_or_default()
}

fn keyed(key: &SecretString) -> Option<Hmac<Sha512>> {
    // HMAC takes keys of any length; the Result is the trait's, not the algorithm's.
    Hmac::<Sha512>::new_from_slice(key.expose_secret().as_bytes()).ok()
}

/// `verify_slice` compares in constant time. An empty key verifies nothing: everybody knows it.
fn matches(key: &SecretString, message: &[u8], digest: &[u8; 64]) -> bool {
    !key.expose_secret().is_empty()
        && keyed(key).is_some_and(|mac| mac.chain_update(message).verify_slice(digest).is_ok())
}

/// Compares through a MAC of both, so that neither length nor content shows in the time taken.
#[must_use]
pub fn equal_in_constant_time(expected: &[u8], presented: &[u8]) -> bool {
    let mac = |text: &[u8]| {
        Hmac::<Sha512>::new_from_slice(expected)
            .ok()
            .map(|mac| mac.chain_update(text))
    };
    match (mac(expected), mac(presented)) {
        (Some(expected_mac), Some(presented_mac)) if !expected.is_empty() => presented_mac
            .verify(&expected_mac.finalize().into_bytes())
            .is_ok(),
        _ => false,
    }
}

/// The whole second in which something was completed, or nothing.
fn completion(text: Option<&str>, proof: Proof) -> Completion {
    match (text.filter(|text| !text.trim().is_empty()), proof) {
        (Some(text), _) => {
            time::parse_completed_date(text).map_or(Completion::Unknown, Completion::At)
        }
        (None, Proof::Token) => Completion::OnReceipt,
        (None, Proof::CurrentKey | Proof::PreviousKey | Proof::Nothing) => Completion::Unknown,
    }
}

#[cfg(test)]
mod tests;
