//! `$batch`: many requests in one, as multipart or as JSON; the answer's format follows the request's, not `Accept`,
//! because UI5's cards ask for JSON and read multipart. Source: OData V4.01 Part 1, 11.7; JSON Format, 19.

mod json;
mod multipart;

use super::error::{Problem, QueryError};

pub use json::write_response as write_json_response;
pub use multipart::write_response as write_multipart_response;

/// Requests of one batch.
const PARTS_MAX: usize = 100;

/// A batch that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// How it came, and how its answer goes.
    pub format: BatchFormat,
    /// Its requests, in order.
    pub parts: Vec<Part>,
    continue_on_error: bool,
}

/// How a batch travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchFormat {
    /// `multipart/mixed`.
    Multipart,
    /// `application/json`.
    Json,
}

/// One request of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// `id` (JSON) or `Content-ID` (multipart), which the answer repeats.
    pub id: Option<String>,
    /// The group that the answer repeats (JSON).
    pub atomicity_group: Option<String>,
    depends_on: Vec<String>,
    /// The request, or why there is none.
    pub request: Result<PartRequest, QueryError>,
}

/// A request inside a batch, as [`super::parse`] takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartRequest {
    /// In upper case.
    pub method: String,
    /// Relative to the service's root, percent-encoded.
    pub path: String,
    /// Without its `?`.
    pub query: Option<String>,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
}

impl PartRequest {
    /// The header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// The answer to one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartResponse {
    /// The HTTP status.
    pub status: u16,
    /// Names in lower case; the length is added.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What becomes of a part, given how those before it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is run.
    Run,
    /// It is answered with 424, because one that it depends on failed.
    FailedDependency,
    /// It is not answered, nor any behind it.
    Stop,
}

impl Batch {
    /// Reads a batch. `root` is the absolute path of the service (`/odata/v4/feedback/`), for URLs that repeat it.
    pub fn read(
        content_type: Option<&str>,
        prefer: Option<&str>,
        body: &[u8],
        root: &str,
    ) -> Result<Self, QueryError> {
        let content_type = content_type.unwrap_or_default();
        let media = content_type
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        let (format, parts) = match media.as_str() {
            "multipart/mixed" => (
                BatchFormat::Multipart,
                multipart::read(content_type, body, root)?,
            ),
            "application/json" => (BatchFormat::Json, json::read(body, root)?),
            _ => {
                let message = "a batch is multipart/mixed or application/json";
                return Err(QueryError::new(Problem::UnsupportedMediaType, message));
            }
        };
        let continues = |preference: &str| {
            let (name, value) = preference.split_once('=').unwrap_or((preference, "true"));
            let name = name.trim().to_ascii_lowercase();
            matches!(
                name.as_str(),
                "odata.continue-on-error" | "continue-on-error"
            ) && value.trim() != "false"
        };
        Ok(Self {
            format,
            parts,
            continue_on_error: prefer.is_some_and(|prefer| prefer.split(',').any(continues)),
        })
    }

    /// What becomes of the part, given the statuses of those before it. A multipart batch stops at its first error
    /// unless the client prefers otherwise; the requests of a JSON batch have no order but `dependsOn`.
    #[must_use]
    pub fn verdict(&self, index: usize, statuses: &[u16]) -> Verdict {
        let failed = |status: &u16| *status >= 400;
        match self.format {
            BatchFormat::Multipart if !self.continue_on_error && statuses.iter().any(failed) => {
                Verdict::Stop
            }
            BatchFormat::Multipart => Verdict::Run,
            BatchFormat::Json => {
                let depends_on = self
                    .parts
                    .get(index)
                    .map(|part| part.depends_on.as_slice())
                    .unwrap_or_default();
                let names = |part: &Part, name: &String| {
                    part.id.as_ref() == Some(name) || part.atomicity_group.as_ref() == Some(name)
                };
                let before = self
                    .parts
                    .iter()
                    .zip(statuses)
                    .filter(|(_, status)| failed(status));
                let broken = before
                    .into_iter()
                    .any(|(part, _)| depends_on.iter().any(|name| names(part, name)));
                if broken {
                    Verdict::FailedDependency
                } else {
                    Verdict::Run
                }
            }
        }
    }
}

fn malformed(message: impl Into<String>) -> QueryError {
    QueryError::new(Problem::Malformed, message)
}

/// Splits a part's URL: relative to the service, with its absolute path, or with scheme and host.
fn located(url: &str, root: &str) -> Result<(String, Option<String>), QueryError> {
    let (path, query) = match url.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (url, None),
    };
    let path = match path.split_once("://") {
        Some((_, rest)) => rest
            .find('/')
            .and_then(|slash| rest.get(slash..))
            .unwrap_or("/"),
        None => path,
    };
    let relative = if path.starts_with('/') {
        let inside = path.strip_prefix(root.trim_end_matches('/'));
        inside
            .filter(|rest| rest.is_empty() || rest.starts_with('/'))
            .map(|rest| rest.trim_start_matches('/'))
    } else {
        Some(path)
    };
    match relative {
        Some("$batch") => Err(malformed("a batch inside a batch is not served")),
        Some(path) => Ok((path.to_owned(), query)),
        None => Err(QueryError::new(
            Problem::NotFound,
            "the URL is not one of this service's",
        )),
    }
}
