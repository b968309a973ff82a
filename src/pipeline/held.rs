//! The leases that this process holds: renewed while work goes on, and worked on no longer once they are lost.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ingester_core::inbox::{Fence, LEASE, Lease};
use tokio_util::sync::CancellationToken;

use crate::lifecycle::Lifecycle;
use crate::store::Store;

/// Renewing thrice within a lease leaves room for one renewal that fails.
const RENEW_EVERY: Duration = Duration::from_millis(3_000);

/// The fences under which work goes on. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Held(Arc<Mutex<BTreeMap<Fence, CancellationToken>>>);

/// One lease being worked on; dropping it ends its renewal.
#[derive(Debug)]
pub(super) struct Holding {
    held: Held,
    fence: Fence,
    lost: CancellationToken,
}

impl Holding {
    /// Completes when the lease is known to be lost: go on and nothing of it would be written.
    pub(super) async fn lost(&self) {
        self.lost.cancelled().await;
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.held.lock().remove(&self.fence);
    }
}

impl Held {
    pub(super) fn hold(&self, lease: &Lease) -> Holding {
        let (fence, lost) = (lease.fence(), CancellationToken::new());
        self.lock().insert(fence.clone(), lost.clone());
        Holding {
            held: self.clone(),
            fence,
            lost,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Fence, CancellationToken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fences(&self) -> Vec<Fence> {
        self.lock().keys().cloned().collect()
    }

    fn lose(&self, fence: &Fence) {
        if let Some(token) = self.lock().get(fence) {
            token.cancel();
        }
    }
}

/// Renews what is held, until the last work of a shutdown is over.
pub(super) async fn renew(held: Held, store: Store, life: Lifecycle) {
    let mut ticks = tokio::time::interval(RENEW_EVERY);
    // After a pause of the machine one renewal is due, not one for each that was missed.
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = life.aborting().cancelled() => return,
            () = life.stopping().cancelled(), if held.fences().is_empty() => return,
            _ = ticks.tick() => {}
        }
        let fences = held.fences();
        if fences.is_empty() {
            continue;
        }
        // A database that doesn't answer within a lease's time has let them all run out.
        match tokio::time::timeout(LEASE, store.renew(fences)).await {
            Ok(Ok(lost)) => lost.iter().for_each(|fence| held.lose(fence)),
            Ok(Err(error)) => tracing::debug!(%error, "leases could not be renewed"),
            Err(_) => held.fences().iter().for_each(|fence| held.lose(fence)),
        }
    }
}
