//! `/me`: who you are to us.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use ingester_core::access::{AccessRule, RowFilter, Rows, Viewer};
use serde_json::{Value, json};

use super::App;
use super::error::ApiError;
use super::odata::Reading;
use super::surveys_set;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/me", get(me))
}

async fn me(State(app): State<App>, viewer: Viewer) -> Result<Response, ApiError> {
    let reading = Reading::new(app, viewer);
    let (viewer, access) = (&reading.viewer, &reading.app.access);
    let rule = access.matching(viewer);
    let mut surveys = Vec::new();
    for survey in reading.served.surveys() {
        let (id, name) = (&survey.settings.id, &survey.settings.name);
        let Some(set) = reading.served.model.survey(id) else {
            continue;
        };
        let rows = match access.filter(viewer, &reading.served.model, set) {
            RowFilter::Nothing => 0,
            RowFilter::All | RowFilter::Where(_) => {
                surveys_set::rows_and_newest(&reading, set).await?.0
            }
        };
        surveys.push(json!({ "survey": id.as_ref(), "entitySet": name, "rows": rows }));
    }
    let body = json!({
        "auth": reading.app.config.auth.mode(),
        "subject": viewer.subject,
        "email": viewer.email,
        "origin": viewer.origin,
        "technical": viewer.technical,
        "scopes": viewer.scopes,
        "groups": viewer.groups,
        "rule": rule.map(|(index, rule)| described(index, rule)),
        "surveys": surveys,
    });
    Ok(Json(body).into_response())
}

fn described(index: usize, rule: &AccessRule) -> Value {
    let rows = match &rule.rows {
        Rows::All => json!("all"),
        Rows::Where(columns) => json!({ "where": columns }),
    };
    json!({ "number": index + 1, "rows": rows })
}
