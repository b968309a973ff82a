//! What bulk work asks of the database: many responses of one survey at a time.
//!
//! Long because everything that bulk work asks of the database stands side by side.

use std::collections::HashMap;
use std::sync::Arc;

use ingester_core::id::{ResponseId, SurveyId};
use ingester_core::inbox::{Event, LEASE, Lease};
use ingester_core::row::{Cell, ColumnType, Table, TableName};
use ingester_core::sql::{self, Statement};
use ingester_core::time::Timestamp;

use super::{Store, StoreError};
use crate::lifecycle;

/// Due events are counted up to this many; more are as good as these.
const BACKLOG_MAX: u32 = 20_000;

const ID: ColumnType = ColumnType::NVarchar(69);
const DOCUMENT: [ColumnType; 5] = [
    ID,
    ColumnType::Timestamp,
    ColumnType::Timestamp,
    ColumnType::NVarchar(64),
    ColumnType::NClob,
];

/// An event that is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenEvent {
    /// The event.
    pub event: Event,
    /// How many leases it had.
    pub attempts: u32,
    /// Where it stands.
    pub state: OpenState,
}

/// Where an event stands that is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenState {
    /// Waits for its turn.
    Pending,
    /// Somebody works on it.
    Leased,
    /// Given up with a reason.
    Dead,
    /// Given up by hand: an exception that people know of.
    Dropped,
}

/// A document as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptDocument {
    /// The response.
    pub response_id: ResponseId,
    /// Its own date.
    pub recorded_at: Option<Timestamp>,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// SHA-256 of it, as it was when it came.
    pub digest: String,
    /// Itself; nothing under `keep_raw = false`.
    pub document: Option<String>,
}

/// What waits and is due for one survey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backlog {
    /// The survey.
    pub survey: SurveyId,
    /// How many events.
    pub events: u64,
    /// The smaller of completion and receipt of the oldest of them.
    pub oldest: Timestamp,
}

impl Store {
    /// The events of these responses that are not done.
    ///
    /// # Errors
    /// If the database can't be read.
    pub async fn open_events(
        &self,
        survey: &SurveyId,
        responses: &[ResponseId],
    ) -> Result<HashMap<ResponseId, OpenEvent>, StoreError> {
        const KINDS: [ColumnType; 6] = [
            ID,
            ColumnType::Timestamp,
            ColumnType::Timestamp,
            ColumnType::NVarchar(8),
            ColumnType::Integer,
            ColumnType::NVarchar(1000),
        ];
        let rows = self
            .rows(sql::bulk::open_events(survey, responses), &KINDS)
            .await?;
        let event = |row: &[Cell]| match row {
            [
                Cell::Text(response),
                Cell::Timestamp(completed_at),
                Cell::Timestamp(received_at),
                Cell::Text(state),
                Cell::Integer(attempts),
                reason,
            ] => {
                let response_id: ResponseId = response.parse().ok()?;
                let open = OpenEvent {
                    event: Event {
                        survey_id: survey.clone(),
                        response_id: response_id.clone(),
                        completed_at: *completed_at,
                        received_at: *received_at,
                    },
                    attempts: u32::try_from(*attempts).ok()?,
                    state: open_state(state, reason),
                };
                Some((response_id, open))
            }
            _ => None,
        };
        Ok(rows.iter().filter_map(|row| event(row)).collect())
    }

    /// Leases events that wait or were given up, each only if nothing changed since it was looked at.
    ///
    /// # Errors
    /// If the database refuses.
    ///
    /// # Cancel safety
    /// A dropped answer drops leases, which then have to run out.
    pub async fn claim_events(&self, events: Vec<OpenEvent>) -> Result<Vec<Lease>, StoreError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let now = lifecycle::now();
        let claim = |open: &OpenEvent| {
            sql::bulk::claim(&open.event, open.attempts, (self.owner(), LEASE), now)
        };
        let claimed = self.run(events.iter().map(claim).collect()).await?;
        let lease = |(open, changed): (OpenEvent, u64)| {
            (changed == 1)
                .then(|| Lease::taken(open.event, self.owner().clone(), open.attempts + 1))
        };
        Ok(events.into_iter().zip(claimed).filter_map(lease).collect())
    }

    /// What waits and is due, by survey.
    ///
    /// # Errors
    /// If the database can't be read.
    pub async fn backlog(&self, surveys: &[SurveyId]) -> Result<Vec<Backlog>, StoreError> {
        const KINDS: [ColumnType; 4] = [
            ColumnType::NVarchar(18),
            ColumnType::BigInt,
            ColumnType::Timestamp,
            ColumnType::Timestamp,
        ];
        let statement = sql::bulk::backlog(surveys, BACKLOG_MAX, lifecycle::now());
        let rows = self.rows(statement, &KINDS).await?;
        let backlog = |row: &[Cell]| match row {
            [
                Cell::Text(survey),
                Cell::Integer(events),
                completed,
                Cell::Timestamp(received),
            ] => Some(Backlog {
                survey: survey.parse().ok()?,
                events: u64::try_from(*events).ok()?,
                oldest: match completed {
                    Cell::Timestamp(completed) => *completed.min(received),
                    _ => *received,
                },
            }),
            _ => None,
        };
        Ok(rows.iter().filter_map(|row| backlog(row)).collect())
    }

    /// The rows of these responses as they stand in the table. One with a cell that is not of its column's type, which
    /// somebody else must have written, has none that could be compared: it is answered as an empty row.
    ///
    /// # Errors
    /// If the database can't be read.
    pub async fn rows_of(
        &self,
        table: &Table,
        responses: &[ResponseId],
    ) -> Result<HashMap<ResponseId, Box<[Cell]>>, StoreError> {
        let kinds: Arc<[ColumnType]> = table.columns.iter().map(|column| column.kind).collect();
        let all = self
            .rows(sql::bulk::rows(self.dialect(), table, responses), &kinds)
            .await;
        let key = table.key_index();
        let id = |row: &[Cell]| match row.get(key?) {
            Some(Cell::Text(id)) => id.parse::<ResponseId>().ok(),
            _ => None,
        };
        match all {
            Ok(rows) => Ok(rows
                .into_iter()
                .filter_map(|row| Some((id(&row)?, row)))
                .collect()),
            Err(error) if !is_about_cells(&error) => Err(error),
            Err(_) => {
                let mut found = HashMap::new();
                for response in responses {
                    let one = std::slice::from_ref(response);
                    let statement = sql::bulk::rows(self.dialect(), table, one);
                    match self.rows(statement, &kinds).await {
                        Ok(rows) => {
                            found.extend(rows.into_iter().map(|row| (response.clone(), row)));
                        }
                        Err(error) if !is_about_cells(&error) => return Err(error),
                        Err(_) => drop(found.insert(response.clone(), Box::default())),
                    }
                }
                Ok(found)
            }
        }
    }

    /// Which of these responses have a row.
    ///
    /// # Errors
    /// If the database can't be read.
    pub async fn ids_of(
        &self,
        table: &TableName,
        responses: &[ResponseId],
    ) -> Result<Vec<ResponseId>, StoreError> {
        let statement = sql::bulk::ids(self.dialect(), table, responses);
        self.ids(statement).await
    }

    /// Response ids of a table in order, after a given one; at most `limit`.
    ///
    /// # Errors
    /// If the database can't be read.
    pub async fn ids_after(
        &self,
        table: &TableName,
        after: &str,
        limit: u32,
    ) -> Result<Vec<ResponseId>, StoreError> {
        self.ids(sql::rows::ids_after(self.dialect(), table, after, limit))
            .await
    }

    async fn ids(&self, statement: Statement) -> Result<Vec<ResponseId>, StoreError> {
        let rows = self.rows(statement, &[ID]).await?;
        let id = |row: &[Cell]| match row {
            [Cell::Text(id)] => id.parse().ok(),
            _ => None,
        };
        Ok(rows.iter().filter_map(|row| id(row)).collect())
    }

    /// The documents of these responses.
    ///
    /// # Errors
    /// If the database can't be read.
    pub async fn documents_of(
        &self,
        survey: &SurveyId,
        responses: &[ResponseId],
    ) -> Result<HashMap<ResponseId, KeptDocument>, StoreError> {
        let documents = self
            .documents(sql::bulk::documents(survey, responses))
            .await?;
        Ok(documents
            .into_iter()
            .map(|document| (document.response_id.clone(), document))
            .collect())
    }

    /// A survey's documents in order, after a given response; at most `limit`.
    ///
    /// # Errors
    /// If the database can't be read.
    pub async fn documents_after(
        &self,
        survey: &SurveyId,
        after: &str,
        limit: u32,
    ) -> Result<Vec<KeptDocument>, StoreError> {
        self.documents(sql::rows::documents_after(survey, after, limit))
            .await
    }

    async fn documents(&self, statement: Statement) -> Result<Vec<KeptDocument>, StoreError> {
        let rows = self.rows(statement, &DOCUMENT).await?;
        let document = |row: Box<[Cell]>| match &*row {
            [
                Cell::Text(id),
                recorded,
                Cell::Timestamp(asked_at),
                Cell::Text(digest),
                document,
            ] => Some(KeptDocument {
                response_id: id.parse().ok()?,
                recorded_at: match recorded {
                    Cell::Timestamp(recorded_at) => Some(*recorded_at),
                    _ => None,
                },
                asked_at: *asked_at,
                digest: digest.clone(),
                document: match document {
                    Cell::Text(document) => Some(document.clone()),
                    _ => None,
                },
            }),
            _ => None,
        };
        Ok(rows.into_iter().filter_map(document).collect())
    }

    /// Which of these responses were erased here.
    ///
    /// # Errors
    /// If the database can't be read.
    pub async fn erased_among(
        &self,
        survey: &SurveyId,
        responses: &[ResponseId],
    ) -> Result<Vec<ResponseId>, StoreError> {
        if responses.is_empty() {
            return Ok(Vec::new());
        }
        let hashes = self.hashes(survey, responses).await?;
        let found = self
            .rows(sql::bulk::erased(&hashes), &[ColumnType::NVarchar(64)])
            .await?;
        let kept = |hash: &String| {
            found
                .iter()
                .any(|row| matches!(&**row, [Cell::Text(found)] if found == hash))
        };
        Ok(responses
            .iter()
            .zip(&hashes)
            .filter(|(_, hash)| kept(hash))
            .map(|(response, _)| response.clone())
            .collect())
    }

    /// What `QUALTRICS_ERASED` holds, or would hold, for these responses.
    ///
    /// # Errors
    /// If the database can't be read.
    pub async fn hashes(
        &self,
        survey: &SurveyId,
        responses: &[ResponseId],
    ) -> Result<Vec<String>, StoreError> {
        let run = self.run_of("salt", "").await?;
        let salt = run.and_then(|run| run.state).unwrap_or_default();
        Ok(responses
            .iter()
            .map(|response| sql::erased::hash(salt.as_bytes(), survey, response))
            .collect())
    }
}

/// Whether a read failed because of what stands in a row, and not because of the database.
fn is_about_cells(error: &StoreError) -> bool {
    error.concerns_one_write() && !error.is_missing_table()
}

fn open_state(state: &str, reason: &Cell) -> OpenState {
    match state {
        "pending" => OpenState::Pending,
        "leased" => OpenState::Leased,
        _ => match reason {
            Cell::Text(reason) if reason.starts_with("dropped:") => OpenState::Dropped,
            _ => OpenState::Dead,
        },
    }
}
