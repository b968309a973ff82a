//! Who stands in for Qualtrics and for HANA.
//!
//! Single reads are answered at once from one prepared document; everything else, such as definitions, is the
//! sandbox's to answer.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt as _;
use http::{StatusCode, header};
use qualtrics_sandbox::{Limits, Options, Sandbox, Survey};

use crate::callbacks::SURVEY;

/// Says where it listens, and ends when whoever started it does.
fn announce(addr: SocketAddr) {
    println!("listening on {addr}");
    std::io::stdout().flush().unwrap();
    std::thread::spawn(|| {
        drop(std::io::stdin().read_to_end(&mut Vec::new()));
        std::process::exit(0);
    });
}

/// Serves on a free port, and says which, for as long as whoever started this lives.
pub(crate) fn listen(router: Router) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(serve(router));
}

async fn serve(router: Router) {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = tokio::net::TcpListener::bind(any).await.unwrap();
    announce(listener.local_addr().unwrap());
    let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
    axum::serve(listener, router).await.unwrap();
}

/// Qualtrics; single reads and exports are answered, or refused for a quarter of an hour. With an archive every export
/// is that one.
pub(crate) fn play(reads: &str, archive: Option<&str>) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let sandbox = Sandbox::bind(any, options()).await.unwrap();
        let pieces = sample_of(&sandbox.handle());
        let rest = Rest {
            http: client(),
            base: sandbox.base_url(),
        };
        tokio::spawn(sandbox.run(std::future::pending()));
        let read = "/API/v3/surveys/{survey}/responses/{response}";
        let exports = "/API/v3/surveys/{survey}/export-responses";
        let mut router = if reads == "refuse" {
            Router::new()
                .route(read, get(refuse))
                .route(exports, post(refuse))
        } else {
            Router::new().route(read, get(move |path| answer(pieces, path)))
        };
        if let Some(archive) = archive {
            let archive: &'static str = archive.to_owned().leak();
            let started = r#"{"progressId":"ES_bench","percentComplete":0,"status":"inProgress"}"#;
            let complete =
                format!(r#"{{"fileId":"{FILE}","percentComplete":100,"status":"complete"}}"#);
            router = router
                .route(exports, post(enveloped(started)))
                .route(
                    &format!("{exports}/{{progress}}"),
                    get(enveloped(&complete)),
                )
                .route(
                    &format!("{exports}/{{file}}/file"),
                    get(move || file(archive)),
                );
        }
        serve(router.fallback(forward).with_state(rest)).await;
    });
}

/// The file of every export.
pub(crate) const FILE: &str = "bench-file";

fn options() -> Options {
    Options {
        limits: Limits::Off,
        surveys: vec![Survey::project_feedback().unwrap()],
        ..Options::default()
    }
}

/// A response's document in pieces, between which its id stands.
pub(crate) fn sample() -> &'static [String] {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        sample_of(&Sandbox::bind(any, options()).await.unwrap().handle())
    })
}

fn sample_of(sandbox: &qualtrics_sandbox::Handle) -> &'static [String] {
    let id = sandbox
        .complete(SURVEY, serde_json::json!({"AccountID": "ACME", "Q1": 4, "RecordedDate": "2026-06-01T12:00:01Z"}))
        .unwrap();
    let document = String::from_utf8(sandbox.document(SURVEY, &id).unwrap()).unwrap();
    document
        .split(&id)
        .map(str::to_owned)
        .collect::<Vec<_>>()
        .leak()
}

const META: &str = r#""meta":{"httpStatus":"200 - OK","requestId":"0000-0000"}"#;
const JSON: [(header::HeaderName, &str); 1] = [(header::CONTENT_TYPE, "application/json")];

fn enveloped(result: &str) -> impl IntoResponse + Clone + use<> {
    (JSON, format!(r#"{{"result":{result},{META}}}"#))
}

/// The archive as it is, told to whoever started this.
async fn file(archive: &'static str) -> impl IntoResponse {
    println!("{}", crate::callbacks::response(0));
    let file = tokio::fs::File::open(archive).await.unwrap();
    let body = Body::from_stream(tokio_util::io::ReaderStream::with_capacity(file, 64 * 1024));
    ([(header::CONTENT_TYPE, "application/zip")], body)
}

async fn answer(
    pieces: &'static [String],
    Path((_, response)): Path<(String, String)>,
) -> impl IntoResponse {
    let document = pieces.join(&response);
    (JSON, format!(r#"{{"result":{document},{META}}}"#))
}

async fn refuse() -> impl IntoResponse {
    const BODY: &str = r#"{"meta":{"httpStatus":"429 - Too Many Requests","error":{"errorMessage":"slow down","errorCode":"RL_1"}}}"#;
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::RETRY_AFTER, "900"),
    ];
    (StatusCode::TOO_MANY_REQUESTS, headers, BODY)
}

/// Who answers the rest.
#[derive(Clone)]
struct Rest {
    http: reqwest::Client,
    base: String,
}

async fn forward(State(rest): State<Rest>, request: Request) -> Response {
    let url = format!("{}{}", rest.base, request.uri());
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let mut headers = parts.headers;
    headers.remove(header::HOST);
    let asked = rest.http.request(parts.method, url).headers(headers);
    let answer = asked.body(body).send().await.unwrap();
    let mut response = Response::builder().status(answer.status());
    if let Some(kind) = answer.headers().get(header::CONTENT_TYPE) {
        response = response.header(header::CONTENT_TYPE, kind);
    }
    let body = answer.bytes().await.unwrap();
    response.body(body.into()).unwrap()
}

/// A keep-alive client, as anybody would have it.
pub(crate) fn client() -> reqwest::Client {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// The HANA test server.
pub(crate) fn play_hana() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = hana_testserver::Server::start(any, hana_testserver::Options::default());
        let server = server.await.unwrap();
        announce(server.addr());
        std::future::pending::<()>().await;
    });
}
