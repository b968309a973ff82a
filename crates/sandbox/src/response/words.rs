//! Words that respondents write: several languages, 4-byte characters, quotes, line breaks, formulas.

use crate::random::Random;

const COMMENTS: [&str; 16] = [
    "Great collaboration, thank you.",
    "The kick-off was late, but the team caught up quickly.",
    "We would have liked more frequent status reports.",
    "Very clear communication, \"as promised\".",
    "Testing took longer than planned, mainly because of our own data.",
    "Please involve key users earlier.",
    "Schnelle Antworten und gute Ergebnisse – weiter so!",
    "Die Übergabe war etwas holprig, sonst großartig.",
    "Très bonne équipe, délais respectés.",
    "資料が分かりやすく、対応も早かったです。",
    "👍🏽 Everything went live on time 🎉",
    "Good quality.\nSecond phase was better than the first.",
    "Budget was exceeded; scope changes should be shown sooner.",
    "=1+1 is what our spreadsheet said",
    "No complaints.",
    "Could be better, could be worse, e.g. documentation; overall fine.",
];
const WORDS: [&str; 10] = [
    "Anna",
    "Zürich",
    "42",
    "Widget Ltd.",
    "n/a",
    "Portal",
    "東京",
    "O'Brien",
    "7.5",
    "Blue, green",
];

/// A sentence that somebody could have written.
pub(crate) fn comment(random: &mut Random) -> String {
    random
        .pick(&COMMENTS)
        .copied()
        .unwrap_or_default()
        .to_owned()
}

/// A word or two.
pub(crate) fn word(random: &mut Random) -> String {
    random.pick(&WORDS).copied().unwrap_or_default().to_owned()
}
