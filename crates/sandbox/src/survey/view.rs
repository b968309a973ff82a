//! `GET /surveys/{id}`: the camel-case view of a survey. Source: three recorded answers.

use serde_json::{Value, json};

use crate::json::{Json, Object, scalar_text};
use crate::survey::question::{Choice, Kind, Question, members};
use crate::survey::{Survey, blocks_in_order, column_map, loop_count};

/// How many responses a survey has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) auditable: u64,
    pub(crate) generated: u64,
    pub(crate) deleted: u64,
}

pub(crate) fn view(survey: &Survey, counts: Counts) -> Object {
    let questions = survey
        .questions
        .iter()
        .fold(Object::new(), |mut map, question| {
            map.set(&question.id, of_question(question));
            map
        });
    let embedded = survey.embedded.iter().map(|field| {
        let object = Object::new().with("name", field.name.as_str());
        Json::Object(match &field.value {
            Some(value) => object.with("defaultValue", value.as_str()),
            None => object,
        })
    });
    Object::new()
        .with("id", survey.id.as_str())
        .with("name", survey.name.as_str())
        .with("ownerId", survey.text("OwnerID"))
        .with("organizationId", survey.text("BrandID"))
        .with("isActive", survey.is_active())
        .with("creationDate", created(survey))
        .with("lastModifiedDate", survey.text("LastModified"))
        .with("expiration", json!({"startDate": null, "endDate": null}))
        .with("questions", questions)
        .with("exportColumnMap", column_map::column_map(survey))
        .with("blocks", blocks(survey))
        .with(
            "flow",
            Json::List(flow(survey.definition.get("SurveyFlow"))),
        )
        .with("embeddedData", Json::List(embedded.collect()))
        .with("comments", json!({}))
        .with("loopAndMerge", loops(survey))
        .with(
            "responseCounts",
            Object::new()
                .with("auditable", counts.auditable)
                .with("generated", counts.generated)
                .with("deleted", counts.deleted),
        )
}

/// One line of `GET /surveys`.
pub(crate) fn line(survey: &Survey) -> Object {
    Object::new()
        .with("id", survey.id.as_str())
        .with("name", survey.name.as_str())
        .with("ownerId", survey.text("OwnerID"))
        .with("lastModified", survey.text("LastModified"))
        .with("creationDate", created(survey))
        .with("isActive", survey.is_active())
}

fn created(survey: &Survey) -> Value {
    let date = survey
        .definition
        .get("SurveyOptions")
        .and_then(|options| options.get("SurveyCreationDate"));
    date.cloned()
        .unwrap_or_else(|| Value::from(survey.text("LastModified")))
}

fn of_question(question: &Question) -> Object {
    let object = Object::new()
        .with(
            "questionType",
            json!({"type": question.question_type, "selector": question.selector, "subSelector": question.sub_selector}),
        )
        .with("questionText", question.html.as_str())
        .with("questionLabel", Value::Null)
        .with("validation", json!({"doesForceResponse": question.forced}))
        .with("questionName", question.tag.as_str());
    let mut object = match question.kind {
        Kind::MatrixSingle
        | Kind::MatrixMulti
        | Kind::MatrixText
        | Kind::MatrixNumber
        | Kind::Highlight => object
            .with("subQuestions", all(&question.choices, of_row))
            .with("choices", all(&question.answers, of_column)),
        Kind::SideBySide => object
            .with("subQuestions", all(&question.choices, of_row))
            .with("columns", columns(question)),
        _ if question.choices.is_empty() => object,
        Kind::Form | Kind::Meta => object.with(
            "choices",
            all(&question.choices, |choice| of_choice(choice, false)),
        ),
        _ => object.with(
            "choices",
            all(&question.choices, |choice| of_choice(choice, true)),
        ),
    };
    if question.randomized {
        object.push("randomization", json!({"type": "all"}));
    }
    object
}

/// Assumed: no recorded view has a side-by-side.
fn columns(question: &Question) -> Object {
    question
        .columns
        .iter()
        .fold(Object::new(), |map, (number, column)| {
            map.with(
                number,
                Object::new()
                    .with("questionText", column.html.as_str())
                    .with("choices", all(&column.answers, of_column)),
            )
        })
}

fn all(choices: &[Choice], of: impl Fn(&Choice) -> Object) -> Object {
    choices.iter().fold(Object::new(), |map, choice| {
        map.with(&choice.id, of(choice))
    })
}

fn description(choice: &Choice) -> &str {
    choice.variable_name.as_deref().unwrap_or(&choice.display)
}

/// Forms and meta info have no recodes. Source: recorded.
fn of_choice(choice: &Choice, recoded: bool) -> Object {
    let object = Object::new();
    let object = if recoded {
        object.with("recode", choice.recode.as_str())
    } else {
        object
    };
    object
        .with("description", description(choice))
        .with("choiceText", choice.display.as_str())
        .with("imageDescription", Value::Null)
        .with("variableName", choice.variable_name.clone())
        .with("analyze", true)
}

fn of_row(row: &Choice) -> Object {
    Object::new()
        .with("recode", row.recode.as_str())
        .with("description", description(row))
        .with("choiceText", row.display.as_str())
        .with("variableName", row.variable_name.clone())
        .with("imageDescription", Value::Null)
}

fn of_column(column: &Choice) -> Object {
    Object::new()
        .with("recode", column.recode.as_str())
        .with("description", description(column))
        .with("choiceText", column.display.as_str())
        .with("imageDescription", Value::Null)
        .with("analyze", true)
}

fn blocks(survey: &Survey) -> Object {
    blocks_in_order(&survey.definition)
        .into_iter()
        .fold(Object::new(), |map, (id, block)| {
            let elements = members(block.get("BlockElements"))
                .into_iter()
                .map(|(_, element)| {
                    Json::Object(match element.get("QuestionID") {
                        Some(id) => Object::new()
                            .with("type", "Question")
                            .with("questionId", id.clone()),
                        None => Object::new().with("type", "PageBreak"),
                    })
                });
            let description = block
                .get("Description")
                .map(scalar_text)
                .unwrap_or_default();
            map.with(
                &id,
                Object::new()
                    .with("description", description)
                    .with("elements", Json::List(elements.collect())),
            )
        })
}

fn flow(root: Option<&Value>) -> Vec<Json> {
    members(root.and_then(|root| root.get("Flow")))
        .into_iter()
        .map(|(_, part)| Json::Object(of_flow(part)))
        .collect()
}

fn of_flow(part: &Value) -> Object {
    let object = match part.get("ID") {
        Some(id) => return Object::new().with("id", id.clone()).with("type", "Block"),
        None => Object::new().with("type", part.get("Type").cloned().unwrap_or_default()),
    };
    let object = match part.get("SubSet") {
        Some(subset) => object.with(
            "randomizationOptions",
            json!({"randomSubset": subset, "evenPresentation": false}),
        ),
        None => object,
    };
    let inner = flow(Some(part));
    if inner.is_empty() {
        object
    } else {
        object.with("flow", Json::List(inner))
    }
}

fn loops(survey: &Survey) -> Object {
    let mut map = Object::new();
    for (id, block) in blocks_in_order(&survey.definition) {
        if loop_count(block).is_none() {
            continue;
        }
        let turns = members(block.pointer("/Options/LoopingOptions/Static"));
        let texts: Vec<Value> = turns
            .iter()
            .filter_map(|(_, turn)| members(Some(turn)).first().map(|(_, text)| (*text).clone()))
            .collect();
        map.push(
            id,
            Object::new()
                .with("loopType", "Static")
                .with("loopQuestionMeta", json!({}))
                .with(
                    "randomizationMeta",
                    json!({"randomize": "None", "limit": null}),
                )
                .with("columnNames", json!({"field1": texts})),
        );
    }
    map
}
