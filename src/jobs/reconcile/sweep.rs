//! Which responses are where: the ids that Qualtrics has against the rows and events here, and the other way round.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::Duration;

use ingester_core::id::{ResponseId, SurveyId};
use ingester_core::inbox::Outcome;
use ingester_core::row::TableName;
use ingester_core::time::Timestamp;

use super::Options;
use crate::bulk::{Digest, Reading};
use crate::jobs::status::Balance;
use crate::jobs::{JobError, Jobs};
use crate::qualtrics::{ExportRequest, Fields, Priority};
use crate::store::{OpenState, Remember};

/// Rows recorded this long before the export may be newer than it.
const SPARED: Duration = Duration::from_secs(10 * 60);
/// Missing or surplus responses that are remembered one by one.
const LISTED_MAX: usize = 20_000;
const PAGE: u32 = 1000;
const TOGETHER: usize = 200;

/// Ids that an export had, eight bytes each: a million of them must fit beside everything else. Two in 10¹⁹ are taken
/// for one another, which at worst keeps a row that should go.
#[derive(Debug, Default)]
pub(super) struct Present {
    ids: Vec<u64>,
    hasher: RandomState,
}

impl Present {
    pub(super) fn add(&mut self, rows: &[Digest]) {
        let hasher = &self.hasher;
        self.ids
            .extend(rows.iter().map(|row| hasher.hash_one(&row.response_id)));
    }

    /// To be called once all are added.
    fn seal(&mut self) {
        self.ids.sort_unstable();
    }

    fn has(&self, response: &ResponseId) -> bool {
        self.ids
            .binary_search(&self.hasher.hash_one(response))
            .is_ok()
    }
}

/// What a sweep of ids found.
#[derive(Debug, Default)]
pub(super) struct Swept {
    pub(super) balance: Balance,
    pub(super) missing: HashSet<ResponseId>,
    /// The first and last date on which missing ones were recorded.
    pub(super) recorded: Option<(Timestamp, Timestamp)>,
    pub(super) present: Present,
}

/// Rows that Qualtrics does not have any more.
#[derive(Debug, Default)]
pub(super) struct Surplus {
    pub(super) responses: Vec<ResponseId>,
    pub(super) count: u64,
    rows: u64,
}

impl Jobs {
    /// Reads all ids that Qualtrics has, and says where each is.
    pub(super) async fn sweep(
        &self,
        survey: &SurveyId,
        table: &TableName,
        wanted_since: Option<Timestamp>,
    ) -> Result<Swept, JobError> {
        let request = ExportRequest {
            fields: Fields::Ids,
            ..ExportRequest::default()
        };
        let export = self
            .qualtrics
            .export(survey, request, Priority::Reconcile)
            .await?;
        let mut reading = Reading::start(&self.life, &self.surveys, survey, export);
        let mut swept = Swept::default();
        while let Some(rows) = reading.next().await? {
            swept.present.add(&rows);
            self.place(survey, table, wanted_since, rows, &mut swept)
                .await?;
        }
        Ok(swept)
    }

    async fn place(
        &self,
        survey: &SurveyId,
        table: &TableName,
        wanted_since: Option<Timestamp>,
        rows: Vec<Digest>,
        swept: &mut Swept,
    ) -> Result<(), JobError> {
        let ids: Vec<ResponseId> = rows.iter().map(|row| row.response_id.clone()).collect();
        let with_row: HashSet<_> = self.store.ids_of(table, &ids).await?.into_iter().collect();
        let others: Vec<_> = ids
            .into_iter()
            .filter(|id| !with_row.contains(id))
            .collect();
        let erased = self.store.erased_among(survey, &others).await?;
        let events = self.store.open_events(survey, &others).await?;
        let balance = &mut swept.balance;
        for row in rows {
            let is_old = wanted_since
                .is_some_and(|since| row.recorded_at.is_some_and(|recorded| recorded < since));
            let place = match events.get(&row.response_id).map(|event| event.state) {
                _ if with_row.contains(&row.response_id) => &mut balance.rows,
                _ if erased.contains(&row.response_id) => &mut balance.erased,
                Some(OpenState::Pending | OpenState::Leased) => &mut balance.pending,
                Some(OpenState::Dead | OpenState::Dropped) => &mut balance.dead,
                None if is_old => continue,
                None if matches!(row.outcome, Outcome::Skip(_)) => &mut balance.skipped,
                None => {
                    swept.recorded = match (swept.recorded, row.recorded_at) {
                        (Some((first, last)), Some(at)) => Some((first.min(at), last.max(at))),
                        (None, Some(at)) => Some((at, at)),
                        (known, None) => known,
                    };
                    if swept.missing.len() < LISTED_MAX {
                        swept.missing.insert(row.response_id);
                    }
                    &mut balance.missing
                }
            };
            *place += 1;
            balance.in_qualtrics += 1;
        }
        Ok(())
    }

    /// Says anew where the responses are that were missing, now that they were fetched.
    pub(super) async fn find_again(
        &self,
        survey: &SurveyId,
        table: &TableName,
        swept: &mut Swept,
    ) -> Result<(), JobError> {
        let missing: Vec<ResponseId> = swept.missing.drain().collect();
        let balance = &mut swept.balance;
        for ids in missing.chunks(TOGETHER) {
            let rows = self.store.ids_of(table, ids).await?.len();
            let dead = self.store.open_events(survey, ids).await?;
            let dead = dead
                .values()
                .filter(|event| event.state == OpenState::Dead)
                .count();
            let (rows, dead) = (count(rows), count(dead));
            balance.rows += rows;
            balance.dead += dead;
            balance.missing = balance.missing.saturating_sub(rows + dead);
        }
        Ok(())
    }

    /// Finds the rows whose responses were not among those of a complete export that began at `begun`. Those are spared
    /// that were recorded just before, or that something still waits for.
    pub(super) async fn surplus(
        &self,
        survey: &SurveyId,
        table: &TableName,
        present: &mut Present,
        begun: Timestamp,
    ) -> Result<Surplus, JobError> {
        present.seal();
        let young = begun.checked_sub(SPARED).unwrap_or(begun);
        let mut surplus = Surplus::default();
        let mut after = String::new();
        loop {
            let ids = self.store.ids_after(table, &after, PAGE).await?;
            let Some(last) = ids.last() else {
                return Ok(surplus);
            };
            after = last.to_string();
            surplus.rows += count(ids.len());
            let absent: Vec<_> = ids.into_iter().filter(|id| !present.has(id)).collect();
            if absent.is_empty() {
                continue;
            }
            let documents = self.store.documents_of(survey, &absent).await?;
            let events = self.store.open_events(survey, &absent).await?;
            for id in absent {
                let is_young = documents.get(&id).is_some_and(|document| {
                    document.recorded_at.is_some_and(|at| at >= young)
                        || document.asked_at >= young && document.recorded_at.is_none()
                });
                let is_open = events.get(&id).is_some_and(|event| {
                    matches!(event.state, OpenState::Pending | OpenState::Leased)
                });
                if is_young || is_open {
                    continue;
                }
                surplus.count += 1;
                if surplus.responses.len() < LISTED_MAX {
                    surplus.responses.push(id);
                }
            }
        }
    }

    /// Removes surplus rows, unless they are suspiciously many.
    pub(super) async fn remove(
        &self,
        survey: &SurveyId,
        table: &TableName,
        surplus: &Surplus,
        options: &Options,
    ) -> Result<u64, JobError> {
        if !surplus.may_go(options.delete_limit) {
            return Err(JobError::TooManyDeletions {
                survey: survey.clone(),
                candidates: surplus.count,
                rows: surplus.rows,
            });
        }
        let mut removed = 0;
        for responses in surplus.responses.chunks(TOGETHER) {
            let (table, responses) = (Some(table.clone()), responses.to_vec());
            let erased = self
                .store
                .erase(survey, table, responses, Remember::Nothing)
                .await?;
            removed += erased.rows;
        }
        Ok(removed)
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

impl Surplus {
    /// At most twenty, or two of a hundred, or what was agreed to.
    fn may_go(&self, limit: Option<u64>) -> bool {
        match limit {
            Some(limit) => self.count <= limit,
            None => self.count <= 20 || self.count.saturating_mul(50) <= self.rows,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_deletions_need_consent() {
        let check = |count, rows, limit, expected| {
            let surplus = Surplus {
                count,
                rows,
                ..Surplus::default()
            };
            assert_eq!(
                surplus.may_go(limit),
                expected,
                "{count} of {rows}, {limit:?}"
            );
        };

        check(20, 20, None, true);
        check(21, 100, None, false);
        check(21, 1049, None, false);
        check(21, 1050, None, true);
        check(500, 1000, Some(499), false);
        check(500, 1000, Some(500), true);
        check(3, 1000, Some(2), false);
    }
}
