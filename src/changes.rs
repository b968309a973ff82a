//! Fan-out of committed rows to listeners, with positions to resume from.
//!
//! Every listener has a bounded share of a ring; one that is too slow is cut and resumes from the change log by its
//! last position.

use ingester_core::inbox::Change;
use std::sync::Arc;
use tokio::sync::broadcast;

/// Changes that a listener may lag behind.
const LAG_MAX: usize = 1024;

/// The wake-up of everybody who listens. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Changes {
    sender: broadcast::Sender<Arc<Change>>,
}

impl Default for Changes {
    fn default() -> Self {
        Self {
            sender: broadcast::channel(LAG_MAX).0,
        }
    }
}

impl Changes {
    /// Tells all listeners of a committed row.
    pub fn publish(&self, change: Change) {
        // Nobody listening is no error.
        drop(self.sender.send(Arc::new(change)));
    }

    /// Listens from now on. To miss nothing, subscribe first and read the log after that.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Change>> {
        self.sender.subscribe()
    }

    /// How many listen.
    #[must_use]
    pub fn listeners(&self) -> usize {
        self.sender.receiver_count()
    }
}
