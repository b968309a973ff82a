//! Lists, written while their rows are read: a list of any length takes the memory of a few hundred rows.

use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use ingester_core::access::Visible;
use ingester_core::odata::{Format, Query, csv, json};
use ingester_core::sql::Selection;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::super::App;
use super::super::error::ApiError;
use super::{Answer, json_format};
use crate::store::{RowStream, StoreError};

/// What is written before it is handed on. Answers below are sent with their length.
const CHUNK_BYTES: usize = 64 * 1024;
/// Chunks that wait for a slow reader.
const CHUNKS_WAITING: usize = 1;

type Written = Result<Bytes, StoreError>;

/// Answers a list: small ones as a whole, large ones as they come.
pub(super) async fn answer(
    app: &App,
    query: Visible<Query>,
    selection: Selection,
    format: Format,
    count: Option<u64>,
    rows: RowStream,
) -> Result<Answer, ApiError> {
    let (sender, mut written) = mpsc::channel::<Written>(CHUNKS_WAITING);
    let mut writing = Box::pin(write(query, selection, format, count, rows, sender));
    let first = tokio::select! {
        biased;
        () = &mut writing => {
            let whole = written.recv().await.transpose()?.unwrap_or_default();
            return Ok(Answer::whole(format, whole));
        }
        first = written.recv() => first.transpose()?.unwrap_or_default(),
    };
    app.life.spawn("answer", writing);
    let rest = ReceiverStream::new(written);
    let body = stream::once(async { Ok(first) }).chain(rest);
    Ok(Answer::streamed(format, Body::from_stream(body)))
}

/// Writes until all rows are written, something fails, or nobody reads any more.
async fn write(
    query: Visible<Query>,
    selection: Selection,
    format: Format,
    count: Option<u64>,
    rows: RowStream,
    sender: mpsc::Sender<Written>,
) {
    let written = match format {
        Format::Csv => write_csv(&selection, rows, &sender).await,
        Format::Json(_) | Format::Xml | Format::Text => {
            write_json(query.get(), &selection, format, count, rows, &sender).await
        }
    };
    let last = match written {
        Ok(rest) => Ok(rest.into()),
        Err(error) => {
            // What was sent before can't be taken back: the connection is cut, so that nobody takes it for the whole.
            tracing::warn!(%error, "a list could not be read to its end: {error}");
            Err(error)
        }
    };
    drop(sender.send(last).await);
}

async fn write_json(
    query: &Query,
    selection: &Selection,
    format: Format,
    count: Option<u64>,
    mut rows: RowStream,
    sender: &mpsc::Sender<Written>,
) -> Result<Vec<u8>, StoreError> {
    let mut text = Vec::new();
    let mut writer =
        json::ListWriter::begin(query, selection, json_format(format), count, &mut text);
    'rows: while let Some(chunk) = rows.recv().await {
        for row in chunk? {
            if writer.row(&row, &mut text) == json::Wants::Nothing {
                break 'rows;
            }
        }
        if !hand_on(&mut text, sender).await {
            return Ok(Vec::new());
        }
    }
    writer.end(&mut text);
    Ok(text)
}

async fn write_csv(
    selection: &Selection,
    mut rows: RowStream,
    sender: &mpsc::Sender<Written>,
) -> Result<Vec<u8>, StoreError> {
    let mut text = Vec::new();
    csv::write_head(&selection.shape, &mut text);
    while let Some(chunk) = rows.recv().await {
        for row in chunk? {
            csv::write_row(&selection.shape, &row, &mut text);
        }
        if !hand_on(&mut text, sender).await {
            break;
        }
    }
    Ok(text)
}

/// Hands on what is worth it. False if nobody reads any more.
async fn hand_on(text: &mut Vec<u8>, sender: &mpsc::Sender<Written>) -> bool {
    if text.len() < CHUNK_BYTES {
        return true;
    }
    let rest = Vec::with_capacity(CHUNK_BYTES * 2);
    let written = std::mem::replace(text, rest);
    sender.send(Ok(written.into())).await.is_ok()
}
