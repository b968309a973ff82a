//! Documents: what is one, and what of it may be stored.
#![expect(clippy::unwrap_used, reason = "test helpers fail by panicking")]

use ingester_core::mapping::{
    ColumnMap, DocumentError, MapOptions, Mapped, PseudonymKey, ResponseDocument, SkipReason,
};
use ingester_core::survey::{DefinitionAnswers, SurveyDefinition};
use serde_json::{Value, json};

#[test]
fn a_single_read_and_an_export_record_are_the_same_document() {
    let bare =
        r#"{"responseId":"R_1","values":{"recordedDate":"2026-03-02T09:17:44.581Z","QID1":10.0}}"#;
    let enveloped =
        format!("\u{feff} {{\"meta\":{{\"httpStatus\":\"200 - OK\"}}, \"result\" : {bare} }}\n");

    let from_export = ResponseDocument::parse(bare.as_bytes(), None).unwrap();
    let from_read =
        ResponseDocument::parse(enveloped.as_bytes(), Some(&"R_1".parse().unwrap())).unwrap();

    assert_eq!(from_read, from_export);
    assert_eq!(from_read.as_json(), bare);
    assert_eq!(from_read.response_id().as_ref(), "R_1");
    assert_eq!(
        from_read.recorded_at(),
        Some("2026-03-02T09:17:44.581Z".parse().unwrap())
    );
    assert_eq!(from_read.last_modified(), None);
    assert_eq!(
        from_read.digest(),
        // Source: sha256sum of the bare text.
        "6cbe8f0f906a4a3a55a2dc49a7807bd194f4c6229e4ca356556ef75e8f8c9b0b"
    );
}

#[test]
fn only_the_response_that_was_asked_for_is_taken() {
    let check = |text: &str, code: &str| {
        let refused =
            ResponseDocument::parse(text.as_bytes(), Some(&"R_1".parse().unwrap())).unwrap_err();
        assert_eq!(refused.code(), code, "{text}");
    };
    check("", "document-not-json");
    check("<html>Bad Gateway</html>", "document-not-json");
    check(r#"{"responseId":"R_1","values":{"#, "document-not-json");
    check(
        r#"{"responseId":"R_1","values":{"QID1":NaN}}"#,
        "document-not-json",
    );
    check("[]", "document-malformed");
    check("{}", "document-empty");
    check(r#"{"result":{}}"#, "document-empty");
    check(
        r#"{"result":{"message":"not yet"},"meta":{}}"#,
        "response-not-yet",
    );
    check(
        r#"{"meta":{"error":{"errorMessage":"x"}}}"#,
        "document-malformed",
    );
    check(
        r#"{"responseId":"R_1","values":null}"#,
        "document-malformed",
    );
    check(r#"{"responseId":"R_1","values":[]}"#, "document-malformed");
    check(
        r#"{"responseId":"R_1/../x","values":{}}"#,
        "document-malformed",
    );
    check(r#"{"values":{}}"#, "document-malformed");
    check(
        r#"{"responseId":"R_1","values":{},"values":{}}"#,
        "document-malformed",
    );
    check(
        r#"{"responseId":"R_2","values":{}}"#,
        "document-other-response",
    );
}

#[test]
fn another_response_is_named() {
    let refused = ResponseDocument::parse(
        br#"{"responseId":"R_2","values":{}}"#,
        Some(&"R_1".parse().unwrap()),
    );

    assert_eq!(
        refused,
        Err(DocumentError::OtherResponse {
            asked: "R_1".parse().unwrap(),
            found: "R_2".parse().unwrap(),
        })
    );
}

#[test]
fn deep_nesting_is_text_like_any_other() {
    let map = map(&options(&["ResponseId", "Anything"]));
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let text = format!(r#"{{"responseId":"R_1","values":{{"Anything":{deep},"other":{deep}}}}}"#);
    let document = ResponseDocument::parse(text.as_bytes(), None).unwrap();

    let redacted = map.redact(&document, None).unwrap();

    let Mapped::Row {
        truncated, unknown, ..
    } = map.map(&redacted).unwrap()
    else {
        panic!("no row");
    };
    assert_eq!(truncated.len(), 1);
    assert_eq!(unknown, ["other"]);
}

#[test]
fn ten_thousand_keys_are_reported_one_by_one() {
    let map = map(&options(&["ResponseId", "Q1"]));
    let values: serde_json::Map<String, Value> = (0..10_000)
        .map(|n| (format!("key{n:05}"), n.into()))
        .collect();
    let document = document(&values.into());

    let Mapped::Row { unknown, .. } = map.map(&document).unwrap() else {
        panic!("no row");
    };

    assert_eq!(unknown.len(), 10_000);
    assert_eq!(unknown[9_999], "key09999");
}

#[test]
fn previews_tests_and_unfinished_responses_are_no_rows() {
    let kept = MapOptions {
        previews: true,
        ..options(&["ResponseId", "Q1"])
    };
    let check = |values: Value, reason: Option<SkipReason>, with_previews: Option<SkipReason>| {
        for (options, expected) in [
            (&options(&["ResponseId", "Q1"]), reason),
            (&kept, with_previews),
        ] {
            let skipped = match map(options).map(&document(&values)).unwrap() {
                Mapped::Skip(reason) => Some(reason),
                Mapped::Row { .. } => None,
            };
            assert_eq!(skipped, expected, "{values}");
        }
    };
    let (preview, test, unfinished) = (
        Some(SkipReason::Preview),
        Some(SkipReason::Test),
        Some(SkipReason::Unfinished),
    );
    check(json!({"status": 0, "finished": 1}), None, None);
    check(json!({"status": 1}), preview, None);
    check(json!({"status": "17"}), preview, None);
    check(json!({"status": 2}), test, None);
    check(json!({"status": 0, "finished": 0}), unfinished, unfinished);
    check(json!({"finished": false}), unfinished, unfinished);
    check(json!({"finished": true}), None, None);
    check(json!({}), None, None);
}

#[test]
fn personal_metadata_leaves_no_trace_unless_it_is_named() {
    let options = MapOptions {
        pseudonymize: vec!["Email".to_owned()],
        ..options(&["ResponseId", "Q1"])
    };
    let map = map(&options);

    let redacted = map.redact(&person(), Some(&key())).unwrap();

    let stored = redacted.as_json().to_lowercase();
    for secret in [
        "192.0.2.77",
        "47.376",
        "8.541",
        "jane",
        "doe",
        "k-4711",
        "personallink",
        "q_eed",
    ] {
        assert!(!stored.contains(secret), "{secret} in {stored}");
    }
    assert!(stored.contains(r#""accountid":"acme""#));
    assert!(stored.contains("https://sandbox.example/jfe/form/sv_x?accountid=acme&a=1"));
    assert_eq!(map.map(&redacted), map.map(&person()));
}

#[test]
fn what_is_named_stays_and_what_is_pseudonymised_is_replaced() {
    let person = person();
    let options = MapOptions {
        pseudonymize: vec!["RecipientEmail".to_owned(), "Email".to_owned()],
        ..options(&[
            "ResponseId",
            "RecipientEmail",
            "RecipientFirstName",
            "Email",
            "Q_URL",
        ])
    };
    let map = map(&options);

    let redacted = map.redact(&person, Some(&key())).unwrap();

    let stored = redacted.as_json();
    assert!(stored.contains(r#""recipientFirstName":"Jane""#));
    assert!(!stored.to_lowercase().contains("jane@example"), "{stored}");
    assert!(!stored.contains("jane%40"), "{stored}");
    assert!(!stored.contains("Doe"));
    let pseudonym = key().pseudonym("jane@example.com");
    assert_eq!(stored.matches(&pseudonym).count(), 3, "in `values` only");
    assert_eq!(map.redact(&redacted, Some(&key())).unwrap(), redacted);
    let again = ResponseDocument::parse(stored.as_bytes(), Some(person.response_id())).unwrap();
    assert_eq!(map.map(&again), map.map(&redacted));
    assert_eq!(
        map.redact(&again, Some(&key())).unwrap(),
        again,
        "also when read back"
    );
}

#[test]
fn a_value_that_was_not_pseudonymised_never_becomes_a_cell() {
    let options = MapOptions {
        pseudonymize: vec!["Email".to_owned()],
        ..options(&["ResponseId", "Email"])
    };
    let map = map(&options);

    assert_eq!(map.map(&person()).unwrap_err().code(), "not-redacted");
    let refused = map.redact(&person(), None).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "PSEUDONYM_KEY is not set, and `pseudonymize` needs it: set it to at least 32 characters"
    );
    // Somebody who answers with 64 hex digits is no exception.
    let looks_done = document(&json!({"Email": "a".repeat(64)}));
    let redacted = map.redact(&looks_done, Some(&key())).unwrap();
    assert!(!redacted.as_json().contains(&"a".repeat(64)));
}

#[test]
fn a_field_pseudonymised_later_is_replaced_in_what_was_stored() {
    let both = |names: &[&str]| {
        map(&MapOptions {
            pseudonymize: names.iter().map(|&name| name.to_owned()).collect(),
            ..options(&["ResponseId", "Email", "AccountID"])
        })
    };
    let stored = both(&["Email"]).redact(&person(), Some(&key())).unwrap();

    let later = both(&["Email", "AccountID"])
        .redact(&stored, Some(&key()))
        .unwrap();

    let email = key().pseudonym("jane@example.com");
    assert!(later.as_json().contains(&format!(r#""Email":"{email}""#)));
    let account = key().pseudonym("ACME");
    assert!(
        later
            .as_json()
            .contains(&format!(r#""AccountID":"{account}""#))
    );
    assert!(!later.as_json().contains("AccountID=ACME"));
}

#[test]
fn a_document_without_personal_data_is_kept_byte_for_byte() {
    let text = "{ \"responseId\" : \"R_1\",\n \"values\" : { \"QID1\" : 1.0, \"Q_URL\":\"https:\\/\\/x?a=1\" } }";
    let document = ResponseDocument::parse(text.as_bytes(), None).unwrap();

    let redacted = map(&options(&["ResponseId", "Q1"]))
        .redact(&document, None)
        .unwrap();

    assert_eq!(redacted.as_json(), text);
}

#[test]
fn nothing_that_a_respondent_said_is_shown_by_debug_or_errors() {
    let map = map(&options(&["ResponseId", "Q1"]));
    let document = document(&json!({"QID1": "a secret"}));

    assert!(!format!("{document:?}").contains("secret"));
    let refused = map.map(&document).unwrap_err();
    assert!(!format!("{refused:?} {refused}").contains("secret"));
}

fn key() -> PseudonymKey {
    "0123456789abcdef0123456789abcdef".parse().unwrap()
}

/// Somebody who is known by everything that Qualtrics knows of people.
fn person() -> ResponseDocument {
    let document = json!({
        "responseId": "R_1",
        "values": {
            "ipAddress": "192.0.2.77", "locationLatitude": "47.376", "locationLongitude": "8.541",
            "recipientEmail": " Jane@Example.com", "recipientFirstName": "Jane", "recipientLastName": "Doe",
            "RecipientEmail": " Jane@Example.com", "externalDataReference": "K-4711", "ExternalDataReference": "K-4711",
            "Q_URL": "https://sandbox.example/jfe/form/SV_x?RecipientEmail=jane%40example.com&AccountID=ACME&Q_EED=eyJ&amp;Q_DL=personallink&Email=jane%40example.com&a=1",
            "AccountID": "ACME", "Email": "jane@example.com", "QID1": 1
        },
        "labels": {"ipAddress": "192.0.2.77", "QID1": "no"},
        "displayedFields": ["QID1"],
        "displayedValues": {"recipientEmail": ["jane@example.com"]},
        "anotherSection": {"recipientLastName": "Doe"},
        "ipAddress": "192.0.2.77"
    });
    ResponseDocument::parse(document.to_string().as_bytes(), None).unwrap()
}

fn document(values: &Value) -> ResponseDocument {
    let document = json!({"responseId": "R_1", "values": values});
    ResponseDocument::parse(document.to_string().as_bytes(), None).unwrap()
}

fn options(columns: &[&str]) -> MapOptions {
    MapOptions {
        columns: Some(columns.iter().map(|&column| column.to_owned()).collect()),
        ..MapOptions::new("T".parse().unwrap())
    }
}

fn map(options: &MapOptions) -> ColumnMap {
    let definition = json!({
        "Questions": {"QID1": {"QuestionText": "Satisfied?", "DataExportTag": "Q1", "QuestionType": "MC", "Selector": "SAVR",
            "Choices": {"1": {"Display": "no"}, "2": {"Display": "yes"}}}},
        "SurveyFlow": {"Flow": [{"EmbeddedData": [{"Field": "AccountID"}, {"Field": "Email"}, {"Field": "Anything"},
            {"Field": "Q_URL"}]}]},
    });
    let definition = definition.to_string();
    let answers = DefinitionAnswers {
        survey_definition: Some(definition.as_bytes()),
        ..DefinitionAnswers::default()
    };
    let definition =
        SurveyDefinition::from_answers(&"SV_0000000000000".parse().unwrap(), &answers).unwrap();
    ColumnMap::compile(&definition, options, &[]).unwrap().0
}
