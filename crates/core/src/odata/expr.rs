//! Expressions of `$filter`, `$orderby` and `$apply`: typed trees that write themselves as URL text again.

use std::fmt;

use super::literal::Literal;
use super::operators::{Arithmetic, Comparison, Function};
use crate::row::ColumnType;

/// What an expression's value is. Numbers compare with numbers (numeric promotion), all else only with its own kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// `Edm.Boolean`.
    Boolean,
    /// `Edm.Int32` and `Edm.Int64`.
    Integer,
    /// `Edm.Decimal`.
    Decimal,
    /// `Edm.Double`.
    Double,
    /// `Edm.String`.
    Text,
    /// `Edm.Date`.
    Date,
    /// `Edm.DateTimeOffset`.
    Timestamp,
    /// `Edm.Duration`: only in constants, to be added to an instant.
    Duration,
    /// The literal `null`, which goes with everything.
    Null,
}

impl Type {
    /// Whether numeric promotion applies.
    #[must_use]
    pub fn is_number(self) -> bool {
        matches!(self, Self::Integer | Self::Decimal | Self::Double)
    }

    /// The type's name in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Boolean => "a Boolean",
            Self::Integer => "a whole number",
            Self::Decimal | Self::Double => "a number",
            Self::Text => "a text",
            Self::Date => "a date",
            Self::Timestamp => "an instant",
            Self::Duration => "a duration",
            Self::Null => "null",
        }
    }
}

impl From<ColumnType> for Type {
    fn from(kind: ColumnType) -> Self {
        match kind {
            ColumnType::Integer | ColumnType::BigInt => Self::Integer,
            ColumnType::Double => Self::Double,
            ColumnType::Decimal { .. } => Self::Decimal,
            ColumnType::Boolean => Self::Boolean,
            ColumnType::Date => Self::Date,
            ColumnType::Timestamp => Self::Timestamp,
            ColumnType::NVarchar(_) | ColumnType::NClob => Self::Text,
        }
    }
}

/// A typed expression over the properties in scope.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// A constant.
    Literal(Literal),
    /// A property in scope.
    Property {
        /// Its name.
        name: String,
        /// Its type.
        kind: ColumnType,
    },
    /// All of them, at least two.
    And(Vec<Self>),
    /// One of them, at least two.
    Or(Vec<Self>),
    /// The opposite; of null, null.
    Not(Box<Self>),
    /// `-x`
    Negate(Box<Self>),
    /// A comparison: always true or false, never null.
    Compare(Comparison, Box<Self>, Box<Self>),
    /// Equal to one of the constants: never null either.
    In(Box<Self>, Vec<Literal>),
    /// An arithmetic operation.
    Compute(Arithmetic, Box<Self>, Box<Self>),
    /// A function with its arguments.
    Call(Function, Vec<Self>),
}

impl Expr {
    /// The type of the expression's value.
    #[must_use]
    pub fn kind(&self) -> Type {
        match self {
            Self::Literal(literal) => literal.kind(),
            Self::Property { kind, .. } => Type::from(*kind),
            Self::And(_) | Self::Or(_) | Self::Not(_) | Self::Compare(..) | Self::In(..) => {
                Type::Boolean
            }
            Self::Negate(operand) => operand.kind(),
            Self::Compute(operator, left, right) => {
                arithmetic_kind(*operator, left.kind(), right.kind())
            }
            Self::Call(function, arguments) => {
                call_kind(*function, arguments.first().map(Self::kind))
            }
        }
    }

    /// Whether this is a condition: a Boolean that databases have no value for, other than a property or constant.
    #[must_use]
    pub fn is_condition(&self) -> bool {
        self.kind() == Type::Boolean && !matches!(self, Self::Literal(_) | Self::Property { .. })
    }

    /// Calls `visit` with the name of every property in the expression.
    pub(crate) fn properties<'a>(&'a self, visit: &mut dyn FnMut(&'a str)) {
        match self {
            Self::Literal(_) => {}
            Self::Property { name, .. } => visit(name),
            Self::Not(operand) | Self::Negate(operand) | Self::In(operand, _) => {
                operand.properties(visit)
            }
            Self::And(operands) | Self::Or(operands) | Self::Call(_, operands) => {
                for operand in operands {
                    operand.properties(visit);
                }
            }
            Self::Compare(_, left, right) | Self::Compute(_, left, right) => {
                left.properties(visit);
                right.properties(visit);
            }
        }
    }
}

fn arithmetic_kind(operator: Arithmetic, left: Type, right: Type) -> Type {
    match (left, right) {
        (Type::Timestamp, _) | (_, Type::Timestamp) => Type::Timestamp,
        (Type::Double, _) | (_, Type::Double) => Type::Double,
        (Type::Integer, Type::Integer) if operator != Arithmetic::DivideBy => Type::Integer,
        _ => Type::Decimal,
    }
}

fn call_kind(function: Function, first: Option<Type>) -> Type {
    match function {
        Function::Contains
        | Function::StartsWith
        | Function::EndsWith
        | Function::MatchesPattern => Type::Boolean,
        Function::Length
        | Function::IndexOf
        | Function::Year
        | Function::Month
        | Function::Day
        | Function::Hour
        | Function::Minute
        | Function::Second
        | Function::TotalOffsetMinutes => Type::Integer,
        Function::Substring
        | Function::ToLower
        | Function::ToUpper
        | Function::Trim
        | Function::Concat => Type::Text,
        Function::FractionalSeconds => Type::Decimal,
        Function::Date => Type::Date,
        Function::Now | Function::MinDateTime | Function::MaxDateTime => Type::Timestamp,
        // Source: OData V4.01 Part 2, 5.1.1.9: the result has the parameter's type; of whole numbers it is themselves.
        Function::Round | Function::Floor | Function::Ceiling => first.unwrap_or(Type::Decimal),
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(literal) => write!(f, "{literal}"),
            Self::Property { name, .. } => f.write_str(name),
            Self::And(operands) => joined(f, operands, " and "),
            Self::Or(operands) => joined(f, operands, " or "),
            Self::Not(operand) => write!(f, "not {}", Operand(operand)),
            Self::Negate(operand) => write!(f, "- {}", Operand(operand)),
            Self::Compare(comparison, left, right) => {
                write!(
                    f,
                    "{} {} {}",
                    Operand(left),
                    comparison.word(),
                    Operand(right)
                )
            }
            Self::In(operand, values) => {
                write!(f, "{} in (", Operand(operand))?;
                for (index, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if index == 0 { "" } else { "," })?;
                }
                f.write_str(")")
            }
            Self::Compute(operator, left, right) => {
                write!(
                    f,
                    "{} {} {}",
                    Operand(left),
                    operator.word(),
                    Operand(right)
                )
            }
            Self::Call(function, arguments) => {
                write!(f, "{}(", function.name())?;
                for (index, argument) in arguments.iter().enumerate() {
                    write!(f, "{}{argument}", if index == 0 { "" } else { "," })?;
                }
                f.write_str(")")
            }
        }
    }
}

fn joined(f: &mut fmt::Formatter<'_>, operands: &[Expr], word: &str) -> fmt::Result {
    for (index, operand) in operands.iter().enumerate() {
        write!(
            f,
            "{}{}",
            if index == 0 { "" } else { word },
            Operand(operand)
        )?;
    }
    Ok(())
}

/// An operand in brackets, unless it needs none whatever stands around it.
struct Operand<'a>(&'a Expr);

impl fmt::Display for Operand<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Expr::Literal(_) | Expr::Property { .. } | Expr::Call(..) => write!(f, "{}", self.0),
            Expr::And(_)
            | Expr::Or(_)
            | Expr::Not(_)
            | Expr::Negate(_)
            | Expr::Compare(..)
            | Expr::In(..)
            | Expr::Compute(..) => write!(f, "({})", self.0),
        }
    }
}
