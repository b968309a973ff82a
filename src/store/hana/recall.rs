//! Finding out what became of a finish whose commit was not answered.

use ingester_core::inbox::{Change, Event, Finished, Outcome, Reason};
use ingester_core::row::{Cell, ColumnType};
use ingester_core::sql::{changes, inbox};
use ingester_core::time::Timestamp;

use super::finish::{Finish, erased_reason, superseded_reason};
use super::transaction::{Spoiled, Transaction};

/// What an earlier try did whose commit may have been lost. Only the holder of a fence can end its attempt, so an event
/// that stands at this attempt and is leased no more was ended by us.
pub(super) async fn settled_before(
    transaction: &mut Transaction<'_>,
    write: usize,
    finish: &Finish,
    now: Timestamp,
) -> Result<Finished, Spoiled> {
    const KINDS: [ColumnType; 8] = [
        ColumnType::NVarchar(18),
        ColumnType::NVarchar(69),
        ColumnType::Timestamp,
        ColumnType::Timestamp,
        ColumnType::NVarchar(8),
        ColumnType::Integer,
        ColumnType::NVarchar(36),
        ColumnType::NVarchar(1000),
    ];
    let (fence, event) = (&finish.fence, &finish.event);
    let standing = inbox::standing(&fence.survey_id, &fence.response_id);
    let found = transaction.query(write, &standing, &KINDS).await?;
    let Some(
        [
            _,
            _,
            Cell::Timestamp(completed_at),
            _,
            Cell::Text(state),
            Cell::Integer(attempts),
            _,
            reason,
        ],
    ) = found.first().map(|row| &**row)
    else {
        return Ok(Finished::LeaseLost);
    };
    let is_ours = *completed_at == fence.completed_at
        && *attempts == i64::from(fence.attempt)
        && state != "leased";
    let is_because = |wanted: Reason| *reason == Cell::Text(wanted.to_string());
    Ok(match &finish.outcome {
        _ if !is_ours => Finished::LeaseLost,
        Outcome::Row(_) if is_because(erased_reason()) => Finished::Erased,
        Outcome::Row(_) if is_because(superseded_reason()) => Finished::Superseded,
        Outcome::Row(_) => Finished::Committed(
            told_before(transaction, write, event)
                .await?
                .unwrap_or(Change {
                    position: 0,
                    survey_id: event.survey_id.clone(),
                    response_id: event.response_id.clone(),
                    completed_at: event.known_completion(),
                    received_at: Some(event.received_at),
                    committed_at: now,
                }),
        ),
        Outcome::Skip(_) | Outcome::Retry { .. } | Outcome::Dead(_) => Finished::Settled,
    })
}

/// The change that a lost commit told of.
async fn told_before(
    transaction: &mut Transaction<'_>,
    write: usize,
    event: &Event,
) -> Result<Option<Change>, Spoiled> {
    const KINDS: [ColumnType; 6] = [
        ColumnType::BigInt,
        ColumnType::NVarchar(18),
        ColumnType::NVarchar(69),
        ColumnType::Timestamp,
        ColumnType::Timestamp,
        ColumnType::Timestamp,
    ];
    let statement = changes::last_of(&event.survey_id, &event.response_id);
    let found = transaction.query(write, &statement, &KINDS).await?;
    Ok(match found.first().map(|row| &**row) {
        Some(
            [
                Cell::Integer(position),
                _,
                _,
                _,
                _,
                Cell::Timestamp(committed_at),
            ],
        ) => Some(Change {
            position: *position,
            survey_id: event.survey_id.clone(),
            response_id: event.response_id.clone(),
            completed_at: event.known_completion(),
            received_at: Some(event.received_at),
            committed_at: *committed_at,
        }),
        _ => None,
    })
}
