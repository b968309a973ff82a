//! Signed callbacks over 32 connections: what one more costs, and how long it waits.

use std::time::Duration;

use crate::load;
use crate::process::{Process, Site};
use crate::report::{Bound, Measure, Report, quantile};

const SECTION: &str = "accept";
const CONNECTIONS: usize = 32;
const ROUNDS: usize = 5;

/// Somebody who takes callbacks, and what was measured of it.
pub(crate) struct Candidate {
    name: &'static str,
    process: Process,
    pub(crate) per_second: Vec<f64>,
    p50_ms: Vec<f64>,
    p99_ms: Vec<f64>,
    pub(crate) cpu_us: Vec<f64>,
}

impl Candidate {
    pub(crate) fn new(name: &'static str, process: Process) -> Self {
        Self {
            name,
            process,
            per_second: Vec::new(),
            p50_ms: Vec::new(),
            p99_ms: Vec::new(),
            cpu_us: Vec::new(),
        }
    }

    /// A round that does not count.
    pub(crate) fn warm(&self, lasting: Duration) {
        load::closed(self.process.addr, CONNECTIONS, lasting);
    }

    /// One more round.
    pub(crate) fn measure(&mut self, lasting: Duration) {
        let before = self.process.usage();
        let loaded = load::closed(self.process.addr, CONNECTIONS, lasting);
        let after = self.process.usage();
        let requests = loaded.latencies_ms.len() as f64;
        self.per_second.push(loaded.per_second());
        self.p50_ms.push(quantile(&loaded.latencies_ms, 0.5));
        self.p99_ms.push(quantile(&loaded.latencies_ms, 0.99));
        self.cpu_us
            .push((after.cpu_seconds - before.cpu_seconds) * 1e6 / requests);
    }
}

pub(crate) fn run(report: &mut Report, seconds: Option<u64>) {
    let lasting = Duration::from_secs(seconds.unwrap_or(2));
    let qualtrics = Process::part(&["stand-in", "refuse"]);
    let hana = Process::part(&["hana"]);
    let folder = Site::new(qualtrics.addr);
    let database = folder.database().display().to_string();
    let (sqlite, on_hana) = (
        Site::new(qualtrics.addr),
        Site::new(qualtrics.addr).on_hana(hana.addr),
    );
    let mut candidates = [
        Candidate::new("bare, nothing", Process::part(&["bare", "nothing"])),
        Candidate::new(
            "bare, insert",
            Process::part(&["bare", "insert", &database]),
        ),
        Candidate::new("serve, SQLite", sqlite.serve_prepared()),
        Candidate::new("serve, HANA", on_hana.serve_prepared()),
    ];
    measure(&mut candidates, ROUNDS, lasting);
    tell(report, &candidates);
}

/// The two that matter most, without the others.
pub(crate) fn bare_and_serve(rounds: usize, lasting: Duration) -> [Candidate; 2] {
    let qualtrics = Process::part(&["stand-in", "refuse"]);
    let (folder, site) = (Site::new(qualtrics.addr), Site::new(qualtrics.addr));
    let database = folder.database().display().to_string();
    let bare = Process::part(&["bare", "insert", &database]);
    let mut candidates = [
        Candidate::new("bare, insert", bare),
        Candidate::new("serve, SQLite", site.serve_prepared()),
    ];
    measure(&mut candidates, rounds, lasting);
    candidates
}

fn measure(candidates: &mut [Candidate], rounds: usize, lasting: Duration) {
    for candidate in &mut *candidates {
        // Warm, and with reads refused from now on.
        candidate.warm(lasting / 4);
    }
    for _ in 0..rounds {
        for candidate in &mut *candidates {
            candidate.measure(lasting);
        }
    }
}

fn tell(report: &mut Report, candidates: &[Candidate; 4]) {
    let [_, bare, ..] = candidates;
    for candidate in candidates {
        let (name, is_ours) = (candidate.name, candidate.name == "serve, SQLite");
        let bound = |bound| is_ours.then_some(bound);
        let measure = |what, unit| Measure::new(SECTION, what, unit);
        report.compared(
            &measure("callbacks", "/s"),
            name,
            &candidate.per_second,
            &bare.per_second,
            bound(Bound::AtLeast(0.8)),
        );
        report.alone(&measure("p50", "ms"), name, &candidate.p50_ms, None);
        report.alone(
            &measure("p99", "ms"),
            name,
            &candidate.p99_ms,
            bound(Bound::AtMost(25.0)),
        );
        report.compared(
            &measure("CPU", "µs a callback"),
            name,
            &candidate.cpu_us,
            &bare.cpu_us,
            bound(Bound::AtMost(2.0)),
        );
        let peak_mib = candidate.process.usage().peak_kib as f64 / 1024.0;
        report.alone(&measure("peak memory", "MiB"), name, &[peak_mib], None);
    }
}
