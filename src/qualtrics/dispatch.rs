//! The one task that drains the asks: it keeps those that must wait, in order of priority, and sends each as soon as
//! its limit allows. Calls run in tasks of their own; this one only decides.
//!
//! Nothing polls: it wakes for a new ask, for a call that ended, and at the instant at which a limit next allows one.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::ask::{Answer, Ask, Budget, Endpoint};
use super::board::{Figures, Wishes};
use super::client::{Client, Ended};
use super::error::QualtricsError;
use super::limiter::{Admission, Ending, Limiter};
use super::queue::{Queue, Queued};
use crate::lifecycle::Lifecycle;
use crate::telemetry::metrics::Metrics;

/// The dispatcher's state; nobody else touches it.
pub(super) struct Dispatcher {
    pub(super) client: Arc<Client>,
    pub(super) asks: mpsc::Receiver<Ask>,
    pub(super) wishes: watch::Receiver<Wishes>,
    pub(super) figures: Arc<watch::Sender<Figures>>,
    pub(super) lanes: Lanes,
    pub(super) requests_per_minute: u32,
    pub(super) in_flight: FuturesUnordered<Call>,
    pub(super) metrics: Metrics,
    pub(super) life: Lifecycle,
}

/// A call under way, which gives the ask back if it is to be sent once more.
pub(super) type Call = Pin<Box<dyn Future<Output = Done> + Send>>;

/// What is left of a call.
pub(super) struct Done {
    endpoint: Endpoint,
    sent_at: Instant,
    ending: Ending,
    again: Option<Queued>,
}

/// One queue and one limit for each kind of call that Qualtrics limits apart.
/// Source of the figures: copies of Qualtrics' limits page, calls a minute and brand.
#[derive(Debug)]
pub(super) struct Lanes {
    responses: Lane,
    subscriptions: Lane,
    export_starts: Lane,
    export_progress: Lane,
    export_files: Lane,
    rest: Lane,
}

#[derive(Debug)]
struct Lane {
    queue: Queue,
    limiter: Limiter,
    /// When the limit next allows a call, if asks wait for that.
    wake: Option<Instant>,
}

impl Lanes {
    pub(super) fn new(responses_a_minute: u32) -> Self {
        Self {
            responses: Lane::new(responses_a_minute),
            subscriptions: Lane::new(120),
            export_starts: Lane::new(100),
            export_progress: Lane::new(1000),
            export_files: Lane::new(100),
            rest: Lane::new(3000),
        }
    }

    fn of(&mut self, budget: Budget) -> &mut Lane {
        match budget {
            Budget::Responses => &mut self.responses,
            Budget::Subscriptions => &mut self.subscriptions,
            Budget::ExportStarts => &mut self.export_starts,
            Budget::ExportProgress => &mut self.export_progress,
            Budget::ExportFiles => &mut self.export_files,
            Budget::Rest => &mut self.rest,
        }
    }

    fn all(&mut self) -> [&mut Lane; 6] {
        [
            &mut self.responses,
            &mut self.subscriptions,
            &mut self.export_starts,
            &mut self.export_progress,
            &mut self.export_files,
            &mut self.rest,
        ]
    }
}

impl Lane {
    fn new(calls_a_minute: u32) -> Self {
        Self {
            queue: Queue::default(),
            limiter: Limiter::new(calls_a_minute),
            wake: None,
        }
    }

    /// The next ask, if one waits and may be sent.
    fn next(&mut self, now: Instant) -> Option<Queued> {
        self.wake = None;
        if !self.queue.has_waiting() {
            return None;
        }
        match self.limiter.admit(now) {
            Admission::Now => self.queue.pop(),
            Admission::At(instant) => {
                self.wake = Some(instant);
                None
            }
            Admission::AfterAnother => None,
        }
    }
}

impl Dispatcher {
    /// Runs until the service stops; then what may be sent at once is sent, what would have to wait is refused, and
    /// the calls under way end.
    pub(super) async fn run(mut self) {
        let stopping = self.life.stopping().clone();
        let aborting = self.life.aborting().clone();
        let mut open = true;
        while !(stopping.is_cancelled() && self.in_flight.is_empty() && self.asks.is_empty()) {
            let now = Instant::now();
            self.dispatch(now);
            if stopping.is_cancelled() {
                self.refuse_waiting();
            }
            self.publish(now);
            let wake = self.wake(now);
            tokio::select! {
                biased;
                () = aborting.cancelled() => return,
                Some(done) = self.in_flight.next() => self.finish(done),
                ask = self.asks.recv(), if open => match ask {
                    Some(ask) => self.enqueue(ask),
                    None => open = false,
                },
                Ok(()) = self.wishes.changed() => {}
                () = tokio::time::sleep_until(wake.unwrap_or(now)), if wake.is_some() => {}
                () = stopping.cancelled(), if !stopping.is_cancelled() => {}
            }
        }
    }

    fn enqueue(&mut self, ask: Ask) {
        let lane = self.lanes.of(ask.what.endpoint().budget());
        lane.queue.push(Queued::new(ask, Instant::now()));
    }

    fn dispatch(&mut self, now: Instant) {
        let wishes = *self.wishes.borrow_and_update();
        let responses = &mut self.lanes.responses.limiter;
        responses.set_quota(wishes.quota(self.requests_per_minute), now);
        responses.set_cap(wishes.cap(self.requests_per_minute));
        for lane in self.lanes.all() {
            while let Some(queued) = lane.next(now) {
                let waited = now.saturating_duration_since(queued.since);
                if waited >= Duration::from_millis(1) {
                    self.metrics.rate_limit_wait(waited);
                }
                self.in_flight.push(send(&self.client, &self.life, queued));
            }
        }
    }

    fn finish(&mut self, done: Done) {
        let lane = self.lanes.of(done.endpoint.budget());
        let now = Instant::now();
        let was_paused = lane.limiter.paused_until().is_some();
        lane.limiter.finish(done.sent_at, done.ending, now);
        if let Some(until) = lane.limiter.paused_until()
            && !was_paused
        {
            let seconds = until.saturating_duration_since(now).as_secs();
            tracing::warn!(
                endpoint = done.endpoint.name(),
                "Qualtrics limits our rate of {}: paused for {seconds} s, then slower",
                done.endpoint
            );
        }
        if let Some(queued) = done.again {
            lane.queue.push_first(queued);
        }
    }

    fn refuse_waiting(&mut self) {
        for lane in self.lanes.all() {
            while let Some(queued) = lane.queue.pop() {
                drop(queued.ask.reply.send(Err(QualtricsError::Stopping)));
            }
        }
    }

    fn publish(&mut self, now: Instant) {
        let lane = &mut self.lanes.responses;
        let calls_left = lane.limiter.calls_left(now);
        let reads_in_window = lane.limiter.occupied();
        let waiting = lane.queue.waiting();
        let paused_until = lane.limiter.paused_until();
        let per_minute = self.wishes.borrow().quota(self.requests_per_minute);
        self.metrics.qualtrics_calls_left(calls_left);
        self.figures.send_modify(|figures| {
            figures.calls_left = calls_left;
            figures.per_minute = per_minute;
            figures.reads_in_window = reads_in_window;
            figures.waiting = waiting;
            figures.paused_until = paused_until;
        });
    }

    /// When something changes by itself.
    fn wake(&mut self, now: Instant) -> Option<Instant> {
        let figures_change = self.lanes.responses.limiter.next_change(now);
        let lanes = self.lanes.all().into_iter().filter_map(|lane| lane.wake);
        lanes.chain(figures_change).min()
    }
}

/// Sends one ask in a task of its own.
fn send(client: &Arc<Client>, life: &Lifecycle, mut queued: Queued) -> Call {
    let client = Arc::clone(client);
    let endpoint = queued.ask.what.endpoint();
    let begun = Instant::now();
    let aborting = life.aborting().clone();
    let lost = Done {
        endpoint,
        sent_at: begun,
        ending: Ending::Answered,
        again: None,
    };
    let call = life.spawn("qualtrics-call", async move {
        let call = client.call(&queued.ask.what);
        let ended = aborting.run_until_cancelled(call).await?;
        let Ended {
            endpoint,
            sent_at,
            ending,
            result,
            again,
        } = ended;
        let again = again && result.is_err() && !queued.sent_twice;
        let again = if again {
            queued.sent_twice = true;
            Some(queued)
        } else {
            answer(queued, result);
            None
        };
        Some(Done {
            endpoint,
            sent_at,
            ending,
            again,
        })
    });
    // A panic is a bug, and must not keep its place among the calls in flight.
    call.map(|joined| joined.ok().flatten().unwrap_or(lost))
        .boxed()
}

fn answer(queued: Queued, result: Result<Answer, QualtricsError>) {
    // Nobody waits any more: an answer that comes too late is nobody's.
    drop(queued.ask.reply.send(result));
}
