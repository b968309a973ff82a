//! Header, content and footer of each kind of card: where the figures that the code brings are shown.

use serde_json::{Value, json};

use super::manifest::show_comments;
use super::{Card, Kind};

/// Whether a click on a figure opens the comments that it is made of.
pub(super) fn opens_comments(card: &Card) -> bool {
    let has_figures = !matches!(card.kind, Kind::Comments | Kind::Live | Kind::TakeSurvey);
    has_figures && card.surveys.iter().any(|survey| survey.comments.is_some())
}

/// What the code is asked for. The filter's value is encoded, because it is pasted into JSON text.
pub(super) fn arguments(kind: Kind) -> Value {
    match kind {
        Kind::Comments => json!([
            kind.name(),
            "{= encodeURIComponent(${filters>/value/value} || '') }"
        ]),
        _ => json!([kind.name()]),
    }
}

/// The choice of one value of the dimension.
pub(super) fn filters() -> Value {
    json!({
        "value": {
            "type": "Select",
            "label": "{{filter.label}}",
            "value": "",
            "data": { "extension": { "method": "values" } },
            "item": { "path": "/", "template": { "key": "{key}", "title": "{title}" } },
        },
    })
}

pub(super) fn header(kind: Kind) -> Value {
    let title = format!("{{{{{}.title}}}}", kind.name());
    match kind {
        Kind::Satisfaction | Kind::Nps => json!({
            "type": "Numeric",
            "title": title,
            "subTitle": "{/subtitle}",
            "unitOfMeasurement": "{/unit}",
            "mainIndicator": { "number": "{/number}", "trend": "{/trend}", "state": "{/state}" },
            "details": "{/status}",
            "sideIndicators": [
                { "title": "{{target.short}}", "number": "{/target}" },
                { "title": "{{before.short}}", "number": "{/before}" },
            ],
        }),
        _ => json!({
            "title": title,
            "subTitle": "{/subtitle}",
            "icon": { "src": kind.icon(), "shape": "Square" },
            "status": { "text": "{/status}" },
        }),
    }
}

pub(super) fn footer(kind: Kind) -> Value {
    let custom = |method: &str| json!([{ "type": "Custom", "parameters": { "method": method } }]);
    let mut items = vec![
        json!({
            "text": "{/freshness/text}",
            "icon": "{/freshness/icon}",
            "preferIcon": false,
            "buttonType": "{/freshness/buttonType}",
            "tooltip": "{/freshness/tooltip}",
            "actions": custom("refresh"),
        }),
        json!({ "type": "ToolbarSpacer" }),
    ];
    if kind == Kind::Comments {
        let page = |name: &str, icon: &str| {
            json!({
                "icon": icon,
                "tooltip": format!("{{{{{name}.label}}}}"),
                "buttonType": "Transparent",
                "visible": format!("{{/{name}}}"),
                "actions": custom(name),
            })
        };
        items.push(page("newer", "sap-icon://navigation-left-arrow"));
        items.push(page("older", "sap-icon://navigation-right-arrow"));
    }
    if kind == Kind::TakeSurvey {
        items.push(json!({
            "text": "{{open.label}}",
            "buttonType": "Emphasized",
            "visible": "{= !!${/url} }",
            "actions": [{ "type": "Navigation", "parameters": { "url": "{/url}", "target": "_blank" } }],
        }));
    } else {
        items.push(json!({
            "text": "CSV",
            "tooltip": "{{csv.tooltip}}",
            "buttonType": "Transparent",
            "visible": "{= !!${/csv} }",
            "actions": [{ "type": "Navigation", "parameters": { "url": "{/csv}", "target": "_blank" } }],
        }));
    }
    Value::Array(items)
}

pub(super) fn content(card: &Card, kind: Kind) -> Value {
    match kind {
        Kind::Satisfaction | Kind::TakeSurvey => object(card),
        Kind::Trend => chart(),
        Kind::TrendTable => table(
            card,
            &[
                text("{{week.column}}", "{label}"),
                bar("{{average.column}}", "36%"),
                nps(),
                answers(),
            ],
        ),
        Kind::Rating => table(
            card,
            &[
                text("{/dimension}", "{label}"),
                bar("{{average.column}}", "46%"),
                answers(),
            ],
        ),
        Kind::Distribution => table(
            card,
            &[
                text("{{answer.column}}", "{label}"),
                bar("{{share.column}}", "40%"),
                answers(),
            ],
        ),
        Kind::Nps => table(
            card,
            &[
                text("{{group.column}}", "{label}"),
                bar("{{share.column}}", "40%"),
                answers(),
            ],
        ),
        Kind::Projects => table(
            card,
            &[
                text("{/dimension}", "{label}"),
                bar("{{average.column}}", "36%"),
                nps(),
                answers(),
                json!({ "title": "{{last.column}}", "value": "{last}", "hAlign": "End", "visible": "{/hasLast}" }),
            ],
        ),
        // Not a list: its items show one line each, and comments are longer than that.
        Kind::Comments | Kind::Live => table(
            card,
            &[
                json!({ "title": "{{comment.column}}", "value": "{text}", "width": "66%" }),
                json!({ "title": "{/scoreTitle}", "value": "{score}", "identifier": true, "additionalText": "{about}" }),
            ],
        ),
    }
}

/// Label and value pairs.
fn object(card: &Card) -> Value {
    let item = |index: u8| {
        json!({
            "label": format!("{{/items/{index}/label}}"),
            "value": format!("{{/items/{index}/value}}"),
            "visible": format!("{{= !!${{/items/{index}/label}} }}"),
        })
    };
    let mut items: Vec<Value> = (0..6).map(item).collect();
    if opens_comments(card)
        && let Some(Value::Object(first)) = items.first_mut()
    {
        first.insert(
            "actions".to_owned(),
            show_comments("{/where}", "{/subtitle}"),
        );
    }
    json!({ "hasData": "{/items}", "groups": [{ "items": items }] })
}

fn table(card: &Card, columns: &[Value]) -> Value {
    let mut row = json!({ "columns": columns });
    if opens_comments(card)
        && let Some(row) = row.as_object_mut()
    {
        row.insert("actions".to_owned(), show_comments("{where}", "{label}"));
    }
    json!({ "data": { "path": "/value" }, "row": row })
}

fn text(title: &str, value: &str) -> Value {
    json!({ "title": title, "value": value, "identifier": true })
}

fn bar(title: &str, width: &str) -> Value {
    json!({
        "title": title,
        "width": width,
        "progressIndicator": { "percent": "{percent}", "text": "{figure}", "state": "{state}" },
    })
}

fn nps() -> Value {
    json!({ "title": "NPS", "value": "{nps}", "hAlign": "End", "visible": "{/hasNps}" })
}

fn answers() -> Value {
    json!({ "title": "{{answers.column}}", "value": "{count}", "hAlign": "End" })
}

/// Numbers as columns, averages as a line over them. It needs the chart library, which OpenUI5 does not have.
fn chart() -> Value {
    let measure = |name: &str, value: &str| json!({ "name": name, "value": value });
    let feed =
        |uid: &str, kind: &str, name: &str| json!({ "uid": uid, "type": kind, "values": [name] });
    json!({
        "chartType": "dual_combination",
        "minHeight": "15rem",
        "chartProperties": {
            "title": { "visible": false },
            "legend": { "visible": true },
            "plotArea": { "dataLabel": { "visible": true } },
            "categoryAxis": { "title": { "visible": false } },
            "valueAxis": { "title": { "visible": false } },
            "valueAxis2": { "title": { "visible": false } },
        },
        "data": { "path": "/value" },
        "dimensions": [{ "name": "{{week.column}}", "value": "{label}" }],
        "measures": [measure("{{answers.column}}", "{n}"), measure("{{average.column}}", "{average}")],
        "feeds": [
            feed("categoryAxis", "Dimension", "{{week.column}}"),
            feed("valueAxis", "Measure", "{{answers.column}}"),
            feed("valueAxis2", "Measure", "{{average.column}}"),
        ],
    })
}
