//! The kept documents against their digests, and the rows against the documents as they are mapped now. Without a call
//! to Qualtrics, unless a document is damaged.

use bytes::Bytes;
use ingester_core::id::{ResponseId, SurveyId};

use super::Found;
use super::compare::is_damaged;
use crate::bulk;
use crate::jobs::{JobError, Jobs};
use crate::qualtrics::Priority;
use crate::store::KeptDocument;
use crate::surveys::CompiledSurvey;

/// Documents that are looked at together.
const CHUNK: u32 = 256;
/// Damaged documents that one pass reads again; more are left to the next.
const DAMAGED_MAX: usize = 200;

impl Jobs {
    /// Compares every kept document of a survey with its digest and its row, and mends what differs.
    pub(super) async fn verify(
        &self,
        survey: &SurveyId,
        compiled: &CompiledSurvey,
        found: &mut Found,
    ) -> Result<(), JobError> {
        let mut after = String::new();
        loop {
            let kept = self.store.documents_after(survey, &after, CHUNK).await?;
            let Some(last) = kept.last() else {
                return Ok(());
            };
            after = last.response_id.to_string();
            self.verify_chunk(survey, compiled, kept, found).await?;
        }
    }

    async fn verify_chunk(
        &self,
        survey: &SurveyId,
        compiled: &CompiledSurvey,
        kept: Vec<KeptDocument>,
        found: &mut Found,
    ) -> Result<(), JobError> {
        let mut documents = Vec::with_capacity(kept.len());
        for document in kept {
            if is_damaged(&document) {
                found.damaged.push(document.response_id);
                continue;
            }
            if let Some(text) = document.document {
                documents.push((Bytes::from(text), document.asked_at));
            }
        }
        let rows = bulk::digest(&self.surveys, survey, documents).await?;
        let compared = self.compare(survey, &compiled.table, None, rows).await?;
        found.add(self, survey, compared).await?;
        Ok(())
    }

    /// Reads responses again, one by one, and writes what comes.
    pub(super) async fn read_again(
        &self,
        survey: &SurveyId,
        responses: &[ResponseId],
        found: &mut Found,
    ) -> Result<(), JobError> {
        let loader = self.loader();
        for response in responses.iter().take(DAMAGED_MAX) {
            let read = self
                .qualtrics
                .response(survey, response, Priority::Reconcile)
                .await;
            let fetched = match read {
                Ok(fetched) => fetched,
                Err(error) if error.is_not_found() => continue,
                Err(error) => return Err(error.into()),
            };
            let documents = vec![(fetched.body, fetched.asked_at)];
            let rows = bulk::digest(&self.surveys, survey, documents).await?;
            found.totals += loader.load(survey, rows).await?;
        }
        Ok(())
    }
}
