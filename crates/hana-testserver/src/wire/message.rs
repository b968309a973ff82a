//! A whole message: header, the one segment, its parts. Reading checks what HANA's clients promise to send; writing
//! gives the bytes back, so that a capture comes out of it as it went in.

use std::io::{self, Read};

use super::bytes::{Malformed, Reader, length_i32, length_u32};
use super::part::Part;

/// Longest message taken: a batch of a thousand rows of the longest documents.
const MESSAGE_BYTES_MAX: u32 = 512 << 20;
const HEADER_BYTES: usize = 32;
const SEGMENT_BYTES: usize = 24;
/// Part headers repeat how much room their packet has left; clients ignore it. Source: captures.
const REMAINING_AT_FIRST: usize = 131_036;
const COMPRESSED: u8 = 2;

/// What the segment header says after its common fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SegmentKind {
    Request {
        message_type: u8,
        auto_commit: bool,
        options: u8,
    },
    Reply {
        function_code: i16,
    },
    Error {
        function_code: i16,
    },
}

/// One message in either direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) session_id: i64,
    pub(crate) packet_count: u32,
    /// Room that the sender has; ignored.
    pub(crate) varpart_size: u32,
    pub(crate) kind: SegmentKind,
    pub(crate) parts: Vec<Part>,
}

/// Why no message could be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The peer is gone.
    #[error("connection: {0}")]
    Io(#[from] io::Error),
    #[error("protocol: {0}")]
    Malformed(#[from] Malformed),
}

impl Message {
    /// A reply whose part headers and sizes look like HANA's.
    pub(crate) fn reply(
        session_id: i64,
        packet_count: u32,
        kind: SegmentKind,
        mut parts: Vec<Part>,
    ) -> Self {
        let mut used = 0;
        for part in &mut parts {
            part.remaining = length_i32(REMAINING_AT_FIRST.saturating_sub(used));
            used += part.padded_bytes();
        }
        Self {
            session_id,
            packet_count,
            varpart_size: length_u32(SEGMENT_BYTES + used),
            kind,
            parts,
        }
    }

    /// Reads one message from the connection.
    pub(crate) fn read(from: &mut impl Read) -> Result<Self, ReadError> {
        let mut bytes = vec![0; HEADER_BYTES];
        from.read_exact(&mut bytes)?;
        let varpart_length = Reader::new(bytes.get(12..).unwrap_or_default()).u32()?;
        if varpart_length > MESSAGE_BYTES_MAX {
            return Err(Malformed("a message of more than 512 MiB").into());
        }
        let taken = from
            .take(u64::from(varpart_length))
            .read_to_end(&mut bytes)?;
        if u32::try_from(taken) != Ok(varpart_length) {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Ok(Self::parse(&bytes)?)
    }

    /// Parses a whole message, header included.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let session_id = reader.i64()?;
        let packet_count = reader.u32()?;
        let varpart_length = reader.u32()?;
        let varpart_size = reader.u32()?;
        let segments = reader.i16()?;
        let options = reader.u8()?;
        reader.u8()?;
        let uncompressed = reader.u32()?;
        reader.u32()?;
        if segments != 1 {
            return Err(Malformed("a message has exactly one segment"));
        }
        let varpart = reader
            .take(usize::try_from(varpart_length).map_err(|_| Malformed("a long message"))?)?;
        if !reader.is_empty() {
            return Err(Malformed("bytes behind the message"));
        }
        let (kind, parts) = match options {
            0 => parse_segment(varpart)?,
            COMPRESSED => parse_segment(&decompress(varpart, uncompressed)?)?,
            _ => return Err(Malformed("unknown packet options")),
        };
        Ok(Self {
            session_id,
            packet_count,
            varpart_size,
            kind,
            parts,
        })
    }

    /// The bytes of the message, never compressed.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let parts_bytes: usize = self.parts.iter().map(Part::padded_bytes).sum();
        let segment_bytes = SEGMENT_BYTES + parts_bytes;
        let mut out = Vec::with_capacity(HEADER_BYTES + segment_bytes);
        out.extend(self.session_id.to_le_bytes());
        out.extend(self.packet_count.to_le_bytes());
        out.extend(length_u32(segment_bytes).to_le_bytes());
        out.extend(self.varpart_size.to_le_bytes());
        out.extend([1, 0, 0, 0]);
        out.extend([0; 8]);
        out.extend(length_i32(segment_bytes).to_le_bytes());
        out.extend([0; 4]);
        let count = i16::try_from(self.parts.len()).unwrap_or(i16::MAX);
        out.extend(count.to_le_bytes());
        out.extend(1_i16.to_le_bytes());
        out.extend(self.kind.encode());
        for part in &self.parts {
            part.encode(&mut out);
        }
        out
    }
}

impl SegmentKind {
    fn encode(self) -> [u8; 12] {
        let mut out = [0; 12];
        let head = match self {
            Self::Request {
                message_type,
                auto_commit,
                options,
            } => [1, message_type, u8::from(auto_commit), options],
            Self::Reply { function_code } => {
                let [low, high] = function_code.to_le_bytes();
                [2, 0, low, high]
            }
            Self::Error { function_code } => {
                let [low, high] = function_code.to_le_bytes();
                [5, 0, low, high]
            }
        };
        for (to, from) in out.iter_mut().zip(head) {
            *to = from;
        }
        out
    }
}

/// The segment header stays plain, everything behind it is one LZ4 block. Source: the dossier, 2.2.
fn decompress(varpart: &[u8], uncompressed: u32) -> Result<Vec<u8>, Malformed> {
    if uncompressed > MESSAGE_BYTES_MAX {
        return Err(Malformed("a message of more than 512 MiB"));
    }
    let (header, block) = varpart
        .split_at_checked(SEGMENT_BYTES)
        .ok_or(Malformed("a compressed message without a segment"))?;
    let plain_bytes = usize::try_from(uncompressed)
        .ok()
        .and_then(|bytes| bytes.checked_sub(SEGMENT_BYTES))
        .ok_or(Malformed("the uncompressed length is too small"))?;
    let plain = lz4_flex::block::decompress(block, plain_bytes)
        .map_err(|_| Malformed("the LZ4 block is damaged"))?;
    if plain.len() != plain_bytes {
        return Err(Malformed("the LZ4 block has another length than announced"));
    }
    Ok([header, &plain].concat())
}

fn parse_segment(varpart: &[u8]) -> Result<(SegmentKind, Vec<Part>), Malformed> {
    let mut reader = Reader::new(varpart);
    let length = reader.length_i32()?;
    let offset = reader.i32()?;
    let part_count = reader.i16()?;
    let number = reader.i16()?;
    let kind = reader.u8()?;
    if length != varpart.len() || offset != 0 || number != 1 {
        return Err(Malformed("the segment header does not fit its message"));
    }
    let kind = match kind {
        1 => SegmentKind::Request {
            message_type: reader.u8()?,
            auto_commit: reader.u8()? != 0,
            options: reader.u8()?,
        },
        2 | 5 => {
            reader.u8()?;
            let function_code = reader.i16()?;
            if kind == 2 {
                SegmentKind::Reply { function_code }
            } else {
                SegmentKind::Error { function_code }
            }
        }
        _ => return Err(Malformed("an unknown segment kind")),
    };
    reader.take(8)?;
    let parts = (0..part_count)
        .map(|_| Part::parse(&mut reader))
        .collect::<Result<_, _>>()?;
    if !reader.is_empty() {
        return Err(Malformed("bytes behind the last part"));
    }
    Ok((kind, parts))
}
