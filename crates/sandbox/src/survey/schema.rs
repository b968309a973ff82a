//! `GET /surveys/{id}/response-schema`: a JSON Schema of a response.
//!
//! Source: Qualtrics' OpenAPI text and its one example; no answer of a real survey was recorded, so all is a guess that
//! the example does not show.

use serde_json::{Value, json};

use crate::json::{Json, Object};
use crate::survey::Survey;
use crate::survey::field::{Field, Opt, Shape};
use crate::survey::metadata::{METADATA, Metadata, PERSONAL, STATUS, Type};

/// The schema that stands in `result`.
pub(crate) fn schema(survey: &Survey) -> Object {
    let values = described("object", "The answers given by the survey respondent");
    let shown = "A list of questions or question rows that were displayed to the survey respondent";
    let possible = "A list of the possible answers shown to the survey respondent for each question or question row";
    let labels = "The labels of the answers given by the survey respondent for each question or question row";
    let properties = Object::new()
        .with("responseId", Object::new().with("type", "string"))
        .with(
            "displayedFields",
            described("array", shown).with("items", json!({"type": "string"})),
        )
        .with(
            "displayedValues",
            described("object", possible).with("additionalProperties", json!({"type": "array"})),
        )
        .with(
            "labels",
            described("object", labels).with("additionalProperties", true),
        )
        .with("values", values.with("properties", of_values(survey)));
    let required = [
        "values",
        "displayedFields",
        "displayedValues",
        "labels",
        "responseId",
    ];
    let id = &survey.id;
    Object::new()
        .with("$schema", "https://json-schema.org/draft/2019-09/schema")
        .with(
            "$id",
            format!("http://qualtrics.com/API/v3/surveys/{id}/response-schema"),
        )
        .with(
            "title",
            format!("JSON Schema {} ({id}) - Survey Response", survey.name),
        )
        .with(
            "description",
            format!("This is a schema for survey responses from {id}"),
        )
        .with("type", "object")
        .with("required", json!(required))
        .with("properties", properties)
}

fn described(kind: &str, text: &str) -> Object {
    Object::new().with("type", kind).with("description", text)
}

fn of_values(survey: &Survey) -> Object {
    let mut values = Object::new();
    for metadata in &METADATA {
        if !(survey.anonymous && PERSONAL.contains(&metadata.key)) {
            values.push(metadata.key, of_metadata(metadata));
        }
    }
    for field in &survey.fields {
        values.push(field.key.as_str(), of_field(field));
    }
    for extra in &survey.extras {
        let kind = if extra.is_score { "number" } else { "string" };
        let property = named(&extra.text, "embeddedData", kind);
        values.push(
            extra.key.as_str(),
            property.with("exportTag", extra.tag.as_str()),
        );
    }
    for embedded in &survey.embedded {
        let name = embedded.name.as_str();
        values.push(
            name,
            named(name, "embeddedData", "string").with("exportTag", name),
        );
    }
    values
}

fn named(text: &str, data_type: &str, kind: &str) -> Object {
    Object::new()
        .with("description", text)
        .with("dataType", data_type)
        .with("type", kind)
}

fn of_metadata(metadata: &Metadata) -> Object {
    let labelled = |options: &[(i64, &str)]| {
        let options: Vec<Value> = options
            .iter()
            .map(|(code, label)| json!({"label": label, "const": code}))
            .collect();
        Value::Array(options)
    };
    let about = |kind| named(metadata.text, "metadata", kind);
    let object = match metadata.kind {
        Type::Text => about("string"),
        Type::Date => about("string").with("format", "date-time"),
        Type::Number => about("number"),
        Type::Status => about("number").with("oneOf", labelled(&STATUS)),
        Type::Finished => about("number").with("oneOf", labelled(&[(0, "False"), (1, "True")])),
    };
    object.with("exportTag", metadata.tag)
}

fn of_field(field: &Field) -> Object {
    let about = |kind| named(&field.text, "question", kind);
    let array = |items: Object| about("array").with("items", items);
    let object = match &field.shape {
        Shape::Single(options) => about(kind_of(options)).with("oneOf", one_of(options)),
        Shape::Multi(options) | Shape::Order(options) => {
            array(Object::new().with("type", "string").with("oneOf", one_of(options)))
        }
        Shape::NpsGroup => about("number").with(
            "oneOf",
            json!([{"label": "Detractor", "const": 1}, {"label": "Passive", "const": 2}, {"label": "Promoter", "const": 3}]),
        ),
        Shape::Text => about("string"),
        Shape::Number | Shape::Rank(_) => about("number"),
        Shape::Points => array(
            Object::new()
                .with("type", "object")
                .with("properties", json!({"x": {"type": "number"}, "y": {"type": "number"}})),
        ),
        Shape::Regions => array(Object::new().with("type", "string")),
    };
    let object = object
        .with("exportTag", field.tag.as_str())
        .with("questionId", field.question.as_str())
        .with("questionExportTag", field.question_tag.as_str());
    match field.loop_number {
        Some(number) => object.with("loopNumber", number),
        None => object,
    }
}

/// Recodes that are no numbers make the answer a string.
fn kind_of(options: &[Opt]) -> &'static str {
    if options.iter().all(|option| option.code.is_number()) {
        "number"
    } else {
        "string"
    }
}

fn one_of(options: &[Opt]) -> Json {
    let option = |option: &Opt| {
        Json::Object(
            Object::new()
                .with("label", option.label.as_str())
                .with("const", option.code.clone()),
        )
    };
    Json::List(options.iter().map(option).collect())
}
