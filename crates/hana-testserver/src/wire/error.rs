//! The ERROR part.

use super::bytes::length_i32;
use super::cesu8;
use super::part::{Part, kind};
use crate::error::SqlError;

/// How bad it is. A fatal error makes node-hdb drop the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    Error,
    Fatal,
}

/// Bytes of an error before its text.
const FIXED_BYTES: usize = 18;

/// Makes the part. One error has one byte more than its text, as HANA's has; several are padded to eight each.
/// hdbconnect skips eight bytes where an error's size is a multiple of eight, go-hdb none: no text here has such a size.
pub(crate) fn part<'a>(
    errors: impl ExactSizeIterator<Item = &'a SqlError>,
    severity: Severity,
) -> Part {
    let count = errors.len();
    let mut out = Vec::new();
    for error in errors {
        let mut text = cesu8::encode(&error.text);
        if (FIXED_BYTES + text.len()).is_multiple_of(8) {
            text.push(b' ');
        }
        out.extend(error.code.to_le_bytes());
        out.extend(error.position.to_le_bytes());
        out.extend(length_i32(text.len()).to_le_bytes());
        out.push(match severity {
            Severity::Error => 1,
            Severity::Fatal => 2,
        });
        // Source: the dossier, 3.9: HY000 for nearly everything, 28000 for a refused log-on.
        out.extend(if error.code == crate::error::code::AUTHENTICATION {
            b"28000"
        } else {
            b"HY000"
        });
        out.extend(text);
        if count == 1 {
            out.push(0);
        } else {
            out.resize(out.len().next_multiple_of(8), 0);
        }
    }
    Part::new(kind::ERROR, count, out)
}
