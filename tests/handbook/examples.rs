//! The examples of the documents: files load, commands parse, links lead somewhere, settings exist.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};
use ingester_core::sql::{Dialect, ddl};
use qualtrics_ingester::cli::Cli;
use qualtrics_ingester::config::{Config, Sources};

use super::{code, difference, read, root, sources, tables};

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

/// The words of a command line, quotes taken off.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in line.chars() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (None, ' ') if !word.is_empty() => words.push(std::mem::take(&mut word)),
            (None, ' ') => {}
            (_, c) => word.push(c),
        }
    }
    words.push(word);
    words
}

/// The calls of our binary in a line of shell; a task's command line stands in quotes of its own.
fn calls(line: &str) -> Vec<Vec<String>> {
    let mut calls = Vec::new();
    let words = words(line);
    for (at, word) in words.iter().enumerate() {
        if word.contains("qualtrics-ingester ") {
            calls.extend(self::calls(word));
        } else if word.rsplit('/').next() == Some("qualtrics-ingester") && !is_name(&words, at) {
            let arguments = words[at + 1..].iter();
            let ends = |word: &&String| !matches!(word.as_str(), "|" | ">" | "&&" | "#");
            calls.push(arguments.take_while(ends).cloned().collect());
        }
    }
    calls
}

/// The application's name, an image's name: not the command.
fn is_name(words: &[String], at: usize) -> bool {
    words
        .first()
        .is_some_and(|first| first == "cf" || first == "podman")
        && !words[at].starts_with("./")
}

/// Whether the command line knows these arguments; what is left out in a text may be missing.
fn parses(arguments: &[String]) -> Result<(), String> {
    let filled = arguments.iter().map(|word| match word.as_str() {
        "SV_…" => "SV_22VlHYNeldrrrk1".to_owned(),
        "R_…" => "R_1".to_owned(),
        "N" => "5".to_owned(),
        "…" => "x".to_owned(),
        other => other.to_owned(),
    });
    let name = std::iter::once("qualtrics-ingester".to_owned());
    match Cli::try_parse_from(name.chain(filled)) {
        Ok(_) => Ok(()),
        Err(error) => match error.kind() {
            ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelp
            | ErrorKind::MissingRequiredArgument
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Ok(()),
            _ => Err(error.to_string()),
        },
    }
}

#[test]
fn commands_in_examples_exist() {
    let mut tried = 0;
    for (path, text) in documents() {
        let mut lines: Vec<&str> = ["console", "sh", ""]
            .iter()
            .flat_map(|language| blocks(&text, language))
            .flat_map(str::lines)
            .map(|line| line.trim_start().trim_start_matches("$ "))
            .collect();
        let prose = prose(&text);
        lines.extend(code(&prose).filter(|code| code.contains("qualtrics-ingester ")));
        for call in lines.into_iter().flat_map(calls) {
            if let Err(error) = parses(&call) {
                panic!("{path}: {call:?}: {error}");
            }
            tried += 1;
        }
    }
    assert!(tried >= 40, "only {tried} commands were found");
}

#[test]
fn commands_named_in_passing_exist() {
    const COMMANDS: [&str; 18] = [
        "demo",
        "serve",
        "sandbox",
        "init",
        "survey",
        "subscription",
        "backfill",
        "reconcile",
        "replay",
        "schema",
        "inbox",
        "link",
        "erase",
        "cards",
        "top",
        "access",
        "completions",
        "check",
    ];
    let mut tried = 0;
    for (path, text) in documents() {
        for code in code(&prose(&text)) {
            let words = words(code);
            if words.len() < 2
                || !COMMANDS.contains(&words[0].as_str())
                || code.contains('=') && !code.contains(" --")
            {
                continue;
            }
            if let Err(error) = parses(&words) {
                panic!("{path}: {code}: {error}");
            }
            tried += 1;
        }
    }
    assert!(tried >= 40, "only {tried} commands were found");
}

/// Commands that do something, as against those that only group others.
fn leaves(command: &clap::Command, before: &str) -> Vec<String> {
    let mut found = Vec::new();
    for command in command.get_subcommands() {
        let name = format!("{before}{}", command.get_name());
        if command.has_subcommands() {
            found.extend(leaves(command, &format!("{name} ")));
        } else {
            found.push(name);
        }
    }
    found
}

#[test]
fn each_command_has_its_line_as_a_task_or_belongs_to_a_machine_of_ones_own() {
    let text = read("docs/deploy.md");
    let section = text.split_once("\n## Commands as tasks\n").unwrap().1;
    let section = section.split("\n## ").next().unwrap();
    let at_home: BTreeSet<&str> =
        code(section.lines().rfind(|line| !line.is_empty()).unwrap()).collect();
    let tasks: Vec<String> = tables(&text, "## Commands as tasks")
        .iter()
        .flat_map(|cells| calls(&cells[1].replace('`', "")))
        .map(|call| call.join(" "))
        .collect();
    for name in leaves(&Cli::command(), "") {
        let has_line = tasks
            .iter()
            .any(|task| *task == name || task.starts_with(&format!("{name} ")));
        assert!(
            has_line != at_home.contains(name.as_str()),
            "docs/deploy.md: {name} has a line: {has_line}"
        );
    }
}

#[test]
fn each_list_for_machines_has_a_schema() {
    // What prints a file, a page or a statement, runs until it is ended, or says only how many it changed.
    const NO_LIST: [&str; 11] = [
        "serve",
        "sandbox",
        "init",
        "schema grants",
        "schema cds",
        "inbox retry",
        "inbox drop",
        "subscription delete",
        "cards show",
        "completions",
        "man",
    ];
    let schema: serde_json::Value = serde_json::from_str(&read("output.schema.json")).unwrap();
    let described: BTreeSet<String> = schema["$defs"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    let mut lists: BTreeSet<String> = leaves(&Cli::command(), "").into_iter().collect();
    lists.retain(|name| !NO_LIST.contains(&name.as_str()));
    let differences = difference(
        ("the command line", &lists),
        ("output.schema.json", &described),
    );
    assert!(differences.is_empty(), "{differences}");
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

#[test]
fn command_lines_are_read_as_a_shell_does() {
    assert_eq!(
        calls(
            "cf run-task qualtrics-ingester --name x --command \"./qualtrics-ingester inbox list --state dead\""
        ),
        [["inbox", "list", "--state", "dead"]]
    );
    assert_eq!(
        calls("A=… dist/qualtrics-ingester cards list > out"),
        [["cards", "list"]]
    );
    assert!(calls("podman build -t qualtrics-ingester .").is_empty());
    assert!(parses(&["inbox".to_owned(), "lost".to_owned()]).is_err());
    assert!(parses(&["inbox".to_owned(), "list".to_owned(), "--sate".to_owned()]).is_err());
}
