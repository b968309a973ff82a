//! `/metrics`: what Prometheus scrapes.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, StatusCode, header};
use ingester_core::callback::equal_in_constant_time;
use ingester_core::row::{Cell, ColumnType};
use ingester_core::sql;
use secrecy::ExposeSecret as _;

use super::error::ApiError;
use super::{App, auth};
use crate::identity::ADMIN;
use crate::lifecycle;
use crate::store::StoreError;

/// What prometheus-client writes. Source: OpenMetrics 1.0, "Overall Structure".
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) fn routes() -> Router<App> {
    Router::new().route("/metrics", get(scrape))
}

/// Whether the caller may see figures: everybody where there is no `AUTH`, else whoever has `METRICS_TOKEN` or a token
/// with the scope `Admin`.
pub(super) async fn may_look(app: &App, headers: &HeaderMap) -> bool {
    if let (Some(token), Some(shown)) = (&app.config.metrics_token, auth::bearer(headers))
        && equal_in_constant_time(token.expose_secret().as_bytes(), shown.as_bytes())
    {
        return true;
    }
    auth::require_scope(app, headers, &[ADMIN]).await.is_ok()
}

async fn scrape(State(app): State<App>, headers: HeaderMap) -> Response {
    if !may_look(&app, &headers).await {
        return ApiError::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "/metrics needs METRICS_TOKEN as a bearer token, or one with the scope Admin",
        )
        .into_response();
    }
    if let Err(error) = observe(&app).await {
        tracing::debug!(%error, "the inbox could not be counted for /metrics");
    }
    match app.metrics.encode() {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(_) => ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "metrics could not be written",
        )
        .into_response(),
    }
}

/// Reads what only the database knows; counting what is open is one look into a partial index.
async fn observe(app: &App) -> Result<(), StoreError> {
    const OPEN: [ColumnType; 4] = [
        ColumnType::NVarchar(18),
        ColumnType::NVarchar(8),
        ColumnType::BigInt,
        ColumnType::Timestamp,
    ];
    let rows = app.store.rows(sql::inbox::open_counts(), &OPEN).await?;
    let now = lifecycle::now();
    let (mut pending, mut leased, mut dead, mut oldest) = (0, 0, 0, Duration::ZERO);
    for row in &rows {
        let [_, Cell::Text(state), Cell::Integer(count), received] = &**row else {
            continue;
        };
        match state.as_str() {
            "pending" => pending += count,
            "leased" => leased += count,
            _ => {
                dead += count;
                continue;
            }
        }
        if let Cell::Timestamp(received_at) = received {
            oldest = oldest
                .max(Duration::try_from(now.duration_since(*received_at)).unwrap_or_default());
        }
    }
    app.metrics.inbox("pending", pending);
    app.metrics.inbox("leased", leased);
    app.metrics.inbox("dead", dead);
    app.metrics.oldest_pending(oldest);
    const DONE: [ColumnType; 2] = [ColumnType::NVarchar(18), ColumnType::BigInt];
    let rows = app.store.rows(sql::inbox::done_counts(), &DONE).await?;
    let done = rows.iter().map(|row| match &**row {
        [_, Cell::Integer(count)] => *count,
        _ => 0,
    });
    app.metrics.inbox("done", done.sum());
    Ok(())
}
