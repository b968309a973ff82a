//! What is done around every request: headers that browsers heed, compression, other origins, a time limit.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, Predicate, SizeAbove};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::error::ApiError;
use super::request_id::X_REQUEST_ID;
use crate::config::Web;

/// How long an answer may take to begin. Reads have shorter limits of their own.
const DEADLINE: Duration = Duration::from_secs(30);
/// Smaller answers are not worth compressing.
const COMPRESSED_BYTES_MIN: u64 = 1024;

/// Answers with 503 what does not begin to be answered in time. Bodies that are streamed are not cut.
pub(super) async fn time_out(request: Request, next: Next) -> Response {
    match tokio::time::timeout(DEADLINE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "timeout",
            format!("there was no answer within {} seconds", DEADLINE.as_secs()),
        )
        .into_response(),
    }
}

/// JSON, CSV and pages; event streams are left alone, because they must arrive as they are written.
pub(super) fn compression() -> CompressionLayer<impl Predicate> {
    let predicate = DefaultPredicate::new().and(SizeAbove::new(COMPRESSED_BYTES_MIN));
    CompressionLayer::new()
        .quality(tower_http::CompressionLevel::Fastest)
        .compress_when(predicate)
}

/// For pages of the configured origins; nothing where there are none.
pub(super) fn cross_origin(web: &Web) -> Option<CorsLayer> {
    if web.allowed_origins.is_empty() {
        return None;
    }
    let origins = web.allowed_origins.iter();
    let origins: Vec<HeaderValue> = origins.filter_map(|origin| origin.parse().ok()).collect();
    let sent = [
        "accept",
        "authorization",
        "content-type",
        "if-none-match",
        "last-event-id",
        "mime-version",
        "odata-maxversion",
        "odata-version",
        "prefer",
        "sap-cancel-on-close",
        "x-csrf-token",
        "x-requested-with",
    ];
    let read = ["etag", "odata-version", "preference-applied", "retry-after"];
    Some(
        CorsLayer::new()
            .allow_origin(AllowOrigin::list(origins))
            .allow_credentials(true)
            .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::OPTIONS])
            .allow_headers(sent.map(HeaderName::from_static))
            .expose_headers(
                read.map(HeaderName::from_static)
                    .into_iter()
                    .chain([X_REQUEST_ID])
                    .collect::<Vec<_>>(),
            )
            .max_age(Duration::from_secs(3600)),
    )
}

/// What an answer that is no page allows a browser to do with it: nothing.
#[derive(Debug, Clone)]
pub(super) struct Policy(Arc<HeaderValue>);

impl Policy {
    pub(super) fn new(web: &Web) -> Self {
        let ancestors = match web.frame_ancestors.as_slice() {
            [] => "'none'".to_owned(),
            ancestors => ancestors.join(" "),
        };
        let policy = format!("default-src 'none'; frame-ancestors {ancestors}");
        Self(Arc::new(HeaderValue::from_str(&policy).unwrap_or(
            HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
        )))
    }

    /// Sets the headers that browsers heed; a page that sets its own policy keeps it.
    pub(super) fn secure<B>(&self, mut response: http::Response<B>) -> http::Response<B> {
        let headers = response.headers_mut();
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        headers.insert(
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        );
        headers
            .entry(header::CONTENT_SECURITY_POLICY)
            .or_insert_with(|| HeaderValue::clone(&self.0));
        response
    }
}
