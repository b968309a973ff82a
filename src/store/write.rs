//! Everything that can change the database. Writers match all of it.

use std::sync::Arc;

use ingester_core::id::{ResponseId, SurveyId};
use ingester_core::inbox::{Acceptance, Change, Event, Fence, Finished, Lease, Outcome, Reason};
use ingester_core::row::{Cell, ColumnType, TableName};
use ingester_core::sql::Statement;
use tokio::sync::oneshot;

use super::error::StoreError;
use super::{LeaseWish, Remember};

pub(crate) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

#[derive(Debug)]
pub(crate) enum Write {
    Accept {
        event: Event,
        lease: LeaseWish,
        reply: Reply<Acceptance>,
    },
    Claim {
        surveys: Arc<[SurveyId]>,
        limit: u32,
        reply: Reply<Vec<Lease>>,
    },
    Renew {
        fences: Vec<Fence>,
        reply: Reply<Vec<Fence>>,
    },
    Finish {
        fence: Fence,
        event: Event,
        outcome: Outcome,
        reply: Reply<Finished>,
    },
    Release {
        fence: Fence,
        reply: Reply<()>,
    },
    Load {
        survey: SurveyId,
        rows: Vec<Loaded>,
        reply: Reply<LoadReport>,
    },
    Erase {
        survey: SurveyId,
        table: Option<TableName>,
        responses: Vec<ResponseId>,
        remember: Remember,
        reply: Reply<Erased>,
    },
    Run {
        statements: Vec<Statement>,
        reply: Reply<Vec<u64>>,
    },
    /// Runs statements, looks what came of them, and takes everything back.
    Rehearse {
        statements: Vec<Statement>,
        look: Statement,
        kinds: Vec<ColumnType>,
        reply: Reply<Vec<Box<[Cell]>>>,
    },
}

/// A row of an export, or the reason why a response has none.
#[derive(Debug, PartialEq)]
pub struct Loaded {
    /// The response.
    pub response_id: ResponseId,
    /// The row, or why there is none.
    pub outcome: Outcome,
    /// The pending event that this settles, if any; then the row is a live one.
    pub settles: Option<(Fence, Event)>,
}

/// What a chunk of an export came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Rows written.
    pub written: u64,
    /// Rows that were there already, cell for cell.
    pub unchanged: u64,
    /// A newer document was there.
    pub superseded: u64,
    /// Erased here earlier.
    pub erased: u64,
    /// Rows that do not fit the table, or have a reason of their own.
    pub refused: Vec<(ResponseId, String)>,
    /// The changes, for listeners.
    pub changes: Vec<Change>,
}

/// What became of one row of an export.
#[derive(Debug)]
pub(crate) enum Landed {
    Written(Change),
    Unchanged,
    Superseded,
    Erased,
    /// It has a reason of its own.
    Refused(String),
    /// There was nothing to write.
    Nothing,
}

impl LoadReport {
    /// Counts what became of each row. Fails if the database did, and not a row.
    pub(crate) fn of(
        loaded: &[Loaded],
        landed: Vec<Result<Landed, StoreError>>,
    ) -> Result<Self, StoreError> {
        let mut report = Self::default();
        for (row, landed) in loaded.iter().zip(landed) {
            let mut refuse = |reason| report.refused.push((row.response_id.clone(), reason));
            match landed {
                Ok(Landed::Written(change)) => {
                    report.written += 1;
                    report.changes.push(change);
                }
                Ok(Landed::Unchanged) => report.unchanged += 1,
                Ok(Landed::Superseded) => report.superseded += 1,
                Ok(Landed::Erased) => report.erased += 1,
                Ok(Landed::Refused(reason)) => refuse(reason),
                Ok(Landed::Nothing) => {}
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => refuse(Reason::new(error.code(), error.to_string()).to_string()),
            }
        }
        Ok(report)
    }
}

/// What an erasure removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Erased {
    /// Rows.
    pub rows: u64,
    /// Documents.
    pub documents: u64,
    /// Events.
    pub events: u64,
    /// Entries of the change log.
    pub changes: u64,
    /// Whether nothing of it is left in the database's log either.
    pub log_cleared: bool,
}

/// A row of [`inbox::CLAIMED`](ingester_core::sql::inbox::CLAIMED) as the event and its attempts. Somebody else's row that
/// names no survey or response is none: it can't be worked on.
pub(super) fn claimed(row: &[Cell]) -> Option<(Event, u32)> {
    let [
        Cell::Text(survey),
        Cell::Text(response),
        Cell::Timestamp(completed_at),
        Cell::Timestamp(received_at),
        Cell::Integer(attempts),
    ] = row
    else {
        return None;
    };
    let event = Event {
        survey_id: survey.parse().ok()?,
        response_id: response.parse().ok()?,
        completed_at: *completed_at,
        received_at: *received_at,
    };
    Some((event, u32::try_from(*attempts).ok()?))
}
