//! Pieces of a URL, decoded once, each character still knowing where it stood.

use super::error::QueryError;

/// Decoded text whose every byte knows the character of the URL that it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decoded {
    text: String,
    /// One per byte of `text`.
    positions: Vec<usize>,
    /// The position behind the last character.
    end: usize,
}

/// What a `+` means: in a query it is a space (form encoding, which many HTTP clients use), in a path it is itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plus {
    Space,
    Literal,
}

impl Decoded {
    /// Decodes percent-encoding. `start` is the position of the piece's first character in the URL.
    pub(crate) fn new(raw: &str, start: usize, plus: Plus) -> Result<Self, QueryError> {
        let mut bytes = Vec::with_capacity(raw.len());
        let mut positions = Vec::with_capacity(raw.len());
        let mut end = start;
        let mut chars = raw.chars();
        while let Some(char) = chars.next() {
            let position = end;
            end += 1;
            match char {
                '%' => {
                    let digit = |char: Option<char>| char.and_then(|char| char.to_digit(16));
                    let (Some(high), Some(low)) = (digit(chars.next()), digit(chars.next())) else {
                        return Err(QueryError::at(
                            position,
                            "expected two hexadecimal digits after `%`",
                        ));
                    };
                    end += 2;
                    bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
                    positions.push(position);
                }
                '+' if plus == Plus::Space => {
                    bytes.push(b' ');
                    positions.push(position);
                }
                char => {
                    let mut buffer = [0; 4];
                    let encoded = char.encode_utf8(&mut buffer).as_bytes();
                    bytes.extend_from_slice(encoded);
                    positions.extend(encoded.iter().map(|_| position));
                }
            }
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self {
                text,
                positions,
                end,
            }),
            Err(error) => {
                let position = positions.get(error.utf8_error().valid_up_to()).copied();
                Err(QueryError::at(position.unwrap_or(start), "expected UTF-8"))
            }
        }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Where the byte stood in the URL.
    pub(crate) fn position(&self, byte: usize) -> usize {
        self.positions.get(byte).copied().unwrap_or(self.end)
    }
}

/// The name and value of one query option.
#[derive(Debug, Clone)]
pub(crate) struct RawOption {
    pub(crate) name: Decoded,
    pub(crate) value: Decoded,
}

/// Splits a raw query at `&` and each option at its first `=`. `start` is the position behind the `?`.
pub(crate) fn options(raw: &str, start: usize) -> Result<Vec<RawOption>, QueryError> {
    let mut options = Vec::new();
    let mut position = start;
    let mut rest = raw;
    while !rest.is_empty() {
        let piece = first_option(rest);
        if !piece.is_empty() {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            let value_position = position + name.chars().count() + 1;
            options.push(RawOption {
                name: Decoded::new(name, position, Plus::Space)?,
                value: Decoded::new(value, value_position, Plus::Space)?,
            });
        }
        position += piece.chars().count() + 1;
        rest = rest.get(piece.len() + 1..).unwrap_or_default();
    }
    Ok(options)
}

/// The query up to the `&` that ends its first option. A raw `&` inside a quoted text does not end it, where the text is
/// closed behind it: clients that paste texts into URLs (`'O''Neil & Co'`) forget to encode it.
fn first_option(query: &str) -> &str {
    let first = query.split('&').next().unwrap_or_default();
    let quoting = ["filter=", "apply=", "orderby=", "compute="];
    if !first.starts_with(['$', '%']) || !quoting.iter().any(|name| first.contains(name)) {
        return first;
    }
    let (mut quotes, mut length) = (quotes(first), first.len());
    for piece in query.split('&').skip(1) {
        if quotes.is_multiple_of(2) {
            return query.get(..length).unwrap_or(first);
        }
        quotes += self::quotes(piece);
        length += 1 + piece.len();
    }
    if quotes.is_multiple_of(2) {
        query
    } else {
        first
    }
}

fn quotes(text: &str) -> usize {
    text.matches('\'').count() + text.matches("%27").count()
}

/// Encodes text for use in a query option's value. Only what RFC 3986 calls unreserved, and a few characters that
/// every client leaves alone, stay as they are: what comes out is the one normal form.
pub(crate) fn encode(text: &str) -> impl std::fmt::Display + '_ {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const VALUE: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~')
        .remove(b'$')
        .remove(b'*')
        .remove(b'(')
        .remove(b')')
        .remove(b',')
        .remove(b':')
        .remove(b'\'');
    utf8_percent_encode(text, VALUE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_those_of_the_url_as_sent() {
        let decoded = Decoded::new("a%C3%BC+b", 10, Plus::Space).unwrap();

        assert_eq!(decoded.text(), "aü b");
        assert_eq!(decoded.position(0), 10);
        assert_eq!(decoded.position(1), 11);
        assert_eq!(decoded.position(3), 17);
        assert_eq!(decoded.position(4), 18);
        assert_eq!(decoded.position(5), 19);
    }

    #[test]
    fn a_raw_ampersand_in_a_closed_text_is_text() {
        let values = |query: &str| -> Vec<String> {
            let options = options(query, 0).unwrap();
            options
                .iter()
                .map(|option| option.value.text().to_owned())
                .collect()
        };
        assert_eq!(
            values("$filter=A eq 'O''N & Co'&$top=1"),
            ["A eq 'O''N & Co'", "1"]
        );
        assert_eq!(values("$filter=A eq %27a&b%27"), ["A eq 'a&b'"]);
        assert_eq!(values("$filter=A eq 'a&$top=1"), ["A eq 'a", "1"]);
        assert_eq!(values("$search=O'N&$top=1"), ["O'N", "1"]);
        assert_eq!(values("&&a=b&"), ["b"]);
    }

    #[test]
    fn broken_encodings_are_refused_where_they_stand() {
        assert_eq!(
            Decoded::new("ab%zz", 0, Plus::Space)
                .unwrap_err()
                .position(),
            Some(2)
        );
        assert_eq!(
            Decoded::new("ab%f", 0, Plus::Space).unwrap_err().position(),
            Some(2)
        );
        assert_eq!(
            Decoded::new("ab%C3", 5, Plus::Space)
                .unwrap_err()
                .position(),
            Some(7)
        );
    }
}
