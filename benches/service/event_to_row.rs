//! From the sending of a callback until its row is committed, at rates that do not wait for anybody.

use std::time::{Duration, Instant};

use crate::load;
use crate::process::{Process, Site};
use crate::report::{Bound, Measure, Report, quantile};

const SECTION: &str = "event-to-row";
/// Callbacks a second, and the seconds of a round: as many as give a p99 something to stand on.
const RATES: [(f64, u64); 4] = [(1.0, 10), (50.0, 8), (200.0, 4), (1000.0, 3)];
const ROUNDS: usize = 3;
/// Longer than any row takes.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn run(report: &mut Report, seconds: Option<u64>) {
    let qualtrics = Process::part(&["stand-in", "answer"]);
    let folder = Site::new(qualtrics.addr);
    let database = folder.database().display().to_string();
    let site = Site::new(qualtrics.addr).saying_rows();
    let bare = Process::part(&["bare", "pipeline", &database, &qualtrics.addr.to_string()]);
    let serve = site.serve_prepared();
    for process in [&bare, &serve] {
        measure(process, 200.0, 200);
    }
    for (rate, usual_seconds) in RATES {
        let count = (rate * seconds.unwrap_or(usual_seconds) as f64) as u64;
        let rounds = if rate < 10.0 { 1 } else { ROUNDS };
        let (mut by_bare, mut by_serve) = (Rounds::default(), Rounds::default());
        for _ in 0..rounds {
            by_bare.add(&measure(&bare, rate, count));
            by_serve.add(&measure(&serve, rate, count));
        }
        let bounded = rate > 10.0 && rate < 1000.0;
        let bound = |bound| bounded.then_some(bound);
        let named = |what| Measure::new(SECTION, format!("{what} at {rate}/s"), "ms");
        report.alone(&named("p50"), "bare pipeline", &by_bare.p50, None);
        report.compared(
            &named("p50"),
            "serve",
            &by_serve.p50,
            &by_bare.p50,
            bound(Bound::AtMost(1.3)),
        );
        report.alone(&named("p99"), "bare pipeline", &by_bare.p99, None);
        report.compared(
            &named("p99"),
            "serve",
            &by_serve.p99,
            &by_bare.p99,
            bound(Bound::AtMost(2.0)),
        );
    }
    let peak_mib = serve.usage().peak_kib as f64 / 1024.0;
    report.alone(
        &Measure::new(SECTION, "peak memory", "MiB"),
        "serve",
        &[peak_mib],
        Some(Bound::AtMost(48.0)),
    );
}

#[derive(Default)]
struct Rounds {
    p50: Vec<f64>,
    p99: Vec<f64>,
}

impl Rounds {
    fn add(&mut self, milliseconds: &[f64]) {
        self.p50.push(quantile(milliseconds, 0.5));
        self.p99.push(quantile(milliseconds, 0.99));
    }
}

/// Of each callback, in milliseconds.
pub(crate) fn measure(process: &Process, rate: f64, count: u64) -> Vec<f64> {
    let sent = load::open(process.addr, rate, count);
    let last = Instant::now();
    let mut took = Vec::new();
    for (number, at) in sent.at {
        let committed = loop {
            if let Some(committed) = process.committed.lock().unwrap().remove(&number) {
                break committed;
            }
            assert!(last.elapsed() < PATIENCE, "response {number} is no row");
            std::thread::sleep(Duration::from_millis(1));
        };
        took.push(load::milliseconds(committed - at));
    }
    took
}
