//! The layers, the bindings, the checks, and the text of every error with a mend.

mod errors;
mod example;
mod layers;
mod serve;
mod services;

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{Config, Sources};

/// Sources with an environment and nothing else.
fn environment(variables: &[(&str, &str)]) -> Sources {
    let environment: BTreeMap<String, String> = variables
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect();
    Sources {
        environment,
        ..Sources::default()
    }
}

fn with_file(mut sources: Sources, text: &str) -> Sources {
    sources.file = Some((PathBuf::from("ingester.toml"), text.to_owned()));
    sources
}

#[track_caller]
fn load(sources: &Sources) -> Config {
    Config::load(sources).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The errors of loading, one a line.
#[track_caller]
fn errors(sources: &Sources) -> String {
    Config::load(sources).err().unwrap().to_string()
}

/// The one error of an environment.
#[track_caller]
fn check_error(variables: &[(&str, &str)], expected: &str) {
    assert_eq!(errors(&environment(variables)), expected);
}

/// The one error of a file.
#[track_caller]
fn check_file_error(text: &str, expected: &str) {
    assert_eq!(errors(&with_file(environment(&[]), text)), expected);
}
