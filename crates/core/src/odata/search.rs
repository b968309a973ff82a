//! `$search`: words and phrases that a row's texts must hold.
//! Source: OData V4.01 Part 2, 5.1.8 (`NOT`, `AND`, `OR`, quotes, brackets; words side by side mean `AND`).

use std::fmt;

use super::cursor::Parser;
use super::error::QueryError;

/// Words and phrases of one search: each is looked for in every text column.
const TERMS_MAX: usize = 32;

/// What a row's texts must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Search {
    /// One of the texts contains this, whatever the case of its letters.
    Term(String),
    /// Not that.
    Not(Box<Self>),
    /// All of them, at least two.
    And(Vec<Self>),
    /// One of them, at least two.
    Or(Vec<Self>),
}

impl Search {
    pub(crate) fn whole(mut parser: Parser<'_>) -> Result<Self, QueryError> {
        let search = Self::parse(&mut parser)?;
        parser.end("a word, `AND`, `OR` or end")?;
        Ok(search)
    }

    /// Reads up to the end or an unmatched `)`.
    pub(crate) fn parse(parser: &mut Parser<'_>) -> Result<Self, QueryError> {
        let start = parser.here();
        let search = Self::any(parser)?;
        if search.terms() > TERMS_MAX {
            return Err(parser.fail_at(
                start,
                format!("expected at most {TERMS_MAX} words and phrases"),
            ));
        }
        Ok(search)
    }

    fn any(parser: &mut Parser<'_>) -> Result<Self, QueryError> {
        parser.nested(|parser| {
            let mut operands = vec![Self::all(parser)?];
            while keyword(parser, "OR") {
                operands.push(Self::all(parser)?);
            }
            Ok(single_or(operands, Self::Or))
        })
    }

    fn all(parser: &mut Parser<'_>) -> Result<Self, QueryError> {
        let mut operands = vec![Self::one(parser)?];
        loop {
            let explicit = keyword(parser, "AND");
            let start = parser.here();
            let ends = keyword(parser, "OR");
            parser.rewind(start);
            parser.space();
            if !explicit && (ends || parser.rest().is_empty() || parser.rest().starts_with(')')) {
                return Ok(single_or(operands, Self::And));
            }
            operands.push(Self::one(parser)?);
        }
    }

    fn one(parser: &mut Parser<'_>) -> Result<Self, QueryError> {
        if keyword(parser, "NOT") {
            return parser.nested(|parser| Ok(Self::Not(Box::new(Self::one(parser)?))));
        }
        parser.space();
        if parser.eat("(") {
            let inner = Self::any(parser)?;
            parser.space();
            parser.expect(")")?;
            return Ok(inner);
        }
        let start = parser.here();
        let term = if parser.eat("\"") {
            phrase(parser, start)?
        } else {
            let word =
                parser.take(|char| !char.is_whitespace() && !matches!(char, '(' | ')' | '"'));
            if matches!(word, "AND" | "OR" | "NOT") {
                return Err(parser.fail_at(
                    start,
                    format!("expected a word before `{word}`, or quotes around it"),
                ));
            }
            word.to_owned()
        };
        if term.is_empty() {
            return Err(parser.fail_at(start, "expected a word or a phrase in double quotes"));
        }
        Ok(Self::Term(term))
    }

    fn terms(&self) -> usize {
        match self {
            Self::Term(_) => 1,
            Self::Not(operand) => operand.terms(),
            Self::And(operands) | Self::Or(operands) => operands.iter().map(Self::terms).sum(),
        }
    }
}

/// A phrase behind its opening quote; `\"` and `\\` stand for themselves.
fn phrase(parser: &mut Parser<'_>, start: usize) -> Result<String, QueryError> {
    let mut text = String::new();
    loop {
        text.push_str(parser.take(|char| char != '"' && char != '\\'));
        if parser.eat("\"") {
            return Ok(text);
        }
        if !parser.eat("\\") {
            return Err(parser.fail_at(start, "expected `\"` at the end of the phrase"));
        }
        if parser.eat("\"") {
            text.push('"');
        } else {
            parser.eat("\\");
            text.push('\\');
        }
    }
}

/// Consumes an upper-case keyword that stands alone, or nothing.
fn keyword(parser: &mut Parser<'_>, word: &str) -> bool {
    let start = parser.here();
    parser.space();
    if parser.eat(word) && (parser.rest().starts_with(['(', '"']) || parser.space()) {
        return true;
    }
    parser.rewind(start);
    false
}

fn single_or(mut operands: Vec<Search>, many: fn(Vec<Search>) -> Search) -> Search {
    match operands.pop() {
        Some(last) if operands.is_empty() => last,
        Some(last) => {
            operands.push(last);
            many(operands)
        }
        None => many(operands),
    }
}

impl fmt::Display for Search {
    /// Every term as a phrase, every group in brackets: nothing is left to precedence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |f: &mut fmt::Formatter<'_>, operands: &[Self], word: &str| {
            f.write_str("(")?;
            for (index, operand) in operands.iter().enumerate() {
                write!(f, "{}{operand}", if index == 0 { "" } else { word })?;
            }
            f.write_str(")")
        };
        match self {
            Self::Term(term) => {
                write!(f, "\"{}\"", term.replace('\\', "\\\\").replace('"', "\\\""))
            }
            Self::Not(operand) => write!(f, "NOT {operand}"),
            Self::And(operands) => joined(f, operands, " AND "),
            Self::Or(operands) => joined(f, operands, " OR "),
        }
    }
}
