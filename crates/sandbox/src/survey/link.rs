//! What a survey link carries: embedded data, contact fields, reserved names.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::survey::Survey;

/// The name in the link, and the metadata that it fills. Source: Qualtrics' "Passing information via query strings".
const CONTACT: [(&str, &str); 4] = [
    ("RecipientEmail", "recipientEmail"),
    ("RecipientFirstName", "recipientFirstName"),
    ("RecipientLastName", "recipientLastName"),
    ("ExternalDataReference", "externalDataReference"),
];
/// Reserved names that say something about the visit.
const RESERVED: [(&str, &str); 2] = [
    ("Q_CHL", "distributionChannel"),
    ("Q_Language", "userLanguage"),
];

/// What is taken over from a link: fields that the flow declares (names as they are, case included), contact fields,
/// and the reserved names that mean something. All else is dropped without a word, as Qualtrics does.
///
/// A value that the flow itself sets wins. Assumed, after Qualtrics' advice to leave it empty there.
pub(crate) fn values(survey: &Survey, query: &str, url: &str) -> Map<String, Value> {
    let mut given: Vec<(String, Value)> = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if name == "Q_EED" {
            given.extend(encoded(&value));
        } else {
            given.push((name.into_owned(), Value::from(value.into_owned())));
        }
    }
    let mut values = Map::new();
    for (name, value) in given {
        let declared = survey.embedded.iter().find(|field| field.name == name);
        let meaning = CONTACT
            .iter()
            .chain(&RESERVED)
            .find(|(known, _)| *known == name);
        if let Some((_, key)) = meaning {
            values.insert((*key).to_owned(), value.clone());
        }
        if declared.is_some_and(|field| field.value.is_none()) {
            values.insert(name, value);
        }
    }
    // The whole link, recorded where the flow asks for it.
    if survey.embedded.iter().any(|field| field.name == "Q_URL") {
        values.insert("Q_URL".to_owned(), Value::from(url));
    }
    values
}

/// `Q_EED` is base64 of a JSON object, with either alphabet and padding or none.
fn encoded(text: &str) -> Vec<(String, Value)> {
    let text: String = text
        .trim_end_matches('=')
        .replace('-', "+")
        .replace('_', "/")
        .replace(' ', "+");
    let padded = format!("{text}{}", "=".repeat((4 - text.len() % 4) % 4));
    let decoded = STANDARD.decode(padded).ok();
    let object =
        decoded.and_then(|bytes| serde_json::from_slice::<Map<String, Value>>(&bytes).ok());
    let text = |value: Value| Value::from(crate::json::scalar_text(&value));
    object
        .unwrap_or_default()
        .into_iter()
        .map(|(name, value)| (name, text(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(survey: &Survey, query: &str, expected: &Value) {
        assert_eq!(
            Value::Object(values(survey, query, "https://link")),
            *expected,
            "{query}"
        );
    }

    #[test]
    fn only_declared_fields_are_taken_over_as_they_are_written() {
        let survey = Survey::project_feedback().unwrap();

        check(
            &survey,
            "AccountID=ACME&ProjectID=P%201",
            &json!({"AccountID": "ACME", "ProjectID": "P 1"}),
        );
        check(&survey, "accountid=ACME&Other=x&Q_Other=y", &json!({}));
        check(
            &survey,
            "AccountID=M%C3%BCller+%26+S%C3%B6hne",
            &json!({"AccountID": "Müller & Söhne"}),
        );
        check(&survey, "AccountID=", &json!({"AccountID": ""}));
    }

    #[test]
    fn contact_fields_and_reserved_names_fill_metadata() {
        let survey = Survey::project_feedback().unwrap();

        check(
            &survey,
            "RecipientEmail=a%40example.com&ExternalDataReference=7&Q_CHL=qr&Q_Language=DE&Q_DL=x",
            &json!({"recipientEmail": "a@example.com", "externalDataReference": "7", "distributionChannel": "qr", "userLanguage": "DE"}),
        );
    }

    #[test]
    fn encoded_data_count_as_if_they_stood_in_the_link() {
        let survey = Survey::project_feedback().unwrap();
        let encoded =
            STANDARD.encode(json!({"AccountID": "ACME", "PhaseID": 3, "Other": "x"}).to_string());
        let query: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("Q_EED", &encoded)
            .finish();

        check(
            &survey,
            &query,
            &json!({"AccountID": "ACME", "PhaseID": "3"}),
        );
        check(&survey, "Q_EED=rubbish", &json!({}));
    }

    #[test]
    fn the_flows_own_value_wins_and_the_link_itself_is_kept_where_declared() {
        let survey = Survey::every_question_type().unwrap();

        check(
            &survey,
            "SolutionRevision=9&AccountID=A",
            &json!({"AccountID": "A", "Q_URL": "https://link"}),
        );
    }
}
