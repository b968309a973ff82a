//! Requests in, answers out: each handler makes one call of the parts behind it.

pub mod error;
mod health;
mod jobs;
mod metrics;
mod request_id;
pub mod server;
mod webhook;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use ingester_core::callback::Signing;
use tower_http::catch_panic::CatchPanicLayer;

use crate::changes::Changes;
use crate::config::Config;
use crate::identity::Identity;
use crate::jobs::Jobs;
use crate::lifecycle::Lifecycle;
use crate::pipeline::Pipeline;
use crate::qualtrics::Qualtrics;
use crate::store::Store;
use crate::surveys::Surveys;
use crate::telemetry::metrics::Metrics;
use error::ApiError;
pub use jobs::{Reports, reports};

/// What handlers may use. Cheap to clone.
#[derive(Debug, Clone)]
pub struct App {
    /// The settings.
    pub config: Arc<Config>,
    /// The database.
    pub store: Store,
    /// Definitions and maps.
    pub surveys: Surveys,
    /// The API.
    pub qualtrics: Qualtrics,
    /// The way from event to row.
    pub pipeline: Pipeline,
    /// Committed rows.
    pub changes: Changes,
    /// Long work, and how complete the surveys are.
    pub jobs: Jobs,
    /// Checks bearer tokens; nothing where none are checked.
    pub identity: Option<Identity>,
    /// Reports runs to the bound job scheduler, if there is one.
    pub reports: Option<Reports>,
    /// What makes a callback trusted; nothing with `EVENTS=off`.
    pub signing: Option<Arc<Signing>>,
    /// What is counted.
    pub metrics: Metrics,
    /// Tokens and tracker.
    pub life: Lifecycle,
    /// Whether start-up is over.
    pub ready: Arc<AtomicBool>,
}

impl App {
    fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire) && !self.life.stopping().is_cancelled()
    }
}

/// All routes and layers. From outside in: the request's name first, so that everything after it can be found by it;
/// the panic guard inside, so that even its answer has one.
pub fn router(app: App) -> Router {
    let mut router = Router::new()
        .merge(health::routes())
        .merge(jobs::routes())
        .merge(metrics::routes());
    if app.signing.is_some() {
        router = router.merge(webhook::routes());
    }
    router
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(app)
        .layer(CatchPanicLayer::custom(
            |_: Box<dyn std::any::Any + Send>| -> Response {
                tracing::error!("a request's handler panicked; this is a defect");
                ApiError::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "internal",
                    "an unexpected error occurred",
                )
                .into_response()
            },
        ))
        .layer(middleware::from_fn(no_sniffing))
        .layer(middleware::from_fn(request_id::set))
}

async fn not_found() -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "not-found",
        "there is nothing at this address",
    )
}

async fn method_not_allowed() -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method-not-allowed",
        "this address does not take that method",
    )
}

/// What we send is what it says it is.
async fn no_sniffing(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(
        http::header::X_CONTENT_TYPE_OPTIONS,
        http::HeaderValue::from_static("nosniff"),
    );
    response
}
