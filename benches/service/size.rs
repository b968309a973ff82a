//! What the service takes up: on disk, in memory, and of patience at its start.

use std::time::{Duration, Instant};

use crate::event_to_row;
use crate::load;
use crate::process::{self, Process, Site};
use crate::report::{Bound, Measure, Report};
use crate::scale;

const SECTION: &str = "size";
const STARTS: usize = 10;
/// How long the service is left alone before its memory at rest is read.
const REST: Duration = Duration::from_secs(3);

pub(crate) fn run(report: &mut Report, seconds: Option<u64>) {
    let lasting = Duration::from_secs(seconds.unwrap_or(2));
    let measure = |what, unit| Measure::new(SECTION, what, unit);
    let bytes = std::fs::metadata(process::binary()).unwrap().len();
    report.alone(
        &measure("binary", "MB"),
        "serve",
        &[bytes as f64 / 1e6],
        Some(Bound::AtMost(25.0)),
    );

    let qualtrics = Process::part(&["stand-in", "answer"]);
    let site = Site::new(qualtrics.addr).saying_rows();
    site.serve_prepared().stop();
    let starts: Vec<f64> = (0..STARTS).map(|_| scale::start_ms(&site)).collect();
    report.alone(
        &measure("start to ready", "ms"),
        "serve",
        &starts,
        Some(Bound::AtMost(100.0)),
    );

    let serve = site.serve_prepared();
    std::thread::sleep(REST);
    let mib = |kib: u64| kib as f64 / 1024.0;
    let idle = mib(serve.usage().resident_kib);
    report.alone(
        &measure("memory at rest", "MiB"),
        "serve",
        &[idle],
        Some(Bound::AtMost(16.0)),
    );

    // Everything at once: rows as fast as callbacks come, listeners, readers.
    let listeners = crate::listen::Listeners::open(serve.addr, 100);
    event_to_row::measure(&serve, 500.0, 500 * lasting.as_secs());
    let addr = serve.addr;
    let reader = std::thread::spawn(move || {
        let begun = Instant::now();
        let mut connection = load::KeptAlive::to(addr);
        while begun.elapsed() < lasting {
            connection.get("/odata/v4/feedback/ProjectFeedback?$top=50&$count=true");
        }
    });
    load::closed(serve.addr, 32, lasting);
    reader.join().unwrap();
    drop(listeners);
    let loaded = mib(serve.usage().peak_kib);
    report.alone(
        &measure("memory under load", "MiB"),
        "serve",
        &[loaded],
        Some(Bound::AtMost(48.0)),
    );
}
