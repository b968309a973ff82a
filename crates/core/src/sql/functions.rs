//! The scalar functions that SQLite lacks and the reader's SQL calls: the store registers them on every connection
//! that reads, as deterministic, under these names. On HANA the database's own functions stand in their place.

use std::fmt;

use crate::odata::Pattern;

/// A value as it goes in and out of a function.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// NULL.
    Null,
    /// A whole number.
    Integer(i64),
    /// A floating-point number.
    Real(f64),
    /// A text.
    Text(String),
}

/// The functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScalarFunction {
    /// Lower case of all letters; SQLite's own knows only a to z.
    Lower,
    /// Upper case of all letters.
    Upper,
    /// The largest whole number that is not greater.
    Floor,
    /// The smallest whole number that is not smaller.
    Ceiling,
    /// The remainder, with the dividend's sign; of zero, NULL.
    Modulo,
    /// 1 if the pattern occurs in the text, 0 if not.
    Matches,
}

impl ScalarFunction {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Lower,
        Self::Upper,
        Self::Floor,
        Self::Ceiling,
        Self::Modulo,
        Self::Matches,
    ];

    /// The name to register.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lower => "odata_lower",
            Self::Upper => "odata_upper",
            Self::Floor => "odata_floor",
            Self::Ceiling => "odata_ceiling",
            Self::Modulo => "odata_mod",
            Self::Matches => "odata_matches",
        }
    }

    /// How many arguments it takes.
    #[must_use]
    pub fn arguments(self) -> usize {
        match self {
            Self::Lower | Self::Upper | Self::Floor | Self::Ceiling => 1,
            Self::Modulo | Self::Matches => 2,
        }
    }

    /// Calls it. Whatever does not fit is NULL. `Matches` compiles its pattern: a store keeps a [`Pattern`] per
    /// statement instead.
    #[must_use]
    pub fn call(self, arguments: &[Value]) -> Value {
        match (self, arguments) {
            (Self::Lower, [Value::Text(text)]) => Value::Text(text.to_lowercase()),
            (Self::Upper, [Value::Text(text)]) => Value::Text(text.to_uppercase()),
            (Self::Floor | Self::Ceiling, [Value::Integer(number)]) => Value::Integer(*number),
            (Self::Floor, [Value::Real(number)]) => Value::Real(number.floor()),
            (Self::Ceiling, [Value::Real(number)]) => Value::Real(number.ceil()),
            (Self::Modulo, [left, right]) => modulo(left, right).unwrap_or(Value::Null),
            (Self::Matches, [Value::Text(text), Value::Text(pattern)]) => Pattern::new(pattern)
                .map_or(Value::Null, |pattern| {
                    Value::Integer(pattern.matches(text).into())
                }),
            _ => Value::Null,
        }
    }
}

fn modulo(left: &Value, right: &Value) -> Option<Value> {
    let number = |value: &Value| match value {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a remainder of mixed types is computed in doubles"
        )]
        Value::Integer(number) => Some(*number as f64),
        Value::Real(number) => Some(*number),
        Value::Null | Value::Text(_) => None,
    };
    let (left, right) = (number(left)?, number(right)?);
    (right != 0.0).then(|| Value::Real(left % right))
}

impl fmt::Display for ScalarFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
