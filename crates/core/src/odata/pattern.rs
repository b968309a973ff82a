//! The patterns of `matchesPattern`: the part of ECMAScript's dialect that is matched in linear time.
//! Source: OData V4.01 Part 2, 5.1.1.7.1.

use std::fmt;

use regex::{Regex, RegexBuilder};

/// Characters of a pattern, and bytes of what it compiles to.
const PATTERN_CHARS_MAX: usize = 200;
const COMPILED_BYTES_MAX: usize = 1 << 20;

/// A pattern that was read and is cheap to match.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a pattern of at most {PATTERN_CHARS_MAX} characters, without look-around and back-references"
)]
pub struct PatternError;

impl Pattern {
    /// Reads a pattern.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        if text.chars().count() > PATTERN_CHARS_MAX {
            return Err(PatternError);
        }
        let regex = RegexBuilder::new(text)
            .size_limit(COMPILED_BYTES_MAX)
            .build();
        regex.map(Self).map_err(|_| PatternError)
    }

    /// Whether the pattern occurs in the text; `^` and `$` in the pattern tie it to the ends.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}
