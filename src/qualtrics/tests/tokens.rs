//! The OAuth token: asked for once, renewed in time, replaced when refused, and never shown.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::routing::{get, post};
use futures_util::future::join_all;

use super::super::Retry;
use super::*;

/// A token endpoint with a switch for each thing that can go wrong.
#[derive(Clone, Default)]
struct Issuer {
    issued: Arc<AtomicU32>,
    /// Tokens with a smaller number are no longer good.
    valid_from: Arc<AtomicU32>,
    down: Arc<AtomicBool>,
    no_subscriptions: Arc<AtomicBool>,
    life: Arc<AtomicU32>,
    slow: Arc<AtomicBool>,
}

impl Issuer {
    async fn start(&self) -> Peer {
        self.life.fetch_max(3599, Ordering::Relaxed);
        let routes = Router::new()
            .route("/oauth2/token", post(issue))
            .route("/API/v3/surveys/{survey}/responses/{response}", get(read))
            .with_state(self.clone());
        Peer::start(routes).await
    }

    fn issued(&self) -> u32 {
        self.issued.load(Ordering::SeqCst)
    }

    fn revoke_all(&self) {
        self.valid_from.store(self.issued() + 1, Ordering::SeqCst);
    }
}

async fn issue(State(issuer): State<Issuer>, request: Request<Body>) -> Response {
    // Source: base64 of `client:secret-of-the-test`.
    let authorization = "Basic Y2xpZW50OnNlY3JldC1vZi10aGUtdGVzdA==";
    assert_eq!(request.headers()["authorization"], authorization);
    let form = axum::body::to_bytes(request.into_body(), 1024)
        .await
        .unwrap();
    let form = String::from_utf8(form.to_vec()).unwrap();
    assert!(
        form.starts_with(
            "grant_type=client_credentials&scope=read%3Asurveys+read%3Asurvey_responses"
        )
    );
    let number = issuer.issued.fetch_add(1, Ordering::SeqCst) + 1;
    if issuer.slow.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    if issuer.down.load(Ordering::SeqCst) {
        return json(503, "<html>");
    }
    if issuer.no_subscriptions.load(Ordering::SeqCst) && form.contains("subscriptions") {
        return json(400, r#"{"error":"invalid_scope"}"#);
    }
    let life = issuer.life.load(Ordering::SeqCst);
    json(
        200,
        format!(
            r#"{{"access_token":"token-{number}","token_type":"Bearer","expires_in":{life},"scope":"x"}}"#
        ),
    )
}

async fn read(State(issuer): State<Issuer>, request: Request<Body>) -> Response {
    let header = request.headers()["authorization"].to_str().unwrap();
    let number: u32 = header
        .strip_prefix("Bearer token-")
        .unwrap()
        .parse()
        .unwrap();
    if number < issuer.valid_from.load(Ordering::SeqCst) {
        return json(
            401,
            r#"{"meta":{"httpStatus":"401 - Unauthorized","error":{"errorCode":"DCD_7"}}}"#,
        );
    }
    json(200, response_body(RESPONSE))
}

#[tokio::test]
async fn fifty_askers_share_one_request() {
    let issuer = Issuer::default();
    issuer.slow.store(true, Ordering::SeqCst);
    let peer = issuer.start().await;
    let client = peer.client_with(oauth(), 200);

    let all = join_all((0..50).map(|_| client.read())).await;

    assert!(all.iter().all(Result::is_ok));
    assert_eq!(issuer.issued(), 1);
}

#[tokio::test]
async fn a_revoked_token_is_replaced_once_for_all() {
    let issuer = Issuer::default();
    let peer = issuer.start().await;
    let client = peer.client_with(oauth(), 200);
    client.read().await.unwrap();

    issuer.revoke_all();
    let all = join_all((0..30).map(|_| client.read())).await;

    assert!(all.iter().all(Result::is_ok));
    assert_eq!(issuer.issued(), 2);
}

#[tokio::test]
async fn tokens_that_are_all_refused_make_no_storm() {
    let issuer = Issuer::default();
    issuer.valid_from.store(u32::MAX, Ordering::SeqCst);
    let peer = issuer.start().await;
    let client = peer.client_with(oauth(), 1000);

    for _ in 0..20 {
        let all = join_all((0..10).map(|_| client.read())).await;
        for result in all {
            assert_eq!(result.unwrap_err().code(), "unauthorized");
        }
    }

    assert!(issuer.issued() <= 4, "{} tokens", issuer.issued());
    let reads = peer
        .asked()
        .iter()
        .filter(|line| line.starts_with("GET"))
        .count();
    assert!(reads <= 260, "{reads} reads: each once, few twice");
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends_and_nobody_waits() {
    let issuer = Issuer::default();
    let peer = issuer.start().await;
    issuer.life.store(1, Ordering::SeqCst);
    let client = peer.client_with(oauth(), 200);
    client.read().await.unwrap();

    tokio::time::sleep(Duration::from_millis(1300)).await;

    assert!((2..=3).contains(&issuer.issued()), "{}", issuer.issued());
    client.read().await.unwrap();
}

#[tokio::test]
async fn a_token_endpoint_that_is_down_is_asked_rarely_and_heals() {
    let issuer = Issuer::default();
    issuer.down.store(true, Ordering::SeqCst);
    let peer = issuer.start().await;
    let client = peer.client_with(oauth(), 200);

    for _ in 0..10 {
        let error = client.read().await.unwrap_err();
        assert_eq!(
            (error.code(), error.retry()),
            ("server-error", Retry::Backoff)
        );
    }
    assert_eq!(
        issuer.issued(),
        1,
        "the failure answers all until the next attempt"
    );
    assert_eq!(client.figures().calls_left, 200, "nothing was read");

    issuer.down.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(1200)).await;
    client.read().await.unwrap();
}

#[tokio::test]
async fn a_client_without_subscription_rights_still_gets_rows() {
    let issuer = Issuer::default();
    issuer.no_subscriptions.store(true, Ordering::SeqCst);
    let peer = issuer.start().await;

    peer.client_with(oauth(), 200).read().await.unwrap();

    assert_eq!(issuer.issued(), 2);
}

#[tokio::test]
async fn a_refused_scope_is_named() {
    let peer = Peer::answering(|| json(400, r#"{"error":"invalid_scope"}"#)).await;

    let error = peer.client_with(oauth(), 200).read().await.unwrap_err();

    assert_eq!(error.code(), "scope-missing");
    assert_eq!(
        error.to_string(),
        "the OAuth client of QUALTRICS_CLIENT_ID lacks a scope (400 invalid_scope): grant it read:surveys \
         read:survey_responses in Qualtrics' account settings"
    );
}

#[tokio::test]
async fn refused_client_credentials_name_their_settings() {
    for status in [400, 401, 403] {
        let peer = Peer::answering(move || json(status, r#"{"error":"invalid_client"}"#)).await;

        let error = peer.client_with(oauth(), 200).read().await.unwrap_err();

        assert_eq!(error.code(), "unauthorized");
        assert!(
            error.to_string().contains("QUALTRICS_CLIENT_SECRET"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn an_api_token_that_is_refused_is_not_tried_again() {
    let peer = Peer::answering(|| json(401, "{}")).await;

    let error = peer.client().read().await.unwrap_err();

    assert!(error.to_string().contains("QUALTRICS_API_TOKEN"), "{error}");
    assert_eq!(peer.asked().len(), 1);
}

#[tokio::test]
async fn no_secret_shows_in_debug() {
    let peer = Issuer::default().start().await;
    for credentials in [oauth(), Credentials::Token("secret-of-the-test".into())] {
        let settings = config::Qualtrics {
            base_url: Some(peer.url.clone()),
            credentials: Some(credentials),
            requests_per_minute: NonZeroU32::MIN,
        };

        let client =
            super::super::client::Client::new(&settings, Metrics::new(), &peer.life).unwrap();

        tokio::time::sleep(Duration::from_millis(50)).await;
        let debug = format!("{client:?}");
        assert!(!debug.contains("secret-of-the-test"), "{debug}");
        assert!(!debug.contains("token-1"), "{debug}");
    }
}

#[tokio::test]
async fn missing_settings_are_named() {
    let life = Lifecycle::new();
    let start = |base_url: Option<&str>, credentials| {
        let settings = config::Qualtrics {
            base_url: base_url.map(|url| url.parse().unwrap()),
            credentials,
            requests_per_minute: NonZeroU32::MIN,
        };
        Qualtrics::start(&settings, Metrics::new(), &life)
            .unwrap_err()
            .to_string()
    };

    assert!(
        start(None, Some(oauth()))
            .starts_with("QUALTRICS_BASE_URL or QUALTRICS_DATACENTER is not set")
    );
    assert!(
        start(Some("https://fra1.qualtrics.com"), None)
            .starts_with("QUALTRICS_CLIENT_ID is not set")
    );
    let broken = Credentials::Token("line\nbreak".into());
    assert!(
        start(Some("https://fra1.qualtrics.com"), Some(broken)).starts_with("QUALTRICS_API_TOKEN")
    );
}
