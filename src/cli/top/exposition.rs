//! What `/metrics` says, read as far as `top` shows it. Source: OpenMetrics 1.0, "Text Format".

use std::collections::BTreeMap;

/// Every sample: its labels and its value, by metric.
#[derive(Debug, Default)]
pub(super) struct Exposition<'a>(BTreeMap<&'a str, Vec<(&'a str, f64)>>);

impl<'a> Exposition<'a> {
    /// Reads all lines that are samples; others are none of ours.
    pub(super) fn parse(text: &'a str) -> Self {
        let mut samples: BTreeMap<&str, Vec<(&str, f64)>> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((metric, labels, value)) = sample(line) else {
                continue;
            };
            samples.entry(metric).or_default().push((labels, value));
        }
        Self(samples)
    }

    pub(super) fn has(&self, metric: &str) -> bool {
        self.0.contains_key(metric)
    }

    /// The sum of a metric's samples, or of those with a label; zero if there are none.
    pub(super) fn value(&self, metric: &str, label: Option<(&str, &str)>) -> f64 {
        let wanted = label.map(|(name, value)| format!("{name}=\"{value}\""));
        let has_label = |labels: &str| {
            wanted
                .as_deref()
                .is_none_or(|wanted| labels.split(',').any(|label| label == wanted))
        };
        let samples = self.0.get(metric).into_iter().flatten();
        samples
            .filter(|(labels, _)| has_label(labels))
            // Not sum(): that of nothing is -0.
            .fold(0.0, |sum, (_, value)| sum + value)
    }

    /// A histogram's buckets: upper bound and how many were not above it.
    pub(super) fn buckets(&self, metric: &str) -> Vec<(f64, f64)> {
        let samples = self.0.get(format!("{metric}_bucket").as_str());
        let bound = |labels: &str| {
            let text = labels
                .split(',')
                .find_map(|label| label.strip_prefix("le=\""))?;
            match text.trim_end_matches('"') {
                "+Inf" => Some(f64::INFINITY),
                number => number.parse().ok(),
            }
        };
        samples
            .into_iter()
            .flatten()
            .filter_map(|(labels, count)| Some((bound(labels)?, *count)))
            .collect()
    }
}

/// `name{labels} value`, the labels without their braces.
fn sample(line: &str) -> Option<(&str, &str, f64)> {
    let (head, rest) = match line.split_once('{') {
        Some((metric, rest)) => {
            let (labels, rest) = rest.rsplit_once('}')?;
            ((metric, labels), rest)
        }
        None => {
            let (metric, rest) = line.split_once(' ')?;
            ((metric, ""), rest)
        }
    };
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some((head.0, head.1, value))
}

/// The value below which this share of all lies, between the bounds of its bucket as Prometheus does; the last finite
/// bound if it lies beyond.
pub(super) fn quantile(buckets: &[(f64, f64)], share: f64) -> Option<f64> {
    let (_, all) = *buckets.last()?;
    if all <= 0.0 {
        return None;
    }
    let rank = share * all;
    let (mut lower, mut below) = (0.0, 0.0);
    for &(upper, count) in buckets {
        if count >= rank {
            if upper.is_infinite() {
                return Some(lower);
            }
            let inside = count - below;
            let part = if inside > 0.0 {
                (rank - below) / inside
            } else {
                1.0
            };
            return Some(lower + (upper - lower) * part);
        }
        (lower, below) = (upper, count);
    }
    Some(lower)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# TYPE ingester_events counter\n\
        ingester_events_total{outcome=\"row\"} 25\n\
        ingester_events_total{outcome=\"dead\"} 2\n\
        ingester_database_up 1\n\
        t_bucket{le=\"0.001\"} 0\nt_bucket{le=\"0.01\"} 50\nt_bucket{le=\"0.1\"} 100\nt_bucket{le=\"+Inf\"} 100\n\
        # EOF\n";

    #[test]
    fn samples_are_summed_and_selected() {
        let metrics = Exposition::parse(TEXT);
        let close = |one: f64, other: f64| assert!((one - other).abs() < 1e-9, "{one} {other}");

        close(
            metrics.value("ingester_events_total", Some(("outcome", "row"))),
            25.0,
        );
        close(metrics.value("ingester_events_total", None), 27.0);
        close(metrics.value("ingester_database_up", None), 1.0);
        close(metrics.value("nothing", None), 0.0);
        assert!(metrics.value("nothing", None).is_sign_positive());
        assert!(!metrics.has("nothing"));
        close(quantile(&metrics.buckets("t"), 0.5).unwrap(), 0.01);
        close(quantile(&metrics.buckets("t"), 0.75).unwrap(), 0.055);
    }

    #[test]
    fn a_quantile_of_nothing_is_none_and_beyond_all_bounds_the_last() {
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&[(1.0, 0.0), (f64::INFINITY, 0.0)], 0.5), None);
        assert_eq!(
            quantile(&[(1.0, 0.0), (f64::INFINITY, 3.0)], 0.5),
            Some(1.0)
        );
    }
}
