//! What subscriptions get, compared with the recorded callbacks; verified by lines that share nothing with the signer.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha512;

use crate::support::{Receiver, SURVEY, TestSandbox, recorded, recorded_text};

fn fields(body: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(body.as_bytes())
        .into_owned()
        .collect()
}

fn field(body: &str, name: &str) -> String {
    fields(body)
        .into_iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value)
        .unwrap_or_default()
}

/// The verifier: bytes of MSG, key's bytes, constant-time comparison of the decoded digits.
fn verifies(key: &str, message: &str, digits: &str) -> bool {
    let mut mac = Hmac::<Sha512>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(message.as_bytes());
    mac.verify_slice(&hex::decode(digits).unwrap()).is_ok()
}

fn names(message: &str) -> Vec<String> {
    // The order matters here, and a sorted map would hide it.
    message
        .trim_matches(['{', '}'])
        .split("\",\"")
        .map(|part| part.trim_matches('"').split('"').next().unwrap().to_owned())
        .collect()
}

#[test]
fn the_verifier_accepts_the_recorded_callbacks() {
    for vector in recorded("callback.signature-vectors.json")
        .as_array()
        .unwrap()
    {
        let text = |name: &str| vector[name].as_str().unwrap();
        assert!(verifies(text("key"), text("msg"), text("hmac")));
        assert!(!verifies("another", text("msg"), text("hmac")));
    }
}

#[tokio::test]
async fn a_completed_response_is_announced_as_recorded() {
    let (sandbox, receiver) = (TestSandbox::start().await, Receiver::start().await);
    sandbox
        .subscribe(SURVEY, &receiver.url, Some("clé secrète"))
        .await;

    let response = sandbox
        .handle
        .complete(SURVEY, json!({"RecipientEmail": "a@example.com"}))
        .unwrap();
    sandbox.handle.settle().await;

    let bodies = receiver.bodies();
    let recorded = recorded_text("callback.signed.2020-fields.body");
    assert_eq!(bodies.len(), 1);
    let keys = |body: &str| {
        fields(body)
            .into_iter()
            .map(|(key, _)| key)
            .collect::<Vec<_>>()
    };
    assert_eq!(keys(&bodies[0]), keys(&recorded));
    let message = field(&bodies[0], "MSG");
    assert_eq!(names(&message), names(&field(&recorded, "MSG")));
    assert!(verifies(
        "clé secrète",
        &message,
        &field(&bodies[0], "HMAC")
    ));
    assert!(
        field(&bodies[0], "HMAC")
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    );
    assert_eq!(
        field(&bodies[0], "Topic"),
        format!("sandboxbrand.surveyengine.completedResponse.{SURVEY}")
    );
    let message: Value = serde_json::from_str(&message).unwrap();
    assert_eq!(message["Status"], "Complete");
    assert_eq!(message["ResponseID"], response);
    assert!(bodies[0].contains("+"), "a blank is a plus");
}

#[tokio::test]
async fn without_a_key_the_fields_stand_in_the_form() {
    let (sandbox, receiver) = (TestSandbox::start().await, Receiver::start().await);
    sandbox.subscribe(SURVEY, &receiver.url, None).await;

    sandbox.handle.complete(SURVEY, json!({})).unwrap();
    sandbox.handle.settle().await;

    let keys = |body: &str| {
        fields(body)
            .into_iter()
            .map(|(key, _)| key)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        keys(&receiver.bodies()[0]),
        keys(&recorded_text("callback.unsigned.body"))
    );
}

#[tokio::test]
async fn successful_calls_count_only_what_was_acknowledged() {
    let sandbox = TestSandbox::with_faults("retry-base=10ms").await;
    let receiver = Receiver::start().await;
    let id = sandbox.subscribe(SURVEY, &receiver.url, Some("key")).await;
    receiver.refuse(2);

    sandbox.handle.complete(SURVEY, json!({})).unwrap();
    sandbox.handle.settle().await;

    assert_eq!(receiver.bodies().len(), 3);
    let (_, body) = sandbox
        .get(&format!("/API/v3/eventsubscriptions/{id}"))
        .await;
    assert_eq!(body["result"]["successfulCalls"], 1);
    let counters = sandbox.handle.counters();
    assert_eq!(
        (
            counters.callbacks_sent,
            counters.callbacks_acknowledged,
            counters.callbacks_failed
        ),
        (3, 1, 2)
    );
}

#[tokio::test]
async fn lost_repeated_forged_and_unreadable_callbacks_can_be_had() {
    let receiver = Receiver::start().await;
    let sandbox = TestSandbox::start().await;
    sandbox.subscribe(SURVEY, &receiver.url, Some("key")).await;
    let sent = async |faults: &str| {
        let before = receiver.bodies().len();
        sandbox.handle.set_faults(faults.parse().unwrap());
        sandbox.handle.complete(SURVEY, json!({})).unwrap();
        sandbox.handle.settle().await;
        receiver.bodies().split_off(before)
    };

    assert_eq!(sent("drop").await.len(), 0);
    assert_eq!(sent("duplicate").await.len(), 2);
    let forged = sent("wrong-hmac").await.remove(0);
    assert!(!verifies(
        "key",
        &field(&forged, "MSG"),
        &field(&forged, "HMAC")
    ));
    let unreadable = sent("encrypted").await.remove(0);
    assert!(verifies(
        "key",
        &field(&unreadable, "MSG"),
        &field(&unreadable, "HMAC")
    ));
    assert!(serde_json::from_str::<Value>(&field(&unreadable, "MSG")).is_err());
    assert!(field(&sent("wrong-topic").await.remove(0), "Topic").ends_with("SV_0AnotherSurvey0"));
    let short = sent("message=2019").await.remove(0);
    let old = recorded_text("callback.signed.2019.body");
    assert_eq!(names(&field(&short, "MSG")), names(&field(&old, "MSG")));
}

#[tokio::test]
async fn partial_and_activation_events_have_topics_of_their_own() {
    let (sandbox, receiver) = (TestSandbox::start().await, Receiver::start().await);
    let wish = json!({"topics": "*", "publicationUrl": receiver.url, "sharedKey": "key"});
    sandbox.post("/API/v3/eventsubscriptions", &wish).await;

    sandbox
        .handle
        .complete(SURVEY, json!({"Finished": 0}))
        .unwrap();
    sandbox.handle.settle().await;
    sandbox
        .handle
        .change_survey(SURVEY, qualtrics_sandbox::Change::Activate)
        .unwrap();
    sandbox.handle.settle().await;

    let bodies = receiver.bodies();
    assert!(
        field(&bodies[0], "Topic").ends_with(&format!(".surveyengine.partialResponse.{SURVEY}"))
    );
    assert!(field(&bodies[0], "MSG").starts_with("{\"Status\":\"Partial\""));
    assert_eq!(
        field(&bodies[1], "Topic"),
        "sandboxbrand.controlpanel.activateSurvey"
    );
    let recorded = recorded_text("callback.activateSurvey.body");
    assert_eq!(
        names(&field(&bodies[1], "MSG")),
        names(&field(&recorded, "MSG"))
    );
}
