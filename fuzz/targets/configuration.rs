//! Any file, environment and bound services are a configuration or errors, each one line with a mend; and whatever is
//! wrong, no secret is shown.
#![no_main]

use std::collections::BTreeMap;
use std::path::PathBuf;

use libfuzzer_sys::fuzz_target;
use qualtrics_ingester::config::{Config, Sources};

const SECRET: &str = "a-secret-that-nobody-sees";
/// Settings whose values are never shown.
const SECRETS: [&str; 6] = [
    "QUALTRICS_CLIENT_SECRET",
    "QUALTRICS_SHARED_KEY",
    "QUALTRICS_SHARED_KEY_PREVIOUS",
    "QUALTRICS_WEBHOOK_TOKEN",
    "DATABASE_PASSWORD",
    "METRICS_TOKEN",
];

/// Parts are divided by NUL: the file, `VCAP_SERVICES`, then variables as `NAME=value`.
fn sources(text: &str) -> Sources {
    let mut parts = text.split('\0');
    let file = parts.next().map(|file| (PathBuf::from("ingester.toml"), file.to_owned()));
    let services = parts.next().filter(|services| !services.is_empty()).map(str::to_owned);
    let given = parts.filter_map(|variable| variable.split_once('='));
    let environment: BTreeMap<String, String> =
        given.chain(SECRETS.map(|name| (name, SECRET))).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Sources { file, services, environment, ..Sources::default() }
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let shown = match Config::load(&sources(text)) {
        Ok(config) => {
            let checked = config.check_serve().map(|warnings| warnings.len());
            format!("{config:?} {checked:?}")
        }
        Err(errors) => errors.to_string(),
    };
    assert!(!shown.is_empty() && !shown.contains(SECRET), "{shown}");
});
