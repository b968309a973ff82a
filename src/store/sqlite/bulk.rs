//! Rows of exports, and erasures.

use std::sync::Arc;

use ingester_core::id::{ResponseId, SurveyId};
use ingester_core::inbox::{Mapped, Outcome, Reason};
use ingester_core::row::{ColumnType, Table, TableName};
use ingester_core::sql::{Dialect, erased, inbox, rows, surveys};
use rusqlite::{CachedStatement, Connection};

use super::apply::{Context, execute, is_erased, log_change, query, write_row};
use super::value::Bind;
use crate::store::error::StoreError;
use crate::store::write::{Erased, Landed, LoadReport, Loaded};
use crate::store::{Remember, batch};

/// Rows in one savepoint; where one does not fit its table, it is found by halving, and the others land without it.
pub(super) fn load(
    connection: &Connection,
    context: &Context,
    survey: &SurveyId,
    loaded: &[Loaded],
) -> Result<LoadReport, StoreError> {
    let landed = batch::commit(loaded, &mut |rows: &[Loaded]| {
        connection.execute_batch("SAVEPOINT loaded")?;
        let landed = land(connection, context, survey, rows);
        match &landed {
            Ok(_) => connection.execute_batch("RELEASE loaded")?,
            Err(error) if !error.is_transient() => {
                connection.execute_batch("ROLLBACK TO loaded; RELEASE loaded")?;
            }
            // The whole transaction is taken back.
            Err(_) => {}
        }
        landed
    });
    LoadReport::of(loaded, landed)
}

fn land(
    connection: &Connection,
    context: &Context,
    survey: &SurveyId,
    loaded: &[Loaded],
) -> Result<Vec<Landed>, StoreError> {
    let landing = Landing {
        connection,
        context,
        survey,
        was_anything_erased: !query(connection, &erased::any(), &[ColumnType::Integer])?.is_empty(),
    };
    let mut insert = None;
    loaded
        .iter()
        .map(|loaded| landing.land(loaded, &mut insert))
        .collect()
}

/// What all rows of a chunk land with.
struct Landing<'c> {
    connection: &'c Connection,
    context: &'c Context,
    survey: &'c SurveyId,
    was_anything_erased: bool,
}

/// What inserts into a table, made ready once for all rows that follow.
type Insert<'c> = (Arc<Table>, CachedStatement<'c>);

impl<'c> Landing<'c> {
    fn land(&self, loaded: &Loaded, insert: &mut Option<Insert<'c>>) -> Result<Landed, StoreError> {
        let (connection, survey, response) = (self.connection, self.survey, &loaded.response_id);
        let event = match &loaded.settles {
            // Whoever holds the event now reads the response itself; the row is right all the same.
            Some((fence, event)) => {
                let settle =
                    inbox::settle(Dialect::Sqlite, fence, &loaded.outcome, self.context.now);
                (execute(connection, &settle)? == 1).then_some(event)
            }
            None => None,
        };
        let note = |reason| match event {
            Some(_) => execute(connection, &inbox::note(survey, response, &reason)).map(drop),
            None => Ok(()),
        };
        if self.was_anything_erased && is_erased(connection, self.context, survey, response)? {
            note(Reason::new("erased", "erased here earlier"))?;
            return Ok(Landed::Erased);
        }
        let mapped = match &loaded.outcome {
            Outcome::Row(mapped) => mapped,
            Outcome::Skip(_) => return Ok(Landed::Nothing),
            Outcome::Retry { reason, .. } | Outcome::Dead(reason) => {
                return Ok(Landed::Refused(reason.to_string()));
            }
        };
        let keep = rows::keep_document(survey, response, &mapped.raw);
        if execute(connection, &keep)? == 0 {
            note(Reason::new(
                "superseded",
                "a newer document was there already",
            ))?;
            return Ok(Landed::Superseded);
        }
        let change = if self.insert(mapped, insert)? {
            log_change(connection, self.context, survey, response, event)?
        } else if self.is_there(mapped, response) {
            return Ok(Landed::Unchanged);
        } else {
            write_row(connection, self.context, survey, response, mapped, event)?
        };
        Ok(Landed::Written(change))
    }

    /// Writes a row that is new; false if there is one under its key.
    fn insert(&self, mapped: &Mapped, insert: &mut Option<Insert<'c>>) -> Result<bool, StoreError> {
        let (_, statement) = match insert {
            Some(insert) if Arc::ptr_eq(&insert.0, &mapped.table) => insert,
            _ => {
                let text = rows::insert(&mapped.table);
                let prepared = self.connection.prepare_cached(text.text())?;
                insert.insert((mapped.table.clone(), prepared))
            }
        };
        let cells = mapped.row.0.iter().map(Bind);
        Ok(statement.execute(rusqlite::params_from_iter(cells))? == 1)
    }

    /// Whether the row that is there is the same, cell for cell. A cell of another type than its column's was written by
    /// somebody else: it differs, and is mended.
    fn is_there(&self, mapped: &Mapped, response: &ResponseId) -> bool {
        let columns = mapped.table.columns.iter();
        let kinds: Vec<_> = columns.map(|column| column.kind).collect();
        let current = rows::current(Dialect::Sqlite, &mapped.table, response);
        query(self.connection, &current, &kinds).is_ok_and(|rows| {
            rows.first()
                .is_some_and(|current| **current == *mapped.row.0)
        })
    }
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
