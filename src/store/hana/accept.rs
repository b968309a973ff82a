//! Accepting events, and claiming those that were left behind.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::Instant;

use ingester_core::id::{ResponseId, SurveyId};
use ingester_core::inbox::{Acceptance, Event, LEASE, Lease, Owner};
use ingester_core::row::Cell;
use ingester_core::sql::inbox::{self, Candidates};
use ingester_core::sql::{Dialect, Statement};
use ingester_core::time::Timestamp;

use super::lane::Lane;
use super::transaction::{Before, Spoiled, Transaction, commit};
use crate::lifecycle;
use crate::store::LeaseWish;
use crate::store::error::StoreError;
use crate::store::write::Reply;
use crate::store::write::claimed;

/// An event to be stored.
pub(super) struct Accept {
    pub(super) event: Event,
    pub(super) wish: LeaseWish,
    pub(super) reply: Reply<Acceptance>,
}

/// The newest completion of a response in a batch, and who told of it, or of an older one, as well.
///
/// However often a response is told of at once, the database is asked once: a storm of duplicates costs one look-up.
struct Newest {
    accept: Accept,
    others: Vec<Reply<Acceptance>>,
}

/// Leases to be taken.
pub(super) struct Claim {
    pub(super) surveys: Arc<[SurveyId]>,
    pub(super) limit: u32,
    pub(super) reply: Reply<Vec<Lease>>,
}

/// What became of an event.
enum Stored {
    /// It is new, or begins anew; the completion that stands there now.
    Accepted(Timestamp),
    /// It is known, and nothing changed.
    Known,
}

impl Lane {
    /// Stores events: two round trips for those that are new, the batch and its commit. Only those that are known
    /// already are asked about a second time, because a dead one may come back to life.
    pub(super) async fn accept(&mut self, accepts: Vec<Accept>) {
        let begun = Instant::now();
        let owner = self.owner.clone();
        let events = newest(accepts);
        let stored = commit(self, &events, async |transaction, events| {
            merge(transaction, events, &owner).await
        })
        .await;
        // Before anybody is answered: whoever hears of a failure and asks for the store's health gets its reason.
        let mut errors = stored.iter().filter_map(|stored| stored.as_ref().err());
        self.report(errors.find(|error| error.is_transient()).cloned());
        let mut known = Vec::new();
        for (event, stored) in events.into_iter().zip(stored) {
            match stored {
                Ok(Stored::Known) => known.push(event),
                Ok(Stored::Accepted(completed_at)) => event.accepted(completed_at, &owner),
                Err(error) => event.answer(Err(error)),
            }
        }
        self.measure("accept", begun);
        self.revive(known).await;
    }

    async fn revive(&mut self, known: Vec<Newest>) {
        let owner = self.owner.clone();
        let stored = commit(self, &known, async |transaction, events| {
            revive(transaction, events, &owner).await
        })
        .await;
        for (event, stored) in known.into_iter().zip(stored) {
            match stored {
                Ok(Stored::Known) => event.answer(Ok(Acceptance::Duplicate)),
                Ok(Stored::Accepted(completed_at)) => event.accepted(completed_at, &owner),
                Err(error) => event.answer(Err(error)),
            }
        }
    }

    /// Takes what is due or was left behind, newest first: candidates are read, then each is taken by a compare-and-set.
    pub(super) async fn claim(&mut self, claim: Claim) {
        let begun = Instant::now();
        let owner = self.owner.clone();
        let candidates = self.candidates;
        let one = [(claim.surveys, claim.limit)];
        let mut claimed = commit(self, &one, async |transaction, one| {
            let mut all = Vec::new();
            for (surveys, limit) in one {
                let statement = inbox::claimable(surveys, *limit, candidates);
                all.push(take(transaction, &statement, &owner).await?);
            }
            Ok(all)
        })
        .await;
        let claimed = claimed
            .pop()
            .unwrap_or_else(|| Err(StoreError::unexpected("a claim was not answered")));
        if claimed.is_err() && self.candidates == Candidates::IgnoreLocked {
            self.learn_candidates().await;
        }
        drop(claim.reply.send(claimed));
        self.measure("claim", begun);
    }

    /// Reads candidates without IGNORE LOCKED from now on, if it is those words that the database refuses.
    async fn learn_candidates(&mut self) {
        let statement = inbox::claimable(&[], 1, Candidates::IgnoreLocked);
        let Ok(connection) = self.connection().await else {
            return;
        };
        if let Err(super::code::Failure::Statement(refusal)) = connection.open(&statement).await
            && refusal.is_unknown_syntax()
        {
            tracing::info!("the database does not know IGNORE LOCKED: claims do without");
            self.candidates = Candidates::All;
        }
        self.roll_back().await;
    }
}

impl Accept {
    fn lease<'a>(&self, owner: &'a Owner) -> Option<(&'a Owner, std::time::Duration)> {
        (self.wish == LeaseWish::Lease).then_some((owner, LEASE))
    }
}

impl Newest {
    fn accepted(self, completed_at: Timestamp, owner: &Owner) {
        let acceptance = match self.accept.wish {
            LeaseWish::Wait => Acceptance::Pending,
            LeaseWish::Lease => {
                let event = Event {
                    completed_at,
                    ..self.accept.event.clone()
                };
                Acceptance::Leased(Lease::taken(event, owner.clone(), 1))
            }
        };
        self.answer(Ok(acceptance));
    }

    /// What was stored with a newer one is its duplicate. Nobody may be there any more, and the event stands all the
    /// same.
    fn answer(self, answer: Result<Acceptance, StoreError>) {
        for other in self.others {
            drop(other.send(match &answer {
                Ok(_) => Ok(Acceptance::Duplicate),
                Err(error) => Err(error.clone()),
            }));
        }
        drop(self.accept.reply.send(answer));
    }
}

/// One of each response, in the order of their keys: two transactions that touch the same rows in another order are a
/// deadlock.
fn newest(accepts: Vec<Accept>) -> Vec<Newest> {
    let mut events: BTreeMap<(SurveyId, ResponseId), Newest> = BTreeMap::new();
    for accept in accepts {
        let key = (
            accept.event.survey_id.clone(),
            accept.event.response_id.clone(),
        );
        match events.entry(key) {
            Entry::Vacant(vacant) => {
                vacant.insert(Newest {
                    accept,
                    others: Vec::new(),
                });
            }
            Entry::Occupied(mut occupied) => {
                let newest = occupied.get_mut();
                let older = if accept.event.completed_at > newest.accept.event.completed_at {
                    std::mem::replace(&mut newest.accept, accept)
                } else {
                    accept
                };
                newest.others.push(older.reply);
            }
        }
    }
    events.into_values().collect()
}

async fn merge(
    transaction: &mut Transaction<'_>,
    events: &[&Newest],
    owner: &Owner,
) -> Result<Vec<Stored>, Spoiled> {
    let now = lifecycle::now();
    let statements = statements(events, |accept| {
        inbox::accept(Dialect::Hana, &accept.event, accept.lease(owner), now)
    });
    let counts = transaction.run(&statements).await?;
    let mut stored = Vec::with_capacity(events.len());
    for (place, (event, count)) in events.iter().zip(counts).enumerate() {
        let accept = &event.accept;
        let is_ours = count > 0
            || (transaction.before == Before::Unknown
                && stands_as_written(transaction, place, accept, owner).await?);
        stored.push(if is_ours {
            Stored::Accepted(accept.event.completed_at)
        } else {
            Stored::Known
        });
    }
    Ok(stored)
}

fn statements(
    events: &[&Newest],
    statement: impl Fn(&Accept) -> Statement,
) -> Vec<(usize, Statement)> {
    events
        .iter()
        .enumerate()
        .map(|(place, event)| (place, statement(&event.accept)))
        .collect()
}

/// Whether the inbox holds exactly what a commit would have written whose answer was lost. The owner is nobody else's;
/// without one, completion and receipt to the millisecond must agree.
async fn stands_as_written(
    transaction: &mut Transaction<'_>,
    place: usize,
    accept: &Accept,
    owner: &Owner,
) -> Result<bool, Spoiled> {
    let event = &accept.event;
    let rows = transaction
        .query(
            place,
            &inbox::standing(&event.survey_id, &event.response_id),
            &inbox::STANDING,
        )
        .await?;
    Ok(matches!(
        rows.first().map(|row| &**row),
        Some([_, _, Cell::Timestamp(completed), Cell::Timestamp(received), Cell::Text(state), _, holder, _])
            if *completed == event.completed_at && *received == event.received_at && match accept.wish {
                LeaseWish::Lease => state == "leased" && *holder == Cell::Text(owner.as_ref().to_owned()),
                LeaseWish::Wait => state == "pending",
            }
    ))
}

async fn revive(
    transaction: &mut Transaction<'_>,
    events: &[&Newest],
    owner: &Owner,
) -> Result<Vec<Stored>, Spoiled> {
    let statements = statements(events, |accept| {
        inbox::revive_again(&accept.event, accept.lease(owner))
    });
    let counts = transaction.run(&statements).await?;
    let mut stored = Vec::with_capacity(events.len());
    for (place, (event, count)) in events.iter().zip(counts).enumerate() {
        let accept = &event.accept;
        if count == 0 {
            stored.push(Stored::Known);
            continue;
        }
        // The completion that stood there may be newer than the one that was told of now, and belongs to the fence.
        let event = &accept.event;
        let standing = inbox::standing(&event.survey_id, &event.response_id);
        let rows = transaction
            .query(place, &standing, &inbox::STANDING)
            .await?;
        stored.push(match rows.first().map(|row| &**row) {
            Some([_, _, Cell::Timestamp(completed_at), ..]) => Stored::Accepted(*completed_at),
            _ => Stored::Known,
        });
    }
    Ok(stored)
}

async fn take(
    transaction: &mut Transaction<'_>,
    candidates: &Statement,
    owner: &Owner,
) -> Result<Vec<Lease>, Spoiled> {
    let found = transaction.query(0, candidates, &inbox::CLAIMED).await?;
    let found: Vec<(Event, u32)> = found.iter().filter_map(|row| claimed(row)).collect();
    let claims: Vec<(usize, Statement)> = found
        .iter()
        .map(|(event, attempts)| {
            let statement = inbox::claim(
                &event.survey_id,
                &event.response_id,
                *attempts,
                event.completed_at,
                (owner, LEASE),
            );
            (0, statement)
        })
        .collect();
    let counts = transaction.run(&claims).await?;
    Ok(found
        .into_iter()
        .zip(counts)
        .filter(|(_, count)| *count == 1)
        .map(|((event, attempts), _)| {
            Lease::taken(event, owner.clone(), attempts.saturating_add(1))
        })
        .collect())
}
