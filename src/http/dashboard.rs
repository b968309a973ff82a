//! `/`: the live page, its files, and `live/state.json`, which tells it what to ask OData for.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::HeaderMap;
use ingester_core::access::{RowFilter, Viewer};
use ingester_core::odata::{self, Incoming, Target};
use ingester_core::row::{Cell, ColumnType};
use ingester_core::sql;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::error::ApiError;
use super::odata::Reading;
use super::{App, page};
use crate::cards::Answers;

const INDEX: &str = include_str!("../../web/live/index.html");
const STYLE: &str = include_str!("../../web/live/live.css");
const SCRIPT: &str = include_str!("../../web/live/live.js");
const ICON: &str = include_str!("../../web/live/icon.svg");

/// The page is made of its own files and asks this service only.
const POLICY: &str = "script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'";

/// Changes of which the page is told per survey.
const RECENT: u32 = 20;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(index))
        .route("/live/live.css", get(style))
        .route("/live/live.js", get(script))
        .route("/live/icon.svg", get(icon))
        .route("/live/state.json", get(state))
}

async fn index(State(app): State<App>, _: Viewer, headers: HeaderMap) -> Response {
    let answer = page::file(&headers, page::HTML, INDEX);
    page::restrict(answer, POLICY, &app.config.web.frame_ancestors)
}

async fn style(_: Viewer, headers: HeaderMap) -> Response {
    page::file(&headers, page::CSS, STYLE)
}

async fn script(_: Viewer, headers: HeaderMap) -> Response {
    page::file(&headers, page::JAVASCRIPT, SCRIPT)
}

async fn icon(_: Viewer, headers: HeaderMap) -> Response {
    page::file(&headers, page::SVG, ICON)
}

/// The surveys that the viewer may see, and their newest changes with event-to-row times.
async fn state(State(app): State<App>, viewer: Viewer) -> Result<Response, ApiError> {
    let surveys = super::cards::answers(&app);
    let reading = Reading::new(app, viewer);
    let mut described = Vec::new();
    let mut recent = Vec::new();
    for survey in surveys {
        if is_open(&reading, &survey) {
            recent.extend(changes(&reading, &survey).await?);
            described.push(describe(&survey));
        }
    }
    Ok(Json(json!({ "surveys": described, "recent": recent })).into_response())
}

/// Whether some rule gives the viewer rows of the survey.
fn is_open(reading: &Reading, survey: &Answers) -> bool {
    let model = &reading.served.model;
    model.set(&survey.set).is_some_and(|set| {
        reading.app.access.filter(&reading.viewer, model, set) != RowFilter::Nothing
    })
}

fn describe(survey: &Answers) -> Value {
    let score = survey.score.as_ref().map(|score| {
        let label = if score.has_label { "_Label" } else { "" };
        json!({ "property": format!("{}{label}", score.property), "text": score.text })
    });
    let texts = survey
        .texts
        .iter()
        .map(|(property, text)| json!({ "property": property, "text": text }));
    json!({
        "id": survey.id,
        "set": survey.set,
        "name": survey.title,
        "key": survey.key,
        "recorded": survey.recorded,
        "score": score,
        "texts": texts.collect::<Vec<_>>(),
        "form": survey.form.as_ref().map(|form| format!("{form}{}", survey.id)),
    })
}

/// The newest changes of rows that the viewer sees.
async fn changes(reading: &Reading, survey: &Answers) -> Result<Vec<Value>, ApiError> {
    let logged = reading
        .rows(
            sql::changes::newest(Some(&survey.id), RECENT),
            &sql::changes::LOGGED,
        )
        .await?;
    let keys = logged.iter().filter_map(|row| match row.get(2) {
        Some(Cell::Text(key)) => Some(key.as_str()),
        _ => None,
    });
    let visible = visible(reading, survey, keys.collect()).await?;
    let told = logged.iter().filter_map(|row| match &**row {
        [
            _,
            _,
            Cell::Text(key),
            _,
            received,
            Cell::Timestamp(committed),
        ] if visible.contains(key) => {
            let event_to_row_ms = match received {
                Cell::Timestamp(received) => Some(committed.duration_since(*received).as_millis()),
                _ => None,
            };
            Some(json!({
                "set": survey.set,
                "key": key,
                "changedAt": ingester_core::time::to_text(*committed),
                "eventToRowMs": event_to_row_ms.and_then(|time| i64::try_from(time).ok()),
            }))
        }
        _ => None,
    });
    Ok(told.collect())
}

/// Those of the keys whose rows the viewer sees. It is asked the way everybody asks, so that one rule decides.
async fn visible(
    reading: &Reading,
    survey: &Answers,
    keys: Vec<&str>,
) -> Result<Vec<String>, ApiError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let literals: Vec<String> = keys
        .iter()
        .map(|key| format!("'{}'", key.replace('\'', "''")))
        .collect();
    let filter = format!("{} in ({})", survey.key, literals.join(","));
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let query = format!(
        "$select={}&$filter={}",
        encoded(&survey.key),
        encoded(&filter)
    );
    let path = encoded(&survey.set);
    let incoming = Incoming {
        method: "GET",
        path: &path,
        query: Some(&query),
        ..Incoming::default()
    };
    let request = odata::parse(&reading.served.model, &incoming)?;
    let Target::Query(query) = request.target else {
        return Ok(Vec::new());
    };
    let (_, selection) = reading.select(*query, Some(RECENT.into()), &[])?;
    let kinds: Vec<ColumnType> = selection.shape.kinds().collect();
    let Some(statement) = selection.rows else {
        return Ok(Vec::new());
    };
    let rows = reading.rows(statement, &kinds).await?;
    Ok(rows
        .iter()
        .flat_map(|row| row.iter())
        .filter_map(|cell| match cell {
            Cell::Text(key) => Some(key.clone()),
            _ => None,
        })
        .collect())
}
