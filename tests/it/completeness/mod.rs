//! Complete: backfill, bursts, reconcile, silence, erasure.

mod backfill;
mod burst;
mod erase;
mod hana;
mod late;
mod reconcile;
mod scheduler;
mod silence;
mod support;
