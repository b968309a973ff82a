//! One connection to HANA: batches, queries, the end of a transaction.
//!
//! Every method here must be awaited to its end. A driver call that is dropped half-way leaves its reply in the
//! socket, and the next statement gets it, even another user's rows; so connections live only in tasks of the store's
//! own runtimes, which no caller can cancel.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hdbconnect_async::{HdbValue, PreparedStatement, ResultSet};
use ingester_core::row::{Cell, ColumnType};
use ingester_core::sql::{Dialect, Statement, session};

use super::code::{Failure, Refusal};
use super::positions::Positions;
use super::value;
use crate::store::error::StoreError;

/// Statements kept prepared; dropping one costs a round trip in the background.
const STATEMENTS_KEPT: usize = 128;
/// Longer unused, and a firewall may have forgotten the connection without telling: the driver sets no keep-alive.
const IDLE_MAX: Duration = Duration::from_secs(4 * 60);
/// Older ones are replaced, so that a name that points elsewhere by now is followed.
const AGE_MAX: Duration = Duration::from_secs(60 * 60);

pub(super) struct Connection {
    driver: hdbconnect_async::Connection,
    prepared: HashMap<String, PreparedStatement>,
    /// The texts of `prepared`, oldest first.
    texts: VecDeque<String>,
    opened: Instant,
    used: Instant,
    /// What hashes of erased responses are made with.
    pub(super) salt: Arc<str>,
    pub(super) positions: Positions,
}

impl Connection {
    pub(super) fn new(driver: hdbconnect_async::Connection) -> Self {
        let now = Instant::now();
        Self {
            driver,
            prepared: HashMap::new(),
            texts: VecDeque::new(),
            opened: now,
            used: now,
            salt: Arc::from(""),
            positions: Positions::default(),
        }
    }

    /// Whether it should not be trusted any more.
    pub(super) fn is_stale(&self) -> bool {
        self.used.elapsed() > IDLE_MAX || self.opened.elapsed() > AGE_MAX
    }

    /// Runs a statement that takes no values: SET, CREATE, ALTER.
    pub(super) async fn execute(&mut self, text: &str) -> Result<(), Failure> {
        self.used = Instant::now();
        Ok(self.driver.exec(text).await?)
    }

    async fn prepare(&mut self, text: &str) -> Result<&mut PreparedStatement, Failure> {
        self.used = Instant::now();
        if !self.prepared.contains_key(text) {
            if self.texts.len() == STATEMENTS_KEPT
                && let Some(oldest) = self.texts.pop_front()
            {
                self.prepared.remove(&oldest);
            }
            let prepared = self.driver.prepare(text).await?;
            self.texts.push_back(text.to_owned());
            self.prepared.insert(text.to_owned(), prepared);
        }
        self.prepared
            .get_mut(text)
            .ok_or_else(|| Failure::Broken(StoreError::unexpected("a prepared statement is gone")))
    }

    /// Runs one text with many rows of values in one round trip; answers how many rows of the table each changed.
    pub(super) async fn batch(
        &mut self,
        text: &str,
        rows: &[&[Cell]],
    ) -> Result<Vec<u64>, Failure> {
        let statement = self.prepare(text).await?;
        let mut unfit = Vec::new();
        let mut values = Vec::with_capacity(rows.len());
        for (index, row) in rows.iter().enumerate() {
            match bound(statement, row) {
                Ok(row) => values.push(row),
                Err(error) => unfit.push((index, Refusal::ours(error))),
            }
        }
        if !unfit.is_empty() {
            return Err(Failure::Rows(unfit));
        }
        if statement.parameter_descriptors().has_in() {
            for row in values {
                statement.add_row_to_batch(row)?;
            }
        }
        let counts = statement.execute_batch().await?.into_affected_rows()?;
        if counts.len() != rows.len() {
            return Err(Failure::Broken(StoreError::unexpected(
                "a batch was answered with another number of rows",
            )));
        }
        Ok(counts
            .into_iter()
            .map(|count| u64::try_from(count).unwrap_or(u64::MAX))
            .collect())
    }

    /// Starts a query.
    pub(super) async fn open(&mut self, statement: &Statement) -> Result<ResultSet, Failure> {
        let statement = statement.on(Dialect::Hana);
        let prepared = self.prepare(statement.text()).await?;
        let values = bound(prepared, statement.binds())
            .map_err(|error| Failure::Statement(Refusal::ours(error)))?;
        let response = if values.is_empty() {
            prepared.execute(&()).await?
        } else {
            prepared.execute_row(values).await?
        };
        Ok(response.into_result_set()?)
    }

    /// Asks for few rows.
    pub(super) async fn query(
        &mut self,
        statement: &Statement,
        kinds: &[ColumnType],
    ) -> Result<Vec<Box<[Cell]>>, Failure> {
        let mut results = self.open(statement).await?;
        let mut rows = Vec::new();
        while let Some(row) = next_row(&mut results, kinds).await? {
            rows.push(row);
        }
        Ok(rows)
    }

    /// How long the server may take for a reply before the connection is given up.
    pub(super) async fn set_reply_timeout(&mut self, limit: Duration) {
        // Only a connection that is broken refuses, and the next statement says so.
        drop(self.driver.set_read_timeout(Some(limit)).await);
    }

    /// Lets the statements of this transaction see one state of the database.
    pub(super) async fn freeze(&mut self) -> Result<(), Failure> {
        self.execute(session::set_snapshot().text()).await
    }

    /// Ends the transaction. Without one it is the cheapest way to see whether the server is there.
    pub(super) async fn commit(&mut self) -> Result<(), Failure> {
        self.used = Instant::now();
        Ok(self.driver.commit().await?)
    }

    pub(super) async fn rollback(&mut self) -> Result<(), Failure> {
        Ok(self.driver.rollback().await?)
    }
}

/// A row of values for a statement's parameters. A row that is too short would be sent as it is, and read as garbage.
fn bound(
    statement: &PreparedStatement,
    cells: &[Cell],
) -> Result<Vec<HdbValue<'static>>, StoreError> {
    let parameters = statement.parameter_descriptors();
    if parameters.iter_in().count() != cells.len() {
        return Err(StoreError::unexpected(
            "a statement has another number of parameters than values",
        ));
    }
    cells
        .iter()
        .zip(parameters.iter_in())
        .map(|(cell, parameter)| value::bind(cell, parameter))
        .collect()
}

/// The next row of a query; rows that are not here yet are fetched in chunks.
pub(super) async fn next_row(
    results: &mut ResultSet,
    kinds: &[ColumnType],
) -> Result<Option<Box<[Cell]>>, Failure> {
    let Some(mut row) = results.next_row().await? else {
        return Ok(None);
    };
    let mut cells = Vec::with_capacity(kinds.len());
    for kind in kinds {
        let value = row.next_value().ok_or_else(|| {
            Failure::Broken(StoreError::unexpected(
                "a row has fewer columns than asked for",
            ))
        })?;
        cells.push(value::cell(value, *kind).await?);
    }
    Ok(Some(cells.into()))
}
