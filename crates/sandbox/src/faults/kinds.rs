//! The kinds of value that a fault switch takes, each readable and printable.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How often a fault strikes, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share(f64);

impl Share {
    /// The fault does not strike.
    pub const NEVER: Self = Self(0.0);
    /// The fault strikes every time.
    pub const ALWAYS: Self = Self(1.0);

    pub(crate) fn get(self) -> f64 {
        self.0
    }
}

impl FromStr for Share {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        const EXPECTED: &str = "a share is between 0 and 1, or 0% to 100%";
        let share = match text.strip_suffix('%') {
            _ if text.is_empty() => 1.0,
            Some(percent) => percent.parse::<f64>().map_err(|_| EXPECTED)? / 100.0,
            None => text.parse().map_err(|_| EXPECTED)?,
        };
        if (0.0..=1.0).contains(&share) {
            Ok(Self(share))
        } else {
            Err(EXPECTED)
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause(Duration);

impl Pause {
    pub(crate) const fn millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// The time as a duration.
    pub fn get(self) -> Duration {
        self.0
    }

    pub(crate) fn as_millis(self) -> i64 {
        i64::try_from(self.0.as_millis()).unwrap_or(i64::MAX)
    }
}

impl FromStr for Pause {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        const EXPECTED: &str = "a time looks like 500ms, 2s or 1m";
        let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
        let millis_per_unit = match text.strip_prefix(digits) {
            Some("ms") => 1,
            Some("s" | "") => 1_000,
            Some("m") => 60_000,
            Some("h") => 3_600_000,
            Some("d") => 86_400_000,
            _ => return Err(EXPECTED),
        };
        let count: u64 = digits.parse().map_err(|_| EXPECTED)?;
        Ok(Self::millis(count.saturating_mul(millis_per_unit)))
    }
}

impl fmt::Display for Pause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        if millis.is_multiple_of(1_000) {
            write!(formatter, "{}s", millis / 1_000)
        } else {
            write!(formatter, "{millis}ms")
        }
    }
}

/// A value that is taken as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word(String);

impl Word {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn count(&self) -> u32 {
        self.0.parse().unwrap_or(0)
    }
}

impl FromStr for Word {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        Ok(Self::new(text))
    }
}

impl fmt::Display for Word {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Which calls a fault strikes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// All API calls.
    All,
    /// Only these families.
    Only(Vec<&'static str>),
}

impl Target {
    /// The families of calls that can be named.
    pub const FAMILIES: [&'static str; 5] = [
        "token",
        "responses",
        "exports",
        "definitions",
        "subscriptions",
    ];

    pub(crate) fn covers(&self, family: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(families) => families.contains(&family),
        }
    }
}

impl FromStr for Target {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        if matches!(text, "all" | "") {
            return Ok(Self::All);
        }
        text.split('+')
            .map(|name| Self::FAMILIES.into_iter().find(|family| *family == name))
            .collect::<Option<Vec<_>>>()
            .map(Self::Only)
            .ok_or("all, or token, responses, exports, definitions, subscriptions")
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => formatter.write_str("all"),
            Self::Only(families) => formatter.write_str(&families.join("+")),
        }
    }
}

/// Declares an enum that is read from and written as fixed words.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident, $expected:literal, $($(#[$doc:meta])* $variant:ident = $text:literal $(| $also:literal)*;)*) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$doc])* $variant,)*
        }

        impl FromStr for $name {
            type Err = &'static str;

            fn from_str(text: &str) -> Result<Self, &'static str> {
                match text {
                    $($text $(| $also)* => Ok(Self::$variant),)*
                    _ => Err($expected),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(match self {
                    $(Self::$variant => $text,)*
                })
            }
        }
    };
}

words! {
    /// On or off.
    OnOff, "on or off",
    /// Is done.
    On = "on" | "" | "true" | "1";
    /// Is not done.
    Off = "off" | "false" | "0";
}

words! {
    /// How "the response can't be read yet" is said. Which of them Qualtrics uses, and when, is not documented.
    NotYet, "202, 404 or mixed",
    /// 202 with a message. Source: Qualtrics OpenAPI, `singleResponses.json`.
    Accepted = "202";
    /// 404, as clients that retry any failure suggest.
    NotFound = "404";
    /// One or the other, by chance.
    Mixed = "mixed";
}

words! {
    /// What follows a callback that got no 2xx. Qualtrics documents nothing.
    Retry, "off, fixed or exponential",
    /// Nothing: the callback is lost.
    Off = "off";
    /// The same wait each time.
    Fixed = "fixed";
    /// The wait doubles.
    Exponential = "exponential";
}

words! {
    /// Which recorded form `MSG` has.
    MessageOrder, "2020 or 2019",
    /// The long form of the 2020 sample.
    Newer = "2020";
    /// The short form of the 2019 sample.
    Older = "2019";
}
