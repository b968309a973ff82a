//! Keys over HTTP: where they are asked for, how often, and what happens when they can't be had.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::super::fetch::Pace;
use super::super::http;
use super::*;
use crate::lifecycle::Lifecycle;

/// An issuer on loopback that publishes what it is told to, and counts.
#[derive(Clone)]
struct Stand {
    url: Url,
    answer: Arc<Mutex<(StatusCode, String)>>,
    calls: Arc<AtomicUsize>,
    last: Arc<Mutex<String>>,
}

impl Stand {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let answer = Arc::new(Mutex::new((StatusCode::OK, published().to_string())));
        let stand = Self {
            url,
            answer,
            calls: Arc::default(),
            last: Arc::default(),
        };
        let router = Router::new()
            .fallback(Self::serve)
            .with_state(stand.clone());
        let serving = async move { axum::serve(listener, router).await.unwrap() };
        drop(Lifecycle::new().spawn("stand-in", serving));
        stand
    }

    async fn serve(State(stand): State<Self>, request: Request) -> Response {
        let path = request.uri().to_string();
        if path == "/.well-known/openid-configuration" {
            let base = stand.url.as_str().trim_end_matches('/');
            return json!({"issuer": base, "jwks_uri": format!("{base}/certs")})
                .to_string()
                .into_response();
        }
        if path.starts_with("/moved") {
            return (StatusCode::FOUND, [("location", "/token_keys")]).into_response();
        }
        stand.calls.fetch_add(1, Ordering::SeqCst);
        let zone = request
            .headers()
            .get("x-zid")
            .or_else(|| request.headers().get("x-client_id"));
        let zone = zone
            .map(|value| value.to_str().unwrap().to_owned())
            .unwrap_or_default();
        *stand.last.lock().unwrap() = format!("{path} {zone}");
        let answer = stand.answer.lock().unwrap().clone();
        answer.into_response()
    }

    fn publish(&self, keys: &Value) {
        *self.answer.lock().unwrap() = (StatusCode::OK, keys.to_string());
    }

    fn fail(&self) {
        *self.answer.lock().unwrap() = (
            StatusCode::INTERNAL_SERVER_ERROR,
            "secret detail".to_owned(),
        );
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn xsuaa(&self) -> Auth {
        Auth::Xsuaa(Xsuaa {
            url: self.url.clone(),
            ..xsuaa()
        })
    }

    /// An identity of this issuer that asks at most every `pace`.
    fn identity(&self, auth: &Auth, pace: Duration) -> Identity {
        let known = Identity::new(auth, &Lifecycle::new()).unwrap().unwrap();
        let pace = Pace {
            keep: pace * 100,
            keep_without_looking: pace * 200,
            unknown_key: pace,
            failed: pace,
        };
        let keys = Keys::new(
            Source::of(auth).unwrap(),
            http::client(None).unwrap(),
            Lifecycle::new(),
            pace,
        );
        Identity { keys, ..known }
    }
}

const LONG: Duration = Duration::from_secs(3600);
const NONE: Duration = Duration::ZERO;

fn good() -> String {
    signed(&xsuaa_claims(json!({})), "key-id-0")
}

fn rotated() -> String {
    let header = Header {
        kid: Some("key-id-1".to_owned()),
        ..Header::new(Algorithm::RS256)
    };
    jsonwebtoken::encode(&header, &xsuaa_claims(json!({})), &rsa(TWO)).unwrap()
}

#[tokio::test]
async fn keys_are_fetched_once_for_all_who_wait() {
    let stand = Stand::start().await;
    let identity = stand.identity(&stand.xsuaa(), LONG);
    let token = good();
    let answers =
        futures_util::future::join_all((0..20).map(|_| identity.authenticate(&token))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(stand.calls(), 1);
    assert_eq!(
        *stand.last.lock().unwrap(),
        format!("/token_keys?zid={TENANT} {TENANT}")
    );
}

#[tokio::test]
async fn ias_and_oidc_keys_are_found_by_discovery() {
    let stand = Stand::start().await;
    let ias = Auth::Ias(Ias {
        url: stand.url.clone(),
        ..ias()
    });
    let issuer = stand.url.as_str().trim_end_matches('/').to_owned();
    let claims = ias_claims(json!({"iss": issuer}));
    assert!(
        stand
            .identity(&ias, LONG)
            .authenticate(&signed(&claims, "key-id-0"))
            .await
            .is_ok()
    );
    assert_eq!(*stand.last.lock().unwrap(), format!("/certs {CLIENT}"));

    let oidc = Auth::Oidc(Oidc {
        issuer: issuer.clone(),
        audience: "ingester".to_owned(),
    });
    let claims = oidc_claims(json!({"iss": issuer}));
    assert!(
        stand
            .identity(&oidc, LONG)
            .authenticate(&signed(&claims, "key-id-0"))
            .await
            .is_ok()
    );

    let other = format!("{issuer}/");
    let misspelt = Auth::Oidc(Oidc {
        issuer: other.clone(),
        audience: "ingester".to_owned(),
    });
    let token = signed(&oidc_claims(json!({"iss": other})), "key-id-0");
    let error = stand
        .identity(&misspelt, LONG)
        .authenticate(&token)
        .await
        .err()
        .unwrap();
    assert_eq!(error.code(), "keys-unavailable");
    assert!(
        error
            .to_string()
            .contains("its discovery document names another issuer"),
        "{error}"
    );
}

#[tokio::test]
async fn a_rotated_key_is_found_without_a_restart() {
    let stand = Stand::start().await;
    let identity = stand.identity(&stand.xsuaa(), NONE);
    assert!(identity.authenticate(&good()).await.is_ok());
    assert_eq!(code(identity.authenticate(&rotated()).await), "unknown-key");
    stand.publish(&json!({"keys": [jwk(&rsa(TWO), "key-id-1", Algorithm::RS256)]}));
    assert!(identity.authenticate(&rotated()).await.is_ok());
    assert_eq!(
        code(identity.authenticate(&good()).await),
        "unknown-key",
        "a withdrawn key is no longer believed"
    );
    stand.publish(&json!({"keys": [jwk(&rsa(ONE), "key-id-1", Algorithm::RS256)]}));
    let reused = signed(&xsuaa_claims(json!({})), "key-id-1");
    assert!(
        identity.authenticate(&reused).await.is_ok(),
        "another key under the same id"
    );
}

#[tokio::test]
async fn unknown_keys_do_not_make_the_issuer_be_asked_again_and_again() {
    let stand = Stand::start().await;
    let identity = stand.identity(&stand.xsuaa(), LONG);
    for _ in 0..20 {
        assert_eq!(code(identity.authenticate(&rotated()).await), "unknown-key");
    }
    assert_eq!(stand.calls(), 1);
    let foreign = signed(&xsuaa_claims(json!({"zid": "other"})), "key-id-7");
    let fresh = stand.identity(&stand.xsuaa(), NONE);
    assert_eq!(code(fresh.authenticate(&foreign).await), "wrong-issuer");
    assert_eq!(
        stand.calls(),
        1,
        "a token that fails a cheap check is worth no call"
    );
}

#[tokio::test]
async fn keys_that_cannot_be_had_are_not_the_callers_fault() {
    let stand = Stand::start().await;
    stand.fail();
    let identity = stand.identity(&stand.xsuaa(), NONE);
    let error = identity.authenticate(&good()).await.err().unwrap();
    assert!(error.is_transient());
    assert_eq!(
        error.to_string(),
        "the issuer's keys can't be had, 127.0.0.1 answered 500: check that the service reaches its issuer"
    );
    stand.publish(&published());
    assert!(identity.authenticate(&good()).await.is_ok());
    stand.fail();
    assert!(
        identity.authenticate(&good()).await.is_ok(),
        "keys at hand stay in use"
    );
    assert_eq!(code(identity.authenticate(&rotated()).await), "unknown-key");
    assert!(identity.authenticate(&good()).await.is_ok());
    for body in ["[]".to_owned(), "x".repeat(300 * 1024)] {
        *stand.answer.lock().unwrap() = (StatusCode::OK, body);
        let identity = stand.identity(&stand.xsuaa(), NONE);
        assert_eq!(
            code(identity.authenticate(&good()).await),
            "keys-unavailable"
        );
    }
}

#[tokio::test]
async fn the_key_of_the_binding_helps_out_only_while_there_are_no_others() {
    let stand = Stand::start().await;
    stand.fail();
    let verification_key = Some(ONE_PUBLIC.to_owned());
    let auth = Auth::Xsuaa(Xsuaa {
        url: stand.url.clone(),
        verification_key,
        ..xsuaa()
    });
    let identity = stand.identity(&auth, NONE);
    assert!(identity.authenticate(&good()).await.is_ok());
    assert_eq!(
        code(identity.authenticate(&rotated()).await),
        "bad-signature"
    );
    stand.publish(&json!({"keys": [jwk(&rsa(TWO), "key-id-1", Algorithm::RS256)]}));
    assert_eq!(code(identity.authenticate(&good()).await), "unknown-key");
}

#[tokio::test]
async fn nobody_is_led_elsewhere() {
    let stand = Stand::start().await;
    let url = stand.url.join("moved").unwrap();
    let auth = Auth::Xsuaa(Xsuaa { url, ..xsuaa() });
    let error = stand
        .identity(&auth, NONE)
        .authenticate(&good())
        .await
        .err()
        .unwrap();
    assert!(error.to_string().contains("answered 302"), "{error}");
    assert_eq!(stand.calls(), 0);
}

#[tokio::test]
async fn hanging_up_does_not_keep_others_from_the_keys() {
    let stand = Stand::start().await;
    let identity = stand.identity(&stand.xsuaa(), LONG);
    let token = good();
    let mut asking = Box::pin(identity.authenticate(&token));
    let polled = futures_util::poll!(asking.as_mut());
    assert!(polled.is_pending());
    drop(asking);
    assert!(identity.authenticate(&token).await.is_ok());
    assert_eq!(stand.calls(), 1);
}

#[test]
fn plain_http_is_for_loopback_and_uaa_domains_are_for_the_rest() {
    let address = |auth: Auth| format!("{:?}", Source::of(&auth).unwrap());
    assert!(address(Auth::Xsuaa(xsuaa())).contains("authentication.eu10.hana.ondemand.com"));
    let loopback = Xsuaa {
        url: Url::parse("https://localhost:8443").unwrap(),
        ..xsuaa()
    };
    assert!(
        address(Auth::Xsuaa(loopback)).contains("authentication.eu10"),
        "https goes to the region"
    );
    for auth in [Auth::None, Auth::Closed] {
        assert!(Identity::new(&auth, &Lifecycle::new()).unwrap().is_none());
    }
}
