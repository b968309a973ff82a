//! The body of a callback: topic, message, signature.
//!
//! Source: a signed callback of 2019 (fields and signature), one of 2020 (longer fields, form order, `+` for a blank),
//! and Qualtrics' table of webhook fields. Shares no line with the code that verifies it.

use form_urlencoded::Serializer;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha512;

use crate::faults::MessageOrder;
use crate::json::{Json, Object};

/// What happened to a survey or a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) kind: EventKind,
    pub(crate) survey: String,
    pub(crate) response: String,
    /// `2019-06-26 13:28:11`, UTC.
    pub(crate) date: String,
    pub(crate) recipient: String,
    pub(crate) distribution: String,
    pub(crate) context: String,
    pub(crate) channel: String,
    pub(crate) creator: String,
    pub(crate) brand: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventKind {
    Completed,
    Partial,
    Started,
    Activated,
    Deactivated,
}

impl EventKind {
    fn status(self) -> &'static str {
        match self {
            Self::Completed => "Complete",
            Self::Partial => "Partial",
            Self::Started => "Started",
            Self::Activated => "Active",
            Self::Deactivated => "Inactive",
        }
    }
}

impl Event {
    /// The topic as it is subscribed to, without the brand.
    pub(crate) fn topic(&self) -> String {
        match self.kind {
            EventKind::Completed => format!("surveyengine.completedResponse.{}", self.survey),
            EventKind::Partial => format!("surveyengine.partialResponse.{}", self.survey),
            EventKind::Started => format!("surveyengine.startedRecipientSession.{}", self.survey),
            EventKind::Activated => "controlpanel.activateSurvey".to_owned(),
            EventKind::Deactivated => "controlpanel.deactivateSurvey".to_owned(),
        }
    }

    fn fields(&self, order: MessageOrder) -> Vec<(&'static str, &str)> {
        let status = ("Status", self.kind.status());
        let (survey, brand) = (
            ("SurveyID", self.survey.as_str()),
            ("BrandID", self.brand.as_str()),
        );
        let response = ("ResponseID", self.response.as_str());
        let recipient = [
            ("RecipientID", self.recipient.as_str()),
            ("ResponseEventContext", self.context.as_str()),
            ("DistributionID", self.distribution.as_str()),
        ];
        let mut fields = vec![status, survey];
        match (self.kind, order) {
            (EventKind::Activated | EventKind::Deactivated, _) => {}
            (EventKind::Started, _) => {
                fields.extend(recipient);
                fields.push(("StartedDate", &self.date));
            }
            (EventKind::Completed | EventKind::Partial, MessageOrder::Older) => {
                fields.extend([response, ("CompletedDate", &self.date)]);
            }
            (EventKind::Completed | EventKind::Partial, MessageOrder::Newer) => {
                fields.extend(recipient);
                fields.extend([
                    response,
                    ("CompletedDate", &self.date),
                    ("CreatorID", &self.creator),
                ]);
                fields.push(("DistributionChannel", &self.channel));
            }
        }
        fields.push(brand);
        fields
    }

    /// Compact JSON, empty strings for what is absent.
    pub(crate) fn message(&self, order: MessageOrder) -> String {
        let mut message = Object::<Json>::new();
        for (name, value) in self.fields(order) {
            message.push(name, value);
        }
        serde_json::to_string(&message).unwrap_or_default()
    }
}

/// How a callback is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protection<'a> {
    /// Plain form fields beside `Topic`.
    None,
    /// `Topic`, `HMAC`, `MSG`.
    Signed(&'a str),
    /// The same, and `MSG` is base64 of something unreadable. No such callback was recorded.
    Encrypted(&'a str),
}

/// The form body for an event.
pub(crate) fn body(
    event: &Event,
    topic: &str,
    protection: Protection<'_>,
    order: MessageOrder,
) -> String {
    let mut form = Serializer::new(String::new());
    form.append_pair("Topic", &format!("{}.{topic}", event.brand));
    match protection {
        Protection::None => {
            // Empty recipient fields are left out here. Source: handlers that read plain fields.
            for (name, value) in event.fields(MessageOrder::Older) {
                form.append_pair(name, value);
            }
        }
        Protection::Signed(key) => {
            let message = event.message(order);
            form.append_pair("HMAC", &signature(key, &message))
                .append_pair("MSG", &message);
        }
        Protection::Encrypted(key) => {
            let message = unreadable(&event.message(order), key);
            form.append_pair("HMAC", &signature(key, &message))
                .append_pair("MSG", &message);
        }
    }
    form.finish()
}

/// HMAC-SHA-512 in lower-case hex over the message's bytes, keyed by the shared key's bytes as they are.
///
/// Source: two recorded pairs that verify with the key `kyma4ever`.
pub(crate) fn signature(key: &str, message: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha512>::new_from_slice(key.as_bytes()) else {
        return String::new();
    };
    mac.update(message.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// Looks like a ciphertext: base64 of whole blocks of 16 bytes. It only has to be refused.
fn unreadable(message: &str, key: &str) -> String {
    use base64::Engine as _;

    let blocks = message.len() / 16 + 1;
    let mut random =
        crate::random::Random::new(u64::try_from(message.len() + key.len()).unwrap_or(0));
    let bytes: Vec<u8> = (0..blocks * 2)
        .flat_map(|_| random.next().to_be_bytes())
        .collect();
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Whether a subscription's topic covers an event's: the same, or the same up to a `*` at the end.
pub(crate) fn covers(subscribed: &str, topic: &str) -> bool {
    match subscribed.strip_suffix('*') {
        Some(prefix) => topic.starts_with(prefix),
        None => subscribed == topic,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: EventKind) -> Event {
        Event {
            kind,
            survey: "SV_cVn9uBwheR9hz01".to_owned(),
            response: "R_suq806jn8LGzhx7".to_owned(),
            date: "2020-10-22 12:31:40".to_owned(),
            recipient: "CGC_GiMUyLkGpEZsVF3".to_owned(),
            distribution: "EMD_96woxYS85Cg5Lqx".to_owned(),
            context: String::new(),
            channel: "email".to_owned(),
            creator: "UR_2686s36oneK8iW1".to_owned(),
            brand: "examplebrand".to_owned(),
        }
    }

    #[test]
    fn a_signed_callback_is_byte_for_byte_as_in_2020() {
        let event = event(EventKind::Completed);

        let body = body(
            &event,
            &event.topic(),
            Protection::Signed("sandbox-shared-key"),
            MessageOrder::Newer,
        );

        assert_eq!(
            body,
            include_str!("../tests/recorded/callback.signed.2020-fields.body").trim_end()
        );
    }

    #[test]
    fn the_recorded_signatures_are_ours() {
        let vectors: serde_json::Value = serde_json::from_str(include_str!(
            "../tests/recorded/callback.signature-vectors.json"
        ))
        .unwrap();
        for vector in vectors.as_array().unwrap() {
            let text = |name: &str| vector[name].as_str().unwrap();
            assert_eq!(signature(text("key"), text("msg")), text("hmac"));
        }
    }

    #[test]
    fn an_unsigned_callback_has_plain_fields() {
        let event = Event {
            survey: "SV_22VlHYNeldrrrkp".to_owned(),
            response: "R_1l9mcVuXubb4aGm".to_owned(),
            date: "2019-06-26 13:28:11".to_owned(),
            ..event(EventKind::Completed)
        };

        let body = body(
            &event,
            &event.topic(),
            Protection::None,
            MessageOrder::Newer,
        );

        assert_eq!(
            body,
            include_str!("../tests/recorded/callback.unsigned.body").trim_end()
        );
    }

    #[test]
    fn an_activation_has_no_response() {
        let event = Event {
            survey: "SV_22VlHYNeldrrrkp".to_owned(),
            ..event(EventKind::Activated)
        };

        let body = body(
            &event,
            &event.topic(),
            Protection::Signed("sandbox-shared-key"),
            MessageOrder::Newer,
        );

        assert_eq!(
            body,
            include_str!("../tests/recorded/callback.activateSurvey.body").trim_end()
        );
    }

    #[test]
    fn topics_are_covered_by_themselves_and_by_stars() {
        let topic = "surveyengine.completedResponse.SV_1";

        assert!(covers(topic, topic));
        assert!(covers("surveyengine.completedResponse.*", topic));
        assert!(covers("*", topic));
        assert!(!covers("surveyengine.completedResponse.SV_12", topic));
        assert!(!covers("surveyengine.partialResponse.*", topic));
    }
}
