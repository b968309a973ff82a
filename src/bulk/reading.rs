//! An export as rows, a chunk at a time.

use std::sync::Arc;

use bytes::Bytes;
use ingester_core::id::{ResponseId, SurveyId};
use ingester_core::inbox::Outcome;
use ingester_core::mapping::ResponseDocument;
use ingester_core::time::Timestamp;
use tokio::sync::mpsc;

use crate::lifecycle::{self, Lifecycle};
use crate::qualtrics::{Export, QualtricsError};
use crate::surveys::{CompiledSurvey, SurveyError, Surveys};

/// Documents digested and written together: few enough that a live event behind them waits for milliseconds.
const CHUNK_DOCUMENTS: usize = 384;
/// Their bytes, so that long essays make small chunks.
const CHUNK_BYTES: usize = 512 * 1024;
/// Chunks that are read while one is written.
const CHUNKS_AHEAD: usize = 1;

/// Why an export could not be read to its end.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadingError {
    /// Qualtrics failed, or what it sent is damaged.
    #[error("{0}")]
    Qualtrics(#[from] QualtricsError),
    /// The survey's map can't be had.
    #[error("{0}")]
    Survey(#[from] SurveyError),
}

/// What one document came to.
#[derive(Debug, Clone)]
pub struct Digest {
    /// The response.
    pub response_id: ResponseId,
    /// The document's own date.
    pub recorded_at: Option<Timestamp>,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// Row, skip or dead.
    pub outcome: Outcome,
}

enum Chunk {
    Rows(Vec<Digest>),
    /// The export was whole. Without it the reader's end is no end.
    End,
}

/// An export being read, a chunk ahead of whoever takes it. Dropping it ends the reading.
#[derive(Debug)]
pub struct Reading {
    chunks: mpsc::Receiver<Result<Chunk, ReadingError>>,
    /// What continues the export, if it was asked to be continuable.
    pub continuation: Option<Box<str>>,
}

impl Reading {
    /// Begins to read.
    #[must_use]
    pub fn start(
        life: &Lifecycle,
        surveys: &Surveys,
        survey: &SurveyId,
        mut export: Export,
    ) -> Self {
        let (sender, chunks) = mpsc::channel(CHUNKS_AHEAD);
        let continuation = export.continuation.take();
        let reader = Reader {
            export,
            surveys: surveys.clone(),
            survey: survey.clone(),
        };
        life.spawn("export", reader.run(sender));
        Self {
            chunks,
            continuation,
        }
    }

    /// The next rows; nothing once the export has ended and proved to be whole.
    ///
    /// # Errors
    /// If the export breaks off or is damaged: what came until then may be wrong, and the export has to be repeated.
    ///
    /// # Cancel safety
    /// May be dropped and called again.
    pub async fn next(&mut self) -> Result<Option<Vec<Digest>>, ReadingError> {
        match self.chunks.recv().await {
            Some(Ok(Chunk::Rows(rows))) => Ok(Some(rows)),
            Some(Ok(Chunk::End)) => Ok(None),
            Some(Err(error)) => Err(error),
            None => Err(QualtricsError::Stopping.into()),
        }
    }
}

struct Reader {
    export: Export,
    surveys: Surveys,
    survey: SurveyId,
}

impl Reader {
    async fn run(mut self, to: mpsc::Sender<Result<Chunk, ReadingError>>) {
        loop {
            let chunk = self.chunk().await;
            let ended = matches!(chunk, Ok(Chunk::End) | Err(_));
            if to.send(chunk).await.is_err() || ended {
                return;
            }
        }
    }

    async fn chunk(&mut self) -> Result<Chunk, ReadingError> {
        let (mut documents, mut bytes) = (Vec::new(), 0);
        while documents.len() < CHUNK_DOCUMENTS && bytes < CHUNK_BYTES {
            let Some(document) = self.export.next_document().await? else {
                break;
            };
            bytes += document.len();
            documents.push((document, self.export.asked_at));
        }
        if documents.is_empty() {
            return Ok(Chunk::End);
        }
        let rows = digest(&self.surveys, &self.survey, documents).await?;
        Ok(Chunk::Rows(rows))
    }
}

/// Turns documents, each with the instant at which it was asked for, into rows, on a thread of their own. Keys that the definition does not know ask for it again.
///
/// # Errors
/// If the survey's map can't be had.
pub async fn digest(
    surveys: &Surveys,
    survey: &SurveyId,
    documents: Vec<(Bytes, Timestamp)>,
) -> Result<Vec<Digest>, SurveyError> {
    let compiled = surveys.compiled(survey).await?;
    let (documents, mut batch) = on_thread(compiled, documents).await?;
    if batch.unknown > 0
        && let Some(newer) = surveys.refresh(survey).await
    {
        (_, batch) = on_thread(newer, documents).await?;
    }
    surveys.count_many(survey, batch.unknown, batch.truncated);
    if batch.unreadable > 0 {
        let lines = batch.unreadable;
        tracing::warn!(%survey, lines, "{lines} lines of an export of {survey} are no responses and were left out");
    }
    Ok(batch.rows)
}

#[derive(Default)]
struct Batch {
    rows: Vec<Digest>,
    unknown: u64,
    truncated: u64,
    unreadable: u64,
}

async fn on_thread(
    survey: Arc<CompiledSurvey>,
    documents: Vec<(Bytes, Timestamp)>,
) -> Result<(Vec<(Bytes, Timestamp)>, Batch), SurveyError> {
    let work = move || {
        let mut batch = Batch::default();
        for (bytes, asked_at) in &documents {
            let Ok(document) = ResponseDocument::parse(bytes, None) else {
                batch.unreadable += 1;
                continue;
            };
            let digested = survey.digest(&document, *asked_at);
            batch.unknown += u64::try_from(digested.unknown.len()).unwrap_or(u64::MAX);
            batch.truncated += u64::try_from(digested.truncated).unwrap_or(u64::MAX);
            batch.rows.push(Digest {
                response_id: document.response_id().clone(),
                recorded_at: document.recorded_at(),
                asked_at: *asked_at,
                outcome: digested.outcome,
            });
        }
        (documents, batch)
    };
    // A panic of the digest is a bug, and ends the job as a shutdown does.
    lifecycle::compute(work)
        .await
        .map_err(|_| QualtricsError::Stopping.into())
}
