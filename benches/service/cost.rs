//! CPU time of one event, callback to committed row, and where it goes.

use crate::load;
use crate::process::{Process, Site};
use crate::report::{Bound, Measure, Report};

const SECTION: &str = "cost";
/// Callbacks a second.
const RATE: f64 = 50.0;

pub(crate) fn run(report: &mut Report, seconds: Option<u64>) {
    let count = (RATE * seconds.unwrap_or(30) as f64) as u64;
    let (refusing, answering) = (
        Process::part(&["stand-in", "refuse"]),
        Process::part(&["stand-in", "answer"]),
    );
    let database = Site::new(refusing.addr);
    let database_path = database.database().display().to_string();
    let (accepting, whole) = (Site::new(refusing.addr), Site::new(answering.addr));
    let bare = Process::part(&[
        "bare",
        "pipeline",
        &database_path,
        &answering.addr.to_string(),
    ]);
    let (accepting, whole) = (accepting.serve_prepared(), whole.serve_prepared());
    let spent: Vec<_> = [&bare, &accepting, &whole]
        .into_iter()
        .map(|process| Spent::by(process, count))
        .collect();
    let [bare, accepting, whole] = spent.as_slice() else {
        return;
    };
    let measure = |what: &str| {
        Measure::new(
            SECTION,
            format!("{what}, {count} events at 50/s"),
            "ms of CPU an event",
        )
    };
    report.alone(
        &measure("the whole way"),
        "bare pipeline",
        &[bare.whole_ms],
        None,
    );
    report.compared(
        &measure("the whole way"),
        "serve",
        &[whole.whole_ms],
        &[bare.whole_ms],
        None,
    );
    report.alone(
        &measure("the whole way, bound"),
        "serve",
        &[whole.whole_ms],
        Some(Bound::AtMost(0.7)),
    );
    let parts = [
        (
            "accept: request, signature, answer",
            accepting.whole_ms - accepting.writer_ms,
        ),
        ("accept: the event's commit", accepting.writer_ms),
        (
            "read, map",
            whole.whole_ms - whole.writer_ms - (accepting.whole_ms - accepting.writer_ms),
        ),
        ("the row's commit", whole.writer_ms - accepting.writer_ms),
    ];
    for (part, spent_ms) in parts {
        report.alone(&measure(part), "serve", &[spent_ms], None);
    }
}

/// CPU time an event.
struct Spent {
    whole_ms: f64,
    /// Of it, the thread that writes.
    writer_ms: f64,
}

impl Spent {
    fn by(process: &Process, count: u64) -> Self {
        load::open(process.addr, 200.0, 100);
        let figures = || {
            (
                process.usage().cpu_seconds,
                process.thread_cpu_seconds("sqlite-writer"),
            )
        };
        let before = figures();
        load::open(process.addr, RATE, count);
        let after = figures();
        let each = |before: f64, after: f64| (after - before) * 1000.0 / count as f64;
        Self {
            whole_ms: each(before.0, after.0),
            writer_ms: each(before.1, after.1),
        }
    }
}
