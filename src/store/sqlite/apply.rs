//! What each write does inside the transaction that its batch shares.
//!
//! Long because each kind of write is applied here and nowhere else, inside one transaction.

use ingester_core::id::{ResponseId, SurveyId};
use ingester_core::inbox::{Change, Event, Fence, Finished, LEASE, Mapped, Outcome, Owner, Reason};
use ingester_core::row::{Cell, ColumnType, TableName};
use ingester_core::sql::{Dialect, Statement, changes, erased, inbox, rows, surveys};
use ingester_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension as _};

use super::value::{self, Bind};
use crate::store::error::StoreError;
use crate::store::write::{Erased, LoadReport, Loaded, Write};
use crate::store::{LeaseWish, Remember};

/// What every write is applied with.
pub(super) struct Context {
    pub(super) owner: Owner,
    pub(super) salt: String,
    pub(super) now: Timestamp,
}

/// What a write came to, once the transaction commits.
pub(super) enum Answer {
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
pub(super) struct Accepted {
    /// The completion that now stands in the inbox.
    pub(super) completed_at: Timestamp,
    pub(super) leased: bool,
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
        } => Answer::Claimed(claim(connection, context, surveys, *limit)?),
        Write::Renew { fences, reply: _ } => Answer::Lost(renew(connection, context, fences)?),
        Write::Finish {
            fence,
            event,
            outcome,
            reply: _,
        } => Answer::Finished(finish(connection, context, fence, event, outcome)?),
        Write::Release { fence, reply: _ } => {
            execute(
                connection,
                &inbox::retry(fence, std::time::Duration::ZERO, None, context.now),
            )?;
            Answer::Released
        }
        Write::Load {
            survey,
            rows,
            reply: _,
        } => Answer::Loaded(load(connection, context, survey, rows)?),
        Write::Erase {
            survey,
            table,
            responses,
            remember,
            reply: _,
        } => Answer::Erased(erase(
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
fn query(
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
    let statement = inbox::accept(event, lease, context.now);
    let mut prepared = connection.prepare_cached(statement.text())?;
    let completed_at = prepared
        .query_row(
            rusqlite::params_from_iter(statement.binds().iter().map(Bind)),
            |row| Ok(value::cell(row.get_ref(0)?, ColumnType::Timestamp)),
        )
        .optional()?;
    Ok(match completed_at.transpose()? {
        Some(Cell::Timestamp(completed_at)) => Some(Accepted {
            completed_at,
            leased: lease.is_some(),
        }),
        _ => None,
    })
}

fn claim(
    connection: &Connection,
    context: &Context,
    surveys: &[SurveyId],
    limit: u32,
) -> Result<Vec<(Event, u32)>, StoreError> {
    const KINDS: [ColumnType; 5] = [
        ColumnType::NVarchar(18),
        ColumnType::NVarchar(69),
        ColumnType::Timestamp,
        ColumnType::Timestamp,
        ColumnType::Integer,
    ];
    let mut found = query(connection, &inbox::due(surveys, limit, context.now), &KINDS)?;
    found.append(&mut query(
        connection,
        &inbox::expired(surveys, limit, context.now),
        &KINDS,
    )?);
    let mut claimed = Vec::new();
    for row in found
        .into_iter()
        .take(usize::try_from(limit).unwrap_or(usize::MAX))
    {
        let [
            Cell::Text(survey),
            Cell::Text(response),
            Cell::Timestamp(completed_at),
            Cell::Timestamp(received_at),
            Cell::Integer(attempts),
        ] = &*row
        else {
            continue;
        };
        // Somebody else's row that names no survey or response can't be worked on; it stays where it is.
        let (Ok(survey_id), Ok(response_id), Ok(attempts)) =
            (survey.parse(), response.parse(), u32::try_from(*attempts))
        else {
            continue;
        };
        let statement = inbox::claim(
            &survey_id,
            &response_id,
            attempts,
            *completed_at,
            (&context.owner, LEASE),
            context.now,
        );
        if execute(connection, &statement)? == 1 {
            let event = Event {
                survey_id,
                response_id,
                completed_at: *completed_at,
                received_at: *received_at,
            };
            claimed.push((event, attempts.saturating_add(1)));
        }
    }
    Ok(claimed)
}

fn renew(
    connection: &Connection,
    context: &Context,
    fences: &[Fence],
) -> Result<Vec<Fence>, StoreError> {
    let mut lost = Vec::new();
    for fence in fences {
        if execute(connection, &inbox::renew(fence, LEASE, context.now))? == 0 {
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
    if execute(connection, &settle(fence, outcome, context.now))? == 0 {
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

/// What an outcome does to its event, under the fence.
fn settle(fence: &Fence, outcome: &Outcome, now: Timestamp) -> Statement {
    match outcome {
        Outcome::Row(_) => inbox::done(fence, None, now),
        Outcome::Skip(reason) => inbox::done(fence, Some(reason), now),
        Outcome::Retry { after, reason } => inbox::retry(fence, *after, Some(reason), now),
        Outcome::Dead(reason) => inbox::dead(fence, reason, now),
    }
}

fn is_erased(
    connection: &Connection,
    context: &Context,
    survey: &SurveyId,
    response: &ResponseId,
) -> Result<bool, StoreError> {
    let hash = erased::hash(context.salt.as_bytes(), survey, response);
    Ok(!query(connection, &erased::find(&hash), &[ColumnType::Integer])?.is_empty())
}

/// Writes the row and the change that tells of it.
fn write_row(
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
    let mut change = Change {
        position: 0,
        survey_id: survey.clone(),
        response_id: response.clone(),
        completed_at: event.and_then(Event::known_completion),
        received_at: event.map(|event| event.received_at),
        committed_at: context.now,
    };
    let position = query(connection, &changes::add(&change), &[ColumnType::BigInt])?;
    if let Some([Cell::Integer(position)]) = position.first().map(|row| &**row) {
        change.position = *position;
    }
    Ok(change)
}

fn load(
    connection: &Connection,
    context: &Context,
    survey: &SurveyId,
    loaded: &[Loaded],
) -> Result<LoadReport, StoreError> {
    let mut report = LoadReport::default();
    for row in loaded {
        connection.execute_batch("SAVEPOINT loaded")?;
        match load_one(connection, context, survey, row, &mut report) {
            Ok(()) => connection.execute_batch("RELEASE loaded")?,
            Err(error) if !error.is_transient() => {
                connection.execute_batch("ROLLBACK TO loaded; RELEASE loaded")?;
                report.refused.push((
                    row.response_id.clone(),
                    Reason::new(error.code(), error.to_string()).to_string(),
                ));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(report)
}

fn load_one(
    connection: &Connection,
    context: &Context,
    survey: &SurveyId,
    loaded: &Loaded,
    report: &mut LoadReport,
) -> Result<(), StoreError> {
    let response = &loaded.response_id;
    let note = |reason| execute(connection, &inbox::note(survey, response, &reason));
    let event = match &loaded.settles {
        // Whoever holds the event now reads the response itself; the row is right all the same.
        Some((fence, event)) => {
            (execute(connection, &settle(fence, &loaded.outcome, context.now))? == 1)
                .then_some(event)
        }
        None => None,
    };
    if is_erased(connection, context, survey, response)? {
        if event.is_some() {
            note(Reason::new("erased", "erased here earlier"))?;
        }
        report.erased += 1;
        return Ok(());
    }
    let mapped = match &loaded.outcome {
        Outcome::Row(mapped) => mapped,
        Outcome::Skip(_) => return Ok(()),
        Outcome::Retry { reason, .. } | Outcome::Dead(reason) => {
            report.refused.push((response.clone(), reason.to_string()));
            return Ok(());
        }
    };
    if execute(
        connection,
        &rows::keep_document(survey, response, &mapped.raw),
    )? == 0
    {
        if event.is_some() {
            note(Reason::new(
                "superseded",
                "a newer document was there already",
            ))?;
        }
        report.superseded += 1;
        return Ok(());
    }
    let kinds: Vec<_> = mapped
        .table
        .columns
        .iter()
        .map(|column| column.kind)
        .collect();
    let current = query(
        connection,
        &rows::current(Dialect::Sqlite, &mapped.table, response),
        &kinds,
    );
    // A cell of another type than its column's was written by somebody else: it differs, and is mended.
    if current.is_ok_and(|rows| {
        rows.first()
            .is_some_and(|current| **current == *mapped.row.0)
    }) {
        report.unchanged += 1;
        return Ok(());
    }
    let change = write_row(connection, context, survey, response, mapped, event)?;
    report.written += 1;
    report.changes.push(change);
    Ok(())
}

fn erase(
    connection: &Connection,
    context: &Context,
    survey: &SurveyId,
    table: Option<&TableName>,
    responses: &[ResponseId],
    remember: Remember,
) -> Result<Erased, StoreError> {
    let mut removed = Erased::default();
    for response in responses {
        execute(connection, &surveys::count_deletion(survey))?;
        if let Some(table) = table {
            removed.rows += execute(connection, &rows::remove(Dialect::Sqlite, table, response))?;
        }
        removed.documents += execute(connection, &rows::remove_document(survey, response))?;
        removed.events += execute(connection, &rows::remove_event(survey, response))?;
        removed.changes += execute(connection, &rows::remove_changes(survey, response))?;
        if remember == Remember::Hash {
            let hash = erased::hash(context.salt.as_bytes(), survey, response);
            execute(connection, &erased::add(&hash, context.now))?;
        }
    }
    Ok(removed)
}
