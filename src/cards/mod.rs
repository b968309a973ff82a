//! UI Integration Cards for SAP Build Work Zone, made from the configured surveys: manifests, the bundle that each card
//! is, and the content package for upload.
//!
//! Nothing that a survey's author wrote stands in a manifest: cards ask for question texts when they are shown and bind
//! them as data, so that no text is ever read as a binding or as markup. What does stand there are identifiers.

mod answers;
mod bundle;
mod contents;
mod designtime;
mod kind;
mod manifest;
mod package;
mod parameters;
mod texts;

use sha2::{Digest as _, Sha256};

pub use answers::Answers;
pub use kind::Kind;
pub use manifest::DESTINATION;
pub use package::{Package, Release, package};

/// One card.
#[derive(Debug, Clone)]
pub struct Card {
    /// Unique over all cards, generic and fixed: `trend`, `trend-SV_22VlHYNeldrrrk1`.
    pub name: String,
    /// What it shows.
    pub kind: Kind,
    /// The surveys that it can show; it shows the first one until somebody chooses another.
    pub surveys: Vec<Answers>,
    /// Whether the survey can't be chosen.
    pub is_fixed: bool,
}

/// A card that a survey can't have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// What it would show.
    pub kind: Kind,
    /// The survey's id.
    pub survey: String,
    /// What the table lacks.
    pub reason: &'static str,
}

/// Cards that belong together: one content package.
#[derive(Debug, Clone)]
pub struct Deck {
    /// The package's id, at most 20 characters. Source: Work Zone's card samples.
    pub package_id: String,
    /// The cards.
    pub cards: Vec<Card>,
    /// Those that the tables can't answer.
    pub left_out: Vec<LeftOut>,
}

impl Deck {
    /// One card of each kind, for whichever survey is chosen.
    #[must_use]
    pub fn generic(surveys: &[Answers]) -> Self {
        let left_out = left_out(surveys);
        let cards = Kind::ALL
            .into_iter()
            .map(|kind| Card {
                name: kind.name().to_owned(),
                kind,
                surveys: able(kind, surveys),
                is_fixed: false,
            })
            .filter(|card| !card.surveys.is_empty())
            .collect();
        Self {
            package_id: "qualtrics-feedback".to_owned(),
            cards,
            left_out,
        }
    }

    /// One card of each kind for each of the surveys.
    #[must_use]
    pub fn fixed(surveys: &[Answers]) -> Self {
        let cards = surveys
            .iter()
            .flat_map(|survey| {
                Kind::ALL
                    .into_iter()
                    .filter(|kind| kind.lacks(survey).is_none())
                    .map(|kind| Card {
                        name: format!("{}-{}", kind.name(), survey.id),
                        kind,
                        surveys: vec![survey.clone()],
                        is_fixed: true,
                    })
            })
            .collect();
        let mut ids: Vec<&str> = surveys.iter().map(|survey| survey.id.as_str()).collect();
        ids.sort_unstable();
        let digest = hex::encode(Sha256::digest(ids.join(",")));
        Self {
            package_id: format!("feedback-{}", digest.get(..10).unwrap_or_default()),
            cards,
            left_out: left_out(surveys),
        }
    }

    /// The card of that name.
    #[must_use]
    pub fn card(&self, name: &str) -> Option<&Card> {
        self.cards.iter().find(|card| card.name == name)
    }
}

impl Card {
    /// The id that Work Zone knows it by, at most 37 characters. Source: Work Zone's card samples.
    #[must_use]
    pub fn id(&self) -> String {
        match self.surveys.first() {
            Some(survey) if self.is_fixed => {
                let survey = survey.id.strip_prefix("SV_").unwrap_or(&survey.id);
                format!("feedback.{survey}.{}", self.kind.name())
            }
            _ => format!("qualtrics.feedback.{}", self.kind.name()),
        }
    }

    /// The files of its bundle by path, `manifest.json` among them.
    #[must_use]
    pub fn files(&self, version: &str) -> std::collections::BTreeMap<String, Vec<u8>> {
        bundle::files(self, version)
    }
}

fn able(kind: Kind, surveys: &[Answers]) -> Vec<Answers> {
    let able = surveys.iter().filter(|survey| kind.lacks(survey).is_none());
    able.cloned().collect()
}

fn left_out(surveys: &[Answers]) -> Vec<LeftOut> {
    surveys
        .iter()
        .flat_map(|survey| {
            Kind::ALL.into_iter().filter_map(|kind| {
                kind.lacks(survey).map(|reason| LeftOut {
                    kind,
                    survey: survey.id.clone(),
                    reason,
                })
            })
        })
        .collect()
}

#[cfg(test)]
mod tests;
