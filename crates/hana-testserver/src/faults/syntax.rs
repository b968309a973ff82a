//! Faults as the command line writes them.

use std::str::FromStr;
use std::time::Duration;

use super::{Fault, Kind};

/// Text that describes no fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no fault: write KIND[=VALUE][@STATEMENT][#FROM][xTIMES][:PROBABILITY], KIND one of cut, cut-before-commit, cut-after-commit, slow (10ms), error (131), read-only, log-on (10), stopped"
)]
pub struct FaultSyntaxError(String);

impl FromStr for Fault {
    type Err = FaultSyntaxError;

    /// `cut-before-commit:0.1`, `slow=20ms@inbox.accept`, `error=131@raw.merge#3x1`.
    fn from_str(text: &str) -> Result<Self, FaultSyntaxError> {
        parse(text).ok_or_else(|| FaultSyntaxError(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Fault> {
    let (rest, probability) = match text.rsplit_once(':') {
        Some((rest, probability)) => (rest, probability.parse().ok()?),
        None => (text, 1.0),
    };
    let (rest, selection) = match rest.split_once('#') {
        Some((rest, selection)) => (rest, Some(selection)),
        None => (rest, None),
    };
    let (rest, matching) = match rest.split_once('@') {
        Some((rest, matching)) => (rest, Some(matching.to_owned())),
        None => (rest, None),
    };
    let (kind, value) = match rest.split_once('=') {
        Some((kind, value)) => (kind, Some(value)),
        None => (rest, None),
    };
    let kind = match (kind, value) {
        ("cut", None) => Kind::Cut,
        ("cut-before-commit", None) => Kind::CutBeforeCommit,
        ("cut-after-commit", None) => Kind::CutAfterCommit,
        ("read-only", None) => Kind::ReadOnly,
        ("stopped", None) => Kind::Stopped,
        ("slow", Some(value)) => Kind::Slow(parse_duration(value)?),
        ("error", Some(value)) => Kind::Error(value.parse().ok()?),
        ("log-on", Some(value)) => Kind::LogOn(value.parse().ok()?),
        // `cut-before-commit=0.1` is the short form of a probability.
        ("cut" | "cut-before-commit" | "cut-after-commit", Some(value)) => {
            let fault = parse(kind)?;
            return Some(Fault {
                matching,
                probability: value.parse().ok()?,
                ..fault
            });
        }
        _ => return None,
    };
    let mut fault = Fault {
        matching,
        probability,
        ..Fault::new(kind)
    };
    if let Some(selection) = selection {
        let (from, times) = match selection.split_once('x') {
            Some((from, times)) => (from, Some(times.parse().ok()?)),
            None => (selection, Some(1)),
        };
        fault.skip = from.parse::<u64>().ok()?.checked_sub(1)?;
        fault.times = times;
    }
    (0.0..=1.0).contains(&probability).then_some(fault)
}

fn parse_duration(text: &str) -> Option<Duration> {
    if let Some(milliseconds) = text.strip_suffix("ms") {
        return milliseconds.parse().ok().map(Duration::from_millis);
    }
    text.strip_suffix('s')?
        .parse()
        .ok()
        .map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_reads_as_it_is_written() {
        for (text, expected) in [
            (
                "cut-before-commit=0.1",
                Fault::cut_before_commit().probability(0.1),
            ),
            (
                "cut-after-commit:0.5",
                Fault::cut_after_commit().probability(0.5),
            ),
            (
                "slow=20ms@inbox.accept",
                Fault::slow(Duration::from_millis(20)).matching("inbox.accept"),
            ),
            (
                "error=131@raw.merge#3",
                Fault::error(131)
                    .matching("raw.merge")
                    .from_match(3)
                    .times(1),
            ),
            ("error=301#2x5", Fault::error(301).from_match(2).times(5)),
            ("log-on=416", Fault::log_on(416)),
            ("stopped", Fault::stopped()),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        for text in [
            "",
            "cut=x",
            "slow",
            "slow=3",
            "error=x",
            "explode",
            "error=131#0",
            "cut:2",
        ] {
            assert!(text.parse::<Fault>().is_err(), "{text}");
        }
    }
}
