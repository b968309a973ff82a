//! Many writes as one transaction: retried where that helps, split until a bad write is alone, and resolved where the
//! answer to the commit was lost.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ingester_core::row::{Cell, ColumnType};
use ingester_core::sql::{Dialect, Statement, changes};

use super::code::Failure;
use super::connection::Connection;
use super::lane::Lane;
use super::positions::Positions;
use crate::lifecycle;
use crate::store::error::StoreError;

/// Tries of one transaction that the database ended: deadlocks, lock waits, keys that two instances insert at once.
const TRIES_MAX: u32 = 6;
/// Tries on connections that turn out to be dead; the second is a fresh one.
const CONNECTIONS_MAX: u32 = 3;
/// A pause between tries, so that two instances do not meet again.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(10);

/// Whether an earlier try may have been committed without our hearing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// Nothing of it is there.
    Nothing,
    /// All of it may be: what seems to be somebody else's may be our own.
    Unknown,
}

/// Why a transaction can't be committed as it is.
#[derive(Debug)]
pub(super) enum Spoiled {
    /// The connection is of no use.
    Broken(StoreError),
    /// The same again may succeed.
    Again(StoreError),
    /// These writes are refused, whatever the others do.
    Writes(Vec<(usize, StoreError)>),
    /// One of these writes is the cause.
    OneOf(Vec<usize>, StoreError),
}

impl Spoiled {
    /// The one error that stands for all of it.
    pub(super) fn into_error(self) -> StoreError {
        match self {
            Self::Broken(error) | Self::Again(error) | Self::OneOf(_, error) => error,
            Self::Writes(writes) => writes.into_iter().next().map_or_else(
                || StoreError::unexpected("no write was refused"),
                |(_, error)| error,
            ),
        }
    }
}

/// Applies something and takes it back, whatever came of it.
pub(super) async fn take_back<A>(
    lane: &mut Lane,
    apply: impl AsyncFnOnce(&mut Transaction<'_>) -> Result<A, Spoiled>,
) -> Result<A, StoreError> {
    let connection = lane.connection().await?;
    let mut transaction = Transaction {
        connection,
        before: Before::Nothing,
    };
    let applied = apply(&mut transaction).await;
    if matches!(applied, Err(Spoiled::Broken(_))) {
        lane.disconnect();
    } else {
        lane.roll_back().await;
    }
    applied.map_err(Spoiled::into_error)
}

/// A transaction under way. Writes are known by their place among those that are committed together.
pub(super) struct Transaction<'a> {
    connection: &'a mut Connection,
    pub(super) before: Before,
}

impl Transaction<'_> {
    /// Runs statements of several writes: one round trip per text, in the order in which the texts first appear. Answers
    /// each one's count, in the order given.
    pub(super) async fn run(
        &mut self,
        statements: &[(usize, Statement)],
    ) -> Result<Vec<u64>, Spoiled> {
        let mut texts: Vec<&str> = Vec::new();
        let mut members: HashMap<&str, Vec<usize>> = HashMap::new();
        for (place, (_, statement)) in statements.iter().enumerate() {
            let text = statement.on(Dialect::Hana).text();
            members
                .entry(text)
                .or_insert_with(|| {
                    texts.push(text);
                    Vec::new()
                })
                .push(place);
        }
        let mut counts = vec![0; statements.len()];
        for text in texts {
            let places = members.remove(text).unwrap_or_default();
            let of = |place: &usize| statements.get(*place);
            let rows: Vec<&[Cell]> = places
                .iter()
                .filter_map(of)
                .map(|(_, statement)| statement.on(Dialect::Hana).binds())
                .collect();
            let write_of = |row: usize| places.get(row).and_then(of).map(|(write, _)| *write);
            let answered = self
                .connection
                .batch(text, &rows)
                .await
                .map_err(|failure| spoiled(failure, write_of, rows.len()))?;
            for (place, count) in places.iter().zip(answered) {
                if let Some(slot) = counts.get_mut(*place) {
                    *slot = count;
                }
            }
        }
        Ok(counts)
    }

    /// Asks for few rows on behalf of a write.
    pub(super) async fn query(
        &mut self,
        write: usize,
        statement: &Statement,
        kinds: &[ColumnType],
    ) -> Result<Vec<Box<[Cell]>>, Spoiled> {
        self.connection
            .query(statement, kinds)
            .await
            .map_err(|failure| spoiled(failure, |_| Some(write), 1))
    }

    /// What hashes of erased responses are made with.
    pub(super) fn salt(&self) -> Arc<str> {
        self.connection.salt.clone()
    }

    /// The next positions of the change log; a round trip only if none are in hand.
    pub(super) async fn positions(&mut self, count: usize) -> Result<Vec<i64>, Spoiled> {
        let mut positions = Vec::with_capacity(count);
        while positions.len() < count {
            if let Some(position) = self.connection.positions.next() {
                positions.push(position);
                continue;
            }
            let rows = self
                .query(0, &changes::take_positions(), &[ColumnType::BigInt])
                .await?;
            let Some([Cell::Integer(first)]) = rows.first().map(|row| &**row) else {
                return Err(Spoiled::Broken(StoreError::unexpected(
                    "the sequence of positions gave no number",
                )));
            };
            self.connection.positions = Positions::taken(*first);
        }
        Ok(positions)
    }

    /// Runs a statement that defines something; HANA commits it by itself.
    pub(super) async fn define(&mut self, text: &str) -> Result<(), Failure> {
        self.connection.execute(text).await
    }
}

fn spoiled(failure: Failure, write_of: impl Fn(usize) -> Option<usize>, rows: usize) -> Spoiled {
    match failure {
        Failure::Broken(error) => Spoiled::Broken(error),
        Failure::Again(error) => Spoiled::Again(error),
        Failure::Rows(rows) if rows.iter().all(|(_, refusal)| refusal.is_conflict()) => {
            Spoiled::Again(Failure::Rows(rows).into_error())
        }
        Failure::Rows(rows) => Spoiled::Writes(
            rows.into_iter()
                // A row that only lost a race is tried again with the good ones.
                .filter(|(_, refusal)| !refusal.is_conflict())
                .filter_map(|(row, refusal)| Some((write_of(row)?, refusal.error)))
                .collect(),
        ),
        Failure::Statement(refusal) if refusal.is_conflict() => Spoiled::Again(refusal.error),
        Failure::Statement(refusal) => {
            Spoiled::OneOf((0..rows).filter_map(write_of).collect(), refusal.error)
        }
    }
}

/// Applies `writes` as one transaction and commits it; where single writes spoil it, the others are committed without
/// them. Answers stand in the order of the writes.
///
/// `apply` answers every write that it is given, or says what spoils the transaction. It may be called several times.
pub(super) async fn commit<W, A>(
    lane: &mut Lane,
    writes: &[W],
    apply: impl AsyncFn(&mut Transaction<'_>, &[&W]) -> Result<Vec<A>, Spoiled>,
) -> Vec<Result<A, StoreError>> {
    let mut answers: Vec<Option<Result<A, StoreError>>> = writes.iter().map(|_| None).collect();
    let mut groups: Vec<Vec<usize>> = vec![(0..writes.len()).collect()];
    // Stays unknown for what is split off: the lost commit may have held all of it.
    let mut before = Before::Nothing;
    while let Some(group) = groups.pop() {
        if group.is_empty() {
            continue;
        }
        let members: Vec<&W> = group
            .iter()
            .filter_map(|write| writes.get(*write))
            .collect();
        let mut answer = |place: usize, value| {
            if let Some(slot) = group.get(place).and_then(|write| answers.get_mut(*write)) {
                *slot = Some(value);
            }
        };
        match commit_together(lane, &members, &apply, &mut before).await {
            Ok(values) => {
                for (place, value) in values.into_iter().enumerate() {
                    answer(place, Ok(value));
                }
            }
            Err(Spoiled::Writes(refused)) => {
                // The database names every bad row of a batch at once, so this is seldom done twice.
                let bad: Vec<usize> = refused.iter().map(|(place, _)| *place).collect();
                for (place, error) in refused {
                    answer(place, Err(error));
                }
                groups.push(without(&group, &bad));
            }
            Err(Spoiled::OneOf(suspects, error)) if suspects.len() == 1 => {
                for place in &suspects {
                    answer(*place, Err(error.clone()));
                }
                groups.push(without(&group, &suspects));
            }
            Err(Spoiled::OneOf(suspects, _)) if suspects.len() > 1 => {
                let (half, _) = suspects.split_at(suspects.len() / 2);
                groups.push(without(&group, half));
                groups.push(
                    half.iter()
                        .filter_map(|place| group.get(*place).copied())
                        .collect(),
                );
            }
            // Two instances that insert one key at once agree after a try or two. Rows that still violate a unique
            // constraint do so by themselves, and must not take the others with them.
            Err(Spoiled::Again(error)) if !error.is_transient() && group.len() > 1 => {
                let (first, second) = group.split_at(group.len() / 2);
                groups.push(first.to_vec());
                groups.push(second.to_vec());
            }
            Err(Spoiled::Broken(error) | Spoiled::Again(error) | Spoiled::OneOf(_, error)) => {
                for place in 0..group.len() {
                    answer(place, Err(error.clone()));
                }
            }
        }
    }
    let unanswered = || Err(StoreError::unexpected("a write was left without an answer"));
    answers
        .into_iter()
        .map(|answer| answer.unwrap_or_else(unanswered))
        .collect()
}

fn without(group: &[usize], places: &[usize]) -> Vec<usize> {
    group
        .iter()
        .enumerate()
        .filter(|(place, _)| !places.contains(place))
        .map(|(_, write)| *write)
        .collect()
}

/// One transaction, tried again where the database or the network ended it.
async fn commit_together<W, A>(
    lane: &mut Lane,
    members: &[&W],
    apply: &impl AsyncFn(&mut Transaction<'_>, &[&W]) -> Result<Vec<A>, Spoiled>,
    before: &mut Before,
) -> Result<Vec<A>, Spoiled> {
    let (mut tries, mut connections) = (0, 0);
    loop {
        let connection = lane.connection().await.map_err(Spoiled::Broken)?;
        let mut transaction = Transaction {
            connection,
            before: *before,
        };
        lifecycle::crash_point("begun");
        let applied = apply(&mut transaction, members).await;
        lifecycle::crash_point("applied");
        let problem = match applied {
            Ok(values) => match transaction.connection.commit().await {
                Ok(()) => {
                    lifecycle::crash_point("committed");
                    return Ok(values);
                }
                Err(failure @ Failure::Broken(_)) => {
                    // Committed or not: the next try finds out, because its first statement waits for the rows until
                    // the server has ended the lost transaction.
                    *before = Before::Unknown;
                    Spoiled::Broken(failure.into_error())
                }
                Err(failure) => Spoiled::Again(failure.into_error()),
            },
            Err(problem) => problem,
        };
        if matches!(problem, Spoiled::Broken(_)) {
            lane.disconnect();
            connections += 1;
            if connections == CONNECTIONS_MAX {
                return Err(problem);
            }
            continue;
        }
        lane.roll_back().await;
        tries += 1;
        if !matches!(problem, Spoiled::Again(_)) || tries == TRIES_MAX {
            return Err(problem);
        }
        tokio::time::sleep(TRY_AGAIN_AFTER * tries + lane.jitter()).await;
    }
}
