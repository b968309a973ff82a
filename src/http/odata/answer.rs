//! An answer before it is one of HTTP or a part of a batch.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use ingester_core::odata::batch::PartResponse;
use ingester_core::odata::{ALLOW, Format};
use sha2::{Digest as _, Sha256};

use super::super::error::ApiError;
use super::ODATA_VERSION;

/// An answer whose rows may still be on their way.
#[derive(Debug)]
pub(in crate::http) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: AnswerBody,
}

#[derive(Debug)]
enum AnswerBody {
    Whole(Bytes),
    Streamed(Body),
}

/// A part of a batch is sent with its length, so it has to be there as a whole.
const PART_BYTES_MAX: usize = 8 * 1024 * 1024;

impl Answer {
    pub(super) fn whole(format: Format, body: impl Into<Bytes>) -> Self {
        Self::new(format, AnswerBody::Whole(body.into()))
    }

    pub(super) fn streamed(format: Format, body: Body) -> Self {
        Self::new(format, AnswerBody::Streamed(body))
    }

    fn new(format: Format, body: AnswerBody) -> Self {
        let content_type = HeaderValue::from_static(format.content_type());
        Self {
            status: StatusCode::OK,
            headers: HeaderMap::from_iter([(header::CONTENT_TYPE, content_type)]),
            body,
        }
    }

    fn empty(status: StatusCode) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            body: AnswerBody::Whole(Bytes::new()),
        }
    }

    pub(super) fn no_content() -> Self {
        Self::empty(StatusCode::NO_CONTENT)
    }

    pub(super) fn options() -> Self {
        Self::no_content().with(header::ALLOW, Some(ALLOW.to_owned()))
    }

    pub(super) fn not_modified(tag: String) -> Self {
        Self::empty(StatusCode::NOT_MODIFIED).with(header::ETAG, Some(tag))
    }

    /// The same without body and content type: UI5's cards would parse the empty body as the JSON that it says it is.
    pub(super) fn head(mut self) -> Self {
        self.headers.remove(header::CONTENT_TYPE);
        self.body = AnswerBody::Whole(Bytes::new());
        self
    }

    /// With a header, where there is a value for it.
    pub(super) fn with(mut self, name: HeaderName, value: Option<String>) -> Self {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
            self.headers.insert(name, value);
        }
        self
    }

    /// For documents that say nothing but the model: the tag is made of the body itself.
    pub(super) fn with_tag_of_body(self, known: Option<&str>) -> Self {
        let AnswerBody::Whole(body) = &self.body else {
            return self;
        };
        let hash: Vec<u8> = Sha256::digest(body).iter().take(16).copied().collect();
        let tag = format!("W/\"{}\"", hex::encode(hash));
        if known.is_some_and(|known| is_among(&tag, known)) {
            return Self::not_modified(tag);
        }
        self.with(header::ETAG, Some(tag))
    }

    /// The same as a part of a batch.
    ///
    /// # Errors
    /// If it is too large for one, or breaks off.
    pub(in crate::http) async fn into_part(self) -> Result<PartResponse, ApiError> {
        let body = match self.body {
            AnswerBody::Whole(body) => body,
            AnswerBody::Streamed(body) => {
                let collected = Limited::new(body, PART_BYTES_MAX).collect().await;
                collected.map_err(|_| too_large())?.to_bytes()
            }
        };
        if body.len() > PART_BYTES_MAX {
            return Err(too_large());
        }
        Ok(PartResponse {
            status: self.status.as_u16(),
            headers: part_headers(&self.headers),
            body: body.into(),
        })
    }
}

fn too_large() -> ApiError {
    let message = format!(
        "the answer to a part of a batch has at most {} MiB: ask for fewer rows, or outside of the batch",
        PART_BYTES_MAX / 1024 / 1024
    );
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", message)
}

fn part_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let own = headers
        .iter()
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
    let version = (ODATA_VERSION.to_string(), "4.0".to_owned());
    own.chain([version]).collect()
}

impl ApiError {
    /// The error as a part of a batch.
    pub(in crate::http) fn to_part(&self) -> PartResponse {
        let json = HeaderValue::from_static("application/json");
        PartResponse {
            status: self.status.as_u16(),
            headers: part_headers(&HeaderMap::from_iter([(header::CONTENT_TYPE, json)])),
            body: self.to_json().to_string().into_bytes(),
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let body = match self.body {
            AnswerBody::Whole(body) => Body::from(body),
            AnswerBody::Streamed(body) => body,
        };
        (self.status, self.headers, body).into_response()
    }
}

/// Whether the tag is one of `If-None-Match`. Tags are compared weakly. Source: RFC 9110, 13.1.2.
pub(super) fn is_among(tag: &str, known: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    known.trim() == "*" || known.split(',').any(|known| opaque(known) == opaque(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_compared_weakly() {
        assert!(is_among("W/\"a\"", "W/\"a\""));
        assert!(is_among("W/\"a\"", "\"b\", \"a\""));
        assert!(is_among("W/\"a\"", " * "));
        assert!(!is_among("W/\"a\"", "W/\"b\""));
        assert!(!is_among("W/\"a\"", ""));
    }
}
