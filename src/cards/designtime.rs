//! The form that Work Zone's card editor shows: drop-downs filled from `Surveys` and `Questions`.

use serde_json::{Value, json};

use super::Card;
use super::manifest::ODATA;
use super::parameters::{self, Offered, PERIODS, Parameter};

/// The module, without its extension.
pub(super) const PATH: &str = "dt/Configuration";

/// The module's code.
pub(super) fn module(card: &Card) -> String {
    let parameters = parameters::of(card);
    let shown = parameters
        .iter()
        .filter(|parameter| parameter.offered != Offered::Hidden);
    // Written one by one: the editor shows them in this order.
    let items: Vec<String> = shown
        .map(|parameter| format!("{}: {}", json!(parameter.name), item(card, parameter)))
        .collect();
    let items = items.join(",\n        ");
    format!(
        r#"sap.ui.define(["sap/ui/integration/Designtime"], function (Designtime) {{
  "use strict";
  return function () {{
    return new Designtime({{
      form: {{ items: {{
        {items}
      }} }},
      preview: {{ modes: "AbstractLive" }},
    }});
  }};
}});
"#
    )
}

fn item(card: &Card, parameter: &Parameter) -> Value {
    let mut item = json!({
        "manifestpath": format!("/sap.card/configuration/parameters/{}/value", parameter.name),
        "type": parameter.kind,
        "label": label(&parameter.label),
    });
    if let (Some(values), Some(item)) = (values(card, parameter.offered), item.as_object_mut()) {
        item.insert("values".to_owned(), values);
    }
    item
}

/// `{{key}}` of the manifest is `{i18n>key}` here.
fn label(text: &str) -> String {
    match text
        .strip_prefix("{{")
        .and_then(|key| key.strip_suffix("}}"))
    {
        Some(key) => format!("{{i18n>{key}}}"),
        None => text.to_owned(),
    }
}

fn values(card: &Card, offered: Offered) -> Option<Value> {
    let request = |set: &str, parameters: Value| {
        json!({
            "request": { "url": format!("{ODATA}/{set}"), "parameters": parameters },
            "path": "/value",
        })
    };
    match offered {
        Offered::Nothing | Offered::Hidden => None,
        Offered::Surveys => Some(json!({
            "data": request("Surveys", json!({ "$select": "SurveyId,Name", "$orderby": "Name" })),
            "item": { "text": "{Name}", "key": "{SurveyId}" },
        })),
        Offered::Questions(types) => {
            let types: Vec<String> = types
                .iter()
                .map(|kind| format!("Type eq '{kind}'"))
                .collect();
            let filter = format!(
                "SurveyId eq '{}' and ({})",
                survey(card),
                types.join(" or ")
            );
            Some(json!({
                "data": request("Questions", json!({ "$select": "Property,Text", "$filter": filter })),
                "item": { "text": "{Text}", "key": "{Property}" },
            }))
        }
        Offered::Periods => {
            let periods: Vec<Value> = PERIODS
                .iter()
                .map(|days| json!({ "key": days, "text": format!("{{i18n>period.{days}}}") }))
                .collect();
            Some(
                json!({ "data": { "json": periods, "path": "/" }, "item": { "text": "{text}", "key": "{key}" } }),
            )
        }
    }
}

/// The survey whose questions are offered: the chosen one, or the only one.
fn survey(card: &Card) -> String {
    match card.surveys.first() {
        Some(survey) if card.is_fixed => survey.id.clone(),
        _ => "{items>survey/value}".to_owned(),
    }
}
