//! A task that owns one writing connection. It takes all that is queued and commits it; batching is by drain, never
//! by waiting.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use hdbconnect_async::ConnectionConfiguration;
use ingester_core::inbox::Owner;
use ingester_core::sql::inbox::Candidates;
use tokio::sync::mpsc;

use super::connection::Connection;
use super::link::Link;
use crate::store::Health;
use crate::store::error::StoreError;
use crate::store::write::Write;
use crate::telemetry::metrics::Metrics;

/// Writes committed together at most: a few hundred fill a round trip, and bound what waits behind it.
const BATCH_MAX: usize = 512;
/// An unused connection is looked at so often: a firewall drops it unseen, and the next event would wait for that.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(60);

/// What a lane is there for. Every lane can do every write; lanes only keep them from waiting for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Purpose {
    /// Callbacks wait for it: accepts and claims.
    Accept,
    /// Rows: the ends of leases.
    Finish,
    /// Renewals, which must not wait behind a slow batch.
    Lease,
    /// Exports, erasures, definitions: whatever takes long and nobody waits for.
    Bulk,
}

impl Purpose {
    pub(super) const ALL: [Self; 4] = [Self::Accept, Self::Finish, Self::Lease, Self::Bulk];

    /// How long a reply may take. When it is over, the connection is given up; the server rolls back what was begun.
    fn reply_timeout(self) -> Duration {
        match self {
            Self::Accept | Self::Lease => Duration::from_secs(8),
            Self::Finish => Duration::from_secs(15),
            Self::Bulk => Duration::from_secs(60),
        }
    }
}

/// A lane's state.
pub(super) struct Lane {
    pub(super) purpose: Purpose,
    pub(super) link: Arc<Link>,
    pub(super) owner: Owner,
    pub(super) health: Arc<Health>,
    pub(super) metrics: Metrics,
    /// How candidates for a claim are read, as far as the database is known to understand it.
    pub(super) candidates: Candidates,
    connection: Option<Connection>,
}

impl Lane {
    pub(super) fn new(
        purpose: Purpose,
        link: Arc<Link>,
        owner: Owner,
        health: Arc<Health>,
        metrics: Metrics,
    ) -> Self {
        Self {
            purpose,
            link,
            owner,
            health,
            metrics,
            candidates: Candidates::IgnoreLocked,
            connection: None,
        }
    }

    /// Works until every handle of the store is dropped, and what was queued is done.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Write>, eager: bool) {
        if eager {
            // Before the first event: tables are made and the log-on is behind us.
            let connected = self.connection().await.map(drop);
            self.report(connected.err());
        }
        let mut writes = Vec::with_capacity(BATCH_MAX);
        loop {
            let received = tokio::select! {
                received = queue.recv_many(&mut writes, BATCH_MAX) => received,
                () = tokio::time::sleep(KEEP_ALIVE_EVERY) => {
                    self.keep_alive().await;
                    continue;
                }
            };
            if received == 0 {
                return;
            }
            let batch = std::mem::take(&mut writes);
            // The driver has panics that a server can reach. One costs its batch, whose callers hear that the store is
            // closed, and the connection; never the lane.
            if AssertUnwindSafe(self.work(batch))
                .catch_unwind()
                .await
                .is_err()
            {
                tracing::error!(lane = ?self.purpose, "the database driver panicked; a new connection is made");
                self.connection = None;
            }
        }
    }

    /// The connection, made anew if there is none that can be trusted.
    pub(super) async fn connection(&mut self) -> Result<&mut Connection, StoreError> {
        if self.connection.as_ref().is_some_and(Connection::is_stale) {
            self.connection = None;
        }
        if self.connection.is_none() {
            let configuration = ConnectionConfiguration::default()
                .with_auto_commit(false)
                .with_read_timeout(Some(self.purpose.reply_timeout()));
            self.connection = Some(self.link.connect(&configuration).await?);
        }
        self.connection
            .as_mut()
            .ok_or_else(|| StoreError::unavailable("no connection"))
    }

    /// Gives the connection up. The driver says goodbye in the background.
    pub(super) fn disconnect(&mut self) {
        self.connection = None;
    }

    /// Ends a transaction that failed. A connection that can't even do that is given up.
    pub(super) async fn roll_back(&mut self) {
        if let Some(connection) = &mut self.connection
            && connection.rollback().await.is_err()
        {
            self.connection = None;
        }
    }

    async fn keep_alive(&mut self) {
        if let Some(connection) = &mut self.connection
            && connection.commit().await.is_err()
        {
            self.connection = None;
        }
    }

    /// A few milliseconds that differ from process to process.
    pub(super) fn jitter(&self) -> Duration {
        let [byte, ..] = uuid::Uuid::new_v4().into_bytes();
        Duration::from_millis(u64::from(byte) / 8)
    }

    pub(super) fn measure(&self, operation: &'static str, begun: Instant) {
        self.metrics.database(operation, begun.elapsed());
    }

    /// Says once that events can't be stored, and once that they can again. Only the lane that stores them does.
    pub(super) fn report(&self, problem: Option<StoreError>) {
        if self.purpose != Purpose::Accept {
            return;
        }
        self.metrics.database_up(problem.is_none());
        match (&problem, self.health.problem()) {
            (Some(error), None) => tracing::error!(%error, "events can't be stored: {error}"),
            (None, Some(_)) => tracing::info!("events can be stored again"),
            _ => {}
        }
        self.health.set(problem);
    }
}
