//! A name for every request: taken over where it is harmless, made where it is missing, and on every answer.
//! `traceparent` is taken over into the span, so that a log line can be found by the trace of whoever called.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue};
use tracing::Instrument as _;
use uuid::Uuid;

/// The header, on requests and answers.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longer ids than this are replaced: they would only fill the log.
const ID_CHARS_MAX: usize = 64;

/// Middleware: outermost, so that even a panic's answer has its id. The answer's status is for whoever collects spans: no
/// line of the log comes after it.
pub(super) async fn set(
    State(collects_spans): State<bool>,
    request: Request,
    next: Next,
) -> Response {
    let id = incoming(request.headers()).unwrap_or_else(fresh);
    let (trace_id, parent_id) = trace(request.headers()).unzip();
    let span = tracing::info_span!(
        // Not of the task that serves the connection: each request is a trace of its own, or the caller's.
        parent: None,
        "request",
        method = request.method().as_str(),
        request_id = id.to_str().unwrap_or_default(),
        trace_id,
        parent_id,
        status = tracing::field::Empty,
    );
    let mut response = next.run(request).instrument(span.clone()).await;
    if collects_spans {
        span.record("status", response.status().as_u16());
    }
    response.headers_mut().insert(X_REQUEST_ID, id);
    response
}

fn incoming(headers: &HeaderMap) -> Option<HeaderValue> {
    let id = headers.get(X_REQUEST_ID)?;
    let harmless = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    ((1..=ID_CHARS_MAX).contains(&id.len()) && id.as_bytes().iter().all(harmless))
        .then(|| id.clone())
}

/// Counted on from a number of this process's own: asking the kernel for chance each time takes longer than all the rest.
fn fresh() -> HeaderValue {
    static FIRST: LazyLock<u128> = LazyLock::new(|| Uuid::now_v7().as_u128());
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let id = FIRST.wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed).into());
    let mut text = Uuid::encode_buffer();
    let text = Uuid::from_u128(id).hyphenated().encode_lower(&mut text);
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("none"))
}

/// Trace and span of a W3C `traceparent`: `00-<32 hex>-<16 hex>-<2 hex>`.
fn trace(headers: &HeaderMap) -> Option<(&str, &str)> {
    let mut parts = headers.get("traceparent")?.to_str().ok()?.split('-');
    let (_version, trace, span) = (parts.next()?, parts.next()?, parts.next()?);
    let is_id =
        |text: &str, digits| text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit());
    (is_id(trace, 32) && is_id(span, 16)).then_some((trace, span))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn harmless_ids_are_kept_and_others_are_not() {
        let kept = |id: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(X_REQUEST_ID, HeaderValue::from_static(id));
            incoming(&headers).is_some()
        };
        assert!(kept("0192a3b4-aaaa_1.2"));
        assert!(!kept(""));
        assert!(!kept("a b"));
        assert!(!kept("<script>"));
        assert!(!kept(
            "0123456789012345678901234567890123456789012345678901234567890123456789"
        ));
    }

    #[test]
    fn the_trace_of_the_caller_is_read() {
        let mut headers = HeaderMap::new();
        headers.insert(
            "traceparent",
            HeaderValue::from_static("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        );
        assert_eq!(
            trace(&headers),
            Some(("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"))
        );
        headers.insert("traceparent", HeaderValue::from_static("garbage"));
        assert_eq!(trace(&headers), None);
    }
}
