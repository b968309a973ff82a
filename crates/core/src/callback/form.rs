//! `application/x-www-form-urlencoded`, decoded into bytes.
//!
//! The usual decoders go through text and replace what is not UTF-8, which would change the bytes under the HMAC; so
//! the fields are decoded here, strictly: a percent sign without two hex digits is refused, and so is a field given
//! twice, because which of the two counts would be anybody's guess.

use std::borrow::Cow;

use super::Refusal;

/// More fields than any callback has, few enough to cost nothing.
pub const FIELDS_MAX: usize = 64;

/// The decoded fields that a callback can have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Form {
    topic: Option<Vec<u8>>,
    signature: Option<Vec<u8>>,
    message: Option<Vec<u8>>,
    status: Option<Vec<u8>>,
    survey_id: Option<Vec<u8>>,
    response_id: Option<Vec<u8>>,
    completed_date: Option<Vec<u8>>,
    token: Option<Vec<u8>>,
}

impl Form {
    /// Reads a form body, or a query string.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for bad percent codes, for one of our fields given twice, and for more than
    /// [`FIELDS_MAX`] fields.
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let mut form = Self::default();
        for (index, pair) in body.split(|&b| b == b'&').enumerate() {
            if index >= FIELDS_MAX {
                return Err(Refusal::Malformed("more than 64 form fields"));
            }
            let (name, value) = match pair.iter().position(|&b| b == b'=') {
                Some(at) => (
                    pair.get(..at).unwrap_or_default(),
                    pair.get(at + 1..).unwrap_or_default(),
                ),
                None => (pair, &[][..]),
            };
            let (name, value) = (decode(name)?, decode(value)?);
            let field = match name.as_ref() {
                b"Topic" => &mut form.topic,
                b"HMAC" => &mut form.signature,
                b"MSG" => &mut form.message,
                b"Status" => &mut form.status,
                b"SurveyID" => &mut form.survey_id,
                b"ResponseID" => &mut form.response_id,
                b"CompletedDate" => &mut form.completed_date,
                b"token" => &mut form.token,
                // Recordings hold fields that no document names; they mean nothing to us.
                _ => continue,
            };
            if field.replace(value.into_owned()).is_some() {
                return Err(Refusal::Malformed("a field is given twice"));
            }
        }
        Ok(form)
    }

    /// The signed message, if the form has one.
    pub(super) fn message(&self) -> Option<&[u8]> {
        self.message
            .as_deref()
            .filter(|message| !message.is_empty())
    }

    pub(super) fn signature(&self) -> Option<&[u8]> {
        self.signature
            .as_deref()
            .filter(|signature| !signature.is_empty())
    }

    /// The message of a form that is signed and not encrypted: what `replay` signs again.
    #[must_use]
    pub fn signed_message(&self) -> Option<&[u8]> {
        self.signature()?;
        self.message()
            .filter(|message| !super::message::is_ciphertext(message))
    }

    /// The topic, which nothing vouches for.
    #[must_use]
    pub fn topic(&self) -> Option<&[u8]> {
        self.topic.as_deref()
    }

    /// The token of a query string.
    #[must_use]
    pub fn token(&self) -> Option<&[u8]> {
        self.token.as_deref()
    }

    /// Whether the fields of an event stand in the form itself, without a message.
    #[must_use]
    pub fn has_event_fields(&self) -> bool {
        self.survey_id.is_some() && (self.response_id.is_some() || self.status.is_some())
    }

    pub(super) fn field(&self, name: EventField) -> Option<Cow<'_, str>> {
        let value = match name {
            EventField::Status => &self.status,
            EventField::SurveyId => &self.survey_id,
            EventField::ResponseId => &self.response_id,
            EventField::CompletedDate => &self.completed_date,
        };
        value.as_deref().map(String::from_utf8_lossy)
    }
}

/// The fields of an event.
#[derive(Debug, Clone, Copy)]
pub(super) enum EventField {
    Status,
    SurveyId,
    ResponseId,
    CompletedDate,
}

fn decode(text: &[u8]) -> Result<Cow<'_, [u8]>, Refusal> {
    if !text.iter().any(|&b| b == b'%' || b == b'+') {
        return Ok(Cow::Borrowed(text));
    }
    let mut bytes = text.iter().copied();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || {
                    bytes
                        .next()
                        .and_then(|b| char::from(b).to_digit(16))
                        .and_then(|d| u8::try_from(d).ok())
                };
                match (digit(), digit()) {
                    (Some(high), Some(low)) => high << 4 | low,
                    _ => {
                        return Err(Refusal::Malformed(
                            "a percent sign without two hexadecimal digits",
                        ));
                    }
                }
            }
            other => other,
        });
    }
    Ok(Cow::Owned(decoded))
}
