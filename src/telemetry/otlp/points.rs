//! Metrics as OTLP has them, from the text that Prometheus reads: the one place where they are written stays the one.

use std::collections::BTreeMap;

use ingester_core::time::Timestamp;
use serde_json::{Value, json};

use super::{resource, scope};

/// `AGGREGATION_TEMPORALITY_CUMULATIVE`
const CUMULATIVE: u32 = 2;

/// One line: the name's ending, the labels as they are written, the value.
struct Sample<'a> {
    ending: &'a str,
    labels: Vec<(&'a str, &'a str)>,
    value: f64,
}

/// A request's body with every metric. `began` is when counting began.
pub(super) fn request(text: &str, began: Timestamp, now: Timestamp) -> Value {
    let times = Times {
        began: began.as_nanosecond().to_string(),
        now: now.as_nanosecond().to_string(),
    };
    let metrics: Vec<Value> = families(text)
        .into_iter()
        .map(|(name, kind, samples)| {
            let (form, data) = match kind {
                "counter" => (
                    "sum",
                    json!({ "aggregationTemporality": CUMULATIVE, "isMonotonic": true, "dataPoints": times.points(&samples) }),
                ),
                "histogram" => (
                    "histogram",
                    json!({ "aggregationTemporality": CUMULATIVE, "dataPoints": times.histograms(&samples) }),
                ),
                _ => ("gauge", json!({ "dataPoints": times.points(&samples) })),
            };
            json!({ "name": name, (form): data })
        })
        .collect();
    json!({ "resourceMetrics": [{ "resource": resource(), "scopeMetrics": [{ "scope": scope(), "metrics": metrics }] }] })
}

struct Times {
    began: String,
    now: String,
}

impl Times {
    fn points(&self, samples: &[Sample<'_>]) -> Vec<Value> {
        samples
            .iter()
            .map(|sample| {
                json!({
                    "attributes": attributes(&sample.labels), "startTimeUnixNano": self.began, "timeUnixNano": self.now,
                    "asDouble": sample.value,
                })
            })
            .collect()
    }

    /// Prometheus counts what is not above a bound, OTLP what is between two.
    fn histograms(&self, samples: &[Sample<'_>]) -> Vec<Value> {
        let mut by_labels: BTreeMap<Vec<(&str, &str)>, Vec<&Sample<'_>>> = BTreeMap::new();
        for sample in samples {
            let mut labels = sample.labels.clone();
            labels.retain(|(name, _)| *name != "le");
            by_labels.entry(labels).or_default().push(sample);
        }
        let points = by_labels.into_iter().map(|(labels, samples)| {
            let (mut bounds, mut counts, mut before) = (Vec::new(), Vec::new(), 0.0);
            let value = |ending: &str| {
                let found = samples.iter().find(|sample| sample.ending == ending);
                found.map_or(0.0, |sample| sample.value)
            };
            for sample in samples.iter().filter(|sample| sample.ending == "_bucket") {
                let bound = sample.labels.iter().find(|(name, _)| *name == "le");
                let bound: Option<f64> = bound.and_then(|(_, bound)| bound.parse().ok());
                bounds.extend(bound.filter(|bound| bound.is_finite()));
                counts.push(format!("{:.0}", sample.value - before));
                before = sample.value;
            }
            json!({
                "attributes": attributes(&labels), "startTimeUnixNano": self.began, "timeUnixNano": self.now,
                "count": format!("{:.0}", value("_count")), "sum": value("_sum"),
                "explicitBounds": bounds, "bucketCounts": counts,
            })
        });
        points.collect()
    }
}

fn attributes(labels: &[(&str, &str)]) -> Vec<Value> {
    labels
        .iter()
        .map(|(name, value)| json!({ "key": name, "value": { "stringValue": value } }))
        .collect()
}

/// Each metric with its type and samples.
fn families(text: &str) -> Vec<(&str, &str, Vec<Sample<'_>>)> {
    let mut found: Vec<(&str, &str, Vec<Sample<'_>>)> = Vec::new();
    for line in text.lines() {
        if let Some((name, kind)) = line
            .strip_prefix("# TYPE ")
            .and_then(|rest| rest.split_once(' '))
        {
            found.push((name, kind, Vec::new()));
        } else if let Some((name, _, samples)) = found.last_mut() {
            samples.extend(line.strip_prefix(*name).and_then(sample));
        }
    }
    found.retain(|(_, _, samples)| !samples.is_empty());
    found
}

/// `_total{outcome="row"} 25`. Our labels are words: none has a comma, a quote or a brace in it.
fn sample(line: &str) -> Option<Sample<'_>> {
    let (head, value) = line.rsplit_once(' ')?;
    let (ending, labels) = match head.split_once('{') {
        Some((ending, labels)) => (ending, labels.strip_suffix('}')?),
        None => (head, ""),
    };
    let labels = labels
        .split(',')
        .filter_map(|label| label.split_once('='))
        .map(|(name, value)| (name, value.trim_matches('"')));
    Some(Sample {
        ending,
        labels: labels.collect(),
        value: value.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::telemetry::metrics::{EventOutcome, Metrics};

    /// The data of a metric of a body.
    fn data(body: &Value, name: &str, form: &str) -> Value {
        let metrics = &body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"];
        let mut metrics = metrics.as_array().unwrap().iter();
        let metric = metrics.find(|metric| metric["name"] == name);
        metric.unwrap_or_else(|| panic!("no {name}"))[form].clone()
    }

    #[test]
    fn counters_gauges_and_histograms_keep_their_values() {
        let metrics = Metrics::new();
        metrics.event(EventOutcome::Row);
        metrics.event(EventOutcome::Row);
        metrics.inbox("dead", 3);
        for milliseconds in [3, 3, 300, 90_000] {
            metrics.event_to_row(Duration::from_millis(milliseconds), None);
        }
        let second = |second| Timestamp::from_second(second).unwrap();
        let body = request(&metrics.encode().unwrap(), second(1), second(2));

        let events = data(&body, "ingester_events", "sum");
        assert_eq!(
            (&events["isMonotonic"], &events["aggregationTemporality"]),
            (&json!(true), &json!(2))
        );
        let points = events["dataPoints"].as_array().unwrap();
        let rows = points
            .iter()
            .find(|point| point["attributes"][0]["value"]["stringValue"] == "row");
        assert_eq!(rows.unwrap()["asDouble"], 2.0);
        assert_eq!(rows.unwrap()["startTimeUnixNano"], "1000000000");
        assert_eq!(
            data(&body, "ingester_inbox_events", "gauge")["dataPoints"][0]["asDouble"],
            3.0
        );

        let histogram = data(&body, "ingester_event_to_row_seconds", "histogram");
        let point = &histogram["dataPoints"][0];
        let counts: Vec<u64> = point["bucketCounts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|count| count.as_str().unwrap().parse().unwrap())
            .collect();
        assert_eq!(
            counts.len(),
            point["explicitBounds"].as_array().unwrap().len() + 1
        );
        assert_eq!(counts.iter().sum::<u64>(), 4);
        assert_eq!((counts[3], counts.last()), (2, Some(&1)), "{point}");
        assert_eq!(point["count"], "4");
    }
}
