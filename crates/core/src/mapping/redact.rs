//! What of a document must not be stored: taken out of its text, the rest left byte for byte.
//!
//! - Personal metadata that `columns` doesn't name is removed, under its key and under the names that a survey's flow or a
//!   link gives it, in every section of the document (`values`, `labels`, `displayedValues`, …).
//! - Values under `pseudonymize` become pseudonyms in `values` and are removed elsewhere. The document then lists their
//!   keys in a member of its own, so that it is known which values are pseudonyms already.
//! - Embedded data that hold a link (`Q_URL` holds the survey's own, query included) lose the query's parameters of the
//!   same names, and always `Q_EED` and `Q_DL`: the first carries any fields in base64, the second is a personal link.
//!   Whoever lets other fields carry personal data names them in `pseudonymize`.
//!
//! An answer that repeats such a value in its own words stays: it is an answer.

use std::borrow::Cow;
use std::ops::Range;

use super::document::{PSEUDONYMIZED, ResponseDocument};
use super::error::MappingError;
use super::pseudonym::PseudonymKey;
use crate::survey::json::{Node, Shape, decode};
use crate::survey::metadata::{self, personal_of};
use crate::survey::schema::question_of;

/// What to remove and what to replace.
#[derive(Debug, Clone, Default)]
pub(super) struct Redaction {
    /// Keys of personal metadata that may stay.
    kept: Vec<String>,
    /// Keys whose values become pseudonyms.
    pseudonymized: Vec<String>,
    /// Names under which those values may stand in links.
    names: Vec<String>,
}

impl Redaction {
    pub(super) fn keep(&mut self, key: &str) {
        self.kept.push(key.to_owned());
    }

    pub(super) fn pseudonymize<'a>(&mut self, keys: impl Iterator<Item = &'a str>, tag: &str) {
        for key in keys {
            self.pseudonymized.push(key.to_owned());
            self.names.push(key.to_owned());
        }
        self.names.push(tag.to_owned());
    }

    pub(super) fn redact(
        &self,
        document: &ResponseDocument,
        key: Option<&PseudonymKey>,
    ) -> Result<ResponseDocument, MappingError> {
        if !self.pseudonymized.is_empty() && key.is_none() {
            return Err(MappingError::NoPseudonymKey);
        }
        let mut done = document.pseudonymized.clone();
        let mut edit = Edit::for_text(document.as_json());
        document.root().each_member(|raw_key, value| {
            let name = decode(raw_key).unwrap_or(Cow::Borrowed(raw_key));
            if name == PSEUDONYMIZED {
                // Written anew below if it changes.
                return;
            }
            if self.is_hidden(&name) {
                edit.changed = true;
                return;
            }
            let section = (value.shape() == Shape::Object)
                .then(|| {
                    self.section(
                        value,
                        name == "values",
                        key,
                        &document.pseudonymized,
                        &mut done,
                    )
                })
                .flatten();
            let place = edit.member(raw_key, value, section.as_deref());
            match &*name {
                "values" => edit.values = place,
                "labels" => edit.labels = Some(place),
                _ => {}
            }
        });
        if !edit.changed {
            return Ok(document.clone());
        }
        if !done.is_empty() {
            let list = serde_json::to_string(&done).unwrap_or_default();
            edit.push(&format!("\"{PSEUDONYMIZED}\""), &list);
        }
        edit.end();
        Ok(document.rewritten(edit.text, edit.values, edit.labels, done))
    }

    /// The section without what must go, or nothing if it may stay as it is.
    fn section(
        &self,
        section: Node<'_>,
        is_values: bool,
        key: Option<&PseudonymKey>,
        before: &[String],
        done: &mut Vec<String>,
    ) -> Option<String> {
        let mut edit = Edit::for_text(section.as_str());
        section.each_member(|raw_key, value| {
            let name = decode(raw_key).unwrap_or(Cow::Borrowed(raw_key));
            if self.is_hidden(&name) {
                edit.changed = true;
            } else if self.pseudonymized.iter().any(|key| *key == name) {
                if !is_values {
                    edit.changed = true;
                } else if before.iter().any(|done| *done == name) {
                    edit.member(raw_key, value, None);
                } else {
                    let pseudonym = key.and_then(|key| pseudonym(value, key));
                    if pseudonym.is_some() && !done.iter().any(|done| *done == name) {
                        done.push(name.into_owned());
                    }
                    edit.member(raw_key, value, pseudonym.as_deref());
                }
            } else {
                edit.member(raw_key, value, self.link(&name, value).as_deref());
            }
        });
        edit.end();
        edit.changed.then_some(edit.text)
    }

    /// Personal, and not asked for.
    fn is_hidden(&self, name: &str) -> bool {
        personal_of(name).is_some_and(|metadata| !self.kept.iter().any(|kept| kept == metadata.key))
    }

    /// A link without the parameters that must go, as JSON; nothing for other values and harmless links.
    fn link(&self, name: &str, value: Node<'_>) -> Option<String> {
        let is_link = value.as_str().starts_with("\"http");
        if !is_link || question_of(name).is_some() || metadata::of_key(name).is_some() {
            return None;
        }
        let text = value.text()?;
        let begins = text.find(['?', '#'])?;
        let (address, rest) = text.split_at_checked(begins)?;
        let mut link = address.to_owned();
        let mut removed = false;
        let mut begin = None;
        for (separator, parameter) in parameters(rest) {
            if self.is_hidden_parameter(parameter) {
                removed = true;
                // What follows stands first then.
                begin = begin.or(Some(separator)).filter(|begin| *begin != '&');
                continue;
            }
            let first = begin.take().filter(|_| separator == '&');
            link.push(first.unwrap_or(separator));
            link.push_str(parameter);
        }
        removed.then(|| serde_json::to_string(&link).ok()).flatten()
    }

    fn is_hidden_parameter(&self, parameter: &str) -> bool {
        let parameter = parameter.strip_prefix("amp;").unwrap_or(parameter);
        let name = parameter
            .split_once('=')
            .map_or(parameter, |(name, _)| name)
            .replace('+', " ");
        let name = percent_encoding::percent_decode_str(&name).decode_utf8_lossy();
        // A pseudonymised value is hidden in links even where its field may stay.
        self.is_hidden(&name)
            || self
                .names
                .iter()
                .any(|hidden| hidden.eq_ignore_ascii_case(&name))
            || ["Q_EED", "Q_DL"]
                .iter()
                .any(|hidden| hidden.eq_ignore_ascii_case(&name))
    }
}

/// The pieces of a query and a fragment, each with the character before it. A second `?` is a common slip, and people put
/// parameters behind `#` too.
fn parameters(rest: &str) -> impl Iterator<Item = (char, &str)> {
    const SEPARATORS: [char; 3] = ['?', '#', '&'];
    let separators = rest
        .matches(SEPARATORS)
        .filter_map(|separator| separator.chars().next());
    separators.zip(rest.split(SEPARATORS).skip(1))
}

/// The pseudonym as JSON; nothing where there is nothing to hide.
fn pseudonym(value: Node<'_>, key: &PseudonymKey) -> Option<String> {
    let text = match value.shape() {
        Shape::Null => return None,
        // Half of a character can't be hashed as a text; its escape can.
        Shape::Text => value.text().unwrap_or(Cow::Borrowed(value.as_str())),
        Shape::Bool | Shape::Number | Shape::Array | Shape::Object => Cow::Borrowed(value.as_str()),
    };
    (!text.trim().is_empty()).then(|| format!("\"{}\"", key.pseudonym(&text)))
}

/// An object's text, written member by member.
#[derive(Default)]
struct Edit {
    text: String,
    changed: bool,
    /// Where the sections are that mapping reads.
    values: Range<usize>,
    labels: Option<Range<usize>>,
}

impl Edit {
    fn for_text(text: &str) -> Self {
        Self {
            text: String::with_capacity(text.len()),
            ..Self::default()
        }
    }

    /// As it is, or with another value; says where the value is now.
    fn member(&mut self, raw_key: &str, value: Node<'_>, replaced: Option<&str>) -> Range<usize> {
        self.changed |= replaced.is_some();
        self.push(raw_key, replaced.unwrap_or(value.as_str()))
    }

    fn push(&mut self, raw_key: &str, value: &str) -> Range<usize> {
        self.text.push(if self.text.is_empty() { '{' } else { ',' });
        self.text.push_str(raw_key);
        self.text.push(':');
        let start = self.text.len();
        self.text.push_str(value);
        start..self.text.len()
    }

    fn end(&mut self) {
        if self.text.is_empty() {
            self.text.push('{');
        }
        self.text.push('}');
    }
}
