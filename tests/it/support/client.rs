//! HTTP calls with the expected status as an argument. Every answer is held against what all answers have.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use super::ODATA;

/// Somebody who asks.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Client {
    pub(super) fn new(base: &str, token: Option<&str>) -> Self {
        Self {
            http: reqwest::Client::builder().build().unwrap(),
            base: base.to_owned(),
            token: token.map(str::to_owned),
        }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    #[track_caller]
    pub(crate) fn send(
        &self,
        request: RequestBuilder,
        status: u16,
    ) -> impl Future<Output = Answer> + use<> {
        let place = std::panic::Location::caller();
        async move {
            let response = request.send().await.unwrap();
            let answer = Answer {
                status: response.status().as_u16(),
                headers: response.headers().clone(),
                text: response.text().await.unwrap(),
            };
            assert_eq!(answer.status, status, "{place}: {answer:?}");
            answer.check();
            answer
        }
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str, status: u16) -> impl Future<Output = Answer> + use<> {
        self.send(self.request(Method::GET, path), status)
    }

    /// A read of OData; the path is relative to the service.
    #[track_caller]
    pub(crate) fn read(&self, path: &str) -> impl Future<Output = Value> + use<> {
        let answer = self.get(&format!("{ODATA}{path}"), 200);
        async move { answer.await.json() }
    }

    /// The keys of a list.
    #[track_caller]
    pub(crate) fn keys(&self, path: &str) -> impl Future<Output = Vec<String>> + use<> {
        let list = self.read(path);
        async move {
            let list = list.await;
            let rows = list["value"].as_array().unwrap().iter();
            rows.map(|row| row["ResponseId"].as_str().unwrap().to_owned())
                .collect()
        }
    }

    /// Opens the event stream.
    pub(crate) async fn events(&self, last_event_id: Option<&str>) -> Events {
        let mut request = self.request(Method::GET, "/events");
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert!(!response.headers().contains_key("content-encoding"));
        let mut events = Events {
            response,
            text: String::new(),
        };
        // The first block says where the stream is, so that whoever has it is listening.
        events.next().await.unwrap();
        events
    }
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(|value| value.to_str().unwrap())
            .unwrap_or_default()
    }

    fn check(&self) {
        assert!(!self.header("x-request-id").is_empty(), "{self:?}");
        assert_eq!(self.header("x-content-type-options"), "nosniff", "{self:?}");
        if self.status >= 400 && !self.text.is_empty() {
            assert!(
                self.header("content-type").starts_with("application/json"),
                "{self:?}"
            );
            let error = &self.json()["error"];
            assert!(
                error["code"].is_string() && error["message"].is_string(),
                "{self:?}"
            );
        }
        if self.status == 401 {
            assert_eq!(self.header("www-authenticate"), "Bearer");
        }
        if self.status == 503 {
            assert!(!self.header("retry-after").is_empty(), "{self:?}");
        }
    }
}

/// An event stream.
pub(crate) struct Events {
    response: reqwest::Response,
    text: String,
}

/// One block of an event stream.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Block {
    pub(crate) id: Option<String>,
    pub(crate) event: Option<String>,
    pub(crate) data: Option<Value>,
}

impl Events {
    /// The next block that is no comment; nothing at the stream's end.
    pub(crate) async fn next(&mut self) -> Option<Block> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let read = read_block(block);
                self.text = rest.to_owned();
                if read != Block::default() {
                    return Some(read);
                }
                continue;
            }
            let chunk = tokio::time::timeout(Duration::from_secs(20), self.response.chunk());
            let chunk = chunk.await.unwrap().ok()??;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The key of the next row, which it must be.
    pub(crate) async fn row(&mut self) -> String {
        let block = self.next().await.unwrap();
        assert_eq!(block.event.as_deref(), Some("row"), "{block:?}");
        let data = block.data.unwrap();
        assert_eq!(data["set"], "ProjectFeedback");
        assert!(data["changedAt"].as_str().unwrap().ends_with('Z'));
        data["key"].as_str().unwrap().to_owned()
    }
}

fn read_block(text: &str) -> Block {
    let mut block = Block::default();
    for (name, value) in text.lines().filter_map(|line| line.split_once(':')) {
        let value = value.trim_start().to_owned();
        match name {
            "id" => block.id = Some(value),
            "event" => block.event = Some(value),
            "data" => block.data = serde_json::from_str(&value).ok(),
            _ => {}
        }
    }
    block
}
