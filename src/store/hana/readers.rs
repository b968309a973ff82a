//! Reads over connections of their own, so that no reader delays a callback, and none is delayed by a writer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hdbconnect_async::ConnectionConfiguration;
use ingester_core::row::{Cell, ColumnType};
use ingester_core::sql::Statement;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::LocalSet;

use super::code::Failure;
use super::connection::{Connection, next_row};
use super::link::Link;
use crate::store::RowStream;
use crate::store::error::StoreError;
use crate::telemetry::metrics::Metrics;

/// Reads at a time; each has a connection of its own.
const READERS: usize = 4;
/// Rows that the driver fetches and that are handed over at once.
const CHUNK_ROWS: u32 = 256;
/// Chunks that wait for a slow reader.
const CHUNKS_WAITING: usize = 2;

type Rows = mpsc::Sender<Result<Vec<Box<[Cell]>>, StoreError>>;

/// The askers' end.
#[derive(Debug)]
pub(in crate::store) struct Readers {
    reads: mpsc::Sender<Read>,
    permits: Arc<Semaphore>,
}

/// One read on its way.
#[derive(Debug)]
pub(super) struct Read {
    statement: Statement,
    kinds: Arc<[ColumnType]>,
    begun: Instant,
    deadline: Duration,
    rows: Rows,
    _permit: OwnedSemaphorePermit,
}

impl Readers {
    /// The askers' end, and what [`serve`] takes.
    pub(super) fn new() -> (Self, mpsc::Receiver<Read>) {
        // Never full: whoever sends holds a permit.
        let (reads, queue) = mpsc::channel(READERS);
        let readers = Self {
            reads,
            permits: Arc::new(Semaphore::new(READERS)),
        };
        (readers, queue)
    }

    pub(in crate::store) async fn select(
        &self,
        statement: Statement,
        kinds: Arc<[ColumnType]>,
        deadline: Duration,
    ) -> Result<RowStream, StoreError> {
        let begun = Instant::now();
        let permit = tokio::time::timeout(deadline, self.permits.clone().acquire_owned())
            .await
            .map_err(|_| StoreError::overloaded())?
            .map_err(|_| StoreError::closed())?;
        let (rows, stream) = mpsc::channel(CHUNKS_WAITING);
        let read = Read {
            statement,
            kinds,
            begun,
            deadline,
            rows,
            _permit: permit,
        };
        self.reads
            .send(read)
            .await
            .map_err(|_| StoreError::closed())?;
        Ok(stream)
    }
}

/// Reads until every handle of the store is dropped.
pub(super) async fn serve(mut queue: mpsc::Receiver<Read>, link: Arc<Link>, metrics: Metrics) {
    let idle: Arc<Mutex<Vec<Connection>>> = Arc::default();
    let reads = LocalSet::new();
    reads
        .run_until(async {
            while let Some(read) = queue.recv().await {
                let (link, metrics, idle) = (link.clone(), metrics.clone(), idle.clone());
                // Whoever asked may go away; the task goes on until the driver has read what it began to read.
                tokio::task::spawn_local(async move {
                    answer(&read, &link, &idle).await;
                    metrics.database("read", read.begun.elapsed());
                });
            }
        })
        .await;
    reads.await;
}

async fn answer(read: &Read, link: &Link, idle: &Mutex<Vec<Connection>>) {
    let kept = idle
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .pop()
        .filter(|connection| !connection.is_stale());
    let result = match kept {
        // A connection that died unseen costs its first statement; on a new one it is tried again.
        Some(mut connection) => match attempt(read, &mut connection).await {
            Err(Interrupted::AtOnce(Failure::Broken(_))) => anew(read, link, idle).await,
            result => keep(connection, result, idle),
        },
        None => anew(read, link, idle).await,
    };
    if let Err(error) = result {
        // Whoever asked may be gone; then nobody wants to know.
        drop(read.rows.send(Err(error)).await);
    }
}

async fn anew(read: &Read, link: &Link, idle: &Mutex<Vec<Connection>>) -> Result<(), StoreError> {
    let configuration = ConnectionConfiguration::default()
        .with_fetch_size(CHUNK_ROWS)
        .with_read_timeout(Some(read.deadline));
    let mut connection = link.connect(&configuration).await?;
    let result = attempt(read, &mut connection).await;
    keep(connection, result, idle)
}

/// Keeps a connection only after a clean answer.
fn keep(
    connection: Connection,
    result: Result<(), Interrupted>,
    idle: &Mutex<Vec<Connection>>,
) -> Result<(), StoreError> {
    let is_clean = !matches!(
        result,
        Err(Interrupted::TooLate
            | Interrupted::AtOnce(Failure::Broken(_))
            | Interrupted::Midway(Failure::Broken(_)))
    );
    if is_clean {
        idle.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(connection);
    }
    result.map_err(|interrupted| match interrupted {
        Interrupted::TooLate => StoreError::overloaded(),
        Interrupted::AtOnce(failure) | Interrupted::Midway(failure) => failure.into_error(),
    })
}

/// Why a read ended before its last row.
enum Interrupted {
    /// Nothing was handed over yet.
    AtOnce(Failure),
    /// Some rows were.
    Midway(Failure),
    /// Database or asker were too slow.
    TooLate,
}

async fn attempt(read: &Read, connection: &mut Connection) -> Result<(), Interrupted> {
    let mut results = connection
        .open(&read.statement)
        .await
        .map_err(Interrupted::AtOnce)?;
    let chunk_rows = usize::try_from(CHUNK_ROWS).unwrap_or(usize::MAX);
    let mut chunk = Vec::new();
    while let Some(row) = next_row(&mut results, &read.kinds)
        .await
        .map_err(Interrupted::Midway)?
    {
        chunk.push(row);
        if chunk.len() == chunk_rows && !hand_over(read, std::mem::take(&mut chunk)).await? {
            return Ok(());
        }
    }
    if !chunk.is_empty() {
        hand_over(read, chunk).await?;
    }
    Ok(())
}

/// True if somebody still wants more.
async fn hand_over(read: &Read, chunk: Vec<Box<[Cell]>>) -> Result<bool, Interrupted> {
    let left = read.deadline.saturating_sub(read.begun.elapsed());
    match tokio::time::timeout(left, read.rows.send(Ok(chunk))).await {
        Ok(sent) => Ok(sent.is_ok()),
        Err(_) => Err(Interrupted::TooLate),
    }
}
