//! A survey's definition, from the three calls that together say how a response becomes a row.

use bytes::Bytes;
use ingester_core::id::SurveyId;

use super::Qualtrics;
use super::ask::{Call, Priority};
use super::error::QualtricsError;

/// The bodies as received, envelope included. What Qualtrics refuses to show is absent; the map is then completed from
/// the others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DefinitionBodies {
    /// `GET /surveys/{id}/response-schema`
    pub response_schema: Option<Bytes>,
    /// `GET /surveys/{id}`
    pub survey: Option<Bytes>,
    /// `GET /survey-definitions/{id}`
    pub survey_definition: Option<Bytes>,
}

impl Qualtrics {
    /// Reads a survey's definition: three calls at once. Live events wait for it, so it goes first.
    ///
    /// A refusal (400, 403, 404) of one call is tolerated as long as another answers, because rights and plans differ.
    /// A failure that may pass is not: a definition without its schema would give other columns.
    ///
    /// # Errors
    /// The first failure that may pass, or the first refusal if all are refused.
    pub async fn definition(&self, survey: &SurveyId) -> Result<DefinitionBodies, QualtricsError> {
        let (response_schema, about, survey_definition) = tokio::join!(
            self.part(Call::ResponseSchema(survey.clone())),
            self.part(Call::Survey(survey.clone())),
            self.part(Call::SurveyDefinition(survey.clone())),
        );
        let (response_schema, about, survey_definition) =
            (response_schema?, about?, survey_definition?);
        match (response_schema, about, survey_definition) {
            (Err(_), Err(refusal), Err(_)) => Err(refusal),
            (response_schema, about, survey_definition) => Ok(DefinitionBodies {
                response_schema: response_schema.ok(),
                survey: about.ok(),
                survey_definition: survey_definition.ok(),
            }),
        }
    }

    /// One body, or the refusal in its place.
    async fn part(&self, call: Call) -> Result<Result<Bytes, QualtricsError>, QualtricsError> {
        let endpoint = call.endpoint();
        match self.ask(call, Priority::Live).await {
            Ok(answer) => answer.body(endpoint).map(Ok),
            Err(refusal) if refusal.is_refusal() => {
                tracing::debug!(error = %refusal, "goes without {endpoint}");
                Ok(Err(refusal))
            }
            Err(failure) => Err(failure),
        }
    }
}
