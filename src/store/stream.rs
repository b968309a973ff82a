//! Rows on their way from a database to whoever asked.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ingester_core::row::Cell;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::error::StoreError;

/// Chunks that wait for a slow reader.
const CHUNKS_WAITING: usize = 2;

/// A row as it was read.
pub type Cells = Box<[Cell]>;

/// Rows of a read, in chunks. Dropping it ends the read.
///
/// It ends well only if the database said so: a read that was given up ends with its error, never as if it were
/// complete.
#[derive(Debug)]
pub struct RowStream {
    chunks: mpsc::Receiver<Vec<Cells>>,
    /// Rows that were waited for and not taken yet.
    waiting: Option<Vec<Cells>>,
    /// How the read ended, set before its chunks end.
    end: Arc<OnceLock<Result<(), StoreError>>>,
    ended: bool,
}

/// The other end, held by the connection that reads.
#[derive(Debug)]
pub(super) struct RowSender {
    chunks: mpsc::Sender<Vec<Cells>>,
    end: Arc<OnceLock<Result<(), StoreError>>>,
}

/// The two ends.
pub(super) fn channel() -> (RowSender, RowStream) {
    let (sender, receiver) = mpsc::channel(CHUNKS_WAITING);
    let end = Arc::new(OnceLock::new());
    let sender = RowSender {
        chunks: sender,
        end: end.clone(),
    };
    let stream = RowStream {
        chunks: receiver,
        waiting: None,
        end,
        ended: false,
    };
    (sender, stream)
}

impl RowStream {
    /// The next rows; nothing behind the last ones, or behind an error.
    ///
    /// # Cancel safety
    /// Cancel-safe: nothing is lost if it is dropped before it is ready.
    pub async fn recv(&mut self) -> Option<Result<Vec<Cells>, StoreError>> {
        self.ready().await;
        if let Some(chunk) = self.waiting.take() {
            return Some(Ok(chunk));
        }
        if std::mem::replace(&mut self.ended, true) {
            return None;
        }
        match self.end.get() {
            Some(Ok(())) => None,
            Some(Err(error)) => Some(Err(error.clone())),
            // Whoever read is gone without a word.
            None => Some(Err(StoreError::closed())),
        }
    }

    /// Waits until there are rows, or the read is over.
    ///
    /// # Cancel safety
    /// Cancel-safe, as [`RowStream::recv`].
    pub async fn ready(&mut self) {
        if self.waiting.is_none() {
            self.waiting = self.chunks.recv().await;
        }
    }

    /// All rows, where they are known to be few.
    ///
    /// # Errors
    /// Those of the read.
    pub async fn all(mut self) -> Result<Vec<Cells>, StoreError> {
        let mut rows = Vec::new();
        while let Some(chunk) = self.recv().await {
            rows.append(&mut chunk?);
        }
        Ok(rows)
    }
}

impl RowSender {
    /// Hands rows over from a thread that may block, for as long as `patience` lasts. False if nobody wants them.
    pub(super) fn send_blocking(&self, rows: Vec<Cells>, patience: Duration) -> Sent {
        let rows = match self.chunks.try_send(rows) {
            Ok(()) => return Sent::Taken,
            Err(mpsc::error::TrySendError::Closed(_)) => return Sent::Abandoned,
            Err(mpsc::error::TrySendError::Full(rows)) => rows,
        };
        Handle::current().block_on(self.send(rows, patience))
    }

    /// Hands over all the rows of a read at once.
    #[cfg(feature = "sim")]
    pub(super) fn send_now(&self, rows: Vec<Cells>) {
        drop(self.chunks.try_send(rows));
    }

    /// The same from a task.
    pub(super) async fn send(&self, rows: Vec<Cells>, patience: Duration) -> Sent {
        match tokio::time::timeout(patience, self.chunks.send(rows)).await {
            Ok(Ok(())) => Sent::Taken,
            Ok(Err(_)) => Sent::Abandoned,
            Err(_) => Sent::Stalled,
        }
    }

    /// Says how the read ended. Without it the stream ends with an error.
    pub(super) fn end(self, result: Result<(), StoreError>) {
        drop(self.end.set(result));
    }

    /// Whether nobody wants the rows any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.chunks.is_closed()
    }

    /// Something that tells the same and may outlive the sender without keeping the stream open.
    pub(super) fn watch(&self) -> mpsc::WeakSender<Vec<Cells>> {
        self.chunks.downgrade()
    }
}

/// What became of rows that were handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// They are on their way.
    Taken,
    /// Nobody wants them.
    Abandoned,
    /// Whoever wants them did not take them in time.
    Stalled,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_read_that_was_given_up_never_looks_complete() {
        let (sender, mut stream) = channel();
        let row: Cells = vec![Cell::Integer(1)].into();
        assert_eq!(
            sender.chunks.try_send(vec![row.clone()]).ok(),
            Some(()),
            "there is room"
        );

        drop(sender);

        assert_eq!(stream.recv().await.unwrap().unwrap(), [row]);
        assert!(stream.recv().await.unwrap().is_err());
        assert!(stream.recv().await.is_none());
    }

    #[tokio::test]
    async fn a_complete_read_ends_well() {
        let (sender, mut stream) = channel();

        sender.end(Ok(()));

        assert!(stream.recv().await.is_none());
    }
}
