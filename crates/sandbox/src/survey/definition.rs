//! Survey definitions in the forms that Qualtrics hands out, brought to one: what `survey-definitions/{id}` has in
//! `result`.
//!
//! Accepted are a QSF file, the answer of `survey-definitions/{id}?format=qsf` (the same in an envelope), and the
//! answer of `survey-definitions/{id}` with or without its envelope.

use serde_json::{Map, Value, json};

use crate::survey::question::members;

/// Why a survey can't be loaded.
#[derive(Debug, thiserror::Error)]
pub enum SurveyError {
    /// Not JSON.
    #[error("the survey definition is not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The file can't be read.
    #[error("the survey definition {path} can't be read: {source}")]
    File {
        /// Where it was looked for.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// JSON, but no survey.
    #[error(
        "this JSON is no survey: it has neither `SurveyEntry` and `SurveyElements` (QSF) nor `SurveyID` and `Questions`"
    )]
    NoSurvey,
    /// The id does not look like one.
    #[error("`{0}` is no survey id: it looks like SV_ and 11 to 15 letters or digits")]
    Id(String),
}

/// `SV_` and 11 to 15 alphanumerics. Source: Qualtrics' API documentation.
pub(crate) fn is_survey_id(id: &str) -> bool {
    id.strip_prefix("SV_").is_some_and(|rest| {
        (11..=15).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// Brings any of the accepted forms to the definition's own.
pub(crate) fn normalize(document: Value) -> Result<Map<String, Value>, SurveyError> {
    let inner = match document {
        Value::Object(mut map) => match map.remove("result") {
            Some(Value::Object(result)) => result,
            Some(_) => return Err(SurveyError::NoSurvey),
            None => map,
        },
        _ => return Err(SurveyError::NoSurvey),
    };
    let definition = if inner.contains_key("SurveyElements") {
        from_qsf(&inner)
    } else {
        inner
    };
    let id = definition
        .get("SurveyID")
        .and_then(Value::as_str)
        .ok_or(SurveyError::NoSurvey)?;
    if !definition.contains_key("Questions") {
        return Err(SurveyError::NoSurvey);
    }
    if !is_survey_id(id) {
        return Err(SurveyError::Id(id.chars().take(40).collect()));
    }
    Ok(definition)
}

/// What QSF calls it, and what the definition calls it.
const ENTRY: [(&str, &str); 8] = [
    ("SurveyID", "SurveyID"),
    ("SurveyName", "SurveyName"),
    ("SurveyStatus", "SurveyStatus"),
    ("SurveyOwnerID", "OwnerID"),
    ("SurveyBrandID", "BrandID"),
    ("CreatorID", "CreatorID"),
    ("LastModified", "LastModified"),
    ("LastActivated", "LastActivated"),
];

const ELEMENTS: [(&str, &str, &str); 4] = [
    ("FL", "SurveyFlow", "Survey Flow"),
    ("SO", "SurveyOptions", "Survey Options"),
    ("SCO", "Scoring", "Scoring"),
    ("PROJ", "ProjectInfo", "CORE"),
];

fn from_qsf(qsf: &Map<String, Value>) -> Map<String, Value> {
    let mut definition = Map::new();
    let entry = qsf.get("SurveyEntry");
    for (theirs, ours) in ENTRY {
        if let Some(value) = entry.and_then(|entry| entry.get(theirs)) {
            definition.insert(ours.to_owned(), value.clone());
        }
    }
    let mut questions = Map::new();
    let mut blocks = Map::new();
    for (_, element) in members(qsf.get("SurveyElements")) {
        let text = |name: &str| {
            element
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let body = element.get("Payload").cloned().unwrap_or(Value::Null);
        match text("Element").as_str() {
            "SQ" => {
                questions.insert(text("PrimaryAttribute"), body);
            }
            "BL" => blocks.extend(blocks_by_id(&body)),
            "QC" => {
                definition.insert(
                    "QuestionCount".to_owned(),
                    element
                        .get("SecondaryAttribute")
                        .cloned()
                        .unwrap_or_default(),
                );
            }
            "RS" => {
                definition.insert(
                    "ResponseSets".to_owned(),
                    json!({text("PrimaryAttribute"): "Default Response Set"}),
                );
            }
            other => {
                if let Some((_, name, _)) = ELEMENTS.iter().find(|(element, ..)| *element == other)
                {
                    definition.insert((*name).to_owned(), body);
                }
            }
        }
    }
    let created = entry.and_then(|entry| entry.get("SurveyCreationDate"));
    if let (Some(created), Some(Value::Object(options))) =
        (created, definition.get_mut("SurveyOptions"))
    {
        options
            .entry("SurveyCreationDate")
            .or_insert_with(|| created.clone());
    }
    definition.insert("Questions".to_owned(), Value::Object(questions));
    definition.insert("Blocks".to_owned(), Value::Object(blocks));
    definition
}

/// Blocks are a list in some files and an object with numbers for keys in others.
fn blocks_by_id(body: &Value) -> Map<String, Value> {
    members(Some(body))
        .into_iter()
        .map(|(key, block)| {
            let id = block
                .get("ID")
                .and_then(Value::as_str)
                .map_or(key, str::to_owned);
            (id, block.clone())
        })
        .collect()
}

/// The definition as `?format=qsf` shows it. Source: recorded answer.
pub(crate) fn to_qsf(definition: &Map<String, Value>) -> Value {
    let id = definition.get("SurveyID").cloned().unwrap_or_default();
    let mut entry = Map::new();
    for (theirs, ours) in ENTRY {
        entry.insert(
            theirs.to_owned(),
            definition.get(ours).cloned().unwrap_or_default(),
        );
    }
    for (name, value) in [
        ("SurveyDescription", Value::Null),
        ("DivisionID", Value::Null),
        ("SurveyLanguage", Value::from("EN")),
        ("SurveyActiveResponseSet", Value::from("RS_00000000000000")),
        ("SurveyStartDate", Value::from("0000-00-00 00:00:00")),
        ("SurveyExpirationDate", Value::from("0000-00-00 00:00:00")),
        ("SurveyCreationDate", Value::from("2026-01-01 00:00:00")),
        ("LastAccessed", Value::from("0000-00-00 00:00:00")),
        ("Deleted", Value::Null),
    ] {
        entry.insert(name.to_owned(), value);
    }
    let element = |element: &str, primary: &str, secondary: Value, body: Value| {
        json!({"SurveyID": id, "Element": element, "PrimaryAttribute": primary,
            "SecondaryAttribute": secondary, "TertiaryAttribute": null, "Payload": body})
    };
    let blocks: Vec<Value> = members(definition.get("Blocks"))
        .into_iter()
        .map(|(_, block)| block.clone())
        .collect();
    let mut elements = vec![element(
        "BL",
        "Survey Blocks",
        Value::Null,
        Value::Array(blocks),
    )];
    for (kind, name, primary) in ELEMENTS {
        if let Some(body) = definition.get(name) {
            elements.push(element(kind, primary, Value::Null, body.clone()));
        }
    }
    let count = definition.get("QuestionCount").cloned().unwrap_or_default();
    elements.push(element("QC", "Survey Question Count", count, Value::Null));
    for (id, question) in members(definition.get("Questions")) {
        let text = question
            .get("QuestionDescription")
            .cloned()
            .unwrap_or_default();
        elements.push(element("SQ", &id, text, question.clone()));
    }
    json!({"SurveyEntry": entry, "SurveyElements": elements})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survey_ids_are_checked() {
        assert!(is_survey_id("SV_22VlHYNeldrrrk1"));
        assert!(is_survey_id("SV_12345678901"));
        assert!(!is_survey_id("SV_1234567890"));
        assert!(!is_survey_id("SV_1234567890123456"));
        assert!(!is_survey_id("SV_22VlHYNeldrrrk/"));
        assert!(!is_survey_id("R_22VlHYNeldrrrk1"));
    }

    #[test]
    fn what_is_no_survey_is_refused_with_the_reason() {
        let check = |value: Value| normalize(value).unwrap_err().to_string();

        assert!(check(json!([])).starts_with("this JSON is no survey"));
        assert!(
            check(json!({"SurveyID": "SV_22VlHYNeldrrrk1"})).starts_with("this JSON is no survey")
        );
        assert_eq!(
            check(json!({"SurveyID": "SV_1", "Questions": {}})),
            "`SV_1` is no survey id: it looks like SV_ and 11 to 15 letters or digits"
        );
    }
}
