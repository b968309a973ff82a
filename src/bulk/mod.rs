//! Many responses at a time: an export in, rows out. Bursts, backfill and reconcile all come this way.
//!
//! [`Reading`] turns an export into digested rows a chunk at a time, [`Loader`] writes them and settles the events that
//! waited for them. Neither ever holds more than a few chunks, however large the export is.

mod loader;
mod reading;

pub use loader::{Loader, Totals};
pub use reading::{Digest, Reading, ReadingError, digest};
