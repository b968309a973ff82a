//! `ops/`: rules and dashboard ask for metrics that are written, in the form that Prometheus and Grafana read.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ingester_core::time::Timestamp;
use qualtrics_ingester::telemetry::metrics::Metrics;
use serde::Deserialize;
use serde_json::Value;

use super::{read, yaml};

/// The metrics of this process, with the endings that a query may add.
fn metrics() -> BTreeSet<String> {
    let (metrics, survey) = (Metrics::new(), "SV_22VlHYNeldrrrk1".parse().unwrap());
    let moment = Duration::from_secs(1);
    // What has labels is written once it was seen.
    metrics.callback_refused("unsigned");
    metrics.row_committed(&survey, 1);
    metrics.inbox("dead", 1);
    metrics.qualtrics_request("response", 200, moment);
    metrics.database("accept", moment);
    metrics.subscription_up(&survey, true);
    metrics.cells_truncated(&survey, 1);
    metrics.unknown_keys(&survey, 1);
    metrics.freshness(&survey, moment);
    metrics.complete_up_to(&survey, Timestamp::UNIX_EPOCH);
    metrics.reconcile_missing(&survey, 1);
    let text = metrics.encode().unwrap();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types
        .flat_map(|line| {
            let (name, kind) = line.split_once(' ').unwrap();
            match kind {
                "counter" => vec![format!("{name}_total")],
                "histogram" => ["_bucket", "_sum", "_count"]
                    .iter()
                    .map(|end| format!("{name}{end}"))
                    .collect(),
                "info" => vec![format!("{name}_info")],
                _ => vec![name.to_owned()],
            }
        })
        .collect()
}

#[test]
fn dashboard_and_alerts_ask_for_metrics_as_they_are_written() {
    let known = metrics();
    let mut asked = BTreeSet::new();
    for path in ["ops/alerts.yml", "ops/grafana.json"] {
        let text = read(path);
        let words = text.split(|c: char| !(c.is_ascii_lowercase() || c == '_'));
        for word in
            words.filter(|word| word.starts_with("ingester_") || word.starts_with("process_"))
        {
            assert!(
                known.contains(word),
                "{path} asks for {word}, which is never written"
            );
            asked.insert(word.to_owned());
        }
    }
    assert!(asked.len() > 20, "{asked:?}");
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    groups: Vec<Group>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    name: String,
    rules: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    alert: String,
    expr: String,
    #[serde(default)]
    r#for: Option<String>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

#[test]
fn alert_rules_have_prometheus_form() {
    let rules: Rules = yaml("ops/alerts.yml");
    let [group] = <[Group; 1]>::try_from(rules.groups).unwrap();
    assert_eq!(group.name, "qualtrics-ingester");
    for rule in group.rules {
        assert!(
            !rule.expr.is_empty() && rule.annotations.contains_key("summary"),
            "{}",
            rule.alert
        );
        assert!(
            matches!(rule.labels["severity"].as_str(), "page" | "ticket"),
            "{}",
            rule.alert
        );
        assert!(
            rule.r#for.is_none_or(|wait| wait.ends_with('m')),
            "{}",
            rule.alert
        );
    }
}

#[test]
fn the_dashboard_is_one() {
    let dashboard: Value = serde_json::from_str(&read("ops/grafana.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels
        .iter()
        .map(|panel| panel["id"].as_u64().unwrap())
        .collect();
    assert_eq!(ids.len(), panels.len());
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        assert!(!panel["targets"].as_array().unwrap().is_empty(), "{panel}");
    }
}
