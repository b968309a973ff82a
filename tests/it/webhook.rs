//! What the webhook answers, over TCP, by the built binary: every line of its contract.
//!
//! Long because each line of the webhook's contract has its test here.

use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::database::Database;
use crate::process::{KEY, Running, SURVEY, Site, message, signed};
use crate::support::eventually;

const FORM: &str = "application/x-www-form-urlencoded";
const COMPLETED: &str = "2026-01-02 03:04:05";

struct Caller {
    client: Client,
    running: Running,
    site: Site,
}

impl Caller {
    async fn new(configure: impl FnOnce(&mut Site)) -> Self {
        let mut site = Site::unlimited().await;
        configure(&mut site);
        let running = site.serve().await;
        let client = Client::builder()
            .timeout(Duration::from_secs(10))
            .build()
            .unwrap();
        Self {
            client,
            running,
            site,
        }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> (StatusCode, String) {
        let response = request.send().await.unwrap();
        let status = response.status();
        assert!(response.headers().contains_key("x-request-id"));
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        let retry_after = response.headers().contains_key("retry-after");
        let body: serde_json::Value = response.json().await.unwrap_or_default();
        if status.is_success() {
            return (
                status,
                body["status"].as_str().unwrap_or_default().to_owned(),
            );
        }
        assert_eq!(retry_after, status == StatusCode::SERVICE_UNAVAILABLE);
        assert!(body["error"]["message"].is_string(), "{status}: {body}");
        (status, body["error"]["code"].as_str().unwrap().to_owned())
    }

    fn post(&self, query: &str) -> reqwest::RequestBuilder {
        self.client
            .post(self.running.url(&format!("/webhooks/qualtrics{query}")))
    }

    async fn form(&self, body: impl Into<String>) -> (StatusCode, String) {
        self.send(self.post("").header("content-type", FORM).body(body.into()))
            .await
    }

    async fn events(&self) -> i64 {
        let count = "SELECT COUNT(*) FROM QUALTRICS_INBOX";
        self.site.database.number(count).await
    }
}

fn answer(status: u16, word: &str) -> (StatusCode, String) {
    (StatusCode::from_u16(status).unwrap(), word.to_owned())
}

#[tokio::test]
async fn a_genuine_callback_is_accepted_once_and_becomes_a_row() {
    let caller = Caller::new(|_| ()).await;
    let response = caller
        .site
        .sandbox
        .complete(SURVEY, serde_json::json!({ "Q18": "fine" }))
        .unwrap();
    let body = signed(&message(&response, COMPLETED), KEY);

    assert_eq!(caller.form(body.as_str()).await, answer(200, "accepted"));
    assert_eq!(caller.form(body.as_str()).await, answer(200, "duplicate"));

    eventually("the row", async || {
        let count = "SELECT COUNT(*) FROM PROJECTFEEDBACK WHERE Q18 = 'fine'";
        caller.site.database.number(count).await == 1
    })
    .await;
    assert_eq!(caller.site.sandbox.counters().calls_of("response"), 1);
}

#[tokio::test]
async fn probes_are_answered_and_stored_nowhere() {
    let caller = Caller::new(|_| ()).await;

    for method in [Method::GET, Method::HEAD] {
        let request = caller
            .client
            .request(method, caller.running.url("/webhooks/qualtrics"));
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
    assert_eq!(caller.send(caller.post("")).await, answer(200, "ignored"));
    assert_eq!(caller.form("").await, answer(200, "ignored"));
    assert_eq!(caller.events().await, 0);
}

#[tokio::test]
async fn what_is_not_ours_is_ignored() {
    let caller = Caller::new(|_| ()).await;
    let of_another_survey = message("R_1", COMPLETED).replace(SURVEY, "SV_00000000000000a");
    let other = |text: &str| {
        signed(text, KEY).replace(
            &format!("completedResponse.{SURVEY}"),
            "completedResponse.*",
        )
    };

    assert_eq!(
        caller.form(other(&of_another_survey)).await,
        answer(200, "ignored")
    );
    let partial = message("R_1", COMPLETED).replace("Complete", "Partial");
    assert_eq!(
        caller.form(signed(&partial, KEY)).await,
        answer(200, "ignored")
    );
    assert_eq!(caller.events().await, 0);
}

#[tokio::test]
async fn what_proves_nothing_is_refused_and_reaches_neither_store_nor_log() {
    let caller = Caller::new(|_| ()).await;
    let genuine = signed(&message("R_marker1", COMPLETED), KEY);
    let check = async |body: String, status: u16, code: &str| {
        assert_eq!(
            caller.form(body.clone()).await,
            answer(status, code),
            "{body}"
        )
    };

    check(
        signed(&message("R_marker1", COMPLETED), "another key"),
        401,
        "wrong-signature",
    )
    .await;
    check(
        genuine.replace("R%5Fmarker1", "R%5Fmarker2"),
        401,
        "wrong-signature",
    )
    .await;
    check(
        genuine.split("&HMAC").next().unwrap().to_owned() + "&MSG=%7B%7D",
        401,
        "unsigned",
    )
    .await;
    check(
        format!("HMAC=00&MSG={}", "%7B%7D"),
        401,
        "malformed-signature",
    )
    .await;
    check(
        format!("SurveyID={SURVEY}&ResponseID=R_marker1&Status=Complete"),
        401,
        "unsigned",
    )
    .await;
    check("hello=world".to_owned(), 400, "malformed").await;
    check("MSG=%zz".to_owned(), 400, "malformed").await;
    check(format!("{genuine}&{genuine}"), 400, "malformed").await;
    check("a=b&".repeat(100_000 / 8), 400, "malformed").await;
    check(
        genuine.replace(SURVEY, "SV_00000000000000a"),
        400,
        "topic-mismatch",
    )
    .await;
    for hostile in ["R_1/../../whoami", "R_1' OR '1'='1", "R_%2e", "r_1"] {
        check(signed(&message(hostile, COMPLETED), KEY), 400, "invalid-id").await;
    }
    check(
        include_str!("../../fixtures/callbacks/encrypted-aes256.body").to_owned(),
        400,
        "encrypted",
    )
    .await;

    assert_eq!(caller.events().await, 0);
    let log = caller.running.log();
    assert!(
        !log.contains("marker") && !log.contains("whoami") && !log.contains(KEY),
        "{log}"
    );
    assert_eq!(caller.site.sandbox.counters().calls_of("response"), 0);
}

#[tokio::test]
async fn other_content_types_and_large_bodies_are_refused() {
    let caller = Caller::new(|_| ()).await;
    for content_type in [
        "application/json",
        "text/plain",
        "multipart/form-data; boundary=x",
    ] {
        let request = caller
            .post("")
            .header("content-type", content_type)
            .body("{}");
        assert_eq!(
            caller.send(request).await,
            answer(415, "unsupported-media-type"),
            "{content_type}"
        );
    }
    let body = signed(&message("R_1", COMPLETED), KEY);
    let request = caller
        .post("")
        .header(
            "content-type",
            "Application/X-WWW-Form-URLencoded; charset=UTF-8",
        )
        .body(body);
    assert_eq!(caller.send(request).await, answer(200, "accepted"));

    assert_eq!(
        caller.form("x".repeat(64 * 1024 + 1)).await,
        answer(413, "too-large")
    );
    let chunks =
        futures_util::stream::iter((0..70).map(|_| Ok::<_, std::io::Error>("y".repeat(1024))));
    let chunked = caller
        .post("")
        .header("content-type", FORM)
        .body(reqwest::Body::wrap_stream(chunks));
    assert_eq!(caller.send(chunked).await, answer(413, "too-large"));
    let fits = format!(
        "{}&x={}",
        signed(&message("R_2", COMPLETED), KEY),
        "z".repeat(60_000)
    );
    assert_eq!(caller.form(fits).await, answer(200, "accepted"));
}

#[tokio::test]
async fn the_query_string_counts_only_for_callers_with_the_token() {
    let caller = Caller::new(|site| {
        site.set("QUALTRICS_WEBHOOK_TOKEN", "webhook-token");
    })
    .await;
    let fields = |response: &str| format!("?SurveyID={SURVEY}&ResponseID={response}");

    assert_eq!(
        caller.send(caller.post(&fields("R_1"))).await,
        answer(200, "ignored")
    );
    let by_query = format!("{}&token=webhook-token", fields("R_2"));
    assert_eq!(
        caller.send(caller.post(&by_query)).await,
        answer(200, "accepted")
    );
    let by_header = caller
        .post(&fields("R_3"))
        .header("x-api-key", "webhook-token");
    assert_eq!(caller.send(by_header).await, answer(200, "accepted"));
    let json = serde_json::json!({ "SurveyID": SURVEY, "ResponseID": "R_4" }).to_string();
    let by_bearer = caller
        .post("")
        .bearer_auth("webhook-token")
        .header("content-type", "application/json")
        .body(json.clone());
    assert_eq!(caller.send(by_bearer).await, answer(200, "accepted"));
    let wrong = caller
        .post("")
        .header("x-api-key", "webhook-tokem")
        .header("content-type", "application/json")
        .body(json.clone());
    assert_eq!(caller.send(wrong).await, answer(401, "wrong-token"));
    let none = caller
        .post("")
        .header("content-type", "application/json")
        .body(json);
    assert_eq!(
        caller.send(none).await,
        answer(415, "unsupported-media-type")
    );
    assert_eq!(
        caller.form(signed(&message("R_5", COMPLETED), KEY)).await,
        answer(200, "accepted")
    );
    assert_eq!(caller.events().await, 4);
}

#[tokio::test]
async fn both_keys_verify_while_they_rotate_and_the_metric_says_when() {
    let caller = Caller::new(|site| {
        site.set("QUALTRICS_SHARED_KEY_PREVIOUS", "the-key-before");
    })
    .await;
    let used = async || {
        let text = caller
            .client
            .get(caller.running.url("/metrics"))
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        let line = text
            .lines()
            .find(|line| line.starts_with("ingester_previous_key_last_used_timestamp_seconds "))
            .unwrap();
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };

    assert_eq!(
        caller.form(signed(&message("R_1", COMPLETED), KEY)).await,
        answer(200, "accepted")
    );
    assert!(used().await.abs() < 1.0);
    assert_eq!(
        caller
            .form(signed(&message("R_2", COMPLETED), "the-key-before"))
            .await,
        answer(200, "accepted")
    );
    assert!(used().await > 1.7e9);
    assert!(
        caller
            .running
            .log()
            .contains("QUALTRICS_SHARED_KEY_PREVIOUS")
    );
}

#[tokio::test]
async fn without_events_there_is_no_webhook() {
    let caller = Caller::new(|site| {
        site.set("EVENTS", "off").set("QUALTRICS_SHARED_KEY", "");
    })
    .await;

    assert_eq!(
        caller.form(signed(&message("R_1", COMPLETED), KEY)).await,
        answer(404, "not-found")
    );
}

#[tokio::test]
async fn what_can_not_be_stored_is_503_within_three_seconds_and_heals() {
    // On HANA it is the database that goes away: see the tests of the service there.
    let sqlite = |site: &mut Site| site.database = Database::sqlite(site.folder.path());
    let caller = Caller::new(sqlite).await;
    let other = rusqlite::Connection::open(caller.site.folder.path().join("feedback.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let begun = std::time::Instant::now();

    let (status, code) = caller.form(signed(&message("R_1", COMPLETED), KEY)).await;

    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{code}");
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
    let ready = |query: &str| {
        caller
            .client
            .get(caller.running.url(&format!("/health/ready{query}")))
            .send()
    };
    assert_eq!(ready("").await.unwrap().status(), 200);
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(
        caller.form(signed(&message("R_2", COMPLETED), KEY)).await,
        answer(200, "accepted")
    );
    assert_eq!(ready("?strict=true").await.unwrap().status(), 200);
}

#[tokio::test]
async fn silent_and_slow_connections_are_cut() {
    let caller = Caller::new(|_| ()).await;
    let mut silent = tokio::net::TcpStream::connect(caller.running.addr)
        .await
        .unwrap();
    let mut slow = tokio::net::TcpStream::connect(caller.running.addr)
        .await
        .unwrap();
    slow.write_all(b"POST /webhooks/qualtrics HTTP/1.1\r\nhost: x\r\n")
        .await
        .unwrap();
    let mut trickling = tokio::net::TcpStream::connect(caller.running.addr)
        .await
        .unwrap();
    let head = format!(
        "POST /webhooks/qualtrics HTTP/1.1\r\nhost: x\r\ncontent-type: {FORM}\r\ncontent-length: 1000\r\n\r\na"
    );
    trickling.write_all(head.as_bytes()).await.unwrap();

    let ended = async |stream: &mut tokio::net::TcpStream| {
        let mut text = Vec::new();
        let read =
            tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut text)).await;
        assert!(read.is_ok(), "still open");
        String::from_utf8_lossy(&text).into_owned()
    };
    assert_eq!(ended(&mut silent).await, "");
    assert!(ended(&mut trickling).await.starts_with("HTTP/1.1 408"));
    ended(&mut slow).await;
    assert_eq!(
        caller.form(signed(&message("R_1", COMPLETED), KEY)).await,
        answer(200, "accepted")
    );
}
