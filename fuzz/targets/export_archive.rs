//! An export's archive is the documents in its lines or an error: a damaged one never passes as whole, and nothing is
//! kept that need not be.
#![no_main]

use std::io::Write as _;

use bytes::Bytes;
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use futures_util::{FutureExt as _, StreamExt as _, stream};
use libfuzzer_sys::fuzz_target;
use qualtrics_ingester::qualtrics::{Documents, File, QualtricsError};

/// What is said of the rest of the input: how the archive is packed, in pieces of what size it comes in, and what
/// happens to it on its way.
struct Way {
    is_deflated: bool,
    length_follows: bool,
    piece: usize,
    damage: Damage,
}

enum Damage {
    None,
    /// This byte is another.
    Flipped { at: u16, mask: u8 },
    Cut { at: u16 },
    /// This byte comes twice.
    Doubled { at: u16 },
}

impl Way {
    fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let ([flags, piece, low, high, mask], content) = bytes.split_first_chunk::<5>()?;
        let at = u16::from_le_bytes([*low, *high]);
        let damage = match flags & 3 {
            0 => Damage::None,
            1 => Damage::Flipped { at, mask: *mask },
            2 => Damage::Cut { at },
            _ => Damage::Doubled { at },
        };
        let is_deflated = flags & 4 != 0;
        let way = Self { is_deflated, length_follows: is_deflated && flags & 8 != 0, piece: usize::from(*piece) + 1, damage };
        Some((way, content))
    }

    /// The archive of one file.
    /// Source: PKWARE's APPNOTE.TXT 6.3, sections 4.3.7, 4.3.9, 4.3.12 and 4.3.16.
    fn archive(&self, content: &[u8]) -> Vec<u8> {
        let mut crc = Crc::new();
        crc.update(content);
        let packed = if self.is_deflated {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(content).expect("room");
            encoder.finish().expect("room")
        } else {
            content.to_vec()
        };
        let figures = [crc.sum(), length(packed.len()), length(content.len())].map(u32::to_le_bytes).concat();
        let about = |figures: &[u8]| {
            let flags = u16::from(self.length_follows) << 3;
            let method = u16::from(self.is_deflated) << 3;
            let words = [20, flags, method, 0, 0].map(u16::to_le_bytes).concat();
            [&words, figures, &[1, 0, 0, 0]].concat()
        };
        let mut archive = b"PK\x03\x04".to_vec();
        archive.extend(about(if self.length_follows { &[0; 12] } else { &figures }));
        archive.push(b'f');
        archive.extend(&packed);
        if self.length_follows {
            archive.extend(b"PK\x07\x08");
            archive.extend(&figures);
        }
        let directory_at = archive.len();
        archive.extend(b"PK\x01\x02\x14\x00");
        archive.extend(about(&figures));
        archive.extend([0; 14]);
        archive.push(b'f');
        let directory_bytes = archive.len() - directory_at;
        archive.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
        archive.extend(length(directory_bytes).to_le_bytes());
        archive.extend(length(directory_at).to_le_bytes());
        archive.extend([0; 2]);
        archive
    }

    /// Does to the archive what happens to it; true if it is another then.
    fn spoil(&self, archive: &mut Vec<u8>) -> bool {
        let place = |at: u16| usize::from(at) % archive.len();
        match self.damage {
            Damage::None => return false,
            Damage::Flipped { at, mask } => {
                let at = place(at);
                archive[at] ^= mask;
                return mask != 0;
            }
            Damage::Cut { at } => archive.truncate(place(at)),
            Damage::Doubled { at } => {
                let at = place(at);
                archive.insert(at, archive[at]);
            }
        }
        true
    }
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("a small input")
}

/// What reading a file ends with.
fn read(archive: &[u8], piece: usize) -> Result<Vec<Bytes>, QualtricsError> {
    let pieces: Vec<_> = archive.chunks(piece).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let mut documents = Documents::new(File(stream::iter(pieces).boxed()));
    let mut all = Vec::new();
    while let Some(document) = documents.next().now_or_never().expect("all is there")? {
        all.push(document);
    }
    Ok(all)
}

/// The documents in lines, found in another way.
fn documents(content: &[u8]) -> Vec<&[u8]> {
    let trimmed = |line: &'_ [u8]| -> usize { line.iter().take_while(|byte| byte.is_ascii_whitespace()).count() };
    let mut all = Vec::new();
    for line in content.split(|byte| *byte == b'\n') {
        let line = if line.starts_with(&[0xEF, 0xBB, 0xBF]) { &line[3..] } else { line };
        let line = &line[trimmed(line)..];
        let end = line.iter().rposition(|byte| !byte.is_ascii_whitespace()).map_or(0, |last| last + 1);
        let line = &line[..end];
        let is_blank = line.iter().all(u8::is_ascii_whitespace);
        let is_empty_object = line.len() > 1
            && line[0] == b'{'
            && line[line.len() - 1] == b'}'
            && line[1..line.len() - 1].iter().all(u8::is_ascii_whitespace);
        if !is_blank && !is_empty_object {
            all.push(line);
        }
    }
    all
}

fuzz_target!(|bytes: &[u8]| {
    // Whatever comes in: no more than deflate can make of it.
    if let Ok(all) = read(bytes, 4096) {
        let made: usize = all.iter().map(Bytes::len).sum();
        assert!(made <= bytes.len() * 1032, "{made} bytes of {}", bytes.len());
    }
    let Some((way, content)) = Way::read(bytes) else { return };
    let mut archive = way.archive(content);
    let is_spoiled = way.spoil(&mut archive);
    match read(&archive, way.piece) {
        // What is damaged where nothing of it counts, such as the file's name, is whole.
        Ok(all) => assert_eq!(all, documents(content), "damaged: {is_spoiled}"),
        Err(error) => assert!(is_spoiled, "{error}"),
    }
});
