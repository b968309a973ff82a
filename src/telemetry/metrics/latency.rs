//! How long an event took, whichever way it became a row.

use std::time::Duration;

use ingester_core::inbox::{Change, Event};
use ingester_core::time::Timestamp;

use super::Metrics;

/// Clocks of Qualtrics and ours may differ; a completion date further from receipt than this is not one.
const COMPLETION_TOLERANCE: Duration = Duration::from_secs(10 * 60);

impl Metrics {
    /// Event to row by our clock; completion to row by `CompletedDate`, or by the document's own date where the former
    /// is no sane instant.
    pub fn event_became_row(&self, event: &Event, change: &Change, recorded_at: Option<Timestamp>) {
        let since = |instant: Timestamp| {
            Duration::try_from(change.committed_at.duration_since(instant)).unwrap_or_default()
        };
        let is_near = |instant: &Timestamp| {
            Duration::try_from(event.received_at.duration_since(*instant).abs())
                .is_ok_and(|distance| distance <= COMPLETION_TOLERANCE)
        };
        let completed_at = match event.known_completion() {
            Some(completed_at) if is_near(&completed_at) => Some(completed_at),
            Some(_) => {
                self.completed_date_anomaly();
                recorded_at
            }
            None => recorded_at,
        };
        self.event_to_row(since(event.received_at), completed_at.map(since));
    }
}
