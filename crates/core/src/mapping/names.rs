//! Export tags made into identifiers, each once.

use std::collections::{BTreeMap, BTreeSet};

/// Room for a suffix within HANA's 127 characters.
const STEM_CHARS_MAX: usize = 120;

/// A tag as an OData property: characters outside `[A-Za-z0-9_]` become `_`, runs of such are one, trailing ones go, a
/// leading digit gets a `_` before it.
pub(super) fn fold(tag: &str) -> String {
    let mut name = String::with_capacity(tag.len() + 1);
    if tag.starts_with(|c: char| c.is_ascii_digit()) {
        name.push('_');
    }
    // Only a `_` that a kept character follows is written: that folds runs and drops trailing ones.
    let mut replaced = false;
    for character in tag.chars() {
        if character.is_ascii_alphanumeric() || character == '_' {
            if replaced {
                name.push('_');
            }
            replaced = false;
            name.push(character);
        } else {
            replaced = true;
        }
        if name.len() >= STEM_CHARS_MAX {
            break;
        }
    }
    if name.is_empty() {
        name.push('_');
    }
    name
}

/// Hands out names that differ in upper case.
#[derive(Debug, Default)]
pub(super) struct Names {
    taken: BTreeSet<String>,
    /// By stem in upper case, the suffix tried last.
    last: BTreeMap<String, u32>,
}

impl Names {
    /// Keeps a name that was given before from being given again.
    pub(super) fn reserve(&mut self, column: &str) {
        self.taken.insert(column.to_ascii_uppercase());
    }

    /// The tag's name, or if it is taken the name with `_2`, `_3` …
    pub(super) fn give(&mut self, tag: &str) -> String {
        let stem = fold(tag);
        let upper = stem.to_ascii_uppercase();
        if self.taken.insert(upper.clone()) {
            return stem;
        }
        let suffix = self.last.entry(upper.clone()).or_insert(1);
        loop {
            *suffix += 1;
            if self.taken.insert(format!("{upper}_{suffix}")) {
                return format!("{stem}_{suffix}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_become_identifiers() {
        for (tag, name) in [
            ("Q8_1", "Q8_1"),
            ("1", "_1"),
            ("Q40#1_1", "Q40_1_1"),
            ("TIMING_1_First Click", "TIMING_1_First_Click"),
            ("Duration (in seconds)", "Duration_in_seconds"),
            ("Q2 - Topics", "Q2_Topics"),
            ("a_ b", "a__b"),
            ("a_", "a_"),
            ("new.choicerandom", "new_choicerandom"),
            ("äöü", "_"),
            ("", "_"),
        ] {
            assert_eq!(fold(tag), name, "{tag}");
        }
    }

    #[test]
    fn equal_names_are_counted() {
        let mut names = Names::default();
        let given: Vec<_> = ["Status", "status", "Status_2", "STATUS"]
            .map(|tag| names.give(tag))
            .into();
        assert_eq!(given, ["Status", "status_2", "Status_2_2", "STATUS_3"]);
    }
}
