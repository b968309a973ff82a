//! Single responses, surveys, schemas, subscriptions, tokens and errors, compared with the recorded answers.

use std::time::Duration;

use qualtrics_sandbox::{Limits, Options, PerMinute};
use serde_json::{Value, json};

use crate::support::{EVERY_TYPE, SURVEY, TestSandbox, answer, assert_shape, kind, recorded};

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

#[tokio::test]
async fn every_question_type_is_answered_under_its_keys() {
    let sandbox = TestSandbox::start().await;
    let (_, schema) = sandbox
        .get(&format!("/API/v3/surveys/{EVERY_TYPE}/response-schema"))
        .await;
    let properties = schema["result"]["properties"]["values"]["properties"]
        .as_object()
        .unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..60 {
        let id = sandbox
            .handle
            .complete(
                EVERY_TYPE,
                json!({"Q_URL": "https://x", "RecipientEmail": "a@example.com",
            "RecipientFirstName": "A", "RecipientLastName": "B", "ExternalReference": "C"}),
            )
            .unwrap();
        let (_, body) = sandbox.get(&response_path(EVERY_TYPE, &id)).await;
        for (key, value) in body["result"]["values"].as_object().unwrap() {
            let property = properties
                .get(key)
                .unwrap_or_else(|| panic!("the schema lacks {key}"));
            assert_eq!(kind(value), property["type"], "{key}");
            check_options(key, value, property, &body["result"]["labels"]);
            seen.insert(key.clone());
        }
    }
    let missing: Vec<_> = properties
        .keys()
        .filter(|key| !seen.contains(*key))
        .collect();
    assert!(missing.is_empty(), "never answered: {missing:?}");
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

#[tokio::test]
async fn subscriptions_are_managed_as_recorded() {
    let sandbox = TestSandbox::start().await;
    let recorded_create = recorded("eventsubscriptions.create.json");
    let mut ids = Vec::new();
    for path in ["/API/v3/eventsubscriptions", "/API/v3/eventsubscriptions/"] {
        let (status, body) = sandbox.post(path, &recorded_create["request"]).await;
        assert_eq!(status, 200);
        assert_shape(&body, &recorded_create["response"]);
        ids.push(body["result"]["id"].as_str().unwrap().to_owned());
    }
    assert!(
        ids.iter()
            .all(|id| id.len() == 19 && id.starts_with("SUB_")),
        "{ids:?}"
    );

    let (_, list) = sandbox.get("/API/v3/eventsubscriptions/").await;
    assert_shape(&list, &recorded("eventsubscriptions.list.json"));
    assert_eq!(
        list["result"]["elements"].as_array().unwrap().len(),
        2,
        "duplicates are allowed"
    );

    let path = format!("/API/v3/eventsubscriptions/{}", ids[0]);
    let (_, body) = answer(sandbox.request("DELETE", &path)).await;
    assert_shape(&body, &recorded("eventsubscriptions.delete.json"));
    assert_eq!(sandbox.get(&path).await.0, 404);
}

#[tokio::test]
async fn long_lists_are_paged_by_a_full_url() {
    let sandbox = TestSandbox::start().await;
    let wish = &recorded("eventsubscriptions.create.json")["request"];
    for _ in 0..101 {
        sandbox.post("/API/v3/eventsubscriptions", wish).await;
    }

    let (_, first) = sandbox.get("/API/v3/eventsubscriptions").await;
    let next = first["result"]["nextPage"].as_str().unwrap();
    let (_, second) = sandbox.get(next.strip_prefix(&sandbox.base).unwrap()).await;

    assert_eq!(first["result"]["elements"].as_array().unwrap().len(), 100);
    assert_eq!(second["result"]["elements"].as_array().unwrap().len(), 1);
    assert_eq!(second["result"]["nextPage"], Value::Null);
}

#[tokio::test]
async fn errors_are_as_recorded() {
    let sandbox = TestSandbox::start().await;
    let plain = |path: &str| sandbox.client.get(format!("{}{path}", sandbox.base));
    let check = async |request: reqwest::RequestBuilder, name: &str| {
        let theirs = &recorded("errors.json")[name];
        let (status, mut body) = answer(request).await;
        if matches!(status, 503 | 504) {
            // Comes with these as with 500, says a client; the composed examples leave it out.
            body["meta"]["error"]
                .as_object_mut()
                .unwrap()
                .remove("instanceId")
                .unwrap();
        }
        assert_eq!(
            status,
            u16::try_from(theirs["status"].as_u64().unwrap()).unwrap(),
            "{name}"
        );
        assert_shape(&body, &theirs["body"]);
        assert_eq!(
            body["meta"]["error"], theirs["body"]["meta"]["error"],
            "{name}"
        );
        assert_eq!(
            body["meta"]["httpStatus"], theirs["body"]["meta"]["httpStatus"],
            "{name}"
        );
    };

    check(plain("/API/v3/whoami"), "400-no-credential").await;
    check(
        plain("/API/v3/whoami").header("x-api-token", "wrong"),
        "401-unknown-token",
    )
    .await;
    check(
        plain("/API/v3/whoami").header("authorization", "Bearer wrong"),
        "401-unknown-token",
    )
    .await;
    check(plain("/API/v3/nothing"), "404-unknown-route").await;
    check(
        sandbox.request("GET", "/API/v3/surveys/SV_1"),
        "400-parameter",
    )
    .await;
    check(
        sandbox.request("GET", &response_path(SURVEY, "R_unknown")),
        "404-response",
    )
    .await;
    for (switch, name) in [("500", "500"), ("503", "503"), ("504", "504")] {
        sandbox.handle.set_faults(switch.parse().unwrap());
        check(sandbox.request("GET", "/API/v3/whoami"), name).await;
    }
}

#[tokio::test]
async fn tokens_are_given_as_clients_expect() {
    let sandbox = TestSandbox::start().await;
    let theirs = recorded("oauth.token.json");
    let ask = |secret: &str, form: &str| {
        sandbox
            .client
            .post(format!("{}/oauth2/token", sandbox.base))
            .basic_auth("sandbox-client", Some(secret))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.to_owned())
    };
    let form = theirs["request"]["body"].as_str().unwrap();

    let (status, body) = answer(ask("sandbox-secret", form)).await;
    assert_eq!(status, 200);
    assert_shape(&body, &theirs["response"]["body"]);
    assert_eq!(body["expires_in"], 3599);
    assert_eq!(body["scope"], theirs["response"]["body"]["scope"]);
    assert_eq!(
        answer(ask("wrong", form)).await,
        (401, json!({"error": "invalid_client"}))
    );
    let greedy = "grant_type=client_credentials&scope=manage:users";
    assert_eq!(
        answer(ask("sandbox-secret", greedy)).await,
        (400, json!({"error": "invalid_scope"}))
    );

    let token = body["access_token"].as_str().unwrap().to_owned();
    let call = |method: &str, path: &str| {
        let method = method.parse().unwrap();
        sandbox
            .client
            .request(method, format!("{}{path}", sandbox.base))
            .bearer_auth(&token)
    };
    assert_eq!(answer(call("GET", "/API/v3/surveys")).await.0, 200);
    assert_eq!(
        answer(call("GET", "/API/v3/whoami")).await.0,
        403,
        "read:users was not asked for"
    );
    assert_eq!(
        answer(call("DELETE", &response_path(SURVEY, "R_1")))
            .await
            .0,
        403
    );
    sandbox
        .handle
        .set_faults("wrong-datacenter".parse().unwrap());
    assert_eq!(answer(call("GET", "/API/v3/surveys")).await.0, 401);
    let (status, body) = sandbox.get("/API/v3/surveys").await;
    assert_eq!(status, 200);
    assert_eq!(
        body["meta"]["notice"],
        recorded("errors.json")["200-proxied-notice"]["body"]["meta"]["notice"]
    );
    sandbox
        .handle
        .set_faults(qualtrics_sandbox::Faults::default());
    sandbox.handle.advance(Duration::from_secs(3_601));
    assert_eq!(
        answer(call("GET", "/API/v3/surveys")).await.0,
        401,
        "the token expired"
    );
}

#[tokio::test]
async fn the_241st_read_of_a_minute_is_refused() {
    let sandbox = TestSandbox::with(Options::default()).await;
    let id = sandbox.handle.complete(SURVEY, json!({})).unwrap();
    for _ in 0..240 {
        assert_eq!(sandbox.get(&response_path(SURVEY, &id)).await.0, 200);
    }

    let refused = sandbox
        .request("GET", &response_path(SURVEY, &id))
        .send()
        .await
        .unwrap();

    assert_eq!(refused.status(), 429);
    assert!(
        refused.headers()["retry-after"]
            .to_str()
            .unwrap()
            .parse::<u64>()
            .unwrap()
            <= 61
    );
    let body: Value = refused.json().await.unwrap();
    assert_shape(&body, &recorded("errors.json")["429"]["body"]);
    assert_eq!(sandbox.get("/API/v3/surveys").await.0, 200);
    sandbox.handle.set_limits(Limits::Custom(PerMinute {
        definitions: 0,
        ..PerMinute::default()
    }));
    assert_eq!(sandbox.get("/API/v3/surveys").await.0, 429);
}
