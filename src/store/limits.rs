//! How long a read may take, on either store.

use std::time::Duration;

use super::Reader;

/// Limits of a read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// How long it may wait for a connection.
    pub(super) queue: Duration,
    /// How long the database may work on it.
    pub(super) work: Duration,
    /// How long it waits for whoever asked to take some rows.
    pub(super) stall: Duration,
    /// How long it may hold its connection, whoever is slow.
    pub(super) whole: Duration,
    /// What an embedded reader's connection keeps in memory, and as much again while it sorts. Viewers count and scan:
    /// that the key's index of 100,000 rows fits makes `/$count` several times as fast.
    pub(super) cache_kib: i64,
}

impl Reader {
    pub(super) fn limits(self) -> Limits {
        let seconds = Duration::from_secs;
        match self {
            Self::Service => Limits {
                queue: seconds(30),
                work: seconds(30),
                stall: seconds(30),
                whole: seconds(300),
                cache_kib: 1024,
            },
            Self::Viewer => Limits {
                queue: seconds(5),
                work: seconds(15),
                stall: seconds(10),
                whole: seconds(300),
                cache_kib: 3072,
            },
        }
    }
}
