//! The keys that a question has in `values`, with the tags and cells of an export file.
//!
//! Everything else follows from this list: the response schema, generated answers, displayed fields, export columns.
//! Source: the dossier of recorded answers and clients; types marked as guesses there are marked by `Kind::is_guess`.

mod keys;

use serde_json::Value;

pub(crate) use self::keys::fields;
use crate::survey::question::{Choice, Question};

/// A possible answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Opt {
    pub(crate) id: String,
    /// As `values` holds it: a number for single answers, a string in arrays.
    pub(crate) code: Value,
    pub(crate) label: String,
}

/// What a key's value looks like.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    Single(Vec<Opt>),
    Multi(Vec<Opt>),
    /// 1 detractor, 2 passive, 3 promoter.
    NpsGroup,
    Text,
    Number,
    /// A rank among so many.
    Rank(usize),
    Points,
    Regions,
    /// The order in which choices were shown.
    Order(Vec<Opt>),
}

/// Where a column's cell comes from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    /// The value, arrays joined by commas.
    Whole,
    /// The code, where the array holds it.
    Member(String),
    /// The position of the code in the array.
    Place(String),
    /// A coordinate of the n-th point.
    Point(usize, &'static str),
}

/// A column of an export file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    pub(crate) tag: String,
    pub(crate) choice: Option<String>,
    pub(crate) text: String,
    pub(crate) cell: Cell,
}

/// A key of `values` that belongs to a question.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    pub(crate) key: String,
    pub(crate) tag: String,
    pub(crate) question: String,
    pub(crate) question_tag: String,
    pub(crate) text: String,
    pub(crate) shape: Shape,
    pub(crate) columns: Vec<Column>,
    pub(crate) loop_number: Option<usize>,
}

/// `Number` options for single answers.
pub(crate) fn numbered(choices: &[Choice]) -> Vec<Opt> {
    choices
        .iter()
        .map(|choice| Opt {
            id: choice.id.clone(),
            code: choice.code(),
            label: choice.label.clone(),
        })
        .collect()
}

/// String options for arrays. Source: recorded `"QID2": ["2"]`; that the strings are recodes and not choice ids is
/// assumed (the recorded ones are equal).
pub(crate) fn coded(choices: &[Choice]) -> Vec<Opt> {
    let code = |choice: &Choice| Value::from(choice.recode.clone());
    choices
        .iter()
        .map(|choice| Opt {
            id: choice.id.clone(),
            code: code(choice),
            label: choice.label.clone(),
        })
        .collect()
}

/// The distinct words of one level of a drill-down, numbered in order.
pub(crate) fn level(question: &Question, level: usize) -> Vec<Opt> {
    let mut options: Vec<Opt> = Vec::new();
    for answer in &question.answers {
        let Some(word) = answer.label.split(" ~ ").nth(level) else {
            continue;
        };
        if !options.iter().any(|option| option.label == word) {
            let number = options.len() + 1;
            options.push(Opt {
                id: number.to_string(),
                code: Value::from(number),
                label: word.to_owned(),
            });
        }
    }
    options
}

/// Suffix of the key, and of the header. Source: recorded headers and ImportIds.
pub(crate) const TIMING: [(&str, &str); 4] = [
    ("FIRST_CLICK", "First Click"),
    ("LAST_CLICK", "Last Click"),
    ("PAGE_SUBMIT", "Page Submit"),
    ("CLICK_COUNT", "Click Count"),
];
/// Only four of the seven choices appear. Source: recorded headers and ImportIds.
pub(crate) const META: [(&str, &str); 4] = [
    ("BROWSER", "Browser"),
    ("VERSION", "Version"),
    ("OS", "Operating System"),
    ("RESOLUTION", "Resolution"),
];
/// Source: clients that read uploaded files.
pub(crate) const FILE: [(&str, &str); 4] = [
    ("FILE_ID", "Id"),
    ("FILE_NAME", "Name"),
    ("FILE_SIZE", "Size"),
    ("FILE_TYPE", "Type"),
];
