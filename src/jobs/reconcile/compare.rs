//! What a chunk of documents differs in from the store. Looking writes nothing, so what is the same costs no write.

use std::collections::HashMap;
use std::sync::Arc;

use ingester_core::id::{ResponseId, SurveyId};
use ingester_core::inbox::{Mapped, Outcome, RawDocument};
use ingester_core::mapping::ResponseDocument;
use ingester_core::row::{Cell, Table};
use ingester_core::time::Timestamp;

use crate::bulk::Digest;
use crate::jobs::{JobError, Jobs};
use crate::store::{KeptDocument, OpenEvent};

/// A chunk, sorted by what is to be done with it.
#[derive(Debug, Default)]
pub(super) struct Compared {
    /// To be written, or to settle an event.
    pub(super) load: Vec<Digest>,
    /// Rows that are right.
    pub(super) same: u64,
    /// Previews and the like that nothing waits for.
    pub(super) skipped: u64,
    /// Not wanted: recorded before the history that is.
    pub(super) unwanted: u64,
    /// Without a row.
    pub(super) missing: u64,
    /// When the newest of these was recorded that no callback told of.
    pub(super) unannounced_at: Option<Timestamp>,
    /// With an older row, or with one that was changed here.
    pub(super) stale: u64,
    /// Documents here that are not what they were when they came.
    pub(super) damaged: Vec<ResponseId>,
}

/// What the store has of a chunk's responses.
struct Here {
    rows: HashMap<ResponseId, Box<[Cell]>>,
    documents: HashMap<ResponseId, KeptDocument>,
    events: HashMap<ResponseId, OpenEvent>,
}

impl Jobs {
    /// Compares a chunk with the store. Responses recorded before `wanted_since` that have no row are left out.
    pub(super) async fn compare(
        &self,
        survey: &SurveyId,
        table: &Table,
        wanted_since: Option<Timestamp>,
        rows: Vec<Digest>,
    ) -> Result<Compared, JobError> {
        let ids: Vec<ResponseId> = rows.iter().map(|row| row.response_id.clone()).collect();
        let here = Here {
            rows: self.store.rows_of(table, &ids).await?,
            documents: self.store.documents_of(survey, &ids).await?,
            events: self.store.open_events(survey, &ids).await?,
        };
        let mut compared = Compared::default();
        for row in rows {
            let is_old = wanted_since
                .is_some_and(|since| row.recorded_at.is_some_and(|recorded| recorded < since));
            if is_old && !here.rows.contains_key(&row.response_id) {
                compared.unwanted += 1;
            } else {
                compared.sort(row, &here);
            }
        }
        Ok(compared)
    }
}

impl Compared {
    fn sort(&mut self, mut digest: Digest, here: &Here) {
        let id = &digest.response_id;
        let is_awaited = here.events.contains_key(id);
        let mapped = match &mut digest.outcome {
            Outcome::Row(mapped) => mapped,
            Outcome::Skip(_) if !is_awaited => {
                self.skipped += 1;
                return;
            }
            Outcome::Skip(_) | Outcome::Retry { .. } | Outcome::Dead(_) => {
                self.load.push(digest);
                return;
            }
        };
        let row = here.rows.get(id);
        let is_right = row.is_some_and(|row| **row == *mapped.row.0);
        match here.documents.get(id) {
            Some(kept) if is_kept(kept, &mapped.raw) => {
                // The same document: what differs was changed here, or is mapped otherwise now.
                let asked_at = kept.asked_at.max(mapped.raw.asked_at);
                if asked_at != mapped.raw.asked_at {
                    *mapped = Arc::new(asked(mapped, asked_at));
                }
                if is_right && !is_awaited {
                    self.same += 1;
                    return;
                }
            }
            Some(kept) if is_damaged(kept) => {
                self.damaged.push(id.clone());
                return;
            }
            Some(_) | None => {}
        }
        if row.is_none() {
            self.missing += 1;
            if !is_awaited {
                self.unannounced_at = self.unannounced_at.max(digest.recorded_at);
            }
        } else if !is_right {
            self.stale += 1;
        }
        self.load.push(digest);
    }
}

fn asked(mapped: &Mapped, asked_at: Timestamp) -> Mapped {
    let mut mapped = mapped.clone();
    mapped.raw.asked_at = asked_at;
    mapped
}

fn is_kept(kept: &KeptDocument, raw: &RawDocument) -> bool {
    kept.digest == raw.digest && kept.document == raw.document
}

/// Whether a kept document is not what it was when it came.
pub(super) fn is_damaged(kept: &KeptDocument) -> bool {
    let Some(document) = &kept.document else {
        return false;
    };
    ResponseDocument::parse(document.as_bytes(), Some(&kept.response_id))
        .map_or(true, |document| document.digest() != kept.digest)
}
