//! `ingester.schema.json` and the loader know the same keys, and the schema takes what the example has.

use std::collections::BTreeSet;

use qualtrics_ingester::config::{Config, Sources};
use serde_json::Value;

use super::json_schema::faults;
use super::{code, difference, read};

/// What the loader says of a file that it can't read.
fn refusal(text: &str) -> String {
    let sources = Sources {
        file: Some(("ingester.toml".into(), text.to_owned())),
        ..Sources::default()
    };
    Config::load(&sources)
        .err()
        .unwrap_or_else(|| panic!("{text} loads"))
        .to_string()
}

/// The keys that the loader offers where it meets one that it does not know.
fn keys(text: &str) -> BTreeSet<String> {
    let said = refusal(text);
    let (_, known) = said
        .split_once("unknown field `nope`, expected ")
        .unwrap_or_else(|| panic!("{said}"));
    code(known).map(str::to_owned).collect()
}

fn schema() -> Value {
    serde_json::from_str(&read("ingester.schema.json")).unwrap()
}

#[test]
fn schema_and_loader_know_the_same_keys() {
    let schema = schema();
    let places = [
        ("nope = 1", ""),
        ("[[survey]]\nnope = 1", "/properties/survey/items"),
        (
            "[[survey]]\nmissing = { nope = 1 }",
            "/properties/survey/items/properties/missing",
        ),
        ("[[access]]\nnope = 1", "/properties/access/items"),
        ("[auth]\nnope = 1", "/properties/auth/anyOf/1"),
        ("[odata]\nnope = 1", "/properties/odata"),
        ("[inbox]\nnope = 1", "/properties/inbox"),
        ("[web]\nnope = 1", "/properties/web"),
    ];
    for (text, place) in places {
        let there = schema.pointer(place).unwrap();
        assert_eq!(there["additionalProperties"], false, "{place}");
        let described: BTreeSet<String> = there["properties"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect();
        let differences = difference(
            ("the loader", &keys(text)),
            ("ingester.schema.json", &described),
        );
        assert!(differences.is_empty(), "{place}: {differences}");
    }
}

/// The example with every setting switched on; where a table stands several times, each of them.
fn example() -> Value {
    let text = read("ingester.example.toml");
    let lines = text.lines().map(|line| match line.strip_prefix('#') {
        Some(setting) if !setting.starts_with(' ') && !setting.is_empty() => setting,
        Some(_) => "",
        None => line,
    });
    let file: toml::Value = toml::from_str(&lines.collect::<Vec<_>>().join("\n")).unwrap();
    serde_json::to_value(file).unwrap()
}

#[test]
fn the_schema_takes_the_whole_example_and_nothing_else() {
    let (schema, mut example) = (schema(), example());
    assert_eq!(faults(&schema, &example, ""), Vec::<String>::new());
    let mut used: BTreeSet<String> = example.as_object().unwrap().keys().cloned().collect();
    let described: BTreeSet<String> = schema["properties"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    // `[auth]` is there; PORT and LISTEN_ADDR both.
    used.insert("auth".to_owned());
    let differences = difference(("the example", &used), ("ingester.schema.json", &described));
    assert!(differences.is_empty(), "{differences}");

    example["survey"][0]["nmae"] = "x".into();
    example["port"] = true.into();
    assert_eq!(
        faults(&schema, &example, "").len(),
        2,
        "{:?}",
        faults(&schema, &example, "")
    );
}
