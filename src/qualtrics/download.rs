//! An export's file as it comes in: bounded in time, never in memory as a whole.

use std::time::Duration;

use futures_util::stream::{StreamExt as _, try_unfold};
use reqwest::Response;
use tokio::time::Instant;

use super::ask::{Endpoint, File};
use super::error::QualtricsError;
use super::http;

/// How long nothing may come.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// How long the whole file may take: the largest that Qualtrics makes, 1.8 GB, at a quarter of a megabyte a second.
const FILE_DEADLINE: Duration = Duration::from_secs(2 * 3600);

/// The body as a stream that ends in time.
pub(super) fn file(response: Response) -> File {
    let deadline = Instant::now() + FILE_DEADLINE;
    let chunks = try_unfold(response, move |mut response| async move {
        let endpoint = Endpoint::ExportFile;
        let end = deadline.min(Instant::now() + SILENCE_MAX);
        match tokio::time::timeout_at(end, response.chunk()).await {
            Ok(Ok(chunk)) => Ok(chunk.map(|chunk| (chunk, response))),
            Ok(Err(error)) => Err(http::broken(endpoint, error)),
            Err(_) => Err(QualtricsError::Timeout {
                endpoint,
                after: if end == deadline {
                    FILE_DEADLINE
                } else {
                    SILENCE_MAX
                },
            }),
        }
    });
    File(chunks.boxed())
}
