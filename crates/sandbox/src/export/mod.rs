//! Response exports: jobs that are started, polled and fetched.

pub(crate) mod columns;
pub(crate) mod file;
pub(crate) mod parameters;
pub(crate) mod zip;

use std::collections::{HashMap, VecDeque};
use std::io::{self, Write};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::sync::mpsc;

use self::file::Content;
use self::parameters::Order;
use self::zip::{Damage, Zip};
use crate::clock::Millis;
use crate::faults::{Faults, OnOff};
use crate::response::store::{Place, Store};
use crate::state::{State, lock};
use crate::survey::Survey;

/// Files and continuation tokens live a week. Source: Qualtrics' documentation.
const LIFETIME: Millis = 7 * 86_400_000;
/// A larger export fails. Source: Qualtrics' documentation.
const BYTES_MAX: u64 = 1_800_000_000;
/// Documents that all remembered jobs may list; beyond, the oldest job is forgotten.
const PLACES_MAX: usize = 8_000_000;

/// An export job.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) survey: Arc<Survey>,
    pub(crate) order: Order,
    pub(crate) file: String,
    pub(crate) continuation: Option<String>,
    pub(crate) failed: bool,
    expires: Millis,
    ready: Millis,
    polls_left: AtomicU32,
    places: Vec<(Millis, Place)>,
}

/// What a progress call says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Begun,
    /// Recorded: 0, then 83.3, then 100.
    Almost,
    Done,
}

/// From which instant a continued export goes on.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    after: Millis,
    expires: Millis,
}

#[derive(Debug, Default)]
pub(crate) struct Jobs(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    jobs: VecDeque<Arc<Job>>,
    cursors: HashMap<String, Cursor>,
}

impl Jobs {
    pub(crate) fn clear(&self) {
        *lock(&self.0) = Inner::default();
    }

    /// A job by its own id or its file's, of this survey, if it has not expired.
    pub(crate) fn find(&self, survey: &str, id: &str, now: Millis) -> Option<Arc<Job>> {
        let inner = lock(&self.0);
        let of = |job: &&Arc<Job>| {
            (job.id == id || job.file == id) && job.survey.id == survey && job.expires > now
        };
        inner.jobs.iter().find(of).cloned()
    }

    fn add(&self, job: Job, now: Millis) -> Arc<Job> {
        let job = Arc::new(job);
        let mut inner = lock(&self.0);
        inner.jobs.push_back(Arc::clone(&job));
        let listed = |inner: &Inner| inner.jobs.iter().map(|job| job.places.len()).sum::<usize>();
        while inner.jobs.len() > 1 && listed(&inner) > PLACES_MAX {
            inner.jobs.pop_front();
        }
        if let Some(token) = &job.continuation {
            inner.cursors.insert(
                token.clone(),
                Cursor {
                    after: now,
                    expires: now + LIFETIME,
                },
            );
        }
        job
    }

    fn cursor(&self, token: &str, now: Millis) -> Option<Millis> {
        lock(&self.0)
            .cursors
            .get(token)
            .filter(|cursor| cursor.expires > now)
            .map(|cursor| cursor.after)
    }
}

/// Starts a job: the responses are chosen now, the file is written when it is fetched.
pub(crate) fn start(state: &State, survey: Arc<Survey>, order: Order) -> Result<Arc<Job>, String> {
    let now = state.clock.now();
    let faults = state.faults();
    let after = match &order.parameters.continuation_token {
        Some(token) => Some(
            state
                .jobs
                .cursor(token, now)
                .ok_or("Invalid continuationToken parameter.")?,
        ),
        None => None,
    };
    let places = choose(state, &survey, &order, after, now, &faults);
    let bytes: u64 = places.iter().map(|(_, place)| place.length()).sum();
    let draw = |prefix: &str| state.with_random(|random| random.id(prefix, 15));
    let job = Job {
        id: draw("ES_"),
        file: format!("{}-def", state.with_random(crate::random::Random::uuid)),
        continuation: order.parameters.continues().then(|| draw("CT_")),
        failed: bytes > BYTES_MAX || state.strikes(faults.export_failed),
        expires: now + LIFETIME,
        ready: now.saturating_add(faults.export_time.as_millis()),
        polls_left: AtomicU32::new(faults.export_polls.count()),
        survey,
        order,
        places,
    };
    Ok(state.jobs.add(job, now))
}

fn choose(
    state: &State,
    survey: &Survey,
    order: &Order,
    after: Option<Millis>,
    now: Millis,
    faults: &Faults,
) -> Vec<(Millis, Place)> {
    let by_modification = order.parameters.by_modification();
    let mut places = state.store.select(&survey.id, |kept| {
        let sorted_by = if by_modification {
            kept.modified
        } else {
            kept.recorded
        };
        // What an earlier export could not show yet, or showed before it was changed, belongs to the continuation.
        let appeared = kept.exported.max(if by_modification {
            kept.modified
        } else {
            kept.recorded
        });
        let chosen = kept.exported <= now
            && order.covers(sorted_by)
            && after.is_none_or(|after| appeared > after)
            && !(order.parameters.only_unfinished() && kept.finished)
            && !crate::random::Random::new(kept.key()).chance(faults.export_missing.get());
        chosen.then_some((sorted_by, kept.modified, kept.place))
    });
    places.sort_by_key(|(sorted_by, ..)| *sorted_by);
    places.truncate(order.parameters.limit.unwrap_or(usize::MAX));
    places
        .into_iter()
        .map(|(_, modified, place)| (modified, place))
        .collect()
}

impl Job {
    /// Each call brings the job nearer to its end.
    pub(crate) fn poll(&self, now: Millis) -> Progress {
        let left = self.polls_left.load(Ordering::Relaxed);
        if left > 0 {
            self.polls_left.store(left - 1, Ordering::Relaxed);
        }
        match left {
            0 if now >= self.ready => Progress::Done,
            0 | 1 => Progress::Almost,
            _ => Progress::Begun,
        }
    }

    /// Whether the file can be fetched: not before the job is seen to be complete.
    pub(crate) fn is_ready(&self, now: Millis) -> bool {
        !self.failed && now >= self.ready && self.polls_left.load(Ordering::Relaxed) == 0
    }

    /// Writes the file into a channel; ends early when the reader hangs up. Blocks.
    pub(crate) fn write(
        &self,
        store: &Store,
        faults: &Faults,
        damage: FileDamage,
        to: mpsc::Sender<io::Result<Bytes>>,
    ) {
        let mut sink = Channel {
            to,
            buffer: Vec::with_capacity(CHUNK),
        };
        if let Err(error) = self.write_into(store, faults, damage, &mut sink) {
            // The reader sees a cut body. It may also have been the reader who hung up.
            let _ = sink.to.blocking_send(Err(error));
        }
    }

    fn write_into(
        &self,
        store: &Store,
        faults: &Faults,
        damage: FileDamage,
        sink: &mut Channel,
    ) -> io::Result<()> {
        let truncated = damage == FileDamage::Truncated;
        let places = if truncated {
            self.places.get(..self.places.len() / 2).unwrap_or_default()
        } else {
            &self.places
        };
        let stray_line = faults.stray_lines == OnOff::On;
        let content = Content {
            survey: &self.survey,
            order: &self.order,
            places,
            stray_line,
        };
        if self.order.parameters.compress() {
            let flip = if damage == FileDamage::Flipped {
                Damage::Flip
            } else {
                Damage::None
            };
            let mut zip = Zip::start(
                &mut *sink,
                &format!("{}.{}", self.survey.name, self.order.format.name()),
                flip,
            )?;
            content.write(store, &mut zip)?;
            if truncated {
                zip.cut()?;
            } else {
                zip.finish()?;
            }
        } else {
            content.write(store, sink)?;
        }
        sink.flush()
    }
}

/// What a fault does to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileDamage {
    None,
    Truncated,
    Flipped,
}

const CHUNK: usize = 64 * 1024;

/// Collects small writes, and waits while the reader is busy.
#[derive(Debug)]
struct Channel {
    to: mpsc::Sender<io::Result<Bytes>>,
    buffer: Vec<u8>,
}

impl Write for Channel {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()
    }
}

impl Channel {
    fn send(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let chunk = Bytes::from(std::mem::replace(
            &mut self.buffer,
            Vec::with_capacity(CHUNK),
        ));
        self.to
            .blocking_send(Ok(chunk))
            .map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
