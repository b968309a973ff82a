//! Calls to authorization servers: short, bounded, and never led elsewhere.

use std::time::Duration;

use reqwest::redirect::Policy;
use serde::de::DeserializeOwned;

/// Key sets and token answers have a few KiB.
const BODY_BYTES_MAX: usize = 256 * 1024;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// For a whole call; somebody waits for the answer.
const DEADLINE: Duration = Duration::from_secs(5);

/// A client that follows no redirect: a token or a secret must not be carried elsewhere.
pub(super) fn client(
    certificate: Option<reqwest::Identity>,
) -> Result<reqwest::Client, reqwest::Error> {
    // Without a provider the builder panics; a second installation changes nothing.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let builder = reqwest::Client::builder()
        .redirect(Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(DEADLINE)
        .user_agent(concat!("qualtrics-ingester/", env!("CARGO_PKG_VERSION")));
    match certificate {
        Some(certificate) => builder.identity(certificate).build(),
        None => builder.build(),
    }
}

/// Why a call failed, for a log line: the status or what the client says, never the answer's text.
pub(super) type Problem = String;

/// Sends a request and reads a successful answer, if it isn't too long.
pub(super) async fn read(request: reqwest::RequestBuilder) -> Result<Vec<u8>, Problem> {
    let mut response = request.send().await.map_err(problem)?;
    let status = response.status();
    if !status.is_success() {
        return Err(format!("{} answered {}", host(&response), status.as_u16()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(problem)? {
        if body.len() + chunk.len() > BODY_BYTES_MAX {
            return Err(format!(
                "{} answered more than {} KiB",
                host(&response),
                BODY_BYTES_MAX / 1024
            ));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The same for an answer in JSON.
pub(super) async fn read_json<T: DeserializeOwned>(
    request: reqwest::RequestBuilder,
) -> Result<T, Problem> {
    let body = read(request).await?;
    serde_json::from_slice(&body)
        .map_err(|_| "the answer is not the JSON that was expected".to_owned())
}

fn host(response: &reqwest::Response) -> &str {
    response.url().host_str().unwrap_or_default()
}

/// The client's error with all its causes on one line, since the first alone is "error sending request".
#[expect(
    clippy::needless_pass_by_value,
    reason = "it is used as the argument of map_err"
)]
fn problem(error: reqwest::Error) -> Problem {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
