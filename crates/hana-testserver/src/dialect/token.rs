//! Cuts a statement into tokens.

use crate::error::{SqlError, code};

/// What a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// An unquoted word, in upper case as HANA reads it.
    Word(String),
    /// A name in double quotes.
    Quoted(String),
    /// A text in single quotes.
    Text(String),
    /// `X'…'`.
    Bytes(Vec<u8>),
    Integer(String),
    Decimal(String),
    /// With an exponent.
    Double(String),
    /// `?`.
    Parameter,
    Symbol(&'static str),
    End,
}

/// One token with its byte offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) at: usize,
}

/// Longest first.
const SYMBOLS: [&str; 20] = [
    "||", "<=", ">=", "<>", "!=", "=>", "(", ")", ",", ".", "=", "<", ">", "+", "-", "*", "/", ";",
    "[", "]",
];
const IDENTIFIER_CHARS_MAX: usize = 127;
/// Longest statement. Source: the reference's system limits (2 GB); nobody here sends a hundredth of this.
const STATEMENT_BYTES_MAX: usize = 8 << 20;

/// Cuts the whole text; comments and white space are dropped. Ends with [`TokenKind::End`].
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, SqlError> {
    if text.len() > STATEMENT_BYTES_MAX {
        return Err(SqlError::new(code::SYNTAX, "statement too long"));
    }
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        let at = text.len() - rest.len();
        let Some((token, after)) = token(rest, at)? else {
            tokens.push(Token {
                kind: TokenKind::End,
                at,
            });
            return Ok(tokens);
        };
        if let Some(token) = token {
            tokens.push(token);
        }
        rest = after;
    }
}

/// The comment that a statement begins with, without its `/*` and `*/`.
pub(crate) fn leading_comment(text: &str) -> Option<&str> {
    let (comment, _) = text.trim_start().strip_prefix("/*")?.split_once("*/")?;
    Some(comment.trim())
}

type Cut<'a> = Option<(Option<Token>, &'a str)>;

/// Cuts one token, or a piece of white space or comment, off.
fn token(rest: &str, at: usize) -> Result<Cut<'_>, SqlError> {
    let Some(first) = rest.chars().next() else {
        return Ok(None);
    };
    if first.is_whitespace() {
        return Ok(Some((None, rest.trim_start())));
    }
    if let Some(comment) = rest.strip_prefix("/*") {
        let (_, after) = comment
            .split_once("*/")
            .ok_or_else(|| SqlError::new(code::SYNTAX, "unterminated comment").at(at))?;
        return Ok(Some((None, after)));
    }
    if let Some(comment) = rest.strip_prefix("--") {
        let after = comment.split_once('\n').map_or("", |(_, after)| after);
        return Ok(Some((None, after)));
    }
    let (kind, after) = match first {
        '"' => identifier(quoted(rest, '"', at)?, at)?,
        '\'' => {
            let (text, after) = quoted(rest, '\'', at)?;
            (TokenKind::Text(text), after)
        }
        '?' => (TokenKind::Parameter, rest.get(1..).unwrap_or_default()),
        '0'..='9' => number(rest, at)?,
        '.' if rest.chars().nth(1).is_some_and(|c| c.is_ascii_digit()) => number(rest, at)?,
        _ if first.is_ascii_alphabetic() || first == '_' || first == '#' => word(rest, at)?,
        _ => {
            let symbol = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol));
            let symbol = symbol.ok_or_else(|| near(&first.to_string(), at))?;
            (
                TokenKind::Symbol(symbol),
                rest.strip_prefix(symbol).unwrap_or_default(),
            )
        }
    };
    Ok(Some((Some(Token { kind, at }), after)))
}

fn near(what: &str, at: usize) -> SqlError {
    SqlError::new(code::SYNTAX, format!("incorrect syntax near \"{what}\"")).at(at)
}

/// Reads up to the closing quote; a doubled one stands for itself.
fn quoted(rest: &str, quote: char, at: usize) -> Result<(String, &str), SqlError> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((offset, c)) = chars.next() {
        if c != quote {
            text.push(c);
        } else if chars.next_if(|(_, next)| *next == quote).is_some() {
            text.push(quote);
        } else {
            return Ok((text, rest.get(offset + 1..).unwrap_or_default()));
        }
    }
    Err(SqlError::new(code::SYNTAX, "unterminated quoted string literal").at(at))
}

fn identifier((name, after): (String, &str), at: usize) -> Result<(TokenKind, &str), SqlError> {
    if name.is_empty() {
        return Err(near("\"\"", at));
    }
    if name.chars().count() > IDENTIFIER_CHARS_MAX {
        return Err(SqlError::new(code::IDENTIFIER_LENGTH, name).at(at));
    }
    Ok((TokenKind::Quoted(name), after))
}

fn word(rest: &str, at: usize) -> Result<(TokenKind, &str), SqlError> {
    let end = rest
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '#' | '$')))
        .unwrap_or(rest.len());
    let (word, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
    match (word, after.starts_with('\'')) {
        ("N" | "n", true) => {
            let (text, after) = quoted(after, '\'', at)?;
            Ok((TokenKind::Text(text), after))
        }
        ("X" | "x", true) => {
            let (digits, after) = quoted(after, '\'', at)?;
            let bytes = from_hex(&digits).ok_or_else(|| near(&digits, at))?;
            Ok((TokenKind::Bytes(bytes), after))
        }
        _ if word.len() > IDENTIFIER_CHARS_MAX => {
            Err(SqlError::new(code::IDENTIFIER_LENGTH, word).at(at))
        }
        _ => Ok((TokenKind::Word(word.to_ascii_uppercase()), after)),
    }
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let nibbles: Vec<u8> = digits
        .chars()
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let (pairs, rest) = nibbles.as_chunks::<2>();
    rest.is_empty()
        .then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

fn number(rest: &str, at: usize) -> Result<(TokenKind, &str), SqlError> {
    let digits = |text: &str| {
        text.find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len())
    };
    let mut end = digits(rest);
    let mut kind: fn(String) -> TokenKind = TokenKind::Integer;
    if let Some(fraction) = rest.get(end..).and_then(|after| after.strip_prefix('.')) {
        end += 1 + digits(fraction);
        kind = TokenKind::Decimal;
    }
    if let Some(exponent) = rest
        .get(end..)
        .and_then(|after| after.strip_prefix(['e', 'E']))
    {
        let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        let sign = exponent.len() - unsigned.len();
        if digits(unsigned) > 0 {
            end += 1 + sign + digits(unsigned);
            kind = TokenKind::Double;
        }
    }
    let (number, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
    if after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
        return Err(near(number, at));
    }
    Ok((kind(number.to_owned()), after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_cut_at_its_seams() {
        let kinds: Vec<_> = tokens("/* x.y */ select \"a\"\"b\", 'it''s', -- end\n 1.5e3<=?")
            .unwrap()
            .into_iter()
            .map(|token| token.kind)
            .collect();

        assert_eq!(
            kinds,
            [
                TokenKind::Word("SELECT".to_owned()),
                TokenKind::Quoted("a\"b".to_owned()),
                TokenKind::Symbol(","),
                TokenKind::Text("it's".to_owned()),
                TokenKind::Symbol(","),
                TokenKind::Double("1.5e3".to_owned()),
                TokenKind::Symbol("<="),
                TokenKind::Parameter,
                TokenKind::End,
            ]
        );
    }

    #[test]
    fn what_is_no_token_is_a_syntax_error() {
        for text in [
            "'open", "\"open", "/* open", "\"\"", "a ~ b", "12ab", "X'0'",
        ] {
            assert_eq!(tokens(text).unwrap_err().code, code::SYNTAX, "{text}");
        }
    }

    #[test]
    fn the_leading_comment_names_the_operation() {
        assert_eq!(
            leading_comment(" /* inbox.claim */ SELECT 1"),
            Some("inbox.claim")
        );
        assert_eq!(leading_comment("SELECT /* x */ 1"), None);
    }
}
