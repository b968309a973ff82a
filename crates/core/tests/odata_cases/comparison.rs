//! Equal answers, as the recordings' own rules have it.

use serde_json::Value;

use super::Answer;

pub(super) type Outcome = Result<(), &'static str>;

pub(super) trait AndIf {
    fn and_if(self, condition: bool, reason: &'static str) -> Self;
}

impl AndIf for Outcome {
    fn and_if(self, condition: bool, reason: &'static str) -> Self {
        self.and(if condition { Ok(()) } else { Err(reason) })
    }
}

pub(super) fn error_message(answer: &Answer) -> Option<String> {
    let body: Value = serde_json::from_str(&answer.body).ok()?;
    body["error"]["code"].as_str()?;
    body["error"]["message"].as_str().map(str::to_owned)
}

pub(super) fn same_json(case: &Value, answer: &Answer) -> Outcome {
    let recorded = case["body"].as_str().unwrap();
    if recorded.is_empty() {
        return Ok(()).and_if(answer.body.is_empty(), "a body");
    }
    let url = case["request"]["url"].as_str().unwrap();
    let unordered = url.contains("$apply") && !url.contains("orderby");
    let (Ok(recorded), Ok(ours)) = (
        serde_json::from_str(recorded),
        serde_json::from_str(&answer.body),
    ) else {
        return Err("no JSON");
    };
    Ok(()).and_if(same(&recorded, &ours, unordered), "another body")
}

/// Equal as JSON: numbers to 1e-9, whole numbers exactly; links by being there.
pub(super) fn same(recorded: &Value, ours: &Value, unordered: bool) -> bool {
    match (recorded, ours) {
        (Value::Object(recorded), Value::Object(ours)) => {
            let ignored = |key: &str| key == "@odata.metadataEtag" || key.starts_with("@Common.");
            let keys: Vec<&String> = recorded.keys().filter(|key| !ignored(key)).collect();
            keys.len() == ours.len()
                && keys.into_iter().all(|key| match ours.get(key) {
                    Some(_) if key == "@odata.nextLink" => true,
                    Some(value) => same(&recorded[key], value, unordered),
                    None => false,
                })
        }
        (Value::Array(recorded), Value::Array(ours)) if unordered => {
            let mut left: Vec<&Value> = ours.iter().collect();
            recorded.len() == ours.len()
                && recorded.iter().all(|one| {
                    let found = left.iter().position(|other| same(one, other, false));
                    found.map(|index| left.swap_remove(index)).is_some()
                })
        }
        (Value::Array(recorded), Value::Array(ours)) => {
            recorded.len() == ours.len()
                && recorded
                    .iter()
                    .zip(ours)
                    .all(|(one, other)| same(one, other, false))
        }
        (Value::Number(recorded), Value::Number(ours)) => {
            match (recorded.as_i64(), ours.as_i64()) {
                (Some(recorded), Some(ours)) => recorded == ours,
                _ => {
                    let (recorded, ours) = (recorded.as_f64().unwrap(), ours.as_f64().unwrap());
                    (recorded - ours).abs() <= 1e-9_f64.max(recorded.abs() * 1e-12)
                }
            }
        }
        (recorded, ours) => recorded == ours,
    }
}

/// Entity sets, keys, property names and types of a `$metadata` document, as lines.
pub(super) fn shape(body: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let attribute = |element: &str, name: &str| {
        let (_, rest) = element.split_once(&format!(" {name}=\""))?;
        rest.split('"').next().map(str::to_owned)
    };
    if body.starts_with('{') {
        let document: Value = serde_json::from_str(body).unwrap();
        for (name, entity) in document["FeedbackService"].as_object().unwrap() {
            if entity["$Kind"] != "EntityType" {
                continue;
            }
            lines.push(format!("{name} key {}", entity["$Key"]));
            for (property, content) in entity
                .as_object()
                .unwrap()
                .iter()
                .filter(|(name, _)| !name.starts_with(['$', '@']))
            {
                let kind = content["$Type"].as_str().unwrap_or("Edm.String");
                lines.push(format!("{name} {property} {kind}"));
            }
        }
    } else {
        let mut entity = String::new();
        for element in body.split('<') {
            match element.split([' ', '>', '/']).next().unwrap() {
                "EntitySet" => lines.push(format!("set {}", attribute(element, "Name").unwrap())),
                "EntityType" => entity = attribute(element, "Name").unwrap(),
                "PropertyRef" => lines.push(format!(
                    "{entity} key {}",
                    attribute(element, "Name").unwrap()
                )),
                "Property" => {
                    let (name, kind) = (
                        attribute(element, "Name").unwrap(),
                        attribute(element, "Type").unwrap(),
                    );
                    lines.push(format!("{entity} {name} {kind}"));
                }
                _ => {}
            }
        }
    }
    // Ours has the contract's computed properties beside the columns.
    lines.retain(|line| {
        !["RecordedDay", "RecordedWeek", "RecordedMonth"]
            .iter()
            .any(|name| line.contains(name))
    });
    lines.sort();
    lines
}

pub(super) fn same_shape(case: &Value, answer: &Answer) -> Outcome {
    Ok(()).and_if(
        shape(case["body"].as_str().unwrap()) == shape(&answer.body),
        "another shape",
    )
}

/// Status and body of each part of a batch's answer.
pub(super) fn parts(content_type: &str, body: &str) -> Vec<(u64, String)> {
    let Some((_, boundary)) = content_type.split_once("boundary=") else {
        let document: Value = serde_json::from_str(body).unwrap();
        let parts = document["responses"].as_array().unwrap().iter();
        return parts
            .map(|part| (part["status"].as_u64().unwrap(), part["body"].to_string()))
            .collect();
    };
    let delimiter = format!("--{boundary}");
    let parts = body.split(&delimiter);
    let parts = parts.filter_map(|part| {
        let (_, response) = part.split_once("HTTP/1.1 ")?;
        let (head, body) = response.split_once("\r\n\r\n").unwrap_or((response, ""));
        Some((head.get(..3)?.parse().unwrap(), body.trim().to_owned()))
    });
    parts.collect()
}

pub(super) fn same_parts(case: &Value, answer: &Answer) -> Outcome {
    let recorded = parts(
        case["content_type"].as_str().unwrap(),
        case["body"].as_str().unwrap(),
    );
    let ours = parts(answer.content_type.as_deref().unwrap(), &answer.body);
    if recorded.len() != ours.len() {
        return Err("another number of parts");
    }
    for ((recorded_status, recorded), (status, body)) in recorded.iter().zip(&ours) {
        let equal = match (serde_json::from_str(recorded), serde_json::from_str(body)) {
            (Ok(recorded), Ok(body)) => *status >= 400 || same(&recorded, &body, false),
            _ => recorded == body,
        };
        Ok(())
            .and_if(recorded_status == status, "another status in a part")
            .and_if(equal, "another body in a part")?;
    }
    Ok(())
}
