//! What is to be done so that each survey's completed responses are called to our address under the configured key.
//! Pure: from what Qualtrics lists and what we remember to a plan.

use ingester_core::id::{SubscriptionId, SurveyId};
use serde::Serialize;
use url::Url;

use super::{Remembered, Wish};
use crate::jobs::fingerprint;
use crate::qualtrics::Subscription;

/// In front of it a callback's topic has the brand's id; a subscription's has not, but may.
/// Source: Qualtrics' webhook table; two recorded callbacks.
const COMPLETED: &str = "surveyengine.completedResponse.";

/// What a subscription fires for, as far as it concerns us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Topic {
    /// `*`: every event of the brand.
    Everything,
    /// `surveyengine.completedResponse.*`
    EveryCompletion,
    /// `surveyengine.completedResponse.SV_…`
    Completion(SurveyId),
    /// Something else.
    Other,
}

impl Topic {
    pub(super) fn parse(text: &str) -> Self {
        if text == "*" {
            return Self::Everything;
        }
        match text.split_once(COMPLETED) {
            Some((_, "*")) => Self::EveryCompletion,
            Some((_, survey)) => survey.parse().map_or(Self::Other, Self::Completion),
            None => Self::Other,
        }
    }

    pub(super) fn covers(&self, survey: &SurveyId) -> bool {
        match self {
            Self::Everything | Self::EveryCompletion => true,
            Self::Completion(of) => of == survey,
            Self::Other => false,
        }
    }
}

/// The topic of one survey.
pub(super) fn topic_of(survey: &SurveyId) -> String {
    format!("{COMPLETED}{survey}")
}

/// How one of the brand's subscriptions stands to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Ours, made with the configured key.
    Ok,
    /// Ours, made with the previous key.
    PreviousKey,
    /// Calls us, but nobody knows with which key.
    UnknownKey,
    /// Calls us with encrypted messages, which we don't take.
    Encrypted,
    /// Calls us for a survey that is not configured.
    NotConfigured,
    /// Calls us for something that we don't store.
    OtherTopic,
    /// Calls somebody else.
    OtherUrl,
}

impl Standing {
    /// For people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Ok => "ours",
            Self::PreviousKey => "ours, made with the previous key",
            Self::UnknownKey => "calls us, key unknown",
            Self::Encrypted => "calls us, encrypted",
            Self::NotConfigured => "calls us, survey not configured",
            Self::OtherTopic => "calls us, for other events",
            Self::OtherUrl => "calls somebody else",
        }
    }

    /// Whether it calls us for a configured survey, but not as it should.
    fn is_to_be_replaced(self) -> bool {
        match self {
            Self::PreviousKey | Self::UnknownKey | Self::Encrypted => true,
            Self::Ok | Self::NotConfigured | Self::OtherTopic | Self::OtherUrl => false,
        }
    }
}

/// Judges one subscription. Addresses are compared whole, query included: another query may be another's way in.
pub(super) fn standing(
    wish: &Wish,
    remembered: &[Remembered],
    subscription: &Subscription,
) -> Standing {
    if Url::parse(&subscription.url).as_ref() != Ok(&wish.url) {
        return Standing::OtherUrl;
    }
    let topic = Topic::parse(&subscription.topic);
    if topic == Topic::Other {
        return Standing::OtherTopic;
    }
    if !wish.surveys.iter().any(|survey| topic.covers(survey)) {
        return Standing::NotConfigured;
    }
    if subscription.encrypted {
        return Standing::Encrypted;
    }
    let made_with = |key| {
        let fingerprint = fingerprint::of_subscription(key, &subscription.id);
        remembered
            .iter()
            .any(|one| one.subscription == subscription.id && one.fingerprint == fingerprint)
    };
    if made_with(&wish.key) {
        Standing::Ok
    } else if wish.previous.as_ref().is_some_and(made_with) {
        Standing::PreviousKey
    } else {
        Standing::UnknownKey
    }
}

/// One subscription to make.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Creation {
    pub(super) topic: String,
    /// The surveys that it is for.
    pub(super) surveys: Vec<SurveyId>,
    /// Whether something calls us for them already.
    pub(super) replaces: bool,
}

/// What is to be done: create, then delete.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Surveys that have their subscription.
    pub(super) good: Vec<(SurveyId, SubscriptionId)>,
    pub(super) create: Vec<Creation>,
    pub(super) delete: Vec<SubscriptionId>,
}

/// Makes the plan. Where a wildcard called us it is replaced by one, because its maker wanted all surveys.
pub(super) fn plan(wish: &Wish, remembered: &[Remembered], listed: &[Subscription]) -> Plan {
    let judged: Vec<(&Subscription, Topic, Standing)> = listed
        .iter()
        .map(|one| {
            (
                one,
                Topic::parse(&one.topic),
                standing(wish, remembered, one),
            )
        })
        .collect();
    let mut plan = Plan::default();
    for survey in wish.surveys.iter() {
        let for_it = || judged.iter().filter(|(_, topic, _)| topic.covers(survey));
        if let Some((good, ..)) = for_it().find(|(.., standing)| *standing == Standing::Ok) {
            plan.good.push((survey.clone(), good.id.clone()));
            continue;
        }
        let present: Vec<_> = for_it()
            .filter(|(.., standing)| standing.is_to_be_replaced())
            .collect();
        let wildcard = present
            .iter()
            .find(|(_, topic, _)| !matches!(topic, Topic::Completion(_)));
        let topic = wildcard.map_or_else(|| topic_of(survey), |(one, ..)| one.topic.clone());
        let replaces = !present.is_empty();
        match plan.create.iter_mut().find(|one| one.topic == topic) {
            Some(creation) => creation.surveys.push(survey.clone()),
            None => plan.create.push(Creation {
                topic,
                surveys: vec![survey.clone()],
                replaces,
            }),
        }
    }
    plan.delete = judged
        .iter()
        .filter(|(.., standing)| standing.is_to_be_replaced())
        .map(|(one, ..)| one.id.clone())
        .collect();
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    const SURVEY: &str = "SV_22VlHYNeldrrrk1";
    const ANOTHER: &str = "SV_22VlHYNeldrrrk2";
    const URL: &str = "https://feedback.example/webhooks/qualtrics";

    fn wish() -> Wish {
        Wish {
            surveys: [SURVEY.parse().unwrap(), ANOTHER.parse().unwrap()].into(),
            url: URL.parse().unwrap(),
            key: "new".into(),
            previous: Some("old".into()),
        }
    }

    fn listed(id: &str, topic: &str, url: &str) -> Subscription {
        Subscription {
            id: id.parse().unwrap(),
            topic: topic.to_owned(),
            url: url.to_owned(),
            encrypted: false,
            successful_calls: None,
        }
    }

    fn remembered(survey: &str, id: &str, key: &str) -> Remembered {
        let subscription = id.parse().unwrap();
        Remembered {
            survey: survey.parse().unwrap(),
            fingerprint: fingerprint::of_subscription(&key.into(), &subscription),
            subscription,
        }
    }

    #[track_caller]
    fn check(
        remembered: &[Remembered],
        listed: &[Subscription],
        creates: &[&str],
        deletes: &[&str],
    ) {
        let plan = plan(&wish(), remembered, listed);
        let created: Vec<&str> = plan.create.iter().map(|one| one.topic.as_str()).collect();
        let deleted: Vec<&str> = plan.delete.iter().map(AsRef::as_ref).collect();
        assert_eq!((&created[..], &deleted[..]), (creates, deletes));
    }

    fn topic(survey: &str) -> String {
        format!("surveyengine.completedResponse.{survey}")
    }

    #[test]
    fn nothing_there_is_made() {
        check(&[], &[], &[&topic(SURVEY), &topic(ANOTHER)], &[]);
    }

    #[test]
    fn ours_under_the_configured_key_stays() {
        check(
            &[
                remembered(SURVEY, "SUB_1", "new"),
                remembered(ANOTHER, "SUB_2", "new"),
            ],
            &[
                listed("SUB_1", &topic(SURVEY), URL),
                listed(
                    "SUB_2",
                    &topic(ANOTHER),
                    "HTTPS://Feedback.example:443/webhooks/qualtrics",
                ),
            ],
            &[],
            &[],
        );
    }

    #[test]
    fn other_addresses_are_left_alone() {
        check(
            &[],
            &[
                listed(
                    "SUB_1",
                    &topic(SURVEY),
                    "https://other.example/webhooks/qualtrics",
                ),
                listed(
                    "SUB_2",
                    &topic(SURVEY),
                    "https://feedback.example/webhooks/qualtrics?token=x",
                ),
                listed("SUB_3", "controlpanel.activateSurvey", URL),
                listed("SUB_4", &topic("SV_22VlHYNeldrrrk9"), URL),
                listed("SUB_5", &topic(SURVEY), "no url"),
            ],
            &[&topic(SURVEY), &topic(ANOTHER)],
            &[],
        );
    }

    #[test]
    fn old_unknown_and_encrypted_ones_are_replaced() {
        let mut encrypted = listed("SUB_3", &topic(ANOTHER), URL);
        encrypted.encrypted = true;
        check(
            &[
                remembered(SURVEY, "SUB_1", "old"),
                remembered(ANOTHER, "SUB_3", "new"),
            ],
            &[
                listed("SUB_1", &topic(SURVEY), URL),
                listed("SUB_2", &topic(SURVEY), URL),
                encrypted,
            ],
            &[&topic(SURVEY), &topic(ANOTHER)],
            &["SUB_1", "SUB_2", "SUB_3"],
        );
    }

    #[test]
    fn a_wildcard_covers_all_and_is_replaced_by_one() {
        for wildcard in ["surveyengine.completedResponse.*", "*"] {
            check(
                &[],
                &[listed("SUB_1", wildcard, URL)],
                &[wildcard],
                &["SUB_1"],
            );
            // Remembered for one survey it is good for the other too.
            check(
                &[remembered(SURVEY, "SUB_1", "new")],
                &[listed("SUB_1", wildcard, URL)],
                &[],
                &[],
            );
        }
    }

    #[test]
    fn what_a_crash_left_between_creating_and_deleting_goes() {
        check(
            &[
                remembered(SURVEY, "SUB_2", "new"),
                remembered(ANOTHER, "SUB_3", "new"),
            ],
            &[
                listed("SUB_1", &topic(SURVEY), URL),
                listed("SUB_2", &topic(SURVEY), URL),
                listed("SUB_3", &topic(ANOTHER), URL),
            ],
            &[],
            &["SUB_1"],
        );
    }

    #[test]
    fn a_topic_may_have_the_brand_in_front() {
        let survey = SURVEY.parse().unwrap();
        assert!(Topic::parse(&format!("my.brand.{}", topic(SURVEY))).covers(&survey));
        assert!(!Topic::parse(&format!("surveyengine.partialResponse.{SURVEY}")).covers(&survey));
        assert!(!Topic::parse(&topic("SV_x")).covers(&survey));
        assert!(!Topic::parse("threesixty.*").covers(&survey));
    }
}
