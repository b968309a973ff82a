//! Reads expressions: precedence by climbing, types checked on the way, every refusal with its place in the URL.
//! Source: OData V4.01 Part 2, 5.1.1 (operator precedence at its end); ABNF section 4.

use super::cursor::{DEPTH_MAX, Parser};
use super::error::{QueryError, shown};
use super::expr::{Expr, Type};
use super::literal::{self, Literal};
use super::operators::{Arithmetic, Comparison};
use crate::row::ColumnType;

/// A property that expressions may name.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: ColumnType,
    /// Whether a list shows it without being asked.
    pub listed: bool,
}

/// What expressions may name at one point of a query.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scope {
    /// The properties.
    pub members: Vec<Member>,
    /// Whether each row still is an entity with its key.
    pub entities: bool,
}

impl Scope {
    pub(crate) fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name)
    }
}

/// An expression with what the reader needs to know of it: where it began, how deep it is.
pub(crate) struct Parsed {
    pub(crate) expr: Expr,
    pub(crate) start: usize,
    pub(crate) height: usize,
    /// Whether another `and` or `or` may join it: false in brackets.
    pub(super) open: bool,
}

impl Parser<'_> {
    /// A whole option that is one condition, as `$filter` has it.
    pub(crate) fn whole_condition(mut self, scope: &Scope) -> Result<Expr, QueryError> {
        self.space();
        let condition = self.condition(scope)?;
        self.end("`and`, `or` or end")?;
        Ok(condition)
    }

    /// An expression that is true or false.
    pub(crate) fn condition(&mut self, scope: &Scope) -> Result<Expr, QueryError> {
        let parsed = self.expression(scope)?;
        self.require(&parsed, Type::Boolean)?;
        Ok(parsed.expr)
    }

    pub(crate) fn expression(&mut self, scope: &Scope) -> Result<Parsed, QueryError> {
        self.nested(|parser| parser.infix(scope, Operator::LOOSEST))
    }

    fn infix(&mut self, scope: &Scope, loosest: u8) -> Result<Parsed, QueryError> {
        let mut left = self.unary(scope)?;
        loop {
            let before = self.here();
            let Some(operator) = self.operator() else {
                self.rewind(before);
                return Ok(left);
            };
            if operator.binding() < loosest {
                self.rewind(before);
                return Ok(left);
            }
            let right = self.infix(scope, operator.binding() + 1)?;
            left = self.combined(operator, left, right)?;
        }
    }

    /// An operator's word with the white space around it.
    fn operator(&mut self) -> Option<Operator> {
        // `(a)and(b)` is not in the ABNF, but harmless: only letters would run together.
        let apart_before = self.is_behind(')') | self.space();
        let operator = Operator::from_word(self.word())?;
        let apart_after = self.space() | self.rest().starts_with('(') | self.rest().is_empty();
        (apart_before && apart_after).then_some(operator)
    }

    fn unary(&mut self, scope: &Scope) -> Result<Parsed, QueryError> {
        let start = self.here();
        if self.word() == "not" && (self.space() || self.rest().starts_with('(')) {
            let operand = self.nested(|parser| parser.unary(scope))?;
            self.require(&operand, Type::Boolean)?;
            return self.built(start, Expr::Not(Box::new(operand.expr)), operand.height);
        }
        self.rewind(start);
        let negated = self.rest().strip_prefix('-');
        if negated.is_some_and(|rest| !rest.starts_with(|char: char| char.is_ascii_digit())) {
            self.eat("-");
            self.space();
            let operand = self.nested(|parser| parser.unary(scope))?;
            if !operand.expr.kind().is_number() {
                return Err(self.fail_at(operand.start, "expected a number after `-`"));
            }
            return self.built(start, Expr::Negate(Box::new(operand.expr)), operand.height);
        }
        let operand = self.primary(scope)?;
        if self.eat_word("in") {
            return self.membership(operand);
        }
        Ok(operand)
    }

    /// The list behind `in`.
    fn membership(&mut self, operand: Parsed) -> Result<Parsed, QueryError> {
        if operand.expr.is_condition() {
            return Err(self.fail_at(operand.start, "expected a property or value before `in`"));
        }
        self.expect("(")?;
        let mut values = Vec::new();
        loop {
            self.space();
            let start = self.here();
            let value = self
                .literal()?
                .ok_or_else(|| self.fail("expected a value"))?;
            self.comparable(start, operand.expr.kind(), value.kind())?;
            values.push(value);
            self.space();
            if !self.eat(",") {
                break;
            }
        }
        self.expect(")")?;
        self.built(
            operand.start,
            Expr::In(Box::new(operand.expr), values),
            operand.height,
        )
    }

    fn primary(&mut self, scope: &Scope) -> Result<Parsed, QueryError> {
        let start = self.here();
        if self.eat("(") {
            self.space();
            let inner = self.expression(scope)?;
            self.space();
            if !self.eat(")") {
                return Err(self.fail("expected `)` or an operator"));
            }
            return Ok(Parsed {
                start,
                open: false,
                ..inner
            });
        }
        if let Some(literal) = self.literal()? {
            return self.built(start, Expr::Literal(literal), 0);
        }
        let name = self.word();
        if name.is_empty() {
            return Err(self.no_operand());
        }
        if self.rest().starts_with('(') {
            return self.nested(|parser| parser.call(scope, name, start));
        }
        if self.rest().starts_with(['/', '.']) {
            return Err(self.fail(format!("`{}` has no parts", shown(name))));
        }
        match scope.member(name) {
            Some(member) => {
                let (name, kind) = (member.name.clone(), member.kind);
                self.built(start, Expr::Property { name, kind }, 0)
            }
            None => Err(self
                .fail_at(start, format!("there is no property `{}`", shown(name)))
                .about(&shown(name))),
        }
    }

    fn no_operand(&self) -> QueryError {
        match self.rest().chars().next() {
            Some('$') => QueryError::unsupported(
                self.position(self.here()),
                "`$it`, `$root` and `$this` are not served",
            ),
            Some('@') => QueryError::unsupported(
                self.position(self.here()),
                "parameter aliases are not served",
            ),
            _ => self.fail("expected a property, a function or a value"),
        }
    }

    /// A constant, if one comes next.
    pub(crate) fn literal(&mut self) -> Result<Option<Literal>, QueryError> {
        let start = self.here();
        let rest = self.rest();
        if rest.starts_with('\'') {
            return self.quoted().map(Literal::Text).map(Some);
        }
        let unsigned = rest.strip_prefix('-').unwrap_or(rest);
        if unsigned.starts_with(|char: char| char.is_ascii_digit()) {
            let text = self.take(|char| {
                char.is_ascii_alphanumeric() || matches!(char, '.' | ':' | '-' | '+' | '_')
            });
            return literal::number_or_time(text)
                .map(Some)
                .map_err(|expected| self.fail_at(start, expected));
        }
        let literal = match self.word() {
            "null" => Some(Literal::Null),
            "true" => Some(Literal::Boolean(true)),
            "false" => Some(Literal::Boolean(false)),
            "INF" | "NaN" => {
                let message = "`INF` and `NaN` are not served";
                return Err(QueryError::unsupported(self.position(start), message));
            }
            "duration" if self.rest().starts_with('\'') => {
                let text = self.quoted()?;
                let value = literal::duration(&text);
                return value
                    .map(Some)
                    .ok_or_else(|| self.fail_at(start, "expected a duration like duration'P7D'"));
            }
            _ => None,
        };
        // `true` may begin a longer name, and a name may be a function's.
        if literal.is_none() || self.rest().starts_with(['(', '/']) {
            self.rewind(start);
            return Ok(None);
        }
        Ok(literal)
    }

    /// A text in single quotes, quotes inside doubled.
    pub(crate) fn quoted(&mut self) -> Result<String, QueryError> {
        /// What HANA's NVARCHAR holds, and so what a text can equal.
        const TEXT_UNITS_MAX: usize = 5000;
        let start = self.here();
        self.expect("'")?;
        let mut text = String::new();
        loop {
            text.push_str(self.take(|char| char != '\''));
            if !self.eat("'") {
                return Err(self.fail_at(start, "expected `'` at the end of the text"));
            }
            if self.eat("'") {
                text.push('\'');
            } else if text.encode_utf16().count() <= TEXT_UNITS_MAX {
                return Ok(text);
            } else {
                let message = format!("expected a text of at most {TEXT_UNITS_MAX} characters");
                return Err(self.fail_at(start, message));
            }
        }
    }

    pub(crate) fn require(&self, parsed: &Parsed, wanted: Type) -> Result<(), QueryError> {
        let found = parsed.expr.kind();
        if found == wanted || found == Type::Null {
            return Ok(());
        }
        let message = format!("expected {}, found {}", wanted.name(), found.name());
        Err(self.fail_at(parsed.start, message))
    }

    /// Whether values of the two types have an order or equality between them.
    pub(crate) fn comparable(&self, at: usize, left: Type, right: Type) -> Result<(), QueryError> {
        let alike = left == right || (left.is_number() && right.is_number());
        if alike || left == Type::Null || right == Type::Null {
            return Ok(());
        }
        let mut message = format!("{} can't be compared with {}", left.name(), right.name());
        if matches!(
            (left, right),
            (Type::Timestamp, Type::Date) | (Type::Date, Type::Timestamp)
        ) {
            message.push_str(": use date() of the instant");
        }
        Err(self.fail_at(at, message))
    }

    pub(crate) fn built(
        &self,
        start: usize,
        expr: Expr,
        height: usize,
    ) -> Result<Parsed, QueryError> {
        if height >= DEPTH_MAX {
            return Err(self.fail_at(
                start,
                format!("expected at most {DEPTH_MAX} levels of nesting"),
            ));
        }
        Ok(Parsed {
            expr,
            start,
            height: height + 1,
            open: true,
        })
    }
}

/// An infix operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Compare(Comparison),
    Compute(Arithmetic),
}

impl Operator {
    const LOOSEST: u8 = 1;

    fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "or" => Self::Or,
            "and" => Self::And,
            "eq" => Self::Compare(Comparison::Equal),
            "ne" => Self::Compare(Comparison::NotEqual),
            "gt" => Self::Compare(Comparison::Greater),
            "ge" => Self::Compare(Comparison::GreaterOrEqual),
            "lt" => Self::Compare(Comparison::Less),
            "le" => Self::Compare(Comparison::LessOrEqual),
            "add" => Self::Compute(Arithmetic::Add),
            "sub" => Self::Compute(Arithmetic::Subtract),
            "mul" => Self::Compute(Arithmetic::Multiply),
            "div" => Self::Compute(Arithmetic::Divide),
            "divby" => Self::Compute(Arithmetic::DivideBy),
            "mod" => Self::Compute(Arithmetic::Modulo),
            _ => return None,
        })
    }

    fn binding(self) -> u8 {
        match self {
            Self::Or => Self::LOOSEST,
            Self::And => 2,
            Self::Compare(Comparison::Equal | Comparison::NotEqual) => 3,
            Self::Compare(_) => 4,
            Self::Compute(Arithmetic::Add | Arithmetic::Subtract) => 5,
            Self::Compute(_) => 6,
        }
    }
}
