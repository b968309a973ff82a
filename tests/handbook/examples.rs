//! The examples of the documents: files load, links lead somewhere, settings exist.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use ingester_core::sql::{Dialect, ddl};
use qualtrics_ingester::config::{Config, Sources};

use super::{blocks, code, documents, prose, read, root, sources, tables};

#[test]
fn configuration_files_load() {
    let mut loaded = 0;
    for (path, text) in documents() {
        for block in blocks(&text, "toml") {
            let sources = Sources {
                file: Some((path.clone().into(), block.to_owned())),
                environment: BTreeMap::from([("PSEUDONYM_KEY".to_owned(), "k".repeat(32))]),
                ..Sources::default()
            };
            if let Err(errors) = Config::load(&sources) {
                panic!("{path}: {errors}\n{block}");
            }
            loaded += 1;
        }
    }
    assert!(loaded >= 4, "only {loaded} examples were found");
}

#[test]
fn json_examples_are_json() {
    for (path, text) in documents() {
        for block in blocks(&text, "json") {
            if let Err(error) = serde_json::from_str::<serde_json::Value>(block) {
                panic!("{path}: {error}\n{block}");
            }
        }
    }
}

#[test]
fn settings_and_tables_that_are_named_exist() {
    let source: String = sources().into_iter().map(|(_, text)| text).collect();
    // What others define, and what is meant as a form.
    const OTHERS: [&str; 5] = [
        "CARGO_TARGET_DIR",
        "TRYCMD",
        "CURRENT_UTCTIMESTAMP",
        "ADD_SECONDS",
        "ACCEPT_GRANTED_AUTHORITIES",
    ];
    for (path, text) in documents() {
        let words =
            text.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
        for word in words.filter(|word| {
            word.contains('_') && word.len() > 5 && !word.starts_with('_') && !word.ends_with('_')
        }) {
            let is_id = [
                "SV_",
                "R_",
                "SUB_",
                "INGESTER_APP",
                "INGESTER_TEST_",
                "TEST_QUALTRICS",
            ]
            .iter()
            .any(|start| word.starts_with(start));
            let is_of_hana = word.starts_with("M_") || word.starts_with("TABLE_");
            assert!(
                is_id || is_of_hana || OTHERS.contains(&word) || source.contains(word),
                "{path} names {word}, which the source does not"
            );
        }
    }
}

/// As GitHub makes them of headings.
fn slug(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().trim().replace(' ', "-")
}

fn anchors(text: &str) -> BTreeSet<String> {
    let prose = prose(text);
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| slug(line.trim_start_matches('#')))
        .collect()
}

#[test]
fn links_lead_somewhere() {
    for (path, text) in documents() {
        let folder = root().join(&path).parent().unwrap().to_owned();
        for link in prose(&text).split("](").skip(1) {
            let target = link.split(')').next().unwrap();
            if target.starts_with("http") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let aim = if file.is_empty() {
                root().join(&path)
            } else {
                folder.join(file)
            };
            assert!(aim.exists(), "{path} links to {target}, which is not there");
            if !anchor.is_empty() {
                let anchors = anchors(&fs::read_to_string(&aim).unwrap());
                assert!(
                    anchors.contains(anchor),
                    "{path} links to {target}: {anchors:?}"
                );
            }
        }
    }
}

#[test]
fn every_document_is_reached_from_the_readme() {
    let mut reached = BTreeSet::from(["README.md".to_owned()]);
    loop {
        let before = reached.len();
        for path in reached.clone() {
            for link in prose(&read(&path)).split("](").skip(1) {
                let file = link.split([')', '#']).next().unwrap();
                let aim = Path::new(&path).parent().unwrap().join(file);
                let aim = aim.to_string_lossy().replace("docs/../", "");
                if aim.ends_with(".md") && root().join(&aim).exists() {
                    reached.insert(aim);
                }
            }
        }
        if reached.len() == before {
            break;
        }
    }
    for (path, _) in documents() {
        assert!(reached.contains(&path), "nothing leads to {path}");
    }
}

#[test]
fn every_stored_field_is_accounted_for() {
    let text = read("docs/privacy.md");
    let mut accounted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut table = String::new();
    for cells in tables(&text, "## What is stored") {
        if let Some(name) = code(&cells[0]).next() {
            name.clone_into(&mut table);
        }
        let fields = code(&cells[1]).map(str::to_owned);
        accounted.entry(table.clone()).or_default().extend(fields);
    }
    for own in ddl::OWN_TABLES {
        let statement = &own.create(Dialect::Hana)[0];
        let names = statement.split('"').skip(1).step_by(2);
        for column in names.filter(|name| *name != own.name) {
            assert!(
                accounted
                    .get(own.name)
                    .is_some_and(|fields| fields.contains(column)),
                "docs/privacy.md does not account for {}.{column}",
                own.name
            );
        }
    }
}
