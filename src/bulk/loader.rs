//! Rows into the table, and the events that waited for them settled.

use std::collections::HashMap;

use ingester_core::id::{ResponseId, SurveyId};
use ingester_core::inbox::{Change, Event, Lease, Outcome, whole_milliseconds};
use ingester_core::sql;
use ingester_core::time::Timestamp;
use jiff::SignedDuration;

use super::reading::Digest;
use crate::changes::Changes;
use crate::lifecycle;
use crate::store::{Loaded, OpenEvent, OpenState, Store, StoreError};
use crate::surveys::Surveys;
use crate::telemetry::metrics::{EventOutcome, Metrics};

/// Writes what exports hold. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Loader {
    /// Where to.
    pub store: Store,
    /// Whose map is forgotten when its table is gone.
    pub surveys: Surveys,
    /// Who is told.
    pub changes: Changes,
    /// What is counted.
    pub metrics: Metrics,
}

/// What became of documents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Totals {
    /// Documents read.
    pub documents: u64,
    /// Rows written.
    pub written: u64,
    /// Rows that were there already, cell for cell.
    pub unchanged: u64,
    /// Newer content was there already.
    pub superseded: u64,
    /// Previews, tests, unfinished responses.
    pub skipped: u64,
    /// Erased here earlier.
    pub erased: u64,
    /// Can't become rows; the inbox says why.
    pub refused: u64,
    /// Given up by hand, and left alone.
    pub dropped: u64,
    /// Waiting events that came to their end by this.
    pub settled: u64,
}

impl std::ops::AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.documents += other.documents;
        self.written += other.written;
        self.unchanged += other.unchanged;
        self.superseded += other.superseded;
        self.skipped += other.skipped;
        self.erased += other.erased;
        self.refused += other.refused;
        self.dropped += other.dropped;
        self.settled += other.settled;
    }
}

impl Totals {
    /// Responses that have a row now.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.written + self.unchanged + self.superseded
    }
}

impl Loader {
    /// Writes a chunk: each row only if its document is newer and a cell differs. A waiting or dead event of the same
    /// response is settled with it, if the document can't be older than the event's completion; otherwise it goes on
    /// waiting. What can't become a row becomes a dead letter; what was given up by hand is left alone.
    ///
    /// # Errors
    /// If the database refuses the chunk; then nothing of it is written.
    ///
    /// # Cancel safety
    /// A dropped call may leave events leased, which are free again when their lease runs out.
    pub async fn load(&self, survey: &SurveyId, rows: Vec<Digest>) -> Result<Totals, StoreError> {
        let loaded = self.try_load(survey, rows).await;
        if loaded.as_ref().is_err_and(StoreError::is_missing_table) {
            self.surveys.forget(survey);
        }
        loaded
    }

    async fn try_load(&self, survey: &SurveyId, rows: Vec<Digest>) -> Result<Totals, StoreError> {
        let mut totals = Totals {
            documents: count(rows.len()),
            ..Totals::default()
        };
        let ids: Vec<ResponseId> = rows.iter().map(|row| row.response_id.clone()).collect();
        let mut open = self.store.open_events(survey, &ids).await?;
        let before = rows.len();
        let rows: Vec<Digest> = rows
            .into_iter()
            .filter(|row| {
                let open = open.get(&row.response_id);
                open.is_none_or(|open| open.state != OpenState::Dropped)
            })
            .collect();
        totals.dropped = count(before - rows.len());
        let settles = rows.iter().filter_map(|row| {
            let event = open.remove(&row.response_id)?;
            settles(row, &event).then_some(event)
        });
        let leases = self.store.claim_events(settles.collect()).await?;
        totals.settled = count(leases.len());
        let leases: HashMap<ResponseId, Lease> = leases
            .into_iter()
            .map(|lease| (lease.event().response_id.clone(), lease))
            .collect();
        let recorded: HashMap<ResponseId, Option<Timestamp>> = rows
            .iter()
            .map(|row| (row.response_id.clone(), row.recorded_at))
            .collect();
        let loaded = rows.into_iter().map(|row| Loaded {
            settles: leases
                .get(&row.response_id)
                .map(|lease| (lease.fence(), lease.event().clone())),
            response_id: row.response_id,
            outcome: row.outcome,
        });
        let report = self.store.load(survey, loaded.collect()).await?;
        totals.written = report.written;
        totals.unchanged = report.unchanged;
        totals.superseded = report.superseded;
        totals.erased = report.erased;
        totals.refused = count(report.refused.len());
        totals.skipped =
            totals.documents - (totals.rows() + totals.erased + totals.refused + totals.dropped);
        self.bury(survey, &report.refused, &recorded).await?;
        self.metrics.row_committed(survey, report.written);
        self.publish(report.changes, &leases, &recorded);
        Ok(totals)
    }

    /// Dead letters for responses that can't become rows and that nothing else tells of.
    async fn bury(
        &self,
        survey: &SurveyId,
        refused: &[(ResponseId, String)],
        recorded: &HashMap<ResponseId, Option<Timestamp>>,
    ) -> Result<(), StoreError> {
        if refused.is_empty() {
            return Ok(());
        }
        let now = whole_milliseconds(lifecycle::now());
        let bury = |(response, reason): &(ResponseId, String)| {
            let recorded_at = recorded.get(response).copied().flatten();
            let event = Event {
                survey_id: survey.clone(),
                response_id: response.clone(),
                completed_at: recorded_at.map_or(Timestamp::UNIX_EPOCH, whole_milliseconds),
                received_at: now,
            };
            sql::bulk::bury(&event, reason, now)
        };
        self.store.run(refused.iter().map(bury).collect()).await?;
        Ok(())
    }

    /// Tells listeners, and measures what was a live event.
    fn publish(
        &self,
        changes: Vec<Change>,
        leases: &HashMap<ResponseId, Lease>,
        recorded: &HashMap<ResponseId, Option<Timestamp>>,
    ) {
        let mut rows = 0;
        for change in changes {
            if let (Some(lease), Some(_)) = (leases.get(&change.response_id), change.received_at) {
                let recorded_at = recorded.get(&change.response_id).copied().flatten();
                self.metrics.event(EventOutcome::Row);
                self.metrics
                    .event_became_row(lease.event(), &change, recorded_at);
                rows += 1;
            }
        }
        self.changes.publish();
        for _ in rows..leases.len() {
            self.metrics.event(EventOutcome::Skipped);
        }
    }
}

/// How wrong our clock may be. Only when a document was asked for is dated by it; all other dates are Qualtrics' own.
const CLOCK_ERROR_MAX: SignedDuration = SignedDuration::from_hours(1);

/// Whether a document ends an event: it shows the completion that the event tells of, because it was recorded no
/// earlier, or asked for so much later that no wrong clock explains it. A dead event is only ended by something better
/// than another refusal.
fn settles(row: &Digest, open: &OpenEvent) -> bool {
    let completed_at = open.event.completed_at;
    let is_new_enough = row.recorded_at.is_some_and(|at| at >= completed_at)
        || row.asked_at.duration_since(completed_at) >= CLOCK_ERROR_MAX;
    match open.state {
        OpenState::Pending => is_new_enough,
        OpenState::Dead => is_new_enough && !matches!(row.outcome, Outcome::Dead(_)),
        OpenState::Leased | OpenState::Dropped => false,
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use ingester_core::inbox::Reason;

    use super::*;

    #[test]
    fn what_was_completed_since_is_not_ended_by_an_older_document() {
        let at = |text: &str| -> Timestamp { format!("2026-03-01T{text}Z").parse().unwrap() };
        let open = OpenEvent {
            event: Event {
                survey_id: "SV_22VlHYNeldrrrk1".parse().unwrap(),
                response_id: "R_1aBcDeFgHiJkLmN".parse().unwrap(),
                completed_at: at("08:00:41"),
                received_at: at("08:00:42"),
            },
            attempts: 0,
            state: OpenState::Pending,
        };
        let document = |recorded_at, asked_at| Digest {
            response_id: open.event.response_id.clone(),
            recorded_at: Some(at(recorded_at)),
            asked_at: at(asked_at),
            outcome: Outcome::Skip(Reason::new("preview", "")),
        };

        // The completion itself, however long ago it was asked for.
        assert!(settles(&document("08:00:41", "07:58:00"), &open));
        // The completion before it, in an export that began two seconds after it: our clock is ten minutes ahead.
        assert!(!settles(&document("08:00:05", "08:08:43"), &open));
        // `CompletedDate` is not `recordedDate`; after an hour no clock explains it.
        assert!(settles(&document("08:00:05", "09:00:41"), &open));
    }
}
