//! What stands in documents and descriptors, held against the product: names that exist, examples that work.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests and their helpers fail by panicking"
)]

mod commands;
mod descriptors;
mod examples;
mod json_schema;
mod operation;
mod runbook;
mod settings;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A file of YAML, read as what it has to be.
fn yaml<T: DeserializeOwned>(path: &str) -> T {
    serde_saphyr::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every document for readers, with its path from the root.
fn documents() -> Vec<(String, String)> {
    let names = |folder: &str| -> Vec<String> {
        let entries = fs::read_dir(root().join(folder)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".md")).collect()
    };
    let mut paths = names("");
    paths.extend(names("docs").into_iter().map(|name| format!("docs/{name}")));
    paths.sort();
    paths
        .into_iter()
        .map(|path| (path.clone(), read(&path)))
        .collect()
}

/// The fenced blocks of a language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let mut found = Vec::new();
    let mut parts = text.split("```");
    parts.next();
    while let (Some(block), _) = (parts.next(), parts.next()) {
        if let Some((head, body)) = block.split_once('\n')
            && head.trim() == language
        {
            found.push(body);
        }
    }
    found
}

/// A document without its blocks.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// What one side has and the other lacks, as a text that names both; empty if there is nothing.
fn difference(left: (&str, &BTreeSet<String>), right: (&str, &BTreeSet<String>)) -> String {
    let lacking = |(has, all): (&str, &BTreeSet<String>),
                   (lacks, others): (&str, &BTreeSet<String>)| {
        all.difference(others)
            .map(|one| format!("{has} has, and {lacks} lacks: {one}\n"))
            .collect::<String>()
    };
    lacking(left, right) + &lacking(right, left)
}

/// The source of the product without its tests.
fn sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "tests" {
                walk(&path, found);
            } else if path.extension().is_some_and(|end| end == "rs") && name != "tests" {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join("src"), &mut found);
    walk(&root().join("crates/core/src"), &mut found);
    found
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let product = text.split("#[cfg(test)]").next().unwrap().to_owned();
            (path, product)
        })
        .collect()
}

/// The rows of the tables below a heading, up to the next one of the same depth: their cells, without the head.
fn tables(text: &str, heading: &str) -> Vec<Vec<String>> {
    let depth = heading.split(' ').next().unwrap();
    let section = text
        .split_once(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("no {heading}"))
        .1;
    let section = section.split(&format!("\n{depth} ")).next().unwrap();
    let mut rows = Vec::new();
    let mut lines = section.lines().peekable();
    while let Some(line) = lines.next() {
        let is_head = lines.peek().is_some_and(|next| next.starts_with("|---"));
        if line.starts_with('|') && !line.starts_with("|---") && !is_head {
            let cells = line.trim_matches('|').split(" | ");
            rows.push(cells.map(|cell| cell.trim().to_owned()).collect());
        }
    }
    rows
}

/// What stands between backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}
