//! Lease to outcome: from the committed event to the committed row.
//!
//! Nothing polls on the hot way: the commit hands the lease to a worker in memory, the worker hands the row to the
//! store, the store's commit wakes the listeners. A worker is a permit: an event that finds one free is accepted
//! already leased, one that finds none waits in the table until [`recovery`] claims it.

mod burst;
mod held;
pub mod recovery;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ingester_core::inbox::{Acceptance, Event, Lease};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::changes::Changes;
use crate::lifecycle::{self, Lifecycle};
use crate::qualtrics::Qualtrics;
use crate::store::{LeaseWish, Store, StoreError};
use crate::surveys::Surveys;
use crate::telemetry::metrics::{EventOutcome, Metrics};
use held::Held;

/// Events worked on at a time. Most of an event's life is one HTTP round trip; the client adapts how many of those are
/// under way, this bounds what waits for it in memory.
const WORKERS: usize = 64;

/// What the pipeline works with.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Inbox and tables.
    pub store: Store,
    /// Definitions and their maps.
    pub surveys: Surveys,
    /// Where responses are read.
    pub qualtrics: Qualtrics,
    /// Who is told of rows.
    pub changes: Changes,
    /// What is counted.
    pub metrics: Metrics,
    /// Who owns the tasks.
    pub life: Lifecycle,
}

/// The way from event to row. Cheap to clone, which every event does twice.
#[derive(Debug, Clone)]
pub struct Pipeline {
    parts: Arc<Parts>,
    permits: Arc<Semaphore>,
    held: Held,
    signals: Arc<Signals>,
}

/// What recovery listens to.
#[derive(Debug, Default)]
struct Signals {
    /// A permit is free, or something waits.
    wake: Notify,
    /// Something may wait in the table that is due.
    waiting: AtomicBool,
}

/// What a callback is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// Durable.
    Accepted,
    /// Known already.
    Duplicate,
}

impl Pipeline {
    /// Starts the parts that run by themselves: recovery, and the renewal of leases.
    #[must_use]
    pub fn start(parts: Parts) -> Self {
        let pipeline = Self {
            permits: Arc::new(Semaphore::new(WORKERS)),
            held: Held::default(),
            signals: Arc::default(),
            parts: Arc::new(parts),
        };
        // What a former process left behind is looked for at once.
        pipeline.signals.waiting.store(true, Ordering::Release);
        let life = &pipeline.parts.life;
        life.spawn_part("recovery", recovery::run(pipeline.clone()));
        life.spawn_part(
            "leases",
            held::renew(
                pipeline.held.clone(),
                pipeline.parts.store.clone(),
                life.clone(),
            ),
        );
        pipeline
    }

    /// Makes an event durable and hands it to a worker. A sender that hangs up stops nothing.
    ///
    /// # Errors
    /// If it could not be committed; it may be stored all the same.
    pub async fn accept(&self, event: Event) -> Result<Accepted, StoreError> {
        let pipeline = self.clone();
        let accepting = async move { pipeline.accept_and_offer(event).await };
        self.parts.life.carry("callback", accepting).await
    }

    async fn accept_and_offer(&self, event: Event) -> Result<Accepted, StoreError> {
        let permit = (self.reads_left() > 0)
            .then(|| self.permits.clone().try_acquire_owned().ok())
            .flatten();
        let wish = if permit.is_some() {
            LeaseWish::Lease
        } else {
            LeaseWish::Wait
        };
        let acceptance = self.parts.store.accept(event, wish).await?;
        lifecycle::crash_point("accepted");
        match acceptance {
            Acceptance::Duplicate => {
                self.parts.metrics.event(EventOutcome::Duplicate);
                Ok(Accepted::Duplicate)
            }
            Acceptance::Pending => {
                self.parts.metrics.event(EventOutcome::Accepted);
                self.signals.waiting.store(true, Ordering::Release);
                // Otherwise whoever gives a permit back wakes it, or the next second does.
                if self.claimable() > 0 {
                    self.signals.wake.notify_one();
                }
                Ok(Accepted::Accepted)
            }
            Acceptance::Leased(lease) => {
                self.parts.metrics.event(EventOutcome::Accepted);
                match permit {
                    Some(permit) => self.work(lease, permit),
                    None => self.parts.store.release(lease).await,
                }
                Ok(Accepted::Accepted)
            }
        }
    }

    /// Gives a lease to a worker. The permit comes back when the work is over, and recovery hears of it.
    fn work(&self, lease: Lease, permit: OwnedSemaphorePermit) {
        let pipeline = self.clone();
        self.parts.life.spawn("worker", async move {
            worker::run(&pipeline, lease).await;
            drop(permit);
            if pipeline.signals.waiting.load(Ordering::Acquire) {
                pipeline.signals.wake.notify_one();
            }
        });
    }

    /// How many more events could be read now, counting that each one at work still has to be. Beyond that they wait in
    /// the table, where an export finds them and any instance may take them, and not under a lease for a turn that is
    /// a minute away.
    fn reads_left(&self) -> usize {
        let calls_left = self.parts.qualtrics.figures().calls_left;
        usize::try_from(calls_left)
            .unwrap_or(usize::MAX)
            .saturating_sub(WORKERS - self.permits.available_permits())
    }

    /// How many events could be claimed now.
    fn claimable(&self) -> usize {
        let free = self.permits.available_permits();
        free.min(self.reads_left())
    }

    /// Tells recovery that something became due, such as after `inbox retry`.
    pub fn look(&self) {
        self.signals.waiting.store(true, Ordering::Release);
        self.signals.wake.notify_one();
    }
}
