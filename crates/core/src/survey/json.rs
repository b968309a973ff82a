//! JSON as it was sent: borrowed, members in their order, numbers as their own texts.
//!
//! `serde_json::Value` would sort members and read numbers through `f64`; both lose what a definition or an answer says.
//! A [`Node`] is a piece of text that is known to be one JSON value. Looking into it scans it again, but does not check it
//! again.

use std::borrow::Cow;

use serde_json::value::RawValue;

mod scan;

use scan::Scan;

/// One JSON value, as a piece of the text it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Node<'a>(&'a str);

/// What a value is, by its first character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Null,
    Bool,
    Number,
    Text,
    Array,
    Object,
}

impl<'a> Node<'a> {
    /// The whole of `bytes` as one JSON value; `None` if it isn't. A byte order mark before it is taken.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let raw: &RawValue = serde_json::from_str(text).ok()?;
        Some(Self(raw.get()))
    }

    /// A piece of text that was read as JSON before.
    pub(crate) fn trusted(text: &'a str) -> Self {
        Self(text)
    }

    /// The value's own text.
    pub(crate) fn as_str(self) -> &'a str {
        self.0
    }

    pub(crate) fn shape(self) -> Shape {
        match self.0.as_bytes().first() {
            Some(b'{') => Shape::Object,
            Some(b'[') => Shape::Array,
            Some(b'"') => Shape::Text,
            Some(b't' | b'f') => Shape::Bool,
            Some(b'n') | None => Shape::Null,
            Some(_) => Shape::Number,
        }
    }

    /// An object's member of that name, unless it is null.
    pub(crate) fn get(self, name: &str) -> Option<Self> {
        let mut found = None;
        self.each_member(|key, value| {
            if decode(key).is_some_and(|key| key == name) {
                found = Some(value);
            }
        });
        found.filter(|node| node.shape() != Shape::Null)
    }

    /// Calls `visit` with the raw key (in quotes) and value of each member; does nothing for other values.
    pub(crate) fn each_member(self, mut visit: impl FnMut(&'a str, Self)) {
        if self.shape() == Shape::Object {
            let mut scan = Scan::inside(self);
            while let Some((key, value)) = scan.member() {
                visit(key, value);
            }
        }
    }

    /// Calls `visit` with each element of an array; does nothing for other values.
    pub(crate) fn each_element(self, mut visit: impl FnMut(Self)) {
        if self.shape() == Shape::Array {
            let mut scan = Scan::inside(self);
            while let Some(element) = scan.element() {
                visit(element);
            }
        }
    }

    pub(crate) fn elements(self) -> Vec<Self> {
        let mut elements = Vec::new();
        self.each_element(|element| elements.push(element));
        elements
    }

    /// The members of an object, or the elements of an array under their positions: PHP writes an object whose keys
    /// happen to be 0, 1, 2 … as an array, and an empty one as `[]`. Nulls are left out; other values have none.
    pub(crate) fn members(self) -> Vec<(Cow<'a, str>, Self)> {
        let mut members = Vec::new();
        match self.shape() {
            Shape::Object => self.each_member(|key, value| {
                if let Some(key) = decode(key) {
                    members.push((key, value));
                }
            }),
            Shape::Array => {
                members.extend(
                    (0..)
                        .zip(self.elements())
                        .map(|(index, value): (usize, _)| (Cow::Owned(index.to_string()), value)),
                );
            }
            Shape::Null | Shape::Bool | Shape::Number | Shape::Text => {}
        }
        members.retain(|(_, value)| value.shape() != Shape::Null);
        members
    }

    /// A string's characters, or a number or boolean as written. `None` for null and structures, and for strings that
    /// are no text (lone surrogates).
    pub(crate) fn text(self) -> Option<Cow<'a, str>> {
        match self.shape() {
            Shape::Text => decode(self.0),
            Shape::Number | Shape::Bool => Some(Cow::Borrowed(self.0)),
            Shape::Null | Shape::Array | Shape::Object => None,
        }
    }

    /// The member's text, or nothing.
    pub(crate) fn text_at(self, name: &str) -> Option<String> {
        self.get(name)?.text().map(Cow::into_owned)
    }
}

/// The characters of a JSON string, given with its quotes. `None` if it holds a lone surrogate.
pub(crate) fn decode(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(raw).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_order_and_numbers_their_digits() {
        let node = Node::parse(br#" {"b": 1.10, "a": "x\ny", "c": null} "#).unwrap();

        let members = node.members();

        assert_eq!(members.len(), 2);
        assert_eq!(members[0].0, "b");
        assert_eq!(members[0].1.text().unwrap(), "1.10");
        assert_eq!(node.text_at("a").unwrap(), "x\ny");
        assert_eq!(node.get("c"), None);
    }

    #[test]
    fn php_arrays_are_objects_with_counted_keys() {
        let members = Node::parse(br#"["a", null, "c"]"#).unwrap().members();

        let keys: Vec<_> = members.iter().map(|(key, _)| key.as_ref()).collect();
        assert_eq!(keys, ["0", "2"]);
    }

    #[test]
    fn a_lone_surrogate_is_no_text() {
        assert_eq!(Node::parse(br#""\ud800""#).unwrap().text(), None);
        assert_eq!(
            Node::parse(br#""\ud83d\ude00""#).unwrap().text().unwrap(),
            "😀"
        );
    }
}
