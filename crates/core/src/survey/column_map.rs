//! What `exportColumnMap` of `GET /surveys/{id}` adds to the questions.
//!
//! Its names are not the export file's for forms, loops, timing, meta info, highlights and matrices whose rows have
//! tags of their own; but it knows of text boxes, of loops, and of rows with own tags where the other answer is missing.
//! Source: one recorded map beside its own CSV header (`fixtures/surveys/SV_3FdDswpcO88rSxE`).

use std::collections::BTreeMap;

use super::asked::{Asked, Part};
use super::json::Node;

/// Fills in what the map knows and the questions don't.
pub(super) fn complete(questions: &mut [Asked], map: Node<'_>) {
    let index: BTreeMap<String, usize> = questions
        .iter()
        .map(|asked| asked.id.clone())
        .zip(0..)
        .collect();
    let mut suffixes: BTreeMap<usize, Vec<(String, String)>> = BTreeMap::new();
    for (tag, entry) in map.members() {
        let Some(question) = entry.text_at("question") else {
            continue;
        };
        let Some((at, asked)) = index
            .get(&question)
            .and_then(|at| Some((*at, questions.get_mut(*at)?)))
        else {
            continue;
        };
        let tag = without_loop(asked, &tag);
        let row = entry
            .text_at("subQuestion")
            .and_then(|path| last_part(&path));
        let choice = entry.text_at("choice").and_then(|path| last_part(&path));
        note(asked, &tag, row.as_deref(), choice.as_deref());
        let suffix = tag
            .strip_prefix(asked.tag.as_str())
            .and_then(|rest| rest.strip_prefix('_'));
        if let (Some(row), None, Some(suffix)) = (row, choice, suffix)
            && !suffix.ends_with("_TEXT")
        {
            suffixes
                .entry(at)
                .or_default()
                .push((row, suffix.to_owned()));
        }
    }
    for (at, suffixes) in suffixes {
        if let Some(asked) = questions.get_mut(at) {
            own_tags(asked, &suffixes);
        }
    }
}

/// Adds what the entry mentions and the question lacks, and text boxes.
fn note(asked: &mut Asked, tag: &str, row: Option<&str>, choice: Option<&str>) {
    let named_parts = matches!(asked.kind.as_str(), "TE" | "Meta" | "Timing");
    let text_box = tag.ends_with("_TEXT") && !named_parts;
    let is_grid = !asked.answers.is_empty();
    if let Some(id) = row {
        mention(&mut asked.choices, id, text_box);
    }
    if let Some(id) = choice {
        let parts = if is_grid {
            &mut asked.answers
        } else {
            &mut asked.choices
        };
        mention(parts, id, text_box && row.is_none());
    }
}

fn mention(parts: &mut Vec<Part>, id: &str, has_text: bool) {
    match parts.iter_mut().find(|part| part.id == id) {
        Some(part) => part.has_text |= has_text,
        None => parts.push(Part {
            id: id.to_owned(),
            has_text,
            ..Part::default()
        }),
    }
}

/// A loop stands behind the tag here: `JJ11_1(2)`.
fn without_loop(asked: &mut Asked, tag: &str) -> String {
    let looped = tag
        .strip_suffix(')')
        .and_then(|tag| tag.rsplit_once('('))
        .filter(|(_, id)| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()));
    let Some((tag, id)) = looped else {
        return tag.to_owned();
    };
    if !asked.loops.iter().any(|known| known == id) {
        asked.loops.push(id.to_owned());
    }
    tag.to_owned()
}

/// The id at the end of `QID8.subQuestions.1`.
fn last_part(path: &str) -> Option<String> {
    path.rsplit_once('.').map(|(_, id)| id.to_owned())
}

/// What the map says of rows' tags. A row whose tag ends neither with its id nor with its position has a tag of its own,
/// and then so have all rows of the question. Where all end so, own tags `1`, `2` can't be told from none.
fn own_tags(asked: &mut Asked, suffixes: &[(String, String)]) {
    let is_made = |(row, suffix): &(String, String)| {
        let position = asked.choices.iter().position(|part| part.id == *row);
        row == suffix || position.is_some_and(|position| (position + 1).to_string() == *suffix)
    };
    let own = !suffixes.iter().all(is_made);
    if own && asked.choices.iter().any(|row| row.tag.is_some()) {
        return;
    }
    for (row, suffix) in suffixes {
        if let Some(row) = asked.choices.iter_mut().find(|part| part.id == *row) {
            if own {
                row.tag = Some(suffix.clone());
            } else {
                row.suffix = Some(suffix.clone());
            }
        }
    }
}
