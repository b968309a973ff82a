//! Identifiers that are safe in URLs and SQL by construction: whoever holds one need not check it again.

use std::fmt;
use std::str::FromStr;

/// Why a text is not an identifier of the kind asked for. The text itself is not repeated: it comes from outside.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a {kind}: expected {expected}")]
pub struct IdError {
    kind: &'static str,
    expected: &'static str,
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $expected:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Box<str>);

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(IdError { kind: $kind, expected: $expected })
                }
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text: std::borrow::Cow<'de, str> = serde::Deserialize::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

identifier!(
    /// A survey: `SV_` and 11 to 15 letters or digits.
    /// Source: Qualtrics API reference, survey ids match `^SV_[0-9a-zA-Z]{11,15}$`.
    SurveyId,
    "survey id",
    "SV_ and 11 to 15 letters or digits",
    |text| text.strip_prefix("SV_").is_some_and(|rest| alphanumeric(rest, 11, 15))
);

identifier!(
    /// A response: one to four capitals, `_`, and 1 to 64 letters or digits (`R_…`; others occur for imports).
    ResponseId,
    "response id",
    "one to four capitals, _, and 1 to 64 letters or digits",
    |text| text.split_once('_').is_some_and(|(prefix, rest)| {
        (1..=4).contains(&prefix.len())
            && prefix.bytes().all(|b| b.is_ascii_uppercase())
            && alphanumeric(rest, 1, 64)
    })
);

identifier!(
    /// An event subscription. Opaque (`SUB_…` in recordings), so only what could break a URL is kept out.
    SubscriptionId,
    "subscription id",
    "1 to 64 letters, digits, _ or -",
    |text| (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
);

fn alphanumeric(text: &str, min: usize, max: usize) -> bool {
    (min..=max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_ids_are_accepted() {
        assert!("SV_22VlHYNeldrrrkp".parse::<SurveyId>().is_ok());
        assert!("R_0B7IcnXszjEUHLP".parse::<ResponseId>().is_ok());
        assert!("SUB_2hV5sr8NZQyBMaX".parse::<SubscriptionId>().is_ok());
    }

    #[test]
    fn what_could_leave_a_path_or_a_statement_is_refused() {
        for text in [
            "",
            "SV_",
            "SV_short",
            "SV_../../whoami",
            "SV_123456789012345678",
            "sv_22VlHYNeldrrrkp",
            "SV_22VlHYNeldrr'--",
        ] {
            assert!(text.parse::<SurveyId>().is_err(), "{text}");
        }
        for text in [
            "", "R_", "_abc", "ABCDE_1", "r_1", "R_a/b", "R_a%2fb", "R_ü", "R_1\n",
        ] {
            assert!(text.parse::<ResponseId>().is_err(), "{text}");
        }
        for text in ["", "SUB_1/..", "SUB 1"] {
            assert!(text.parse::<SubscriptionId>().is_err(), "{text}");
        }
    }
}
