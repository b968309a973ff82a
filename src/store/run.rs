//! One row of `QUALTRICS_RUNS`: whose a job is, and what was kept of it.

use ingester_core::row::{Cell, ColumnType};
use ingester_core::sql;
use ingester_core::time::Timestamp;

use super::{Store, StoreError};

/// A row of `QUALTRICS_RUNS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// Whose it is; nobody's if nothing.
    pub owner: Option<String>,
    /// Until when, unless it is prolonged.
    pub until: Option<Timestamp>,
    /// What was kept.
    pub state: Option<String>,
}

impl Store {
    /// One run of a job, if there is any trace of it.
    ///
    /// # Errors
    /// If the database can't be read.
    pub async fn run_of(&self, job: &str, subject: &str) -> Result<Option<RunRow>, StoreError> {
        const KINDS: [ColumnType; 4] = [
            ColumnType::NVarchar(60),
            ColumnType::NVarchar(36),
            ColumnType::Timestamp,
            ColumnType::NClob,
        ];
        let rows = self.rows(sql::runs::list(job), &KINDS).await?;
        let text = |cell: &Cell| match cell {
            Cell::Text(text) => Some(text.clone()),
            _ => None,
        };
        Ok(rows.iter().find_map(|row| match &**row {
            [Cell::Text(found), owner, until, state] if found == subject => Some(RunRow {
                owner: text(owner),
                until: match until {
                    Cell::Timestamp(until) => Some(*until),
                    _ => None,
                },
                state: text(state),
            }),
            _ => None,
        }))
    }
}
