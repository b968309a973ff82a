//! What a name in the settings means: `columns`, `pseudonymize`, `score`, `comments`.

use super::candidate::{Candidate, Candidates, Rank};
use super::codebook::{CodebookEntry, split_key};
use crate::survey::field::{Field, Kind, Spread};
use crate::survey::{DefinitionError, SurveyDefinition};

/// Finds the columns that a setting names.
pub(super) struct Selector<'a, 'b> {
    pub(super) definition: &'a SurveyDefinition,
    pub(super) candidates: &'b Candidates<'a>,
    pub(super) assigned: &'a [CodebookEntry],
}

impl Selector<'_, '_> {
    /// The candidates that `name` stands for, by position. In this order: a column's export tag; a key in `values`, with
    /// or without a choice; a question's tag or id, which stands for all its answers; a column's property or name; a tag
    /// that a column had before. None for what was deleted.
    pub(super) fn find(
        &self,
        setting: &'static str,
        name: &str,
    ) -> Result<Vec<usize>, DefinitionError> {
        let found = self.by_tag(setting, name)?;
        let ways: [&dyn Fn() -> Vec<usize>; 4] = [
            &|| self.by_key(name),
            &|| self.by_question(name),
            &|| {
                self.matching(|candidate, _| {
                    candidate.property == name || candidate.column() == name
                })
            },
            &|| self.by_former_tag(name),
        ];
        let found = ways.iter().fold(
            found,
            |found, way| if found.is_empty() { way() } else { found },
        );
        if found.is_empty() && self.gone(name).is_empty() {
            return Err(DefinitionError::UnknownTag {
                setting,
                tag: name.to_owned(),
                survey: self.definition.id().to_string(),
                nearest: self.nearest(name),
            });
        }
        Ok(found)
    }

    fn matching(&self, matches: impl Fn(&Candidate<'_>, &Field) -> bool) -> Vec<usize> {
        let all = self.candidates.all.iter().enumerate();
        all.filter(|(_, candidate)| {
            self.candidates
                .field(candidate)
                .is_some_and(|field| matches(candidate, field))
        })
        .map(|(at, _)| at)
        .collect()
    }

    /// Metadata go before questions, those before deleted ones; between equals nobody can choose.
    fn by_tag(&self, setting: &'static str, name: &str) -> Result<Vec<usize>, DefinitionError> {
        let mut found = self.matching(|candidate, _| candidate.tag == name);
        let rank = |at: &usize| self.candidates.all.get(*at).map(|candidate| candidate.rank);
        let field = |at: &usize| {
            self.candidates
                .all
                .get(*at)
                .map(|candidate| candidate.field)
        };
        let first = found.iter().filter_map(rank).min().unwrap_or(Rank::Late);
        found.retain(|at| rank(at) == Some(first));
        if found
            .iter()
            .any(|at| field(at) != found.first().and_then(field))
        {
            return Err(DefinitionError::AmbiguousTag {
                setting,
                tag: name.to_owned(),
                survey: self.definition.id().to_string(),
                keys: found
                    .iter()
                    .filter_map(|at| self.candidates.all.get(*at))
                    .filter_map(|candidate| {
                        Some(format!("`{}`", self.candidates.field(candidate)?.key))
                    })
                    .collect(),
            });
        }
        Ok(found)
    }

    fn by_key(&self, name: &str) -> Vec<usize> {
        let (key, choice) = split_key(name);
        let is_key = |field: &Field, key: &str| {
            field.key == key || field.aliases.iter().any(|alias| alias == key)
        };
        let whole = self.matching(|_, field| is_key(field, name));
        if !whole.is_empty() || choice.is_none() {
            return whole;
        }
        self.matching(|candidate, field| {
            is_key(field, &key)
                && candidate.choice.map(|choice| choice.id.as_str()) == choice.as_deref()
        })
    }

    /// A multi-answer question's own tag stands for all its choices, a matrix' for all its rows. Text boxes beside
    /// choices and display orders are named by themselves.
    fn by_question(&self, name: &str) -> Vec<usize> {
        let questions: Vec<&str> = self
            .definition
            .questions()
            .iter()
            .filter(|question| question.tag == name || question.id == name)
            .map(|question| question.id.as_str())
            .collect();
        let mut found = self.matching(|_, field| {
            let of_question = field
                .question
                .as_deref()
                .is_some_and(|id| questions.contains(&id));
            let by_itself = field.spread != Spread::One && field.tag == name;
            by_itself || (of_question && field.kind != Kind::DisplayOrder)
        });
        let is_box = |at: &usize| {
            let candidate = self.candidates.all.get(*at);
            candidate
                .and_then(|candidate| self.candidates.field(candidate))
                .is_some_and(|field| field.kind == Kind::ChoiceText)
        };
        found.retain(|at| !is_box(at));
        found
    }

    fn by_former_tag(&self, name: &str) -> Vec<usize> {
        self.matching(|candidate, _| candidate.assigned.is_some_and(|entry| had_tag(entry, name)))
    }

    /// Columns that the codebook knows by that name and the definition no longer has: the question, row or choice was
    /// deleted. That must not stop the survey's other columns.
    pub(super) fn gone(&self, name: &str) -> Vec<&CodebookEntry> {
        self.assigned
            .iter()
            .filter(|entry| {
                had_tag(entry, name)
                    || entry.key == name
                    || entry.question_key() == name
                    || entry.property == name
                    || entry.column.as_ref() == name
            })
            .filter(|entry| {
                let still = |candidate: &Candidate<'_>| {
                    candidate
                        .assigned
                        .is_some_and(|known| known.column == entry.column)
                };
                !self.candidates.all.iter().any(still)
            })
            .collect()
    }

    fn nearest(&self, name: &str) -> Option<String> {
        let tags = self
            .candidates
            .all
            .iter()
            .map(|candidate| candidate.tag.as_str());
        let questions = self
            .definition
            .questions()
            .iter()
            .map(|question| question.tag.as_str());
        let far = (name.chars().count() / 3).max(2);
        tags.chain(questions)
            .map(|tag| (distance(name, tag), tag))
            .filter(|(distance, _)| *distance <= far)
            .min()
            .map(|(_, tag)| tag.to_owned())
    }
}

/// Whether the column has or had this tag, or its question did: the question's is the column's without the choice's or
/// row's part.
fn had_tag(entry: &CodebookEntry, name: &str) -> bool {
    let part = match entry.choices.first().filter(|_| entry.choice.is_some()) {
        Some(choice) => choice.recode.as_str(),
        None => entry.key.rsplit_once('_').map_or("", |(_, part)| part),
    };
    let of_question =
        |tag: &str| tag.strip_suffix(part).and_then(|tag| tag.strip_suffix('_')) == Some(name);
    entry
        .former_tags
        .iter()
        .chain([&entry.tag])
        .any(|tag| tag == name || of_question(tag))
}

/// How many characters must be changed, put in or taken out to make one of the other; letter case counts little.
fn distance(a: &str, b: &str) -> usize {
    if a.eq_ignore_ascii_case(b) {
        return 0;
    }
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (at, from) in a.chars().enumerate() {
        let mut diagonal = at;
        let mut left = at + 1;
        let mut next = vec![left];
        for (to, above) in b.iter().zip(row.iter().skip(1)) {
            let changed = diagonal + usize::from(from != *to);
            left = changed.min(above + 1).min(left + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_changes() {
        assert_eq!(distance("Q1", "Q1"), 0);
        assert_eq!(distance("Q1", "Q2"), 1);
        assert_eq!(distance("accountid", "AccountID"), 0);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }
}
