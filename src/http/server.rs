//! The accept loop: one connection limit, time-outs for the first byte and for the head, and a bounded drain.
//!
//! `axum::serve` sets no timer at all, so a silent connection would live for ever; this loop over hyper-util is what
//! it leaves out.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, Sleep};

use crate::lifecycle::Lifecycle;

/// Connections at a time; the rest wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 4096;
/// How long a connection may be silent before its first byte.
const FIRST_BYTE: Duration = Duration::from_secs(3);
/// How long a request head may take, and how long a kept-alive connection may be idle.
const HEAD: Duration = Duration::from_secs(15);
/// Larger heads are refused: tokens of large role collections take some 16 KiB.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// How long a peer may take nothing of what is sent to it.
const WRITE_STALL: Duration = Duration::from_secs(30);
/// A pause after `accept` failed: out of descriptors is over only when somebody leaves.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How often connections that can't be accepted are worth a line.
const SUMMARY_EVERY: Duration = Duration::from_secs(60);

/// Serves until the shutdown starts, then lets requests in flight end.
pub async fn serve(listener: TcpListener, router: Router, life: Lifecycle) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut refusals = Refusals::default();
    let graceful = Arc::new(GracefulShutdown::new());
    loop {
        let accepted = tokio::select! {
            () = life.stopping().cancelled() => break,
            accepted = accept(&listener, &permits, &mut refusals) => accepted,
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
                    .serve_connection(TokioIo::new(Patient::new(stream)), service);
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
    refusals: &mut Refusals,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = permits.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            // Answers are small and written at once; waiting to fill a packet only delays them.
            drop(stream.set_nodelay(true));
            Some((stream, permit))
        }
        Err(error) => {
            refusals.report(&error);
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// Connections that could not be accepted: the first is said at once, then they are summed up. Whoever floods us with
/// connections must not fill the log as well.
#[derive(Debug, Default)]
struct Refusals {
    count: u64,
    said: Option<Instant>,
}

impl Refusals {
    fn report(&mut self, error: &io::Error) {
        self.count += 1;
        if self.said.is_some_and(|said| said.elapsed() < SUMMARY_EVERY) {
            return;
        }
        let attempts = self.count;
        tracing::warn!(%error, attempts, "a connection could not be accepted: {error}");
        *self = Self {
            count: 0,
            said: Some(Instant::now()),
        };
    }
}

/// A connection whose peer must take what is sent to it: one that stalls is cut, so that nothing waits for it for ever.
struct Patient {
    stream: TcpStream,
    /// Until when the peer has to take something; nothing while it does.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            stalled: None,
        }
    }

    fn watch(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let deadline = || Box::pin(tokio::time::sleep_until(Instant::now() + WRITE_STALL));
        let stalled = self.stalled.get_or_insert_with(deadline);
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watch(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
