//! The accept loop: one connection limit, time-outs for the first byte and for the head, and a bounded drain.
//!
//! `axum::serve` sets no timer at all, so a silent connection would live for ever; this loop over hyper-util is what
//! it leaves out.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::lifecycle::Lifecycle;

/// Connections at a time; the rest wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 4096;
/// How long a connection may be silent before its first byte.
const FIRST_BYTE: Duration = Duration::from_secs(3);
/// How long a request head may take, and how long a kept-alive connection may be idle.
const HEAD: Duration = Duration::from_secs(15);
/// Larger heads are refused: tokens of large role collections take some 16 KiB.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// A pause after `accept` failed: out of descriptors is over only when somebody leaves.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until the shutdown starts, then lets requests in flight end.
pub async fn serve(listener: TcpListener, router: Router, life: Lifecycle) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let graceful = Arc::new(GracefulShutdown::new());
    loop {
        let accepted = tokio::select! {
            () = life.stopping().cancelled() => break,
            accepted = accept(&listener, &permits) => accepted,
        };
        if let Some((stream, permit)) = accepted {
            let watcher = graceful.watcher();
            let service = TowerToHyperService::new(router.clone());
            let aborting = life.aborting().clone();
            life.spawn("connection", async move {
                let _permit = permit;
                if !matches!(
                    tokio::time::timeout(FIRST_BYTE, stream.readable()).await,
                    Ok(Ok(()))
                ) {
                    return;
                }
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD)
                    .max_buf_size(HEAD_BYTES_MAX)
                    .serve_connection(TokioIo::new(stream), service);
                tokio::select! {
                    // What goes wrong on a connection is its peer's doing and its peer's to notice.
                    _ = watcher.watch(connection) => {}
                    () = aborting.cancelled() => {}
                }
            });
        }
    }
    drop(listener);
    if let Some(graceful) = Arc::into_inner(graceful) {
        graceful.shutdown().await;
    }
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = permits.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            // Answers are small and written at once; waiting to fill a packet only delays them.
            drop(stream.set_nodelay(true));
            Some((stream, permit))
        }
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted: {error}");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}
