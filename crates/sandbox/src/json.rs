//! JSON objects that keep their order.
//!
//! Qualtrics writes metadata before questions and questions in the survey's order; `serde_json`'s own map sorts.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

/// An object whose members stay as they were added.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Object<V = Json>(Vec<(String, V)>);

impl<V> Default for Object<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<V> Object<V> {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a member without looking for an earlier one of the name.
    pub(crate) fn push(&mut self, key: impl Into<String>, value: impl Into<V>) {
        self.0.push((key.into(), value.into()));
    }

    /// The same, for building in one expression.
    pub(crate) fn with(mut self, key: &str, value: impl Into<V>) -> Self {
        self.push(key, value);
        self
    }

    /// Replaces a member in its place, or adds it.
    pub(crate) fn set(&mut self, key: &str, value: impl Into<V>) {
        match self.0.iter_mut().find(|(name, _)| name == key) {
            Some((_, old)) => *old = value.into(),
            None => self.push(key, value),
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&V> {
        self.0
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value)
    }

    pub(crate) fn remove(&mut self, key: &str) {
        self.0.retain(|(name, _)| name != key);
    }

    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.0.retain(|(name, _)| keep(name));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }
}

impl<V: Serialize> Serialize for Object<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Object<Value> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Object<Value>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(
                self,
                mut access: A,
            ) -> Result<Object<Value>, A::Error> {
                let mut object = Object::new();
                while let Some((key, value)) = access.next_entry::<String, Value>()? {
                    object.push(key, value);
                }
                Ok(object)
            }
        }

        deserializer.deserialize_map(Members)
    }
}

/// A tree whose objects keep their order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Plain(Value),
    Object(Object<Self>),
    List(Vec<Self>),
}

impl<T: Into<Value>> From<T> for Json {
    fn from(value: T) -> Self {
        Self::Plain(value.into())
    }
}

impl From<Object<Self>> for Json {
    fn from(object: Object<Self>) -> Self {
        Self::Object(object)
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plain(value) => value.serialize(serializer),
            Self::Object(object) => object.serialize(serializer),
            Self::List(list) => list.serialize(serializer),
        }
    }
}

/// A number where the text is one (`5`, `-1`, `133.1`), else the text.
///
/// Recodes can be fractions and negative (recorded: `Q128_133.1`).
pub(crate) fn number_or_text(text: &str) -> Value {
    match serde_json::from_str::<serde_json::Number>(text) {
        Ok(number) => Value::Number(number),
        Err(_) => Value::String(text.to_owned()),
    }
}

/// The text of a scalar, as an export file's cell shows it.
pub(crate) fn scalar_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}
