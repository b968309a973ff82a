//! The files of one card: manifest, texts, code, the editor's form.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Card, designtime, manifest, texts};

/// The code of all cards.
const CODE: [(&str, &str); 3] = [
    (
        "Feedback.js",
        include_str!("../../web/cards/bundle/Feedback.js"),
    ),
    (
        "Figures.js",
        include_str!("../../web/cards/bundle/Figures.js"),
    ),
    (
        "Service.js",
        include_str!("../../web/cards/bundle/Service.js"),
    ),
];

/// What is shown behind a figure.
pub(super) const BEHIND: &str = "behind.json";

pub(super) fn files(card: &Card, version: &str) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::from([
        (
            "manifest.json".to_owned(),
            pretty(&manifest::main(card, version)),
        ),
        (
            format!("{}.js", designtime::PATH),
            designtime::module(card).into_bytes(),
        ),
    ]);
    if let Some(behind) = manifest::behind(card, version) {
        files.insert(BEHIND.to_owned(), pretty(&behind));
    }
    for (name, code) in CODE {
        files.insert(name.to_owned(), code.as_bytes().to_vec());
    }
    for (language, properties) in texts::LANGUAGES {
        files.insert(texts::file_name(language), properties.as_bytes().to_vec());
    }
    files
}

/// JSON as people read it, the same for the same value.
pub(super) fn pretty(value: &Value) -> Vec<u8> {
    // Values have only texts as keys, so this has no way to fail.
    let mut text = serde_json::to_vec_pretty(value).unwrap_or_default();
    text.push(b'\n');
    text
}
