//! The database behind one handle.
//!
//! Writes cross this seam as a closed `enum Write` on a bounded channel, reads as one `Statement`. Whoever is dropped
//! at an `.await` here drops a reply, never a transaction: transactions belong to writers, and nobody else has a
//! writing connection. When the channel is full, [`Store`] answers `overloaded` at once instead of waiting.
//!
//! Long because every public call of the store stands in one place, each only sending its message.

mod batch;
mod bulk;
pub mod error;
mod hana;
mod limits;
mod run;
#[cfg(feature = "sim")]
pub mod simulated;
pub mod sqlite;
mod stream;
mod write;

use std::path::PathBuf;
use std::sync::Arc;

use ingester_core::id::{ResponseId, SurveyId};
use ingester_core::inbox::{Acceptance, Event, Fence, Finished, Lease, Outcome, Owner};
use ingester_core::row::{Cell, Column, ColumnName, ColumnType, Table, TableName};
use ingester_core::sql::{self, Dialect, Statement};
use tokio::sync::{mpsc, oneshot};

use crate::config;
use crate::telemetry::metrics::Metrics;
pub use bulk::{Backlog, KeptDocument, OpenEvent, OpenState};
pub use error::StoreError;
pub use run::RunRow;
pub use stream::{Cells, RowStream};
pub(crate) use write::Write;
pub use write::{Erased, LoadReport, Loaded};

/// Room for a burst; when it is full, the database does not keep up and callers hear so.
const WRITES_MAX: usize = 4096;

/// Who opens the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `serve`: on SQLite the only one, which also takes over what was leased.
    Service,
    /// A command beside it.
    Command,
}

/// The database. Cheap to clone; the writers end when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Store {
    writes: Writes,
    reads: Reads,
    health: Arc<Health>,
    owner: Owner,
    dialect: Dialect,
}

/// Where writes queue.
#[derive(Debug, Clone)]
enum Writes {
    /// One writer.
    Sqlite(mpsc::Sender<Write>),
    /// A few, each with a connection.
    Hana(hana::Lanes),
}

impl Writes {
    fn of(&self, write: &Write) -> &mpsc::Sender<Write> {
        match self {
            Self::Sqlite(queue) => queue,
            Self::Hana(lanes) => lanes.of(match write {
                Write::Accept { .. } | Write::Claim { .. } => hana::Purpose::Accept,
                Write::Finish { .. } => hana::Purpose::Finish,
                Write::Renew { .. } | Write::Release { .. } => hana::Purpose::Lease,
                Write::Load { .. }
                | Write::Erase { .. }
                | Write::Run { .. }
                | Write::Rehearse { .. } => hana::Purpose::Bulk,
            }),
        }
    }
}

/// Who reads.
#[derive(Debug, Clone)]
enum Reads {
    Sqlite(Arc<sqlite::readers::Readers>),
    Hana(Arc<hana::Readers>),
    #[cfg(feature = "sim")]
    Simulated(mpsc::Sender<simulated::Read>),
}

/// Whether events can be stored, as the writer last saw it.
#[derive(Debug, Default)]
pub struct Health(std::sync::Mutex<Option<StoreError>>);

impl Health {
    fn set(&self, problem: Option<StoreError>) {
        *self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = problem;
    }

    /// What keeps events from being stored; nothing while they can be.
    #[must_use]
    pub fn problem(&self) -> Option<StoreError> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }
}

/// Who reads. Viewers have connections and limits of their own, so that the service never waits for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// The service itself.
    Service,
    /// Somebody who asked over HTTP.
    Viewer,
}

/// A statement that reads, and how its cells are read.
#[derive(Debug)]
pub struct Select {
    /// The statement.
    pub statement: Statement,
    /// The types of its columns, in order.
    pub kinds: Arc<[ColumnType]>,
}

impl Store {
    /// Opens a SQLite file, creating it and our own tables where they are missing.
    ///
    /// # Errors
    /// Only if another `serve` holds the file. A file that can't be opened now may be later: the store starts and says
    /// so to whoever asks it.
    pub fn open_sqlite(path: PathBuf, role: Role, metrics: Metrics) -> Result<Self, StoreError> {
        let owner = Owner::new(&uuid::Uuid::now_v7().to_string());
        let (writes, queue) = mpsc::channel(WRITES_MAX);
        let health = Arc::new(Health::default());
        sqlite::writer::start(sqlite::writer::Setup {
            path: path.clone(),
            role,
            owner: owner.clone(),
            health: health.clone(),
            metrics: metrics.clone(),
            queue,
        })?;
        Ok(Self {
            writes: Writes::Sqlite(writes),
            reads: Reads::Sqlite(Arc::new(sqlite::readers::Readers::new(path, metrics))),
            health,
            owner,
            dialect: Dialect::Sqlite,
        })
    }

    /// Opens HANA, creating our own tables where they are missing and the user may.
    ///
    /// # Errors
    /// Only if the settings can't be used. A database that is away now may be there later: the store starts and says so
    /// to whoever asks it.
    pub fn open_hana(
        settings: config::Hana,
        role: Role,
        metrics: Metrics,
    ) -> Result<Self, StoreError> {
        let owner = Owner::new(&uuid::Uuid::now_v7().to_string());
        let health = Arc::new(Health::default());
        let (lanes, readers) = hana::start(hana::Setup {
            settings,
            role,
            owner: owner.clone(),
            health: health.clone(),
            metrics,
        })?;
        Ok(Self {
            writes: Writes::Hana(lanes),
            reads: Reads::Hana(Arc::new(readers)),
            health,
            owner,
            dialect: Dialect::Hana,
        })
    }

    /// Which SQL it speaks.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// This process, as leases name it.
    #[must_use]
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Whether events can be stored.
    #[must_use]
    pub fn health(&self) -> &Health {
        &self.health
    }

    async fn write<T>(
        &self,
        write: impl FnOnce(write::Reply<T>) -> Write,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let write = write(reply);
        self.writes
            .of(&write)
            .try_send(write)
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => StoreError::overloaded(),
                mpsc::error::TrySendError::Closed(_) => StoreError::closed(),
            })?;
        answer.await.unwrap_or_else(|_| Err(StoreError::closed()))
    }

    /// As [`Store::write`], but waits for room: for long work that has no caller to answer.
    async fn write_patiently<T>(
        &self,
        write: impl FnOnce(write::Reply<T>) -> Write,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let write = write(reply);
        self.writes
            .of(&write)
            .send(write)
            .await
            .map_err(|_| StoreError::closed())?;
        answer.await.unwrap_or_else(|_| Err(StoreError::closed()))
    }

    /// Stores an event durably; leased to this process if `lease`, else pending.
    ///
    /// # Errors
    /// If it could not be committed. It may be stored all the same.
    ///
    /// # Cancel safety
    /// Not cancel-safe: a dropped answer drops a lease, which then has to run out. Called by tracked tasks only.
    pub async fn accept(&self, event: Event, lease: LeaseWish) -> Result<Acceptance, StoreError> {
        self.write(|reply| Write::Accept {
            event,
            lease,
            reply,
        })
        .await
    }

    /// Leases what was left behind, newest first.
    ///
    /// # Errors
    /// If the database refuses.
    ///
    /// # Cancel safety
    /// Not cancel-safe, as [`Store::accept`].
    pub async fn claim(
        &self,
        surveys: Arc<[SurveyId]>,
        limit: u32,
    ) -> Result<Vec<Lease>, StoreError> {
        self.write(|reply| Write::Claim {
            surveys,
            limit,
            reply,
        })
        .await
    }

    /// Prolongs leases; answers those that are lost.
    ///
    /// # Errors
    /// If the database refuses; then nothing is known of the leases.
    pub async fn renew(&self, fences: Vec<Fence>) -> Result<Vec<Fence>, StoreError> {
        self.write(|reply| Write::Renew { fences, reply }).await
    }

    /// Ends the work under a lease: row, document and the inbox's state in one transaction.
    ///
    /// # Errors
    /// If it could not be committed; the lease then runs out, and the event is claimed again.
    pub async fn finish(&self, lease: &Lease, outcome: Outcome) -> Result<Finished, StoreError> {
        let (fence, event) = (lease.fence(), lease.event().clone());
        self.write_patiently(|reply| Write::Finish {
            fence,
            event,
            outcome,
            reply,
        })
        .await
    }

    /// Gives a lease back untouched; the event is due at once.
    pub async fn release(&self, lease: Lease) {
        let fence = lease.fence();
        // Whoever releases is leaving; if the database does not take it, the lease runs out by itself.
        drop(
            self.write_patiently(|reply| Write::Release { fence, reply })
                .await,
        );
    }

    /// Writes rows of an export: each only if its document is newer and a cell differs.
    ///
    /// # Errors
    /// If the database refuses the whole chunk; rows that do not fit are in the report.
    pub async fn load(
        &self,
        survey: &SurveyId,
        mut rows: Vec<Loaded>,
    ) -> Result<LoadReport, StoreError> {
        // By key: on SQLite, what lands on one page is written together; on HANA, two transactions that touch the same
        // rows in another order are a deadlock. Of one response the order stays.
        rows.sort_by(|one, other| one.response_id.cmp(&other.response_id));
        let survey = survey.clone();
        self.write_patiently(|reply| Write::Load {
            survey,
            rows,
            reply,
        })
        .await
    }

    /// Removes every trace of responses, and keeps a salted hash of each so that nothing brings them back.
    ///
    /// # Errors
    /// If the database refuses; then nothing was removed.
    pub async fn erase(
        &self,
        survey: &SurveyId,
        table: Option<TableName>,
        responses: Vec<ResponseId>,
        remember: Remember,
    ) -> Result<Erased, StoreError> {
        let survey = survey.clone();
        self.write_patiently(|reply| Write::Erase {
            survey,
            table,
            responses,
            remember,
            reply,
        })
        .await
    }

    /// Runs statements as one transaction; answers how many rows each changed.
    ///
    /// # Errors
    /// If one of them fails; then none did anything.
    pub async fn run(&self, statements: Vec<Statement>) -> Result<Vec<u64>, StoreError> {
        self.write_patiently(|reply| Write::Run { statements, reply })
            .await
    }

    /// Runs statements and then a query, answers its rows, and takes everything back: proof without a trace.
    ///
    /// # Errors
    /// If one of them fails, as it would have in earnest.
    pub async fn rehearse(
        &self,
        statements: Vec<Statement>,
        look: Statement,
        kinds: &[ColumnType],
    ) -> Result<Vec<Box<[Cell]>>, StoreError> {
        let kinds = kinds.to_vec();
        self.write_patiently(|reply| Write::Rehearse {
            statements,
            look,
            kinds,
            reply,
        })
        .await
    }

    /// Asks several things of one state of the database: a stream for each statement, to be read in their order. Where
    /// one fails, those behind it end with its error.
    ///
    /// # Errors
    /// If no reading connection is to be had. Faults of a statement come in its stream.
    pub async fn snapshot(
        &self,
        reader: Reader,
        selects: Vec<Select>,
    ) -> Result<Vec<RowStream>, StoreError> {
        match &self.reads {
            Reads::Sqlite(readers) => readers.select(reader, selects).await,
            Reads::Hana(readers) => readers.select(reader, selects).await,
            #[cfg(feature = "sim")]
            Reads::Simulated(reads) => simulated::select(reads, selects).await,
        }
    }

    /// Asks; rows come in chunks while they are read.
    ///
    /// # Errors
    /// If no reading connection is to be had. Faults of the statement come in the stream.
    pub async fn select(
        &self,
        statement: Statement,
        kinds: Arc<[ColumnType]>,
    ) -> Result<RowStream, StoreError> {
        let select = Select { statement, kinds };
        let streams = self.snapshot(Reader::Service, vec![select]).await?;
        streams.into_iter().next().ok_or_else(StoreError::closed)
    }

    /// Asks for few rows.
    ///
    /// # Errors
    /// If the statement fails or takes too long.
    pub async fn rows(
        &self,
        statement: Statement,
        kinds: &[ColumnType],
    ) -> Result<Vec<Cells>, StoreError> {
        self.select(statement, kinds.into()).await?.all().await
    }

    /// The columns of a table as the database has them; nothing if there is no such table. Columns of types that no
    /// cell can hold are left out.
    ///
    /// # Errors
    /// If the database can't be read.
    pub async fn table_columns(
        &self,
        name: &TableName,
    ) -> Result<Option<Vec<ExistingColumn>>, StoreError> {
        const KINDS: [ColumnType; 4] = [
            ColumnType::NVarchar(127),
            ColumnType::NVarchar(60),
            ColumnType::Boolean,
            ColumnType::Boolean,
        ];
        let rows = self.rows(sql::ddl::table_columns(name), &KINDS).await?;
        if rows.is_empty() {
            return Ok(None);
        }
        let column = |row: Box<[Cell]>| match &*row {
            [
                Cell::Text(name),
                Cell::Text(declared),
                Cell::Boolean(not_null),
                Cell::Boolean(key),
            ] => Some(ExistingColumn {
                column: Column {
                    name: name.parse().ok()?,
                    property: name.clone(),
                    kind: sql::ddl::column_type(declared)?,
                    nullable: !not_null,
                },
                key: *key,
            }),
            _ => None,
        };
        Ok(Some(rows.into_iter().filter_map(column).collect()))
    }

    /// Creates a survey's table.
    ///
    /// # Errors
    /// If the database does not let us.
    pub async fn create_table(&self, table: &Table) -> Result<(), StoreError> {
        let mut statements = vec![sql::ddl::create_table(self.dialect, table)];
        statements.extend(self.indexes(table));
        self.run(statements).await.map(drop)
    }

    /// Creates what makes reading a table of ours fast, where it is missing.
    ///
    /// # Errors
    /// If the database does not let us.
    pub async fn create_indexes(&self, table: &Table) -> Result<(), StoreError> {
        let statements = self.indexes(table);
        if statements.is_empty() {
            return Ok(());
        }
        self.run(statements).await.map(drop)
    }

    fn indexes(&self, table: &Table) -> Vec<Statement> {
        let has_date = table
            .columns
            .iter()
            .any(|column| column.name.as_ref() == ColumnName::RECORDED_DATE);
        match self.dialect {
            Dialect::Sqlite if has_date => sql::recommended_indexes(&table.name),
            Dialect::Sqlite | Dialect::Hana => Vec::new(),
        }
    }
}

/// Whether an accepted event should be leased to the process that accepts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseWish {
    /// A worker is free for it.
    Lease,
    /// None is: it waits in the table.
    Wait,
}

/// Whether erased responses are kept away for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remember {
    /// A salted hash stays.
    Hash,
    /// Nothing stays: they were deleted at Qualtrics and can't come back.
    Nothing,
}

/// A column of a table that is there already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExistingColumn {
    /// Name, type, nullability; the property is the name until the codebook says better.
    pub column: Column,
    /// Whether it is part of the primary key.
    pub key: bool,
}
