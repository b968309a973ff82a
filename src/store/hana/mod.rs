//! The store on SAP HANA.
//!
//! Connections live in two threads of their own, one for writing and one for reading: the driver must never be left
//! half-way (see [`connection`]), so no caller's future ever holds a call of it. Callers await a reply; whoever is
//! dropped drops the reply.
//!
//! Writes queue in four lanes, each a task with one connection, so that a renewal does not wait behind an export. There
//! are no more: a busy writer is what makes batches, and a batch of any size is one round trip a statement.
//!
//! No pool crate: the driver's own hands out connections that a cancelled caller left out of step.

mod accept;
mod bulk;
mod certificate;
mod code;
mod connection;
mod finish;
mod lane;
mod link;
mod positions;
mod readers;
mod recall;
mod transaction;
mod value;
mod waves;

use std::sync::Arc;

use ingester_core::inbox::Owner;
use tokio::sync::mpsc;
use tokio::task::LocalSet;

use super::error::StoreError;
use super::write::Write;
use super::{Health, Role, WRITES_MAX};
use crate::config;
use crate::telemetry::metrics::Metrics;
use accept::{Accept, Claim};
use finish::Finish;
use lane::Lane;
pub(super) use lane::Purpose;
use link::Link;
pub(super) use readers::Readers;

/// What the store starts with.
pub(super) struct Setup {
    pub(super) settings: config::Hana,
    pub(super) role: Role,
    pub(super) owner: Owner,
    pub(super) health: Arc<Health>,
    pub(super) metrics: Metrics,
}

/// Where writes queue, by what they are.
#[derive(Debug, Clone)]
pub(super) struct Lanes([mpsc::Sender<Write>; 4]);

impl Lanes {
    pub(super) fn of(&self, purpose: Purpose) -> &mpsc::Sender<Write> {
        let [accept, finish, lease, bulk] = &self.0;
        match purpose {
            Purpose::Accept => accept,
            Purpose::Finish => finish,
            Purpose::Lease => lease,
            Purpose::Bulk => bulk,
        }
    }
}

/// Starts the threads. They end when every handle of the store is dropped, after what was queued is committed. A
/// database that is away now may be there later: whoever asks hears so.
///
/// # Errors
/// If the settings can't be used, or no thread is to be had.
pub(super) fn start(setup: Setup) -> Result<(Lanes, Readers), StoreError> {
    let link = Arc::new(Link::new(&setup.settings)?);
    // A command connects where it has something to do, the service before it has.
    let eager = setup.role == Role::Service;
    let mut lanes = Vec::new();
    let senders = Purpose::ALL.map(|purpose| {
        let (sender, queue) = mpsc::channel(WRITES_MAX);
        let lane = Lane::new(
            purpose,
            link.clone(),
            setup.owner.clone(),
            setup.health.clone(),
            setup.metrics.clone(),
        );
        lanes.push((lane, queue));
        sender
    });
    thread("hana-writers", async move || {
        let tasks = LocalSet::new();
        for (lane, queue) in lanes {
            let eager = eager && lane.purpose != Purpose::Bulk;
            tasks.spawn_local(lane.run(queue, eager));
        }
        tasks.await;
    })?;
    let (readers, queue) = Readers::new();
    let metrics = setup.metrics;
    thread("hana-readers", async move || {
        readers::serve(queue, link, metrics).await;
    })?;
    Ok((Lanes(senders), readers))
}

/// A thread with a runtime of its own, which ends with the work.
fn thread(name: &str, work: impl AsyncFnOnce() + Send + 'static) -> Result<(), StoreError> {
    let unavailable = |error: std::io::Error| StoreError::unavailable(error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(unavailable)?;
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || runtime.block_on(work()))
        .map_err(unavailable)?;
    Ok(())
}

impl Lane {
    /// Does what was queued, kind by kind: renewals first, because leases run out.
    async fn work(&mut self, writes: Vec<Write>) {
        let (mut accepts, mut finishes) = (Vec::new(), Vec::new());
        let (mut renewals, mut releases) = (Vec::new(), Vec::new());
        let (mut claims, mut others) = (Vec::new(), Vec::new());
        for write in writes {
            match write {
                Write::Accept {
                    event,
                    lease,
                    reply,
                } => accepts.push(Accept {
                    event,
                    wish: lease,
                    reply,
                }),
                Write::Finish {
                    fence,
                    event,
                    outcome,
                    reply,
                } => finishes.push(Finish {
                    fence,
                    event,
                    outcome,
                    reply,
                }),
                Write::Renew { fences, reply } => renewals.push((fences, reply)),
                Write::Release { fence, reply } => releases.push((fence, reply)),
                Write::Claim {
                    surveys,
                    limit,
                    reply,
                } => claims.push(Claim {
                    surveys,
                    limit,
                    reply,
                }),
                other @ (Write::Load { .. }
                | Write::Erase { .. }
                | Write::Run { .. }
                | Write::Rehearse { .. }) => {
                    others.push(other);
                }
            }
        }
        if !renewals.is_empty() {
            self.renew(renewals).await;
        }
        if !accepts.is_empty() {
            self.accept(accepts).await;
        }
        if !finishes.is_empty() {
            self.finish(finishes).await;
        }
        if !releases.is_empty() {
            self.release(releases).await;
        }
        for claim in claims {
            self.claim(claim).await;
        }
        for other in others {
            self.work_on(other).await;
        }
    }

    /// Writes that are a transaction of their own.
    async fn work_on(&mut self, write: Write) {
        match write {
            Write::Load {
                survey,
                rows,
                reply,
            } => drop(reply.send(self.load(&survey, &rows).await)),
            Write::Erase {
                survey,
                table,
                responses,
                remember,
                reply,
            } => {
                let erased = self.erase(&survey, table.as_ref(), &responses, remember);
                drop(reply.send(erased.await));
            }
            Write::Run { statements, reply } => drop(reply.send(self.execute(&statements).await)),
            Write::Rehearse {
                statements,
                look,
                kinds,
                reply,
            } => {
                let seen = self.rehearse(&statements, &look, &kinds).await;
                drop(reply.send(seen));
            }
            Write::Accept { .. }
            | Write::Claim { .. }
            | Write::Renew { .. }
            | Write::Finish { .. }
            | Write::Release { .. } => {}
        }
    }
}
