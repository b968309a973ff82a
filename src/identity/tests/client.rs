//! The other way round: tokens that we ask for.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use secrecy::{ExposeSecret as _, SecretString};

use super::super::{ClientCredentials, ClientError};
use super::*;
use crate::config::{ClientProof, OAuthClient};
use crate::lifecycle::Lifecycle;

/// An authorization server that answers in turn; the last answer is repeated. Gives its address, and what was sent.
async fn server(answers: &'static [(u16, &'static str)]) -> (Url, Arc<Mutex<Vec<String>>>) {
    let sent: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = Arc::clone(&sent);
    let calls = Arc::new(AtomicUsize::new(0));
    let answer = move |body: String| {
        kept.lock().unwrap().push(body);
        let call = calls.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
        let (status, body) = answers[call];
        async move { (StatusCode::from_u16(status).unwrap(), body) }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!(
        "http://{}/oauth/token",
        listener.local_addr().unwrap()
    ))
    .unwrap();
    let router = Router::new().route("/oauth/token", post(answer));
    drop(Lifecycle::new().spawn("stand-in", async move {
        axum::serve(listener, router).await.unwrap()
    }));
    (url, sent)
}

fn with_secret(token_url: Url) -> ClientCredentials {
    let proof = ClientProof::Secret(SecretString::from("invented$secret="));
    let client = OAuthClient {
        client_id: "sb-jobs!b9|x!b3".to_owned(),
        token_url,
        proof,
    };
    ClientCredentials::new(&client).unwrap()
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_kept() {
    let (url, sent) = server(&[(
        200,
        r#"{"access_token": "t1", "token_type": "bearer", "expires_in": 43199}"#,
    )])
    .await;
    let client = with_secret(url);
    let tokens = futures_util::future::join_all((0..5).map(|_| client.token())).await;
    assert!(
        tokens
            .iter()
            .all(|token| token.as_ref().unwrap().expose_secret() == "t1")
    );
    assert_eq!(
        *sent.lock().unwrap(),
        [
            "grant_type=client_credentials&client_id=sb-jobs%21b9%7Cx%21b3&client_secret=invented%24secret%3D"
        ]
    );
    assert!(!format!("{client:?}").contains("invented") && !format!("{client:?}").contains("t1"));
}

#[tokio::test]
async fn a_forgotten_or_spent_token_is_asked_for_again() {
    let (url, sent) = server(&[
        (200, r#"{"access_token": "t1"}"#),
        (200, r#"{"access_token": "t2", "expires_in": 0}"#),
        (
            200,
            r#"{"access_token": "t3", "expires_in": 18446744073709551615}"#,
        ),
    ])
    .await;
    let client = with_secret(url);
    let next = async || client.token().await.unwrap().expose_secret().to_owned();
    assert_eq!(
        (next().await, next().await),
        ("t1".to_owned(), "t1".to_owned())
    );
    client.forget().await;
    assert_eq!(next().await, "t2");
    assert_eq!(
        (next().await, next().await),
        ("t3".to_owned(), "t3".to_owned())
    );
    assert_eq!(sent.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn a_refusal_says_so_without_the_answers_text() {
    let (url, _) = server(&[(401, "secret detail"), (200, "secret detail")]).await;
    let client = with_secret(url);
    assert_eq!(
        client.token().await.err().unwrap().to_string(),
        "no token from the authorization server, 127.0.0.1 answered 401: check the binding's client"
    );
    assert_eq!(
        client.token().await.err().unwrap().to_string(),
        "no token from the authorization server, the answer is not the JSON that was expected: check the binding's client"
    );
}

#[tokio::test]
async fn a_certificate_is_the_proof_instead_of_a_secret() {
    let (url, sent) = server(&[(200, r#"{"access_token": "t1"}"#)]).await;
    let client = |certificate: &str, key: &str| OAuthClient {
        client_id: "c".to_owned(),
        token_url: url.clone(),
        proof: ClientProof::Certificate {
            certificate: certificate.to_owned(),
            key: SecretString::from(key),
        },
    };
    let good = client(include_str!("keys/one.cert.pem"), ONE);
    ClientCredentials::new(&good)
        .unwrap()
        .token()
        .await
        .unwrap();
    assert_eq!(
        *sent.lock().unwrap(),
        ["grant_type=client_credentials&client_id=c"]
    );

    let error = ClientCredentials::new(&client("x", "y")).err().unwrap();
    assert!(matches!(error, ClientError::Certificate(_)));
    assert!(
        error.to_string().ends_with(": bind the service again"),
        "{error}"
    );
}
