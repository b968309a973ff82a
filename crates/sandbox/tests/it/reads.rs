//! Single responses, surveys and schemas, compared with the recorded answers.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{EVERY_TYPE, SURVEY, TestSandbox, assert_shape, kind, recorded};

fn response_path(survey: &str, response: &str) -> String {
    format!("/API/v3/surveys/{survey}/responses/{response}")
}

#[tokio::test]
async fn a_response_is_shaped_as_recorded() {
    let sandbox = TestSandbox::start().await;
    let id = sandbox
        .handle
        .complete(
            SURVEY,
            json!({"Q1": 4, "Q18": "ok", "Q2": 8, "AccountID": "ACME"}),
        )
        .unwrap();

    let (status, body) = sandbox.get(&response_path(SURVEY, &id)).await;

    let theirs = recorded("response.mc-text-nps.json");
    assert_eq!(status, 200);
    assert_shape(
        &body["meta"],
        &recorded("response.envelope-200.json")["meta"],
    );
    let ours = &body["result"];
    assert_eq!(ours["responseId"], id);
    for (key, value) in theirs["values"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(key, _)| !key.starts_with("QID"))
    {
        if key != "survey_id" {
            assert_eq!(kind(&ours["values"][key]), kind(value), "{key}");
        }
    }
    assert_eq!(ours["values"]["_recordId"], id);
    assert_eq!(ours["values"]["QID1"], 4);
    assert_eq!(ours["labels"]["QID1"], "Satisfied");
    assert_eq!(ours["values"]["QID18_TEXT"], "ok");
    assert_eq!(ours["values"]["QID2"], 8);
    assert_eq!(ours["values"]["QID2_NPS_GROUP"], 2);
    assert_eq!(ours["labels"]["QID2_NPS_GROUP"], "Passive");
    assert!(
        ours["labels"].get("QID2").is_none(),
        "an NPS answer has no label of its own"
    );
    assert_eq!(ours["values"]["AccountID"], "ACME");
    assert_eq!(
        ours["displayedValues"]["QID2_NPS_GROUP"],
        theirs["displayedValues"]["QID1718062228_NPS_GROUP"]
    );
    assert!(
        ours["displayedFields"]
            .as_array()
            .unwrap()
            .contains(&json!("QID18_TEXT"))
    );
    let date = ours["values"]["recordedDate"].as_str().unwrap();
    assert_eq!(date.len(), "2024-07-08T16:00:23.994Z".len());
    assert_eq!(
        ours["values"]["startDate"].as_str().unwrap().len(),
        "2024-07-08T15:59:53Z".len()
    );
}

#[tokio::test]
async fn a_response_can_be_too_young_to_be_read() {
    let sandbox = TestSandbox::with_faults("not-yet,not-yet-for=1h").await;
    let id = sandbox.handle.complete(SURVEY, json!({})).unwrap();

    let (status, body) = sandbox.get(&response_path(SURVEY, &id)).await;
    assert_eq!(status, 202);
    let theirs = recorded("response.not-yet-available.202.json");
    assert_shape(&body, &theirs);
    assert_eq!(body["result"], theirs["result"]);

    sandbox
        .handle
        .set_faults("not-yet-status=404".parse().unwrap());
    assert_eq!(sandbox.get(&response_path(SURVEY, &id)).await.0, 404);
    sandbox.handle.advance(Duration::from_secs(3_601));
    assert_eq!(sandbox.get(&response_path(SURVEY, &id)).await.0, 200);
}

/// Completes responses and holds every value against the survey's schema; the keys that were never answered.
async fn unanswered_keys(sandbox: &TestSandbox, survey: &str) -> Vec<String> {
    let (_, schema) = sandbox
        .get(&format!("/API/v3/surveys/{survey}/response-schema"))
        .await;
    let properties = schema["result"]["properties"]["values"]["properties"]
        .as_object()
        .unwrap();
    let mut seen = std::collections::BTreeSet::new();
    let person = json!({"Q_URL": "https://x", "RecipientEmail": "a@example.com", "RecipientFirstName": "A",
        "RecipientLastName": "B", "ExternalReference": "C"});
    for _ in 0..60 {
        let id = sandbox.handle.complete(survey, person.clone()).unwrap();
        let (_, body) = sandbox.get(&response_path(survey, &id)).await;
        for (key, value) in body["result"]["values"]
            .as_object()
            .unwrap()
            .iter()
            .filter(|(key, _)| *key != "Q_URL")
        {
            let property = properties
                .get(key)
                .unwrap_or_else(|| panic!("the schema lacks {key}"));
            assert_eq!(kind(value), property["type"], "{key}");
            check_options(key, value, property, &body["result"]["labels"]);
            seen.insert(key.clone());
        }
    }
    properties
        .keys()
        .filter(|key| !seen.contains(*key) && *key != "Q_URL")
        .cloned()
        .collect()
}

#[tokio::test]
async fn every_question_type_is_answered_under_its_keys() {
    let sandbox = TestSandbox::start().await;

    assert_eq!(
        unanswered_keys(&sandbox, EVERY_TYPE).await,
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn a_recorded_survey_of_many_types_is_answered_under_its_keys() {
    let sandbox = TestSandbox::start().await;
    let definition = recorded("survey-definition.format-qsf.json").to_string();
    let survey = qualtrics_sandbox::Survey::from_json(&definition).unwrap();
    sandbox.handle.put_survey(&survey);

    assert_eq!(
        unanswered_keys(&sandbox, survey.id()).await,
        Vec::<String>::new()
    );
}

/// Each code is one of the schema's constants, each label the constant's.
fn check_options(key: &str, value: &Value, property: &Value, labels: &Value) {
    let options = property
        .get("oneOf")
        .or_else(|| property.pointer("/items/oneOf"));
    let Some(options) = options.and_then(Value::as_array) else {
        return;
    };
    let codes = value
        .as_array()
        .cloned()
        .unwrap_or_else(|| vec![value.clone()]);
    for code in codes {
        let matching: Vec<&Value> = options
            .iter()
            .filter(|option| option["const"] == code)
            .map(|option| &option["label"])
            .collect();
        assert!(!matching.is_empty(), "{key}: {code} is no option");
        match &labels[key] {
            Value::String(label) => assert!(matching.contains(&&json!(label)), "{key}"),
            Value::Array(list) => {
                assert!(list.iter().any(|label| matching.contains(&label)), "{key}")
            }
            _ => assert!(
                !key.ends_with("_GROUP") && property["type"] == "number",
                "{key} has no label"
            ),
        }
    }
}

#[tokio::test]
async fn the_schema_is_shaped_as_the_documented_example() {
    let sandbox = TestSandbox::start().await;
    let (status, body) = sandbox
        .get(&format!("/API/v3/surveys/{SURVEY}/response-schema"))
        .await;
    let mut theirs = recorded("response-schema.docs-example.json");
    let mut ours = body.clone();

    assert_eq!(status, 200);
    for key in ["QID1", "recordedDate", "duration"] {
        let pointer = format!("/result/properties/values/properties/{key}");
        let mut property = body.pointer(&pointer).unwrap().clone();
        // Named by the documentation's text, not shown by its example.
        property
            .as_object_mut()
            .unwrap()
            .remove("questionExportTag");
        assert_shape(&property, theirs.pointer(&pointer).unwrap());
    }
    for document in [&mut ours, &mut theirs] {
        document["result"]["properties"]["values"]["properties"] = json!({});
    }
    assert_shape(&ours, &theirs);
    assert_eq!(ours["result"]["required"], theirs["result"]["required"]);
}

#[tokio::test]
async fn surveys_are_listed_as_recorded() {
    let sandbox = TestSandbox::start().await;

    let (_, body) = sandbox.get("/API/v3/surveys").await;

    assert_shape(&body, &recorded("surveys-list.json"));
    assert_eq!(body["result"]["elements"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_survey_loaded_from_its_recorded_definition_is_viewed_as_recorded() {
    let sandbox = TestSandbox::start().await;
    let definition = recorded("survey-definition.beskar.json").to_string();
    sandbox
        .handle
        .put_survey(&qualtrics_sandbox::Survey::from_json(&definition).unwrap());

    let (_, ours) = sandbox.get("/API/v3/surveys/SV_3gbwq8aJgqPwQDP").await;

    let theirs = recorded("survey-get.beskar.json");
    assert_shape(&ours, &theirs);
    for part in [
        "questions",
        "exportColumnMap",
        "blocks",
        "embeddedData",
        "flow",
        "creationDate",
        "lastModifiedDate",
    ] {
        assert_eq!(ours["result"][part], theirs["result"][part], "{part}");
    }
    let (_, ours) = sandbox
        .get("/API/v3/survey-definitions/SV_3gbwq8aJgqPwQDP")
        .await;
    let mut theirs = recorded("survey-definition.beskar.json");
    theirs["result"]["BrandID"] = json!("sandboxbrand");
    assert_eq!(ours["result"], theirs["result"]);
}

#[tokio::test]
async fn a_survey_loaded_from_qsf_is_shown_as_qsf() {
    let sandbox = TestSandbox::start().await;
    let theirs = recorded("survey-definition.format-qsf.json");
    let survey = qualtrics_sandbox::Survey::from_json(&theirs.to_string()).unwrap();
    sandbox.handle.put_survey(&survey);

    let (_, ours) = sandbox
        .get(&format!(
            "/API/v3/survey-definitions/{}?format=qsf",
            survey.id()
        ))
        .await;

    let entry = |document: &Value| {
        document["result"]["SurveyEntry"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(entry(&ours), entry(&theirs));
    let questions = |document: &Value| {
        let elements = document["result"]["SurveyElements"]
            .as_array()
            .unwrap()
            .clone();
        let mut found: Vec<Value> = elements
            .into_iter()
            .filter(|element| element["Element"] == "SQ")
            .collect();
        found.sort_by_key(|element| element["PrimaryAttribute"].as_str().unwrap().to_owned());
        found
            .into_iter()
            .map(|element| element["Payload"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(questions(&ours), questions(&theirs));
    sandbox.handle.complete(survey.id(), json!({})).unwrap();
}
