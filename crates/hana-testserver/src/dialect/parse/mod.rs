//! The parser: recursive descent over the tokens, one file per family of statements.

mod call;
mod definition;
mod expression;
mod modification;
mod query;
mod reserved;
mod session;

use super::ast::{Ident, ObjectName, Statement};
use super::token::{Token, TokenKind, tokens};
use crate::error::{SqlError, code};
use reserved::is_reserved;

/// A parsed statement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Parsed {
    pub(crate) statement: Statement,
    /// How many `?` it has.
    pub(crate) parameters: usize,
}

/// Parses one statement; a `;` at its end is taken.
pub(crate) fn parse(text: &str) -> Result<Parsed, SqlError> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        next: 0,
        parameters: 0,
        depth: 0,
        links: 0,
    };
    let statement = parser.statement()?;
    parser.symbol(";");
    match parser.kind() {
        TokenKind::End => Ok(Parsed {
            statement,
            parameters: parser.parameters,
        }),
        _ => Err(parser.unexpected()),
    }
}

/// Deepest nesting of expressions and queries.
const DEPTH_MAX: usize = 128;
/// Most operators of one statement that hang on each other, as in `a OR b OR c`.
const LINKS_MAX: usize = 4000;

pub(super) struct Parser {
    tokens: Vec<Token>,
    next: usize,
    parameters: usize,
    depth: usize,
    links: usize,
}

const END: &TokenKind = &TokenKind::End;

impl Parser {
    fn statement(&mut self) -> Result<Statement, SqlError> {
        let TokenKind::Word(word) = self.kind() else {
            if self.peek_symbol("(") {
                return self.select_statement();
            }
            return Err(self.unexpected());
        };
        match word.as_str() {
            "SELECT" | "WITH" => self.select_statement(),
            "INSERT" => self.insert(),
            "UPSERT" | "REPLACE" => self.upsert(),
            "UPDATE" => self.update(),
            "DELETE" => self.delete(),
            "MERGE" => self.merge(),
            "CREATE" | "ALTER" | "DROP" | "TRUNCATE" | "GRANT" | "REVOKE" => {
                self.definition().map(Statement::Define)
            }
            "SET" | "UNSET" | "COMMIT" | "ROLLBACK" => self.session().map(Statement::Session),
            _ => Err(self.unexpected()),
        }
    }

    fn kind(&self) -> &TokenKind {
        self.ahead(0)
    }

    fn ahead(&self, count: usize) -> &TokenKind {
        self.tokens
            .get(self.next + count)
            .map_or(END, |token| &token.kind)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(0, |token| token.at)
    }

    /// The error that HANA gives for a token that it did not expect.
    fn unexpected(&self) -> SqlError {
        let near = match self.kind() {
            TokenKind::Word(text)
            | TokenKind::Integer(text)
            | TokenKind::Decimal(text)
            | TokenKind::Double(text)
            | TokenKind::Quoted(text)
            | TokenKind::Text(text) => text.as_str(),
            TokenKind::Bytes(_) => "X'",
            TokenKind::Parameter => "?",
            TokenKind::Symbol(symbol) => symbol,
            TokenKind::End => "end of statement",
        };
        let near: String = near.chars().take(60).collect();
        SqlError::new(code::SYNTAX, format!("incorrect syntax near \"{near}\"")).at(self.at())
    }

    fn peek_word(&self, word: &str) -> bool {
        self.ahead_word(0, word)
    }

    fn ahead_word(&self, count: usize, word: &str) -> bool {
        matches!(self.ahead(count), TokenKind::Word(found) if found == word)
    }

    fn peek_symbol(&self, symbol: &str) -> bool {
        matches!(self.kind(), TokenKind::Symbol(found) if *found == symbol)
    }

    /// Takes the word if it is next.
    fn word(&mut self, word: &str) -> bool {
        let found = self.peek_word(word);
        self.next += usize::from(found);
        found
    }

    /// Takes the words if all of them are next.
    fn words(&mut self, words: &[&str]) -> bool {
        let found = words
            .iter()
            .enumerate()
            .all(|(count, word)| self.ahead_word(count, word));
        if found {
            self.next += words.len();
        }
        found
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        let found = self.peek_symbol(symbol);
        self.next += usize::from(found);
        found
    }

    fn expect_word(&mut self, word: &str) -> Result<(), SqlError> {
        if self.word(word) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    fn expect_symbol(&mut self, symbol: &str) -> Result<(), SqlError> {
        if self.symbol(symbol) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    /// A name: quoted, or an unquoted word that is not reserved.
    fn ident(&mut self) -> Result<Ident, SqlError> {
        let at = self.at();
        let name = match self.kind() {
            TokenKind::Quoted(name) => name.clone(),
            TokenKind::Word(word) if !is_reserved(word) => word.clone(),
            _ => return Err(self.unexpected()),
        };
        self.next += 1;
        Ok(Ident { name, at })
    }

    fn peek_ident(&self) -> bool {
        match self.kind() {
            TokenKind::Quoted(_) => true,
            TokenKind::Word(word) => !is_reserved(word),
            _ => false,
        }
    }

    fn object_name(&mut self) -> Result<ObjectName, SqlError> {
        let first = self.ident()?;
        if self.symbol(".") {
            let second = self.ident()?;
            return Ok(ObjectName {
                schema: Some(first.name),
                name: second.name,
                at: first.at,
            });
        }
        Ok(ObjectName {
            schema: None,
            name: first.name,
            at: first.at,
        })
    }

    /// `AS name`, or a name alone.
    fn alias(&mut self) -> Result<Option<String>, SqlError> {
        if self.word("AS") || (self.peek_ident() && !self.peek_clause()) {
            return self.ident().map(|ident| Some(ident.name));
        }
        Ok(None)
    }

    /// Words that HANA does not reserve but that can't be an alias without `AS` where they begin a clause.
    fn peek_clause(&self) -> bool {
        matches!(
            self.kind(),
            TokenKind::Word(word) if matches!(word.as_str(), "OFFSET" | "NULLS" | "ASC" | "DESC" | "AND" | "OR")
        )
    }

    /// Items between commas.
    fn list<T>(
        &mut self,
        item: impl Fn(&mut Self) -> Result<T, SqlError>,
    ) -> Result<Vec<T>, SqlError> {
        let mut items = vec![item(self)?];
        while self.symbol(",") {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// Names in parentheses.
    fn ident_list(&mut self) -> Result<Vec<Ident>, SqlError> {
        self.expect_symbol("(")?;
        let names = self.list(Self::ident)?;
        self.expect_symbol(")")?;
        Ok(names)
    }

    /// A whole number without a sign.
    fn unsigned(&mut self) -> Result<u32, SqlError> {
        let TokenKind::Integer(digits) = self.kind() else {
            return Err(self.unexpected());
        };
        let number = digits.parse().map_err(|_| self.unexpected())?;
        self.next += 1;
        Ok(number)
    }

    /// Counts an operator of a chain.
    fn link(&mut self) -> Result<(), SqlError> {
        self.links += 1;
        if self.links > LINKS_MAX {
            return Err(SqlError::new(code::SYNTAX, "too many operators").at(self.at()));
        }
        Ok(())
    }

    /// Runs a nested rule, bounded.
    fn nested<T>(
        &mut self,
        rule: impl FnOnce(&mut Self) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        if self.depth == DEPTH_MAX {
            return Err(SqlError::new(code::SYNTAX, "nested too deeply").at(self.at()));
        }
        self.depth += 1;
        let result = rule(self);
        self.depth -= 1;
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The statements of the integration tests, refused ones included.
    const STATEMENTS: [&str; 3] = [
        include_str!("../../../tests/dialect/queries.txt"),
        include_str!("../../../tests/dialect/refusals.txt"),
        include_str!("../../../tests/dialect/service.txt"),
    ];

    #[test]
    fn every_beginning_of_a_statement_parses_or_is_refused() {
        let lines = STATEMENTS.iter().flat_map(|file| file.lines());
        for statement in lines.map(|line| line.split(" ==>").next().unwrap()) {
            for (length, _) in statement.char_indices() {
                if let Err(error) = parse(statement.get(..length).unwrap()) {
                    assert!(
                        matches!(
                            error.code,
                            code::SYNTAX
                                | code::LENGTH
                                | code::PRECISION
                                | code::SCALE
                                | code::NOT_SUPPORTED
                        ),
                        "{error}"
                    );
                }
            }
        }
    }

    #[test]
    fn parameters_are_counted_wherever_they_stand() {
        let parsed = parse(
            "MERGE INTO T USING (SELECT CAST(? AS INTEGER) AS A FROM DUMMY) S ON T.A = S.A AND (T.B, ?) IN (SELECT B, ? FROM U) \
             WHEN MATCHED AND T.B BETWEEN ? AND ? THEN UPDATE SET B = ? WHEN NOT MATCHED THEN INSERT (A) VALUES (?)",
        )
        .unwrap();

        assert_eq!(parsed.parameters, 7);
    }
}
