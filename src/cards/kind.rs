//! The kinds of cards, and what each needs of a survey's table.

use super::{Answers, texts};

/// What a card shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The average of a question, against the weeks before and a target.
    Satisfaction,
    /// Averages and numbers by week, as a chart.
    Trend,
    /// The same as a table, for hosts without the chart library.
    TrendTable,
    /// The average of a question for each project, phase or account.
    Rating,
    /// How often each answer was given.
    Distribution,
    /// Promoters less detractors.
    Nps,
    /// Texts, newest first, page by page.
    Comments,
    /// The newest texts as they land.
    Live,
    /// Number, average, NPS and last response for each project.
    Projects,
    /// The way to the survey.
    TakeSurvey,
}

impl Kind {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 10] = [
        Self::Satisfaction,
        Self::Nps,
        Self::Trend,
        Self::TrendTable,
        Self::Rating,
        Self::Distribution,
        Self::Live,
        Self::Comments,
        Self::Projects,
        Self::TakeSurvey,
    ];

    /// Its name, at most 12 characters, so that ids stay short enough.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Satisfaction => "satisfaction",
            Self::Trend => "trend",
            Self::TrendTable => "trend-table",
            Self::Rating => "rating",
            Self::Distribution => "distribution",
            Self::Nps => "nps",
            Self::Comments => "comments",
            Self::Live => "live",
            Self::Projects => "projects",
            Self::TakeSurvey => "take-survey",
        }
    }

    /// Its title in the first language.
    #[must_use]
    pub fn title(self) -> &'static str {
        texts::text(&format!("{}.title", self.name())).unwrap_or(self.name())
    }

    /// The type of its manifest.
    #[must_use]
    pub const fn card_type(self) -> &'static str {
        match self {
            Self::Satisfaction | Self::TakeSurvey => "Object",
            Self::Trend => "Analytical",
            Self::TrendTable
            | Self::Rating
            | Self::Distribution
            | Self::Nps
            | Self::Projects
            | Self::Comments
            | Self::Live => "Table",
        }
    }

    pub(super) const fn icon(self) -> &'static str {
        match self {
            Self::Satisfaction => "sap-icon://feedback",
            Self::Trend | Self::TrendTable => "sap-icon://trend-up",
            Self::Rating => "sap-icon://horizontal-bar-chart",
            Self::Distribution => "sap-icon://bar-chart",
            Self::Nps => "sap-icon://thumb-up",
            Self::Comments => "sap-icon://comment",
            Self::Live => "sap-icon://discussion",
            Self::Projects => "sap-icon://table-view",
            Self::TakeSurvey => "sap-icon://survey",
        }
    }

    /// What the survey's table lacks for it; nothing if it can answer.
    #[must_use]
    pub fn lacks(self, survey: &Answers) -> Option<&'static str> {
        const SCORE: &str = "no single-choice question is a scale of numbers: name one as `score`";
        const COMMENTS: &str = "no essay question has a column: name one as `comments`";
        const RECORDED: &str = "the table has no column RECORDEDDATE";
        const DIMENSION: &str = "no embedded data and no choice question has a column";
        let needed = |is_there: bool, reason| (!is_there).then_some(reason);
        let score = needed(survey.score.is_some(), SCORE);
        let recorded = needed(survey.recorded.is_some(), RECORDED);
        let dimension = needed(!survey.dimensions.is_empty(), DIMENSION);
        match self {
            Self::Satisfaction => score,
            Self::Trend | Self::TrendTable => score.or(recorded),
            Self::Rating => score.or(dimension),
            Self::Distribution => {
                needed(survey.choices.is_some(), "no choice question has a column")
            }
            Self::Nps => needed(
                survey.nps.is_some(),
                "no question of how likely one is to recommend has a column of numbers",
            ),
            Self::Comments | Self::Live => needed(survey.comments.is_some(), COMMENTS),
            Self::Projects => dimension,
            Self::TakeSurvey => needed(
                survey.form.is_some(),
                "Qualtrics' address is not known: set QUALTRICS_BASE_URL or QUALTRICS_DATACENTER",
            ),
        }
    }
}
