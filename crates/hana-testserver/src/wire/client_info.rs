//! The CLIENTINFO part: session variables that ride along with any request.

use super::bytes::{Malformed, Reader};
use super::cesu8;

/// Keys with their values; `None` unsets.
pub(crate) fn parse(buffer: &[u8]) -> Result<Vec<(String, Option<String>)>, Malformed> {
    let mut reader = Reader::new(buffer);
    let mut variables = Vec::new();
    while !reader.is_empty() {
        let key = reader
            .counted()?
            .ok_or(Malformed("a session variable without a name"))?;
        let value = reader.counted()?.map(cesu8::decode).transpose()?;
        variables.push((cesu8::decode(key)?, value));
    }
    Ok(variables)
}
