//! The Qualtrics API client: a handle over a bounded channel of [`Ask`]s, drained by one dispatcher in order of
//! priority, within what Qualtrics allows.
//!
//! In reading order: `ask` is what can be asked; `responses`, `definitions`, `surveys`, `subscriptions` and `exports`
//! ask it; `dispatch` sends, from its `queue`, when the `limiter` lets it; `client` speaks HTTP with a `token`; `error`
//! says what went wrong.

use std::sync::Arc;

use futures_util::stream::FuturesUnordered;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::config;
use crate::lifecycle::Lifecycle;
use crate::telemetry::metrics::Metrics;

mod archive;
mod ask;
mod board;
mod client;
mod concurrency;
mod definitions;
mod dispatch;
mod download;
mod envelope;
mod error;
mod exports;
mod http;
mod judge;
mod limiter;
mod queue;
mod requests;
mod responses;
mod said;
#[cfg(feature = "sim")]
pub mod simulated;
mod subscriptions;
mod surveys;
#[cfg(test)]
mod tests;
mod token;
mod token_request;
mod unzip;

pub use archive::Documents;
pub use ask::{Answer, Ask, Call, Content, Endpoint, File, Priority, Reply};
pub use board::{Figures, Share, Waiting};
pub use definitions::DefinitionBodies;
pub use error::{CredentialKind, QualtricsError, Retry};
pub use exports::{Continuation, DateKind, Export, ExportId, ExportRequest, Fields};
pub use responses::Fetched;
pub use said::Said;
pub use subscriptions::{NewSubscription, Subscription};
pub use surveys::{ResponseCounts, SurveyState, SurveySummary, WhoAmI};

use board::Wishes;

/// How many asks of one priority may be unanswered. Whoever asks beyond that waits for a place, so that backfill can't
/// keep a live ask from being taken.
const PLACES: usize = 256;

/// The API of one brand. Cheap to clone.
///
/// # Cancel safety
/// Every call may be dropped at any time: what waits is not sent then, what was sent is answered to nobody.
#[derive(Debug, Clone)]
pub struct Qualtrics {
    asks: mpsc::Sender<Ask>,
    places: Arc<Places>,
    wishes: Arc<watch::Sender<Wishes>>,
    figures: Arc<watch::Sender<Figures>>,
}

#[derive(Debug)]
struct Places {
    live: Arc<Semaphore>,
    retry: Arc<Semaphore>,
    reconcile: Arc<Semaphore>,
    backfill: Arc<Semaphore>,
}

impl Qualtrics {
    /// Starts the client: its tasks belong to `life`, and end when the service stops. With OAuth the first token is
    /// asked for at once, so that the first event does not wait for it.
    ///
    /// # Errors
    /// If the base URL or the credentials are missing, or HTTPS can't be set up.
    pub fn start(
        settings: &config::Qualtrics,
        metrics: Metrics,
        life: &Lifecycle,
    ) -> Result<Self, QualtricsError> {
        let client = client::Client::new(settings, metrics.clone(), life)?;
        let requests_per_minute = settings.requests_per_minute.get();
        Ok(Self::dispatched(client, requests_per_minute, metrics, life))
    }

    /// Starts the dispatcher of a client.
    fn dispatched(
        client: client::Client,
        requests_per_minute: u32,
        metrics: Metrics,
        life: &Lifecycle,
    ) -> Self {
        let (asks, drained) = mpsc::channel(4 * PLACES);
        let qualtrics = Self::from_channel(asks);
        let dispatcher = dispatch::Dispatcher {
            client: Arc::new(client),
            asks: drained,
            wishes: qualtrics.wishes.subscribe(),
            figures: Arc::clone(&qualtrics.figures),
            lanes: dispatch::Lanes::new(requests_per_minute),
            requests_per_minute,
            in_flight: FuturesUnordered::new(),
            metrics,
            life: life.clone(),
        };
        life.spawn_part("qualtrics", dispatcher.run());
        qualtrics
    }

    /// A handle whose asks somebody else answers, without limits and without a network.
    #[must_use]
    pub fn from_channel(asks: mpsc::Sender<Ask>) -> Self {
        Self {
            asks,
            places: Arc::new(Places::new()),
            wishes: Arc::new(watch::Sender::new(Wishes::default())),
            figures: Arc::new(watch::Sender::new(Figures {
                calls_left: u32::MAX,
                per_minute: u32::MAX,
                ..Figures::default()
            })),
        }
    }

    /// Sets this instance's part of the rate of single reads. A smaller one holds at once, a larger one after 60
    /// seconds, when the calls of an instance that left have left the window too.
    pub fn set_share(&self, share: Share) {
        self.wishes.send_modify(|wishes| wishes.share = share);
    }

    /// Leaves most of the brand's rate to an export while the guard lives: single reads take a quarter of our share.
    pub fn burst(&self) -> Burst {
        self.wishes.send_modify(|wishes| wishes.bursts += 1);
        Burst(Arc::clone(&self.wishes))
    }

    /// How the client stands.
    #[must_use]
    pub fn figures(&self) -> Figures {
        *self.figures.borrow()
    }

    /// Asks, and waits for the answer.
    async fn ask(&self, what: Call, priority: Priority) -> Result<Answer, QualtricsError> {
        let places = Arc::clone(self.places.of(priority));
        let place = places.acquire_owned().await.map_err(stopping)?;
        let (reply, answer) = oneshot::channel();
        let ask = Ask {
            what,
            priority,
            reply,
            _place: place,
        };
        self.asks.send(ask).await.map_err(stopping)?;
        answer.await.map_err(stopping)?
    }
}

/// A burst that goes on; see [`Qualtrics::burst`].
#[derive(Debug)]
#[must_use]
pub struct Burst(Arc<watch::Sender<Wishes>>);

impl Drop for Burst {
    fn drop(&mut self) {
        self.0.send_modify(|wishes| wishes.bursts -= 1);
    }
}

impl Places {
    fn new() -> Self {
        let places = || Arc::new(Semaphore::new(PLACES));
        Self {
            live: places(),
            retry: places(),
            reconcile: places(),
            backfill: places(),
        }
    }

    fn of(&self, priority: Priority) -> &Arc<Semaphore> {
        match priority {
            Priority::Live => &self.live,
            Priority::Retry => &self.retry,
            Priority::Reconcile => &self.reconcile,
            Priority::Backfill => &self.backfill,
        }
    }
}

/// Nobody drains the channel any more.
fn stopping<E>(_: E) -> QualtricsError {
    QualtricsError::Stopping
}
