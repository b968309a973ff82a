//! Exports, from the start of the job to the last document.

use axum::routing::{get, post};
use bytes::Bytes;
use futures_util::stream;
use tokio::time::Instant;

use super::super::{Continuation, DateKind, Export, ExportRequest, Fields, QualtricsError};
use super::archives::{Style, archive};
use super::*;

const STARTED: &str = r#"{"result":{"progressId":"ES_eR5IX9xHUbVVCQe","percentComplete":0.0,"status":"inProgress"},"meta":{}}"#;
const COMPLETE: &str =
    r#"{"result":{"fileId":"5edfbbae-def","percentComplete":100.0,"status":"complete"},"meta":{}}"#;

async fn export(peer: &Peer) -> Result<Export, QualtricsError> {
    let survey = SURVEY.parse().unwrap();
    peer.client()
        .export(&survey, ExportRequest::default(), Priority::Live)
        .await
}

async fn documents(export: &mut Export) -> Result<Vec<Bytes>, QualtricsError> {
    let mut documents = Vec::new();
    while let Some(document) = export.next_document().await? {
        documents.push(document);
    }
    Ok(documents)
}

#[tokio::test(start_paused = true)]
async fn a_file_that_stops_coming_ends() {
    let routes = Router::new()
        .route(
            "/API/v3/surveys/{survey}/export-responses",
            post(|| async { json(200, STARTED) }),
        )
        .route(
            "/API/v3/surveys/{survey}/export-responses/{job}",
            get(|| async { json(200, COMPLETE) }),
        )
        .route(
            "/API/v3/surveys/{survey}/export-responses/{file}/file",
            get(|| async { Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>()) }),
        );
    let peer = Peer::start(routes).await;
    let mut export = export(&peer).await.unwrap();

    assert_eq!(documents(&mut export).await.unwrap_err().code(), "timeout");
}

/// A peer whose job goes through these answers.
async fn with_progress(answers: Vec<Response>) -> Peer {
    let answers = Arc::new(Mutex::new(answers.into_iter()));
    let file = archive(b"{\"a\":1}\n", Style::Whole).await;
    let progress = move || {
        let answer = answers.lock().unwrap().next().unwrap();
        std::future::ready(answer)
    };
    let routes = Router::new()
        .route(
            "/API/v3/surveys/{survey}/export-responses",
            post(|| async { json(200, STARTED) }),
        )
        .route(
            "/API/v3/surveys/{survey}/export-responses/{job}",
            get(progress),
        )
        .route(
            "/API/v3/surveys/{survey}/export-responses/{file}/file",
            get(move || std::future::ready(file.clone())),
        );
    Peer::start(routes).await
}

#[tokio::test(start_paused = true)]
async fn a_recorded_job_is_polled_ever_more_slowly_until_its_status_says_complete() {
    let recorded: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("../recorded/export-progress.json")).unwrap();
    let polls = recorded.len();
    let peer = with_progress(
        recorded
            .iter()
            .map(|body| json(200, body.to_string()))
            .collect(),
    )
    .await;
    let begun = Instant::now();
    let before = crate::lifecycle::now();

    let mut export = export(&peer).await.unwrap();
    let waited = begun.elapsed();
    let documents = documents(&mut export).await.unwrap();

    assert_eq!(documents.len(), 1);
    assert_eq!(peer.asked().len(), 1 + polls + 1);
    assert!((60..90).contains(&waited.as_secs()), "{waited:?}");
    let age = before.duration_since(export.asked_at);
    assert_eq!(
        age.as_secs(),
        120,
        "exports lag, so their documents count as older"
    );
}

#[tokio::test(start_paused = true)]
async fn how_long_an_export_took_is_known_once_it_is_read() {
    let peer = with_progress(vec![json(200, COMPLETE)]).await;
    let client = peer.client();
    let survey = SURVEY.parse().unwrap();
    let mut export = client
        .export(&survey, ExportRequest::default(), Priority::Live)
        .await
        .unwrap();
    assert_eq!(client.figures().last_export, None);

    documents(&mut export).await.unwrap();

    assert_eq!(client.figures().last_export.unwrap().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_fails_or_vanishes_is_not_polled_any_more() {
    let failed =
        r#"{"result":{"percentComplete":100.0,"status":"failed"},"meta":{"requestId":"req-9"}}"#;
    for (answer, problem) in [
        (json(200, failed), "failed at Qualtrics, request req-9"),
        (json(404, "{}"), "is gone (404)"),
    ] {
        let peer = with_progress(vec![answer]).await;

        let error = export(&peer).await.unwrap_err();

        assert_eq!(error.code(), "export-failed");
        assert!(error.to_string().contains(problem), "{error}");
        assert_eq!(peer.asked().len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_at_a_job_may_fail_now_and_then() {
    let answers = vec![
        json(503, "{}"),
        json(
            200,
            r#"{"result":{"status":"inProgress","percentComplete":100.0},"meta":{}}"#,
        ),
        json(429, "{}"),
        json(500, "<html>"),
        json(200, COMPLETE),
    ];
    let peer = with_progress(answers).await;

    let mut export = export(&peer).await.unwrap();

    assert_eq!(documents(&mut export).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refused_start_is_not_polled() {
    let peer =
        Peer::answering(|| json(400, r#"{"meta":{"httpStatus":"400 - Bad Request"}}"#)).await;

    assert_eq!(export(&peer).await.unwrap_err().code(), "refused");
    assert_eq!(peer.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn ids_that_could_leave_the_path_are_refused() {
    let peer =
        Peer::answering(|| json(200, r#"{"result":{"progressId":"../../whoami"},"meta":{}}"#))
            .await;

    assert_eq!(export(&peer).await.unwrap_err().code(), "bad-answer");
    assert_eq!(peer.asked().len(), 1);
}

#[test]
fn a_request_says_only_what_is_meant() {
    let text = |request: &ExportRequest| serde_json::to_string(&request.body()).unwrap();
    let instant = |text: &str| Some(text.parse().unwrap());

    assert_eq!(text(&ExportRequest::default()), r#"{"format":"ndjson"}"#);
    assert_eq!(
        text(&ExportRequest {
            start: instant("2026-01-31T12:00:00.9Z"),
            end: instant("2026-01-31T13:00:00.1Z"),
            date: DateKind::Modified,
            fields: Fields::Ids,
            continuation: Continuation::Of("token".into()),
        }),
        r#"{"format":"ndjson","startDate":"2026-01-31T12:00:00Z","endDate":"2026-01-31T13:00:01Z","sortByLastModifiedDate":true,"continuationToken":"token","questionIds":[],"embeddedDataIds":[],"surveyMetadataIds":["_recordId","recordedDate","status","finished"]}"#
    );
    assert_eq!(
        text(&ExportRequest {
            end: instant("2026-01-31T13:00:00Z"),
            continuation: Continuation::Allow,
            ..ExportRequest::default()
        }),
        r#"{"format":"ndjson","endDate":"2026-01-31T13:00:00Z","allowContinuation":true}"#
    );
}

#[tokio::test(start_paused = true)]
async fn an_export_that_can_be_continued_says_how() {
    let complete =
        r#"{"result":{"fileId":"f-def","status":"complete","continuationToken":"next"},"meta":{}}"#;
    let peer = with_progress(vec![json(200, complete)]).await;

    assert_eq!(
        export(&peer).await.unwrap().continuation.as_deref(),
        Some("next")
    );
}
