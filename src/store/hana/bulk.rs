//! What takes long and nobody waits for: rows of exports, erasures, and statements of commands.

use std::collections::HashMap;
use std::time::Instant;

use ingester_core::id::{ResponseId, SurveyId};
use ingester_core::inbox::{Event, Outcome};
use ingester_core::row::{Cell, ColumnType, Table, TableName};
use ingester_core::sql::{Dialect, Statement, erased, inbox, rows, surveys};
use ingester_core::time::Timestamp;

use super::code::Failure;
use super::finish::{
    Landing, erased_among, erased_reason, keep_documents, superseded_reason, unanswered, write_rows,
};
use super::lane::Lane;
use super::transaction::{Before, Spoiled, Transaction, commit, take_back};
use crate::lifecycle;
use crate::store::Remember;
use crate::store::error::{Kind, StoreError};
use crate::store::write::{Erased, Landed, LoadReport, Loaded};

/// Rows that are compared with the table by one statement.
const COMPARED_AT_ONCE: usize = 128;

impl Lane {
    /// Writes rows of an export, each only if its document is newer and a cell differs. After a commit whose answer was
    /// lost, rows that it wrote count as unchanged.
    pub(super) async fn load(
        &mut self,
        survey: &SurveyId,
        loaded: &[Loaded],
    ) -> Result<LoadReport, StoreError> {
        let begun = Instant::now();
        let landed = commit(self, loaded, async |transaction, loaded| {
            land(transaction, survey, loaded).await
        })
        .await;
        self.measure("load", begun);
        LoadReport::of(loaded, landed)
    }

    /// Removes every trace of responses.
    pub(super) async fn erase(
        &mut self,
        survey: &SurveyId,
        table: Option<&TableName>,
        responses: &[ResponseId],
        remember: Remember,
    ) -> Result<Erased, StoreError> {
        let begun = Instant::now();
        let mut sorted: Vec<&ResponseId> = responses.iter().collect();
        sorted.sort();
        let one = [()];
        let mut erased = commit(self, &one, async |transaction, _| {
            if transaction.before == Before::Unknown {
                return Err(outcome_unknown());
            }
            Ok(vec![
                erase_all(transaction, survey, table, &sorted, remember).await?,
            ])
        })
        .await;
        self.measure("erase", begun);
        erased.pop().unwrap_or_else(|| Err(unanswered()))
    }

    /// Runs statements as one transaction; those that define something are committed by HANA as they are.
    pub(super) async fn execute(
        &mut self,
        statements: &[Statement],
    ) -> Result<Vec<u64>, StoreError> {
        let begun = Instant::now();
        let one = [()];
        let mut ran = commit(self, &one, async |transaction, _| {
            if transaction.before == Before::Unknown {
                return Err(outcome_unknown());
            }
            Ok(vec![run_all(transaction, statements).await?])
        })
        .await;
        self.measure("run", begun);
        ran.pop().unwrap_or_else(|| Err(unanswered()))
    }

    /// Runs statements, looks what came of them, and takes everything back. HANA commits definitions, so a table among
    /// them is one that ends with its connection, and the connection is given up.
    pub(super) async fn rehearse(
        &mut self,
        statements: &[Statement],
        look: &Statement,
        kinds: &[ColumnType],
    ) -> Result<Vec<Box<[Cell]>>, StoreError> {
        let seen = take_back(self, async |transaction| {
            run_all(transaction, statements).await?;
            transaction.query(0, look, kinds).await
        })
        .await;
        self.disconnect();
        seen
    }
}

/// Counts are asked for that a repetition would not give again: whoever asked decides.
fn outcome_unknown() -> Spoiled {
    Spoiled::Writes(vec![(
        0,
        StoreError::unavailable("the connection was lost during the commit; run it again"),
    )])
}

async fn run_all(
    transaction: &mut Transaction<'_>,
    statements: &[Statement],
) -> Result<Vec<u64>, Spoiled> {
    let mut counts = Vec::with_capacity(statements.len());
    let mut rest = statements;
    while let Some(first) = rest.first() {
        let first = first.on(Dialect::Hana);
        if first.is_definition() {
            counts.push(define(transaction, first.text()).await?);
            rest = rest.get(1..).unwrap_or_default();
            continue;
        }
        // What follows each other with the same text is one round trip; the order of all others is kept.
        let same = rest
            .iter()
            .take_while(|statement| statement.on(Dialect::Hana).text() == first.text())
            .count();
        let (batch, others) = rest.split_at(same);
        let batch: Vec<(usize, Statement)> = batch
            .iter()
            .map(|statement| (0, statement.clone()))
            .collect();
        counts.append(&mut transaction.run(&batch).await?);
        rest = others;
    }
    Ok(counts)
}

async fn define(transaction: &mut Transaction<'_>, text: &str) -> Result<u64, Spoiled> {
    match transaction.define(text).await {
        Ok(()) => Ok(0),
        // Another instance was faster. Source: HANA Cloud alone knows IF NOT EXISTS, and only lately.
        Err(Failure::Statement(refusal)) if refusal.exists_already() => Ok(0),
        Err(Failure::Statement(refusal)) if refusal.is_missing_privilege() => {
            let error = StoreError::new(
                Kind::Privilege,
                format!("run as the schema's owner: {text};"),
            );
            Err(Spoiled::Writes(vec![(0, error)]))
        }
        Err(Failure::Broken(error)) => Err(Spoiled::Broken(error)),
        Err(Failure::Again(error)) => Err(Spoiled::Again(error)),
        Err(failure) => Err(Spoiled::Writes(vec![(0, failure.into_error())])),
    }
}

/// The inbox first: a worker that is just finishing holds its event's row until it has committed, so what it writes is
/// seen by the statements after this one, and removed.
async fn erase_all(
    transaction: &mut Transaction<'_>,
    survey: &SurveyId,
    table: Option<&TableName>,
    responses: &[&ResponseId],
    remember: Remember,
) -> Result<Erased, Spoiled> {
    let now = lifecycle::now();
    let salt = transaction.salt();
    let each = |statement: &dyn Fn(&ResponseId) -> Statement| -> Vec<(usize, Statement)> {
        responses
            .iter()
            .map(|response| (0, statement(response)))
            .collect()
    };
    let sum = |counts: Vec<u64>| counts.into_iter().sum();
    let mut removed = Erased {
        // HANA's own log and savepoints are its administrator's.
        log_cleared: true,
        ..Erased::default()
    };
    transaction
        .run(&each(&|_| surveys::count_deletion(survey)))
        .await?;
    let events = each(&|response| rows::remove_event(survey, response));
    removed.events = sum(transaction.run(&events).await?);
    if remember == Remember::Hash {
        let hashes =
            each(&|response| erased::add(&erased::hash(salt.as_bytes(), survey, response), now));
        transaction.run(&hashes).await?;
    }
    let documents = each(&|response| rows::remove_document(survey, response));
    removed.documents = sum(transaction.run(&documents).await?);
    if let Some(table) = table {
        let of_table = each(&|response| rows::remove(Dialect::Hana, table, response));
        removed.rows = sum(transaction.run(&of_table).await?);
    }
    let changes = each(&|response| rows::remove_changes(survey, response));
    removed.changes = sum(transaction.run(&changes).await?);
    Ok(removed)
}

async fn land(
    transaction: &mut Transaction<'_>,
    survey: &SurveyId,
    loaded: &[&Loaded],
) -> Result<Vec<Landed>, Spoiled> {
    let now = lifecycle::now();
    transaction
        .query(0, &surveys::hold(survey), &[ColumnType::NVarchar(18)])
        .await?;
    let held = settle_events(transaction, loaded, now).await?;
    let responses: Vec<_> = loaded
        .iter()
        .enumerate()
        .map(|(write, row)| (write, survey, &row.response_id))
        .collect();
    let erased = erased_among(transaction, &responses).await?;
    let mut landed = Vec::with_capacity(loaded.len());
    let mut landing = Vec::new();
    for ((write, row), is_erased) in loaded.iter().enumerate().zip(erased) {
        landed.push(match &row.outcome {
            _ if is_erased => Landed::Erased,
            Outcome::Row(mapped) => {
                landing.push(Landing {
                    write,
                    mapped: mapped.clone(),
                    event: held.get(&write).map(|event| (*event).clone()),
                    survey: survey.clone(),
                    response: row.response_id.clone(),
                });
                Landed::Unchanged
            }
            Outcome::Skip(_) => Landed::Nothing,
            Outcome::Retry { reason, .. } | Outcome::Dead(reason) => {
                Landed::Refused(reason.to_string())
            }
        });
    }
    let (winners, losers) = keep_documents(transaction, landing).await?;
    for row in losers {
        if let Some(slot) = landed.get_mut(row.write) {
            *slot = Landed::Superseded;
        }
    }
    let differing = differing(transaction, winners).await?;
    for (write, change) in write_rows(transaction, &differing, now).await? {
        if let Some(slot) = landed.get_mut(write) {
            *slot = Landed::Written(change);
        }
    }
    note_events(transaction, survey, loaded, &landed, &held).await?;
    Ok(landed)
}

/// Ends the events that rows settle; answers those that are ours, by their row. Whoever holds another now reads the
/// response itself, and the row is right all the same.
async fn settle_events<'a>(
    transaction: &mut Transaction<'_>,
    loaded: &[&'a Loaded],
    now: Timestamp,
) -> Result<HashMap<usize, &'a Event>, Spoiled> {
    let settled: Vec<(usize, &Event, Statement)> = loaded
        .iter()
        .enumerate()
        .filter_map(|(write, row)| {
            let (fence, event) = row.settles.as_ref()?;
            Some((
                write,
                event,
                inbox::settle(Dialect::Hana, fence, &row.outcome, now),
            ))
        })
        .collect();
    let statements: Vec<(usize, Statement)> = settled
        .iter()
        .map(|(write, _, statement)| (*write, statement.clone()))
        .collect();
    let counts = transaction.run(&statements).await?;
    Ok(settled
        .into_iter()
        .zip(counts)
        .filter(|(_, count)| *count == 1)
        .map(|((write, event, _), _)| (write, event))
        .collect())
}

/// Says in the inbox why events are done without a row of their own.
async fn note_events(
    transaction: &mut Transaction<'_>,
    survey: &SurveyId,
    loaded: &[&Loaded],
    landed: &[Landed],
    held: &HashMap<usize, &Event>,
) -> Result<(), Spoiled> {
    let notes: Vec<(usize, Statement)> = loaded
        .iter()
        .zip(landed)
        .enumerate()
        .filter(|(write, _)| held.contains_key(write))
        .filter_map(|(write, (row, landed))| {
            let reason = match landed {
                Landed::Erased => erased_reason(),
                Landed::Superseded => superseded_reason(),
                Landed::Written(_) | Landed::Unchanged | Landed::Refused(_) | Landed::Nothing => {
                    return None;
                }
            };
            Some((write, inbox::note(survey, &row.response_id, &reason)))
        })
        .collect();
    transaction.run(&notes).await.map(drop)
}

/// Those of the rows that differ from what the table holds.
async fn differing(
    transaction: &mut Transaction<'_>,
    winners: Vec<Landing>,
) -> Result<Vec<Landing>, Spoiled> {
    let mut differing = Vec::new();
    let mut rest = winners.into_iter().peekable();
    while let Some(first) = rest.peek() {
        let table = first.mapped.table.clone();
        let mut chunk = Vec::new();
        while let Some(row) = rest.next_if(|row| row.mapped.table == table) {
            chunk.push(row);
            if chunk.len() == COMPARED_AT_ONCE {
                break;
            }
        }
        let current = current(transaction, &table, &chunk).await?;
        differing.extend(chunk.into_iter().filter(|row| {
            current
                .get(row.response.as_ref())
                .is_none_or(|cells| **cells != *row.mapped.row.0)
        }));
    }
    Ok(differing)
}

async fn current(
    transaction: &mut Transaction<'_>,
    table: &Table,
    chunk: &[Landing],
) -> Result<HashMap<String, Box<[Cell]>>, Spoiled> {
    let mut kinds = vec![ColumnType::NVarchar(69)];
    kinds.extend(table.columns.iter().map(|column| column.kind));
    let statement = rows::current_of(Dialect::Hana, table, chunk.iter().map(|row| &row.response));
    let write = chunk.first().map_or(0, |row| row.write);
    let found = transaction.query(write, &statement, &kinds).await?;
    Ok(found
        .into_iter()
        .filter_map(|row| match &*row {
            [Cell::Text(response), cells @ ..] => Some((response.clone(), cells.into())),
            _ => None,
        })
        .collect())
}
