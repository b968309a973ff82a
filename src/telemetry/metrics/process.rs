//! Process metrics from `/proc/self`, under the names that Prometheus' own client libraries use.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Kernel pages are 4 KiB on every platform that we build for.
const PAGE_BYTES: u64 = 4096;
/// `USER_HZ`: fixed at 100 on every Linux that we build for.
const TICKS_PER_SECOND: u32 = 100;

#[derive(Debug)]
pub(super) struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut gauge =
            |name: &str, help: &str, value: Option<f64>| -> Result<(), std::fmt::Error> {
                let Some(value) = value else { return Ok(()) };
                let gauge = ConstGauge::new(value);
                let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
                gauge.encode(metric)
            };
        gauge(
            "process_resident_memory_bytes",
            "Resident memory",
            resident_bytes(),
        )?;
        gauge(
            "process_start_time_seconds",
            "When the process started, as Unix time",
            start_time(),
        )?;
        gauge(
            "process_open_fds",
            "Open file descriptors",
            open_descriptors(),
        )?;
        gauge("process_threads", "Threads", threads())?;
        let Some(seconds) = cpu_seconds() else {
            return Ok(());
        };
        let help = "User and system time spent";
        // `_total` is added by the encoder.
        let metric =
            encoder.encode_descriptor("process_cpu_seconds", help, None, MetricType::Counter)?;
        ConstCounter::new(seconds).encode(metric)
    }
}

fn resident_bytes() -> Option<f64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    u32::try_from(pages * PAGE_BYTES / 1024)
        .ok()
        .map(|kib| f64::from(kib) * 1024.0)
}

fn cpu_seconds() -> Option<f64> {
    let ticks = stat_field(13)? + stat_field(14)?;
    Some(ticks / f64::from(TICKS_PER_SECOND))
}

/// The machine's start plus the ticks after which we began.
fn start_time() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    let booted = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    let booted: f64 = booted.trim().parse().ok()?;
    Some(booted + stat_field(21)? / f64::from(TICKS_PER_SECOND))
}

fn threads() -> Option<f64> {
    stat_field(19)
}

/// A field of `/proc/self/stat`, counted from 0. The name in field 1 may hold blanks, so counting starts behind it.
fn stat_field(index: usize) -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(index.checked_sub(2)?)?.parse().ok()
}

fn open_descriptors() -> Option<f64> {
    let count = std::fs::read_dir("/proc/self/fd").ok()?.count();
    u32::try_from(count).ok().map(f64::from)
}
