//! A place in a decoded piece of the URL, and the small steps that every reader takes from there.

use super::error::QueryError;
use super::url::Decoded;

/// Brackets, functions and operators inside each other.
pub(super) const DEPTH_MAX: usize = 64;

/// A place in a decoded piece of the URL.
#[derive(Debug, Clone)]
pub(crate) struct Parser<'a> {
    source: &'a Decoded,
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    pub(crate) fn new(source: &'a Decoded) -> Self {
        Self {
            source,
            at: 0,
            depth: 0,
        }
    }

    /// What is left to read.
    pub(crate) fn rest(&self) -> &'a str {
        self.source.text().get(self.at..).unwrap_or_default()
    }

    /// The byte that is read next; give it back to [`Parser::fail_at`].
    pub(crate) fn here(&self) -> usize {
        self.at
    }

    pub(crate) fn rewind(&mut self, at: usize) {
        self.at = at;
    }

    pub(crate) fn position(&self, at: usize) -> usize {
        self.source.position(at)
    }

    pub(crate) fn fail_at(&self, at: usize, message: impl Into<String>) -> QueryError {
        QueryError::at(self.position(at), message)
    }

    pub(crate) fn fail(&self, message: impl Into<String>) -> QueryError {
        self.fail_at(self.at, message)
    }

    /// Whether the character was read last.
    pub(crate) fn is_behind(&self, char: char) -> bool {
        let read = self.source.text().get(..self.at);
        read.is_some_and(|read| read.ends_with(char))
    }

    /// Consumes the text if it comes next.
    pub(crate) fn eat(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    pub(crate) fn expect(&mut self, text: &str) -> Result<(), QueryError> {
        if self.eat(text) {
            Ok(())
        } else {
            Err(self.fail(format!("expected `{text}`")))
        }
    }

    /// Consumes what the condition holds for.
    pub(crate) fn take(&mut self, condition: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|char| !condition(char)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    /// Consumes white space; true if there was some.
    pub(crate) fn space(&mut self) -> bool {
        !self.take(|char| char == ' ' || char == '\t').is_empty()
    }

    /// Consumes an identifier.
    pub(crate) fn word(&mut self) -> &'a str {
        if self
            .rest()
            .starts_with(|char: char| char.is_alphabetic() || char == '_')
        {
            self.take(|char| char.is_alphanumeric() || char == '_')
        } else {
            ""
        }
    }

    /// Consumes white space, the word and white space, or nothing.
    pub(crate) fn eat_word(&mut self, word: &str) -> bool {
        let start = self.at;
        if self.space() && self.word() == word && (self.space() || self.rest().is_empty()) {
            return true;
        }
        self.at = start;
        false
    }

    /// Consumes white space and the word where nothing, `,`, `)` or white space follows, or nothing.
    pub(crate) fn eat_end_word(&mut self, word: &str) -> bool {
        let start = self.at;
        let found = self.space() && self.word() == word;
        if found && (self.rest().is_empty() || self.rest().starts_with([',', ')', ' ', '\t'])) {
            return true;
        }
        self.at = start;
        false
    }

    pub(crate) fn end(&mut self, expected: &str) -> Result<(), QueryError> {
        self.space();
        if self.rest().is_empty() {
            Ok(())
        } else {
            Err(self.fail(format!("expected {expected}")))
        }
    }

    /// Runs `read` one level deeper.
    pub(crate) fn nested<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, QueryError>,
    ) -> Result<T, QueryError> {
        if self.depth >= DEPTH_MAX {
            return Err(self.fail(format!("expected at most {DEPTH_MAX} levels of nesting")));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }
}
