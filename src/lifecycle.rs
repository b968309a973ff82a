//! Birth, life and death of the process: signals, the soft and the hard token, the tracker that owns every task, and
//! the one reading of time and of chance.
//!
//! Shutdown runs in this order: the soft token is cancelled (readiness turns red, the listener closes, claiming
//! stops), what is in flight ends within [`DRAIN_DEADLINE`], then the hard token ends what is left. Cloud Foundry
//! kills ten seconds after SIGTERM, so eight is what may be used.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ingester_core::time::Timestamp;
use tokio::task::JoinError;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

#[cfg(feature = "sim")]
pub mod simulated;

/// How long work in flight may take to end after SIGTERM.
/// Source: Cloud Foundry sends SIGKILL ten seconds after SIGTERM.
pub const DRAIN_DEADLINE: Duration = Duration::from_secs(8);

/// The instant: wall time at the first call plus the time that the runtime says has passed since. A clock that is
/// set back or forth meanwhile moves no lease and no back-off, and paused time in tests governs everything.
#[must_use]
pub fn now() -> Timestamp {
    #[cfg(feature = "sim")]
    if let Some(now) = simulated::now() {
        return now;
    }
    static ANCHOR: OnceLock<(Timestamp, Instant)> = OnceLock::new();
    let (wall, monotonic) = ANCHOR.get_or_init(|| (wall_clock(), Instant::now()));
    let elapsed = Instant::now().saturating_duration_since(*monotonic);
    wall.checked_add(elapsed).unwrap_or(*wall)
}

/// A boundary on an event's way. A build for tests of faults dies here, as by SIGKILL, at the hit that
/// `INGESTER_CRASH_AT=name:n` counts; in every other build this is nothing.
#[inline]
pub fn crash_point(name: &'static str) {
    #[cfg(feature = "faults")]
    crash::at(name);
    #[cfg(not(feature = "faults"))]
    let _ = name;
}

#[cfg(feature = "faults")]
mod crash {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// The point's name, and how many hits are left.
    static WANTED: LazyLock<Option<(String, AtomicU64)>> = LazyLock::new(|| {
        #[expect(clippy::disallowed_methods, reason = "no setting of the product")]
        let wanted = std::env::var("INGESTER_CRASH_AT").ok()?;
        let (name, hit) = wanted.split_once(':')?;
        Some((name.to_owned(), AtomicU64::new(hit.parse().ok()?)))
    });

    pub(super) fn at(name: &str) {
        if let Some((wanted, left)) = &*WANTED
            && wanted == name
            && left.fetch_sub(1, Ordering::AcqRel) == 1
        {
            std::process::abort();
        }
    }
}

fn wall_clock() -> Timestamp {
    Timestamp::now()
}

/// A random number, for whatever must differ from one to the next.
#[must_use]
pub fn random() -> u32 {
    #[cfg(feature = "sim")]
    if let Some(random) = simulated::random() {
        return random;
    }
    let [a, b, c, d, ..] = uuid::Uuid::new_v4().into_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// Computes on a thread of its own, so that nobody waits behind it who only waits for messages.
///
/// # Errors
/// If the work panics.
pub async fn compute<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    #[cfg(feature = "sim")]
    if simulated::is_running() {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await
}

/// The tokens and the tracker of one service. Cheap to clone; every part holds one.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle {
    soft: CancellationToken,
    hard: CancellationToken,
    tracker: TaskTracker,
    failed: Arc<AtomicBool>,
    #[cfg(feature = "sim")]
    process: Option<simulated::Process>,
}

impl Lifecycle {
    /// A new life, nothing running yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Spawns a task that the shutdown waits for. Every task of the service is spawned here. Its name is in the log's
    /// spans from `debug` on: there are several tasks an event, and making a span costs as much as signing.
    pub fn spawn<F>(&self, name: &'static str, future: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let future = future.instrument(tracing::debug_span!("task", task = name));
        #[cfg(feature = "sim")]
        let future = simulated::polled(self.process.clone(), future);
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the tracker that the rule points to"
        )]
        let task = tokio::spawn(self.tracker.track_future(future));
        #[cfg(feature = "sim")]
        if let Some(process) = &self.process {
            process.owns(task.abort_handle());
        }
        task
    }

    /// Does work in the caller's own task, which saves one of its own. Should the caller be dropped, it goes on in one.
    pub fn carry<F>(&self, name: &'static str, work: F) -> Carried<'_, F>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Carried {
            life: self,
            name,
            work: Some(Box::pin(work)),
        }
    }

    /// Spawns a part of the service that lives as long as the service does. Should it end before the shutdown, or
    /// panic, the shutdown starts and [`Lifecycle::failed`] says so.
    pub fn spawn_part<F>(&self, name: &'static str, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let part = self.spawn(
            name,
            future.instrument(tracing::info_span!("part", task = name)),
        );
        let life = self.clone();
        self.spawn("supervisor", async move {
            let ended = part.await;
            if !life.soft.is_cancelled() {
                let error = ended
                    .err()
                    .map(|panic| panic.to_string())
                    .unwrap_or_default();
                tracing::error!(error, "{name} ended by itself: shutting down");
                life.failed.store(true, Ordering::Release);
                life.stop();
            }
        });
    }

    /// The first SIGTERM or Ctrl-C starts an orderly end, a second one ends at once.
    pub fn stop_on_signals(&self) {
        let life = self.clone();
        let watch = async move {
            if signal().await.is_ok() {
                life.stop();
                if signal().await.is_ok() {
                    life.fail();
                }
            }
        };
        // Not tracked: the shutdown would wait for a second signal.
        #[expect(clippy::disallowed_methods, reason = "this task ends with the process")]
        drop(tokio::spawn(watch));
    }

    /// Starts the shutdown.
    pub fn stop(&self) {
        self.soft.cancel();
    }

    /// Ends everything that has not ended by itself.
    pub fn abort(&self) {
        self.soft.cancel();
        self.hard.cancel();
    }

    /// Ends everything at once, and not in good order: a second signal.
    pub fn fail(&self) {
        self.failed.store(true, Ordering::Release);
        self.abort();
    }

    /// Completes when the shutdown starts.
    #[must_use]
    pub fn stopping(&self) -> &CancellationToken {
        &self.soft
    }

    /// Completes when the time for an orderly end is over.
    #[must_use]
    pub fn aborting(&self) -> &CancellationToken {
        &self.hard
    }

    /// True if a part ended by itself.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Waits until every task has ended, or the deadline is over. True if all ended.
    pub async fn drained(&self, deadline: Duration) -> bool {
        self.tracker.close();
        tokio::time::timeout(deadline, self.tracker.wait())
            .await
            .is_ok()
    }
}

/// Work that ends even if nobody waits for it any more; see [`Lifecycle::carry`].
#[derive(Debug)]
#[must_use = "it is done by whoever awaits it"]
pub struct Carried<'a, F>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    life: &'a Lifecycle,
    name: &'static str,
    /// Nothing once it has ended.
    work: Option<Pin<Box<F>>>,
}

impl<F> Future for Carried<'_, F>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let Some(work) = &mut self.work else {
            return Poll::Pending;
        };
        let ended = ready!(work.as_mut().poll(context));
        self.work = None;
        Poll::Ready(ended)
    }
}

impl<F> Drop for Carried<'_, F>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn drop(&mut self) {
        // What panicked can't go on.
        if let Some(work) = self.work.take()
            && !std::thread::panicking()
        {
            self.life.spawn(self.name, work);
        }
    }
}

/// Completes at SIGTERM or Ctrl-C.
///
/// # Errors
/// If the handlers can't be installed.
pub async fn signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        result = tokio::signal::ctrl_c() => result,
    }
}
