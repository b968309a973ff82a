//! The runbook names each log message, each code and each alert, and none that does not exist.

use std::collections::BTreeSet;

use super::{code, difference, read, sources, tables};

/// The texts of a piece of source, each with what stands between it and the text before, continued lines joined.
fn literals(source: &str) -> Vec<(&str, String)> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some((before, after)) = rest.split_once('"') {
        let mut escaped = false;
        let end = after.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let Some((text, beyond)) = end.and_then(|end| after.split_at_checked(end)) else {
            break;
        };
        let mut lines = text.split("\\\n");
        let first = lines.next().unwrap_or_default().to_owned();
        found.push((
            before,
            lines.fold(first, |joined, line| joined + line.trim_start()),
        ));
        rest = beyond.strip_prefix('"').unwrap_or_default();
    }
    found
}

/// What stands between an opening parenthesis, which is before `source`, and its end.
fn arguments(source: &str) -> &str {
    let (mut depth, mut quoted, mut escaped) = (1, false, false);
    for (at, c) in source.char_indices() {
        match c {
            '"' if !escaped => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            _ => {}
        }
        escaped = c == '\\' && !escaped;
        if depth == 0 {
            return source.split_at(at).0;
        }
    }
    source
}

/// `{…}` as dots: what varies.
fn pattern(message: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for c in message.chars() {
        match c {
            '{' => {
                inside = true;
                text.push('…');
            }
            '}' => inside = false,
            c if !inside => text.push(c),
            _ => {}
        }
    }
    text
}

#[test]
fn every_log_message_is_in_the_runbook() {
    let mut written = BTreeSet::new();
    for (path, source) in sources() {
        for level in ["info", "warn", "error"] {
            for call in source.split(&format!("tracing::{level}!(")).skip(1) {
                let inside = arguments(call);
                // The message is the first text that is not the value of a field.
                let texts = literals(inside);
                let message = texts
                    .iter()
                    .find(|(before, _)| !before.trim_end().ends_with(['=', ':']))
                    .unwrap_or_else(|| panic!("no message in {}: {inside}", path.display()));
                let message = pattern(&message.1);
                if message != "…" {
                    written.insert(format!("{level}: {message}"));
                }
            }
        }
    }
    assert!(written.len() > 30, "{written:?}");
    let documented = tables(&read("docs/operate.md"), "### Messages");
    let documented: BTreeSet<String> = documented
        .iter()
        .map(|cells| format!("{}: {}", cells[0], cells[1]))
        .collect();
    let differences = difference(("the source", &written), ("docs/operate.md", &documented));
    assert!(differences.is_empty(), "{differences}");
}

/// Codes as they are: small letters and hyphens; `foreign_key` is a state of `Surveys` too.
fn is_code(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b == b'-' || b == b'_')
}

#[test]
fn every_code_is_in_the_runbook() {
    let mut required = BTreeSet::new();
    let mut existing = BTreeSet::new();
    for (_, source) in sources() {
        existing.extend(literals(&source).into_iter().map(|(_, text)| text));
        for function in source.split(" fn code(").skip(1) {
            let body = function.split("\n    }").next().unwrap();
            required.extend(literals(body).into_iter().map(|(_, text)| text));
        }
        for call in source.split("ApiError::new(").skip(1) {
            let texts = literals(arguments(call));
            required.extend(texts.into_iter().map(|(_, text)| text).take(1));
        }
        for call in source.split("Reason::new(").skip(1) {
            let inside = arguments(call);
            if inside.trim_start().starts_with('"') {
                required.extend(literals(inside).into_iter().map(|(_, text)| text).take(1));
            }
        }
    }
    required.retain(|text| is_code(text));
    assert!(required.len() > 80, "{required:?}");
    existing.retain(|text| is_code(text));
    // `dropped` is put together in SQL.
    existing.insert("dropped".to_owned());

    let text = read("docs/operate.md");
    let codes: BTreeSet<String> = ["## Codes", "### Audit lines"]
        .iter()
        .flat_map(|heading| tables(&text, heading))
        .flat_map(|cells| code(&cells[0]).map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let undocumented: Vec<_> = required.difference(&codes).collect();
    assert!(
        undocumented.is_empty(),
        "not in docs/operate.md: {undocumented:?}"
    );
    let invented: Vec<_> = codes.difference(&existing).collect();
    assert!(invented.is_empty(), "docs/operate.md invents {invented:?}");
}

#[test]
fn every_alert_is_in_the_runbook() {
    let rules = read("ops/alerts.yml");
    let written: BTreeSet<String> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .map(str::to_owned)
        .collect();
    assert!(written.len() > 10);
    let documented: BTreeSet<String> = tables(&read("docs/operate.md"), "## Alerts")
        .iter()
        .map(|cells| cells[0].trim_matches('`').to_owned())
        .collect();
    let differences = difference(
        ("ops/alerts.yml", &written),
        ("docs/operate.md", &documented),
    );
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn messages_are_read_from_the_source_as_they_are_written() {
    let source = "tracing::warn!(setting = \"A\", %error, \"said \\\"{error}\\\" and \\\n     more (really): {x:?}\"); \"after\"";
    let inside = arguments(source.strip_prefix("tracing::warn!(").unwrap());
    assert!(!inside.contains("after"));
    let texts = literals(inside);
    assert_eq!(texts.len(), 2);
    assert!(texts[0].0.ends_with("= "));
    assert_eq!(pattern(&texts[1].1), "said \\\"…\\\" and more (really): …");
}
