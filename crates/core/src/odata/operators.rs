//! The operators and functions that expressions are made of.

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
