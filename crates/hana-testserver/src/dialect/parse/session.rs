//! Statements about the session and its transaction.

use super::Parser;
use crate::dialect::ast::SessionStatement;
use crate::dialect::token::TokenKind;
use crate::error::{SqlError, code};

impl Parser {
    pub(super) fn session(&mut self) -> Result<SessionStatement, SqlError> {
        if self.word("COMMIT") {
            return Ok(SessionStatement::Commit);
        }
        if self.word("ROLLBACK") {
            return Ok(SessionStatement::Rollback);
        }
        if self.word("UNSET") {
            let name = self.text()?;
            return Ok(SessionStatement::SetVariable(name, None));
        }
        self.expect_word("SET")?;
        if self.word("SCHEMA") {
            return self.ident().map(SessionStatement::SetSchema);
        }
        if self.word("TRANSACTION") {
            return self.transaction();
        }
        self.word("SESSION");
        let name = self.text()?;
        self.expect_symbol("=")?;
        let value = self.text()?;
        Ok(SessionStatement::SetVariable(name, Some(value)))
    }

    fn transaction(&mut self) -> Result<SessionStatement, SqlError> {
        if self.words(&["LOCK", "WAIT", "TIMEOUT"]) {
            let milliseconds = u64::from(self.unsigned()?);
            return Ok(SessionStatement::LockWait { milliseconds });
        }
        let at = self.at();
        if self.words(&["ISOLATION", "LEVEL"]) {
            if self.words(&["READ", "COMMITTED"]) {
                return Ok(SessionStatement::Isolation);
            }
            return Err(SqlError::new(
                code::NOT_SUPPORTED,
                "isolation levels above READ COMMITTED",
            )
            .at(at));
        }
        Err(self.unexpected())
    }

    fn text(&mut self) -> Result<String, SqlError> {
        let TokenKind::Text(text) = self.kind().clone() else {
            return Err(self.unexpected());
        };
        self.next += 1;
        Ok(text)
    }
}
