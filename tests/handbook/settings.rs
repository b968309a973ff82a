//! `ingester.schema.json` and the loader know the same keys, and the schema takes what the example has.

use std::collections::BTreeSet;

use qualtrics_ingester::config::{Config, Sources};
use serde_json::Value;

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

/// What of a value the schema does not allow; as much of JSON Schema as ours uses.
fn faults(schema: &Value, value: &Value, place: &str) -> Vec<String> {
    let mut found = own_faults(schema, value, place);
    for (at, item) in value.as_array().into_iter().flatten().enumerate() {
        if let Some(items) = schema.get("items") {
            found.extend(faults(items, item, &format!("{place}[{at}]")));
        }
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        let place = format!("{place}.{name}");
        let described = schema.get("properties").and_then(|known| known.get(name));
        match (described, schema.get("additionalProperties")) {
            (Some(known), _) => found.extend(faults(known, member, &place)),
            (None, Some(Value::Bool(false))) => found.push(format!("{place} is not known")),
            (None, Some(others)) => found.extend(faults(others, member, &place)),
            (None, None) => {}
        }
    }
    found
}

/// The same, of the value without what is in it.
fn own_faults(schema: &Value, value: &Value, place: &str) -> Vec<String> {
    let is = |kind: &Value| match kind.as_str().unwrap() {
        "string" => value.is_string(),
        "integer" => value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("type {other}"),
    };
    let mut found = Vec::new();
    for (keyword, says) in schema.as_object().unwrap() {
        let list = || says.as_array().unwrap().iter();
        let fits = match keyword.as_str() {
            "type" if says.is_array() => list().any(is),
            "type" => is(says),
            "enum" => list().any(|allowed| allowed == value),
            "anyOf" => list().any(|way| faults(way, value, place).is_empty()),
            "required" => list().all(|name| value.get(name.as_str().unwrap()).is_some()),
            "$schema" | "title" | "description" | "default" | "examples" => true,
            "properties" | "additionalProperties" | "items" => true,
            other => panic!("this test does not know {other}"),
        };
        if !fits {
            found.push(format!("{place}: {value} does not fit {keyword} {says}"));
        }
    }
    found
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
