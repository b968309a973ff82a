//! As much of JSON Schema as our schemas use; what they use beyond that fails the test. Used by `tests/it` too.

use serde_json::Value;

/// What of a value the schema does not allow; as much of JSON Schema as ours uses.
pub(crate) fn faults(schema: &Value, value: &Value, place: &str) -> Vec<String> {
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
        "null" => value.is_null(),
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
            "$schema" | "$defs" | "title" | "description" | "default" | "examples" => true,
            "properties" | "additionalProperties" | "items" => true,
            other => panic!("this test does not know {other}"),
        };
        if !fits {
            found.push(format!("{place}: {value} does not fit {keyword} {says}"));
        }
    }
    found
}
