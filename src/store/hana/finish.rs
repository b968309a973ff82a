//! Ending leases: the fence, the document, the row and the change in one transaction, a round trip each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ingester_core::id::{ResponseId, SurveyId};
use ingester_core::inbox::{Change, Event, Fence, Finished, LEASE, Mapped, Outcome, Reason};
use ingester_core::row::{Cell, ColumnType};
use ingester_core::sql::{Dialect, Statement, changes, erased, inbox, rows};
use ingester_core::time::Timestamp;

use super::lane::Lane;
use super::recall::settled_before;
use super::transaction::{Before, Spoiled, Transaction, commit};
use super::waves::waves;
use crate::lifecycle;
use crate::store::error::StoreError;
use crate::store::write::Reply;

/// The end of the work under a lease.
pub(super) struct Finish {
    pub(super) fence: Fence,
    pub(super) event: Event,
    pub(super) outcome: Outcome,
    pub(super) reply: Reply<Finished>,
}

impl Lane {
    /// Writes outcomes: at most one round trip per table and one for the commit, whatever the number of outcomes. Only
    /// documents that lose against a newer one, or against an erasure, cost two more.
    pub(super) async fn finish(&mut self, finishes: Vec<Finish>) {
        let begun = Instant::now();
        let key = |finish: &Finish| {
            (
                finish.fence.survey_id.clone(),
                finish.fence.response_id.clone(),
            )
        };
        for wave in waves(finishes, key) {
            let answers = commit(self, &wave, async |transaction, finishes| {
                settle(transaction, finishes).await
            })
            .await;
            for (finish, answer) in wave.into_iter().zip(answers) {
                // Nobody may be there any more, and the outcome stands all the same.
                drop(finish.reply.send(answer));
            }
        }
        self.measure("finish", begun);
    }

    /// Prolongs leases; answers those that are lost.
    pub(super) async fn renew(&mut self, renewals: Vec<(Vec<Fence>, Reply<Vec<Fence>>)>) {
        let begun = Instant::now();
        let fences: Vec<&[Fence]> = renewals
            .iter()
            .map(|(fences, _)| fences.as_slice())
            .collect();
        let answers = commit(self, &fences, async |transaction, fences| {
            let now = lifecycle::now();
            let all = || {
                fences
                    .iter()
                    .enumerate()
                    .flat_map(|(write, fences)| fences.iter().map(move |fence| (write, fence)))
            };
            let statements: Vec<(usize, Statement)> = all()
                .map(|(write, fence)| (write, inbox::renew(Dialect::Hana, fence, LEASE, now)))
                .collect();
            let counts = transaction.run(&statements).await?;
            let mut lost: Vec<Vec<Fence>> = fences.iter().map(|_| Vec::new()).collect();
            for ((write, fence), count) in all().zip(counts) {
                if count == 0
                    && let Some(lost) = lost.get_mut(write)
                {
                    lost.push(fence.clone());
                }
            }
            Ok(lost)
        })
        .await;
        for ((_, reply), answer) in renewals.into_iter().zip(answers) {
            drop(reply.send(answer));
        }
        self.measure("renew", begun);
    }

    /// Gives leases back; the events are due at once.
    pub(super) async fn release(&mut self, releases: Vec<(Fence, Reply<()>)>) {
        let begun = Instant::now();
        let answers = commit(self, &releases, async |transaction, releases| {
            let now = lifecycle::now();
            let statements: Vec<(usize, Statement)> = releases
                .iter()
                .enumerate()
                .map(|(write, (fence, _))| {
                    (
                        write,
                        inbox::retry(Dialect::Hana, fence, Duration::ZERO, None, now),
                    )
                })
                .collect();
            transaction.run(&statements).await?;
            Ok(releases.iter().map(|_| ()).collect())
        })
        .await;
        for ((_, reply), answer) in releases.into_iter().zip(answers) {
            drop(reply.send(answer));
        }
        self.measure("release", begun);
    }
}

/// First the fences: whoever lost one writes nothing else, and the rows in the inbox stay locked until the commit. Then
/// the documents, whose counts name those that lost against a newer one. Then rows and changes of the others.
async fn settle(
    transaction: &mut Transaction<'_>,
    finishes: &[&Finish],
) -> Result<Vec<Finished>, Spoiled> {
    let now = lifecycle::now();
    let fences: Vec<(usize, Statement)> = finishes
        .iter()
        .enumerate()
        .map(|(write, finish)| {
            (
                write,
                inbox::settle(Dialect::Hana, &finish.fence, &finish.outcome, now),
            )
        })
        .collect();
    let held = transaction.run(&fences).await?;
    let mut finished = Vec::with_capacity(finishes.len());
    let mut landing = Vec::new();
    for (write, (finish, count)) in finishes.iter().zip(held).enumerate() {
        finished.push(match (count, &finish.outcome) {
            (0, _) if transaction.before == Before::Unknown => {
                settled_before(transaction, write, finish, now).await?
            }
            (0, _) => Finished::LeaseLost,
            (_, Outcome::Row(mapped)) => {
                landing.push(Landing {
                    write,
                    mapped: mapped.clone(),
                    event: Some(finish.event.clone()),
                    survey: finish.event.survey_id.clone(),
                    response: finish.event.response_id.clone(),
                });
                Finished::Settled
            }
            (_, Outcome::Skip(_) | Outcome::Retry { .. } | Outcome::Dead(_)) => Finished::Settled,
        });
    }
    let (winners, losers) = keep_documents(transaction, landing).await?;
    for change in write_rows(transaction, &winners, now).await? {
        if let Some(slot) = finished.get_mut(change.0) {
            *slot = Finished::Committed(change.1);
        }
    }
    for (write, loss) in note_losers(transaction, &losers).await? {
        if let Some(slot) = finished.get_mut(write) {
            *slot = loss;
        }
    }
    Ok(finished)
}

/// A row on its way into its table.
pub(super) struct Landing {
    pub(super) write: usize,
    pub(super) mapped: Arc<Mapped>,
    pub(super) event: Option<Event>,
    pub(super) survey: SurveyId,
    pub(super) response: ResponseId,
}

/// Keeps the documents that are not older than what is there; answers the rows that may be written, and the others.
pub(super) async fn keep_documents(
    transaction: &mut Transaction<'_>,
    landing: Vec<Landing>,
) -> Result<(Vec<Landing>, Vec<Landing>), Spoiled> {
    let salt = transaction.salt();
    let merges: Vec<(usize, Statement)> = landing
        .iter()
        .map(|row| {
            let hash = erased::hash(salt.as_bytes(), &row.survey, &row.response);
            let statement =
                rows::merge_document(&row.survey, &row.response, &row.mapped.raw, &hash);
            (row.write, statement)
        })
        .collect();
    let counts = transaction.run(&merges).await?;
    let mut winners = Vec::with_capacity(landing.len());
    let mut losers = Vec::new();
    for (row, count) in landing.into_iter().zip(counts) {
        if count == 0 {
            losers.push(row);
        } else {
            winners.push(row);
        }
    }
    Ok((winners, losers))
}

/// Writes rows and the changes that tell of them.
pub(super) async fn write_rows(
    transaction: &mut Transaction<'_>,
    landing: &[Landing],
    now: Timestamp,
) -> Result<Vec<(usize, Change)>, Spoiled> {
    if landing.is_empty() {
        return Ok(Vec::new());
    }
    let upserts: Vec<(usize, Statement)> = landing
        .iter()
        .map(|row| {
            let statement = rows::upsert(Dialect::Hana, &row.mapped.table, row.mapped.row.clone());
            (row.write, statement)
        })
        .collect();
    transaction.run(&upserts).await?;
    let positions = transaction.positions(landing.len()).await?;
    let told: Vec<(usize, Change)> = landing
        .iter()
        .zip(positions)
        .map(|(row, position)| {
            let change = Change {
                position,
                survey_id: row.survey.clone(),
                response_id: row.response.clone(),
                completed_at: row.event.as_ref().and_then(Event::known_completion),
                received_at: row.event.as_ref().map(|event| event.received_at),
                committed_at: now,
            };
            (row.write, change)
        })
        .collect();
    let adds: Vec<(usize, Statement)> = told
        .iter()
        .map(|(write, change)| (*write, changes::add(Dialect::Hana, change)))
        .collect();
    transaction.run(&adds).await?;
    Ok(told)
}

/// Which of these responses were erased here.
pub(super) async fn erased_among(
    transaction: &mut Transaction<'_>,
    responses: &[(usize, &SurveyId, &ResponseId)],
) -> Result<Vec<bool>, Spoiled> {
    let Some((first, ..)) = responses.first() else {
        return Ok(Vec::new());
    };
    let salt = transaction.salt();
    let hashes: Vec<String> = responses
        .iter()
        .map(|(_, survey, response)| erased::hash(salt.as_bytes(), survey, response))
        .collect();
    let statement = erased::find_all(hashes.iter().map(String::as_str));
    let found = transaction
        .query(*first, &statement, &[ColumnType::NVarchar(64)])
        .await?;
    Ok(hashes
        .iter()
        .map(|hash| {
            found
                .iter()
                .any(|row| matches!(&**row, [Cell::Text(kept)] if kept == hash))
        })
        .collect())
}

/// Says in the inbox why these events are done without a row of their own.
async fn note_losers(
    transaction: &mut Transaction<'_>,
    losers: &[Landing],
) -> Result<Vec<(usize, Finished)>, Spoiled> {
    let responses: Vec<_> = losers
        .iter()
        .map(|row| (row.write, &row.survey, &row.response))
        .collect();
    let erased = erased_among(transaction, &responses).await?;
    let mut notes = Vec::with_capacity(losers.len());
    let mut finished = Vec::with_capacity(losers.len());
    for (row, is_erased) in losers.iter().zip(erased) {
        let (reason, outcome) = if is_erased {
            (erased_reason(), Finished::Erased)
        } else {
            (superseded_reason(), Finished::Superseded)
        };
        notes.push((row.write, inbox::note(&row.survey, &row.response, &reason)));
        finished.push((row.write, outcome));
    }
    transaction.run(&notes).await?;
    Ok(finished)
}

pub(super) fn erased_reason() -> Reason {
    Reason::new("erased", "erased here earlier")
}

pub(super) fn superseded_reason() -> Reason {
    Reason::new("superseded", "a newer document was there already")
}

/// An error that a reader of the code should never see: a batch was answered with fewer answers than it had writes.
pub(super) fn unanswered() -> StoreError {
    StoreError::unexpected("a write was left without an answer")
}
