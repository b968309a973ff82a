//! Lists of choices, each kept once.

use std::collections::BTreeMap;

use super::field::Choice;

/// The lists so far: the rows of a matrix share theirs.
#[derive(Debug, Default)]
pub(super) struct Lists {
    lists: Vec<Vec<Choice>>,
    index: BTreeMap<Vec<Choice>, usize>,
}

impl Lists {
    pub(super) fn intern(&mut self, list: Vec<Choice>) -> Option<usize> {
        if list.is_empty() {
            return None;
        }
        let next = self.lists.len();
        let index = *self.index.entry(list.clone()).or_insert(next);
        if index == next {
            self.lists.push(list);
        }
        Some(index)
    }

    pub(super) fn get(&self, index: Option<usize>) -> &[Choice] {
        index
            .and_then(|index| self.lists.get(index))
            .map_or(&[], Vec::as_slice)
    }

    pub(super) fn into_inner(self) -> Vec<Vec<Choice>> {
        self.lists
    }
}
