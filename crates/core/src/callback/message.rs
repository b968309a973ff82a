//! What stands inside a trusted message, and what it asks for.

use std::borrow::Cow;

use serde::Deserialize;

use super::form::{EventField, Form};
use super::{Callback, Proof, Refusal, Verdict, completion};

/// The fields that decide. Everything else that Qualtrics sends is allowed and ignored; empty strings stand for
/// absent. Source: recorded messages of 2019 and 2020 differ in fields and in their order.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Fields<'a> {
    #[serde(borrow, default, deserialize_with = "lenient")]
    status: Option<Cow<'a, str>>,
    #[serde(rename = "SurveyID", borrow, default)]
    survey_id: Option<Cow<'a, str>>,
    #[serde(rename = "ResponseID", borrow, default)]
    response_id: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    completed_date: Option<Cow<'a, str>>,
}

/// A field that doesn't decide alone: what is not a text counts as absent instead of refusing the whole message.
fn lenient<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Cow<'de, str>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Lenient<'a> {
        Text(#[serde(borrow)] Cow<'a, str>),
        Other(serde::de::IgnoredAny),
    }
    Ok(match Lenient::deserialize(deserializer)? {
        Lenient::Text(text) => Some(text),
        Lenient::Other(_) => None,
    })
}

impl<'a> Fields<'a> {
    pub(super) fn from_json(message: &'a [u8]) -> Result<Self, Refusal> {
        // serde reads a struct from an array too, by position; a message is an object.
        let is_object = message.trim_ascii_start().starts_with(b"{");
        let fields = is_object
            .then(|| serde_json::from_slice(message).ok())
            .flatten();
        fields.ok_or(Refusal::Malformed(
            "the message is no JSON object with SurveyID and ResponseID",
        ))
    }

    pub(super) fn from_form(form: &'a Form) -> Self {
        Self {
            status: form.field(EventField::Status),
            survey_id: form.field(EventField::SurveyId),
            response_id: form.field(EventField::ResponseId),
            completed_date: form.field(EventField::CompletedDate),
        }
    }

    /// Reads ids into types, holds the topic against the survey, and says whether a response was completed.
    pub(super) fn verdict(&self, topic: Option<&[u8]>, proof: Proof) -> Result<Verdict, Refusal> {
        let topic = topic.map(String::from_utf8_lossy).unwrap_or_default();
        let survey_id = match present(self.survey_id.as_deref()) {
            Some(text) => Some(text.parse().map_err(|_| {
                Refusal::InvalidId("SurveyID is not SV_ and 11 to 15 letters or digits")
            })?),
            None => None,
        };
        if present(self.survey_id.as_deref())
            .is_some_and(|survey_id| names_another_survey(&topic, survey_id))
        {
            return Err(Refusal::TopicMismatch);
        }
        if !self.is_completed(&topic) {
            return Ok(Verdict::Ignored);
        }
        let survey_id = survey_id.ok_or(Refusal::Malformed("SurveyID is missing"))?;
        let response_id = present(self.response_id.as_deref())
            .ok_or(Refusal::Malformed("ResponseID is missing"))?
            .parse()
            .map_err(|_| {
                Refusal::InvalidId(
                    "ResponseID is not one to four capitals, _, and 1 to 64 letters or digits",
                )
            })?;
        Ok(Verdict::Completed(Callback {
            survey_id,
            response_id,
            completion: completion(self.completed_date.as_deref(), proof),
            proof,
        }))
    }

    /// `Complete` is recorded, `Completed` stands in guides. Without a status the topic is the only hint; a response
    /// that turns out unfinished is skipped after it was read.
    fn is_completed(&self, topic: &str) -> bool {
        match present(self.status.as_deref()) {
            Some(status) => matches!(status, "Complete" | "Completed"),
            None => topic.is_empty() || topic.contains("surveyengine.completedResponse"),
        }
    }
}

fn present(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

/// The last segment of a topic is a survey id, `*`, or the event's name. A brand id in front may hold dots, so only
/// the end is looked at.
fn names_another_survey(topic: &str, survey_id: &str) -> bool {
    let last = topic.rsplit('.').next().unwrap_or_default();
    last.starts_with("SV_") && last != survey_id
}

/// Ciphertext travels as base64, which never begins with a brace.
/// Source: the encrypting form of the subscription sends base64 of AES ciphertext in MSG.
pub(super) fn is_ciphertext(message: &[u8]) -> bool {
    message.len() >= 16
        && message.iter().all(|b| {
            b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b' ' | b'\r' | b'\n')
        })
}
