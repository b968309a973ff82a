//! The queue: its words and its state machine.
//!
//! ```text
//!            accept (no permit free)                accept (permit free)
//!                    │                                      │
//!                    ▼            claim, due                ▼
//!   ┌──────────▶ pending ───────────────────────────────▶ leased ──── finish: row, skip ────▶ done
//!   │                ▲                                    │  │ ▲                               │
//!   │                └──── finish: retry, release ────────┘  │ │ claim, lease expired          │
//!   │                                                        └─┘                               │
//!   │ inbox retry                                finish: dead │                                │
//!   └──────────────── dead ◀──────────────────────────────────┘                                │
//!                      │                                                                       │
//!                      └── accept: newer, or ten minutes after it died ──▶ leased or pending ◀─┘ accept: newer
//! ```
//!
//! Same survey and response again: an equal or older completion is a duplicate and changes nothing; a newer one, in
//! any state, begins anew; an equal or older one revives an event that died more than [`REVIVAL_AFTER`] ago. Giving up
//! is by time, never by count. Whoever holds a [`Lease`] may work; the final transaction checks its [`Fence`].

use std::sync::Arc;
use std::time::Duration;

use crate::callback::{Callback, Completion};
use crate::id::{ResponseId, SurveyId};
use crate::row::{Row, Table};
use crate::time::Timestamp;

/// A dead event comes back to life when it is told of again, at most this often.
pub const REVIVAL_AFTER: Duration = Duration::from_secs(10 * 60);

/// How long a lease lasts. It is renewed while work goes on, so a killed instance's events are free soon.
pub const LEASE: Duration = Duration::from_secs(10);

/// What stands in `QUALTRICS_INBOX.TOPIC`: the only event that becomes a row.
pub const TOPIC: &str = "completedResponse";

/// What is stored of a callback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The survey.
    pub survey_id: SurveyId,
    /// The response.
    pub response_id: ResponseId,
    /// When the response was completed; the Unix epoch where that is unknown, which is older than any.
    pub completed_at: Timestamp,
    /// When the callback was received.
    pub received_at: Timestamp,
}

impl Event {
    /// What is to be stored of a verified callback.
    #[must_use]
    pub fn new(callback: &Callback, received_at: Timestamp) -> Self {
        let received_at = whole_milliseconds(received_at);
        Self {
            survey_id: callback.survey_id().clone(),
            response_id: callback.response_id().clone(),
            completed_at: match callback.completion() {
                Completion::At(instant) => instant,
                Completion::Unknown => Timestamp::UNIX_EPOCH,
                Completion::OnReceipt => received_at,
            },
            received_at,
        }
    }

    /// When it was completed, if anybody said so.
    #[must_use]
    pub fn known_completion(&self) -> Option<Timestamp> {
        (self.completed_at != Timestamp::UNIX_EPOCH).then_some(self.completed_at)
    }
}

/// The inbox keeps milliseconds, so that all its texts have one length and sort as the instants do.
#[must_use]
pub fn whole_milliseconds(instant: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(instant.as_millisecond()).unwrap_or(instant)
}

/// One process, for as long as it lives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(Arc<str>);

impl Owner {
    /// A name that no other process has, such as a UUID.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }
}

impl AsRef<str> for Owner {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// The right to work on an event. Not `Clone`: work can't be finished twice in one process; between processes the
/// fence settles it.
#[derive(Debug, PartialEq, Eq)]
pub struct Lease {
    event: Event,
    owner: Owner,
    attempt: u32,
}

/// What must still stand in the inbox when work under a lease is finished. The completion date is part of it: a
/// respondent who finishes again meanwhile must not be marked done with the older answers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fence {
    /// The survey.
    pub survey_id: SurveyId,
    /// The response.
    pub response_id: ResponseId,
    /// Who took the lease.
    pub owner: Owner,
    /// The how-manieth lease of this event it is.
    pub attempt: u32,
    /// The completion that was to be read.
    pub completed_at: Timestamp,
}

impl Lease {
    /// For stores only: says that the inbox holds exactly this.
    #[must_use]
    pub fn taken(event: Event, owner: Owner, attempt: u32) -> Self {
        Self {
            event,
            owner,
            attempt,
        }
    }

    /// What is leased.
    #[must_use]
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// How many leases this event had, this one included.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// What must still stand in the inbox at the end.
    #[must_use]
    pub fn fence(&self) -> Fence {
        Fence {
            survey_id: self.event.survey_id.clone(),
            response_id: self.event.response_id.clone(),
            owner: self.owner.clone(),
            attempt: self.attempt,
            completed_at: self.event.completed_at,
        }
    }
}

/// What became of a callback in the inbox, after the commit.
#[derive(Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// Stored and leased to this process.
    Leased(Lease),
    /// Stored, to be claimed later.
    Pending,
    /// Known already; nothing changed.
    Duplicate,
}

/// A stable code and a sentence for people; what `LAST_ERROR`, logs and `--output json` show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Stable: `response-gone`, `not-a-number` …
    pub code: &'static str,
    /// One line, without secrets and without answers.
    pub message: String,
}

impl Reason {
    /// A reason with its code.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

/// The document behind a row, as it is kept in `QUALTRICS_RAW`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawDocument {
    /// The document's own `recordedDate`.
    pub recorded_at: Option<Timestamp>,
    /// The instant before it was asked for; for an export its job's start less two minutes.
    pub asked_at: Timestamp,
    /// SHA-256 of the document, hexadecimal.
    pub digest: String,
    /// The document without personal metadata; nothing under `keep_raw = false`.
    pub document: Option<String>,
}

/// A row and the document that it was mapped from; written together or not at all.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapped {
    /// Where the row goes.
    pub table: Arc<Table>,
    /// The cells.
    pub row: Row,
    /// The document.
    pub raw: RawDocument,
}

/// What work under a lease came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// A row; shared, because finishing is tried again while the database is away.
    Row(Arc<Mapped>),
    /// Done without a row: a preview, a test, an unfinished response.
    Skip(Reason),
    /// To be tried again.
    Retry {
        /// When.
        after: Duration,
        /// Why.
        reason: Reason,
    },
    /// Given up.
    Dead(Reason),
}

/// What the final transaction did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finished {
    /// The row is there.
    Committed(Change),
    /// A newer document was there already; the event is done.
    Superseded,
    /// The response was erased here; the event is done.
    Erased,
    /// The event is done, pending again, or dead, as the outcome said.
    Settled,
    /// Somebody else holds the event now; nothing was written.
    LeaseLost,
}

/// A committed row, as listeners hear of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its position in the change log.
    pub position: i64,
    /// The survey.
    pub survey_id: SurveyId,
    /// The response.
    pub response_id: ResponseId,
    /// When the response was completed, if that is known.
    pub completed_at: Option<Timestamp>,
    /// When the callback was received; nothing for rows from exports.
    pub received_at: Option<Timestamp>,
    /// When the row was committed.
    pub committed_at: Timestamp,
}

/// Why an event is tried again; each has its own schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryKind {
    /// Qualtrics does not show the response yet (202 or 404).
    NotYet,
    /// Something failed: Qualtrics, the network, the database, a definition.
    Failure,
    /// Somebody said when.
    After(Duration),
}

/// Delays of [`RetryKind::NotYet`] by attempt; the last one repeats. Source: dossier of the response API: "not yet"
/// for the first fifteen minutes at 1, 2, 4, 8, 15, 30, 60, 60 … s, then every ten minutes for a day.
const NOT_YET_SECONDS: [u64; 7] = [1, 2, 4, 8, 15, 30, 60];
const NOT_YET_SLOW_AFTER: Duration = Duration::from_secs(15 * 60);
const NOT_YET_SLOW: Duration = Duration::from_secs(10 * 60);
const NOT_YET_GIVE_UP_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// Upper ends of [`RetryKind::Failure`]'s delays by attempt; the last one repeats.
const FAILURE_SECONDS: [u64; 7] = [1, 2, 4, 8, 16, 30, 60];
const FAILURE_GIVE_UP_AFTER: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// When the next attempt is due; nothing once the event is given up.
///
/// `attempt` counts leases taken, from 1; `age` is the time since the callback was received; `jitter` is a random
/// number from 0 to 1 (full jitter for failures, ±20 % for "not yet").
#[must_use]
pub fn next_attempt(kind: RetryKind, attempt: u32, age: Duration, jitter: f64) -> Option<Duration> {
    let jitter = if jitter.is_finite() {
        jitter.clamp(0.0, 1.0)
    } else {
        0.5
    };
    match kind {
        RetryKind::NotYet if age >= NOT_YET_GIVE_UP_AFTER => None,
        RetryKind::NotYet => {
            let delay = if age >= NOT_YET_SLOW_AFTER {
                NOT_YET_SLOW
            } else {
                step(&NOT_YET_SECONDS, attempt)
            };
            Some(delay.mul_f64(0.8 + 0.4 * jitter))
        }
        RetryKind::Failure | RetryKind::After(_) if age >= FAILURE_GIVE_UP_AFTER => None,
        // A tenth at least: full jitter down to nothing would ask again at once.
        RetryKind::Failure => Some(step(&FAILURE_SECONDS, attempt).mul_f64(0.1 + 0.9 * jitter)),
        RetryKind::After(delay) => Some(delay + Duration::from_secs(1).mul_f64(jitter)),
    }
}

fn step(seconds: &[u64], attempt: u32) -> Duration {
    let index = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
    let last = seconds.last().copied().unwrap_or(60);
    Duration::from_secs(seconds.get(index).copied().unwrap_or(last))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn not_yet_is_asked_again_soon_then_slowly_then_never() {
        let delay = |attempt, age| next_attempt(RetryKind::NotYet, attempt, age, 0.5);

        assert_eq!(delay(1, Duration::ZERO), Some(Duration::from_secs(1)));
        assert_eq!(
            delay(5, Duration::from_secs(20)),
            Some(Duration::from_secs(15))
        );
        assert_eq!(
            delay(50, Duration::from_secs(800)),
            Some(Duration::from_secs(60))
        );
        assert_eq!(delay(50, HOUR), Some(Duration::from_secs(600)));
        assert_eq!(delay(50, 24 * HOUR), None);
    }

    #[test]
    fn failures_are_given_up_by_time_and_not_by_count() {
        assert!(next_attempt(RetryKind::Failure, u32::MAX, 71 * HOUR, 1.0).is_some());
        assert_eq!(next_attempt(RetryKind::Failure, 1, 72 * HOUR, 1.0), None);
    }

    proptest! {
        #[test]
        fn delays_are_bounded_whatever_the_jitter(attempt: u32, age in 0_u64..400_000, jitter: f64) {
            for kind in [RetryKind::NotYet, RetryKind::Failure] {
                if let Some(delay) = next_attempt(kind, attempt, Duration::from_secs(age), jitter) {
                    prop_assert!(delay >= Duration::from_millis(100));
                    prop_assert!(delay <= Duration::from_secs(720));
                }
            }
        }
    }
}
