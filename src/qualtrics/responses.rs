//! One response: the call behind each live event.

use std::borrow::Cow;

use bytes::Bytes;
use ingester_core::id::{ResponseId, SurveyId};
use ingester_core::time::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::ask::{Call, Endpoint, Priority};
use super::error::QualtricsError;
use super::said::Said;
use super::{Qualtrics, envelope};

/// A response as it was received.
#[derive(Clone)]
pub struct Fetched {
    /// The whole answer, envelope included. Its `result` has the shape of a line of an export.
    pub body: Bytes,
    /// The instant before the call was sent.
    pub asked_at: Timestamp,
}

impl std::fmt::Debug for Fetched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Answers are nothing for a log.
        write!(f, "Fetched({} bytes, {})", self.body.len(), self.asked_at)
    }
}

#[derive(Deserialize)]
struct Shape<'a> {
    #[serde(borrow, rename = "responseId")]
    response_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    values: Option<&'a RawValue>,
    message: Option<IgnoredAny>,
}

impl Qualtrics {
    /// Reads one response. Success is a `result` with `values` and the id that was asked for, and nothing else is.
    ///
    /// # Errors
    /// [`QualtricsError::NotYet`] for 202, and for a `result` that has only a `message`.
    /// Source: Qualtrics' API description, `singleResponses.json`; a client that takes any 2xx writes a row of blanks.
    pub async fn response(
        &self,
        survey: &SurveyId,
        response: &ResponseId,
        priority: Priority,
    ) -> Result<Fetched, QualtricsError> {
        let endpoint = Endpoint::Response;
        let call = Call::Response(survey.clone(), response.clone());
        let answer = self.ask(call, priority).await?;
        let asked_at = answer.asked_at;
        let body = answer.body(endpoint)?;
        let shape: Shape<'_> = envelope::result(endpoint, &body)?;
        let Some(values) = shape.values else {
            return Err(if shape.message.is_some() {
                let said = envelope::meta(&body).map_or_else(Said::default, |meta| meta.said());
                QualtricsError::NotYet { said }
            } else {
                QualtricsError::bad(endpoint, "a response without values")
            });
        };
        if !values.get().starts_with('{') {
            return Err(QualtricsError::bad(endpoint, "values that are no object"));
        }
        if shape.response_id.as_deref() != Some(response.as_ref()) {
            return Err(QualtricsError::bad(
                endpoint,
                "another response than asked for",
            ));
        }
        Ok(Fetched { body, asked_at })
    }
}
