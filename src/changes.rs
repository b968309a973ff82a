//! Fan-out of committed rows to listeners, with positions to resume from.
//!
//! The change log is the one source: it is looked at as soon as this process commits a row, and once a second for what
//! others commit to the same database. One look serves all listeners, and there is none while nobody listens. So on
//! SQLite changes come in the order of their positions, each once, and whoever knows a position has missed nothing
//! before it. Every listener has a bounded share of a ring; one that is too slow resumes from the log.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ingester_core::inbox::Change;
use ingester_core::row::{Cell, ColumnType};
use ingester_core::sql::{self, Dialect};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, broadcast};

use crate::lifecycle::{self, Lifecycle};
use crate::store::{Cells, Store, StoreError};

/// Changes that a listener may lag behind.
const LAG_MAX: usize = 1024;
/// Who listens for long, such as event streams; connections are needed for callbacks too.
const SEATS: usize = 1000;
/// How often the log is looked at for what others commit.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Changes read from the log at once.
const PAGE: u32 = 1000;
/// On HANA positions come from a sequence and may become visible out of order, though not later than this.
const LATE_MAX: Duration = Duration::from_secs(60);

/// The wake-up of everybody who listens. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Changes {
    sender: broadcast::Sender<Arc<Change>>,
    seats: Arc<Semaphore>,
    /// There is something to look at, or somebody to look for.
    wake: Arc<Notify>,
    followed: Arc<Mutex<Followed>>,
}

/// Up to where the log was told.
#[derive(Debug, Default)]
struct Followed {
    /// Nothing while nobody listens.
    position: Option<i64>,
    /// What was told of what is looked at again, because smaller positions may still appear among it.
    told: BTreeSet<i64>,
}

impl Default for Changes {
    fn default() -> Self {
        Self {
            sender: broadcast::channel(LAG_MAX).0,
            seats: Arc::new(Semaphore::new(SEATS)),
            wake: Arc::default(),
            followed: Arc::default(),
        }
    }
}

impl Changes {
    /// Says that this process committed rows; listeners hear of them at once.
    pub fn publish(&self) {
        if self.listeners() > 0 {
            self.wake.notify_one();
        }
    }

    /// Listens: to all changes that are not in the log yet, and perhaps to some that are. The position that comes with
    /// the receiver is the newest before them.
    ///
    /// # Errors
    /// If the log can't be read.
    pub async fn listen(
        &self,
        store: &Store,
    ) -> Result<(broadcast::Receiver<Arc<Change>>, i64), StoreError> {
        // In this order: what is committed between the two lines is behind the position and comes.
        let receiver = self.sender.subscribe();
        let newest = newest(store).await?;
        let is_first = self.listeners() == 1;
        if is_first || self.followed().position.is_none() {
            // On HANA the log is looked at again from before this position: what is there already is no news.
            let told = visible_after(store, settled(store, newest).await?).await?;
            let mut followed = self.followed();
            if is_first || followed.position.is_none() {
                // But what was committed since the position was read is, and comes.
                followed.told.extend(told.range(..=newest));
                followed.position = Some(newest);
            }
        }
        self.wake.notify_one();
        Ok((receiver, newest))
    }

    /// A seat for one who listens for long; nothing if all are taken.
    #[must_use]
    pub fn seat(&self) -> Option<OwnedSemaphorePermit> {
        self.seats.clone().try_acquire_owned().ok()
    }

    /// How many listen.
    #[must_use]
    pub fn listeners(&self) -> usize {
        self.sender.receiver_count()
    }

    /// Tells listeners what the log says, until the shutdown starts.
    pub async fn follow(self, store: Store, life: Lifecycle) {
        loop {
            let pause = async {
                if self.listeners() > 0 {
                    drop(tokio::time::timeout(LOOK_EVERY, self.wake.notified()).await);
                } else {
                    self.wake.notified().await;
                }
            };
            tokio::select! {
                biased;
                () = life.stopping().cancelled() => return,
                () = pause => {}
            }
            if let Err(error) = self.look(&store).await {
                tracing::debug!(%error, "the change log could not be looked at");
            }
        }
    }

    async fn look(&self, store: &Store) -> Result<(), StoreError> {
        let known = {
            let mut followed = self.followed();
            if self.listeners() == 0 {
                *followed = Followed::default();
            }
            followed.position
        };
        let Some(known) = known else {
            return Ok(());
        };
        let settled = settled(store, known).await?;
        let mut position = settled;
        loop {
            let changes = after(store, position, PAGE).await?;
            let is_last = u32::try_from(changes.len()).is_ok_and(|read| read < PAGE);
            position = changes.last().map_or(position, |last| last.position);
            let mut followed = self.followed();
            for change in changes {
                if followed.told.insert(change.position) {
                    // Nobody listening any more is no error.
                    drop(self.sender.send(Arc::new(change)));
                }
            }
            followed.position = Some(position.max(known));
            if is_last {
                let again = if store.dialect() == Dialect::Sqlite {
                    position
                } else {
                    settled
                };
                followed.told.retain(|told| *told > again);
                return Ok(());
            }
        }
    }

    fn followed(&self) -> MutexGuard<'_, Followed> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The position behind which nothing new can appear any more, for somebody who has seen all that was visible up to
/// `known`: on SQLite that very position, on HANA the last one that is old enough.
///
/// # Errors
/// If the log can't be read.
pub async fn settled(store: &Store, known: i64) -> Result<i64, StoreError> {
    if store.dialect() == Dialect::Sqlite {
        return Ok(known);
    }
    let now = lifecycle::now();
    let since = now.checked_sub(LATE_MAX).unwrap_or(now);
    let oldest = one(store, sql::changes::oldest_since(since)).await?;
    Ok(oldest.map_or(known, |oldest| known.min(oldest - 1)))
}

/// The newest position of the log; 0 if it is empty.
///
/// # Errors
/// If the log can't be read.
pub async fn newest(store: &Store) -> Result<i64, StoreError> {
    Ok(one(store, sql::changes::newest_position())
        .await?
        .unwrap_or(0))
}

/// The positions that the log has behind one now.
async fn visible_after(store: &Store, mut position: i64) -> Result<BTreeSet<i64>, StoreError> {
    let mut visible = BTreeSet::new();
    loop {
        let changes = after(store, position, PAGE).await?;
        visible.extend(changes.iter().map(|change| change.position));
        match changes.last() {
            Some(last) if u32::try_from(changes.len()).is_ok_and(|read| read == PAGE) => {
                position = last.position;
            }
            _ => return Ok(visible),
        }
    }
}

async fn one(store: &Store, statement: sql::Statement) -> Result<Option<i64>, StoreError> {
    let rows = store.rows(statement, &[ColumnType::BigInt]).await?;
    Ok(match rows.first().map(|row| &**row) {
        Some([Cell::Integer(position)]) => Some(*position),
        _ => None,
    })
}

/// Changes behind a position, in order.
///
/// # Errors
/// If the log can't be read.
pub async fn after(store: &Store, position: i64, limit: u32) -> Result<Vec<Change>, StoreError> {
    let rows = store
        .rows(sql::changes::after(position, limit), &sql::changes::LOGGED)
        .await?;
    Ok(rows.iter().filter_map(change).collect())
}

fn change(row: &Cells) -> Option<Change> {
    let instant = |cell: &Cell| match cell {
        Cell::Timestamp(instant) => Some(*instant),
        _ => None,
    };
    match &**row {
        [
            Cell::Integer(position),
            Cell::Text(survey),
            Cell::Text(response),
            completed_at,
            received_at,
            Cell::Timestamp(committed_at),
        ] => Some(Change {
            position: *position,
            survey_id: survey.parse().ok()?,
            response_id: response.parse().ok()?,
            completed_at: instant(completed_at),
            received_at: instant(received_at),
            committed_at: *committed_at,
        }),
        _ => None,
    }
}
