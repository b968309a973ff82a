//! Complete: backfill, bursts, reconcile, silence, erasure.

mod backfill;
mod burst;
mod reconcile;
mod support;
