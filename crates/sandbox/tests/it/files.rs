//! Reads what exports hand out, by lines that share nothing with the writer.

use std::io::Read as _;

/// Name and content of the one member; an error if archive, sizes or CRC are damaged.
pub(crate) fn unzip(archive: &[u8]) -> Result<(String, String), String> {
    let number = |at: usize, length: usize| {
        archive
            .get(at..at + length)
            .ok_or("short")?
            .iter()
            .rev()
            .try_fold(0_usize, |sum, byte| Ok(sum * 256 + usize::from(*byte)))
    };
    let end = archive
        .len()
        .checked_sub(22)
        .filter(|end| archive[*end..].starts_with(b"PK\x05\x06"))
        .ok_or("no directory")?;
    let directory: usize = number(end + 16, 4).map_err(|error: &str| error.to_owned())?;
    let name_length = number(directory + 28, 2)?;
    let name =
        String::from_utf8(archive[directory + 46..directory + 46 + name_length].to_vec()).unwrap();
    let (crc, compressed) = (number(directory + 16, 4)?, number(directory + 20, 4)?);
    let start = 30 + name_length;
    let mut content = Vec::new();
    flate2::read::DeflateDecoder::new(&archive[start..start + compressed])
        .read_to_end(&mut content)
        .map_err(|error| error.to_string())?;
    let mut sum = flate2::Crc::new();
    sum.update(&content);
    if usize::try_from(sum.sum()) != Ok(crc) || content.len() != number(directory + 24, 4)? {
        return Err("wrong CRC".to_owned());
    }
    Ok((name, String::from_utf8(content).unwrap()))
}

/// Parses RFC 4180 with CRLF between the lines.
pub(crate) fn csv(text: &str) -> Vec<Vec<String>> {
    let (mut lines, mut cells, mut cell) = (Vec::new(), Vec::new(), String::new());
    let (mut quoted, mut letters) = (false, text.chars().peekable());
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => cell.push(letters.next().unwrap()),
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(std::mem::take(&mut cell)),
            '\r' if !quoted => {
                assert_eq!(letters.next(), Some('\n'));
                cells.push(std::mem::take(&mut cell));
                lines.push(std::mem::take(&mut cells));
            }
            other => cell.push(other),
        }
    }
    assert!(cell.is_empty() && cells.is_empty() && !quoted);
    lines
}
