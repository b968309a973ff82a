//! The HTTP client and its bounds: where it connects, how much it reads, how its errors read.

use std::error::Error as _;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::Response;
use reqwest::header::{self, HeaderMap, HeaderValue};
use tokio::sync::Semaphore;
use url::{Host, Url};

use super::ask::Endpoint;
use super::error::QualtricsError;
use super::said::excerpt;
use crate::config;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Shorter than what servers and the proxies between usually grant, so that rarely a connection is taken from the pool
/// that the other side is just closing.
const IDLE_CONNECTION: Duration = Duration::from_secs(50);
const IDLE_CONNECTIONS_MAX: usize = 16;

/// The configured base, without a trailing `/` or `/API/v3`, which people copy along.
pub(super) fn base(settings: &config::Qualtrics) -> Result<Url, QualtricsError> {
    let mut base = settings.base_url.clone().ok_or(QualtricsError::NotConfigured {
        setting: "QUALTRICS_BASE_URL or QUALTRICS_DATACENTER",
        mend: "set QUALTRICS_DATACENTER to the id in the address of your Qualtrics, for example fra1",
    })?;
    let path = base.path().trim_end_matches('/');
    let path = path.strip_suffix("/API/v3").unwrap_or(path).to_owned();
    base.set_path(&path);
    base.set_query(None);
    base.set_fragment(None);
    Ok(base)
}

/// A path below the base.
pub(super) fn join(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    let prefix = base.path().trim_end_matches('/');
    url.set_path(&format!("{prefix}{path}"));
    url
}

/// An API token as a header that `Debug` hides.
pub(super) fn token_header(token: &str) -> Result<HeaderValue, QualtricsError> {
    let mut value = HeaderValue::from_str(token.trim()).map_err(|_| QualtricsError::NotConfigured {
        setting: "QUALTRICS_API_TOKEN",
        mend: "its value has characters that no token has: copy it again from Qualtrics' account settings",
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// The client: no redirects, no retries of its own, HTTP/1.1 with keep-alive.
pub(super) fn client(base: &Url) -> Result<reqwest::Client, QualtricsError> {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // The error says that somebody else was faster, which is as good.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    }
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("qualtrics-ingester/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none()) // a redirect must not carry the token away
        .retry(reqwest::retry::never()) // each call sent is a call counted
        .http1_only()
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_CONNECTION)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX);
    if is_loopback(base) {
        builder = builder.no_proxy(); // the sandbox is here, whatever HTTP_PROXY says
    }
    builder.build().map_err(|error| QualtricsError::Setup {
        problem: excerpt(
            &error
                .source()
                .map_or_else(|| error.to_string(), ToString::to_string),
        ),
    })
}

fn is_loopback(base: &Url) -> bool {
    match base.host() {
        Some(Host::Domain(domain)) => domain == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Memory belongs to the process: bodies larger than this are read two at a time, however many calls are in flight.
const LARGE_BODY_BYTES: usize = 256 * 1024;
static LARGE_BODIES: Semaphore = Semaphore::const_new(2);

/// Reads a body, as long as it stays within the endpoint's limit. The limit counts unpacked bytes, so that a small
/// answer can't become a large one.
pub(super) async fn body(
    endpoint: Endpoint,
    mut response: Response,
) -> Result<Bytes, QualtricsError> {
    let limit_bytes = endpoint.body_bytes_max();
    let too_large = QualtricsError::TooLarge {
        endpoint,
        limit_bytes,
    };
    let announced = response.content_length().unwrap_or(0);
    if usize::try_from(announced).map_or(true, |announced| announced > limit_bytes) {
        return Err(too_large);
    }
    let mut next = async || {
        let chunk = response.chunk().await;
        chunk.map_err(|error| broken(endpoint, error))
    };
    let Some(first) = next().await? else {
        return Ok(Bytes::new());
    };
    let Some(second) = next().await? else {
        return if first.len() > limit_bytes {
            Err(too_large)
        } else {
            Ok(first)
        };
    };
    let mut body = BytesMut::from(first);
    let mut chunk = Some(second);
    let mut turn = None;
    while let Some(bytes) = chunk {
        if body.len() + bytes.len() > limit_bytes {
            return Err(too_large);
        }
        if body.len() > LARGE_BODY_BYTES && turn.is_none() {
            turn = LARGE_BODIES.acquire().await.ok();
        }
        body.extend_from_slice(&bytes);
        chunk = next().await?;
    }
    Ok(body.freeze())
}

/// The HTTP client's error as ours, with all its causes on one line and without the URL.
pub(super) fn broken(endpoint: Endpoint, error: reqwest::Error) -> QualtricsError {
    if error.is_timeout() {
        let after = if error.is_connect() {
            CONNECT_TIMEOUT
        } else {
            endpoint.deadline()
        };
        return QualtricsError::Timeout { endpoint, after };
    }
    // It all arrived, and can't be unpacked.
    let has_packing_fault = error.is_decode() && transport_fault(&error).is_none();
    let error = error.without_url();
    let mut problem = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        problem.push_str(": ");
        problem.push_str(&error.to_string());
        cause = error.source();
    }
    let problem = excerpt(&problem);
    if has_packing_fault {
        return QualtricsError::bad(endpoint, problem);
    }
    QualtricsError::Unreachable { endpoint, problem }
}

/// True if the connection ended before any of the answer came, as one does that idled in the pool for too long.
pub(super) fn closed_before_answering(error: &reqwest::Error) -> bool {
    transport_fault(error).is_some_and(|error| {
        error.is_incomplete_message() || error.is_closed() || error.is_canceled()
    })
}

/// What happened to the connection, if that is the cause.
fn transport_fault(error: &reqwest::Error) -> Option<&hyper::Error> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            return Some(error);
        }
        cause = error.source();
    }
    None
}

pub(super) fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/json"))
}
