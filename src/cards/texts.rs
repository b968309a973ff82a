//! What cards say, in each language. A further language is one file beside these and its line here.

/// Language and its texts; the first one is for all languages that have none.
pub(super) const LANGUAGES: [(&str, &str); 2] = [
    ("", include_str!("../../web/cards/i18n/i18n.properties")),
    (
        "de",
        include_str!("../../web/cards/i18n/i18n_de.properties"),
    ),
];

/// The file's name in a bundle.
pub(super) fn file_name(language: &str) -> String {
    if language.is_empty() {
        "i18n/i18n.properties".to_owned()
    } else {
        format!("i18n/i18n_{language}.properties")
    }
}

/// Keys and texts of a file.
pub(super) fn pairs(properties: &str) -> impl Iterator<Item = (&str, &str)> {
    properties
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
}

/// A text in the first language.
pub(super) fn text(key: &str) -> Option<&'static str> {
    let (_, properties) = LANGUAGES.first()?;
    pairs(properties)
        .find(|(name, _)| *name == key)
        .map(|(_, text)| text)
}
