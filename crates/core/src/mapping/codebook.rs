//! What each column means: tag, question, type and choices. One entry is one row of `QUALTRICS_QUESTIONS`.
//!
//! An entry also is the memory of names: a column once given to a key (and choice) stays with it. So everything that is
//! needed to find it again travels in the row's columns:
//!
//! - `QUESTION_KEY` holds the key in `values`, for a column of a multi-answer question followed by `=` and the choice's
//!   id: `QID5=2`. (`#` stands in keys of side by sides.) A key that itself holds `=` ends with one where no choice
//!   follows; `=` and `%` in a choice are percent-encoded.
//! - `CHOICES` is a JSON array of `{"id","recode","label"}`. After a rename its last element is `{"tags":[…]}`, the tags
//!   that the column had before, so that settings that name one of them still work.

use serde::{Deserialize, Serialize};

use crate::row::ColumnName;
use crate::survey::{Choice, DefinitionError};

/// What one column means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodebookEntry {
    /// The column.
    pub column: ColumnName,
    /// Its OData property.
    pub property: String,
    /// The export tag, as the definition has it now.
    pub tag: String,
    /// The key in `values`.
    pub key: String,
    /// The choice's id, for a column of a multi-answer question.
    pub choice: Option<String>,
    /// Question text, with the row's or choice's behind ` - `.
    pub text: String,
    /// One of the words of [`crate::survey::Kind`].
    pub kind: String,
    /// What can be chosen; for a column of a multi-answer question that one choice.
    pub choices: Vec<Choice>,
    /// Tags that it had before.
    pub former_tags: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Element {
    Choice(Choice),
    Former { tags: Vec<String> },
}

impl CodebookEntry {
    /// For `QUESTION_KEY`.
    #[must_use]
    pub fn question_key(&self) -> String {
        match &self.choice {
            Some(choice) => format!(
                "{}={}",
                self.key,
                choice.replace('%', "%25").replace('=', "%3D")
            ),
            None if self.key.contains('=') => format!("{}=", self.key),
            None => self.key.clone(),
        }
    }

    /// For `CHOICES`.
    #[must_use]
    pub fn choices_json(&self) -> String {
        let choices = self.choices.iter().cloned().map(Element::Choice);
        let former = (!self.former_tags.is_empty()).then(|| Element::Former {
            tags: self.former_tags.clone(),
        });
        let elements: Vec<Element> = choices.chain(former).collect();
        // Only strings are written, so this has no way to fail.
        serde_json::to_string(&elements).unwrap_or_else(|_| "[]".to_owned())
    }

    /// From the columns of a stored row.
    ///
    /// # Errors
    /// When `CHOICES` is not what [`Self::choices_json`] writes.
    pub fn from_stored(
        column: ColumnName,
        property: String,
        tag: String,
        question_key: &str,
        text: String,
        kind: String,
        choices: &str,
    ) -> Result<Self, DefinitionError> {
        let elements: Vec<Element> = if choices.is_empty() {
            Vec::new()
        } else {
            serde_json::from_str(choices).map_err(|error| DefinitionError::Codebook {
                column: column.to_string(),
                problem: error.to_string(),
            })?
        };
        let (key, choice) = split_key(question_key);
        let mut entry = Self {
            column,
            property,
            tag,
            key,
            choice,
            text,
            kind,
            choices: Vec::new(),
            former_tags: Vec::new(),
        };
        for element in elements {
            match element {
                Element::Choice(choice) => entry.choices.push(choice),
                Element::Former { tags } => entry.former_tags.extend(tags),
            }
        }
        Ok(entry)
    }
}

/// Key and choice of a `QUESTION_KEY`.
pub(super) fn split_key(text: &str) -> (String, Option<String>) {
    match text.rsplit_once('=') {
        None => (text.to_owned(), None),
        Some((key, "")) => (key.to_owned(), None),
        Some((key, choice)) => {
            let choice = choice.replace("%3D", "=").replace("%25", "%");
            (key.to_owned(), Some(choice))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str, choice: Option<&str>) -> CodebookEntry {
        CodebookEntry {
            column: "Q5_2".parse().unwrap(),
            property: "Q5_2".to_owned(),
            tag: "Q5_2".to_owned(),
            key: key.to_owned(),
            choice: choice.map(str::to_owned),
            text: "Which days?".to_owned(),
            kind: "multiple-choice".to_owned(),
            choices: vec![Choice {
                id: "2".to_owned(),
                recode: "2".to_owned(),
                label: "Tuesday".to_owned(),
            }],
            former_tags: vec!["Days_2".to_owned()],
        }
    }

    #[test]
    fn a_stored_entry_comes_back() {
        for (key, choice) in [
            ("QID5", Some("2")),
            ("QID8#2_1", Some("2")),
            ("QID8#2_1", None),
            ("QID5", None),
            ("a=b", None),
            ("a=", None),
            ("a=b", Some("=%3D%")),
        ] {
            let entry = entry(key, choice);

            let read = CodebookEntry::from_stored(
                entry.column.clone(),
                entry.property.clone(),
                entry.tag.clone(),
                &entry.question_key(),
                entry.text.clone(),
                entry.kind.clone(),
                &entry.choices_json(),
            );

            assert_eq!(read, Ok(entry));
        }
    }

    #[test]
    fn keys_and_choices_read_well() {
        assert_eq!(entry("QID5", Some("2")).question_key(), "QID5=2");
        assert_eq!(entry("QID5_TEXT", None).question_key(), "QID5_TEXT");
        assert_eq!(
            entry("QID5", Some("2")).choices_json(),
            r#"[{"id":"2","recode":"2","label":"Tuesday"},{"tags":["Days_2"]}]"#
        );
    }
}
