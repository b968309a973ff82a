//! What the handle and the dispatcher tell each other beside asks: wishes one way, figures the other.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::Instant;

pub use super::queue::Waiting;

/// Which part of the rate is this instance's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// How many instances live on the database, this one included.
    pub instances: NonZeroU32,
    /// How many single reads the others' last 60 seconds hold, as far as is known ([`Figures::reads_in_window`]); zero
    /// if it isn't. With it, an instance that joins a busy one does not exceed the sum in its first minute.
    pub reads_elsewhere: u32,
}

/// How the client stands, for whoever decides between single reads and an export.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Single reads that may be sent at once.
    pub calls_left: u32,
    /// Single reads that 60 seconds may hold, of this instance.
    pub per_minute: u32,
    /// Single reads that the last 60 seconds hold.
    pub reads_in_window: u32,
    /// Asks for single responses that wait for their turn.
    pub waiting: Waiting,
    /// How long the last export took that was asked for live or for a retry, from its start until its last document.
    pub last_export: Option<Duration>,
    pub(super) paused_until: Option<Instant>,
}

impl Figures {
    /// For how long no single read is sent because Qualtrics answered 429; zero if it may be.
    #[must_use]
    pub fn pause(&self) -> Duration {
        self.paused_until.map_or(Duration::ZERO, |until| {
            until.saturating_duration_since(Instant::now())
        })
    }
}

/// What the service wishes of the dispatcher.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wishes {
    pub(super) share: Share,
    /// How many bursts are going on.
    pub(super) bursts: usize,
}

impl Default for Wishes {
    fn default() -> Self {
        Self {
            share: Share {
                instances: NonZeroU32::MIN,
                reads_elsewhere: 0,
            },
            bursts: 0,
        }
    }
}

impl Wishes {
    /// This instance's share of the rate. At least one, so that a rate below the number of instances is exceeded rather
    /// than leaving one of them without any.
    pub(super) fn quota(&self, requests_per_minute: u32) -> u32 {
        (requests_per_minute / self.share.instances).max(1)
    }

    /// What else limits single reads at present.
    pub(super) fn cap(&self, requests_per_minute: u32) -> u32 {
        let free = requests_per_minute.saturating_sub(self.share.reads_elsewhere);
        if self.bursts == 0 {
            free
        } else {
            free.min((self.quota(requests_per_minute) / 4).max(1))
        }
    }
}
