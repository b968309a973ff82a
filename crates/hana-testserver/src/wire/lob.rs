//! READLOB and WRITELOB: requests and replies.

use super::bytes::{Malformed, Reader, length_i32};
use super::part::{Part, kind};

const LAST: u8 = 4;

/// A piece wanted of a LOB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReadRequest {
    pub(crate) locator: u64,
    /// 0-based; UTF-16 units of an NCLOB, bytes of a BLOB.
    pub(crate) offset: usize,
    pub(crate) length: usize,
}

/// Parses READLOBREQUEST, whose offset is 1-based.
pub(crate) fn parse_read(buffer: &[u8]) -> Result<ReadRequest, Malformed> {
    let mut reader = Reader::new(buffer);
    let locator = reader.u64()?;
    let offset = usize::try_from(reader.i64()?.checked_sub(1).unwrap_or(-1));
    let length = reader.length_i32()?;
    Ok(ReadRequest {
        locator,
        offset: offset.map_err(|_| Malformed("a LOB is read from position 1 on"))?,
        length,
    })
}

/// Makes READLOBREPLY.
pub(crate) fn read_reply(locator: u64, chunk: &[u8], last: bool) -> Part {
    let mut out = Vec::with_capacity(16 + chunk.len());
    out.extend(locator.to_le_bytes());
    out.push(if last { LAST } else { 0 });
    out.extend(length_i32(chunk.len()).to_le_bytes());
    out.extend([0; 3]);
    out.extend(chunk);
    Part::new(kind::READ_LOB_REPLY, 1, out)
}

/// A piece to append to a LOB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WriteRequest<'a> {
    pub(crate) locator: u64,
    pub(crate) last: bool,
    pub(crate) data: &'a [u8],
}

/// Parses WRITELOBREQUEST: `count` pieces. The offset is -1 (hdbconnect) or 0 (node-hdb): both mean append.
pub(crate) fn parse_write(buffer: &[u8], count: usize) -> Result<Vec<WriteRequest<'_>>, Malformed> {
    let mut reader = Reader::new(buffer);
    let mut pieces = Vec::new();
    for _ in 0..count {
        let locator = reader.u64()?;
        let options = reader.u8()?;
        if !(-1..=0).contains(&reader.i64()?) {
            return Err(Malformed("LOB data is only ever appended"));
        }
        let length = reader.length_i32()?;
        pieces.push(WriteRequest {
            locator,
            last: options & LAST != 0,
            data: reader.take(length)?,
        });
    }
    if reader.is_empty() {
        Ok(pieces)
    } else {
        Err(Malformed("bytes behind the LOB data"))
    }
}

/// Makes WRITELOBREPLY with the locators that are still open.
pub(crate) fn write_reply(open: &[u64]) -> Part {
    let out = open
        .iter()
        .flat_map(|locator| locator.to_le_bytes())
        .collect();
    Part::new(kind::WRITE_LOB_REPLY, open.len(), out)
}
