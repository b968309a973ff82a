//! The connections that only read. They never wait for the writer, and the service's own reads never wait for those of
//! viewers.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use super::{BUSY_TIMEOUT, cells, functions, value};
use crate::store::error::StoreError;
use crate::store::limits::Limits;
use crate::store::stream::{self, Cells, RowSender, RowStream, Sent};
use crate::store::{Reader, Select};
use crate::telemetry::metrics::Metrics;

/// Reads of the service at a time; each has a connection of its own.
const SERVICE_READERS: usize = 2;
/// Reads of viewers at a time: more than one, because some of them wait for slow peers; few, because each that groups
/// a large table takes 8 MiB. With four of 4 MiB cache the service took 68 MiB.
const VIEWER_READERS: usize = 3;
/// Rows handed over at once.
const CHUNK_ROWS: usize = 256;
/// Statements kept prepared per connection; viewers' texts differ.
const STATEMENTS_CACHED: usize = 32;
/// Virtual machine steps between two looks at the deadline.
const STEPS_BETWEEN_LOOKS: i32 = 20_000;

#[derive(Debug)]
pub(in crate::store) struct Readers {
    path: PathBuf,
    service: Arc<Pool>,
    viewers: Arc<Pool>,
    metrics: Metrics,
}

/// The connections of one kind of reader.
#[derive(Debug)]
struct Pool {
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl Pool {
    fn new(readers: usize) -> Arc<Self> {
        Arc::new(Self {
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(readers)),
        })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Readers {
    pub(in crate::store) fn new(path: PathBuf, metrics: Metrics) -> Self {
        Self {
            path,
            service: Pool::new(SERVICE_READERS),
            viewers: Pool::new(VIEWER_READERS),
            metrics,
        }
    }

    /// Runs the statements one after the other in one read transaction; a stream for each.
    pub(in crate::store) async fn select(
        &self,
        reader: Reader,
        selects: Vec<Select>,
    ) -> Result<Vec<RowStream>, StoreError> {
        let limits = reader.limits();
        let pool = match reader {
            Reader::Service => self.service.clone(),
            Reader::Viewer => self.viewers.clone(),
        };
        let permit = tokio::time::timeout(limits.queue, pool.permits.clone().acquire_owned())
            .await
            .map_err(|_| StoreError::overloaded())?
            .map_err(|_| StoreError::closed())?;
        let (senders, streams): (Vec<_>, Vec<_>) =
            selects.iter().map(|_| stream::channel()).unzip();
        let (path, metrics) = (self.path.clone(), self.metrics.clone());
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let begun = Instant::now();
            let connection = pool.idle().pop();
            match connection.map_or_else(|| open(&path, limits.cache_kib), Ok) {
                Ok(mut connection) => {
                    let broken = read_all(&mut connection, &selects, senders, &Watch::new(limits));
                    if !broken {
                        pool.idle().push(connection);
                    }
                }
                Err(error) => senders
                    .into_iter()
                    .for_each(|sender| sender.end(Err(error.clone()))),
            }
            metrics.database("read", begun.elapsed());
        });
        Ok(streams)
    }
}

fn open(path: &Path, cache_kib: i64) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    // Not opened read-only: a reader of a write-ahead log must be able to create its shared-memory file.
    connection.pragma_update(None, "query_only", true)?;
    // Negative: KiB, not pages. Source: SQLite, "PRAGMA cache_size".
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    functions::register(&connection)?;
    Ok(connection)
}

/// The clock of a read: what it waits for a slow reader is not the database's work.
#[derive(Debug, Clone)]
struct Watch {
    limits: Limits,
    begun: Instant,
    waited_ms: Arc<AtomicU64>,
}

impl Watch {
    fn new(limits: Limits) -> Self {
        Self {
            limits,
            begun: Instant::now(),
            waited_ms: Arc::default(),
        }
    }

    fn is_over(&self) -> bool {
        let waited = Duration::from_millis(self.waited_ms.load(Ordering::Relaxed));
        self.begun.elapsed() > (self.limits.work + waited).min(self.limits.whole)
    }

    fn send(&self, sender: &RowSender, rows: Vec<Cells>) -> Sent {
        let since = Instant::now();
        let left = self.limits.whole.saturating_sub(self.begun.elapsed());
        let sent = sender.send_blocking(rows, self.limits.stall.min(left));
        let waited = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.waited_ms.fetch_add(waited, Ordering::Relaxed);
        sent
    }
}

/// Reads into the streams, in order, until one fails: then all that follow end with its error. True if the connection
/// must not be used again.
fn read_all(
    connection: &mut Connection,
    selects: &[Select],
    senders: Vec<RowSender>,
    watch: &Watch,
) -> bool {
    let begun = connection.execute_batch("BEGIN").map_err(StoreError::from);
    let mut so_far = begun;
    let mut broken = false;
    for (select, sender) in selects.iter().zip(senders) {
        let result = match &so_far {
            Ok(()) => read(connection, select, &sender, watch),
            Err(error) => Err(error.clone()),
        };
        broken |= result.as_ref().is_err_and(StoreError::breaks_connection);
        so_far = result.clone();
        sender.end(result);
    }
    broken | connection.execute_batch("COMMIT").is_err()
}

fn read(
    connection: &mut Connection,
    select: &Select,
    sender: &RowSender,
    watch: &Watch,
) -> Result<(), StoreError> {
    if sender.is_abandoned() {
        return Ok(());
    }
    let (clock, stream) = (watch.clone(), sender.watch());
    let interrupt =
        move || clock.is_over() || stream.upgrade().is_none_or(|stream| stream.is_closed());
    connection.progress_handler(STEPS_BETWEEN_LOOKS, Some(interrupt))?;
    let result = read_under_watch(connection, select, sender, watch);
    connection.progress_handler(0, None::<fn() -> bool>)?;
    match result {
        Err(_) if watch.is_over() => Err(StoreError::too_slow()),
        result => result,
    }
}

fn read_under_watch(
    connection: &Connection,
    Select { statement, kinds }: &Select,
    sender: &RowSender,
    watch: &Watch,
) -> Result<(), StoreError> {
    let mut prepared = connection.prepare_cached(statement.text())?;
    let binds = rusqlite::params_from_iter(statement.binds().iter().map(value::Bind));
    let mut results = prepared.query(binds)?;
    let mut chunk = Vec::new();
    loop {
        let row = results.next()?;
        let is_last = row.is_none();
        if let Some(row) = row {
            chunk.push(cells(row, kinds)?);
        }
        if chunk.len() == CHUNK_ROWS || (is_last && !chunk.is_empty()) {
            match watch.send(sender, std::mem::take(&mut chunk)) {
                Sent::Taken => {}
                Sent::Abandoned => return Ok(()),
                Sent::Stalled => return Err(StoreError::too_slow()),
            }
        }
        if is_last {
            return Ok(());
        }
    }
}
