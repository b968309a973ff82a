//! What becomes of callbacks and events.

use prometheus_client::encoding::EncodeLabelSet;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct OutcomeLabel {
    outcome: &'static str,
}

/// What became of a callback or of its event; the label of `ingester_events_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventOutcome {
    /// Stored, answered 200 `accepted`.
    Accepted,
    /// Known already, answered 200 `duplicate`.
    Duplicate,
    /// Another event or survey, answered 200 `ignored`.
    Ignored,
    /// Could not be stored, answered 503.
    Unstored,
    /// Became a row.
    Row,
    /// Done without a row.
    Skipped,
    /// To be tried again later.
    Retried,
    /// Given up with a reason.
    Dead,
    /// Worked on by somebody else meanwhile; nothing was written.
    LeaseLost,
}

impl EventOutcome {
    pub(super) const ALL: [Self; 9] = [
        Self::Accepted,
        Self::Duplicate,
        Self::Ignored,
        Self::Unstored,
        Self::Row,
        Self::Skipped,
        Self::Retried,
        Self::Dead,
        Self::LeaseLost,
    ];

    pub(super) fn label(self) -> OutcomeLabel {
        let outcome = match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Ignored => "ignored",
            Self::Unstored => "unstored",
            Self::Row => "row",
            Self::Skipped => "skipped",
            Self::Retried => "retried",
            Self::Dead => "dead",
            Self::LeaseLost => "lease_lost",
        };
        OutcomeLabel { outcome }
    }
}
