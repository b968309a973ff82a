//! The embedded store: one file, one writer thread, readers that never wait for it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ingester_core::row::{Cell, ColumnType};
use ingester_core::sql::Statement;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::{Semaphore, mpsc};

use super::RowStream;
use super::error::StoreError;
use crate::telemetry::metrics::Metrics;

mod apply;
mod value;
pub(super) mod writer;

/// Reads at a time; each has a connection of its own.
const READERS: usize = 4;
/// Rows handed over at once.
const CHUNK_ROWS: usize = 256;
/// Chunks that wait for a slow reader.
const CHUNKS_WAITING: usize = 2;
/// Statements kept prepared per connection.
const STATEMENTS_CACHED: usize = 128;
/// Virtual machine steps between two looks at the deadline.
const STEPS_BETWEEN_LOOKS: i32 = 20_000;

/// How long to wait for another process's short transaction. A callback has to be answered within three seconds.
const BUSY_TIMEOUT: Duration = Duration::from_millis(2000);

/// The connections that only read.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
    metrics: Metrics,
}

impl Readers {
    pub(super) fn new(path: PathBuf, metrics: Metrics) -> Self {
        Self {
            path,
            idle: Arc::default(),
            permits: Arc::new(Semaphore::new(READERS)),
            metrics,
        }
    }

    pub(super) async fn select(
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
        let (path, idle, metrics) = (self.path.clone(), self.idle.clone(), self.metrics.clone());
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let connection = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let result =
                connection
                    .map_or_else(|| open_reader(&path), Ok)
                    .and_then(|mut connection| {
                        read(&mut connection, &statement, &kinds, begun + deadline, &rows)?;
                        idle.lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .push(connection);
                        Ok(())
                    });
            metrics.database("read", begun.elapsed());
            if let Err(error) = result {
                // Whoever asked may be gone; then nobody wants to know.
                drop(rows.blocking_send(Err(error)));
            }
        });
        Ok(stream)
    }
}

fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    // Not opened read-only: a reader of a write-ahead log must be able to create its shared-memory file.
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn read(
    connection: &mut Connection,
    statement: &Statement,
    kinds: &[ColumnType],
    deadline: Instant,
    rows: &mpsc::Sender<Result<Vec<Box<[Cell]>>, StoreError>>,
) -> Result<(), StoreError> {
    let abandoned = rows.clone();
    connection.progress_handler(
        STEPS_BETWEEN_LOOKS,
        Some(move || Instant::now() > deadline || abandoned.is_closed()),
    )?;
    let result = read_under_watch(connection, statement, kinds, rows);
    // The watch holds an end of the channel, which would keep the stream open for as long as the connection lives.
    connection.progress_handler(0, None::<fn() -> bool>)?;
    result
}

fn read_under_watch(
    connection: &Connection,
    statement: &Statement,
    kinds: &[ColumnType],
    rows: &mpsc::Sender<Result<Vec<Box<[Cell]>>, StoreError>>,
) -> Result<(), StoreError> {
    let mut prepared = connection.prepare_cached(statement.text())?;
    let binds = rusqlite::params_from_iter(statement.binds().iter().map(value::Bind));
    let mut results = prepared.query(binds)?;
    let mut chunk = Vec::new();
    while let Some(row) = results.next()? {
        chunk.push(cells(row, kinds)?);
        if chunk.len() == CHUNK_ROWS && rows.blocking_send(Ok(std::mem::take(&mut chunk))).is_err()
        {
            return Ok(());
        }
    }
    if !chunk.is_empty() {
        drop(rows.blocking_send(Ok(chunk)));
    }
    Ok(())
}

fn cells(row: &rusqlite::Row<'_>, kinds: &[ColumnType]) -> Result<Box<[Cell]>, StoreError> {
    kinds
        .iter()
        .enumerate()
        .map(|(index, kind)| value::cell(row.get_ref(index)?, *kind))
        .collect()
}

/// Takes the file's advisory lock, which dies with its process.
///
/// # Errors
/// If another process holds it. If the lock's file can't be made, there is no lock, and opening the database will say
/// why.
fn lock(path: &Path) -> Result<Option<File>, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let Ok(file) = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(name)
    else {
        return Ok(None);
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::taken_by_another(path)),
        Err(std::fs::TryLockError::Error(_)) => Ok(None),
    }
}
