//! Expressions of `$filter`, `$orderby` and `$apply`: typed trees that write themselves as URL text again.

use std::fmt;

use bigdecimal::BigDecimal;
use jiff::SignedDuration;
use jiff::civil;

use crate::row::ColumnType;
use crate::time::Timestamp;

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

/// A constant.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number of 64 bits.
    Integer(i64),
    /// A number with a point, or a whole number of more than 64 bits.
    Decimal(BigDecimal),
    /// A number with an exponent.
    Double(f64),
    /// A text in single quotes.
    Text(String),
    /// A day.
    Date(civil::Date),
    /// An instant.
    Timestamp(Timestamp),
    /// A length of time.
    Duration(SignedDuration),
}

impl Literal {
    /// The constant's type.
    #[must_use]
    pub fn kind(&self) -> Type {
        match self {
            Self::Null => Type::Null,
            Self::Boolean(_) => Type::Boolean,
            Self::Integer(_) => Type::Integer,
            Self::Decimal(_) => Type::Decimal,
            Self::Double(_) => Type::Double,
            Self::Text(_) => Type::Text,
            Self::Date(_) => Type::Date,
            Self::Timestamp(_) => Type::Timestamp,
            Self::Duration(_) => Type::Duration,
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Decimal(value) => f.write_str(&value.to_plain_string()),
            Self::Double(value) => write!(f, "{value:e}"),
            Self::Text(value) => write!(f, "'{}'", value.replace('\'', "''")),
            Self::Date(value) => write!(f, "{value}"),
            Self::Timestamp(value) => write!(f, "{value}"),
            Self::Duration(value) => write!(f, "duration'{value}'"),
        }
    }
}

/// A comparison. Source: OData V4.01 Part 2, 5.1.1.1.1 to 5.1.1.1.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `eq`
    Equal,
    /// `ne`
    NotEqual,
    /// `gt`
    Greater,
    /// `ge`
    GreaterOrEqual,
    /// `lt`
    Less,
    /// `le`
    LessOrEqual,
}

impl Comparison {
    /// The operator's word in URLs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Equal => "eq",
            Self::NotEqual => "ne",
            Self::Greater => "gt",
            Self::GreaterOrEqual => "ge",
            Self::Less => "lt",
            Self::LessOrEqual => "le",
        }
    }

    /// The same comparison with its sides exchanged.
    #[must_use]
    pub fn mirrored(self) -> Self {
        match self {
            Self::Equal => Self::Equal,
            Self::NotEqual => Self::NotEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
        }
    }
}

/// An arithmetic operator. Source: OData V4.01 Part 2, 5.1.1.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    /// `add`
    Add,
    /// `sub`
    Subtract,
    /// `mul`
    Multiply,
    /// `div`: between whole numbers the whole part of the quotient.
    Divide,
    /// `divby`: always with fraction.
    DivideBy,
    /// `mod`
    Modulo,
}

impl Arithmetic {
    /// The operator's word in URLs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Subtract => "sub",
            Self::Multiply => "mul",
            Self::Divide => "div",
            Self::DivideBy => "divby",
            Self::Modulo => "mod",
        }
    }
}

/// A function that is served. Source: OData V4.01 Part 2, 5.1.1.5 to 5.1.1.9.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is OData's function of that name")]
pub enum Function {
    Contains,
    StartsWith,
    EndsWith,
    MatchesPattern,
    Length,
    IndexOf,
    Substring,
    ToLower,
    ToUpper,
    Trim,
    Concat,
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    FractionalSeconds,
    TotalOffsetMinutes,
    Date,
    Now,
    MinDateTime,
    MaxDateTime,
    Round,
    Floor,
    Ceiling,
}

impl Function {
    /// All of them with their names in URLs.
    pub(crate) const ALL: [(Self, &'static str); 26] = [
        (Self::Contains, "contains"),
        (Self::StartsWith, "startswith"),
        (Self::EndsWith, "endswith"),
        (Self::MatchesPattern, "matchesPattern"),
        (Self::Length, "length"),
        (Self::IndexOf, "indexof"),
        (Self::Substring, "substring"),
        (Self::ToLower, "tolower"),
        (Self::ToUpper, "toupper"),
        (Self::Trim, "trim"),
        (Self::Concat, "concat"),
        (Self::Year, "year"),
        (Self::Month, "month"),
        (Self::Day, "day"),
        (Self::Hour, "hour"),
        (Self::Minute, "minute"),
        (Self::Second, "second"),
        (Self::FractionalSeconds, "fractionalseconds"),
        (Self::TotalOffsetMinutes, "totaloffsetminutes"),
        (Self::Date, "date"),
        (Self::Now, "now"),
        (Self::MinDateTime, "mindatetime"),
        (Self::MaxDateTime, "maxdatetime"),
        (Self::Round, "round"),
        (Self::Floor, "floor"),
        (Self::Ceiling, "ceiling"),
    ];

    /// The function's name in URLs.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(function, _)| *function == self)
            .map_or("", |(_, name)| name)
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
