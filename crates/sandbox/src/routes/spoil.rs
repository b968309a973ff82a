//! Faults of API answers: other answers, broken bodies, wrong words.

use std::io;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::clock;
use crate::envelope::Problem;
use crate::faults::{Faults, Share};
use crate::routes::endpoint::Endpoint;
use crate::routes::gate::too_many;
use crate::state::State;

/// A fault that replaces the answer, by the switch's name.
pub(crate) async fn instead(
    state: &State,
    endpoint: &Endpoint,
    id: &str,
) -> Option<(&'static str, Response)> {
    let faults = state.faults();
    if !faults.on.covers(endpoint.family) {
        return None;
    }
    let strikes = |share: Share| state.strikes(share);
    if strikes(faults.slow) {
        tokio::time::sleep(faults.slow_for.get()).await;
    }
    if strikes(faults.too_many) {
        return Some((
            "429",
            with_retry_after(state, id, faults.retry_after.as_str()),
        ));
    }
    for (share, name, problem) in [
        (faults.unauthorized, "401", Problem::UnknownToken),
        (faults.forbidden, "403", Problem::NoRight),
        (faults.internal, "500", Problem::Internal),
        (faults.unavailable, "503", Problem::Unavailable),
        (faults.gateway, "504", Problem::Gateway),
    ] {
        if strikes(share) {
            return Some((name, problem.answer(id)));
        }
    }
    if strikes(faults.html) {
        return Some(("html", html(StatusCode::BAD_GATEWAY)));
    }
    if strikes(faults.html_ok) {
        return Some(("html-ok", html(StatusCode::OK)));
    }
    if strikes(faults.redirect) {
        let location = HeaderValue::from_str(faults.redirect_to.as_str()).ok()?;
        return Some((
            "redirect",
            (StatusCode::FOUND, [(header::LOCATION, location)]).into_response(),
        ));
    }
    if strikes(faults.endless) {
        return Some(("endless", endless()));
    }
    None
}

/// `Retry-After` in seconds according to copies of the docs; no capture shows one.
fn with_retry_after(state: &State, id: &str, text: &str) -> Response {
    let mut response = too_many(id, None);
    let text = match text {
        "none" => return response,
        "date" => http_date(state.clock.now() + 12_000),
        other => other.to_owned(),
    };
    if let Ok(value) = HeaderValue::from_str(&text) {
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    response
}

fn http_date(at: clock::Millis) -> String {
    let timestamp = jiff::Timestamp::from_millisecond(at).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    timestamp.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn html(status: StatusCode) -> Response {
    let page = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1>\
                </center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n";
    (status, [(header::CONTENT_TYPE, "text/html")], page).into_response()
}

/// JSON that begins well and never ends.
fn endless() -> Response {
    let chunk = Bytes::from(vec![b'a'; 16 * 1024]);
    let start = stream::iter([Ok::<_, io::Error>(Bytes::from_static(
        b"{\"result\":{\"responseId\":\"",
    ))]);
    let more = stream::unfold(chunk, |chunk| async move {
        tokio::time::sleep(Duration::from_millis(2)).await;
        Some((Ok(chunk.clone()), chunk))
    });
    (
        [(header::CONTENT_TYPE, "application/json")],
        Body::from_stream(start.chain(more)),
    )
        .into_response()
}

/// Faults that need the answer; a body that is streamed is left alone except for the cut.
pub(crate) async fn after(
    state: &State,
    endpoint: &Endpoint,
    response: Response,
    notice: bool,
    accepts_gzip: bool,
) -> (Option<&'static str>, Response) {
    let faults = state.faults();
    let covered = faults.on.covers(endpoint.family);
    let strikes = |share: Share| covered && state.strikes(share);
    let notice = notice || strikes(faults.notice);
    let wanted = [
        ("contradict", faults.contradict),
        ("reset", faults.reset),
        ("cut-json", faults.cut_json),
        ("slow-body", faults.slow_body),
        ("gzip-bomb", faults.gzip_bomb),
        ("gzip", faults.gzip),
    ];
    let struck = wanted
        .into_iter()
        .find(|(_, share)| strikes(*share))
        .map(|(name, _)| name);
    if !notice && struck.is_none() {
        return (None, response);
    }
    if endpoint.name == "export-file" {
        let cut = struck.filter(|name| matches!(*name, "reset" | "cut-json"));
        let response = if cut.is_some() {
            cut_stream(response)
        } else {
            response
        };
        return (cut, response);
    }
    let (mut parts, body) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        return (struck, StatusCode::INTERNAL_SERVER_ERROR.into_response());
    };
    let mut body = body.to_vec();
    if notice {
        let host = &state.settings.datacenter;
        let text = format!(
            "\"meta\":{{\"notice\":\"Request proxied. For faster response times, use this host instead: {host}.qualtrics.com\","
        );
        replace_last(&mut body, b"\"meta\":{", text.as_bytes());
    }
    let body = match struck {
        Some(name) => broken(name, body, &mut parts.headers, &faults, accepts_gzip),
        None => Body::from(body),
    };
    (struck, Response::from_parts(parts, body))
}

fn broken(
    fault: &str,
    mut body: Vec<u8>,
    headers: &mut HeaderMap,
    faults: &Faults,
    accepts_gzip: bool,
) -> Body {
    let half = body.len() / 2;
    match fault {
        "contradict" => {
            replace_last(
                &mut body,
                b"\"200 - OK\"",
                b"\"500 - Internal Server Error\"",
            );
            Body::from(body)
        }
        "reset" => {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
            body.truncate(half);
            cut(body)
        }
        "cut-json" => {
            body.truncate(half);
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(half));
            Body::from(body)
        }
        "slow-body" => trickle(body, faults.slow_body_for.get()),
        "gzip" | "gzip-bomb" if accepts_gzip => {
            headers.remove(header::CONTENT_LENGTH);
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            if fault == "gzip" {
                Body::from(gzip(&body))
            } else {
                bomb()
            }
        }
        _ => Body::from(body),
    }
}

/// What was sent so far, then a dead connection.
fn cut(half: Vec<u8>) -> Body {
    let beginning = stream::iter([Ok(Bytes::from(half))]);
    Body::from_stream(beginning.chain(dead()))
}

fn cut_stream(response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let beginning = body
        .into_data_stream()
        .take(1)
        .map(|chunk| chunk.map_err(io::Error::other));
    Response::from_parts(parts, Body::from_stream(beginning.chain(dead())))
}

/// The pause lets the beginning leave: an error at once would take it along.
fn dead() -> impl Stream<Item = io::Result<Bytes>> {
    stream::once(async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(io::Error::new(
            io::ErrorKind::ConnectionReset,
            "cut by the sandbox",
        ))
    })
}

/// Ten pieces over the given time.
fn trickle(body: Vec<u8>, time: Duration) -> Body {
    let body = Bytes::from(body);
    let piece = body.len() / 10 + 1;
    let pieces = stream::unfold(body, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(time / 10).await;
        let piece = rest.split_to(piece.min(rest.len()));
        Some((Ok::<_, io::Error>(piece), rest))
    });
    Body::from_stream(pieces)
}

fn gzip(body: &[u8]) -> Vec<u8> {
    use std::io::Write as _;

    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    if encoder.write_all(body).is_err() {
        return Vec::new();
    }
    encoder.finish().unwrap_or_default()
}

/// 256 members of 1 MiB of blanks each: some 260 KB on the wire.
fn bomb() -> Body {
    let member = Bytes::from(gzip(&vec![b' '; 1 << 20]));
    Body::from_stream(stream::iter(
        (0..256).map(move |_| Ok::<_, io::Error>(member.clone())),
    ))
}

fn replace_last(body: &mut Vec<u8>, old: &[u8], new: &[u8]) {
    if let Some(at) = body.windows(old.len()).rposition(|window| window == old) {
        body.splice(at..at + old.len(), new.iter().copied());
    }
}
