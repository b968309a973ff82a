//! A sandbox to test, a receiver for its callbacks, and comparison of shapes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::routing::any;
use qualtrics_sandbox::{Handle, Limits, Options, Sandbox};
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub(crate) const SURVEY: &str = "SV_22VlHYNeldrrrk1";
pub(crate) const EVERY_TYPE: &str = "SV_0EveryTypeOfQst";

pub(crate) struct TestSandbox {
    pub(crate) base: String,
    pub(crate) handle: Handle,
    pub(crate) client: reqwest::Client,
}

impl TestSandbox {
    pub(crate) async fn start() -> Self {
        Self::with(Options {
            limits: Limits::Off,
            ..Options::default()
        })
        .await
    }

    pub(crate) async fn with_faults(faults: &str) -> Self {
        let faults = faults.parse().expect("fault switches");
        Self::with(Options {
            faults,
            limits: Limits::Off,
            ..Options::default()
        })
        .await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let sandbox = Sandbox::bind(([127, 0, 0, 1], 0).into(), options)
            .await
            .expect("a free port");
        let (base, handle) = (sandbox.base_url(), sandbox.handle());
        tokio::spawn(sandbox.run(std::future::pending()));
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .no_gzip()
            .timeout(Duration::from_secs(20))
            .build()
            .expect("a client");
        Self {
            base,
            handle,
            client,
        }
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = method.parse().expect("a method");
        self.client
            .request(method, format!("{}{path}", self.base))
            .header("X-API-TOKEN", "sandbox-token")
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.request("GET", path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        answer(self.request("POST", path).json(body)).await
    }

    pub(crate) async fn subscribe(&self, survey: &str, url: &str, key: Option<&str>) -> String {
        let topics = format!("surveyengine.completedResponse.{survey}");
        let wish =
            json!({"topics": topics, "publicationUrl": url, "encrypt": false, "sharedKey": key});
        let (status, body) = self.post("/API/v3/eventsubscriptions/", &wish).await;
        assert_eq!(status, 200, "{body}");
        body["result"]["id"].as_str().expect("an id").to_owned()
    }
}

pub(crate) async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.expect("an answer");
    let status = response.status().as_u16();
    let text = response.text().await.expect("a body");
    (
        status,
        serde_json::from_str(&text).unwrap_or(Value::String(text)),
    )
}

/// Something that callbacks are posted to.
#[derive(Clone, Default)]
pub(crate) struct Receiver {
    pub(crate) url: String,
    received: Arc<Mutex<Vec<(String, String)>>>,
    refuse: Arc<Mutex<usize>>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
        let receiver = Self {
            url,
            ..Self::default()
        };
        let router = Router::new()
            .route("/hook", any(receive))
            .with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        receiver
    }

    /// The next so many callbacks are answered 503.
    pub(crate) fn refuse(&self, count: usize) {
        *self.refuse.lock().expect("a lock") = count;
    }

    /// Bodies in the order in which they came.
    pub(crate) fn bodies(&self) -> Vec<String> {
        self.received
            .lock()
            .expect("a lock")
            .iter()
            .map(|(_, body)| body.clone())
            .collect()
    }

    pub(crate) fn methods(&self) -> Vec<String> {
        self.received
            .lock()
            .expect("a lock")
            .iter()
            .map(|(method, _)| method.clone())
            .collect()
    }
}

async fn receive(State(receiver): State<Receiver>, method: Method, body: Bytes) -> StatusCode {
    let body = String::from_utf8(body.to_vec()).expect("UTF-8");
    receiver
        .received
        .lock()
        .expect("a lock")
        .push((method.to_string(), body));
    let mut refuse = receiver.refuse.lock().expect("a lock");
    if *refuse > 0 {
        *refuse -= 1;
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    StatusCode::OK
}

pub(crate) fn recorded(name: &str) -> Value {
    let path = format!("{}/tests/recorded/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).expect("a recorded file")).expect("JSON")
}

pub(crate) fn recorded_text(name: &str) -> String {
    let path = format!("{}/tests/recorded/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path)
        .expect("a recorded file")
        .trim_end()
        .to_owned()
}

/// Same keys, same JSON types, whatever the values; an array's elements must each be like a recorded one.
#[track_caller]
pub(crate) fn assert_shape(ours: &Value, theirs: &Value) {
    if let Err(difference) = same_shape(ours, theirs, "$") {
        panic!("{difference}");
    }
}

fn same_shape(ours: &Value, theirs: &Value, path: &str) -> Result<(), String> {
    match (ours, theirs) {
        (Value::Object(one), Value::Object(other)) => {
            for key in other.keys() {
                let ours = one
                    .get(key)
                    .ok_or_else(|| format!("{path}.{key} is missing"))?;
                same_shape(ours, &other[key], &format!("{path}.{key}"))?;
            }
            match one.keys().find(|key| !other.contains_key(*key)) {
                Some(key) => Err(format!("{path}.{key} is not recorded")),
                None => Ok(()),
            }
        }
        (Value::Array(one), Value::Array(other)) if !other.is_empty() => {
            let path = format!("{path}[]");
            let like_one = |ours: &Value| {
                other
                    .iter()
                    .map(|theirs| same_shape(ours, theirs, &path))
                    .min()
                    .unwrap_or(Ok(()))
            };
            one.iter().try_for_each(like_one)
        }
        (Value::Array(_), Value::Array(_)) => Ok(()),
        (ours, theirs) if kind(ours) == kind(theirs) => Ok(()),
        (ours, theirs) => Err(format!(
            "{path} is a {} and should be a {}",
            kind(ours),
            kind(theirs)
        )),
    }
}

pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
