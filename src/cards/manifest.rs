//! The manifest around a card's content.

use serde_json::{Map, Value, json};

use super::bundle::BEHIND;
use super::{Card, Kind, contents, designtime, parameters, texts};

/// Of the manifest's format. Source: UI5's table of manifest versions: 1.60.0 belongs to UI5 1.120.
const FORMAT: &str = "1.60.0";
/// The oldest UI5 that has what the cards use: `ShowCard`, `Attention` buttons.
const MIN_UI5: &str = "1.120.0";
/// The destination that the administrator makes.
pub const DESTINATION: &str = "qualtrics-ingester";
/// Where the data is.
pub(super) const ODATA: &str = "{{destinations.feedback}}/odata/v4/feedback";

/// The card's manifest.
pub(super) fn main(card: &Card, version: &str) -> Value {
    let mut configuration = configuration(card);
    configuration.insert("editor".to_owned(), json!(designtime::PATH));
    if card.kind == Kind::Comments {
        configuration.insert("filters".to_owned(), contents::filters());
    }
    around(card, version, &card.id(), card.kind, &configuration)
}

/// The manifest of the comments behind a figure, where there are figures and comments.
pub(super) fn behind(card: &Card, version: &str) -> Option<Value> {
    if !contents::opens_comments(card) {
        return None;
    }
    let mut configuration = configuration(card);
    configuration.remove("destinations");
    if let Some(Value::Object(parameters)) = configuration.get_mut("parameters") {
        for name in ["base", "where", "about"] {
            parameters.insert(name.to_owned(), json!({ "value": "", "type": "string" }));
        }
        parameters.insert(
            "pageSize".to_owned(),
            json!({ "value": 10, "type": "integer" }),
        );
    }
    let id = format!("{}.b", card.id());
    Some(around(card, version, &id, Kind::Comments, &configuration))
}

fn configuration(card: &Card) -> Map<String, Value> {
    let parameters = parameters::of(card);
    Map::from_iter([
        (
            "destinations".to_owned(),
            json!({ "feedback": { "name": DESTINATION, "label": "{{destination.label}}" } }),
        ),
        (
            "parameters".to_owned(),
            parameters::configuration(&parameters),
        ),
        (
            "messages".to_owned(),
            json!({ "noData": { "type": "{/empty/type}", "title": "{/empty/title}", "description": "{/empty/description}" } }),
        ),
    ])
}

fn around(
    card: &Card,
    version: &str,
    id: &str,
    kind: Kind,
    configuration: &Map<String, Value>,
) -> Value {
    json!({
        "_version": FORMAT,
        "sap.app": app(card, version, id, kind),
        "sap.ui": {
            "technology": "UI5",
            "icons": { "icon": kind.icon() },
            "deviceTypes": { "desktop": true, "tablet": true, "phone": true },
        },
        "sap.ui5": {
            "dependencies": { "minUI5Version": MIN_UI5, "libs": { "sap.ui.integration": {} } },
            "contentDensities": { "compact": true, "cozy": true },
        },
        "sap.card": {
            "type": kind.card_type(),
            "extension": "./Feedback",
            "configuration": configuration,
            "data": {
                "extension": { "method": "load", "args": contents::arguments(kind) },
            },
            "header": contents::header(kind),
            "content": contents::content(card, kind),
            "footer": { "actionsStrip": contents::footer(kind) },
        },
    })
}

/// Title and keywords, which Work Zone's administrators see too.
pub(super) fn app(card: &Card, version: &str, id: &str, kind: Kind) -> Value {
    let locales: Vec<&str> = texts::LANGUAGES
        .iter()
        .map(|(language, _)| *language)
        .collect();
    let text = |part: &str| format!("{{{{{}.{part}}}}}", kind.name());
    let subtitle = match card.surveys.first() {
        Some(survey) if card.is_fixed => survey.set.clone(),
        _ => text("subtitle"),
    };
    json!({
        "id": id,
        "type": "card",
        "i18n": {
            "bundleUrl": texts::file_name(""),
            "supportedLocales": locales,
            "fallbackLocale": "",
        },
        "title": text("title"),
        "subTitle": subtitle,
        "shortTitle": text("title"),
        "info": text("title"),
        "description": text("subtitle"),
        "applicationVersion": { "version": version },
        "tags": { "keywords": ["Feedback", "Qualtrics", "Survey"] },
    })
}

/// Opens the comments that a figure is made of.
pub(super) fn show_comments(filter: &str, about: &str) -> Value {
    json!([{
        "type": "ShowCard",
        "parameters": {
            "manifest": format!("./{BEHIND}"),
            "width": "36rem",
            "parameters": {
                "base": "{/base}",
                "survey": "{parameters>/survey/value}",
                "comments": "{parameters>/comments/value}",
                "where": filter,
                "about": about,
            },
        },
    }])
}
