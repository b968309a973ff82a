//! `POST …/$batch`: one part after the other, each answered as it would be alone. The answer is sent part by part, so
//! that it takes the memory of its largest part.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use ingester_core::odata::Incoming;
use ingester_core::odata::batch::{
    Batch, BatchFormat, Part, PartRequest, PartResponse, Verdict, write_json_response,
    write_multipart_response,
};

use super::body;
use super::error::ApiError;
use super::odata::{ROOT, Reading, text};

/// Bytes of a batch.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Answers a batch.
pub(super) async fn serve(reading: Reading, headers: &HeaderMap, body: Body) -> Response {
    let body = match body::read(body, BODY_BYTES_MAX).await {
        Ok(body) => body,
        Err(error) => return error.into_response(),
    };
    let batch = match Batch::read(
        text(headers, "content-type"),
        text(headers, "prefer"),
        &body,
        ROOT,
    ) {
        Ok(batch) => batch,
        Err(error) => return ApiError::from(error).into_response(),
    };
    // Nobody can put it into an answer who does not know it.
    let boundary = format!("batch_{}", uuid::Uuid::new_v4().simple());
    let content_type = match batch.format {
        BatchFormat::Multipart => {
            HeaderValue::from_str(&format!("multipart/mixed;boundary={boundary}"))
        }
        BatchFormat::Json => Ok(HeaderValue::from_static("application/json")),
    };
    let answering = Answering {
        reading,
        batch,
        boundary,
        statuses: Vec::new(),
        is_over: false,
    };
    let chunks = stream::unfold(answering, async |mut answering| {
        let chunk = answering.next().await?;
        Some((Ok::<_, std::convert::Infallible>(chunk), answering))
    });
    // Compression asks again behind the end.
    let mut response = Body::from_stream(chunks.fuse()).into_response();
    if let Ok(content_type) = content_type {
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, content_type);
    }
    response
}

/// A batch on its way.
struct Answering {
    reading: Reading,
    batch: Batch,
    boundary: String,
    /// How the parts so far went.
    statuses: Vec<u16>,
    is_over: bool,
}

impl Answering {
    /// The next piece of the answer; nothing behind its end.
    async fn next(&mut self) -> Option<Bytes> {
        if self.is_over {
            return None;
        }
        let index = self.statuses.len();
        let part = self.batch.parts.get(index).cloned();
        let verdict = self.batch.verdict(index, &self.statuses);
        let answered = match (part, verdict) {
            (None, _) | (Some(_), Verdict::Stop) => None,
            (Some(part), Verdict::FailedDependency) => Some((part, failed_dependency().to_part())),
            (Some(part), Verdict::Run) => {
                let response = self.run(&part).await;
                Some((part, response))
            }
        };
        let mut out = Vec::new();
        let response = answered.as_ref().map(|(part, response)| (part, response));
        match self.batch.format {
            BatchFormat::Multipart => write_multipart_response(&self.boundary, response, &mut out),
            BatchFormat::Json => write_json_response(index == 0, response, &mut out),
        }
        match answered {
            Some((_, response)) => self.statuses.push(response.status),
            None => self.is_over = true,
        }
        Some(out.into())
    }

    async fn run(&self, part: &Part) -> PartResponse {
        let answered = match &part.request {
            Ok(request) => self.answer(request).await,
            Err(error) => Err(error.clone().into()),
        };
        answered.unwrap_or_else(|error| error.to_part())
    }

    async fn answer(&self, request: &PartRequest) -> Result<PartResponse, ApiError> {
        let incoming = Incoming {
            method: &request.method,
            path: &request.path,
            query: request.query.as_deref(),
            path_start: 0,
            accept: request.header("accept"),
            version: request.header("odata-version"),
            max_version: request.header("odata-maxversion"),
            prefer: request.header("prefer"),
        };
        let known_tags = request.header("if-none-match");
        let request = self.reading.parse(&incoming)?;
        let answer = self.reading.answer(request, known_tags).await?;
        answer.into_part().await
    }
}

fn failed_dependency() -> ApiError {
    ApiError::new(
        StatusCode::FAILED_DEPENDENCY,
        "failed-dependency",
        "a request that this one depends on failed",
    )
}
