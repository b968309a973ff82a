//! The one file in an export's archive, unpacked as it comes in and checked at the end: its length and its CRC against
//! the archive's directory. A state machine without I/O.
//!
//! Our own because a stream reader checks neither (`async_zip` 0.0.19 lets a flipped byte pass), and because the
//! directory, which stands behind the file, has to be read for it anyway.
//! Source: PKWARE's APPNOTE.TXT 6.3, sections 4.3.7 (local header), 4.3.12 (directory), 4.3.16 (end of directory).

use std::fmt;

use bytes::{Buf as _, Bytes, BytesMut};
use flate2::{Crc, Decompress, FlushDecompress, Status};

const LOCAL_HEADER: &[u8] = b"PK\x03\x04";
const DIRECTORY_HEADER: &[u8] = b"PK\x01\x02";
const DIRECTORY_END: &[u8] = b"PK\x05\x06";
const LOCAL_HEADER_BYTES: usize = 30;
const DIRECTORY_END_BYTES: usize = 22;
/// Stands for a figure that is too large for its field.
const ELSEWHERE: u32 = u32::MAX;
/// What may stand behind the file: its length again, a directory of one name, an end.
const TAIL_BYTES_MAX: usize = 256 * 1024;
/// How much is unpacked in one step.
const STEP_BYTES: usize = 64 * 1024;

const UNREADABLE: Damage = "it does not unpack";

/// What is wrong with an archive.
type Damage = &'static str;

/// The unpacking of one archive.
pub(super) struct Unzip {
    stage: Stage,
    crc: Crc,
    packed_bytes: u64,
    unpacked_bytes: u64,
    scratch: Box<[u8]>,
    /// The last step filled the scratch, so that there may be more without more input.
    has_more: bool,
}

enum Stage {
    /// Gathering the local header.
    Header(BytesMut),
    Deflated(Box<Decompress>),
    Stored {
        left: u64,
    },
    /// Gathering what stands behind the file.
    Tail(BytesMut),
}

impl fmt::Debug for Unzip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unzip({} bytes unpacked)", self.unpacked_bytes)
    }
}

impl Unzip {
    pub(super) fn new() -> Self {
        Self {
            stage: Stage::Header(BytesMut::new()),
            crc: Crc::new(),
            packed_bytes: 0,
            unpacked_bytes: 0,
            scratch: vec![0; STEP_BYTES].into(),
            has_more: false,
        }
    }

    /// True if another step may yield something without more input.
    pub(super) fn has_more(&self) -> bool {
        self.has_more
    }

    /// Takes a step: some of `input`, at most 64 KiB of output.
    pub(super) fn unpack(
        &mut self,
        input: &mut Bytes,
        output: &mut BytesMut,
    ) -> Result<(), Damage> {
        self.has_more = false;
        match &mut self.stage {
            Stage::Header(header) => {
                header.extend_from_slice(input);
                input.clear();
                if let Some((stage, header_bytes)) = begin(header)? {
                    *input = header.split_off(header_bytes).freeze();
                    self.stage = stage;
                }
                Ok(())
            }
            Stage::Deflated(inflate) => {
                let (packed_before, unpacked_before) = (inflate.total_in(), inflate.total_out());
                let status = inflate
                    .decompress(input, &mut self.scratch, FlushDecompress::None)
                    .map_err(|_| UNREADABLE)?;
                let taken = bytes(inflate.total_in() - packed_before);
                let made = bytes(inflate.total_out() - unpacked_before);
                let stuck = taken == 0 && made == 0 && !input.is_empty();
                input.advance(taken.min(input.len()));
                self.has_more = made == STEP_BYTES;
                self.crc
                    .update(self.scratch.get(..made).unwrap_or_default());
                output.extend_from_slice(self.scratch.get(..made).unwrap_or_default());
                self.packed_bytes += taken as u64;
                self.unpacked_bytes += made as u64;
                match status {
                    Status::StreamEnd => self.end(),
                    Status::Ok | Status::BufError if stuck => return Err(UNREADABLE),
                    Status::Ok | Status::BufError => {}
                }
                Ok(())
            }
            Stage::Stored { left } => {
                let made = input.split_to(bytes(*left).min(input.len()).min(STEP_BYTES));
                let taken = made.len();
                self.crc.update(&made);
                output.extend_from_slice(&made);
                self.packed_bytes += taken as u64;
                self.unpacked_bytes += taken as u64;
                *left -= taken as u64;
                if *left == 0 {
                    self.end();
                }
                Ok(())
            }
            Stage::Tail(tail) => {
                if tail.len() + input.len() > TAIL_BYTES_MAX {
                    return Err("more follows its file than a directory");
                }
                tail.extend_from_slice(input);
                input.clear();
                Ok(())
            }
        }
    }

    /// The archive has ended: was it whole?
    pub(super) fn finish(&self) -> Result<(), Damage> {
        let Stage::Tail(tail) = &self.stage else {
            return Err("it is cut");
        };
        let entry = Entry::find(tail).ok_or("its directory is cut or names more than one file")?;
        if entry.crc != self.crc.sum() {
            return Err("its checksum differs");
        }
        if entry.packed_bytes != self.packed_bytes || entry.unpacked_bytes != self.unpacked_bytes {
            return Err("its length differs");
        }
        Ok(())
    }

    fn end(&mut self) {
        self.has_more = false;
        self.stage = Stage::Tail(BytesMut::new());
    }
}

/// Reads the local header once it is complete: how the file is packed, and how long the header is.
fn begin(header: &[u8]) -> Result<Option<(Stage, usize)>, Damage> {
    let begun = header.get(..LOCAL_HEADER.len().min(header.len()));
    if !begun.is_some_and(|begun| LOCAL_HEADER.starts_with(begun)) {
        return Err("it is no archive, or an empty one");
    }
    let (Some(name), Some(extra)) = (u16_at(header, 26), u16_at(header, 28)) else {
        return Ok(None);
    };
    let header_bytes = LOCAL_HEADER_BYTES + usize::from(name) + usize::from(extra);
    if header.len() < header_bytes {
        return Ok(None);
    }
    let flags = u16_at(header, 6).unwrap_or_default();
    let (encrypted, length_follows) = (flags & 1 != 0, flags & 8 != 0);
    let stage = match u16_at(header, 8) {
        _ if encrypted => return Err("it is encrypted"),
        Some(8) => Stage::Deflated(Box::new(Decompress::new(false))),
        Some(0) if !length_follows => match u32_at(header, 18) {
            Some(0) => Stage::Tail(BytesMut::new()),
            Some(left) if left != ELSEWHERE => Stage::Stored { left: left.into() },
            _ => return Err("it is stored without its length"),
        },
        _ => return Err("it is packed in another way than deflate"),
    };
    Ok(Some((stage, header_bytes)))
}

/// What the directory says of the one file.
struct Entry {
    crc: u32,
    packed_bytes: u64,
    unpacked_bytes: u64,
}

impl Entry {
    /// Finds the directory in what follows the file.
    fn find(tail: &[u8]) -> Option<Self> {
        let last = tail.len().checked_sub(DIRECTORY_END_BYTES)?;
        let end = (0..=last).rev().find(|at| {
            let is_end = tail
                .get(*at..)
                .is_some_and(|rest| rest.starts_with(DIRECTORY_END));
            let comment = u16_at(tail, at + 20).map(usize::from);
            is_end && comment == Some(last - at)
        })?;
        let files = u16_at(tail, end + 10)?;
        if files != 1 && files != u16::MAX {
            return None;
        }
        // The directory begins at once, or behind CRC and lengths, which may have a signature and eight bytes each.
        let entry = [0, 12, 16, 20, 24]
            .into_iter()
            .filter_map(|at| tail.get(at..))
            .find(|rest| rest.starts_with(DIRECTORY_HEADER))?;
        let (packed, unpacked) = (u32_at(entry, 20)?, u32_at(entry, 24)?);
        let extra_at = 46 + usize::from(u16_at(entry, 28)?);
        let extra_bytes = usize::from(u16_at(entry, 30)?);
        let mut large = large_figures(entry.get(extra_at..extra_at + extra_bytes)?);
        let mut figure = |short: u32| {
            if short == ELSEWHERE {
                large.next()
            } else {
                Some(short.into())
            }
        };
        // In the extra field the unpacked length comes first.
        let unpacked_bytes = figure(unpacked)?;
        Some(Self {
            crc: u32_at(entry, 16)?,
            packed_bytes: figure(packed)?,
            unpacked_bytes,
        })
    }
}

/// The figures of eight bytes that stand for those that are too large, in an extra field of kind 1.
/// Source: APPNOTE.TXT 6.3, 4.5.3.
fn large_figures(mut extra: &[u8]) -> impl Iterator<Item = u64> + '_ {
    let mut found: &[u8] = &[];
    while let (Some(kind), Some(length)) = (u16_at(extra, 0), u16_at(extra, 2)) {
        let end = 4 + usize::from(length);
        if kind == 1 {
            found = extra.get(4..end).unwrap_or_default();
        }
        extra = extra.get(end..).unwrap_or_default();
    }
    let (figures, _) = found.as_chunks::<8>();
    figures.iter().map(|figure| u64::from_le_bytes(*figure))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|bytes| u16::from_le_bytes(*bytes))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|bytes| u32::from_le_bytes(*bytes))
}

fn bytes(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
