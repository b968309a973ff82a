//! Whether a single read shows the completion that its event tells of, or still the one before.
//!
//! Two dates of Qualtrics are compared, `CompletedDate` of the callback and `recordedDate` of the document. Nobody promises
//! that they are of one clock, so a doubt only ever waits: a while for each event, and for none any more once it has
//! turned out that waiting is in vain.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ingester_core::inbox::Lease;
use ingester_core::time::Timestamp;
use jiff::SignedDuration;

use crate::lifecycle;

/// How much older than `CompletedDate` a document's date may be. Source: `CompletedDate` has whole seconds, and is dated
/// by whoever sends the callback; nobody finishes a survey twice within this.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(5);
/// Reads that may show an older completion, and for how long after the callback: both have to be over, because failures
/// count as reads and clocks may be wrong. By the schedule of such reads it is half a minute.
const READS: u32 = 6;
const WAIT: Duration = Duration::from_secs(30);
/// Waiting that was in vain so often, without a read between whose dates agree, shows that the dates are not of one clock.
const IN_VAIN_MAX: u32 = 3;

/// What was learned of the two dates since the process began.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    in_vain: AtomicU32,
}

impl Doubts {
    /// Whether a document of this date is to be read again, because it may be older than the completion that was told of.
    pub(super) fn concern(&self, lease: &Lease, recorded_at: Option<Timestamp>) -> bool {
        let event = lease.event();
        let (Some(completed_at), Some(recorded_at)) = (event.known_completion(), recorded_at)
        else {
            return false;
        };
        if completed_at.duration_since(recorded_at) < TOLERANCE {
            self.in_vain.store(0, Ordering::Relaxed);
            return false;
        }
        if self.in_vain.load(Ordering::Relaxed) >= IN_VAIN_MAX {
            return false;
        }
        let age = Duration::try_from(lifecycle::now().duration_since(event.received_at));
        if lease.attempt() <= READS || age.unwrap_or_default() < WAIT {
            return true;
        }
        self.in_vain.fetch_add(1, Ordering::Relaxed);
        false
    }
}

#[cfg(test)]
mod tests {
    use ingester_core::inbox::{Event, Owner};

    use super::*;

    fn lease(completed_at: Timestamp, attempt: u32, age: Duration) -> Lease {
        let event = Event {
            survey_id: "SV_22VlHYNeldrrrk1".parse().unwrap(),
            response_id: "R_1aBcDeFgHiJkLmN".parse().unwrap(),
            completed_at,
            received_at: lifecycle::now() - age,
        };
        Lease::taken(event, Owner::new("me"), attempt)
    }

    const COMPLETED: &str = "2026-03-01T08:00:41Z";

    fn concern(doubts: &Doubts, recorded: &str, attempt: u32, age_s: u64) -> bool {
        let lease = lease(
            COMPLETED.parse().unwrap(),
            attempt,
            Duration::from_secs(age_s),
        );
        doubts.concern(&lease, Some(recorded.parse().unwrap()))
    }

    #[test]
    fn a_document_of_an_older_completion_is_read_again() {
        let doubts = Doubts::default();

        assert!(concern(&doubts, "2026-03-01T08:00:05Z", 1, 0));
        assert!(concern(&doubts, "2025-03-01T08:00:05Z", 6, 3600));
        assert!(concern(&doubts, "2026-03-01T08:00:05Z", 20, 29));
        // Whole seconds, rounded either way, and a callback that is dated a little later than its response.
        assert!(!concern(&doubts, "2026-03-01T08:00:41.942Z", 1, 0));
        assert!(!concern(&doubts, "2026-03-01T08:00:38.1Z", 1, 0));
        assert!(!concern(&doubts, "2026-03-01T09:00:41Z", 1, 0));
    }

    #[test]
    fn without_two_dates_there_is_no_doubt() {
        let doubts = Doubts::default();
        let undated = lease(Timestamp::UNIX_EPOCH, 1, Duration::ZERO);
        let dated = lease(COMPLETED.parse().unwrap(), 1, Duration::ZERO);

        assert!(!doubts.concern(&undated, Some("2026-03-01T08:00:05Z".parse().unwrap())));
        assert!(!doubts.concern(&dated, None));
    }

    #[test]
    fn waiting_has_an_end_for_each_event_and_for_all_if_it_is_in_vain() {
        let doubts = Doubts::default();
        // `CompletedDate` in another zone.
        let read = |attempt, age_s| concern(&doubts, "2026-03-01T06:00:41Z", attempt, age_s);

        for _ in 0..3 {
            assert!(read(1, 0));
            assert!(!read(7, 31));
        }
        assert!(!read(1, 0));
        // One read whose dates agree, and they can be compared again.
        assert!(!concern(&doubts, "2026-03-01T08:00:41Z", 1, 0));
        assert!(read(1, 0));
    }
}
