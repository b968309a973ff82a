//! Rows of exports, each in a savepoint of its own, and erasures.

use ingester_core::id::{ResponseId, SurveyId};
use ingester_core::inbox::{Outcome, Reason};
use ingester_core::row::TableName;
use ingester_core::sql::{Dialect, erased, inbox, rows, surveys};
use rusqlite::Connection;

use super::apply::{Context, execute, is_erased, query, settle, write_row};
use crate::store::Remember;
use crate::store::error::StoreError;
use crate::store::write::{Erased, LoadReport, Loaded};

pub(super) fn load(
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

pub(super) fn erase(
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
