//! Complete: backfill, bursts, reconcile, silence, erasure.

mod backfill;
mod burst;
mod support;
