//! The control API: everything that a handle does, over HTTP.

use serde_json::{Value, json};

use crate::support::{EVERY_TYPE, Receiver, SURVEY, TestSandbox, answer, recorded};

fn response_path(response: &str) -> String {
    format!("/API/v3/surveys/{SURVEY}/responses/{response}")
}

#[tokio::test]
async fn responses_are_completed_edited_announced_and_deleted() {
    let (sandbox, receiver) = (TestSandbox::start().await, Receiver::start().await);
    sandbox.subscribe(SURVEY, &receiver.url, Some("key")).await;
    let wish = json!({"survey": SURVEY, "values": {"Q1": 2, "AccountID": "ACME"}, "count": 3});

    let (status, body) = sandbox.post("/control/complete", &wish).await;
    assert_eq!(status, 200, "{body}");
    sandbox.handle.settle().await;
    let ids = body["responses"].as_array().unwrap();
    assert_eq!((ids.len(), receiver.bodies().len()), (3, 3));

    let id = ids[0].as_str().unwrap();
    let control = format!("/control/surveys/{SURVEY}/responses/{id}");
    assert_eq!(
        answer(
            sandbox
                .request("PATCH", &control)
                .json(&json!({"Q1": 5, "Q18": null}))
        )
        .await
        .0,
        200
    );
    let (_, body) = sandbox.get(&response_path(id)).await;
    assert_eq!(
        (
            &body["result"]["values"]["QID1"],
            &body["result"]["labels"]["QID1"]
        ),
        (&json!(5), &json!("Very satisfied"))
    );
    assert!(body["result"]["values"].get("QID18_TEXT").is_none());
    sandbox
        .post(&format!("{control}/announce"), &json!({}))
        .await;
    sandbox.handle.settle().await;
    assert_eq!(receiver.bodies().len(), 4);
    assert_eq!(answer(sandbox.request("DELETE", &control)).await.0, 200);
    assert_eq!(sandbox.get(&response_path(id)).await.0, 404);
    let (_, survey) = sandbox.get(&format!("/API/v3/surveys/{SURVEY}")).await;
    assert_eq!(
        survey["result"]["responseCounts"],
        json!({"auditable": 2, "generated": 0, "deleted": 1})
    );
}

#[tokio::test]
async fn responses_can_be_completed_at_a_rate() {
    let sandbox = TestSandbox::start().await;

    let (status, _) = sandbox
        .post(
            "/control/complete",
            &json!({"survey": SURVEY, "count": 5, "rate": 200}),
        )
        .await;

    assert_eq!(status, 202);
    while sandbox.handle.response_count(SURVEY) < 5 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn documents_are_kept_byte_for_byte_one_or_many() {
    let sandbox = TestSandbox::start().await;
    let odd = r#"{"responseId":"R_odd","values":{"a":123456789012345678901234567890,"b":1e999,"c":"\ud800","__proto__":{"x":[[[]]]}}}"#;
    let path = format!("/control/surveys/{SURVEY}/responses/R_odd");

    assert_eq!(
        answer(sandbox.request("PUT", &path).body(odd)).await,
        (200, json!({"response": "R_odd"}))
    );
    let text = sandbox
        .request("GET", &response_path("R_odd"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        text.starts_with(&format!("{{\"result\":{odd},\"meta\"")),
        "{text}"
    );

    let lines: String = (0..5_000).fold(String::new(), |text, at| {
        text + &format!("{{\"responseId\":\"R_{at:015}\",\"values\":{{\"recordedDate\":\"2026-01-01T00:00:00Z\",\"finished\":1}}}}\n")
    });
    let path = format!("/control/surveys/{SURVEY}/documents");
    assert_eq!(
        answer(sandbox.request("POST", &path).body(lines.clone())).await,
        (200, json!({"documents": 5000}))
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &lines).unwrap();
    let (status, body) = answer(
        sandbox
            .request("POST", &format!("{path}?path={}", file.path().display()))
            .body(""),
    )
    .await;
    assert_eq!((status, body), (200, json!({"documents": 5000})));
    assert_eq!(
        sandbox.handle.response_count(SURVEY),
        5_001,
        "the same ids again are the same responses"
    );
    let (status, body) = answer(sandbox.request("POST", &path).body("{}\nrubbish\n")).await;
    assert_eq!(status, 400);
    assert!(
        body["error"]
            .as_str()
            .unwrap()
            .starts_with("line 2 is no response document"),
        "{body}"
    );
}

#[tokio::test]
async fn extreme_answers_are_kept_whole() {
    let sandbox = TestSandbox::start().await;
    let essay = "🤷🏻\n\"quoted\", ".repeat(20_000 / 12);
    let mut values: serde_json::Map<String, Value> = (0..1_500)
        .map(|at| (format!("key{at}"), json!(at)))
        .collect();
    values.insert("Q18".to_owned(), json!(essay));

    let (_, body) = sandbox
        .post(
            "/control/complete",
            &json!({"survey": SURVEY, "values": values}),
        )
        .await;

    let (_, body) = sandbox
        .get(&response_path(body["responses"][0].as_str().unwrap()))
        .await;
    assert_eq!(body["result"]["values"]["QID18_TEXT"], essay);
    assert_eq!(body["result"]["values"]["key1499"], 1_499);
}

#[tokio::test]
async fn a_user_without_rights_manages_no_subscriptions() {
    let options = qualtrics_sandbox::Options {
        brand_administrator: false,
        ..Default::default()
    };
    let sandbox = TestSandbox::with(options).await;

    assert_eq!(sandbox.get("/API/v3/eventsubscriptions").await.0, 403);
    assert_eq!(sandbox.get("/API/v3/surveys").await.0, 200);
}

#[tokio::test]
async fn definitions_change_and_answers_follow_their_recodes() {
    let sandbox = TestSandbox::start().await;
    let id = sandbox.handle.complete(SURVEY, json!({"Q1": 5})).unwrap();
    let change = async |change: Value| {
        sandbox
            .post(&format!("/control/surveys/{SURVEY}/changes"), &change)
            .await
    };
    let schema = async || {
        let (_, body) = sandbox
            .get(&format!("/API/v3/surveys/{SURVEY}/response-schema"))
            .await;
        body["result"]["properties"]["values"]["properties"].clone()
    };

    assert_eq!(
        change(json!({"change": "renameTag", "question": "Q1", "tag": "Overall"})).await,
        (200, json!({}))
    );
    assert_eq!(schema().await["QID1"]["exportTag"], "Overall");
    change(json!({"change": "recode", "question": "Overall", "recodes": {"5": 50}})).await;
    let (_, body) = sandbox.get(&response_path(&id)).await;
    assert_eq!(body["result"]["values"]["QID1"], 50);
    change(json!({"change": "addQuestion", "question": {"QuestionType": "TE", "Selector": "SL", "DataExportTag": "New"}})).await;
    assert_eq!(schema().await["QID19_TEXT"]["exportTag"], "New");
    change(json!({"change": "trashQuestion", "question": "New"})).await;
    assert!(schema().await.get("QID19_TEXT").is_none());
    let (status, body) =
        change(json!({"change": "renameTag", "question": "Q99", "tag": "x"})).await;
    assert_eq!(
        (status, body),
        (
            400,
            json!({"error": "the survey has no question `Q99`: name it by its QID or its export tag"})
        )
    );
    let (_, survey) = sandbox.get(&format!("/API/v3/surveys/{SURVEY}")).await;
    assert_ne!(survey["result"]["lastModifiedDate"], "2026-01-05T09:00:00Z");
}

#[tokio::test]
async fn surveys_are_loaded_as_files_have_them() {
    let sandbox = TestSandbox::start().await;
    let qsf = &recorded("survey-definition.format-qsf.json")["result"];

    let (status, body) = sandbox.post("/control/surveys", qsf).await;

    assert_eq!(
        (status, &body["survey"]),
        (200, &json!("SV_6s93xhVtm1e4j3v"))
    );
    let (_, ids) = sandbox.get("/control/surveys").await;
    assert_eq!(ids, json!([SURVEY, EVERY_TYPE, "SV_6s93xhVtm1e4j3v"]));
    assert_eq!(
        sandbox.post("/control/surveys", &json!({"x": 1})).await.0,
        400
    );
}

#[tokio::test]
async fn faults_limits_time_and_subscriptions_are_set_over_http() {
    let (sandbox, receiver) = (TestSandbox::start().await, Receiver::start().await);
    let text = async |method: &str, path: &str, body: &str| {
        answer(sandbox.request(method, path).body(body.to_owned())).await
    };

    assert_eq!(
        text("PUT", "/control/faults", "429=0.5,drop=1").await.1,
        json!({"faults": "429=0.5,drop=1"})
    );
    assert_eq!(
        text("PATCH", "/control/faults", "429=0").await.1,
        json!({"faults": "drop=1"})
    );
    let (status, body) = text("PUT", "/control/faults", "nonsense=1").await;
    assert_eq!(status, 400);
    assert!(
        body["error"]
            .as_str()
            .unwrap()
            .starts_with("unknown fault switch `nonsense`")
    );
    text("PUT", "/control/faults", "").await;

    let limits = json!({"custom": {"response_reads": 0}});
    assert_eq!(
        answer(sandbox.request("PUT", "/control/limits").json(&limits))
            .await
            .0,
        200
    );
    assert_eq!(sandbox.get(&response_path("R_1")).await.0, 429);
    text("PUT", "/control/limits", "\"off\"").await;
    assert_eq!(
        text("POST", "/control/time", "{\"advance\":\"2h\"}")
            .await
            .0,
        200
    );

    let id = sandbox
        .subscribe(SURVEY, "http://127.0.0.1:9/nobody", Some("key"))
        .await;
    let path = format!("/control/subscriptions/{id}");
    let change = json!({"publicationUrl": receiver.url, "sharedKey": "other"});
    assert_eq!(
        answer(sandbox.request("PATCH", &path).json(&change))
            .await
            .0,
        200
    );
    sandbox.handle.complete(SURVEY, json!({})).unwrap();
    sandbox.handle.settle().await;
    assert_eq!(receiver.bodies().len(), 1);
    assert_eq!(text("DELETE", &path, "").await.0, 200);
    assert_eq!(text("DELETE", &path, "").await.0, 404);
}

#[tokio::test]
async fn calls_and_callbacks_are_counted_until_the_reset() {
    let sandbox = TestSandbox::start().await;
    let id = sandbox.handle.complete(SURVEY, json!({})).unwrap();
    sandbox.get(&response_path(&id)).await;
    sandbox.get(&response_path("R_x")).await;

    let (_, state) = sandbox.get("/control/state").await;
    assert_eq!(
        state["counters"]["calls"],
        json!({"response 200": 1, "response 404": 1})
    );
    assert_eq!(sandbox.handle.counters().calls_of("response"), 2);
    let (_, calls) = sandbox.get("/control/calls").await;
    assert_eq!(calls[0]["path"], response_path(&id));
    sandbox.post("/control/reset", &json!({})).await;
    let (_, state) = sandbox.get("/control/state").await;
    assert_eq!(state["counters"]["calls"], json!({}));
    assert_eq!(state["surveys"][0]["responses"], 0);
}

#[tokio::test]
async fn a_person_is_erased_from_all_surveys_without_a_word() {
    let (sandbox, receiver) = (TestSandbox::start().await, Receiver::start().await);
    let person = json!({"RecipientEmail": "A.Person@example.com"});
    let one = sandbox.handle.complete(SURVEY, person.clone()).unwrap();
    sandbox.handle.complete(EVERY_TYPE, person).unwrap();
    sandbox.handle.complete(SURVEY, json!({})).unwrap();
    sandbox.subscribe("*", &receiver.url, Some("key")).await;

    let wish = json!({"emails": ["a.person@example.com"], "searchOnly": false});
    assert_eq!(
        sandbox
            .post("/API/v3/op-erase-personal-data", &wish)
            .await
            .0,
        200
    );
    sandbox.handle.settle().await;

    assert_eq!(sandbox.get(&response_path(&one)).await.0, 404);
    assert_eq!(
        (
            sandbox.handle.response_count(SURVEY),
            sandbox.handle.response_count(EVERY_TYPE)
        ),
        (1, 0)
    );
    assert_eq!(receiver.bodies().len(), 0);
    let (_, list) = sandbox.get("/API/v3/op-erase-personal-data").await;
    assert_eq!(list["result"]["elements"][0]["responses"], 2);
}

#[tokio::test]
async fn embedded_data_are_updated_by_the_api_and_the_date_moves() {
    let sandbox = TestSandbox::start().await;
    let id = sandbox
        .handle
        .complete(SURVEY, json!({"recordedDate": "2026-01-01T00:00:00.000Z"}))
        .unwrap();
    let put = |body: Value| answer(sandbox.request("PUT", &response_path(&id)).json(&body));

    let gentle = json!({"surveyId": SURVEY, "embeddedData": {"AccountID": "New"}, "resetRecordedDate": false});
    assert_eq!(put(gentle).await.0, 200);
    let (_, body) = sandbox.get(&response_path(&id)).await;
    assert_eq!(body["result"]["values"]["AccountID"], "New");
    assert_eq!(
        body["result"]["values"]["recordedDate"],
        "2026-01-01T00:00:00.001Z"
    );
    put(json!({"embeddedData": {}})).await;
    let (_, body) = sandbox.get(&response_path(&id)).await;
    assert!(body["result"]["values"]["recordedDate"].as_str().unwrap() > "2026-01-02");
}

#[tokio::test]
async fn computed_fields_can_come_later() {
    let sandbox = TestSandbox::with_faults("late-fields=30ms").await;
    let id = sandbox.handle.complete(EVERY_TYPE, json!({})).unwrap();
    let value = async || {
        let (_, body) = sandbox
            .get(&format!("/API/v3/surveys/{EVERY_TYPE}/responses/{id}"))
            .await;
        body["result"]["values"].get("SC_0everyTypeScor1").cloned()
    };

    assert_eq!(value().await, None);
    while value().await.is_none() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_probe_is_sent_where_it_is_asked_for() {
    let (sandbox, receiver) = (
        TestSandbox::with_faults("probe").await,
        Receiver::start().await,
    );

    sandbox.subscribe(SURVEY, &receiver.url, Some("key")).await;

    assert_eq!(receiver.methods(), ["GET"]);
}
