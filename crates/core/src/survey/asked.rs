//! Questions as they are asked, read from either description that Qualtrics gives of them.
//!
//! `GET /survey-definitions/{id}` (and a QSF file) writes `Choices` for what is chosen from or asked one by one and
//! `Answers` for a matrix' columns; `GET /surveys/{id}` calls a matrix' rows `subQuestions` and its columns `choices`.
//! Here the first way is kept. Ids are strings or numbers, objects may come as PHP-style arrays.
//! Source: recorded answers in `fixtures/surveys`.

use std::collections::BTreeMap;

use super::json::{Node, Shape};
use super::text::plain;

/// One question.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    pub(super) id: String,
    pub(super) tag: String,
    pub(super) text: String,
    pub(super) kind: String,
    pub(super) selector: String,
    pub(super) sub_selector: String,
    /// What is chosen from, or asked one by one: choices, rows, statements, form fields, items.
    pub(super) choices: Vec<Part>,
    /// A matrix' columns; the categories of a highlight; all entries of a drill down.
    pub(super) answers: Vec<Part>,
    /// Groups of a pick, group and rank.
    pub(super) groups: Vec<String>,
    /// The columns of a side by side, each a question of its own over the same rows.
    pub(super) columns: Vec<Self>,
    /// Levels of a drill down; clicks of a heat map.
    pub(super) levels: usize,
    /// The definition says that its numbers have no fraction.
    pub(super) whole: bool,
    /// The question whose choices are carried forward into this one.
    pub(super) carried_from: Option<String>,
    /// Ids of the loops that it is asked in.
    pub(super) loops: Vec<String>,
    /// Deleted, though its data remain.
    pub(super) trashed: bool,
}

/// One choice, row or column.
#[derive(Debug, Clone, Default)]
pub(super) struct Part {
    pub(super) id: String,
    /// Given by the definition; else the id.
    pub(super) recode: Option<String>,
    pub(super) label: String,
    /// Its own export tag, which stands in the export file instead of one made from the question's.
    pub(super) tag: Option<String>,
    /// What a row's tag ends with in the column map, if that is known.
    pub(super) suffix: Option<String>,
    /// The columns of a profile matrix' row, which has its own.
    pub(super) answers: Vec<Self>,
    /// Has a text box beside it.
    pub(super) has_text: bool,
}

impl Part {
    pub(super) fn recode(&self) -> &str {
        self.recode.as_deref().unwrap_or(&self.id)
    }
}

impl Asked {
    /// From `GET /survey-definitions/{id}` or a QSF file.
    pub(super) fn from_definition(id: &str, node: Node<'_>) -> Self {
        let text = |name| node.text_at(name).unwrap_or_default();
        let configuration = node.get("Configuration");
        let mut asked = Self {
            id: id.to_owned(),
            tag: node
                .text_at("DataExportTag")
                .unwrap_or_else(|| id.to_owned()),
            text: plain(&text("QuestionText")),
            kind: text("QuestionType"),
            selector: text("Selector"),
            sub_selector: text("SubSelector"),
            choices: definition_parts(node, "Choices", "ChoiceOrder"),
            answers: definition_parts(node, "Answers", "AnswerOrder"),
            groups: keys(node.get("Groups")),
            columns: node
                .get("AdditionalQuestions")
                .map_or_else(Vec::new, |columns| {
                    columns
                        .members()
                        .iter()
                        .map(|(column, node)| Self::from_definition(column, *node))
                        .collect()
                }),
            levels: configuration
                .and_then(|configuration| configuration.text_at("VariableCount"))
                .or_else(|| node.text_at("Clicks"))
                .and_then(|count| count.parse().ok())
                .map_or(0, |count: usize| count.min(LEVELS_MAX)),
            carried_from: node
                .get("DynamicChoices")
                .and_then(|dynamic| dynamic.text_at("Locator"))
                .and_then(|locator| located(&locator)),
            whole: configuration
                .and_then(|configuration| configuration.text_at("NumDecimals"))
                .is_some_and(|decimals| decimals == "0"),
            ..Self::default()
        };
        if asked.selector == "Profile" {
            asked.profile(node);
        }
        let recoded = if asked.answers.is_empty() {
            &mut asked.choices
        } else {
            &mut asked.answers
        };
        apply(node.get("RecodeValues"), recoded, |part, recode| {
            part.recode = Some(recode)
        });
        apply(node.get("VariableNaming"), recoded, |part, name| {
            part.label = plain(&name)
        });
        let question_tag = asked.tag.clone();
        apply(
            node.get("ChoiceDataExportTags"),
            &mut asked.choices,
            |part, tag| {
                if !is_default_tag(&tag, &part.id, &question_tag) {
                    part.tag = Some(tag);
                }
            },
        );
        asked
    }

    /// Each row of a profile matrix has columns of its own: `Answers` holds them by row.
    fn profile(&mut self, node: Node<'_>) {
        self.answers.clear();
        for (row, _) in node.get("Answers").map_or_else(Vec::new, Node::members) {
            let own = node
                .get("Answers")
                .map_or_else(Vec::new, |answers| definition_parts(answers, &row, ""));
            if let Some(part) = self.choices.iter_mut().find(|part| part.id == row) {
                part.answers = own;
            }
        }
    }

    /// From `GET /surveys/{id}`.
    pub(super) fn from_survey(id: &str, node: Node<'_>) -> Self {
        let kind = node.get("questionType");
        let of_kind = |name| kind.and_then(|kind| kind.text_at(name)).unwrap_or_default();
        let rows = survey_parts(node.get("subQuestions"));
        let offered = survey_parts(node.get("choices"));
        let (choices, answers) = if rows.is_empty() {
            (offered, Vec::new())
        } else {
            (rows, offered)
        };
        Self {
            id: id.to_owned(),
            tag: node
                .text_at("questionName")
                .unwrap_or_else(|| id.to_owned()),
            text: plain(&node.text_at("questionText").unwrap_or_default()),
            kind: of_kind("type"),
            selector: of_kind("selector"),
            sub_selector: of_kind("subSelector"),
            choices,
            answers,
            groups: keys(node.get("groups")),
            columns: node.get("columns").map_or_else(Vec::new, |columns| {
                columns
                    .members()
                    .iter()
                    .map(|(column, node)| Self::from_survey(column, *node))
                    .collect()
            }),
            whole: node
                .get("validation")
                .and_then(|validation| validation.get("settings"))
                .and_then(|settings| settings.text_at("maxDecimals"))
                .is_some_and(|decimals| decimals == "0"),
            ..Self::default()
        }
    }

    /// Fills in what the other description lacks. `self` is what `GET /survey-definitions` says, which is newer and
    /// knows recodes, text boxes and rows' tags; `other` is what `GET /surveys` says.
    pub(super) fn complete(&mut self, other: Self) {
        complete_parts(&mut self.choices, other.choices);
        complete_parts(&mut self.answers, other.answers);
        if self.groups.is_empty() {
            self.groups = other.groups;
        }
        if self.columns.is_empty() {
            self.columns = other.columns;
        }
        self.whole |= other.whole;
    }

    /// The columns of a row: its own, else those of all.
    pub(super) fn answers_of<'a>(&'a self, row: &'a Part) -> &'a [Part] {
        if row.answers.is_empty() {
            &self.answers
        } else {
            &row.answers
        }
    }

    /// Several answers may be chosen.
    pub(super) fn is_multiple(&self) -> bool {
        self.selector.starts_with("MA")
            || self.selector == "MSB"
            || self.sub_selector == "MultipleAnswer"
    }
}

/// Ids of nothing that somebody builds go higher than this; a larger number would only be a trap.
const LEVELS_MAX: usize = 100;

/// `QID1` in `q://QID1/ChoiceGroup/SelectedChoices`.
fn located(locator: &str) -> Option<String> {
    let (question, _) = locator.strip_prefix("q://")?.split_once('/')?;
    Some(question.to_owned())
}

/// Qualtrics fills in rows' tags as `Q15_3`, after the question's tag of that time and the row's id. Exports don't
/// follow them when the question is renamed. Source: surveyir, measured against real exports.
fn is_default_tag(tag: &str, id: &str, question_tag: &str) -> bool {
    let Some(stem) = tag.strip_suffix(id).and_then(|stem| stem.strip_suffix('_')) else {
        return false;
    };
    let digits = stem.strip_prefix('Q').unwrap_or("");
    let is_made = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    is_made && stem != question_tag
}

fn complete_parts(parts: &mut Vec<Part>, others: Vec<Part>) {
    for other in others {
        match parts.iter_mut().find(|part| part.id == other.id) {
            None => parts.push(other),
            Some(part) => {
                if part.recode.is_none() {
                    part.recode = other.recode;
                }
                if part.label.is_empty() {
                    part.label = other.label;
                }
            }
        }
    }
}

/// `Choices` or `Answers`, in the order given beside them.
fn definition_parts(node: Node<'_>, name: &str, order: &str) -> Vec<Part> {
    let mut parts: Vec<Part> = node
        .get(name)
        .map_or_else(Vec::new, |parts| parts.members())
        .iter()
        .map(|(id, part)| Part {
            id: id.clone().into_owned(),
            label: plain(&part.text_at("Display").unwrap_or_default()),
            has_text: part.text_at("TextEntry").is_some_and(|on| is_on(&on)),
            ..Part::default()
        })
        .collect();
    let places: BTreeMap<String, usize> = node
        .get(order)
        .map_or_else(Vec::new, Node::elements)
        .into_iter()
        .filter_map(|id| Some(id.text()?.into_owned()))
        .zip(0..)
        .collect();
    parts.sort_by_key(|part| places.get(&part.id).copied().unwrap_or(usize::MAX));
    parts
}

/// `choices` or `subQuestions`.
fn survey_parts(node: Option<Node<'_>>) -> Vec<Part> {
    node.map_or_else(Vec::new, |parts| parts.members())
        .iter()
        .map(|(id, part)| {
            // `description` is the variable's name where one was given, else the text; so is the export's label.
            let label = part
                .text_at("description")
                .or_else(|| part.text_at("choiceText"));
            Part {
                id: id.clone().into_owned(),
                recode: part.text_at("recode"),
                label: plain(&label.unwrap_or_default()),
                has_text: part.text_at("textEntry").is_some_and(|on| is_on(&on)),
                ..Part::default()
            }
        })
        .collect()
}

/// `"true"`, `true`, `1` and `"on"` occur.
fn is_on(text: &str) -> bool {
    matches!(text, "true" | "1" | "on" | "ON")
}

/// Sets something on each part that `texts` has a text for; `false` and `[]` stand for none.
fn apply(texts: Option<Node<'_>>, parts: &mut [Part], set: impl Fn(&mut Part, String)) {
    let texts: BTreeMap<String, String> = texts
        .map_or_else(Vec::new, Node::members)
        .into_iter()
        .filter_map(|(id, text)| Some((id.into_owned(), text.text()?.into_owned())))
        .filter(|(_, text)| !text.is_empty())
        .collect();
    for part in parts {
        if let Some(text) = texts.get(&part.id) {
            set(part, text.clone());
        }
    }
}

fn keys(node: Option<Node<'_>>) -> Vec<String> {
    node.filter(|node| matches!(node.shape(), Shape::Array | Shape::Object))
        .map_or_else(Vec::new, Node::members)
        .into_iter()
        .map(|(key, _)| key.into_owned())
        .collect()
}
