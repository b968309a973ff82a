//! The example file is complete and equals the defaults.

use super::super::setting::KEYS;
use super::*;

const EXAMPLE: &str = include_str!("../../../ingester.example.toml");

/// The example with every setting switched on.
fn switched_on() -> String {
    let lines = EXAMPLE.lines().map(|line| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with(' ') => rest,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_changes_nothing_as_it_stands() {
    let with = load(&with_file(environment(&[]), EXAMPLE));
    let without = load(&environment(&[]));
    assert_eq!(format!("{with:?}"), format!("{without:?}"));
}

#[test]
fn the_example_names_every_key() {
    let text = switched_on();
    for key in KEYS {
        let found = text.lines().any(|line| {
            line.starts_with(&format!("{key} = "))
                || line == format!("[{key}]")
                || line == format!("[[{key}]]")
        });
        assert!(found, "{key} is missing in ingester.example.toml");
    }
}

#[test]
fn what_the_example_calls_a_default_is_one() {
    let text = switched_on();
    let example = load(&with_file(environment(&[]), &text));
    let default = load(&environment(&[]));

    let of = |config: &Config| {
        format!(
            "{:?}",
            (
                (
                    config.listen,
                    &config.database,
                    config.allow_ephemeral_store
                ),
                (
                    config.qualtrics.requests_per_minute,
                    config.ensure_subscriptions
                ),
                (
                    config.reconcile_every,
                    config.inbox_retention,
                    &config.ui5_url
                ),
                (
                    &config.odata,
                    &config.web,
                    config.log_format,
                    config.auth.mode()
                ),
                config.events.webhook().unwrap().allow_unsigned,
            )
        )
    };
    assert_eq!(of(&example), of(&default));
    assert_eq!(example.surveys.len(), 1);
    assert_eq!(example.access.len(), 3);
}
