//! Claims what was left behind: due retries, events that found no worker free, and those of a process that is gone.
//!
//! It looks once a second, and at once when a worker is free while something waits; it asks for exactly as many as
//! there are permits and reads left, newest first. What can't be read soon is left to a [`burst`](super::burst).

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Pipeline;
use super::burst::Bursts;
use crate::lifecycle;

/// How soon a due retry or an expired lease is seen.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(super) async fn run(pipeline: Pipeline) {
    let stopping = pipeline.parts.life.stopping().clone();
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut bursts = Bursts::default();
    loop {
        tokio::select! {
            biased;
            () = stopping.cancelled() => return,
            _ = ticks.tick() => if pipeline.signals.waiting.load(Ordering::Acquire) {
                bursts.look(&pipeline).await;
            },
            () = pipeline.signals.wake.notified() => {}
        }
        claim(&pipeline).await;
    }
}

async fn claim(pipeline: &Pipeline) {
    let free = pipeline.claimable();
    let surveys = pipeline.parts.surveys.ids();
    let Ok(limit) = u32::try_from(free) else {
        return;
    };
    if limit == 0 || surveys.is_empty() {
        return;
    }
    // Cleared before looking: what comes to wait meanwhile sets it again.
    pipeline.signals.waiting.store(false, Ordering::Release);
    match pipeline.parts.store.claim(surveys, limit).await {
        Ok(leases) => {
            if !leases.is_empty() {
                lifecycle::crash_point("claimed");
            }
            if leases.len() == free {
                pipeline.signals.waiting.store(true, Ordering::Release);
            }
            for lease in leases {
                match pipeline.permits.clone().try_acquire_owned() {
                    Ok(permit) => pipeline.work(lease, permit),
                    // A callback took the permit meanwhile.
                    Err(_) => pipeline.parts.store.release(lease).await,
                }
            }
        }
        Err(error) => tracing::debug!(%error, "nothing could be claimed"),
    }
}
