//! The one thread that writes. It takes all that is queued, commits it as one transaction, and only then answers.
//! Batching is by drain, never by waiting: an idle service commits at once, a busy one batches by itself.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use ingester_core::inbox::{Acceptance, Lease, Owner};
use ingester_core::sql::{Dialect, Statement, ddl, inbox, runs};
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::mpsc;

use super::apply::{self, Answer, Context};
use super::{BUSY_TIMEOUT, STATEMENTS_CACHED, lock};
use crate::lifecycle;
use crate::store::error::StoreError;
use crate::store::write::Write;
use crate::store::{Health, Role, batch};
use crate::telemetry::metrics::Metrics;

/// Writes committed together at most: enough to share a sync, few enough to bound what waits behind it.
pub(in crate::store) const BATCH_MAX: usize = 512;

/// Pages of 4 KiB in the log before it is taken into the file: the pages that every event touches are then written there
/// once for some 400 events instead of once for 100.
const LOG_PAGES: i64 = 4_000;

/// What the writer starts with.
pub(in crate::store) struct Setup {
    pub(in crate::store) path: PathBuf,
    pub(in crate::store) role: Role,
    pub(in crate::store) owner: Owner,
    pub(in crate::store) health: Arc<Health>,
    pub(in crate::store) metrics: Metrics,
    pub(in crate::store) queue: mpsc::Receiver<Write>,
}

/// Starts the thread. It ends when every handle of the store is dropped, after it committed what was queued.
///
/// # Errors
/// If another `serve` holds the file.
pub(in crate::store) fn start(setup: Setup) -> Result<(), StoreError> {
    let locked = match setup.role {
        Role::Service => lock(&setup.path)?,
        Role::Command => None,
    };
    let mut writer = Writer {
        take_over: setup.role == Role::Service,
        path: setup.path,
        owner: setup.owner,
        health: setup.health,
        metrics: setup.metrics,
        connection: None,
        uncleared: false,
        _lock: locked,
    };
    // Before anybody can ask: whoever reads finds our own tables there, or the reason why not.
    let opened = writer.open();
    writer.report(opened.err());
    let mut queue = setup.queue;
    std::thread::Builder::new()
        .name("sqlite-writer".to_owned())
        .spawn(move || writer.run(&mut queue))
        .map_err(|error| StoreError::unavailable(error.to_string()))?;
    Ok(())
}

struct Writer {
    path: PathBuf,
    owner: Owner,
    health: Arc<Health>,
    metrics: Metrics,
    connection: Option<(Connection, Context)>,
    /// Leases of a process that is gone are freed once, when the file is first opened.
    take_over: bool,
    /// The log still holds what was erased.
    uncleared: bool,
    _lock: Option<File>,
}

impl Writer {
    fn run(&mut self, queue: &mut mpsc::Receiver<Write>) {
        let mut writes = Vec::with_capacity(BATCH_MAX);
        while queue.blocking_recv_many(&mut writes, BATCH_MAX) > 0 {
            let begun = Instant::now();
            let (answers, has_written) = self.commit(&writes);
            self.metrics.database("commit", begun.elapsed());
            let verdict = verdict(&writes, &answers);
            if verdict.is_some() || self.is_healed(&writes, &answers, has_written) {
                self.report(verdict);
            }
            for (write, answer) in writes.drain(..).zip(answers) {
                reply(write, answer, &self.owner);
            }
        }
    }

    /// Whether what kept events from being stored is over. Only what was written proves that a file can be: most claims
    /// find nothing, and succeed on a full disk.
    fn is_healed(
        &self,
        writes: &[Write],
        answers: &[Result<Answer, StoreError>],
        has_written: bool,
    ) -> bool {
        match self.health.problem() {
            // The inbox itself was refused, whatever else can be written.
            Some(problem) if problem.concerns_one_write() => writes
                .iter()
                .zip(answers)
                .any(|(write, answer)| is_of_inbox(write) && answer.is_ok()),
            Some(_) => has_written,
            None => false,
        }
    }

    fn report(&self, problem: Option<StoreError>) {
        self.metrics.database_up(problem.is_none());
        match (&problem, self.health.problem()) {
            (Some(error), None) => tracing::error!(%error, "events can't be stored: {error}"),
            (None, Some(_)) => tracing::info!("events can be stored again"),
            _ => {}
        }
        self.health.set(problem);
    }

    /// Answers each write, and whether anything was written at all.
    fn commit(&mut self, writes: &[Write]) -> (Vec<Result<Answer, StoreError>>, bool) {
        if let Err(error) = self.open() {
            return (writes.iter().map(|_| Err(error.clone())).collect(), false);
        }
        let Some((connection, context)) = &mut self.connection else {
            return (Vec::new(), false);
        };
        context.now = lifecycle::now();
        let changes_before = connection.total_changes();
        let mut answers = batch::commit(writes, &mut |writes: &[Write]| {
            transaction(connection, context, writes)
        });
        let has_written =
            answers.iter().any(Result::is_ok) && connection.total_changes() > changes_before;
        let failed = |answer: &Result<Answer, StoreError>| {
            answer.as_ref().is_err_and(StoreError::breaks_connection)
        };
        if answers.iter().any(failed) {
            // A sync that failed once may report success the next time although the pages are gone.
            self.connection = None;
        } else {
            self.uncleared |= writes
                .iter()
                .any(|write| matches!(write, Write::Erase { .. }));
            if self.uncleared {
                // What was erased must not live on in the log; a reader may delay that, the next commit tries again.
                self.uncleared = !checkpoint(connection).unwrap_or(false);
            }
            for answer in &mut answers {
                if let Ok(Answer::Erased(erased)) = answer {
                    erased.log_cleared = !self.uncleared;
                }
            }
        }
        (answers, has_written)
    }

    /// Opens the file if it is not open: settings, own tables, what a former process left leased.
    fn open(&mut self) -> Result<(), StoreError> {
        if self.connection.is_some() {
            return Ok(());
        }
        let mut connection = Connection::open(&self.path)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // Erased answers must not stay readable in free pages.
        connection.pragma_update(None, "secure_delete", true)?;
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update_and_check(None, "wal_autocheckpoint", LOG_PAGES, |_| Ok(()))?;
        // After a failed sync the log may have a hole that only power loss would show: begin a new one.
        checkpoint(&connection)?;
        let context = prepare(&mut connection, &self.owner, self.take_over)?;
        self.take_over = false;
        self.connection = Some((connection, context));
        Ok(())
    }
}

/// What keeps events from being stored, as far as a batch shows: anything that fails whatever is written, and whatever
/// an event on its way in meets.
fn verdict(writes: &[Write], answers: &[Result<Answer, StoreError>]) -> Option<StoreError> {
    writes
        .iter()
        .zip(answers)
        .find_map(|(write, answer)| match answer {
            Err(error) if !error.concerns_one_write() || is_of_inbox(write) => Some(error.clone()),
            _ => None,
        })
}

/// Whether a write is about the inbox alone.
fn is_of_inbox(write: &Write) -> bool {
    matches!(write, Write::Accept { .. } | Write::Claim { .. })
}

/// Makes our own tables where they are missing, frees what a former process left leased if `take_over`, and answers
/// what writes are applied with.
pub(in crate::store) fn prepare(
    connection: &mut Connection,
    owner: &Owner,
    take_over: bool,
) -> Result<Context, StoreError> {
    let now = lifecycle::now();
    let salt = uuid::Uuid::new_v4().simple().to_string();
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for statement in ddl::OWN_TABLES
        .iter()
        .flat_map(|table| table.create(Dialect::Sqlite))
    {
        transaction.execute_batch(&statement)?;
    }
    apply::execute(
        &transaction,
        &runs::put_once("format", "", &ddl::FORMAT_VERSION.to_string()),
    )?;
    apply::execute(&transaction, &runs::put_once("salt", "", &salt))?;
    if take_over {
        apply::execute(&transaction, &inbox::take_over(now))?;
    }
    let salt = state(&transaction, &runs::list("salt"))?;
    let format = state(&transaction, &runs::list("format"))?;
    if format.parse() != Ok(ddl::FORMAT_VERSION) {
        return Err(StoreError::unavailable(format!(
            "its tables have format {format}, this version knows {}: use the release that wrote them",
            ddl::FORMAT_VERSION
        )));
    }
    transaction.commit()?;
    Ok(Context {
        owner: owner.clone(),
        salt,
        now,
    })
}

fn state(connection: &Connection, statement: &Statement) -> Result<String, StoreError> {
    let mut prepared = connection.prepare(statement.text())?;
    let binds = rusqlite::params_from_iter(statement.binds().iter().map(super::value::Bind));
    Ok(prepared.query_row(binds, |row| row.get("STATE"))?)
}

/// Takes the log into the file and cuts it to nothing. False if a reader keeps it from that.
fn checkpoint(connection: &Connection) -> Result<bool, StoreError> {
    let busy: i64 =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    Ok(busy == 0)
}

/// Applies writes and commits them as one transaction, or does nothing.
pub(in crate::store) fn transaction(
    connection: &mut Connection,
    context: &Context,
    writes: &[Write],
) -> Result<Vec<Answer>, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    lifecycle::crash_point("begun");
    let answers = writes
        .iter()
        .map(|write| apply::apply(&transaction, context, write))
        .collect::<Result<Vec<_>, _>>()?;
    lifecycle::crash_point("applied");
    transaction.commit()?;
    lifecycle::crash_point("committed");
    Ok(answers)
}

/// Hands an answer to whoever asked; nobody may be there any more, and the write stands all the same.
pub(in crate::store) fn reply(write: Write, answer: Result<Answer, StoreError>, owner: &Owner) {
    macro_rules! answer_with {
        ($reply:expr, $pattern:pat => $value:expr) => {
            drop($reply.send(answer.and_then(|answer| match answer {
                $pattern => Ok($value),
                _ => Err(StoreError::unexpected("an answer belongs to another write")),
            })))
        };
    }
    match write {
        Write::Accept {
            mut event,
            lease: _,
            reply,
        } => answer_with!(reply, Answer::Accepted(accepted) => match accepted {
            None => Acceptance::Duplicate,
            Some(apply::Accepted { completed_at, leased }) => {
                event.completed_at = completed_at;
                if leased { Acceptance::Leased(Lease::taken(event, owner.clone(), 1)) } else { Acceptance::Pending }
            }
        }),
        Write::Claim { reply, .. } => answer_with!(reply, Answer::Claimed(claimed) => {
            claimed.into_iter().map(|(event, attempt)| Lease::taken(event, owner.clone(), attempt)).collect()
        }),
        Write::Renew { reply, .. } => answer_with!(reply, Answer::Lost(lost) => lost),
        Write::Finish { reply, .. } => answer_with!(reply, Answer::Finished(finished) => finished),
        Write::Release { reply, .. } => answer_with!(reply, Answer::Released => ()),
        Write::Load { reply, .. } => answer_with!(reply, Answer::Loaded(report) => report),
        Write::Erase { reply, .. } => answer_with!(reply, Answer::Erased(erased) => erased),
        Write::Run { reply, .. } => answer_with!(reply, Answer::Ran(counts) => counts),
        Write::Rehearse { reply, .. } => answer_with!(reply, Answer::Rehearsed(rows) => rows),
    }
}
