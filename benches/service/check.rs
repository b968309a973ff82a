//! The short form, to be run before and after a change: the two ratios that a careless change spoils first, each the best
//! of three, so that what else the machine does meanwhile spoils none. The bounds leave room for a build without
//! link-time optimisation.

use std::time::Duration;

use crate::accept;
use crate::mapping;
use crate::report::{Bound, Measure, Report};
use crate::sample::Sample;

const SECTION: &str = "check";
const ROUNDS: usize = 3;
const MAPPED_MIN: f64 = 0.8;
const ACCEPTED_MIN: f64 = 0.6;
const CPU_MAX: f64 = 2.5;

pub(crate) fn run(report: &mut Report, _: Option<u64>) {
    let [mapped, value, _] = mapping::rounds(&Sample::of(12), ROUNDS, Duration::from_secs(1));
    let best = |figures: &[f64], reference: &[f64], better: fn(f64, f64) -> f64| {
        let ratios = figures.iter().zip(reference).map(|(a, b)| a / b);
        ratios.reduce(better).into_iter().collect::<Vec<_>>()
    };
    let mut tell = |what, ratio: Vec<f64>, bound| {
        report.alone(
            &Measure::new(SECTION, what, "times"),
            "serve",
            &ratio,
            Some(bound),
        );
    };
    tell(
        "mapping, to serde_json::Value",
        best(&mapped, &value, f64::max),
        Bound::AtLeast(MAPPED_MIN),
    );
    let [bare, serve] = accept::bare_and_serve(ROUNDS, Duration::from_secs(2));
    tell(
        "callbacks a second, to bare",
        best(&serve.per_second, &bare.per_second, f64::max),
        Bound::AtLeast(ACCEPTED_MIN),
    );
    tell(
        "CPU a callback, to bare",
        best(&serve.cpu_us, &bare.cpu_us, f64::min),
        Bound::AtMost(CPU_MAX),
    );
}
