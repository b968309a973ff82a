//! The sandbox's state, shared by its routes, its handle and its deliveries.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, Millis};
use crate::export::Jobs;
use crate::faults::{Faults, Share};
use crate::journal::Journal;
use crate::limits::Window;
use crate::options::Options;
use crate::random::Random;
use crate::response::store::Store;
use crate::subscriptions::Subscription;
use crate::survey::Survey;

/// Who calls, as far as the settings go.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) api_token: String,
    pub(crate) brand: String,
    pub(crate) datacenter: String,
    pub(crate) token_lifetime: Duration,
    pub(crate) scopes: Vec<String>,
    pub(crate) brand_administrator: bool,
}

/// An OAuth token's rights.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) expires: Millis,
    pub(crate) scopes: Vec<String>,
}

/// Someone's wish to be forgotten.
#[derive(Clone, Debug)]
pub(crate) struct Erasure {
    pub(crate) id: String,
    pub(crate) at: Millis,
    pub(crate) removed: u64,
}

pub(crate) struct State {
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    pub(crate) journal: Journal,
    pub(crate) store: Store,
    pub(crate) base_url: String,
    /// Bounds the callbacks that are under way at once; the others wait.
    pub(crate) deliveries: Semaphore,
    pub(crate) client: reqwest::Client,
    /// Opens a new connection for every callback.
    pub(crate) fresh_client: reqwest::Client,
    /// Where tasks run, whatever thread a handle is used on.
    pub(crate) runtime: tokio::runtime::Handle,
    /// Ends them.
    pub(crate) stop: CancellationToken,
    random: Mutex<Random>,
    dice: Mutex<Random>,
    faults: RwLock<Arc<Faults>>,
    limits: Mutex<Window>,
    surveys: RwLock<Vec<Arc<Survey>>>,
    tokens: Mutex<HashMap<String, Grant>>,
    subscriptions: Mutex<Vec<Subscription>>,
    pub(crate) jobs: Jobs,
    pub(crate) erasures: Mutex<Vec<Erasure>>,
    originals: Vec<Arc<Survey>>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("State")
            .field("base_url", &self.base_url)
            .finish_non_exhaustive()
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Callbacks under way at once.
const DELIVERIES_MAX: usize = 64;

impl State {
    pub(crate) fn new(
        options: Options,
        base_url: String,
        clients: [reqwest::Client; 2],
    ) -> io::Result<Self> {
        let seed = options.faults.seed_number();
        let [client, fresh_client] = clients;
        let settings = Settings {
            client_id: options.client_id,
            client_secret: options.client_secret,
            api_token: options.api_token,
            brand: options.brand,
            datacenter: options.datacenter,
            token_lifetime: options.token_lifetime,
            scopes: options.scopes,
            brand_administrator: options.brand_administrator,
        };
        let branded = |survey: Survey| Arc::new(survey.with_text("BrandID", &settings.brand));
        let surveys: Vec<Arc<Survey>> = options.surveys.into_iter().map(branded).collect();
        Ok(Self {
            settings,
            clock: Clock::default(),
            journal: Journal::default(),
            store: Store::open()?,
            base_url,
            deliveries: Semaphore::new(DELIVERIES_MAX),
            client,
            fresh_client,
            runtime: tokio::runtime::Handle::current(),
            stop: CancellationToken::new(),
            random: Mutex::new(Random::new(seed.unwrap_or_else(entropy))),
            dice: Mutex::new(Random::new(seed.unwrap_or_else(entropy).wrapping_add(1))),
            faults: RwLock::new(Arc::new(options.faults)),
            limits: Mutex::new(Window::new(options.limits)),
            surveys: RwLock::new(surveys.clone()),
            tokens: Mutex::default(),
            subscriptions: Mutex::default(),
            jobs: Jobs::default(),
            erasures: Mutex::default(),
            originals: surveys,
        })
    }

    pub(crate) fn faults(&self) -> Arc<Faults> {
        Arc::clone(&self.faults.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the faults; a seed among them starts the sequence anew.
    pub(crate) fn set_faults(&self, faults: Faults) {
        if let Some(seed) = faults.seed_number() {
            *lock(&self.random) = Random::new(seed);
            *lock(&self.dice) = Random::new(seed.wrapping_add(1));
        }
        *self.faults.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(faults);
    }

    /// Whether a fault strikes now.
    pub(crate) fn strikes(&self, share: Share) -> bool {
        share != Share::NEVER && lock(&self.dice).chance(share.get())
    }

    pub(crate) fn with_random<T>(&self, draw: impl FnOnce(&mut Random) -> T) -> T {
        draw(&mut lock(&self.random))
    }

    pub(crate) fn limits(&self) -> MutexGuard<'_, Window> {
        lock(&self.limits)
    }

    pub(crate) fn tokens(&self) -> MutexGuard<'_, HashMap<String, Grant>> {
        lock(&self.tokens)
    }

    pub(crate) fn subscriptions(&self) -> MutexGuard<'_, Vec<Subscription>> {
        lock(&self.subscriptions)
    }

    pub(crate) fn surveys(&self) -> Vec<Arc<Survey>> {
        self.surveys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn survey(&self, id: &str) -> Option<Arc<Survey>> {
        let surveys = self.surveys.read().unwrap_or_else(PoisonError::into_inner);
        surveys
            .iter()
            .find(|survey| survey.id == id)
            .map(Arc::clone)
    }

    /// Adds a survey, or replaces the one of its id.
    pub(crate) fn put_survey(&self, survey: &Survey) {
        let survey = Arc::new(survey.with_text("BrandID", &self.settings.brand));
        let mut surveys = self.surveys.write().unwrap_or_else(PoisonError::into_inner);
        match surveys.iter_mut().find(|other| other.id == survey.id) {
            Some(other) => *other = survey,
            None => surveys.push(survey),
        }
    }

    /// Back to the beginning: no responses, subscriptions, tokens, jobs, faults; the surveys as they were.
    pub(crate) fn reset(&self) -> io::Result<()> {
        self.store.clear()?;
        self.set_faults(Faults::default());
        self.subscriptions().clear();
        self.tokens().clear();
        self.jobs.clear();
        lock(&self.erasures).clear();
        self.journal.clear();
        let limits = self.limits().limits();
        self.limits().set(limits);
        *self.surveys.write().unwrap_or_else(PoisonError::into_inner) = self.originals.clone();
        Ok(())
    }
}

/// Another sequence each time, where no seed is given.
fn entropy() -> u64 {
    use std::hash::{BuildHasher, RandomState};

    RandomState::new().hash_one(std::process::id())
}
