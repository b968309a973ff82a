//! In which order questions are asked, in which loops, and which of them were deleted.
//!
//! Source: recorded `Blocks`, `SurveyFlow` and `loopAndMerge`; the shape of `LoopingOptions` is read from public QSF
//! files. `Assumed:` a loop over fixed fields counts from 1 where only lists of texts are given.

use std::collections::{BTreeMap, BTreeSet};

use super::json::Node;

/// What blocks and flow say of questions.
#[derive(Debug, Default)]
pub(super) struct Arrangement {
    /// Question ids in the flow's order, deleted ones last.
    pub(super) order: Vec<String>,
    pub(super) trashed: BTreeSet<String>,
    pub(super) loops: BTreeMap<String, Loops>,
    /// Fields that the flow declares, in its order.
    pub(super) embedded: Vec<String>,
}

/// The loops that a question is asked in.
#[derive(Debug, Clone)]
pub(super) enum Loops {
    /// These ids.
    Ids(Vec<String>),
    /// One per choice of this question.
    ChoicesOf(String),
}

struct Block {
    id: String,
    trash: bool,
    questions: Vec<String>,
    loops: Option<Loops>,
}

/// From `GET /survey-definitions/{id}`: `Blocks` (an object or array of blocks; in QSF also one block) and `SurveyFlow`.
pub(super) fn of_definition(blocks: &[Node<'_>], flow: Option<Node<'_>>) -> Arrangement {
    let blocks = blocks
        .iter()
        .flat_map(|blocks| match blocks.get("BlockElements") {
            Some(_) => vec![(String::new(), *blocks)],
            None => members(Some(*blocks)),
        })
        .map(|(id, block)| Block {
            id: block.text_at("ID").unwrap_or(id),
            trash: block.text_at("Type").is_some_and(|kind| kind == "Trash"),
            questions: elements(block.get("BlockElements"), "QuestionID"),
            loops: block.get("Options").and_then(looping),
        })
        .collect();
    arrange(blocks, flow)
}

/// From `GET /surveys/{id}`: `blocks`, `flow`, `loopAndMerge`, `embeddedData`.
pub(super) fn of_survey(survey: Node<'_>) -> Arrangement {
    let looped = survey.get("loopAndMerge");
    let blocks = members(survey.get("blocks"))
        .into_iter()
        .map(|(id, block)| Block {
            trash: false,
            questions: elements(block.get("elements"), "questionId"),
            loops: looped.and_then(|looped| looped.get(&id)).and_then(merged),
            id,
        })
        .collect();
    let mut arrangement = arrange(blocks, survey.get("flow"));
    for (_, field) in members(survey.get("embeddedData")) {
        arrangement.embedded.extend(field.text_at("name"));
    }
    arrangement
}

fn arrange(mut blocks: Vec<Block>, flow: Option<Node<'_>>) -> Arrangement {
    let mut arrangement = Arrangement::default();
    let mut block_ids = Vec::new();
    if let Some(flow) = flow {
        walk(flow, 0, &mut block_ids, &mut arrangement.embedded);
    }
    let places: BTreeMap<&String, usize> = block_ids
        .iter()
        .rev()
        .zip((0..block_ids.len()).rev())
        .collect();
    blocks.sort_by_key(|block| {
        let place = places.get(&block.id).copied().unwrap_or(usize::MAX);
        (block.trash, place)
    });
    for block in blocks {
        for question in block.questions {
            if block.trash {
                arrangement.trashed.insert(question.clone());
            }
            if let Some(loops) = &block.loops {
                arrangement.loops.insert(question.clone(), loops.clone());
            }
            arrangement.order.push(question);
        }
    }
    arrangement
}

/// A survey's flow nests groups, branches and randomizers; nobody builds it deeper than this.
const FLOW_DEPTH_MAX: usize = 64;

/// Collects the blocks and declared fields of a flow, in order.
fn walk(node: Node<'_>, depth: usize, blocks: &mut Vec<String>, embedded: &mut Vec<String>) {
    if depth > FLOW_DEPTH_MAX {
        return;
    }
    if node.shape() == super::json::Shape::Array {
        node.each_element(|element| walk(element, depth + 1, blocks, embedded));
        return;
    }
    blocks.extend(node.text_at("ID").or_else(|| node.text_at("id")));
    for (_, field) in members(node.get("EmbeddedData")) {
        embedded.extend(field.text_at("Field"));
    }
    for name in ["Flow", "flow"] {
        if let Some(inner) = node.get(name) {
            walk(inner, depth + 1, blocks, embedded);
        }
    }
}

/// A block's `Options.LoopingOptions`. A table of fields lists the loops, also where a question drives them.
fn looping(options: Node<'_>) -> Option<Loops> {
    options
        .text_at("Looping")
        .filter(|kind| kind == "Static" || kind == "Question")?;
    let looping = options.get("LoopingOptions")?;
    let ids: Vec<String> = members(looping.get("Static"))
        .into_iter()
        .map(|(id, _)| id)
        .collect();
    if ids.is_empty() {
        looping.text_at("QID").map(Loops::ChoicesOf)
    } else {
        Some(Loops::Ids(ids))
    }
}

/// A block's entry in `loopAndMerge`.
fn merged(block: Node<'_>) -> Option<Loops> {
    if let Some(question) = block
        .get("loopQuestionMeta")
        .and_then(|meta| meta.text_at("questionId"))
    {
        return Some(Loops::ChoicesOf(question));
    }
    let columns = members(block.get("columnNames"));
    let (_, texts) = columns.first()?;
    let count = texts.members().len();
    (count > 0).then(|| Loops::Ids((1..=count).map(|id| id.to_string()).collect()))
}

fn members(node: Option<Node<'_>>) -> Vec<(String, Node<'_>)> {
    node.map_or_else(Vec::new, Node::members)
        .into_iter()
        .map(|(key, value)| (key.into_owned(), value))
        .collect()
}

fn elements(node: Option<Node<'_>>, name: &str) -> Vec<String> {
    members(node)
        .iter()
        .filter_map(|(_, element)| element.text_at(name))
        .collect()
}
