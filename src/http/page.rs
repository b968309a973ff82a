//! Files of ours as answers: a strong tag, packed where that is asked for, and a policy that lets a page load what it
//! is made of and nothing else.
//!
//! They are packed here and not by the layer around all answers, so that each encoding has a tag of its own.

use std::io::Write as _;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sha2::{Digest as _, Sha256};

pub(super) const HTML: &str = "text/html; charset=utf-8";
pub(super) const CSS: &str = "text/css; charset=utf-8";
pub(super) const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
pub(super) const JSON: &str = "application/json";
pub(super) const SVG: &str = "image/svg+xml";
pub(super) const TEXT: &str = "text/plain; charset=utf-8";

/// Answers with a file, or with 304 if the browser has it.
pub(super) fn file(
    headers: &HeaderMap,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response {
    let body = body.into();
    let is_packed = accepts_gzip(headers);
    let etag = etag(&body, is_packed);
    let mut response = if is_known(headers, &etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else if is_packed {
        packed(&body)
    } else {
        body.into_response()
    };
    let answer = response.headers_mut();
    answer.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    // Asked again each time, and mostly answered with 304: after an update nobody has half of the old page.
    answer.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, no-cache"),
    );
    answer.insert(
        header::VARY,
        HeaderValue::from_static("accept-encoding, authorization"),
    );
    if let Ok(etag) = HeaderValue::try_from(etag) {
        answer.insert(header::ETAG, etag);
    }
    response
}

/// Sets the policy of a page, and who may embed it.
pub(super) fn restrict(
    mut response: Response,
    policy: &str,
    frame_ancestors: &[String],
) -> Response {
    let ancestors = if frame_ancestors.is_empty() {
        "'none'".to_owned()
    } else {
        frame_ancestors.join(" ")
    };
    let policy = format!(
        "default-src 'none'; {policy}; base-uri 'none'; form-action 'none'; frame-ancestors {ancestors}"
    );
    if let Ok(policy) = HeaderValue::try_from(policy) {
        response
            .headers_mut()
            .insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

fn packed(body: &Bytes) -> Response {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Writing to a vector can't fail.
    let written = encoder.write_all(body).and_then(|()| encoder.finish());
    (
        [(header::CONTENT_ENCODING, "gzip")],
        written.unwrap_or_default(),
    )
        .into_response()
}

/// One for each encoding, as strong ones have to be. Source: RFC 9110, 8.8.3.3.
fn etag(body: &Bytes, is_packed: bool) -> String {
    let digest = hex::encode(Sha256::digest(body));
    let digest = digest.get(..32).unwrap_or(&digest);
    if is_packed {
        format!("\"{digest}-gzip\"")
    } else {
        format!("\"{digest}\"")
    }
}

fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|known| known.to_str().ok());
    known.is_some_and(|known| {
        known
            .split(',')
            .map(str::trim)
            .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == etag)
    })
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|accepted| accepted.to_str().ok())
        .unwrap_or_default();
    accepted.split(',').any(|coding| {
        let (name, quality) = coding.split_once(';').unwrap_or((coding, ""));
        let refused = quality
            .trim()
            .strip_prefix("q=")
            .and_then(|quality| quality.parse::<f32>().ok())
            .is_some_and(|quality| quality == 0.0);
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn a_known_file_is_not_sent_again() {
        let first = file(&HeaderMap::new(), TEXT, "hello");
        let etag = first.headers()[header::ETAG].to_str().unwrap().to_owned();

        let second = file(&asked(header::IF_NONE_MATCH, &etag), TEXT, "hello");
        let changed = file(&asked(header::IF_NONE_MATCH, &etag), TEXT, "hello!");

        assert_eq!(second.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(changed.status(), StatusCode::OK);
    }

    #[test]
    fn it_is_packed_for_those_who_can_unpack() {
        let packed = |accepted| {
            let response = file(&asked(header::ACCEPT_ENCODING, accepted), TEXT, "hello");
            response.headers().contains_key(header::CONTENT_ENCODING)
        };

        assert!(packed("br, GZIP"));
        assert!(packed("gzip;q=0.5"));
        assert!(!packed("gzip;q=0, br"));
        assert!(!packed("identity"));
    }

    #[test]
    fn nobody_may_embed_it_unless_configured() {
        let policy = |ancestors: &[String]| {
            let response = restrict(
                StatusCode::OK.into_response(),
                "script-src 'self'",
                ancestors,
            );
            response.headers()[header::CONTENT_SECURITY_POLICY]
                .to_str()
                .unwrap()
                .to_owned()
        };

        assert!(policy(&[]).ends_with("frame-ancestors 'none'"));
        assert!(
            policy(&["https://work.zone".to_owned()])
                .ends_with("frame-ancestors https://work.zone")
        );
        assert!(!policy(&[]).contains("unsafe"));
    }
}
