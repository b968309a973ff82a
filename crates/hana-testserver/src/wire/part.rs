//! One part of a message: its header, its buffer, and the numbers of the kinds.

use super::bytes::{Malformed, Reader, length_i32};

const HEADER_BYTES: usize = 16;

/// Kinds of parts. Source: SAP HANA SQL Command Network Protocol Reference, "Part Kind".
pub(crate) mod kind {
    pub(crate) const COMMAND: u8 = 3;
    pub(crate) const RESULT_SET: u8 = 5;
    pub(crate) const ERROR: u8 = 6;
    pub(crate) const STATEMENT_ID: u8 = 10;
    pub(crate) const ROWS_AFFECTED: u8 = 12;
    pub(crate) const RESULT_SET_ID: u8 = 13;
    pub(crate) const READ_LOB_REQUEST: u8 = 17;
    pub(crate) const READ_LOB_REPLY: u8 = 18;
    pub(crate) const WRITE_LOB_REQUEST: u8 = 28;
    pub(crate) const WRITE_LOB_REPLY: u8 = 30;
    pub(crate) const PARAMETERS: u8 = 32;
    pub(crate) const AUTHENTICATION: u8 = 33;
    pub(crate) const STATEMENT_CONTEXT: u8 = 39;
    pub(crate) const CONNECT_OPTIONS: u8 = 42;
    pub(crate) const FETCH_SIZE: u8 = 45;
    pub(crate) const PARAMETER_METADATA: u8 = 47;
    pub(crate) const RESULT_SET_METADATA: u8 = 48;
    pub(crate) const CLIENT_INFO: u8 = 57;
    pub(crate) const TRANSACTION_FLAGS: u8 = 64;
    pub(crate) const DB_CONNECT_INFO: u8 = 67;
}

/// A part as it stands in a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) kind: u8,
    pub(crate) attributes: u8,
    /// How many values the buffer holds.
    pub(crate) count: usize,
    /// Informational room left in the packet.
    pub(crate) remaining: i32,
    pub(crate) buffer: Vec<u8>,
}

impl Part {
    pub(crate) fn new(kind: u8, count: usize, buffer: Vec<u8>) -> Self {
        Self {
            kind,
            attributes: 0,
            count,
            remaining: 0,
            buffer,
        }
    }

    /// Bytes on the wire with header and padding.
    pub(crate) fn padded_bytes(&self) -> usize {
        HEADER_BYTES + self.buffer.len().next_multiple_of(8)
    }

    pub(crate) fn parse(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let kind = reader.u8()?;
        let attributes = reader.u8()?;
        let short_count = reader.i16()?;
        let long_count = reader.length_i32()?;
        let length = reader.length_i32()?;
        let remaining = reader.i32()?;
        let buffer = reader.take(length)?.to_vec();
        reader.take(length.next_multiple_of(8) - length)?;
        // From 32,767 arguments on the short field is -1 and the long one counts. Source: captures.
        let count = usize::try_from(short_count).unwrap_or(long_count);
        Ok(Self {
            kind,
            attributes,
            count,
            remaining,
            buffer,
        })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend([self.kind, self.attributes]);
        match i16::try_from(self.count) {
            Ok(count) if count < i16::MAX => {
                out.extend(count.to_le_bytes());
                out.extend([0; 4]);
            }
            _ => {
                out.extend((-1_i16).to_le_bytes());
                out.extend(length_i32(self.count).to_le_bytes());
            }
        }
        out.extend(length_i32(self.buffer.len()).to_le_bytes());
        out.extend(self.remaining.to_le_bytes());
        out.extend(&self.buffer);
        out.resize(out.len().next_multiple_of(8), 0);
    }
}
