//! From an archive's bytes to documents, line by line, as they come in; never more than a line in memory.

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;

use super::ask::{Endpoint, File};
use super::error::QualtricsError;
use super::unzip::Unzip;

/// How long a line may be.
const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The documents of an export's file, one by one.
#[derive(Debug)]
pub struct Documents {
    file: File,
    /// What came and is not unpacked yet.
    packed: Bytes,
    unzip: Unzip,
    /// What is unpacked and not handed out yet.
    text: BytesMut,
    /// How much of `text` is known to hold no line end.
    searched: usize,
    ended: bool,
}

impl Documents {
    /// Of a file that is about to come in.
    #[must_use]
    pub fn new(file: File) -> Self {
        Self {
            file,
            packed: Bytes::new(),
            unzip: Unzip::new(),
            text: BytesMut::new(),
            searched: 0,
            ended: false,
        }
    }

    /// The next document; none once the archive has ended and proved to be whole.
    ///
    /// # Errors
    /// If the file breaks off, is damaged, or has a line that is too long.
    ///
    /// # Cancel safety
    /// What came is kept; may be dropped and called again.
    pub async fn next(&mut self) -> Result<Option<Bytes>, QualtricsError> {
        loop {
            while let Some(line) = self.line() {
                if let Some(document) = document(&line) {
                    return Ok(Some(document));
                }
            }
            if self.ended {
                return Ok(None);
            }
            if self.text.len() > LINE_BYTES_MAX {
                return Err(QualtricsError::TooLarge {
                    endpoint: Endpoint::ExportFile,
                    limit_bytes: LINE_BYTES_MAX,
                });
            }
            // A little input can become a lot of output without anything to wait for: let others have their turn.
            tokio::task::coop::consume_budget().await;
            self.fill().await?;
        }
    }

    /// Unpacks a little more, after waiting for more of the file if need be.
    async fn fill(&mut self) -> Result<(), QualtricsError> {
        if self.packed.is_empty() && !self.unzip.has_more() {
            match self.file.0.next().await {
                Some(chunk) => self.packed = chunk?,
                None => {
                    self.unzip.finish().map_err(damaged)?;
                    self.ended = true;
                    return Ok(());
                }
            }
        }
        self.unzip
            .unpack(&mut self.packed, &mut self.text)
            .map_err(damaged)
    }

    /// The next line, or at the end what is left.
    fn line(&mut self) -> Option<Bytes> {
        let unsearched = self.text.get(self.searched..).unwrap_or_default();
        let Some(found) = unsearched.iter().position(|b| *b == b'\n') else {
            self.searched = self.text.len();
            let last = self.ended && !self.text.is_empty();
            return last.then(|| {
                self.searched = 0;
                self.text.split().freeze()
            });
        };
        let line = self.text.split_to(self.searched + found + 1).freeze();
        self.searched = 0;
        Some(line)
    }
}

/// The document in a line, unless the line is blank or an empty object.
fn document(line: &Bytes) -> Option<Bytes> {
    let text = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
    let text = text.trim_ascii();
    let inner = text
        .strip_prefix(b"{")
        .and_then(|rest| rest.strip_suffix(b"}"));
    let is_empty = text.is_empty() || inner.is_some_and(|inner| inner.trim_ascii().is_empty());
    (!is_empty).then(|| line.slice_ref(text))
}

fn damaged(problem: &'static str) -> QualtricsError {
    QualtricsError::ExportDamaged { problem }
}
