//! What each write does inside the transaction that its batch shares.
//!
//! Long because each kind of write is applied here and nowhere else, inside one transaction.

use std::cmp::Reverse;
use std::time::Duration;

use ingester_core::id::{ResponseId, SurveyId};
use ingester_core::inbox::{
    Change, Event, Fence, Finished, LEASE, Mapped, Outcome, Owner, Reason, whole_milliseconds,
};
use ingester_core::row::{Cell, ColumnType};
use ingester_core::sql::inbox::{self, Waiting};
use ingester_core::sql::{Dialect, Statement, changes, erased, rows};
use ingester_core::time::Timestamp;
use rusqlite::Connection;

use super::bulk;
use super::value::Bind;
use crate::store::LeaseWish;
use crate::store::error::StoreError;
use crate::store::write::{Erased, LoadReport, Write, claimed};

/// What every write is applied with.
pub(in crate::store) struct Context {
    pub(in crate::store) owner: Owner,
    pub(super) salt: String,
    pub(in crate::store) now: Timestamp,
}

/// What a write came to, once the transaction commits.
pub(in crate::store) enum Answer {
    Accepted(Option<Accepted>),
    Claimed(Vec<(Event, u32)>),
    Lost(Vec<Fence>),
    Finished(Finished),
    Released,
    Loaded(LoadReport),
    Erased(Erased),
    Ran(Vec<u64>),
    Rehearsed(Vec<Box<[Cell]>>),
}

/// An event that is new or begins anew.
pub(in crate::store) struct Accepted {
    /// The completion that now stands in the inbox.
    pub(super) completed_at: Timestamp,
    pub(in crate::store) leased: bool,
}

pub(super) fn apply(
    connection: &Connection,
    context: &Context,
    write: &Write,
) -> Result<Answer, StoreError> {
    Ok(match write {
        Write::Accept {
            event,
            lease,
            reply: _,
        } => Answer::Accepted(accept(connection, context, event, *lease)?),
        Write::Claim {
            surveys,
            limit,
            reply: _,
        } => Answer::Claimed(claim(
            connection,
            context,
            surveys,
            usize::try_from(*limit).unwrap_or(usize::MAX),
        )?),
        Write::Renew { fences, reply: _ } => Answer::Lost(renew(connection, context, fences)?),
        Write::Finish {
            fence,
            event,
            outcome,
            reply: _,
        } => Answer::Finished(finish(connection, context, fence, event, outcome)?),
        Write::Release { fence, reply: _ } => {
            let due = inbox::retry(Dialect::Sqlite, fence, Duration::ZERO, None, context.now);
            execute(connection, &due)?;
            Answer::Released
        }
        Write::Load {
            survey,
            rows,
            reply: _,
        } => Answer::Loaded(bulk::load(connection, context, survey, rows)?),
        Write::Erase {
            survey,
            table,
            responses,
            remember,
            reply: _,
        } => Answer::Erased(bulk::erase(
            connection,
            context,
            survey,
            table.as_ref(),
            responses,
            *remember,
        )?),
        Write::Run {
            statements,
            reply: _,
        } => Answer::Ran(
            statements
                .iter()
                .map(|statement| execute(connection, statement))
                .collect::<Result<_, _>>()?,
        ),
        Write::Rehearse {
            statements,
            look,
            kinds,
            reply: _,
        } => Answer::Rehearsed(rehearse(connection, statements, look, kinds)?),
    })
}

/// Runs one statement; answers how many rows it changed.
pub(super) fn execute(connection: &Connection, statement: &Statement) -> Result<u64, StoreError> {
    let mut prepared = connection.prepare_cached(statement.text())?;
    let changed = prepared.execute(rusqlite::params_from_iter(
        statement.binds().iter().map(Bind),
    ))?;
    Ok(u64::try_from(changed).unwrap_or(u64::MAX))
}

/// Runs one statement; answers its rows as cells of the given types.
pub(in crate::store) fn query(
    connection: &Connection,
    statement: &Statement,
    kinds: &[ColumnType],
) -> Result<Vec<Box<[Cell]>>, StoreError> {
    let mut prepared = connection.prepare_cached(statement.text())?;
    let mut results = prepared.query(rusqlite::params_from_iter(
        statement.binds().iter().map(Bind),
    ))?;
    let mut rows = Vec::new();
    while let Some(row) = results.next()? {
        rows.push(super::cells(row, kinds)?);
    }
    Ok(rows)
}

fn rehearse(
    connection: &Connection,
    statements: &[Statement],
    look: &Statement,
    kinds: &[ColumnType],
) -> Result<Vec<Box<[Cell]>>, StoreError> {
    connection.execute_batch("SAVEPOINT rehearsal")?;
    let seen = statements
        .iter()
        .try_for_each(|statement| execute(connection, statement).map(drop))
        .and_then(|()| query(connection, look, kinds));
    connection.execute_batch("ROLLBACK TO rehearsal; RELEASE rehearsal")?;
    seen
}

fn accept(
    connection: &Connection,
    context: &Context,
    event: &Event,
    lease: LeaseWish,
) -> Result<Option<Accepted>, StoreError> {
    let lease = (lease == LeaseWish::Lease).then_some((&context.owner, LEASE));
    let leased = lease.is_some();
    let is_new = inbox::accept(Dialect::Sqlite, event, lease, context.now);
    if execute(connection, &is_new)? == 1 {
        return Ok(Some(Accepted {
            completed_at: whole_milliseconds(event.completed_at),
            leased,
        }));
    }
    let begins_again = inbox::begin_again(event, lease, context.now);
    let standing = query(connection, &begins_again, &[ColumnType::Timestamp])?;
    Ok(match standing.first().map(|row| &**row) {
        Some([Cell::Timestamp(completed_at)]) => Some(Accepted {
            completed_at: *completed_at,
            leased,
        }),
        _ => None,
    })
}

fn claim(
    connection: &Connection,
    context: &Context,
    surveys: &[SurveyId],
    limit: usize,
) -> Result<Vec<(Event, u32)>, StoreError> {
    let (lease, now) = ((&context.owner, LEASE), context.now);
    let due = inbox::claim_waiting(Waiting::Due, surveys, limit, lease, now);
    let mut found = query(connection, &due, &inbox::CLAIMED)?;
    if found.len() < limit {
        let expired =
            inbox::claim_waiting(Waiting::Expired, surveys, limit - found.len(), lease, now);
        found.append(&mut query(connection, &expired, &inbox::CLAIMED)?);
    }
    let mut events: Vec<_> = found.iter().filter_map(|row| claimed(row)).collect();
    events.sort_by_key(|(event, _)| Reverse(event.received_at));
    Ok(events)
}

fn renew(
    connection: &Connection,
    context: &Context,
    fences: &[Fence],
) -> Result<Vec<Fence>, StoreError> {
    let mut lost = Vec::new();
    for fence in fences {
        if execute(
            connection,
            &inbox::renew(Dialect::Sqlite, fence, LEASE, context.now),
        )? == 0
        {
            lost.push(fence.clone());
        }
    }
    Ok(lost)
}

fn finish(
    connection: &Connection,
    context: &Context,
    fence: &Fence,
    event: &Event,
    outcome: &Outcome,
) -> Result<Finished, StoreError> {
    if execute(
        connection,
        &inbox::settle(Dialect::Sqlite, fence, outcome, context.now),
    )? == 0
    {
        return Ok(Finished::LeaseLost);
    }
    match outcome {
        Outcome::Row(mapped) => {
            let (survey, response) = (&event.survey_id, &event.response_id);
            if is_erased(connection, context, survey, response)? {
                execute(
                    connection,
                    &inbox::note(
                        survey,
                        response,
                        &Reason::new("erased", "erased here earlier"),
                    ),
                )?;
                return Ok(Finished::Erased);
            }
            if execute(
                connection,
                &rows::keep_document(survey, response, &mapped.raw),
            )? == 0
            {
                let reason = Reason::new("superseded", "a newer document was there already");
                execute(connection, &inbox::note(survey, response, &reason))?;
                return Ok(Finished::Superseded);
            }
            let change = write_row(connection, context, survey, response, mapped, Some(event))?;
            Ok(Finished::Committed(change))
        }
        Outcome::Skip(_) | Outcome::Retry { .. } | Outcome::Dead(_) => Ok(Finished::Settled),
    }
}

pub(super) fn is_erased(
    connection: &Connection,
    context: &Context,
    survey: &SurveyId,
    response: &ResponseId,
) -> Result<bool, StoreError> {
    let hash = erased::hash(context.salt.as_bytes(), survey, response);
    Ok(!query(connection, &erased::find(&hash), &[ColumnType::Integer])?.is_empty())
}

/// Writes the row and the change that tells of it.
pub(super) fn write_row(
    connection: &Connection,
    context: &Context,
    survey: &SurveyId,
    response: &ResponseId,
    mapped: &Mapped,
    event: Option<&Event>,
) -> Result<Change, StoreError> {
    execute(
        connection,
        &rows::upsert(Dialect::Sqlite, &mapped.table, mapped.row.clone()),
    )?;
    log_change(connection, context, survey, response, event)
}

pub(super) fn log_change(
    connection: &Connection,
    context: &Context,
    survey: &SurveyId,
    response: &ResponseId,
    event: Option<&Event>,
) -> Result<Change, StoreError> {
    let mut change = Change {
        position: 0,
        survey_id: survey.clone(),
        response_id: response.clone(),
        completed_at: event.and_then(Event::known_completion),
        received_at: event.map(|event| event.received_at),
        committed_at: context.now,
    };
    execute(connection, &changes::add(Dialect::Sqlite, &change))?;
    change.position = connection.last_insert_rowid();
    Ok(change)
}
