//! What is over is removed in small batches, so that no transaction of it delays an event.

use std::time::Duration;

use ingester_core::sql;

use crate::lifecycle::{self, Lifecycle};
use crate::store::Store;

const EVERY: Duration = Duration::from_secs(60);
/// Events or changes removed at once.
const BATCH: u32 = 500;
/// How long the change log reaches back.
pub const CHANGES_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// Runs until the shutdown starts.
pub async fn run(store: Store, retention: Duration, life: Lifecycle) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = life.stopping().cancelled() => return,
            _ = ticks.tick() => {}
        }
        while !life.stopping().is_cancelled() && tidy(&store, retention).await {
            tokio::task::yield_now().await;
        }
    }
}

/// Removes one batch of each kind. True if there may be more.
async fn tidy(store: &Store, retention: Duration) -> bool {
    let now = lifecycle::now();
    let before = |age: Duration| now.checked_sub(age).unwrap_or(now);
    let statements = vec![
        sql::inbox::retire(before(retention), BATCH),
        sql::changes::trim(before(CHANGES_KEPT), BATCH),
    ];
    match store.run(statements).await {
        Ok(removed) => removed.iter().any(|&rows| rows >= u64::from(BATCH)),
        Err(error) => {
            tracing::debug!(%error, "nothing could be tidied");
            false
        }
    }
}
