//! Documents to rows, against reading the same bytes as JSON and nothing else.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::report::{Bound, Measure, Report};
use crate::sample::Sample;

const SECTION: &str = "mapping";
const COLUMNS: [usize; 3] = [12, 60, 600];
const ROUNDS: usize = 7;

pub(crate) fn run(report: &mut Report, seconds: Option<u64>) {
    let lasting = seconds.map_or(Duration::from_millis(300), Duration::from_secs);
    for columns in COLUMNS {
        let [ours, value, borrowed] = rounds(&Sample::of(columns), ROUNDS, lasting);
        let bytes = Sample::of(columns).answer.len();
        let measure = Measure::new(
            SECTION,
            format!("{columns} columns, {bytes} bytes"),
            "documents/s",
        );
        report.alone(&measure, "serde_json::Value", &value, None);
        report.compared(&measure, "borrowed", &borrowed, &value, None);
        let bound = (columns == 12).then_some(Bound::AtLeast(1.0));
        report.compared(&measure, "mapped", &ours, &value, bound);
    }
}

/// Documents a second: mapped, read as values, read as pieces of text.
pub(crate) fn rounds(sample: &Sample, rounds: usize, lasting: Duration) -> [Vec<f64>; 3] {
    let mut figures = [const { Vec::new() }; 3];
    for _ in 0..rounds {
        let [ours, value, borrowed] = &mut figures;
        ours.push(per_second(lasting, || drop(black_box(sample.row()))));
        value.push(per_second(lasting, || drop(black_box(sample.value()))));
        borrowed.push(per_second(lasting, || {
            black_box(sample.borrowed().values());
        }));
    }
    figures
}

fn per_second(lasting: Duration, mut work: impl FnMut()) -> f64 {
    const BETWEEN_LOOKS: u32 = 50;
    let begun = Instant::now();
    let mut done = 0;
    while begun.elapsed() < lasting {
        for _ in 0..BETWEEN_LOOKS {
            work();
        }
        done += BETWEEN_LOOKS;
    }
    f64::from(done) / begun.elapsed().as_secs_f64()
}
