//! Commands in documents: they parse, each has its line as a task, and each list for machines its schema.

use std::collections::BTreeSet;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};
use qualtrics_ingester::cli::Cli;

use super::{blocks, code, difference, documents, prose, read, tables};

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
