//! A ZIP archive with one member, written as a stream: deflate, sizes and CRC behind the data.
//!
//! Source: PKWARE, APPNOTE.TXT 6.3.10, sections 4.3.7 (local header), 4.3.9 (data descriptor), 4.3.12, 4.3.16.

use std::io::{self, Write};

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

/// Bit 3: sizes follow in a data descriptor. Bit 11: the name is UTF-8.
const FLAGS: u16 = 0x0808;
const VERSION: u16 = 20;
const DEFLATED: u16 = 8;
/// 2026-01-01, in MS-DOS form.
const DATE: u16 = (46 << 9) | (1 << 5) | 1;

/// What becomes of the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    None,
    /// One digit of the content differs from what the CRC was made of.
    Flip,
}

#[derive(Debug)]
pub(crate) struct Zip<W: Write> {
    encoder: DeflateEncoder<Counted<W>>,
    crc: Crc,
    name: Vec<u8>,
    header: u64,
    size: u64,
    damage: Damage,
}

#[derive(Debug)]
struct Counted<W> {
    inner: W,
    count: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.count += u64::try_from(written).unwrap_or(0);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<W: Write> Zip<W> {
    pub(crate) fn start(inner: W, name: &str, damage: Damage) -> io::Result<Self> {
        let name = name.as_bytes().to_vec();
        let length = u16::try_from(name.len()).map_err(io::Error::other)?;
        let mut inner = Counted { inner, count: 0 };
        let mut header = Vec::from(*b"PK\x03\x04");
        for field in [VERSION, FLAGS, DEFLATED, 0, DATE] {
            header.extend(field.to_le_bytes());
        }
        header.extend([0; 12]);
        header.extend(length.to_le_bytes());
        header.extend([0; 2]);
        header.extend(&name);
        inner.write_all(&header)?;
        let header = inner.count;
        let encoder = DeflateEncoder::new(inner, Compression::fast());
        Ok(Self {
            encoder,
            crc: Crc::new(),
            name,
            header,
            size: 0,
            damage,
        })
    }

    /// Writes what belongs behind the data.
    pub(crate) fn finish(self) -> io::Result<W> {
        let mut inner = self.encoder.finish()?;
        let sizes = |list: &mut Vec<u8>, compressed: u64| -> io::Result<()> {
            list.extend(self.crc.sum().to_le_bytes());
            for size in [compressed, self.size] {
                list.extend(u32::try_from(size).map_err(io::Error::other)?.to_le_bytes());
            }
            Ok(())
        };
        let compressed = inner.count - self.header;
        let mut tail = Vec::from(*b"PK\x07\x08");
        sizes(&mut tail, compressed)?;
        let directory = inner.count + u64::try_from(tail.len()).unwrap_or(0);
        let start = tail.len();
        tail.extend(*b"PK\x01\x02");
        for field in [VERSION, VERSION, FLAGS, DEFLATED, 0, DATE] {
            tail.extend(field.to_le_bytes());
        }
        sizes(&mut tail, compressed)?;
        tail.extend(
            u16::try_from(self.name.len())
                .map_err(io::Error::other)?
                .to_le_bytes(),
        );
        tail.extend([0; 16]);
        tail.extend(&self.name);
        let length = u32::try_from(tail.len() - start).map_err(io::Error::other)?;
        tail.extend(*b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
        tail.extend(length.to_le_bytes());
        tail.extend(
            u32::try_from(directory)
                .map_err(io::Error::other)?
                .to_le_bytes(),
        );
        tail.extend([0; 2]);
        inner.write_all(&tail)?;
        inner.flush()?;
        Ok(inner.inner)
    }

    /// Ends in the middle: what was compressed so far, and nothing behind it.
    pub(crate) fn cut(mut self) -> io::Result<()> {
        self.encoder.flush()
    }
}

impl<W: Write> Write for Zip<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.crc.update(bytes);
        self.size += u64::try_from(bytes.len()).unwrap_or(0);
        let digit = bytes
            .iter()
            .rposition(u8::is_ascii_digit)
            .filter(|_| self.damage == Damage::Flip);
        if let Some(at) = digit {
            let mut changed = bytes.to_vec();
            if let Some(byte) = changed.get_mut(at) {
                *byte ^= 1;
            }
            self.damage = Damage::None;
            self.encoder.write_all(&changed)?;
        } else {
            self.encoder.write_all(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.encoder.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn the_member_and_the_directory_agree() {
        let content = "Antwort 7,\"ü\"\r\n".repeat(1_000);
        let mut zip = Zip::start(Vec::new(), "A / \"B\" ü.csv", Damage::None).unwrap();
        zip.write_all(content.as_bytes()).unwrap();
        let archive = zip.finish().unwrap();

        let name = "A / \"B\" ü.csv".len();
        let mut text = String::new();
        flate2::read::DeflateDecoder::new(&archive[30 + name..])
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, content);
        let end = &archive[archive.len() - 22..];
        assert_eq!(&end[..4], b"PK\x05\x06");
        let directory = u32::from_le_bytes(end[16..20].try_into().unwrap()) as usize;
        assert_eq!(&archive[directory..directory + 4], b"PK\x01\x02");
        let mut crc = Crc::new();
        crc.update(content.as_bytes());
        assert_eq!(
            archive[directory + 16..directory + 20],
            crc.sum().to_le_bytes()
        );
        assert_eq!(
            &archive[directory + 46..directory + 46 + name],
            "A / \"B\" ü.csv".as_bytes()
        );
    }
}
