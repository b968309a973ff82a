//! The one shape of an error answer: OData's, on every JSON route.

use std::borrow::Cow;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use ingester_core::callback::Refusal;
use ingester_core::odata::QueryError;

use crate::store::StoreError;

/// What a caller is told. What only the log may know never gets in here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// The answer's status.
    pub status: StatusCode,
    /// Stable code.
    pub code: &'static str,
    /// One sentence.
    pub message: Cow<'static, str>,
    /// Which part of the request it is about.
    pub target: Option<String>,
}

/// What `Retry-After` says while events can't be stored, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

impl ApiError {
    /// An error with a fixed or a composed message.
    pub fn new(
        status: StatusCode,
        code: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            target: None,
        }
    }

    /// Events can't be stored now.
    #[must_use]
    pub fn unavailable(code: &'static str) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            code,
            "the event could not be stored; send it again",
        )
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let status = if refusal.is_unauthenticated() {
            StatusCode::UNAUTHORIZED
        } else {
            StatusCode::BAD_REQUEST
        };
        Self::new(status, refusal.code(), refusal.to_string())
    }
}

impl From<StoreError> for ApiError {
    /// What the database says is for the log: it may quote what is not the caller's to see.
    fn from(error: StoreError) -> Self {
        let message = if error.is_too_slow() {
            "the answer takes too long: narrow it with $filter, or ask for fewer rows"
        } else {
            "the database can't answer now"
        };
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error.code(), message)
    }
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
        Self {
            target: error.target().map(str::to_owned),
            ..Self::new(status, error.code(), error.to_string())
        }
    }
}

impl ApiError {
    /// The error as OData writes it. Source: OData JSON Format V4.01, 21.1.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let mut error = serde_json::json!({ "code": self.code, "message": self.message });
        if let (Some(target), Some(error)) = (&self.target, error.as_object_mut()) {
            error.insert("target".to_owned(), target.as_str().into());
        }
        serde_json::json!({ "error": error })
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.to_json())).into_response();
        let headers = response.headers_mut();
        match self.status {
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, RETRY_AFTER);
            }
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            _ => {}
        }
        response
    }
}
