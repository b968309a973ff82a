//! What must happen when things go wrong, shown on the built binary. `docs/faults.md` has the table of all faults and
//! says what shows each.
//!
//! `cargo test --test faults` runs the quick form of each. `cargo test --test faults -- --full [NAME…]` takes as long
//! as it takes, `-- --soak --minutes N` watches memory, descriptors and threads under load. Every test ends with the
//! invariants of [`ground`].
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "tests and their helpers fail by panicking, print what they measured, and own their tasks"
)]

mod answers;
mod callbacks;
mod clock;
mod content;
#[cfg(feature = "faults")]
mod crash;
mod database;
mod disk;
mod ground;
mod hostile;
mod load;
#[path = "../it/process.rs"]
mod process;
mod processes;
mod proxy;
mod shim;
mod soak;

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ground::Database;

/// How long and how large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// Part of every `cargo test`.
    Quick,
    /// As the table of faults says.
    Full,
}

impl Scale {
    pub(crate) fn pick<T>(self, quick: T, full: T) -> T {
        match self {
            Self::Quick => quick,
            Self::Full => full,
        }
    }
}

type Run = fn(Scale) -> Pin<Box<dyn Future<Output = String>>>;

/// Whether others may run at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Company {
    /// It measures times.
    Alone,
    /// It mostly waits.
    Welcome,
}

struct Fault {
    name: &'static str,
    company: Company,
    run: Run,
}

macro_rules! faults {
    ($($(#[$built:meta])? $company:ident $module:ident::$name:ident,)*) => {
        [$($(#[$built])? Fault {
            name: stringify!($name),
            company: Company::$company,
            run: |scale| Box::pin($module::$name(scale)),
        },)*]
    };
}

fn all() -> Vec<Fault> {
    Vec::from(faults! {
        Alone processes::f01_kill_9_at_random,
        #[cfg(feature = "faults")] Welcome crash::f02_a_crash_at_each_point,
        Welcome disk::f03_power_is_lost,
        Welcome disk::f04_a_sync_or_a_write_fails_once,
        Welcome disk::f05_the_disk_is_full,
        Welcome disk::f06_a_page_is_damaged,
        Alone database::f07_the_database_restarts_under_load,
        Welcome database::f08_the_database_is_slow,
        Welcome database::f09_a_table_is_dropped,
        Welcome database::f09_rights_are_withdrawn,
        Welcome database::f10_answers_of_the_database_are_damaged,
        Welcome answers::f11_qualtrics_is_unreachable,
        Welcome answers::f12_a_storm_of_429,
        Welcome answers::f13_answers_are_broken,
        Welcome answers::f14_tokens_expire,
        Welcome answers::f15_responses_are_not_visible_yet,
        Welcome callbacks::f16_duplicates_on_two_instances,
        Welcome callbacks::f17_reordered_and_late,
        Welcome callbacks::f18_a_dead_event_is_told_of_again,
        Alone callbacks::f19_captured_messages_are_replayed,
        Welcome callbacks::f20_keys_rotate_under_load,
        Welcome hostile::f23_hostile_input,
        Welcome content::f21_poison,
        Welcome content::f22_the_survey_drifts,
        Alone load::f24_slow_peers,
        Alone load::f25_a_flood_of_connections,
        Alone load::f26_expensive_queries,
        Welcome processes::f27_another_instance_takes_over,
        Welcome processes::f28_the_process_is_stopped_and_goes_on,
        Welcome clock::f29_the_clock_jumps,
        Alone processes::f30_two_versions_on_one_database,
        Welcome processes::f30_a_newer_format_is_refused,
        Welcome processes::f31_a_second_process_on_one_file,
        Alone load::f32_a_million_events_wait,
    })
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let value = |flag: &str| {
        let at = arguments.iter().position(|argument| argument == flag)?;
        arguments.get(at + 1)?.parse::<u64>().ok()
    };
    if has("--soak") {
        let minutes = value("--minutes").unwrap_or(60);
        return code(run_one("soak", || runtime().block_on(soak::soak(minutes))));
    }
    let scale = if has("--full") {
        Scale::Full
    } else {
        Scale::Quick
    };
    let wanted: Vec<&String> = arguments
        .iter()
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let chosen = all().into_iter().filter(|fault| {
        wanted.is_empty() || wanted.iter().any(|name| fault.name.contains(name.as_str()))
    });
    let (alone, together): (Vec<Fault>, Vec<Fault>) =
        chosen.partition(|fault| fault.company == Company::Alone);
    let count = alone.len() + together.len();
    let begun = Instant::now();
    let failed = run_all(alone, scale, 1) + run_all(together, scale, 4);
    println!(
        "faults: {count} run, {failed} failed, {:.0?}",
        begun.elapsed()
    );
    code(failed == 0)
}

fn code(is_well: bool) -> ExitCode {
    if is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Runs tests, so many at a time; answers how many failed.
fn run_all(faults: Vec<Fault>, scale: Scale, at_once: usize) -> usize {
    let waiting = Arc::new(Mutex::new(faults.into_iter()));
    let threads: Vec<_> = (0..at_once)
        .map(|_| {
            let waiting = waiting.clone();
            std::thread::spawn(move || {
                let next = || waiting.lock().unwrap().next();
                let mut failed = 0;
                while let Some(fault) = next() {
                    let deadline = scale.pick(Duration::from_secs(120), Duration::from_secs(3600));
                    let run = || {
                        let running =
                            async { tokio::time::timeout(deadline, (fault.run)(scale)).await };
                        runtime()
                            .block_on(running)
                            .unwrap_or_else(|_| panic!("not over after {deadline:?}"))
                    };
                    failed += usize::from(!run_one(fault.name, run));
                }
                failed
            })
        })
        .collect();
    threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .sum()
}

/// Runs one test and prints its line; true if it passed.
fn run_one(name: &str, run: impl FnOnce() -> String) -> bool {
    let begun = Instant::now();
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(run));
    let seconds = begun.elapsed().as_secs_f32();
    match outcome {
        Ok(figures) => {
            println!("{name} ... ok ({seconds:.1} s) {figures}");
            true
        }
        Err(_) => {
            println!("{name} ... FAILED ({seconds:.1} s)");
            false
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}
