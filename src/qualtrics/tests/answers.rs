//! What answers mean, good ones and others.

use std::io::Write as _;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;

use super::super::{QualtricsError, Retry};
use super::*;

fn envelope(http_status: &str) -> String {
    format!(r#"{{"meta":{{"httpStatus":"{http_status}","requestId":"req-1"}}}}"#)
}

/// The error that a single read ends with when everything is answered thus.
async fn error_of<F: Fn() -> Response + Clone + Send + Sync + 'static>(
    answer: F,
) -> QualtricsError {
    let peer = Peer::answering(answer).await;
    peer.client().read().await.unwrap_err()
}

#[tokio::test]
async fn a_response_is_its_result_and_the_instant_before_it_was_asked() {
    let peer = Peer::answering(|| json(200, response_body(RESPONSE))).await;
    let before = crate::lifecycle::now();

    let fetched = peer.client().read().await.unwrap();

    assert!(fetched.asked_at >= before && fetched.asked_at <= crate::lifecycle::now());
    assert_eq!(fetched.body, response_body(RESPONSE));
    assert_eq!(
        peer.asked(),
        [format!("GET /API/v3/surveys/{SURVEY}/responses/{RESPONSE}")]
    );
}

#[tokio::test]
async fn each_request_names_us_and_carries_the_token() {
    let peer = Peer::start(Router::new().fallback(|request: Request<Body>| async move {
        let header = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("x-api-token"), "token-of-the-test");
        assert!(header("user-agent").starts_with("qualtrics-ingester/"));
        assert!(header("accept-encoding").contains("gzip"));
        json(200, response_body(RESPONSE))
    }))
    .await;

    peer.client().read().await.unwrap();
}

#[tokio::test]
async fn what_is_accepted_but_not_there_is_not_yet() {
    let recorded = include_str!("../recorded/not-yet.json");
    for status in [202, 200] {
        let error = error_of(move || json(status, recorded)).await;

        assert_eq!(error.code(), "not-yet");
        assert!(error.is_not_yet());
        assert!(error.to_string().contains("request 74768340"), "{error}");
    }
    let only_message = r#"{"result":{"message":"soon"},"meta":{"httpStatus":"200 - OK"}}"#;
    assert_eq!(
        error_of(move || json(200, only_message)).await.code(),
        "not-yet"
    );
}

#[tokio::test]
async fn a_status_is_an_error_with_its_code() {
    for (status, code) in [
        (400, "refused"),
        (401, "unauthorized"),
        (403, "forbidden"),
        (404, "response-gone"),
        (411, "refused"),
        (429, "rate-limited"),
        (500, "server-error"),
        (503, "server-error"),
        (504, "server-error"),
    ] {
        let error = error_of(move || json(status, envelope("200 - OK"))).await;

        assert_eq!(error.code(), code, "{status}");
        assert_eq!(
            error.retry(),
            Retry::Backoff,
            "{status}: no event dies of it"
        );
        assert!(error.to_string().contains("req-1"), "{error}");
    }
}

#[tokio::test]
async fn the_envelope_counts_where_it_is_worse_than_the_status() {
    for (http_status, code) in [
        ("404 - Not Found", "response-gone"),
        ("429 - Too Many Requests", "rate-limited"),
        ("503 - Temporary Internal Server Error", "server-error"),
    ] {
        let error = error_of(move || json(200, envelope(http_status))).await;

        assert_eq!(error.code(), code);
    }
}

#[tokio::test]
async fn retry_after_comes_through() {
    let with = |value: &'static str| {
        error_of(move || {
            let mut answer = json(429, envelope("429 - Too Many Requests"));
            answer
                .headers_mut()
                .insert("retry-after", value.parse().unwrap());
            answer
        })
    };

    assert_eq!(
        with("12").await.retry(),
        Retry::After(Duration::from_secs(12))
    );
    assert_eq!(
        with("99999999").await.retry(),
        Retry::After(Duration::from_secs(900))
    );
    assert_eq!(with("-1").await.retry(), Retry::After(Duration::ZERO));
    assert_eq!(with("soon").await.retry(), Retry::Backoff);
}

#[tokio::test]
async fn an_error_page_of_a_gateway_is_judged_by_its_status() {
    let page = |status| {
        (
            status,
            [("content-type", "text/html")],
            "<html>secret</html>",
        )
            .into_response()
    };

    let bad_gateway = error_of(move || page(StatusCode::BAD_GATEWAY)).await;
    let fine = error_of(move || page(StatusCode::OK)).await;

    assert_eq!(bad_gateway.code(), "server-error");
    assert_eq!(
        fine.to_string(),
        "Qualtrics answered response with text/html instead of JSON"
    );
}

#[tokio::test]
async fn a_document_that_is_not_the_one_asked_for_is_refused() {
    for body in [
        response_body("R_another"),
        r#"{"result":{"responseId":"R_2Y62vxvBCVIJxEG"},"meta":{}}"#.to_owned(),
        r#"{"result":{"responseId":"R_2Y62vxvBCVIJxEG","values":[]},"meta":{}}"#.to_owned(),
        r#"{"result":[],"meta":{}}"#.to_owned(),
        r#"{"meta":{}}"#.to_owned(),
        r#"{"result":{"responseId":"#.to_owned(),
        String::new(),
    ] {
        let error = error_of(move || json(200, body.clone())).await;

        assert_eq!(error.code(), "bad-answer", "{error}");
    }
}

#[tokio::test]
async fn a_redirect_is_refused_and_named_by_host_only() {
    let peer = Peer::answering(|| {
        (
            StatusCode::FOUND,
            [("location", "http://169.254.169.254/latest?secret=1")],
        )
            .into_response()
    })
    .await;

    let error = peer.client().read().await.unwrap_err();

    assert_eq!(error.code(), "redirected");
    assert!(error.to_string().contains("169.254.169.254"), "{error}");
    assert!(!error.to_string().contains("secret"), "{error}");
    assert_eq!(peer.asked().len(), 1);
}

#[tokio::test]
async fn an_endless_body_is_cut_at_its_limit() {
    let error = error_of(|| {
        let chunk = Bytes::from(vec![b' '; 64 * 1024]);
        let chunks = stream::repeat_with(move || Ok::<_, std::io::Error>(chunk.clone()));
        Response::new(Body::from_stream(chunks))
    })
    .await;

    assert_eq!(error.code(), "too-large");
}

#[tokio::test]
async fn large_bodies_come_two_at_a_time_and_all_of_them_come() {
    let padding = " ".repeat(2 * 1024 * 1024);
    let peer = Peer::answering(move || json(200, response_body(RESPONSE) + &padding)).await;
    let client = peer.client();

    let all = futures_util::future::join_all((0..20).map(|_| client.read())).await;

    assert!(all.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_gzip_bomb_is_cut_at_its_unpacked_size() {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..64 {
        packed.write_all(&[b' '; 1024 * 1024]).unwrap();
    }
    let packed = Bytes::from(packed.finish().unwrap());
    assert!(packed.len() < 100_000);

    let error =
        error_of(move || ([("content-encoding", "gzip")], packed.clone()).into_response()).await;

    assert_eq!(error.code(), "too-large");
}

#[tokio::test]
async fn what_can_not_be_unpacked_is_an_answer_and_no_fault_of_the_network() {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed
        .write_all(response_body(RESPONSE).as_bytes())
        .unwrap();
    let packed = packed.finish().unwrap();
    let altered = [&packed[..20], &[0xff; 8], &packed[28..]].concat();

    for body in [altered, b"no gzip at all".to_vec()] {
        let body = Bytes::from(body);
        let error =
            error_of(move || ([("content-encoding", "gzip")], body.clone()).into_response()).await;

        assert_eq!(error.code(), "bad-answer", "{error}");
    }
}

#[tokio::test]
async fn an_announced_length_beyond_the_limit_is_not_read() {
    let peer = raw("HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n{").await;

    let error = peer.client().read().await.unwrap_err();

    assert_eq!(error.code(), "too-large");
}

#[tokio::test]
async fn a_cut_body_is_an_unreachable_peer() {
    let peer = raw("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"result\":").await;

    let error = peer.client().read().await.unwrap_err();

    assert_eq!(error.code(), "unreachable");
    assert_eq!(error.retry(), Retry::Backoff);
}

#[tokio::test]
async fn nobody_at_the_address_is_an_unreachable_peer() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let peer = Peer {
        url: url.parse().unwrap(),
        asked: Arc::default(),
        life: Lifecycle::new(),
    };
    let client = peer.client();

    let error = client.read().await.unwrap_err();

    assert_eq!(error.code(), "unreachable");
    assert!(error.to_string().contains("QUALTRICS_BASE_URL"), "{error}");
    assert_eq!(client.figures().calls_left, 200, "nothing was sent");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_trickles_ends_at_the_deadline() {
    let peer = Peer::answering(|| {
        let drops = stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(b" ")), ()))
        });
        Response::new(Body::from_stream(drops))
    })
    .await;
    let client = peer.client();
    let begun = tokio::time::Instant::now();

    let error = client.read().await.unwrap_err();

    assert_eq!(error.code(), "timeout");
    assert!(begun.elapsed() < Duration::from_secs(25));
}

/// A server that reads a little, writes these bytes and hangs up, once a connection.
async fn raw(answer: &'static str) -> Peer {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let life = Lifecycle::new();
    life.spawn("raw peer", async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let read = socket.read(&mut [0; 4096]).await;
            read.unwrap();
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    Peer {
        url: url.parse().unwrap(),
        asked: Arc::default(),
        life,
    }
}

#[tokio::test]
async fn a_connection_that_the_peer_closed_meanwhile_is_replaced_at_once() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let life = Lifecycle::new();
    life.spawn("closing peer", async move {
        // The first connection is closed instead of an answer, the second one answers.
        let (mut socket, _) = listener.accept().await.unwrap();
        let read = socket.read(&mut [0; 4096]).await;
        read.unwrap();
        drop(socket);
        let (mut socket, _) = listener.accept().await.unwrap();
        let read = socket.read(&mut [0; 4096]).await;
        read.unwrap();
        let body = response_body(RESPONSE);
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        socket.write_all((head + &body).as_bytes()).await.unwrap();
    });
    let peer = Peer {
        url: url.parse().unwrap(),
        asked: Arc::default(),
        life,
    };
    let client = peer.client();

    client.read().await.unwrap();

    assert_eq!(client.figures().calls_left, 198, "both were counted");
}

#[tokio::test]
async fn each_call_is_counted_by_endpoint_and_status() {
    let peer = Peer::answering(|| json(200, envelope("404 - Not Found"))).await;
    let metrics = Metrics::new();
    let settings = config::Qualtrics {
        base_url: Some(peer.url.clone()),
        credentials: Some(Credentials::Token("t".into())),
        requests_per_minute: NonZeroU32::new(7).unwrap(),
    };
    let client = Qualtrics::start(&settings, metrics.clone(), &peer.life).unwrap();

    client.read().await.unwrap_err();

    let text = metrics.encode().unwrap();
    let counted = r#"ingester_qualtrics_requests_total{endpoint="response",status="404"} 1"#;
    assert!(text.contains(counted), "{text}");
    assert!(
        text.contains("ingester_qualtrics_request_seconds_count{endpoint=\"response\"} 1"),
        "{text}"
    );
    assert!(text.contains("ingester_qualtrics_calls_left 6"), "{text}");
}
