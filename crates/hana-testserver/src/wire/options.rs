//! Option parts: rows of id, type, value. CLIENTCONTEXT, CONNECTOPTIONS, STATEMENTCONTEXT, TRANSACTIONFLAGS,
//! DBCONNECTINFO are made of them.

use super::bytes::{Malformed, Reader};
use super::part::Part;

/// The value of one option.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum OptionValue {
    Int(i32),
    BigInt(i64),
    Double(f64),
    Boolean(bool),
    Text(String),
    Bytes(Vec<u8>),
}

/// Ids in CONNECTOPTIONS that this server reads or sends. Source: the reference, "Connect Options", and captures.
pub(crate) mod connect {
    pub(crate) const CONNECTION_ID: u8 = 1;
    pub(crate) const COMPLETE_ARRAY_EXECUTION: u8 = 2;
    pub(crate) const LARGE_BULK: u8 = 4;
    pub(crate) const LARGE_PARAMETER_COUNT: u8 = 10;
    pub(crate) const SYSTEM_ID: u8 = 11;
    pub(crate) const DATA_FORMAT: u8 = 12;
    pub(crate) const TRANSACTION_FLAGS_ONLY: u8 = 19;
    pub(crate) const IGNORE_UNKNOWN_PARTS: u8 = 21;
    pub(crate) const DATA_FORMAT_2: u8 = 23;
    pub(crate) const IMPLICIT_LOB_STREAMING: u8 = 37;
    pub(crate) const FULL_VERSION: u8 = 44;
    pub(crate) const DATABASE_NAME: u8 = 45;
    pub(crate) const COMPRESSION: u8 = 49;
    pub(crate) const FLAGS: u8 = 53;
    /// In [`FLAGS`]: the server answers CLIENTPING.
    pub(crate) const FLAG_CLIENT_PING: i32 = 0x0200_0000;
}

/// Ids in TRANSACTIONFLAGS.
pub(crate) mod transaction {
    pub(crate) const ROLLED_BACK: u8 = 0;
    pub(crate) const COMMITTED: u8 = 1;
    pub(crate) const WRITE_STARTED: u8 = 4;
    pub(crate) const NO_WRITE_STARTED: u8 = 5;
    pub(crate) const SESSION_CLOSING: u8 = 6;
}

/// Reads to the end of the buffer: hdbconnect announces one argument in CLIENTCONTEXT and sends three.
pub(crate) fn parse(buffer: &[u8]) -> Result<Vec<(u8, OptionValue)>, Malformed> {
    let mut reader = Reader::new(buffer);
    let mut options = Vec::new();
    while !reader.is_empty() {
        let id = reader.u8()?;
        let value = match reader.u8()? {
            3 => OptionValue::Int(reader.i32()?),
            4 => OptionValue::BigInt(reader.i64()?),
            7 => OptionValue::Double(reader.f64()?),
            28 => OptionValue::Boolean(reader.u8()? != 0),
            29 => OptionValue::Text(super::cesu8::decode(counted(&mut reader)?)?),
            33 => OptionValue::Bytes(counted(&mut reader)?.to_vec()),
            _ => return Err(Malformed("an option of unknown type")),
        };
        options.push((id, value));
    }
    Ok(options)
}

fn counted<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
    let length = usize::try_from(reader.i16()?).map_err(|_| Malformed("a negative length"))?;
    reader.take(length)
}

/// Makes an option part.
pub(crate) fn part(kind: u8, options: &[(u8, OptionValue)]) -> Part {
    let mut out = Vec::new();
    for (id, value) in options {
        out.push(*id);
        match value {
            OptionValue::Int(number) => {
                out.push(3);
                out.extend(number.to_le_bytes());
            }
            OptionValue::BigInt(number) => {
                out.push(4);
                out.extend(number.to_le_bytes());
            }
            OptionValue::Double(number) => {
                out.push(7);
                out.extend(number.to_le_bytes());
            }
            OptionValue::Boolean(value) => out.extend([28, u8::from(*value)]),
            OptionValue::Text(text) => put(&mut out, 29, &super::cesu8::encode(text)),
            OptionValue::Bytes(bytes) => put(&mut out, 33, bytes),
        }
    }
    Part::new(kind, options.len(), out)
}

fn put(out: &mut Vec<u8>, type_code: u8, bytes: &[u8]) {
    out.push(type_code);
    out.extend(i16::try_from(bytes.len()).unwrap_or(i16::MAX).to_le_bytes());
    out.extend(bytes);
}
