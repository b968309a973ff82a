//! The client against small servers on loopback. `recorded/` holds answers as public projects recorded them, with
//! personal values replaced; each test that uses one says which.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use secrecy::SecretString;
use url::Url;

use super::{Priority, Qualtrics};
use crate::config::{self, Credentials};
use crate::lifecycle::Lifecycle;
use crate::telemetry::metrics::Metrics;

mod answers;
mod archives;
mod exports;
mod lists;
mod order;
mod tokens;

const SURVEY: &str = "SV_22VlHYNeldrrrkp";
const RESPONSE: &str = "R_2Y62vxvBCVIJxEG";

/// A server on loopback that notes what it is asked, and ends with the test.
struct Peer {
    url: Url,
    asked: Arc<Mutex<Vec<String>>>,
    life: Lifecycle,
}

impl Peer {
    /// Serves the routes.
    async fn start(routes: Router) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&asked);
        let note = move |request: Request<Body>| {
            let line = format!("{} {}", request.method(), request.uri());
            notes.lock().unwrap().push(line);
            request
        };
        let routes = routes.layer(axum::middleware::map_request(move |request| {
            std::future::ready(note(request))
        }));
        let life = Lifecycle::new();
        // Without it a small write waits for an acknowledgement, and paused time runs on meanwhile.
        let listener = axum::serve::ListenerExt::tap_io(listener, |socket| {
            socket.set_nodelay(true).unwrap();
        });
        life.spawn("peer", async move {
            axum::serve(listener, routes).await.unwrap();
        });
        Self { url, asked, life }
    }

    /// A server that gives one answer to everything.
    async fn answering<F, R>(answer: F) -> Self
    where
        F: Fn() -> R + Clone + Send + Sync + 'static,
        R: IntoResponse + Send + 'static,
    {
        Self::start(Router::new().fallback(move || std::future::ready(answer()))).await
    }

    /// A client with an API token.
    fn client(&self) -> Qualtrics {
        self.client_with(Credentials::Token("token-of-the-test".into()), 200)
    }

    fn client_with(&self, credentials: Credentials, requests_per_minute: u32) -> Qualtrics {
        let settings = config::Qualtrics {
            base_url: Some(self.url.clone()),
            credentials: Some(credentials),
            requests_per_minute: NonZeroU32::new(requests_per_minute).unwrap(),
        };
        Qualtrics::start(&settings, Metrics::new(), &self.life).unwrap()
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn oauth() -> Credentials {
    Credentials::OAuth {
        client_id: "client".to_owned(),
        client_secret: SecretString::from("secret-of-the-test"),
    }
}

fn json(status: u16, body: impl Into<String>) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    let body: String = body.into();
    (status, [("content-type", "application/json")], body).into_response()
}

/// The answer to a single read, after `recorded/response.json`.
fn response_body(id: &str) -> String {
    include_str!("../recorded/response.json").replace(RESPONSE, id)
}

impl Qualtrics {
    /// Reads the one response of these tests.
    async fn read(&self) -> Result<super::Fetched, super::QualtricsError> {
        self.read_id(RESPONSE, Priority::Live).await
    }

    async fn read_id(
        &self,
        id: &str,
        priority: Priority,
    ) -> Result<super::Fetched, super::QualtricsError> {
        let survey = SURVEY.parse().unwrap();
        self.response(&survey, &id.parse().unwrap(), priority).await
    }
}
