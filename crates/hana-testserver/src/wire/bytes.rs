//! Reads and writes the little-endian fields that everything on the wire is made of.

/// What a client sent is no message of the protocol. HANA answers 1033 and closes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(pub(crate) &'static str);

/// A cursor over received bytes.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    taken: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            taken: 0,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// How many bytes were read so far.
    pub(crate) fn position(&self) -> usize {
        self.taken
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(Malformed("a length points past the end"))?;
        self.rest = rest;
        self.taken += length;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?
            .try_into()
            .map_err(|_| Malformed("a length points past the end"))
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn i16(&mut self) -> Result<i16, Malformed> {
        self.array().map(i16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, Malformed> {
        self.array().map(i32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, Malformed> {
        self.array().map(i64::from_le_bytes)
    }

    pub(crate) fn f32(&mut self) -> Result<f32, Malformed> {
        self.array().map(f32::from_le_bytes)
    }

    pub(crate) fn f64(&mut self) -> Result<f64, Malformed> {
        self.array().map(f64::from_le_bytes)
    }

    /// A little-endian two's complement of `length` bytes, at most 16.
    pub(crate) fn signed(&mut self, length: usize) -> Result<i128, Malformed> {
        let bytes = self.take(length)?;
        let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut wide = [if negative { 0xff } else { 0 }; 16];
        for (to, from) in wide.iter_mut().zip(bytes) {
            *to = *from;
        }
        Ok(i128::from_le_bytes(wide))
    }

    /// A length as written by both sides; sizes are never negative.
    pub(crate) fn length_i32(&mut self) -> Result<usize, Malformed> {
        usize::try_from(self.i32()?).map_err(|_| Malformed("a negative length"))
    }

    /// The value behind a length indicator; `None` is NULL.
    /// Source: captures; 0 to 245 itself, 246 and 16 bits, 247 and 32 bits, 255 NULL.
    pub(crate) fn counted(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        let length = match self.u8()? {
            short @ 0..=245 => usize::from(short),
            246 => usize::from(self.u16()?),
            247 => self.length_i32()?,
            255 => return Ok(None),
            _ => return Err(Malformed("a length indicator of 248 to 254")),
        };
        self.take(length).map(Some)
    }
}

/// Writes a length indicator and the bytes. Above 32,767 the 32-bit form, because node-hdb reads 16 bits as signed.
pub(crate) fn put_counted(out: &mut Vec<u8>, bytes: &[u8]) {
    match u16::try_from(bytes.len()) {
        Ok(short @ 0..=245) => out.push(u8::try_from(short).unwrap_or_default()),
        Ok(middle @ 246..=0x7fff) => {
            out.push(246);
            out.extend(middle.to_le_bytes());
        }
        _ => {
            out.push(247);
            out.extend(length_u32(bytes.len()).to_le_bytes());
        }
    }
    out.extend(bytes);
}

/// A length for a 32-bit field. Nothing that this server sends comes near the limit.
pub(crate) fn length_u32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// The same for a signed field.
pub(crate) fn length_i32(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}

/// A length for a 64-bit field.
pub(crate) fn length_i64(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}
