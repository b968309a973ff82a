//! What a token says, read leniently: a claim of an unexpected type is as good as absent.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::error::IdentityError;

/// The claims of a token. No `Debug`: they are personal.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub(super) struct Claims(Map<String, Value>);

/// How far clocks may differ. Source: SAP's cloud-security libraries allow one minute.
const CLOCK_TOLERANCE_SECONDS: u64 = 60;

impl Claims {
    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A text that is not empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.value(name)?.as_str().filter(|text| !text.is_empty())
    }

    /// The first of several claims that is a text.
    pub(super) fn first_text(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.text(name))
    }

    /// The texts of a list, or the one text.
    pub(super) fn texts(&self, name: &str) -> Vec<&str> {
        self.value(name).map(texts).unwrap_or_default()
    }

    /// The words of a list or of one text with spaces: scopes come in both forms.
    pub(super) fn words(&self, name: &str) -> Vec<&str> {
        self.texts(name)
            .into_iter()
            .flat_map(str::split_ascii_whitespace)
            .collect()
    }

    /// Texts by name inside an object.
    pub(super) fn attributes(&self, name: &str) -> BTreeMap<String, Vec<String>> {
        self.value(name)
            .and_then(Value::as_object)
            .map(named_texts)
            .unwrap_or_default()
    }

    /// Every claim that is a text or a list of texts, except these.
    pub(super) fn others(&self, except: &[&str]) -> BTreeMap<String, Vec<String>> {
        let mut others = named_texts(&self.0);
        others.retain(|name, _| !except.contains(&name.as_str()));
        others
    }

    /// A set of texts inside an object.
    pub(super) fn set_in(&self, object: &str, name: &str) -> BTreeSet<String> {
        let value = self.value(object).and_then(|object| object.get(name));
        value
            .map(texts)
            .unwrap_or_default()
            .into_iter()
            .map(str::to_owned)
            .collect()
    }

    /// Checks `exp`, which must be there, and `nbf`, for which `iat` stands in. `now` is in seconds since 1970.
    pub(super) fn check_time(&self, now: u64) -> Result<(), IdentityError> {
        let expires = self
            .seconds("exp")
            .ok_or(IdentityError::Malformed("it has no expiry"))?;
        if expires.saturating_add(CLOCK_TOLERANCE_SECONDS) <= now {
            return Err(IdentityError::Expired);
        }
        let begins = match (self.value("nbf"), self.value("iat")) {
            (Some(_), _) => self.seconds("nbf"),
            (None, Some(_)) => self.seconds("iat"),
            (None, None) => return Ok(()),
        };
        let begins = begins.ok_or(IdentityError::Malformed("its beginning is not a time"))?;
        if begins >= now.saturating_add(CLOCK_TOLERANCE_SECONDS) {
            return Err(IdentityError::NotYetValid);
        }
        Ok(())
    }

    /// A `NumericDate`: seconds, perhaps with a fraction. Source: RFC 7519, section 2.
    fn seconds(&self, name: &str) -> Option<u64> {
        let value = self.value(name)?;
        let fraction = || Duration::try_from_secs_f64(value.as_f64()?).ok();
        value
            .as_u64()
            .or_else(|| fraction().map(|duration| duration.as_secs()))
    }
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text.as_str()],
        Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    }
}

fn named_texts(object: &Map<String, Value>) -> BTreeMap<String, Vec<String>> {
    let named = object
        .iter()
        .filter(|(_, value)| value.is_string() || value.is_array());
    named
        .map(|(name, value)| {
            (
                name.clone(),
                texts(value).into_iter().map(str::to_owned).collect(),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(json: &str) -> Claims {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn time_is_checked_with_a_minute_of_tolerance() {
        let check = |json: &str| {
            claims(json)
                .check_time(1_000_000)
                .map_err(|error| error.code())
        };
        assert_eq!(check(r#"{"exp": 999941}"#), Ok(()));
        assert_eq!(check(r#"{"exp": 999940}"#), Err("expired"));
        assert_eq!(check(r#"{"exp": 999941.5, "nbf": 1000059}"#), Ok(()));
        assert_eq!(
            check(r#"{"exp": 2000000, "nbf": 1000060}"#),
            Err("not-yet-valid")
        );
        assert_eq!(
            check(r#"{"exp": 2000000, "iat": 1000060}"#),
            Err("not-yet-valid")
        );
        assert_eq!(
            check(r#"{"exp": 2000000, "nbf": 1, "iat": 1000060}"#),
            Ok(())
        );
        for json in [
            "{}",
            r#"{"exp": "2000000"}"#,
            r#"{"exp": -1}"#,
            r#"{"exp": 1e300}"#,
            r#"{"exp": 2000000, "nbf": "x"}"#,
        ] {
            assert_eq!(check(json), Err("malformed"), "{json}");
        }
    }

    #[test]
    fn texts_come_alone_and_in_lists() {
        let claims =
            claims(r#"{"aud": "a", "scope": "x y", "scp": ["z"], "n": 5, "o": {"l": ["p", 1]}}"#);
        assert_eq!(claims.texts("aud"), ["a"]);
        assert_eq!(claims.words("scope"), ["x", "y"]);
        assert_eq!(claims.words("scp"), ["z"]);
        assert!(claims.texts("n").is_empty() && claims.text("o").is_none());
        assert_eq!(claims.set_in("o", "l"), BTreeSet::from(["p".to_owned()]));
        assert_eq!(
            claims
                .others(&["aud", "scope"])
                .into_keys()
                .collect::<Vec<_>>(),
            ["scp"]
        );
    }
}
