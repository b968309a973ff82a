//! Which cards are made, and what they say.

use std::collections::BTreeSet;

use serde_json::Value;

use super::answers::Scale;
use super::*;

fn survey() -> Answers {
    Answers {
        id: "SV_22VlHYNeldrrrk1".to_owned(),
        set: "ProjectFeedback".to_owned(),
        title: HOSTILE.to_owned(),
        form: Some("https://fra1.qualtrics.com/jfe/form/".to_owned()),
        score: Some(Scale {
            property: "Q1".to_owned(),
            text: HOSTILE.to_owned(),
            target: 4.0,
            has_label: true,
        }),
        comments: Some("Q18".to_owned()),
        nps: Some("Q2".to_owned()),
        choices: Some("Q1".to_owned()),
        dimensions: vec!["AccountID".to_owned(), "ProjectID".to_owned()],
        embedded: vec![("ProjectID".to_owned(), HOSTILE.to_owned())],
        texts: vec![("Q18".to_owned(), HOSTILE.to_owned())],
        recorded: Some("RecordedDate".to_owned()),
        key: "ResponseId".to_owned(),
    }
}

const HOSTILE: &str = "<img src=x onerror=alert(1)>{{binding}}{= 1 + 1 }{/secret}";

/// All texts of a value, keys left out.
fn texts_of<'a>(value: &'a Value, texts: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(values) => values.iter().for_each(|value| texts_of(value, texts)),
        Value::Object(members) => members.values().for_each(|value| texts_of(value, texts)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn manifests(card: &Card) -> Vec<Value> {
    let files = card.files("1.0.0");
    ["manifest.json", "behind.json"]
        .into_iter()
        .filter_map(|name| files.get(name))
        .map(|file| serde_json::from_slice(file).unwrap())
        .collect()
}

#[test]
fn names_and_ids_are_unique_and_short_enough_for_work_zone() {
    let decks = [Deck::generic(&[survey()]), Deck::fixed(&[survey()])];
    let cards: Vec<&Card> = decks.iter().flat_map(|deck| &deck.cards).collect();

    let names: BTreeSet<&str> = cards.iter().map(|card| card.name.as_str()).collect();
    let ids: BTreeSet<String> = cards.iter().map(|card| card.id()).collect();

    assert_eq!(names.len(), cards.len());
    assert_eq!(ids.len(), cards.len());
    assert!(ids.iter().all(|id| id.len() <= 37), "{ids:?}");
    assert!(decks.iter().all(|deck| deck.package_id.len() <= 20));
}

#[test]
fn nothing_that_an_author_wrote_stands_in_a_bundle() {
    for deck in [Deck::generic(&[survey()]), Deck::fixed(&[survey()])] {
        for card in &deck.cards {
            for (path, file) in card.files("1.0.0") {
                let text = String::from_utf8(file).unwrap();
                assert!(
                    !text.contains("onerror") && !text.contains("binding}}"),
                    "{} of {}",
                    path,
                    card.name
                );
            }
        }
    }
}

#[test]
fn every_text_that_is_named_is_there_in_all_languages() {
    let languages: Vec<BTreeSet<&str>> = texts::LANGUAGES
        .iter()
        .map(|(_, properties)| texts::pairs(properties).map(|(key, _)| key).collect())
        .collect();
    let mut named = BTreeSet::new();
    for card in &Deck::generic(&[survey()]).cards {
        for manifest in manifests(card) {
            let mut texts = Vec::new();
            texts_of(&manifest, &mut texts);
            named.extend(texts.iter().filter_map(|text| {
                let key = text.strip_prefix("{{")?.strip_suffix("}}")?;
                Some(key.to_owned())
            }));
        }
    }

    assert!(languages.windows(2).all(|pair| pair[0] == pair[1]));
    assert!(!named.is_empty());
    for key in &named {
        assert!(languages[0].contains(key.as_str()), "{key}");
    }
}

#[test]
fn cards_are_left_out_with_the_reason_where_the_table_can_not_answer() {
    let without = Answers {
        nps: None,
        recorded: None,
        comments: None,
        ..survey()
    };

    let deck = Deck::generic(std::slice::from_ref(&without));

    let left_out: Vec<&str> = deck.left_out.iter().map(|one| one.kind.name()).collect();
    assert_eq!(
        left_out,
        ["nps", "trend", "trend-table", "live", "comments"]
    );
    assert!(deck.left_out.iter().all(|one| !one.reason.is_empty()));
    assert!(deck.card("nps").is_none());
    let satisfaction = deck.card("satisfaction").unwrap();
    assert!(!satisfaction.files("1.0.0").contains_key("behind.json"));
}

#[test]
fn the_generic_card_takes_the_first_survey_that_can_answer() {
    let first = Answers {
        id: "SV_00000000000001".to_owned(),
        nps: None,
        ..survey()
    };

    let deck = Deck::generic(&[first, survey()]);

    assert_eq!(deck.card("nps").unwrap().surveys[0].id, survey().id);
    assert_eq!(
        deck.card("rating").unwrap().surveys[0].id,
        "SV_00000000000001"
    );
}

#[tokio::test]
async fn an_unchanged_set_gives_the_same_bytes_and_a_changed_one_raises_all_versions() {
    let deck = Deck::generic(&[survey()]);
    let first = package(&deck, None).await.unwrap();
    let again = package(&deck, Some(&first.release)).await.unwrap();
    let other = Deck::generic(&[Answers {
        nps: None,
        ..survey()
    }]);
    let changed = package(&other, Some(&first.release)).await.unwrap();

    assert_eq!(first.bytes, again.bytes);
    // APPNOTE 4.4.6: the date of the first entry, in MS-DOS form, is a day that exists.
    assert_eq!(first.bytes[12..14], [0b0010_0001, 0]);
    assert_eq!(first.release.version, "1.0.0");
    assert_eq!(changed.release.version, "1.1.0");
    for path in [
        "manifest.json",
        "artifacts/live/manifest.json",
        "artifacts/live/data.zip",
    ] {
        assert!(first.paths.iter().any(|there| there == path), "{path}");
    }
}
