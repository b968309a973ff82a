//! Functions, CASE and CAST.

use super::Parser;
use crate::dialect::ast::Expr;
use crate::dialect::token::TokenKind;
use crate::error::SqlError;
use crate::types::SqlType;

impl Parser {
    pub(super) fn case(&mut self, at: usize) -> Result<Expr, SqlError> {
        self.expect_word("CASE")?;
        let operand = if self.peek_word("WHEN") {
            None
        } else {
            Some(Box::new(self.expr()?))
        };
        let mut branches = Vec::new();
        while self.word("WHEN") {
            let condition = self.expr()?;
            self.expect_word("THEN")?;
            branches.push((condition, self.expr()?));
        }
        let otherwise = if self.word("ELSE") {
            Some(Box::new(self.expr()?))
        } else {
            None
        };
        self.expect_word("END")?;
        if branches.is_empty() {
            return Err(self.unexpected());
        }
        Ok(Expr::Case {
            operand,
            branches,
            otherwise,
            at,
        })
    }

    pub(super) fn call(&mut self, name: &str, at: usize) -> Result<Expr, SqlError> {
        self.next += 2;
        match name {
            "CAST" => return self.cast(at),
            "EXTRACT" => return self.extract(at),
            "TRIM" => return self.trim(at),
            "COUNT" if self.symbol("*") => {
                self.expect_symbol(")")?;
                return Ok(Expr::CountAll);
            }
            "ROW_NUMBER" | "RANK" | "DENSE_RANK" => return self.window(name, at),
            _ => {}
        }
        let distinct = self.word("DISTINCT");
        let args = if self.peek_symbol(")") {
            Vec::new()
        } else {
            self.list(Self::expr)?
        };
        self.expect_symbol(")")?;
        Ok(Expr::Call {
            name: name.to_owned(),
            args,
            distinct,
            at,
        })
    }

    fn cast(&mut self, at: usize) -> Result<Expr, SqlError> {
        let expr = Box::new(self.expr()?);
        self.expect_word("AS")?;
        let to = self.sql_type()?;
        self.expect_symbol(")")?;
        Ok(Expr::Cast { expr, to, at })
    }

    /// `EXTRACT(YEAR FROM x)`.
    fn extract(&mut self, at: usize) -> Result<Expr, SqlError> {
        let part = self.ident()?.name;
        let function = match part.as_str() {
            "DAY" => "DAYOFMONTH",
            "YEAR" | "MONTH" | "HOUR" | "MINUTE" | "SECOND" => part.as_str(),
            _ => return Err(self.unexpected()),
        };
        self.expect_word("FROM")?;
        let expr = self.expr()?;
        self.expect_symbol(")")?;
        Ok(call_of(function, vec![expr], at))
    }

    /// `TRIM(x)`, `TRIM(LEADING 'c' FROM x)`.
    fn trim(&mut self, at: usize) -> Result<Expr, SqlError> {
        let name = if self.word("LEADING") {
            "LTRIM"
        } else if self.word("TRAILING") {
            "RTRIM"
        } else {
            self.word("BOTH");
            "TRIM"
        };
        let first = self.expr()?;
        let args = if self.word("FROM") {
            vec![self.expr()?, first]
        } else {
            vec![first]
        };
        self.expect_symbol(")")?;
        Ok(call_of(name, args, at))
    }

    fn window(&mut self, name: &str, at: usize) -> Result<Expr, SqlError> {
        self.expect_symbol(")")?;
        self.expect_word("OVER")?;
        self.expect_symbol("(")?;
        let partition_by = if self.words(&["PARTITION", "BY"]) {
            self.list(Self::expr)?
        } else {
            Vec::new()
        };
        let order_by = self.order_by()?;
        self.expect_symbol(")")?;
        Ok(Expr::Window {
            function: name.to_owned(),
            partition_by,
            order_by,
            at,
        })
    }

    /// A type with its lengths.
    pub(super) fn sql_type(&mut self) -> Result<SqlType, SqlError> {
        let at = self.at();
        let TokenKind::Word(name) = self.kind().clone() else {
            return Err(self.unexpected());
        };
        self.next += 1;
        let mut numbers = Vec::new();
        if self.symbol("(") {
            numbers = self.list(Self::unsigned)?;
            self.expect_symbol(")")?;
        }
        SqlType::from_name(&name, &numbers).map_err(|error| error.at(at))
    }
}

pub(super) fn call_of(name: &str, args: Vec<Expr>, at: usize) -> Expr {
    Expr::Call {
        name: name.to_owned(),
        args,
        distinct: false,
        at,
    }
}
