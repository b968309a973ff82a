//! Broken answers, each as a client meets it.

use std::io::Read as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{SURVEY, TestSandbox, recorded};

async fn broken(faults: &str) -> (TestSandbox, reqwest::Result<reqwest::Response>) {
    let sandbox = TestSandbox::with_faults(faults).await;
    let id = sandbox.handle.complete(SURVEY, json!({})).unwrap();
    let answer = sandbox
        .request("GET", &format!("/API/v3/surveys/{SURVEY}/responses/{id}"))
        .send()
        .await;
    (sandbox, answer)
}

#[tokio::test]
async fn a_connection_is_cut_in_the_middle_of_a_body() {
    let (_sandbox, answer) = broken("reset").await;

    let answer = answer.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.bytes().await.is_err());
}

#[tokio::test]
async fn half_a_body_can_look_whole() {
    let (_sandbox, answer) = broken("cut-json").await;

    let body = answer.unwrap().bytes().await.unwrap();
    assert!(serde_json::from_slice::<Value>(&body).is_err());
}

#[tokio::test]
async fn the_envelope_can_contradict_the_status() {
    let (_sandbox, answer) = broken("contradict").await;

    let answer = answer.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(
        answer.json::<Value>().await.unwrap()["meta"]["httpStatus"],
        "500 - Internal Server Error"
    );
}

#[tokio::test]
async fn a_gateway_answers_html_and_redirects() {
    let (_sandbox, answer) = broken("html").await;
    let answer = answer.unwrap();
    assert_eq!(answer.status(), 502);
    assert_eq!(answer.headers()["content-type"], "text/html");

    let (_sandbox, answer) = broken("redirect,redirect-to=http://127.0.0.1:1/x").await;
    let answer = answer.unwrap();
    assert_eq!(answer.status(), 302);
    assert_eq!(answer.headers()["location"], "http://127.0.0.1:1/x");
}

#[tokio::test]
async fn a_retry_after_has_many_forms() {
    for (given, expected) in [
        ("-5", Some("-5")),
        ("99999999999", Some("99999999999")),
        ("none", None),
    ] {
        let (_sandbox, answer) = broken(&format!("429,retry-after={given}")).await;
        let answer = answer.unwrap();
        assert_eq!(answer.status(), 429);
        assert_eq!(
            answer
                .headers()
                .get("retry-after")
                .map(|value| value.to_str().unwrap()),
            expected
        );
    }
    let (_sandbox, answer) = broken("429,retry-after=date").await;
    assert!(
        answer.unwrap().headers()["retry-after"]
            .to_str()
            .unwrap()
            .ends_with(" GMT")
    );
}

#[tokio::test]
async fn bodies_can_be_slow_compressed_bombs_or_endless() {
    let begun = Instant::now();
    let (_sandbox, answer) = broken("slow-body,slow-body-for=300ms").await;
    assert!(answer.unwrap().json::<Value>().await.is_ok());
    assert!(begun.elapsed() >= Duration::from_millis(200));

    let (sandbox, answer) = broken("gzip-bomb").await;
    assert!(
        answer.unwrap().headers().get("content-encoding").is_none(),
        "only for those who accept it"
    );
    let answer = sandbox
        .request("GET", "/API/v3/surveys")
        .header("accept-encoding", "gzip")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.headers()["content-encoding"], "gzip");

    let unpacked = gunzip(&answer.bytes().await.unwrap());
    assert_eq!(unpacked, 16 << 20, "and more than that");
    sandbox.handle.set_faults("gzip".parse().unwrap());
    let answer = sandbox
        .request("GET", "/API/v3/surveys")
        .header("accept-encoding", "gzip")
        .send()
        .await
        .unwrap();
    assert!(gunzip(&answer.bytes().await.unwrap()) > 100);

    let (_sandbox, answer) = broken("endless").await;
    let mut answer = answer.unwrap();
    let mut received = 0;
    while received < 1_000_000 {
        received += answer.chunk().await.unwrap().unwrap().len();
    }
}

/// The unpacked length, 16 MiB at most.
fn gunzip(bytes: &[u8]) -> u64 {
    let mut unpacked = flate2::read::MultiGzDecoder::new(bytes).take(16 << 20);
    std::io::copy(&mut unpacked, &mut std::io::sink()).unwrap()
}

#[tokio::test]
async fn one_seed_repeats_one_run() {
    let run = async || {
        let sandbox = TestSandbox::with_faults("seed=7,500=0.5").await;
        let id = sandbox.handle.complete(SURVEY, json!({})).unwrap();
        let mut statuses = Vec::new();
        for _ in 0..20 {
            statuses.push(
                sandbox
                    .get(&format!("/API/v3/surveys/{SURVEY}/responses/{id}"))
                    .await
                    .0,
            );
        }
        (id, statuses)
    };

    let (one, other) = (run().await, run().await);

    assert_eq!(one, other);
    assert!(one.1.contains(&500) && one.1.contains(&200));
}

#[tokio::test]
async fn guesses_are_marked_and_records_are_not() {
    let sandbox = TestSandbox::start().await;
    let evidence = async |path: &str| {
        let answer = sandbox.request("GET", path).send().await.unwrap();
        answer
            .headers()
            .get("x-sandbox-evidence")
            .map(|value| value.to_str().unwrap().to_owned())
    };

    assert_eq!(evidence("/API/v3/surveys").await, None);
    assert_eq!(evidence(&format!("/API/v3/surveys/{SURVEY}")).await, None);
    assert_eq!(
        evidence(&format!("/API/v3/surveys/{SURVEY}/response-schema"))
            .await
            .as_deref(),
        Some("guess")
    );
    let marked = recorded("errors.json")["404-response"]["guess"].as_bool();
    assert_eq!(marked, Some(true));
    let unknown = format!("/API/v3/surveys/{SURVEY}/responses/R_unknown");
    assert_eq!(evidence(&unknown).await.as_deref(), Some("guess"));
}

#[tokio::test]
async fn a_post_without_length_is_refused_before_anything_else() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let sandbox = TestSandbox::start().await;
    let address = sandbox.base.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"POST /oauth2/token HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();

    assert!(answer.starts_with("HTTP/1.1 411"), "{answer}");
}

#[tokio::test]
async fn the_sandbox_stops_though_a_body_never_ends() {
    let options = qualtrics_sandbox::Options {
        faults: "endless".parse().unwrap(),
        ..Default::default()
    };
    let sandbox = qualtrics_sandbox::Sandbox::bind(([127, 0, 0, 1], 0).into(), options)
        .await
        .unwrap();
    let url = format!("{}/API/v3/surveys", sandbox.base_url());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(sandbox.run(async move {
        let _ = stopped.await;
    }));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client
        .get(&url)
        .header("x-api-token", "sandbox-token")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);

    stop.send(()).unwrap();

    tokio::time::timeout(Duration::from_secs(5), running)
        .await
        .unwrap()
        .unwrap();
    assert!(client.get(&url).send().await.is_err());
}
