//! Looking through JSON that was read before. What is read for the first time is checked by `serde_json`; what lies in
//! it is then found by its quotes and brackets alone, which takes a fraction of that.

use super::Node;

/// Where a look through a text stands. Of what is no JSON it finds something or nothing, and always an end.
pub(super) struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    /// Inside an object or array, behind its bracket.
    pub(super) fn inside(node: Node<'a>) -> Self {
        Self {
            text: node.0,
            at: 1,
        }
    }

    /// The next member: its key in quotes, and its value.
    pub(super) fn member(&mut self) -> Option<(&'a str, Node<'a>)> {
        self.skip(|byte| byte.is_ascii_whitespace() || byte == b',');
        let key = self.piece()?;
        self.skip(|byte| byte.is_ascii_whitespace() || byte == b':');
        Some((key, Node(self.piece()?)))
    }

    /// The next element.
    pub(super) fn element(&mut self) -> Option<Node<'a>> {
        self.skip(|byte| byte.is_ascii_whitespace() || byte == b',');
        self.piece().map(Node)
    }

    /// One value; nothing at the end of what it lies in.
    fn piece(&mut self) -> Option<&'a str> {
        let start = self.at;
        match self.byte()? {
            b'"' => self.string(),
            b'{' | b'[' => self.structure(),
            b'}' | b']' => return None,
            _ => {
                self.skip(|byte| !matches!(byte, b',' | b'}' | b']') && !byte.is_ascii_whitespace())
            }
        }
        self.text.get(start..self.at)
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    fn skip(&mut self, is_skipped: impl Fn(u8) -> bool) {
        let rest = self.rest();
        self.at += rest
            .iter()
            .position(|byte| !is_skipped(*byte))
            .unwrap_or(rest.len());
    }

    /// From its first quote to behind its last.
    fn string(&mut self) {
        self.at += 1;
        loop {
            self.skip(|byte| !matches!(byte, b'"' | b'\\'));
            match self.byte() {
                Some(b'\\') => self.at += 2,
                Some(_) => {
                    self.at += 1;
                    return;
                }
                None => return,
            }
        }
    }

    /// From its first bracket to behind its last.
    fn structure(&mut self) {
        let mut open = 0_usize;
        loop {
            self.skip(|byte| !matches!(byte, b'"' | b'{' | b'}' | b'[' | b']'));
            match self.byte() {
                Some(b'"') => {
                    self.string();
                    continue;
                }
                Some(b'{' | b'[') => open += 1,
                Some(_) => open -= 1,
                None => return,
            }
            self.at += 1;
            if open == 0 {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn members_are_found_as_they_stand() {
        let text = r#" {"a\"}" : {"b":["]",{}]} , "c":-1.5e3,"d":"\\","e":[] }"#;
        let mut scan = Scan::inside(Node(text.trim()));

        let members: Vec<_> = std::iter::from_fn(|| scan.member()).collect();

        let found: Vec<_> = members.iter().map(|(key, value)| (*key, value.0)).collect();
        assert_eq!(
            found,
            [
                (r#""a\"}""#, r#"{"b":["]",{}]}"#),
                (r#""c""#, "-1.5e3"),
                (r#""d""#, r#""\\""#),
                (r#""e""#, "[]")
            ]
        );
    }

    /// JSON as anybody may write it, nested a little.
    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            "[\"\\\\{}\\[\\],: ]{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_finds_what_serde_finds(members in prop::collection::btree_map(any::<String>(), any_value(), 0..5)) {
            let object = Value::Object(members.into_iter().collect());
            for text in [object.to_string(), format!("{object:#}")] {
                let mut scan = Scan::inside(Node(&text));

                let found = std::iter::from_fn(|| scan.member())
                    .map(|(key, value)| (serde_json::from_str(key).unwrap(), serde_json::from_str(value.0).unwrap()));

                prop_assert_eq!(&Value::Object(found.collect()), &object);
            }
        }

        #[test]
        fn it_ends_whatever_the_text_is(text in "[\\[\\]{}\",:\\\\ a1é]{0,40}") {
            let mut scan = Scan::inside(Node(&text));

            let members = std::iter::from_fn(|| scan.member()).take(100).count();

            prop_assert!(members < 100);
        }
    }
}
