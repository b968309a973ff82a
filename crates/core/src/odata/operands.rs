//! What operators and functions take: the type rules of expressions.
//! Source: OData V4.01 Part 2, 5.1.1.1 to 5.1.1.9.

use bigdecimal::ToPrimitive;

use super::cursor::Parser;
use super::error::{QueryError, shown};
use super::expr::{Expr, Type};
use super::literal::Literal;
use super::operators::{Arithmetic, Comparison, Function};
use super::parser::{Operator, Parsed, Scope};
use super::pattern::Pattern;
use crate::row::ColumnType;

impl Parser<'_> {
    pub(super) fn combined(
        &self,
        operator: Operator,
        left: Parsed,
        right: Parsed,
    ) -> Result<Parsed, QueryError> {
        match operator {
            Operator::And | Operator::Or => self.logical(operator, left, right),
            Operator::Compare(comparison) => self.comparison(comparison, left, right),
            Operator::Compute(arithmetic) => self.arithmetic(arithmetic, left, right),
        }
    }

    /// A chain of `and` or `or` is one flat list: thousands of terms are no deeper than two.
    fn logical(
        &self,
        operator: Operator,
        left: Parsed,
        right: Parsed,
    ) -> Result<Parsed, QueryError> {
        self.require(&left, Type::Boolean)?;
        self.require(&right, Type::Boolean)?;
        let start = left.start;
        let height = left.height.max(right.height + 1);
        let (mut operands, flat) = match (operator, left.expr) {
            (Operator::And, Expr::And(operands)) | (Operator::Or, Expr::Or(operands))
                if left.open =>
            {
                (operands, true)
            }
            (_, expr) => (vec![expr], false),
        };
        operands.push(right.expr);
        let expr = if operator == Operator::And {
            Expr::And(operands)
        } else {
            Expr::Or(operands)
        };
        let parsed = self.built(start, expr, height)?;
        Ok(Parsed {
            height: if flat { height } else { parsed.height },
            ..parsed
        })
    }

    fn comparison(
        &self,
        comparison: Comparison,
        left: Parsed,
        right: Parsed,
    ) -> Result<Parsed, QueryError> {
        self.comparable(left.start, left.expr.kind(), right.expr.kind())?;
        let equality = matches!(comparison, Comparison::Equal | Comparison::NotEqual);
        for (one, other) in [(&left, &right), (&right, &left)] {
            let constant = matches!(other.expr, Expr::Literal(_));
            if one.expr.is_condition() && !(equality && constant) {
                let message = "conditions are compared only with true, false and null: use `and`, `or`, `not`";
                return Err(QueryError::unsupported(self.position(one.start), message));
            }
            if one.expr.kind() == Type::Boolean && !equality {
                let message = "Booleans are only compared with `eq` and `ne`";
                return Err(QueryError::unsupported(self.position(one.start), message));
            }
            if one.expr.kind() == Type::Duration {
                let message = "durations are only served in sums with an instant";
                return Err(QueryError::unsupported(self.position(one.start), message));
            }
        }
        let height = left.height.max(right.height);
        let expr = Expr::Compare(comparison, Box::new(left.expr), Box::new(right.expr));
        self.built(left.start, expr, height)
    }

    fn arithmetic(
        &self,
        operator: Arithmetic,
        left: Parsed,
        right: Parsed,
    ) -> Result<Parsed, QueryError> {
        let height = left.height.max(right.height);
        let start = left.start;
        let kinds = (left.expr.kind(), right.expr.kind());
        let number = |kind: Type| kind.is_number() || kind == Type::Null;
        let moves = matches!(operator, Arithmetic::Add | Arithmetic::Subtract);
        if moves && kinds == (Type::Timestamp, Type::Duration) {
            if !is_constant(&left.expr) {
                let message = "durations are only added to constants: compare the property with \
                               `now() sub duration'P7D'`";
                return Err(QueryError::unsupported(self.position(start), message));
            }
        } else if !number(kinds.0) || !number(kinds.1) {
            let message = format!(
                "`{}` takes numbers, not {} and {}",
                operator.word(),
                kinds.0.name(),
                kinds.1.name()
            );
            return Err(self.fail_at(start, message));
        }
        let expr = Expr::Compute(operator, Box::new(left.expr), Box::new(right.expr));
        self.check_size(&expr, start)?;
        self.built(start, expr, height)
    }

    /// Doubles hold what eight operators can make of numbers of 38 digits: the database's arithmetic can't overflow,
    /// which it would tell by failing, of rows that the viewer doesn't see too.
    fn check_size(&self, expr: &Expr, start: usize) -> Result<(), QueryError> {
        const OPERATORS_MAX: usize = 8;
        const OPERAND_MAX: f64 = 1e38;
        let (operators, largest) = arithmetic_size(expr);
        if operators > OPERATORS_MAX {
            let message =
                format!("expected at most {OPERATORS_MAX} arithmetic operators in one expression");
            return Err(self.fail_at(start, message));
        }
        if largest > OPERAND_MAX {
            return Err(self.fail_at(start, "expected numbers of at most 38 digits in arithmetic"));
        }
        Ok(())
    }

    /// A function's arguments, from the bracket on.
    pub(super) fn call(
        &mut self,
        scope: &Scope,
        name: &str,
        start: usize,
    ) -> Result<Parsed, QueryError> {
        let function = Function::ALL.iter().find(|(_, known)| *known == name);
        let Some((function, _)) = function else {
            return Err(self.unknown_function(name, start));
        };
        self.expect("(")?;
        let mut arguments: Vec<Parsed> = Vec::new();
        self.space();
        while !self.eat(")") {
            if !arguments.is_empty() && !self.eat(",") {
                return Err(self.fail("expected `,`, `)` or an operator"));
            }
            self.space();
            arguments.push(self.expression(scope)?);
            self.space();
        }
        self.check_arguments(*function, &arguments, start)?;
        let height = arguments
            .iter()
            .map(|argument| argument.height)
            .max()
            .unwrap_or(0);
        let arguments = arguments
            .into_iter()
            .map(|argument| argument.expr)
            .collect();
        self.built(start, Expr::Call(*function, arguments), height)
    }

    fn unknown_function(&self, name: &str, start: usize) -> QueryError {
        const KNOWN_ELSEWHERE: [&str; 7] = [
            "time",
            "totalseconds",
            "cast",
            "isof",
            "case",
            "hassubset",
            "hassubsequence",
        ];
        if KNOWN_ELSEWHERE.contains(&name) {
            return QueryError::unsupported(
                self.position(start),
                format!("the function `{name}` is not served"),
            );
        }
        self.fail_at(start, format!("there is no function `{}`", shown(name)))
    }

    fn check_arguments(
        &self,
        function: Function,
        arguments: &[Parsed],
        start: usize,
    ) -> Result<(), QueryError> {
        let (wanted, least) = parameters(function);
        if !(least..=wanted.len()).contains(&arguments.len()) {
            let message = match wanted.len() {
                0 => format!("`{}` takes no arguments", function.name()),
                most if most == least => format!("`{}` takes {most} argument(s)", function.name()),
                most => format!("`{}` takes {least} to {most} arguments", function.name()),
            };
            return Err(self.fail_at(start, message));
        }
        for (argument, parameter) in arguments.iter().zip(wanted) {
            let found = argument.expr.kind();
            if found != Type::Null && !parameter.takes(found) {
                let message = format!("expected {}, found {}", parameter.name(), found.name());
                return Err(self.fail_at(argument.start, message));
            }
        }
        if function == Function::MatchesPattern {
            return self.check_pattern(arguments.get(1));
        }
        Ok(())
    }

    /// The pattern is read here, so that a wrong one is refused whatever rows there are.
    fn check_pattern(&self, argument: Option<&Parsed>) -> Result<(), QueryError> {
        match argument {
            Some(Parsed {
                expr: Expr::Literal(Literal::Text(pattern)),
                start,
                ..
            }) => Pattern::new(pattern)
                .map(drop)
                .map_err(|error| self.fail_at(*start, error.to_string())),
            Some(argument) => {
                let message = "the pattern of matchesPattern must be a constant";
                Err(QueryError::unsupported(
                    self.position(argument.start),
                    message,
                ))
            }
            None => Ok(()),
        }
    }
}

/// What a function's parameter accepts.
#[derive(Clone, Copy)]
enum Parameter {
    Text,
    Integer,
    Number,
    Instant,
    Day,
}

impl Parameter {
    fn takes(self, kind: Type) -> bool {
        match self {
            Self::Text => kind == Type::Text,
            Self::Integer => kind == Type::Integer,
            Self::Number => kind.is_number(),
            Self::Instant => kind == Type::Timestamp,
            Self::Day => matches!(kind, Type::Date | Type::Timestamp),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Integer => "a whole number",
            Self::Number => "a number",
            Self::Instant => "an instant",
            Self::Day => "a date or an instant",
        }
    }
}

/// The parameters of a function, and how many of them are required.
fn parameters(function: Function) -> (&'static [Parameter], usize) {
    use Parameter::{Day, Instant, Integer, Number, Text};
    match function {
        Function::Contains
        | Function::StartsWith
        | Function::EndsWith
        | Function::MatchesPattern
        | Function::IndexOf
        | Function::Concat => (&[Text, Text], 2),
        Function::Length | Function::ToLower | Function::ToUpper | Function::Trim => (&[Text], 1),
        Function::Substring => (&[Text, Integer, Integer], 2),
        Function::Year | Function::Month | Function::Day => (&[Day], 1),
        Function::Hour
        | Function::Minute
        | Function::Second
        | Function::FractionalSeconds
        | Function::TotalOffsetMinutes
        | Function::Date => (&[Instant], 1),
        Function::Now | Function::MinDateTime | Function::MaxDateTime => (&[], 0),
        Function::Round | Function::Floor | Function::Ceiling => (&[Number], 1),
    }
}

/// How many operators an arithmetic expression has, and its largest constant.
fn arithmetic_size(expr: &Expr) -> (usize, f64) {
    match expr {
        Expr::Literal(Literal::Double(value)) => (0, value.abs()),
        Expr::Literal(Literal::Decimal(value)) => {
            (0, value.to_f64().map_or(f64::INFINITY, f64::abs))
        }
        Expr::Negate(operand) => arithmetic_size(operand),
        Expr::Call(_, arguments) => arguments.iter().map(arithmetic_size).fold((0, 0.0), larger),
        Expr::Compute(_, left, right) => {
            let (operators, largest) = larger(arithmetic_size(left), arithmetic_size(right));
            (operators + 1, largest)
        }
        _ => (0, 0.0),
    }
}

fn larger(one: (usize, f64), other: (usize, f64)) -> (usize, f64) {
    (one.0 + other.0, one.1.max(other.1))
}

/// Whether the value is the same for every row.
fn is_constant(expr: &Expr) -> bool {
    let mut constant = true;
    expr.properties(&mut |_| constant = false);
    constant
}

/// The column type that holds the values of an expression.
pub(crate) fn column_kind(expr: &Expr) -> ColumnType {
    if let Expr::Property { kind, .. } = expr {
        return *kind;
    }
    match expr.kind() {
        Type::Boolean => ColumnType::Boolean,
        Type::Integer => ColumnType::BigInt,
        Type::Decimal => ColumnType::Decimal {
            precision: 38,
            scale: 9,
        },
        Type::Double => ColumnType::Double,
        Type::Date => ColumnType::Date,
        Type::Timestamp => ColumnType::Timestamp,
        Type::Text | Type::Duration | Type::Null => ColumnType::NVarchar(5000),
    }
}
