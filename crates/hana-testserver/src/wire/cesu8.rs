//! CESU-8: UTF-8, except that a character above U+FFFF is two surrogates of three bytes each.
//! HANA's text on the wire, in both directions.

use super::bytes::Malformed;

/// Encodes a text.
pub(crate) fn encode(text: &str) -> Vec<u8> {
    if !has_four_byte_characters(text.as_bytes()) {
        return text.as_bytes().to_vec();
    }
    let mut out = Vec::with_capacity(text.len());
    let mut utf8 = [0; 4];
    for c in text.chars() {
        if u32::from(c) > 0xffff {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                out.extend(three_bytes(*unit));
            }
        } else {
            out.extend(c.encode_utf8(&mut utf8).as_bytes());
        }
    }
    out
}

/// Whether a UTF-8 text has characters above U+FFFF. A search for each first byte that they can have, because that is
/// quick in an unoptimized build too.
fn has_four_byte_characters(bytes: &[u8]) -> bool {
    (0xf0..=0xf4).any(|first| bytes.contains(&first))
}

/// The bytes of one surrogate.
fn three_bytes(unit: u16) -> [u8; 3] {
    let [high, low] = unit.to_be_bytes();
    [
        0xe0 | high >> 4,
        0x80 | (high & 0x0f) << 2 | low >> 6,
        0x80 | low & 0x3f,
    ]
}

/// Decodes a text. A surrogate without its other half is refused, four-byte UTF-8 too.
pub(crate) fn decode(bytes: &[u8]) -> Result<String, Malformed> {
    if let Ok(text) = std::str::from_utf8(bytes)
        && !has_four_byte_characters(bytes)
    {
        return Ok(text.to_owned());
    }
    let mut units = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((unit, after)) = unit(rest) {
        units.push(unit);
        rest = after;
    }
    if !rest.is_empty() {
        return Err(Malformed("a text is no CESU-8"));
    }
    String::from_utf16(&units).map_err(|_| Malformed("a text has half a surrogate pair"))
}

/// Splits one UTF-16 unit off.
fn unit(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let continuation = |byte: u8| (byte & 0xc0 == 0x80).then_some(u16::from(byte & 0x3f));
    match bytes {
        [a @ 0..=0x7f, rest @ ..] => Some((u16::from(*a), rest)),
        [a @ 0xc2..=0xdf, b, rest @ ..] => {
            Some((u16::from(a & 0x1f) << 6 | continuation(*b)?, rest))
        }
        [a @ 0xe0..=0xef, b, c, rest @ ..] => {
            let value = u16::from(a & 0x0f) << 12 | continuation(*b)? << 6 | continuation(*c)?;
            (value >= 0x800).then_some((value, rest))
        }
        _ => None,
    }
}

/// The part of a CESU-8 text from one UTF-16 unit to another. Every unit is one to three bytes.
pub(crate) fn slice_units(bytes: &[u8], from: usize, count: usize) -> &[u8] {
    if bytes.is_ascii() {
        let end = from.saturating_add(count).min(bytes.len());
        return bytes.get(from..end).unwrap_or_default();
    }
    let starts = || {
        bytes
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte & 0xc0 != 0x80)
            .map(|(at, _)| at)
            .chain(std::iter::once(bytes.len()))
    };
    let begin = starts().nth(from).unwrap_or(bytes.len());
    let end = starts()
        .nth(from.saturating_add(count))
        .unwrap_or(bytes.len());
    bytes.get(begin..end).unwrap_or_default()
}

/// How many UTF-16 units a CESU-8 text has.
pub(crate) fn unit_count(bytes: &[u8]) -> usize {
    if bytes.is_ascii() {
        return bytes.len();
    }
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_beyond_the_basic_plane_is_two_surrogates() {
        // Source: captures/hdbconnect-basic.txt, U+1F600.
        assert_eq!(
            encode("ä😀"),
            [0xc3, 0xa4, 0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80]
        );
        assert_eq!(decode(&encode("grüße 😀 ok")).unwrap(), "grüße 😀 ok");
    }

    #[test]
    fn what_is_no_cesu8_is_refused() {
        assert!(decode("😀".as_bytes()).is_err());
        assert!(decode(&[0xed, 0xa0, 0xbd]).is_err());
        assert!(decode(&[0xc0, 0x80]).is_err());
    }

    #[test]
    fn a_slice_counts_units() {
        let bytes = encode("aä😀b");

        assert_eq!(unit_count(&bytes), 5);
        assert_eq!(slice_units(&bytes, 1, 1), "ä".as_bytes());
        assert_eq!(slice_units(&bytes, 2, 2), encode("😀"));
        assert_eq!(slice_units(&bytes, 4, 99), b"b");
    }
}
