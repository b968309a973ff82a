//! The AUTHENTICATION part: a count and fields with short lengths, nested once.

use super::bytes::{Malformed, Reader, length_u32};
use super::part::{Part, kind};

/// Splits a buffer into its fields.
pub(crate) fn parse_fields(buffer: &[u8]) -> Result<Vec<&[u8]>, Malformed> {
    let mut reader = Reader::new(buffer);
    let count = reader.u16()?;
    let fields = (0..count)
        .map(|_| field(&mut reader))
        .collect::<Result<_, _>>()?;
    if !reader.is_empty() {
        return Err(Malformed("bytes behind the authentication fields"));
    }
    Ok(fields)
}

fn field<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
    let length = match reader.u8()? {
        short @ 0..=245 => usize::from(short),
        246 => usize::from(reader.u16()?),
        _ => return Err(Malformed("an authentication field is too long")),
    };
    reader.take(length)
}

/// The client's proof: a list of one. hdbconnect counts in little endian, node-hdb in big endian; HANA takes both.
pub(crate) fn parse_proof(field: &[u8]) -> Result<&[u8], Malformed> {
    match field {
        [1, 0, 32, proof @ ..] | [0, 1, 32, proof @ ..] if proof.len() == 32 => Ok(proof),
        _ => Err(Malformed("no client proof")),
    }
}

/// Joins fields, count first.
pub(crate) fn encode_fields(fields: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    let [low, high, ..] = length_u32(fields.len()).to_le_bytes();
    out.extend([low, high]);
    for field in fields {
        // Every field that this server sends is shorter than 246 bytes.
        out.push(u8::try_from(field.len()).unwrap_or(u8::MAX));
        out.extend(*field);
    }
    out
}

/// The part with these fields.
pub(crate) fn part(fields: &[&[u8]]) -> Part {
    Part::new(kind::AUTHENTICATION, 1, encode_fields(fields))
}
