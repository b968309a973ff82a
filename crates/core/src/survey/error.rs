//! Why a definition, or the settings that select from it, can't be used.

/// Why there is no column map. None of these is about a single response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    /// None of the answers says anything of the survey.
    #[error(
        "no usable definition of {survey}: response-schema, survey and survey-definition are missing or unreadable"
    )]
    Nothing {
        /// The survey asked for.
        survey: String,
    },
    /// An answer is about another survey.
    #[error("the definition is of {found}, not of {survey}")]
    OtherSurvey {
        /// The survey asked for.
        survey: String,
        /// The survey that the answer names.
        found: String,
    },
    /// What was stored can't be read back.
    #[error(
        "the stored definition is unreadable ({problem}): it is replaced when Qualtrics is asked again"
    )]
    Stored {
        /// Where and why.
        problem: String,
    },
    /// A setting names something that the survey doesn't have.
    #[error("`{setting}` names `{tag}`, which survey {survey} does not have{}", suggestion(.nearest.as_deref()))]
    UnknownTag {
        /// The setting in the survey's table of the configuration.
        setting: &'static str,
        /// What it names.
        tag: String,
        /// The survey.
        survey: String,
        /// The most similar tag.
        nearest: Option<String>,
    },
    /// A setting names something that the survey has more than once.
    #[error("`{setting}` names `{tag}`, which survey {survey} has more than once: use one of the keys {}", .keys.join(", "))]
    AmbiguousTag {
        /// The setting in the survey's table of the configuration.
        setting: &'static str,
        /// What it names.
        tag: String,
        /// The survey.
        survey: String,
        /// The keys that can be named instead.
        keys: Vec<String>,
    },
    /// `score` or `comments` names a question that is no column.
    #[error("`{setting}` names `{tag}`, which is not among `columns`: add it there")]
    NotAColumn {
        /// The setting in the survey's table of the configuration.
        setting: &'static str,
        /// What it names.
        tag: String,
    },
    /// What can't be pseudonymised: columns of choices, and what tells what a response is.
    #[error(
        "`pseudonymize` names `{tag}`: only questions with one answer, embedded data and personal metadata can be replaced"
    )]
    NotPseudonymizable {
        /// What it names.
        tag: String,
    },
    /// A codebook row that was stored can't be read back.
    #[error("the stored codebook row of {column} is unreadable: {problem}")]
    Codebook {
        /// The column.
        column: String,
        /// What is wrong.
        problem: String,
    },
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |tag| format!(": did you mean `{tag}`?"))
}

impl DefinitionError {
    /// Stable code, shared by logs, dead letters and `--output json`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Nothing { .. } => "definition-missing",
            Self::OtherSurvey { .. } => "definition-other-survey",
            Self::Stored { .. } => "definition-unreadable",
            Self::UnknownTag { .. } => "unknown-tag",
            Self::AmbiguousTag { .. } => "ambiguous-tag",
            Self::NotAColumn { .. } => "not-a-column",
            Self::NotPseudonymizable { .. } => "not-pseudonymizable",
            Self::Codebook { .. } => "codebook-unreadable",
        }
    }
}
