//! Metrics as OTLP has them, from the text that Prometheus reads: the one place where they are written stays the one.

use std::collections::BTreeMap;

use ingester_core::time::Timestamp;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum, metric::Data, number_data_point::Value,
};

use super::{attribute, nanoseconds, resource, scope};

const CUMULATIVE: i32 = AggregationTemporality::Cumulative as i32;

/// One line: the name's ending, the labels as they are written, the value.
struct Sample<'a> {
    ending: &'a str,
    labels: Vec<(&'a str, &'a str)>,
    value: f64,
}

/// A request with every metric. `began` is when counting began.
pub(super) fn request(text: &str, began: Timestamp, now: Timestamp) -> ExportMetricsServiceRequest {
    let times = Times {
        began: nanoseconds(began),
        now: nanoseconds(now),
    };
    let metrics = families(text).into_iter().map(|(name, kind, samples)| {
        let data = match kind {
            "counter" => Data::Sum(Sum {
                data_points: times.points(&samples),
                aggregation_temporality: CUMULATIVE,
                is_monotonic: true,
            }),
            "histogram" => Data::Histogram(Histogram {
                data_points: times.histograms(&samples),
                aggregation_temporality: CUMULATIVE,
            }),
            _ => Data::Gauge(Gauge {
                data_points: times.points(&samples),
            }),
        };
        Metric {
            name: name.to_owned(),
            data: Some(data),
            ..Metric::default()
        }
    });
    let scope_metrics = ScopeMetrics {
        scope: Some(scope()),
        metrics: metrics.collect(),
        ..ScopeMetrics::default()
    };
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(resource()),
            scope_metrics: vec![scope_metrics],
            ..ResourceMetrics::default()
        }],
    }
}

struct Times {
    began: u64,
    now: u64,
}

impl Times {
    fn points(&self, samples: &[Sample<'_>]) -> Vec<NumberDataPoint> {
        let points = samples.iter().map(|sample| NumberDataPoint {
            attributes: attributes(&sample.labels),
            start_time_unix_nano: self.began,
            time_unix_nano: self.now,
            value: Some(Value::AsDouble(sample.value)),
            ..NumberDataPoint::default()
        });
        points.collect()
    }

    /// Prometheus counts what is not above a bound, OTLP what is between two.
    fn histograms(&self, samples: &[Sample<'_>]) -> Vec<HistogramDataPoint> {
        let mut by_labels: BTreeMap<Vec<(&str, &str)>, Vec<&Sample<'_>>> = BTreeMap::new();
        for sample in samples {
            let mut labels = sample.labels.clone();
            labels.retain(|(name, _)| *name != "le");
            by_labels.entry(labels).or_default().push(sample);
        }
        let points = by_labels.into_iter().map(|(labels, samples)| {
            let mut point = HistogramDataPoint {
                attributes: attributes(&labels),
                start_time_unix_nano: self.began,
                time_unix_nano: self.now,
                ..HistogramDataPoint::default()
            };
            let mut before = 0;
            for sample in samples {
                match sample.ending {
                    "_sum" => point.sum = Some(sample.value),
                    "_count" => point.count = whole(sample.value),
                    _ => {
                        let bound = sample.labels.iter().find(|(name, _)| *name == "le");
                        let bound: Option<f64> = bound.and_then(|(_, bound)| bound.parse().ok());
                        point
                            .explicit_bounds
                            .extend(bound.filter(|bound| bound.is_finite()));
                        let so_far = whole(sample.value);
                        point.bucket_counts.push(so_far.saturating_sub(before));
                        before = so_far;
                    }
                }
            }
            point
        });
        points.collect()
    }
}

/// A count, which is written as a number like any other.
fn whole(value: f64) -> u64 {
    format!("{value:.0}").parse().unwrap_or(0)
}

fn attributes(labels: &[(&str, &str)]) -> Vec<KeyValue> {
    let attributes = labels
        .iter()
        .map(|(name, value)| attribute(name, any_value::Value::StringValue((*value).to_owned())));
    attributes.collect()
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

    fn data(request: &ExportMetricsServiceRequest, name: &str) -> Data {
        let mut metrics = request.resource_metrics[0].scope_metrics[0].metrics.iter();
        let metric = metrics.find(|metric| metric.name == name);
        metric
            .unwrap_or_else(|| panic!("no {name}"))
            .data
            .clone()
            .unwrap()
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
        let request = request(&metrics.encode().unwrap(), second(1), second(2));

        let Data::Sum(events) = data(&request, "ingester_events") else {
            panic!("no counter");
        };
        assert_eq!(
            (events.is_monotonic, events.aggregation_temporality),
            (true, 2)
        );
        let row = attribute("outcome", any_value::Value::StringValue("row".to_owned()));
        let mut points = events.data_points.iter();
        let rows = points
            .find(|point| point.attributes == [row.clone()])
            .unwrap();
        assert_eq!(rows.value, Some(Value::AsDouble(2.0)));
        assert_eq!(
            (rows.start_time_unix_nano, rows.time_unix_nano),
            (1_000_000_000, 2_000_000_000)
        );
        let Data::Gauge(inbox) = data(&request, "ingester_inbox_events") else {
            panic!("no gauge");
        };
        assert_eq!(inbox.data_points[0].value, Some(Value::AsDouble(3.0)));

        let Data::Histogram(histogram) = data(&request, "ingester_event_to_row_seconds") else {
            panic!("no histogram");
        };
        let point = &histogram.data_points[0];
        let counts = &point.bucket_counts;
        assert_eq!(counts.len(), point.explicit_bounds.len() + 1);
        assert_eq!(counts.iter().sum::<u64>(), 4);
        assert_eq!((counts[3], counts.last()), (2, Some(&1)), "{point:?}");
        assert_eq!((point.count, point.sum), (4, Some(90.306)));
    }
}
