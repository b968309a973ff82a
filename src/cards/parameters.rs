//! What a page designer can set: the parameters of each kind of card, their defaults, and what the editor offers.

use serde_json::{Map, Value, json};

use super::{Answers, Card, Kind};

/// One parameter.
#[derive(Debug, Clone)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) value: Value,
    pub(super) kind: &'static str,
    /// Its label: a key of the texts, or an identifier.
    pub(super) label: String,
    pub(super) offered: Offered,
}

/// What the editor offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offered {
    /// Nothing: the value is typed.
    Nothing,
    /// The rows of `Surveys`.
    Surveys,
    /// The chosen survey's `Questions` of these types.
    Questions(&'static [&'static str]),
    /// How far back.
    Periods,
    /// Not shown in the editor.
    Hidden,
}

const SCORES: &[&str] = &["single-choice", "matrix-choice", "number", "nps", "score"];
const CHOICES: &[&str] = &["single-choice", "matrix-choice", "nps"];
const NPS: &[&str] = &["nps"];
const TEXTS: &[&str] = &["essay", "text", "choice-text"];
const DIMENSIONS: &[&str] = &["embedded-data", "single-choice"];

/// Days back that a figure can look; everything if empty.
pub(super) const PERIODS: [&str; 5] = ["7", "28", "90", "365", ""];

/// Figures of fewer answers are grey.
const MINIMUM: u32 = 5;

/// The card's parameters, in the order of the editor.
pub(super) fn of(card: &Card) -> Vec<Parameter> {
    let Some(survey) = card.surveys.first() else {
        return Vec::new();
    };
    let mut all = vec![text(
        "survey",
        &survey.id,
        if card.is_fixed {
            Offered::Hidden
        } else {
            Offered::Surveys
        },
    )];
    all.extend(own(card.kind, survey));
    all
}

fn own(kind: Kind, survey: &Answers) -> Vec<Parameter> {
    let score = survey.score.as_ref();
    let question = text(
        "question",
        score.map_or("", |scale| scale.property.as_str()),
        Offered::Questions(SCORES),
    );
    let target = number(
        "target",
        "number",
        json!(score.map_or(0.0, |scale| scale.target)),
    );
    let minimum = number("minimum", "integer", json!(MINIMUM));
    let period = |days| text("period", days, Offered::Periods);
    let named = |name, property: Option<&String>, types| {
        let property = property.map_or("", String::as_str);
        text(name, property, Offered::Questions(types))
    };
    let dimension = named("dimension", survey.dimensions.first(), DIMENSIONS);
    let comments = named("comments", survey.comments.as_ref(), TEXTS);
    match kind {
        Kind::Satisfaction => vec![question, period("7"), target, minimum, comments],
        Kind::Trend | Kind::TrendTable => {
            let weeks = number("weeks", "integer", json!(12));
            vec![question, weeks, target, minimum, comments]
        }
        Kind::Rating => vec![question, dimension, period("90"), target, minimum, comments],
        Kind::Distribution => {
            let question = named("question", survey.choices.as_ref(), CHOICES);
            vec![question, period("90"), minimum, comments]
        }
        Kind::Nps => {
            let question = named("question", survey.nps.as_ref(), NPS);
            let target = number("target", "number", json!(0));
            vec![question, period("90"), target, minimum, comments]
        }
        Kind::Comments => {
            let page_size = number("pageSize", "integer", json!(5));
            vec![comments, question, dimension, page_size]
        }
        Kind::Live => vec![comments, question, number("pageSize", "integer", json!(5))],
        Kind::Projects => {
            let dimension = named("dimension", Some(&project(survey)), DIMENSIONS);
            vec![
                dimension,
                question,
                period("365"),
                target,
                minimum,
                comments,
            ]
        }
        Kind::TakeSurvey => take_survey(survey),
    }
}

/// What projects are told apart by: the embedded data that says so by its name, else the first dimension.
fn project(survey: &Answers) -> String {
    let names = survey.dimensions.iter();
    let project = names
        .clone()
        .find(|name| name.to_ascii_lowercase().contains("project"));
    project
        .or(names.clone().next())
        .cloned()
        .unwrap_or_default()
}

/// The address, and one parameter for each embedded data field that a link can carry.
fn take_survey(survey: &Answers) -> Vec<Parameter> {
    let form = survey.form.as_deref().unwrap_or_default();
    let mut all = vec![text("form", form, Offered::Nothing)];
    all.extend(survey.embedded.iter().map(|(property, _)| Parameter {
        name: format!("{EMBEDDED}{property}"),
        value: json!(context(property)),
        kind: "string",
        label: property.clone(),
        offered: Offered::Nothing,
    }));
    all
}

/// What parameters of embedded data begin with, so that none is called like another one.
pub(super) const EMBEDDED: &str = "field_";

/// What Work Zone knows of whoever looks. Source: Work Zone's context of cards, `sap.workzone/currentUser`.
fn context(property: &str) -> &'static str {
    let name = property.to_ascii_lowercase();
    if name.contains("email") {
        "{context>sap.workzone/currentUser/email/value}"
    } else if name == "userid" {
        "{context>sap.workzone/currentUser/id/value}"
    } else {
        ""
    }
}

fn text(name: &str, value: &str, offered: Offered) -> Parameter {
    Parameter {
        name: name.to_owned(),
        value: json!(value),
        kind: "string",
        label: format!("{{{{{name}.label}}}}"),
        offered,
    }
}

fn number(name: &str, kind: &'static str, value: Value) -> Parameter {
    Parameter {
        kind,
        value,
        ..text(name, "", Offered::Nothing)
    }
}

/// For the manifest.
pub(super) fn configuration(parameters: &[Parameter]) -> Value {
    let entries = parameters.iter().map(|parameter| {
        let entry = json!({
            "value": parameter.value,
            "type": parameter.kind,
            "label": parameter.label,
        });
        (parameter.name.clone(), entry)
    });
    Value::Object(entries.collect::<Map<_, _>>())
}
