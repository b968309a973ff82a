//! Reads over connections of their own, so that no reader delays a callback, and none is delayed by a writer. Viewers
//! have theirs apart from the service's own.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hdbconnect_async::ConnectionConfiguration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::LocalSet;

use super::code::Failure;
use super::connection::{Connection, next_row};
use super::link::Link;
use crate::store::error::StoreError;
use crate::store::limits::Limits;
use crate::store::stream::{self, Cells, RowSender, RowStream, Sent};
use crate::store::{Reader, Select};
use crate::telemetry::metrics::Metrics;

/// Reads at a time of each kind; each has a connection of its own.
const READERS: usize = 4;
/// Rows that the driver fetches and that are handed over at once.
const CHUNK_ROWS: u32 = 256;

/// The askers' end.
#[derive(Debug)]
pub(in crate::store) struct Readers {
    reads: mpsc::Sender<Read>,
    service: Arc<Semaphore>,
    viewers: Arc<Semaphore>,
}

/// One read on its way.
#[derive(Debug)]
pub(super) struct Read {
    selects: Vec<(Select, RowSender)>,
    limits: Limits,
    _permit: OwnedSemaphorePermit,
}

impl Readers {
    /// The askers' end, and what [`serve`] takes.
    pub(super) fn new() -> (Self, mpsc::Receiver<Read>) {
        // Never full: whoever sends holds a permit.
        let (reads, queue) = mpsc::channel(2 * READERS);
        let readers = Self {
            reads,
            service: Arc::new(Semaphore::new(READERS)),
            viewers: Arc::new(Semaphore::new(READERS)),
        };
        (readers, queue)
    }

    /// Runs the statements one after the other, on one state of the database where it lets us; a stream for each.
    pub(in crate::store) async fn select(
        &self,
        reader: Reader,
        selects: Vec<Select>,
    ) -> Result<Vec<RowStream>, StoreError> {
        let limits = reader.limits();
        let permits = match reader {
            Reader::Service => &self.service,
            Reader::Viewer => &self.viewers,
        };
        let permit = tokio::time::timeout(limits.queue, permits.clone().acquire_owned())
            .await
            .map_err(|_| StoreError::overloaded())?
            .map_err(|_| StoreError::closed())?;
        let (senders, streams): (Vec<_>, Vec<_>) =
            selects.iter().map(|_| stream::channel()).unzip();
        let read = Read {
            selects: selects.into_iter().zip(senders).collect(),
            limits,
            _permit: permit,
        };
        self.reads
            .send(read)
            .await
            .map_err(|_| StoreError::closed())?;
        Ok(streams)
    }
}

/// Connections that nobody uses at the moment.
#[derive(Clone, Default)]
struct Idle(Arc<Mutex<Vec<Connection>>>);

impl Idle {
    fn take(&self) -> Option<Connection> {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        taken.filter(|connection| !connection.is_stale())
    }

    fn keep(&self, connection: Connection) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(connection);
    }
}

/// Reads until every handle of the store is dropped.
pub(super) async fn serve(mut queue: mpsc::Receiver<Read>, link: Arc<Link>, metrics: Metrics) {
    let idle = Idle::default();
    let reads = LocalSet::new();
    reads
        .run_until(async {
            while let Some(read) = queue.recv().await {
                let (link, metrics, idle) = (link.clone(), metrics.clone(), idle.clone());
                // Whoever asked may go away; the task goes on until the driver has read what it began to read.
                tokio::task::spawn_local(async move {
                    let begun = Instant::now();
                    answer(read, &link, &idle).await;
                    metrics.database("read", begun.elapsed());
                });
            }
        })
        .await;
    reads.await;
}

/// Reads into the streams, in order, until one fails: then all that follow end with its error.
async fn answer(read: Read, link: &Link, idle: &Idle) {
    let mut clock = Clock::new(read.limits);
    let mut session = Session::new(link, idle, read.limits);
    let mut so_far = Ok(());
    if read.selects.len() > 1 {
        so_far = session.freeze().await;
    }
    for (select, sender) in read.selects {
        if so_far.is_ok() && !sender.is_abandoned() {
            so_far = session.read(&select, &sender, &mut clock).await;
        }
        sender.end(so_far.clone());
    }
    session.end().await;
}

/// The clock of a read: what it waits for a slow reader is not the database's work.
struct Clock {
    limits: Limits,
    begun: Instant,
    waited: Duration,
}

impl Clock {
    fn new(limits: Limits) -> Self {
        Self {
            limits,
            begun: Instant::now(),
            waited: Duration::ZERO,
        }
    }

    fn is_over(&self) -> bool {
        self.begun.elapsed() > (self.limits.work + self.waited).min(self.limits.whole)
    }

    /// A connection that was given up because its time was over did not break.
    fn judge(&self, error: StoreError) -> StoreError {
        if self.is_over() {
            StoreError::too_slow()
        } else {
            error
        }
    }

    async fn send(&mut self, sender: &RowSender, rows: Vec<Cells>) -> Sent {
        let since = Instant::now();
        let left = self.limits.whole.saturating_sub(self.begun.elapsed());
        let sent = sender.send(rows, self.limits.stall.min(left)).await;
        self.waited += since.elapsed();
        sent
    }
}

/// A connection in use for one read.
struct Session<'a> {
    link: &'a Link,
    idle: &'a Idle,
    configuration: ConnectionConfiguration,
    reply_timeout: Duration,
    connection: Option<Connection>,
    /// It was idle before, and may have died unseen: then its first statement is tried again on a new one.
    is_reused: bool,
}

impl<'a> Session<'a> {
    fn new(link: &'a Link, idle: &'a Idle, limits: Limits) -> Self {
        let connection = idle.take();
        Self {
            link,
            idle,
            // A statement that takes longer loses its connection; the server goes on with it until it notices.
            configuration: ConnectionConfiguration::default()
                .with_auto_commit(false)
                .with_fetch_size(CHUNK_ROWS)
                .with_read_timeout(Some(limits.work)),
            reply_timeout: limits.work,
            is_reused: connection.is_some(),
            connection,
        }
    }

    async fn connection(&mut self) -> Result<&mut Connection, StoreError> {
        // Also of a connection that another kind of reader used before.
        if let Some(connection) = &mut self.connection {
            connection.set_reply_timeout(self.reply_timeout).await;
        } else {
            self.connection = Some(self.link.connect(&self.configuration).await?);
        }
        self.connection
            .as_mut()
            .ok_or_else(|| StoreError::unavailable("no connection"))
    }

    /// Asks that the statements up to the end see one state. Where the database knows nothing above READ COMMITTED, each
    /// sees its own.
    async fn freeze(&mut self) -> Result<(), StoreError> {
        loop {
            match self.connection().await?.freeze().await {
                Ok(()) => return Ok(()),
                Err(Failure::Statement(refusal)) if refusal.is_unknown_syntax() => return Ok(()),
                Err(failure) => self.failed(failure)?,
            }
        }
    }

    async fn read(
        &mut self,
        select: &Select,
        sender: &RowSender,
        clock: &mut Clock,
    ) -> Result<(), StoreError> {
        let mut results = loop {
            match self.connection().await?.open(&select.statement).await {
                Ok(results) => break results,
                Err(failure) => self.failed(failure).map_err(|error| clock.judge(error))?,
            }
        };
        self.is_reused = false;
        let chunk_rows = usize::try_from(CHUNK_ROWS).unwrap_or(usize::MAX);
        let mut chunk = Vec::new();
        loop {
            let row = match next_row(&mut results, &select.kinds).await {
                Ok(row) => row,
                Err(failure) => return self.failed(failure).map_err(|error| clock.judge(error)),
            };
            let is_last = row.is_none();
            chunk.extend(row);
            if chunk.len() == chunk_rows || (is_last && !chunk.is_empty()) {
                match clock.send(sender, std::mem::take(&mut chunk)).await {
                    Sent::Taken => {}
                    Sent::Abandoned => return Ok(()),
                    Sent::Stalled => return Err(StoreError::too_slow()),
                }
            }
            if is_last {
                return Ok(());
            }
            if clock.is_over() {
                return Err(StoreError::too_slow());
            }
        }
    }

    /// Gives up a connection that is of no use. Nothing of the read was handed over if it may be tried again.
    fn failed(&mut self, failure: Failure) -> Result<(), StoreError> {
        let is_broken = matches!(failure, Failure::Broken(_));
        if is_broken {
            self.connection = None;
        }
        if is_broken && std::mem::replace(&mut self.is_reused, false) {
            return Ok(());
        }
        Err(failure.into_error())
    }

    /// Ends the transaction, after everything was handed over, and keeps a connection that answers cleanly.
    async fn end(mut self) {
        if let Some(mut connection) = self.connection.take()
            && connection.commit().await.is_ok()
        {
            self.idle.keep(connection);
        }
    }
}
