//! Lists, definitions and subscriptions.

use std::sync::atomic::{AtomicU32, Ordering};

use axum::routing::{delete, get};

use super::super::{NewSubscription, SurveyState};
use super::*;

#[tokio::test]
async fn recorded_lists_are_read() {
    let routes = Router::new()
        .route(
            "/API/v3/surveys",
            get(|| async { json(200, include_str!("../recorded/surveys.json")) }),
        )
        .route(
            "/API/v3/surveys/{survey}",
            get(|| async { json(200, include_str!("../recorded/survey.json")) }),
        )
        .route(
            "/API/v3/eventsubscriptions",
            get(|| async { json(200, include_str!("../recorded/subscriptions.json")) }),
        );
    let peer = Peer::start(routes).await;
    let client = peer.client();

    let surveys = client.surveys().await.unwrap();
    let survey: SurveyState = client
        .survey(&"SV_3gbwq8aJgqPwQDP".parse().unwrap())
        .await
        .unwrap();
    let subscriptions = client.subscriptions().await.unwrap();

    assert_eq!(surveys.len(), 4);
    assert_eq!(surveys[0].name, "Beskar Armor");
    assert_eq!(
        surveys[0].last_modified.unwrap().to_string(),
        "2020-02-20T01:19:11Z"
    );
    assert_eq!(
        survey.last_modified_date.unwrap().to_string(),
        "2024-06-10T23:20:09Z"
    );
    assert!(survey.response_counts.is_some());
    assert_eq!(subscriptions.len(), 2);
    assert_eq!(subscriptions[0].successful_calls, Some(109));
    assert_eq!(subscriptions[1].topic, "surveyengine.completedResponse.*");
}

#[tokio::test]
async fn pages_are_followed_on_our_own_host_only() {
    let pages = Arc::new(Mutex::new(Vec::new()));
    let served = Arc::clone(&pages);
    let peer = Peer::answering(move || {
        let next: String = served.lock().unwrap().pop().unwrap();
        json(
            200,
            format!(
                r#"{{"result":{{"elements":[{{"id":"{SURVEY}","name":"a"}}],"nextPage":{next}}},"meta":{{}}}}"#
            ),
        )
    })
    .await;
    let ours = format!(r#""{}API/v3/surveys?offset=100""#, peer.url);
    let client = peer.client();

    *pages.lock().unwrap() = vec!["null".to_owned(), ours.clone()];
    assert_eq!(client.surveys().await.unwrap().len(), 2);
    assert_eq!(peer.asked()[1], "GET /API/v3/surveys?offset=100");

    for foreign in [
        r#""https://evil.example/API/v3/surveys?offset=100""#,
        r#""/API/v3/surveys?offset=100""#,
        r#""""#,
    ] {
        *pages.lock().unwrap() = vec![foreign.to_owned(), ours.clone()];
        let error = client.surveys().await.unwrap_err();
        assert_eq!(error.code(), "bad-answer");
    }
}

#[tokio::test]
async fn an_element_of_another_shape_does_not_hide_the_others() {
    let body = format!(
        r#"{{"result":{{"elements":[{{"id":"XX_1","name":"a"}},{{"id":"{SURVEY}","name":"b"}},7]}},"meta":{{}}}}"#
    );
    let peer = Peer::answering(move || json(200, body.clone())).await;

    let surveys = peer.client().surveys().await.unwrap();

    assert_eq!(surveys.len(), 1);
    assert_eq!(surveys[0].id.as_ref(), SURVEY);
}

#[tokio::test]
async fn a_page_that_follows_itself_ends_the_list() {
    let next = Arc::new(Mutex::new(String::new()));
    let served = Arc::clone(&next);
    let peer = Peer::answering(move || {
        let next = served.lock().unwrap().clone();
        json(
            200,
            format!(r#"{{"result":{{"elements":[],"nextPage":"{next}"}},"meta":{{}}}}"#),
        )
    })
    .await;
    *next.lock().unwrap() = format!("{}API/v3/surveys?offset=1", peer.url);

    assert_eq!(
        peer.client().surveys().await.unwrap_err().code(),
        "bad-answer"
    );
    assert_eq!(peer.asked().len(), 2);
}

#[tokio::test]
async fn a_definition_does_without_what_is_refused_but_not_without_what_failed() {
    let schema_status = Arc::new(AtomicU32::new(404));
    let rest_status = Arc::new(AtomicU32::new(200));
    let (schema, rest) = (Arc::clone(&schema_status), Arc::clone(&rest_status));
    let answer = |status: &Arc<AtomicU32>| {
        let status = status.load(Ordering::SeqCst).try_into().unwrap();
        json(status, r#"{"result":{},"meta":{}}"#)
    };
    let routes = Router::new()
        .route(
            "/API/v3/surveys/{survey}/response-schema",
            get(move || std::future::ready(answer(&schema))),
        )
        .fallback(move || std::future::ready(answer(&rest)));
    let peer = Peer::start(routes).await;
    let client = peer.client();
    let survey = SURVEY.parse().unwrap();

    let bodies = client.definition(&survey).await.unwrap();
    assert!(bodies.response_schema.is_none());
    assert!(bodies.survey.is_some() && bodies.survey_definition.is_some());

    schema_status.store(503, Ordering::SeqCst);
    let error = client.definition(&survey).await.unwrap_err();
    assert_eq!(error.code(), "server-error");

    schema_status.store(404, Ordering::SeqCst);
    rest_status.store(403, Ordering::SeqCst);
    let error = client.definition(&survey).await.unwrap_err();
    assert_eq!(error.code(), "forbidden");
    assert!(
        error.to_string().contains("QUALTRICS_API_TOKEN's owner"),
        "{error}"
    );
}

#[tokio::test]
async fn a_subscription_is_made_with_exactly_the_documented_fields() {
    let body = Arc::new(Mutex::new(String::new()));
    let received = Arc::clone(&body);
    let peer = Peer::start(Router::new().fallback(move |text: String| {
        *received.lock().unwrap() = text;
        std::future::ready(json(
            200,
            r#"{"result":{"id":"SUB_8pSh6Kbqjgvwynb"},"meta":{"httpStatus":"200 - OK"}}"#,
        ))
    }))
    .await;

    let id = peer
        .client()
        .subscribe(NewSubscription {
            topic: format!("surveyengine.completedResponse.{SURVEY}"),
            url: "https://hooks.example.com/qualtrics".parse().unwrap(),
            shared_key: Some("sharedkey".into()),
        })
        .await
        .unwrap();

    assert_eq!(id.to_string(), "SUB_8pSh6Kbqjgvwynb");
    assert_eq!(
        *body.lock().unwrap(),
        format!(
            r#"{{"topics":"surveyengine.completedResponse.{SURVEY}","publicationUrl":"https://hooks.example.com/qualtrics","encrypt":false,"sharedKey":"sharedkey"}}"#
        )
    );
}

#[tokio::test]
async fn a_subscription_that_does_not_exist_counts_as_deleted() {
    for (status, body) in [
        (200, r#"{"meta":{"httpStatus":"200 - OK"}}"#),
        (204, ""),
        (404, r#"{"meta":{"httpStatus":"404 - Not Found"}}"#),
    ] {
        let routes = Router::new().route(
            "/API/v3/eventsubscriptions/{id}",
            delete(move || std::future::ready(json(status, body))),
        );
        let peer = Peer::start(routes).await;

        peer.client()
            .unsubscribe(&"SUB_8pSh6Kbqjgvwynb".parse().unwrap())
            .await
            .unwrap();
    }
}
