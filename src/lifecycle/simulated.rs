//! What a simulation governs of a process: its clock, its chance, when its tasks are polled, and when it dies.
//!
//! A thread simulates one world at a time. Without one everything is as in the service.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use ingester_core::time::Timestamp;
use jiff::SignedDuration;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::Lifecycle;

/// Ended tasks are forgotten when so many handles have gathered.
const HANDLES_MAX: usize = 512;

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

struct World {
    begun: (Timestamp, Instant),
    random: Random,
    /// How wrong the clock of whoever is polled is.
    skew: SignedDuration,
}

/// Begins a world on this thread, inside its runtime; ends with the guard.
#[must_use]
pub fn begin(wall: Timestamp, seed: u64) -> Running {
    let world = World {
        begun: (wall, Instant::now()),
        random: Random::new(seed),
        skew: SignedDuration::ZERO,
    };
    WORLD.with(|cell| cell.replace(Some(world)));
    Running(())
}

/// A world that goes on.
#[derive(Debug)]
pub struct Running(());

impl Drop for Running {
    fn drop(&mut self) {
        WORLD.with(|cell| cell.replace(None));
    }
}

pub(super) fn is_running() -> bool {
    WORLD.with(|cell| cell.borrow().is_some())
}

pub(super) fn now() -> Option<Timestamp> {
    WORLD.with(|cell| {
        let world = cell.borrow();
        let world = world.as_ref()?;
        let (wall, begun) = world.begun;
        let now = wall.checked_add(begun.elapsed()).ok()?;
        now.checked_add(world.skew).ok()
    })
}

pub(super) fn random() -> Option<u32> {
    WORLD.with(|cell| {
        let random = cell.borrow_mut().as_mut()?.random.draw();
        u32::try_from(random >> 32).ok()
    })
}

/// Numbers that a seed determines. Source: splitmix64, Steele, Lea, Flood: "Fast splittable pseudorandom number
/// generators", 2014.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The same seed, the same numbers.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

/// One process of the simulated world. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Process(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    skew: SignedDuration,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    steps: u64,
    dies_at: Option<u64>,
    dead: bool,
    paused: bool,
    tasks: Vec<AbortHandle>,
    /// Who would have been polled during a pause.
    asleep: Vec<Waker>,
}

impl Process {
    /// A process whose clock is wrong by `skew`, and that dies at a step if one is given.
    #[must_use]
    pub fn new(skew: SignedDuration, dies_at: Option<u64>) -> Self {
        Self(Arc::new(Inner {
            skew,
            state: Mutex::new(State {
                dies_at,
                ..State::default()
            }),
            changed: Notify::new(),
        }))
    }

    /// The life of this process.
    #[must_use]
    pub fn life(&self) -> Lifecycle {
        Lifecycle {
            process: Some(self.clone()),
            ..Lifecycle::default()
        }
    }

    /// One step is about to be taken: a poll of a task, or of what stands beside it and dies with it. False if the
    /// process did not live to take it.
    #[must_use]
    pub fn step(&self) -> bool {
        let mut state = self.state();
        if state.dead {
            return false;
        }
        state.steps += 1;
        let dies = state.dies_at.is_some_and(|at| state.steps >= at);
        drop(state);
        if dies {
            self.kill();
        }
        !dies
    }

    /// Ends it: no task of it is polled again.
    pub fn kill(&self) {
        let mut state = self.state();
        state.dead = true;
        let tasks = std::mem::take(&mut state.tasks);
        drop(state);
        tasks.iter().for_each(AbortHandle::abort);
        self.0.changed.notify_waiters();
    }

    /// Lets it live.
    pub fn spare(&self) {
        self.state().dies_at = None;
    }

    /// Completes when it is dead.
    pub async fn died(&self) {
        self.until(|state| state.dead).await;
    }

    /// Polls none of its tasks until [`Process::resume`].
    pub fn pause(&self) {
        self.state().paused = true;
    }

    /// Goes on, late.
    pub fn resume(&self) {
        let mut state = self.state();
        state.paused = false;
        let asleep = std::mem::take(&mut state.asleep);
        drop(state);
        asleep.into_iter().for_each(Waker::wake);
        self.0.changed.notify_waiters();
    }

    /// Completes when it is not paused.
    pub async fn awake(&self) {
        self.until(|state| !state.paused || state.dead).await;
    }

    /// True if it died.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.state().dead
    }

    /// The steps that it took.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.state().steps
    }

    /// Does something with this process's clock.
    pub fn with_clock<T>(&self, work: impl FnOnce() -> T) -> T {
        let swap = |skew| {
            WORLD.with(|cell| {
                let mut world = cell.borrow_mut();
                let world = world.as_mut();
                world.map_or(skew, |world| std::mem::replace(&mut world.skew, skew))
            })
        };
        let before = swap(self.0.skew);
        let result = work();
        swap(before);
        result
    }

    pub(super) fn owns(&self, task: AbortHandle) {
        let mut state = self.state();
        if state.dead {
            drop(state);
            return task.abort();
        }
        if state.tasks.len() >= HANDLES_MAX {
            state.tasks.retain(|task| !task.is_finished());
        }
        state.tasks.push(task);
    }

    async fn until(&self, is_so: impl Fn(&State) -> bool) {
        loop {
            let changed = self.0.changed.notified();
            if is_so(&self.state()) {
                return;
            }
            changed.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The future, polled as its process lets it.
pub(super) fn polled<F: Future>(process: Option<Process>, future: F) -> Polled<F> {
    Polled {
        process,
        future: Some(Box::pin(future)),
    }
}

/// A future of a process; gone when the process is dead.
pub(super) struct Polled<F> {
    process: Option<Process>,
    future: Option<Pin<Box<F>>>,
}

impl<F: Future> Future for Polled<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let process = self.process.clone();
        if let Some(process) = &process {
            let mut state = process.state();
            if state.paused && !state.dead {
                state.asleep.push(context.waker().clone());
                return Poll::Pending;
            }
            drop(state);
            if !process.step() {
                self.future = None;
            }
        }
        match (&mut self.future, process) {
            (Some(future), Some(process)) => process.with_clock(|| future.as_mut().poll(context)),
            (Some(future), None) => future.as_mut().poll(context),
            (None, _) => Poll::Pending,
        }
    }
}
