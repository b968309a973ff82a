//! The store of a simulated world: the same statements on a database in memory that outlives the processes, and both
//! ends of the queue in the hands of whoever simulates.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ingester_core::id::ResponseId;
use ingester_core::inbox::Owner;
use ingester_core::row::{Cell, ColumnType};
use ingester_core::sql::{Dialect, Statement};
use ingester_core::time::Timestamp;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::sqlite::apply::{self, Answer, Context};
use super::sqlite::writer;
use super::{
    Cells, Health, Reads, RowStream, Select, Store, StoreError, WRITES_MAX, Write, Writes, batch,
    stream,
};

/// The database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Database(Arc<Mutex<Connection>>);

/// Reads that wait.
const READS_MAX: usize = 64;

impl Database {
    /// An empty one.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub fn new() -> Result<Self, StoreError> {
        let connection = Connection::open_in_memory()?;
        connection.set_prepared_statement_cache_capacity(256);
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// A process opens it: the handle, and what is queued by it.
    ///
    /// # Errors
    /// If its own tables can't be made.
    pub fn open(
        &self,
        owner: &str,
        take_over: bool,
    ) -> Result<(Store, Queue, Reading), StoreError> {
        let owner = Owner::new(owner);
        let context = writer::prepare(&mut self.connection(), &owner, take_over)?;
        let (writes, queue) = mpsc::channel(WRITES_MAX);
        let (reads, asked) = mpsc::channel(READS_MAX);
        let store = Store {
            writes: Writes::Sqlite(writes),
            reads: Reads::Simulated(reads),
            health: Arc::new(Health::default()),
            owner,
            dialect: Dialect::Sqlite,
        };
        let queue = Queue {
            database: self.clone(),
            context,
            queue,
            taken: Vec::new(),
            answers: Vec::new(),
        };
        let reading = Reading {
            database: self.clone(),
            asked,
        };
        Ok((store, queue, reading))
    }

    /// Rows as they stand.
    ///
    /// # Errors
    /// If the statement fails.
    pub fn rows(
        &self,
        statement: &Statement,
        kinds: &[ColumnType],
    ) -> Result<Vec<Box<[Cell]>>, StoreError> {
        apply::query(&self.connection(), statement, kinds)
    }

    /// Grows with every row that is changed.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.connection().total_changes()
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one process queued for its writer.
pub struct Queue {
    database: Database,
    context: Context,
    queue: mpsc::Receiver<Write>,
    taken: Vec<Write>,
    answers: Vec<Result<Answer, StoreError>>,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Queue({} taken)", self.taken.len())
    }
}

impl Queue {
    /// Takes all that is queued, as the writer does. False once nobody can queue anything any more.
    pub async fn take(&mut self) -> bool {
        self.queue
            .recv_many(&mut self.taken, writer::BATCH_MAX)
            .await
            > 0
    }

    /// What was taken.
    pub(crate) fn taken(&self) -> &[Write] {
        &self.taken
    }

    /// Commits what was taken, as the writer does, at this instant of the database's clock. The commit of that number,
    /// if there is one, fails: whoever counts from 0 up to [`Queue::commit`]'s answer has seen each fail.
    pub fn commit(&mut self, now: Timestamp, failing: Option<usize>) {
        self.context.now = now;
        let mut connection = self.database.connection();
        let (mut commits, failed) = (0, Arc::new(Mutex::new(false)));
        let note = failed.clone();
        let hook = move || {
            let fails = failing == Some(commits);
            commits += 1;
            if fails && let Ok(mut failed) = note.lock() {
                *failed = true;
            }
            fails
        };
        if connection.commit_hook(Some(hook)).is_err() {
            return;
        }
        let context = &self.context;
        self.answers = batch::commit(&self.taken, &mut |writes: &[Write]| {
            let done = writer::transaction(&mut connection, context, writes);
            let has_failed = failed
                .lock()
                .is_ok_and(|mut failed| std::mem::take(&mut *failed));
            if has_failed {
                return Err(StoreError::unavailable("the commit failed"));
            }
            done
        });
        drop(connection.commit_hook(None::<fn() -> bool>));
    }

    /// Whose leases the answers hand out, once for each.
    #[must_use]
    pub fn granted(&self) -> Vec<ResponseId> {
        let mut granted = Vec::new();
        for (write, answer) in self.taken.iter().zip(&self.answers) {
            match (write, answer) {
                (Write::Accept { event, .. }, Ok(Answer::Accepted(Some(accepted))))
                    if accepted.leased =>
                {
                    granted.push(event.response_id.clone());
                }
                (Write::Claim { .. }, Ok(Answer::Claimed(claimed))) => {
                    granted.extend(claimed.iter().map(|(event, _)| event.response_id.clone()));
                }
                _ => {}
            }
        }
        granted
    }

    /// Answers what was taken: as it came, with an error, or not at all.
    pub fn answer(&mut self, how: &Answering) {
        let answers = std::mem::take(&mut self.answers).into_iter().map(Some);
        let answers = answers.chain(std::iter::repeat_with(|| None));
        for (write, answer) in self.taken.drain(..).zip(answers) {
            let answer = match (how, answer) {
                (Answering::Truly, Some(answer)) => answer,
                (Answering::Never, _) => continue,
                (Answering::Truly, None) => Err(StoreError::closed()),
                (Answering::Failed(error), _) => Err(error.clone()),
            };
            writer::reply(write, answer, &self.context.owner);
        }
    }
}

/// What whoever wrote hears of it.
#[derive(Debug, Clone)]
pub enum Answering {
    /// What happened.
    Truly,
    /// That it failed, whatever happened.
    Failed(StoreError),
    /// Nothing.
    Never,
}

/// What one process asks to read.
#[derive(Debug)]
pub struct Reading {
    database: Database,
    asked: mpsc::Receiver<Read>,
}

/// One read.
#[derive(Debug)]
pub struct Read {
    selects: Vec<Select>,
    reply: oneshot::Sender<Result<Vec<RowStream>, StoreError>>,
}

pub(super) async fn select(
    reads: &mpsc::Sender<Read>,
    selects: Vec<Select>,
) -> Result<Vec<RowStream>, StoreError> {
    let (reply, answer) = oneshot::channel();
    let read = Read { selects, reply };
    reads.send(read).await.map_err(|_| StoreError::closed())?;
    answer.await.unwrap_or_else(|_| Err(StoreError::closed()))
}

impl Reading {
    /// The next read; nothing once nobody can ask any more.
    pub async fn next(&mut self) -> Option<Read> {
        self.asked.recv().await
    }

    /// Reads, or fails.
    pub fn answer(&self, read: Read, error: Option<StoreError>) {
        let streams = read.selects.iter().map(|select| self.stream(select));
        let answer = error.map_or_else(|| streams.collect(), Err);
        drop(read.reply.send(answer));
    }

    fn stream(&self, select: &Select) -> Result<RowStream, StoreError> {
        let rows: Vec<Cells> = self.database.rows(&select.statement, &select.kinds)?;
        let (sender, stream) = stream::channel();
        sender.send_now(rows);
        sender.end(Ok(()));
        Ok(stream)
    }
}
