//! The repository's own rules, as tests. What ARCHITECTURE.md says of who may import whom is read from there, so the
//! document can't rot.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests and their helpers fail by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every Rust file below a folder, with its path from the root.
fn rust_files(folder: &str) -> Vec<(String, String)> {
    fn walk(path: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), &mut found);
    found.sort();
    let text = |path: PathBuf| {
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        (name, fs::read_to_string(path).unwrap())
    };
    found.into_iter().map(text).collect()
}

/// The table of ARCHITECTURE.md: module to the modules that it may import; `all` means all.
fn allowed_imports() -> BTreeMap<String, BTreeSet<String>> {
    let text = read("ARCHITECTURE.md");
    let table = text.split("<!-- imports -->").nth(1).unwrap();
    table
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            let module = cells
                .get(1)
                .unwrap()
                .trim_matches('`')
                .trim_end_matches('/')
                .trim_end_matches(".rs")
                .to_owned();
            let names = cells
                .get(3)
                .unwrap()
                .split(',')
                .map(|name| name.trim().trim_matches('`').to_owned())
                .collect();
            (module, names)
        })
        .collect()
}

/// Everybody may import these: they know nothing of the others.
const FOUNDATIONS: [&str; 2] = ["lifecycle", "telemetry"];

#[test]
fn modules_import_only_what_the_architecture_allows() {
    let allowed = allowed_imports();
    let mut wrong = Vec::new();
    for (path, text) in rust_files("src") {
        let inner = path.strip_prefix("src/").unwrap();
        let module = inner.split(['/', '.']).next().unwrap();
        if matches!(module, "lib" | "main") {
            continue;
        }
        let Some(may) = allowed.get(module) else {
            wrong.push(format!("{path}: module {module} is not in ARCHITECTURE.md"));
            continue;
        };
        for line in text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
        {
            for imported in line.split("crate::").skip(1) {
                let imported: String = imported
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                let is_allowed = imported.is_empty()
                    || imported == module
                    || FOUNDATIONS.contains(&imported.as_str())
                    || may.contains("all")
                    || may.contains(&imported);
                if !is_allowed {
                    wrong.push(format!("{path}: {module} may not import {imported}"));
                }
            }
            if line.contains("qualtrics_sandbox::") && module != "cli" {
                wrong.push(format!("{path}: only cli may use the sandbox"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_core_depends_on_nothing_that_touches_the_world() {
    const ALLOWED: [&str; 14] = [
        "bigdecimal",
        "form_urlencoded",
        "hex",
        "hmac",
        "idna",
        "jiff",
        "percent-encoding",
        "quick-xml",
        "regex",
        "secrecy",
        "serde",
        "serde_json",
        "sha2",
        "thiserror",
    ];
    let text = read("crates/core/Cargo.toml");
    let dependencies = text
        .split("[dependencies]")
        .nth(1)
        .unwrap()
        .split("\n[")
        .next()
        .unwrap();
    let names = dependencies
        .lines()
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty());
    for name in names.filter(|name| !name.starts_with('#')) {
        assert!(
            ALLOWED.contains(&name),
            "crates/core may not depend on {name}"
        );
    }
}

#[test]
fn the_sandbox_shares_no_code_with_what_it_tests() {
    let text = read("crates/sandbox/Cargo.toml");
    assert!(!text.contains("ingester_core") && !text.contains("qualtrics-ingester"));
    assert!(!read("crates/hana-testserver/Cargo.toml").contains("ingester_core"));
}

#[test]
fn the_test_server_is_never_part_of_the_product() {
    let text = read("Cargo.toml");
    let package = text.split("[package]").nth(1).unwrap();
    let dependencies = package
        .split("\n[dependencies]")
        .nth(1)
        .unwrap()
        .split("\n[")
        .next()
        .unwrap();
    assert!(!dependencies.contains("hana-testserver"));
}

#[test]
fn sql_texts_stand_in_the_core() {
    const WORDS: [&str; 6] = [
        "\"SELECT ",
        "\"INSERT ",
        "\"UPDATE ",
        "\"UPSERT ",
        "\"DELETE ",
        "\"CREATE ",
    ];
    let wrong: Vec<_> = rust_files("src")
        .into_iter()
        .filter(|(_, text)| {
            let product = text.split("#[cfg(test)]").next().unwrap();
            WORDS.iter().any(|word| product.contains(word))
        })
        .map(|(path, _)| path)
        .collect();
    assert!(
        wrong.is_empty(),
        "SQL outside crates/core/src/sql: {wrong:?}"
    );
}

#[test]
fn long_files_say_why() {
    const LINES_MAX: usize = 400;
    let folders = ["src", "crates", "tests", "benches"];
    let mut wrong = Vec::new();
    for (path, text) in folders.iter().flat_map(|folder| rust_files(folder)) {
        let lines = text.lines().count();
        let head: String = text
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .collect();
        if lines > LINES_MAX && !head.contains("Long because") {
            wrong.push(format!(
                "{path}: {lines} lines, and its head does not say \"Long because …\""
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for() {
    let folders = ["src", "crates", "tests", "benches"];
    let wrong: Vec<_> = folders
        .iter()
        .flat_map(|folder| rust_files(folder))
        .filter(|(path, text)| !text.starts_with("//!") && !path.contains("/snapshots/"))
        .map(|(path, _)| path)
        .collect();
    assert!(wrong.is_empty(), "files without a head: {wrong:?}");
}

#[test]
fn no_test_is_switched_off() {
    let marks = [concat!("#[ig", "nore"), concat!("#[should", "_panic")];
    for (path, text) in ["src", "crates", "tests"]
        .iter()
        .flat_map(|folder| rust_files(folder))
    {
        assert!(!marks.iter().any(|mark| text.contains(mark)), "{path}");
    }
}

#[test]
fn only_metrics_that_exist_are_named_elsewhere() {
    let known = read("src/telemetry/metrics.rs");
    let names = |text: &str| -> BTreeSet<String> {
        text.split(|c: char| !(c.is_ascii_lowercase() || c == '_'))
            .filter(|word| word.starts_with("ingester_") && word.len() > "ingester_".len())
            .map(|word| {
                let word = ["_bucket", "_sum", "_count", "_total", "_info"]
                    .iter()
                    .fold(word, |word, end| word.strip_suffix(end).unwrap_or(word));
                word.to_owned()
            })
            .filter(|word| word != "ingester_core")
            .collect()
    };
    let registered = names(&known);
    for path in ["docs/operate.md", "ops/alerts.yml", "ops/grafana.json"] {
        let text = read(path);
        for name in names(&text) {
            assert!(
                registered.contains(&name),
                "{path} names {name}, which is no metric"
            );
        }
    }
    let documented = names(&read("docs/operate.md"));
    for name in registered {
        assert!(
            documented.contains(&name),
            "docs/operate.md does not document {name}"
        );
    }
}

/// Every fault has its line, every test that a line names exists, and no test of a fault is without a line.
#[test]
fn the_table_of_faults_names_tests_that_exist() {
    let text = read("docs/faults.md");
    let lines: Vec<Vec<&str>> = text
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| #"))
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    let numbers: Vec<u32> = lines
        .iter()
        .map(|cells| cells.get(1).unwrap().parse().unwrap())
        .collect();
    assert_eq!(numbers, (1..=33).collect::<Vec<_>>());
    let named: BTreeSet<&str> = lines
        .iter()
        .flat_map(|cells| cells.get(4).unwrap().split('`').skip(1).step_by(2))
        .filter(|name| name.contains('_'))
        .collect();
    let sources: String = ["src", "tests"]
        .iter()
        .flat_map(|folder| rust_files(folder))
        .map(|(_, text)| text)
        .collect();
    let missing: Vec<_> = named
        .iter()
        .filter(|name| {
            let function = format!("fn {name}(");
            // The store's conformance suite names its tests in a list.
            let listed = format!(" {name},");
            !sources.contains(&function) && !sources.contains(&listed)
        })
        .collect();
    assert!(missing.is_empty(), "docs/faults.md names {missing:?}");
    for (path, text) in rust_files("tests/faults") {
        for name in text.split("async fn ").skip(1) {
            let name = name.split('(').next().unwrap();
            let is_fault =
                name.starts_with('f') && name.chars().nth(1).is_some_and(char::is_numeric);
            assert!(
                !is_fault || named.contains(name),
                "{path}: {name} is not in docs/faults.md"
            );
        }
    }
}
