//! Requests in, answers out: each handler makes one call of the parts behind it.

pub mod auth;
mod batch;
mod body;
pub(crate) mod cards;
mod dashboard;
pub mod error;
mod events;
mod health;
mod jobs;
mod layers;
mod me;
mod metrics;
mod odata;
mod openapi;
mod page;
mod request_id;
pub mod server;
mod surveys_set;
mod webhook;

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use ingester_core::access::AccessRules;
use ingester_core::callback::Signing;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;

use crate::changes::Changes;
use crate::config::{Auth, Config};
use crate::identity::Identity;
use crate::jobs::Jobs;
use crate::lifecycle::Lifecycle;
use crate::model::Models;
use crate::pipeline::Pipeline;
use crate::qualtrics::Qualtrics;
use crate::store::Store;
use crate::surveys::Surveys;
use crate::telemetry::metrics::Metrics;
use error::ApiError;
pub use jobs::{Reports, reports};

/// What handlers may use. Cheap to clone, which every request does several times.
#[derive(Debug, Clone)]
pub struct App(Arc<Parts>);

impl App {
    /// Shares the parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// The parts that handlers use.
#[derive(Debug)]
pub struct Parts {
    /// The settings.
    pub config: Config,
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
    /// What is served over OData.
    pub models: Models,
    /// Who checks tokens; nothing where none are.
    pub identity: Option<Identity>,
    /// Who sees which rows.
    pub access: AccessRules,
    /// Long work, and how complete the surveys are.
    pub jobs: Jobs,
    /// Reports runs to the bound job scheduler, if there is one.
    pub reports: Option<Reports>,
    /// What makes a callback trusted; nothing with `EVENTS=off`.
    pub signing: Option<Signing>,
    /// What is counted.
    pub metrics: Metrics,
    /// Tokens and tracker.
    pub life: Lifecycle,
    /// Whether start-up is over.
    pub ready: AtomicBool,
}

impl Parts {
    fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire) && !self.life.stopping().is_cancelled()
    }
}

/// All routes and layers. From outside in: the request's name first, so that everything after it can be found by it;
/// the panic guard inside, so that even its answer has one; compression around all answers but event streams.
pub fn router(app: App) -> Router {
    let mut router = Router::new()
        .merge(health::routes())
        .merge(jobs::routes())
        .merge(metrics::routes())
        .merge(openapi::routes());
    if app.signing.is_some() {
        router = router.merge(webhook::routes());
    }
    if !matches!(app.config.auth, Auth::Closed) {
        router = router.merge(data(&app));
    }
    let policy = layers::Policy::new(&app.config.web);
    let collects_spans = app.config.collector.is_some();
    router
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(app)
        // As one layer: the router boxes what each of them makes of a request.
        .layer(
            ServiceBuilder::new()
                .layer(middleware::from_fn_with_state(
                    collects_spans,
                    request_id::set,
                ))
                .map_response(move |response| policy.secure(response))
                .layer(layers::compression())
                .layer(CatchPanicLayer::custom(panicked)),
        )
}

/// The answer to a request whose handler panicked.
fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!("a request's handler panicked; this is a defect");
    ApiError::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "an unexpected error occurred",
    )
    .into_response()
}

/// The routes to rows. Each of them takes a `Viewer`; with `AUTH=closed` there is none of them.
fn data(app: &App) -> Router<App> {
    let routes = Router::new()
        .merge(odata::routes())
        .merge(events::routes())
        .merge(me::routes())
        .merge(dashboard::routes())
        .merge(cards::routes());
    let routes = routes.layer(middleware::from_fn(layers::time_out));
    match layers::cross_origin(&app.config.web) {
        Some(cross_origin) => routes.layer(cross_origin),
        None => routes,
    }
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
