//! The database: one SQLite in memory behind a mutex that is held for one statement at a time. Transactions are rows'
//! versions (see [`rows`]): what is not committed is invisible to others, readers never wait, and writers wait for the
//! rows that another transaction wrote or locked, as HANA does under READ COMMITTED.

mod alter;
pub(crate) mod catalog;
mod create;
mod define;
mod execute;
mod functions;
mod functions_instant;
mod functions_text;
mod lock;
mod rows;
mod storage;
pub(crate) mod system;
mod views;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::dialect::compile::{Viewpoint, compile};
use crate::dialect::parse::Parsed;
use crate::dialect::plan::{Body, Plan};
use crate::error::{SqlError, code};
use crate::value::Value;
use catalog::Catalog;
use functions::Sequences;
use system::ConnectionRow;

/// Texts that are kept prepared.
const STATEMENTS_KEPT: usize = 512;

/// The database of one server. It outlives every session.
pub(crate) struct Engine {
    state: Mutex<State>,
    /// Signalled whenever a transaction ends.
    ended: Condvar,
}

pub(super) struct State {
    sqlite: Connection,
    catalog: Catalog,
    /// Open transactions and the tables that they wrote.
    transactions: HashMap<i64, BTreeSet<i64>>,
    /// Rows that FOR UPDATE took: table and row to transaction.
    row_locks: HashMap<(i64, i64), i64>,
    /// Who waits for whom.
    waits: HashMap<i64, i64>,
    last_transaction: i64,
    sequences: Sequences,
    connections: BTreeMap<i64, ConnectionRow>,
}

/// A session's view of its transaction.
#[derive(Debug)]
pub(crate) struct Transaction {
    id: Option<i64>,
    /// How long it waits for a row.
    pub(crate) lock_wait: Duration,
}

/// Who executes.
#[derive(Debug)]
pub(crate) struct Executor<'a> {
    pub(crate) viewpoint: &'a Viewpoint,
    pub(crate) variables: &'a BTreeMap<String, String>,
}

/// What a statement gave.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Executed {
    Rows(Vec<Vec<Value>>),
    Affected(u64),
}

/// Why a statement stopped.
pub(super) enum Interrupt {
    Error(SqlError),
    /// Another transaction holds a row.
    Blocked(Blocked),
}

/// What is waited for.
pub(super) struct Blocked {
    by: i64,
    /// A key that the other is about to insert.
    new_key: Option<Contended>,
    /// How long at most, where the statement says so itself.
    wait: Option<Duration>,
}

/// Table and key, written out.
type Contended = (i64, String);

impl From<SqlError> for Interrupt {
    fn from(error: SqlError) -> Self {
        Self::Error(error)
    }
}

impl From<rusqlite::Error> for Interrupt {
    fn from(error: rusqlite::Error) -> Self {
        Self::Error(functions::sql_error(&error))
    }
}

impl Transaction {
    pub(crate) fn new(lock_wait: Duration) -> Self {
        Self {
            id: None,
            lock_wait,
        }
    }

    /// Whether anything was written or locked.
    pub(crate) fn is_open(&self) -> bool {
        self.id.is_some()
    }
}

impl Engine {
    /// An empty database.
    pub(crate) fn new() -> rusqlite::Result<Self> {
        let sqlite = Connection::open_in_memory()?;
        sqlite.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        let sequences = Sequences::default();
        functions::register(&sqlite, Sequences::clone(&sequences))?;
        let mut state = State {
            sqlite,
            catalog: Catalog::default(),
            transactions: HashMap::new(),
            row_locks: HashMap::new(),
            waits: HashMap::new(),
            last_transaction: 0,
            sequences,
            connections: BTreeMap::new(),
        };
        state.create_system_views()?;
        Ok(Self {
            state: Mutex::new(state),
            ended: Condvar::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs with the catalog, e.g. to add users; the system views follow.
    pub(crate) fn change_catalog(&self, change: impl FnOnce(&mut Catalog)) -> Result<(), SqlError> {
        let mut state = self.state();
        change(&mut state.catalog);
        state.catalog_changed()
    }

    /// Shows a connection in `M_CONNECTIONS`, or no longer.
    pub(crate) fn set_connection(&self, id: i64, connection: Option<ConnectionRow>) {
        let mut state = self.state();
        match connection {
            Some(connection) => state.connections.insert(id, connection),
            None => state.connections.remove(&id),
        };
        // Only a view of the monitoring is stale if this fails.
        drop(state.refresh_connections());
    }

    /// Compiles a statement against today's catalog.
    pub(crate) fn compile(&self, parsed: &Parsed, viewpoint: &Viewpoint) -> Result<Plan, SqlError> {
        compile(parsed, &self.state().catalog, viewpoint)
    }

    /// Whether a plan is older than the catalog.
    pub(crate) fn is_stale(&self, plan: &Plan) -> bool {
        self.state().catalog.version != plan.catalog_version
    }

    /// Whether a schema exists and may be seen.
    pub(crate) fn has_schema(&self, user: &str, schema: &str) -> bool {
        let state = self.state();
        state.catalog.schemas.contains_key(schema) && state.catalog.sees(user, schema)
    }

    /// Executes once with one row of parameters. Waits for rows that others hold.
    pub(crate) fn execute(
        &self,
        plan: &Plan,
        parameters: &[Value],
        executor: &Executor<'_>,
        transaction: &mut Transaction,
    ) -> Result<Executed, SqlError> {
        let mut contended = HashSet::new();
        let started = Instant::now();
        let mut state = self.state();
        loop {
            let writes = !matches!(plan.body, Body::Query { lock: None, .. });
            if writes && transaction.id.is_none() {
                transaction.id = Some(state.begin());
            }
            let blocked =
                match state.attempt(plan, parameters, executor, transaction.id, &contended) {
                    Ok(executed) => return Ok(executed),
                    Err(Interrupt::Error(error)) => {
                        drop(state);
                        return Err(self.after_error(error, transaction));
                    }
                    Err(Interrupt::Blocked(blocked)) => blocked,
                };
            let wait = blocked.wait.unwrap_or(transaction.lock_wait);
            state = match self.wait(state, transaction.id, blocked.by, started + wait) {
                Ok(state) => state,
                Err(error) => return Err(self.after_error(error, transaction)),
            };
            contended.extend(blocked.new_key);
        }
    }

    /// Some errors end the transaction.
    fn after_error(&self, error: SqlError, transaction: &mut Transaction) -> SqlError {
        if error.rolls_back() {
            self.rollback(transaction);
        }
        error
    }

    /// Waits until a transaction ends; a circle of waits is a deadlock, too long a wait a time-out.
    fn wait<'s>(
        &'s self,
        mut state: MutexGuard<'s, State>,
        waiting: Option<i64>,
        holder: i64,
        deadline: Instant,
    ) -> Result<MutexGuard<'s, State>, SqlError> {
        let waiting = waiting.unwrap_or_default();
        if state.waits_for(holder, waiting) {
            return Err(SqlError::new(code::DEADLOCK, ""));
        }
        state.waits.insert(waiting, holder);
        while state.transactions.contains_key(&holder) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.waits.remove(&waiting);
                return Err(SqlError::new(code::LOCK_TIMEOUT, ""));
            }
            (state, _) = self
                .ended
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.waits.remove(&waiting);
        Ok(state)
    }

    /// Makes the transaction's rows visible to everyone.
    pub(crate) fn commit(&self, transaction: &mut Transaction) -> Result<(), SqlError> {
        let Some(id) = transaction.id.take() else {
            return Ok(());
        };
        let result = self.state().end(id, rows::End::Commit);
        self.ended.notify_all();
        result.map_err(|error| functions::sql_error(&error))
    }

    /// Forgets the transaction's rows.
    pub(crate) fn rollback(&self, transaction: &mut Transaction) {
        let Some(id) = transaction.id.take() else {
            return;
        };
        // Nothing can be told to anyone if this fails, and nothing was promised.
        drop(self.state().end(id, rows::End::Rollback));
        self.ended.notify_all();
    }
}

impl State {
    fn begin(&mut self) -> i64 {
        self.last_transaction += 1;
        self.transactions
            .insert(self.last_transaction, BTreeSet::new());
        self.last_transaction
    }

    /// Whether one transaction waits for another, directly or through others.
    fn waits_for(&self, from: i64, to: i64) -> bool {
        std::iter::successors(Some(&from), |at| self.waits.get(at))
            .take(self.waits.len() + 1)
            .any(|at| *at == to)
    }

    /// After every change of the catalog: plans are stale, the system views new.
    fn catalog_changed(&mut self) -> Result<(), SqlError> {
        self.catalog.version += 1;
        self.refresh_system_views()
            .map_err(|error| functions::sql_error(&error))
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}
