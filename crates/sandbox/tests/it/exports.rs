//! Export jobs and their files, compared with the recorded ones.

use std::time::Duration;

use serde_json::{Value, json};

use crate::files::{csv, unzip};
use crate::support::{EVERY_TYPE, SURVEY, TestSandbox, assert_shape, recorded, recorded_text};

impl TestSandbox {
    async fn start_export(&self, survey: &str, order: &Value) -> String {
        let (status, body) = self
            .post(&format!("/API/v3/surveys/{survey}/export-responses"), order)
            .await;
        assert_eq!(status, 200, "{body}");
        assert_shape(&body, &recorded("export-start.json")["response"]);
        body["result"]["progressId"].as_str().unwrap().to_owned()
    }

    async fn poll(&self, survey: &str, job: &str) -> Value {
        self.get(&format!("/API/v3/surveys/{survey}/export-responses/{job}"))
            .await
            .1
    }

    /// The result of the finished job.
    async fn finish(&self, survey: &str, job: &str) -> Value {
        loop {
            let body = self.poll(survey, job).await;
            if body["result"]["status"] != "inProgress" {
                return body["result"].clone();
            }
            assert_shape(&body, &recorded("export-progress.sequence.json")[0]);
        }
    }

    async fn download(&self, survey: &str, file: &str) -> reqwest::Response {
        let path = format!("/API/v3/surveys/{survey}/export-responses/{file}/file");
        self.request("GET", &path).send().await.unwrap()
    }

    pub(crate) async fn export(&self, survey: &str, order: Value) -> String {
        let job = self.start_export(survey, &order).await;
        let done = self.finish(survey, &job).await;
        let file = self
            .download(survey, done["fileId"].as_str().unwrap())
            .await;
        assert_eq!(file.status(), 200);
        let archive = file.bytes().await.unwrap();
        let compressed = order["compress"] != false;
        if compressed {
            unzip(&archive).unwrap().1
        } else {
            String::from_utf8(archive.to_vec()).unwrap()
        }
    }

    pub(crate) async fn ndjson(&self, survey: &str, order: Value) -> Vec<Value> {
        let mut order = order;
        order["format"] = json!("ndjson");
        let text = self.export(survey, order).await;
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .filter(|line| *line != json!({}))
            .collect()
    }
}

#[tokio::test]
async fn a_job_runs_as_recorded() {
    let sandbox = TestSandbox::with_faults("export-polls=3").await;
    sandbox.handle.complete(SURVEY, json!({})).unwrap();

    let job = sandbox
        .start_export(SURVEY, &json!({"format": "csv"}))
        .await;
    assert!(job.starts_with("ES_"));
    let mut percents = Vec::new();
    let done = loop {
        let body = sandbox.poll(SURVEY, &job).await;
        percents.push(body["result"]["percentComplete"].to_string());
        if body["result"]["status"] == "complete" {
            break body;
        }
    };
    assert_eq!(percents, ["0.0", "0.0", "83.33333333333334", "100.0"]);
    assert_shape(
        &done,
        &recorded("export-progress.terminal.json")["complete"],
    );

    let file = sandbox
        .download(SURVEY, done["result"]["fileId"].as_str().unwrap())
        .await;
    assert_eq!(file.headers()["content-type"], "application/zip");
    assert_eq!(
        file.headers()["content-disposition"],
        "attachment; filename=Project+Feedback.zip"
    );
    let (name, _) = unzip(&file.bytes().await.unwrap()).unwrap();
    assert_eq!(name, "Project Feedback.csv");
}

#[tokio::test]
async fn jobs_fail_expire_and_are_unknown_elsewhere() {
    let sandbox = TestSandbox::with_faults("export-failed").await;
    let job = sandbox
        .start_export(SURVEY, &json!({"format": "json"}))
        .await;
    let failed = sandbox.finish(SURVEY, &job).await;
    assert_shape(
        &failed,
        &recorded("export-progress.terminal.json")["failed"]["result"],
    );

    sandbox
        .handle
        .set_faults(qualtrics_sandbox::Faults::default());
    let job = sandbox
        .start_export(SURVEY, &json!({"format": "json"}))
        .await;
    let done = sandbox.finish(SURVEY, &job).await;
    let path = |survey: &str| format!("/API/v3/surveys/{survey}/export-responses/{job}");
    assert_eq!(sandbox.get(&path(EVERY_TYPE)).await.0, 404);
    sandbox.handle.advance(Duration::from_secs(8 * 86_400));
    assert_eq!(sandbox.get(&path(SURVEY)).await.0, 404);
    assert_eq!(
        sandbox
            .download(SURVEY, done["fileId"].as_str().unwrap())
            .await
            .status(),
        404
    );
}

#[tokio::test]
async fn ndjson_lines_are_the_single_answers_and_one_is_stray() {
    let sandbox = TestSandbox::start().await;
    for _ in 0..3 {
        sandbox.handle.complete(SURVEY, json!({})).unwrap();
    }

    let text = sandbox.export(SURVEY, json!({"format": "ndjson"})).await;

    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[1], "{}");
    let document: Value = serde_json::from_str(lines[0]).unwrap();
    let (_, single) = sandbox
        .get(&format!(
            "/API/v3/surveys/{SURVEY}/responses/{}",
            document["responseId"].as_str().unwrap()
        ))
        .await;
    assert_eq!(single["result"], document);
    let keys = |value: &Value| {
        value
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    let theirs = recorded_text("export.ndjson-file.ndjson");
    assert_eq!(
        keys(&document),
        keys(&serde_json::from_str(theirs.lines().next().unwrap()).unwrap())
    );
    let json: Value = serde_json::from_str(
        &sandbox
            .export(SURVEY, json!({"format": "json", "compress": false}))
            .await,
    )
    .unwrap();
    assert_eq!(json["responses"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn dates_limit_an_export_and_changes_order_it() {
    let sandbox = TestSandbox::start().await;
    let complete = |date: &str| {
        sandbox
            .handle
            .complete(SURVEY, json!({"recordedDate": date}))
            .unwrap()
    };
    let (first, second) = (
        complete("2026-01-01T00:00:00.000Z"),
        complete("2026-02-01T00:00:00.000Z"),
    );
    complete("2026-03-01T00:00:00.000Z");
    let ids = |lines: Vec<Value>| {
        lines
            .into_iter()
            .map(|line| line["responseId"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };

    let window = json!({"startDate": "2026-01-01T00:00:00Z", "endDate": "2026-03-01T00:00:00Z"});
    assert_eq!(
        ids(sandbox.ndjson(SURVEY, window).await),
        [first.clone(), second.clone()]
    );

    let before: jiff::Timestamp = jiff::Timestamp::now();
    sandbox
        .handle
        .edit(
            SURVEY,
            &first,
            json!({"Q1": 1}).as_object().unwrap().clone(),
        )
        .unwrap();
    let since = before.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let changed = sandbox
        .ndjson(
            SURVEY,
            json!({"startDate": since, "sortByLastModifiedDate": true}),
        )
        .await;
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0]["responseId"], first);
    assert_eq!(changed[0]["values"]["QID1"], 1);
    assert!(changed[0]["values"]["lastModifiedDate"].as_str().unwrap()[..19] >= since[..19]);
    let all = csv(&sandbox
        .export(
            SURVEY,
            json!({"format": "csv", "sortByLastModifiedDate": true}),
        )
        .await);
    assert!(all[0].contains(&"LastModifiedDate".to_owned()));
    assert!(all[5].contains(&first), "the changed one comes last");
}

#[tokio::test]
async fn ids_alone_can_be_exported() {
    let sandbox = TestSandbox::start().await;
    let id = sandbox.handle.complete(SURVEY, json!({})).unwrap();

    let order = json!({"questionIds": [], "embeddedDataIds": [], "surveyMetadataIds": ["_recordId", "recordedDate"]});
    let lines = sandbox.ndjson(SURVEY, order).await;

    assert_eq!(lines[0]["responseId"], id);
    let keys: Vec<&String> = lines[0]["values"].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["_recordId", "recordedDate"]);
}

#[tokio::test]
async fn an_export_goes_on_where_the_last_one_ended() {
    let sandbox = TestSandbox::start().await;
    sandbox.handle.complete(SURVEY, json!({})).unwrap();
    let job = sandbox
        .start_export(
            SURVEY,
            &json!({"format": "ndjson", "allowContinuation": true}),
        )
        .await;
    let done = sandbox.finish(SURVEY, &job).await;
    sandbox.handle.advance(Duration::from_secs(1));
    let late = sandbox.handle.complete(SURVEY, json!({})).unwrap();

    let lines = sandbox
        .ndjson(
            SURVEY,
            json!({"continuationToken": done["continuationToken"]}),
        )
        .await;

    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["responseId"], late);
}

#[tokio::test]
async fn a_response_shows_in_exports_later_than_in_single_reads() {
    let sandbox = TestSandbox::with_faults("export-lag=30s").await;
    let id = sandbox.handle.complete(SURVEY, json!({})).unwrap();

    assert_eq!(
        sandbox
            .get(&format!("/API/v3/surveys/{SURVEY}/responses/{id}"))
            .await
            .0,
        200
    );
    assert_eq!(sandbox.ndjson(SURVEY, json!({})).await.len(), 0);
    sandbox.handle.advance(Duration::from_secs(31));
    assert_eq!(sandbox.ndjson(SURVEY, json!({})).await.len(), 1);
}

#[tokio::test]
async fn refused_parameters_are_named() {
    let sandbox = TestSandbox::start().await;
    let path = format!("/API/v3/surveys/{SURVEY}/export-responses");

    let (status, body) = sandbox
        .post(&path, &json!({"format": "ndjson", "timeZone": "UTC"}))
        .await;

    assert_eq!(status, 400);
    assert_shape(&body, &recorded("errors.json")["400-parameter"]["body"]);
    assert_eq!(
        body["meta"]["error"]["errorMessage"],
        "timeZone is not supported for ndjson exports."
    );
}

#[tokio::test]
async fn files_can_be_cut_and_damaged() {
    let sandbox = TestSandbox::start().await;
    for _ in 0..200 {
        sandbox.handle.complete(SURVEY, json!({})).unwrap();
    }
    let job = sandbox
        .start_export(SURVEY, &json!({"format": "ndjson"}))
        .await;
    let done = sandbox.finish(SURVEY, &job).await;
    let file = done["fileId"].as_str().unwrap();
    let fetch = async |faults: &str| {
        sandbox.handle.set_faults(faults.parse().unwrap());
        sandbox.download(SURVEY, file).await.bytes().await
    };

    let whole = fetch("").await.unwrap();
    assert_eq!(unzip(&whole).unwrap().1.lines().count(), 201);
    assert_eq!(
        unzip(&fetch("truncated-zip").await.unwrap()).unwrap_err(),
        "no directory"
    );
    assert_eq!(
        unzip(&fetch("flipped-zip").await.unwrap()).unwrap_err(),
        "wrong CRC"
    );
    assert!(fetch("reset,on=exports").await.is_err());
    assert_eq!(fetch("reset,on=responses").await.unwrap(), whole);
}
