//! Expressions and conditions.

use super::Parser;
use super::call::call_of;
use crate::dialect::ast::{ArithmeticOperator, Expr, ObjectName};
use crate::dialect::token::TokenKind;
use crate::error::{SqlError, code};
use crate::types::SqlType;

/// Functions without parentheses.
const CONSTANTS: [&str; 11] = [
    "CURRENT_UTCTIMESTAMP",
    "CURRENT_TIMESTAMP",
    "CURRENT_UTCDATE",
    "CURRENT_DATE",
    "CURRENT_UTCTIME",
    "CURRENT_TIME",
    "CURRENT_USER",
    "SESSION_USER",
    "CURRENT_SCHEMA",
    "CURRENT_CONNECTION",
    "SYSUUID",
];

impl Parser {
    pub(super) fn expr(&mut self) -> Result<Expr, SqlError> {
        self.nested(Self::or)
    }

    fn or(&mut self) -> Result<Expr, SqlError> {
        let mut left = self.and()?;
        while self.word("OR") {
            self.link()?;
            left = Expr::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expr, SqlError> {
        let mut left = self.not()?;
        while self.word("AND") {
            self.link()?;
            left = Expr::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Expr, SqlError> {
        if self.word("NOT") {
            return self.nested(|parser| Ok(Expr::Not(Box::new(parser.not()?))));
        }
        self.predicate()
    }

    fn predicate(&mut self) -> Result<Expr, SqlError> {
        let at = self.at();
        if self.peek_row() {
            return self.nested(|parser| parser.row_in_query(at));
        }
        let left = self.sum()?;
        for operator in ["<=", ">=", "<>", "!=", "=", "<", ">"] {
            if self.symbol(operator) {
                let right = self.sum()?;
                return Ok(Expr::Compare {
                    operator: if operator == "!=" { "<>" } else { operator },
                    left: Box::new(left),
                    right: Box::new(right),
                    at,
                });
            }
        }
        if self.word("IS") {
            let negated = self.word("NOT");
            self.expect_word("NULL")?;
            return Ok(Expr::IsNull {
                expr: Box::new(left),
                negated,
            });
        }
        let negated = self.word("NOT");
        if self.word("BETWEEN") {
            let low = self.sum()?;
            self.expect_word("AND")?;
            let high = self.sum()?;
            return Ok(Expr::Between {
                expr: Box::new(left),
                low: Box::new(low),
                high: Box::new(high),
                negated,
                at,
            });
        }
        if self.word("IN") {
            return self.in_operand(left, negated, at);
        }
        if self.word("LIKE") {
            return self.like(left, negated, at);
        }
        if self.word("LIKE_REGEXPR") {
            return Ok(Expr::Matches {
                expr: Box::new(left),
                pattern: Box::new(self.sum()?),
                negated,
                at,
            });
        }
        if negated {
            Err(self.unexpected())
        } else {
            Ok(left)
        }
    }

    /// `(a, b) IN (SELECT …)`.
    fn row_in_query(&mut self, at: usize) -> Result<Expr, SqlError> {
        self.expect_symbol("(")?;
        let exprs = self.list(Self::sum)?;
        self.expect_symbol(")")?;
        let negated = self.word("NOT");
        self.expect_word("IN")?;
        self.expect_symbol("(")?;
        let query = self.query()?;
        self.expect_symbol(")")?;
        Ok(Expr::InQuery {
            exprs,
            query: Box::new(query),
            negated,
            at,
        })
    }

    /// Whether a row of several values begins here: a comma directly inside the parentheses.
    fn peek_row(&self) -> bool {
        if !self.peek_symbol("(") || self.ahead_word(1, "SELECT") || self.ahead_word(1, "WITH") {
            return false;
        }
        let mut depth = 0_usize;
        for count in 0.. {
            match self.ahead(count) {
                TokenKind::Symbol("(") => depth += 1,
                TokenKind::Symbol(")") if depth == 1 => return false,
                TokenKind::Symbol(")") => depth -= 1,
                TokenKind::Symbol(",") if depth == 1 => return true,
                TokenKind::End => return false,
                _ => {}
            }
        }
        false
    }

    fn in_operand(&mut self, left: Expr, negated: bool, at: usize) -> Result<Expr, SqlError> {
        self.expect_symbol("(")?;
        if self.peek_word("SELECT") || self.peek_word("WITH") {
            let query = self.query()?;
            self.expect_symbol(")")?;
            return Ok(Expr::InQuery {
                exprs: vec![left],
                query: Box::new(query),
                negated,
                at,
            });
        }
        let list = self.list(Self::sum)?;
        self.expect_symbol(")")?;
        Ok(Expr::InList {
            expr: Box::new(left),
            list,
            negated,
            at,
        })
    }

    fn like(&mut self, left: Expr, negated: bool, at: usize) -> Result<Expr, SqlError> {
        let pattern = Box::new(self.sum()?);
        let escape = if self.word("ESCAPE") {
            Some(Box::new(self.sum()?))
        } else {
            None
        };
        Ok(Expr::Like {
            expr: Box::new(left),
            pattern,
            escape,
            negated,
            at,
        })
    }

    /// A value without a comparison around it.
    pub(super) fn sum(&mut self) -> Result<Expr, SqlError> {
        let mut left = self.product()?;
        loop {
            let at = self.at();
            let operator = if self.symbol("+") {
                ArithmeticOperator::Add
            } else if self.symbol("-") {
                ArithmeticOperator::Subtract
            } else if self.symbol("||") {
                self.link()?;
                left = Expr::Concat(Box::new(left), Box::new(self.product()?));
                continue;
            } else {
                return Ok(left);
            };
            self.link()?;
            left = arithmetic(operator, left, self.product()?, at);
        }
    }

    fn product(&mut self) -> Result<Expr, SqlError> {
        let mut left = self.unary()?;
        loop {
            let at = self.at();
            let operator = if self.symbol("*") {
                ArithmeticOperator::Multiply
            } else if self.symbol("/") {
                ArithmeticOperator::Divide
            } else {
                return Ok(left);
            };
            self.link()?;
            left = arithmetic(operator, left, self.unary()?, at);
        }
    }

    fn unary(&mut self) -> Result<Expr, SqlError> {
        if self.symbol("-") {
            return self.nested(|parser| Ok(Expr::Negative(Box::new(parser.unary()?))));
        }
        self.symbol("+");
        self.primary()
    }

    fn primary(&mut self) -> Result<Expr, SqlError> {
        let at = self.at();
        let expr = match self.kind().clone() {
            TokenKind::Integer(digits) => Expr::Integer(digits),
            TokenKind::Decimal(digits) => Expr::Decimal(digits),
            TokenKind::Double(digits) => Expr::Double(digits),
            TokenKind::Text(text) => Expr::Text(text),
            TokenKind::Bytes(bytes) => Expr::Bytes(bytes),
            TokenKind::Parameter => {
                self.parameters += 1;
                Expr::Parameter(self.parameters - 1)
            }
            TokenKind::Symbol("(") => {
                self.next += 1;
                let inner = if self.peek_word("SELECT") || self.peek_word("WITH") {
                    Expr::Subquery(Box::new(self.query()?))
                } else {
                    self.expr()?
                };
                self.expect_symbol(")")?;
                return Ok(inner);
            }
            TokenKind::Quoted(_) => return self.name(at),
            TokenKind::Word(word) => return self.word_primary(&word, at),
            TokenKind::Symbol(_) | TokenKind::End => return Err(self.unexpected()),
        };
        self.next += 1;
        Ok(expr)
    }

    fn word_primary(&mut self, word: &str, at: usize) -> Result<Expr, SqlError> {
        let call = matches!(self.ahead(1), TokenKind::Symbol("("));
        if CONSTANTS.contains(&word) && !call {
            self.next += 1;
            return Ok(call_of(word, Vec::new(), at));
        }
        let literal = match word {
            "NULL" => Expr::Null,
            "TRUE" => Expr::Boolean(true),
            "FALSE" => Expr::Boolean(false),
            "CASE" => return self.nested(|parser| parser.case(at)),
            "EXISTS" => {
                self.next += 1;
                self.expect_symbol("(")?;
                let query = self.query()?;
                self.expect_symbol(")")?;
                return Ok(Expr::Exists(Box::new(query)));
            }
            // LEFT, RIGHT, REPLACE and others are functions in front of a parenthesis.
            _ if call => return self.call(word, at),
            "DATE" | "TIMESTAMP" | "TIME" if matches!(self.ahead(1), TokenKind::Text(_)) => {
                return self.typed_literal(word, at);
            }
            _ => return self.name(at),
        };
        self.next += 1;
        Ok(literal)
    }

    fn typed_literal(&mut self, word: &str, at: usize) -> Result<Expr, SqlError> {
        self.next += 1;
        let TokenKind::Text(text) = self.kind().clone() else {
            return Err(self.unexpected());
        };
        self.next += 1;
        Ok(Expr::Cast {
            expr: Box::new(Expr::Text(text)),
            to: SqlType::from_name(word, &[])?,
            at,
        })
    }

    /// A column, or `sequence.NEXTVAL`.
    fn name(&mut self, at: usize) -> Result<Expr, SqlError> {
        let mut names = vec![self.ident()?.name];
        while self.symbol(".") {
            if self.word("NEXTVAL") {
                let name = names.pop().unwrap_or_default();
                return Ok(Expr::NextValue(ObjectName {
                    schema: names.pop(),
                    name,
                    at,
                }));
            }
            if names.len() == 2 {
                return Err(self.unexpected());
            }
            names.push(self.ident()?.name);
        }
        let name = names.pop().unwrap_or_default();
        Ok(Expr::Column {
            qualifier: names.pop(),
            name,
            at,
        })
    }
}

fn arithmetic(operator: ArithmeticOperator, left: Expr, right: Expr, at: usize) -> Expr {
    Expr::Arithmetic {
        operator,
        left: Box::new(left),
        right: Box::new(right),
        at,
    }
}

impl SqlError {
    /// A rule of the grammar that HANA words like any other syntax error.
    pub(super) fn syntax(text: &str, at: usize) -> Self {
        Self::new(code::SYNTAX, text).at(at)
    }
}
