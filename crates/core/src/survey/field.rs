//! One key that a response's `values` may hold, and what stands there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A choice, a matrix column, a row: whatever a question offers under an id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Choice {
    /// Qualtrics' id, which stays when the recode changes. `~` and the recode where the definition doesn't say it.
    pub id: String,
    /// What `values` holds where it is chosen.
    pub recode: String,
    /// Its text, without markup.
    pub label: String,
}

/// What a column is about, in words that the codebook shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Status, dates, channel and so on.
    Metadata,
    /// One choice of a list.
    SingleChoice,
    /// One column per choice that may be chosen.
    MultipleChoice,
    /// One row of a matrix or one column of a side by side, one choice each.
    MatrixChoice,
    /// A line of text.
    Text,
    /// A text of several lines.
    Essay,
    /// The text box beside a choice or row.
    ChoiceText,
    /// A number that is entered or dragged.
    Number,
    /// 0 to 10, how likely one is to recommend.
    Nps,
    /// 1 detractor, 2 passive, 3 promoter.
    NpsGroup,
    /// A place in an order, 1 first.
    Rank,
    /// Which choices were put into a group.
    Group,
    /// An uploaded file or a signature.
    File,
    /// Seconds and clicks on a page.
    Timing,
    /// Browser, system, screen.
    MetaInfo,
    /// At which place a choice was shown.
    DisplayOrder,
    /// A field of the survey's flow, or derived from one.
    EmbeddedData,
    /// A scoring category's sum.
    Score,
    /// Anything else, as JSON text.
    Structure,
}

impl Kind {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Metadata => "metadata",
            Self::SingleChoice => "single-choice",
            Self::MultipleChoice => "multiple-choice",
            Self::MatrixChoice => "matrix-choice",
            Self::Text => "text",
            Self::Essay => "essay",
            Self::ChoiceText => "choice-text",
            Self::Number => "number",
            Self::Nps => "nps",
            Self::NpsGroup => "nps-group",
            Self::Rank => "rank",
            Self::Group => "group",
            Self::File => "file",
            Self::Timing => "timing",
            Self::MetaInfo => "meta-info",
            Self::DisplayOrder => "display-order",
            Self::EmbeddedData => "embedded-data",
            Self::Score => "score",
            Self::Structure => "structure",
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a key's value is, from which its column's type follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer {
    /// The recode of one of the field's choices.
    Recode,
    Text,
    /// A number that may have a fraction.
    Number,
    Integer,
    /// A whole number that may be large: a file's size.
    BigInteger,
    Instant,
    /// Kept as JSON text.
    Structure,
}

/// How a key's value spreads over columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Spread {
    /// One value, one column.
    One,
    /// An array of what was chosen: one column per choice, holding its recode.
    Chosen,
    /// An array of what was shown, in order: one column per choice, holding its place.
    Places,
    /// An array of points: two columns per point, holding its coordinates.
    Points,
}

/// One key of `values`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Field {
    /// The key, which never changes.
    pub(crate) key: String,
    /// Other spellings of the key that occur.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) aliases: Vec<String>,
    /// The export tag; of a spread field without the choice's part.
    pub(crate) tag: String,
    /// Choices, by id, whose columns have tags of their own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) own_tags: BTreeMap<String, String>,
    /// The question's id, if it is a question's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) question: Option<String>,
    pub(crate) kind: Kind,
    pub(crate) answer: Answer,
    pub(crate) spread: Spread,
    /// Which of the definition's lists its choices are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) list: Option<usize>,
    pub(crate) text: String,
    /// A column without being named.
    pub(crate) by_default: bool,
}
