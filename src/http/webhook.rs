//! `POST /webhooks/qualtrics`: 200 only once the event is durable, and never a wait for Qualtrics or for the row.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, StatusCode, header};
use ingester_core::callback::{Callback, Form, Proof, Signing, TokenAccepted, Verdict};
use ingester_core::inbox::Event;

use super::App;
use super::error::ApiError;
use crate::lifecycle;
use crate::pipeline::Accepted;
use crate::telemetry::metrics::EventOutcome;

/// Larger bodies are no callbacks.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// A callback is answered within three seconds; what is not committed by then is 503, even if it turns out to be.
const COMMIT_DEADLINE: Duration = Duration::from_millis(2_700);

pub(super) fn routes() -> Router<App> {
    Router::new().route("/webhooks/qualtrics", get(probe).post(receive))
}

/// Qualtrics may look whether the address answers before it subscribes.
async fn probe() -> StatusCode {
    StatusCode::OK
}

async fn receive(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Some(signing) = &app.signing else {
        return super::not_found().await.into_response();
    };
    let body = match super::body::read(body, BODY_BYTES_MAX).await {
        Ok(body) => body,
        Err(error) => return refuse(&app, error),
    };
    match verify(
        signing,
        query.as_deref().unwrap_or_default(),
        &headers,
        &body,
    ) {
        Ok(Verdict::Completed(callback)) => accept(&app, &callback).await,
        Ok(Verdict::Ignored) => ignored(&app),
        Err(error) => refuse(&app, error),
    }
}

/// Signed forms are for everybody; whoever shows the webhook token may send a form, JSON, or query fields.
fn verify(
    signing: &Signing,
    query: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Verdict, ApiError> {
    let token = token(signing, query, headers)?;
    if body.is_empty() {
        return match token {
            Some((token, fields)) if fields.has_event_fields() => {
                Ok(signing.verify_with_token(token, &fields)?)
            }
            // An empty post is a probe.
            _ => Ok(Verdict::Ignored),
        };
    }
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    match (essence.as_str(), token) {
        ("application/x-www-form-urlencoded", Some((token, _))) => {
            Ok(signing.verify_with_token(token, &Form::parse(body)?)?)
        }
        ("application/x-www-form-urlencoded", None) => Ok(signing.verify(&Form::parse(body)?)?),
        ("application/json", Some((token, _))) => Ok(signing.verify_json_with_token(token, body)?),
        _ => Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            "a callback is application/x-www-form-urlencoded (JSON only with QUALTRICS_WEBHOOK_TOKEN)",
        )),
    }
}

/// The webhook token, where one is configured and shown, with the query's fields. A signed caller shows none. Without a
/// configured token the query string is not even read.
fn token(
    signing: &Signing,
    query: &str,
    headers: &HeaderMap,
) -> Result<Option<(TokenAccepted, Form)>, ApiError> {
    if signing.token.is_none() {
        return Ok(None);
    }
    let fields = Form::parse(query.as_bytes())?;
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.as_bytes().split_at_checked(7))
        .and_then(|(scheme, token)| scheme.eq_ignore_ascii_case(b"bearer ").then_some(token));
    let shown = headers
        .get("x-api-key")
        .map(|value| value.as_bytes())
        .or(bearer)
        .or(fields.token());
    match shown {
        Some(shown) => Ok(Some((signing.check_token(shown)?, fields))),
        None => Ok(None),
    }
}

async fn accept(app: &App, callback: &Callback) -> Response {
    let received_at = lifecycle::now();
    if callback.proof() == Proof::PreviousKey {
        app.metrics.previous_key_used(received_at);
        tracing::info!(survey = %callback.survey_id(), "a callback was signed with QUALTRICS_SHARED_KEY_PREVIOUS: the rotation is not over");
    }
    if app.surveys.get(callback.survey_id()).is_none() {
        return ignored(app);
    }
    let event = Event::new(callback, received_at);
    let accepted = tokio::time::timeout(COMMIT_DEADLINE, app.pipeline.accept(event)).await;
    lifecycle::crash_point("answering");
    match accepted {
        Ok(Ok(Accepted::Accepted)) => status("accepted"),
        Ok(Ok(Accepted::Duplicate)) => status("duplicate"),
        Ok(Err(error)) => unstored(app, error.code()),
        Err(_) => unstored(app, "database-overloaded"),
    }
}

fn unstored(app: &App, code: &'static str) -> Response {
    app.metrics.event(EventOutcome::Unstored);
    ApiError::unavailable(code).into_response()
}

fn ignored(app: &App) -> Response {
    app.metrics.event(EventOutcome::Ignored);
    status("ignored")
}

fn refuse(app: &App, error: ApiError) -> Response {
    app.metrics.callback_refused(error.code);
    // One line a refusal at most at this level: whoever forges could fill the log otherwise.
    tracing::debug!(
        reason = error.code,
        status = error.status.as_u16(),
        "callback refused: {}",
        error.message
    );
    error.into_response()
}

fn status(status: &'static str) -> Response {
    let body = format!(r#"{{"status":"{status}"}}"#);
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}
