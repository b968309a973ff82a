//! The survey page that people fill in.

use serde_json::Value;

use crate::support::{EVERY_TYPE, Receiver, SURVEY, TestSandbox};

async fn submit(sandbox: &TestSandbox, path: &str, form: &str) -> Value {
    let known = sandbox.handle.response_ids(SURVEY);
    let answer = sandbox
        .client
        .post(format!("{}{path}", sandbox.base))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form.to_owned())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let id = sandbox
        .handle
        .response_ids(SURVEY)
        .into_iter()
        .find(|id| !known.contains(id))
        .unwrap();
    assert!(answer.text().await.unwrap().contains(&id));
    let (_, body) = sandbox
        .get(&format!("/API/v3/surveys/{SURVEY}/responses/{id}"))
        .await;
    body["result"].clone()
}

#[tokio::test]
async fn a_filled_in_page_is_a_response_with_the_links_data() {
    let (sandbox, receiver) = (TestSandbox::start().await, Receiver::start().await);
    sandbox.subscribe(SURVEY, &receiver.url, Some("key")).await;
    let path = format!(
        "/jfe/form/{SURVEY}?ProjectID=P%201&accountid=x&RecipientEmail=a%40example.com&Other=y"
    );

    let result = submit(
        &sandbox,
        &path,
        "QID1=4&QID8_2=5&QID2=9&QID17=&QID18_TEXT=one%0D%0Atwo&evil=1",
    )
    .await;
    sandbox.handle.settle().await;

    let values = &result["values"];
    assert_eq!(values["QID1"], 4);
    assert_eq!(result["labels"]["QID1"], "Satisfied");
    assert_eq!(values["QID8_2"], 5);
    assert_eq!(
        (&values["QID2"], &values["QID2_NPS_GROUP"]),
        (&Value::from(9), &Value::from(3))
    );
    assert_eq!(values["QID18_TEXT"], "one\ntwo");
    assert_eq!(values["ProjectID"], "P 1");
    assert_eq!(values["recipientEmail"], "a@example.com");
    for absent in ["QID17", "QID8_1", "AccountID", "accountid", "Other", "evil"] {
        assert!(values.get(absent).is_none(), "{absent}");
    }
    assert_eq!(receiver.bodies().len(), 1);
}

#[tokio::test]
async fn a_preview_is_marked_as_one() {
    let sandbox = TestSandbox::start().await;

    let result = submit(&sandbox, &format!("/jfe/preview/{SURVEY}"), "QID1=1").await;

    assert_eq!(result["values"]["status"], 1);
    assert_eq!(result["values"]["distributionChannel"], "preview");
    assert_eq!(result["labels"]["status"], "Survey Preview");
}

#[tokio::test]
async fn the_page_is_self_contained_and_escaped() {
    let sandbox = TestSandbox::start().await;
    let get = async |path: &str| {
        let answer = sandbox
            .client
            .get(format!("{}{path}", sandbox.base))
            .send()
            .await
            .unwrap();
        assert!(
            answer.headers()["content-security-policy"]
                .to_str()
                .unwrap()
                .starts_with("default-src 'none'")
        );
        (answer.status().as_u16(), answer.text().await.unwrap())
    };

    let (status, html) = get(&format!(
        "/jfe/form/{EVERY_TYPE}?AccountID=%22%3E%3Cscript%3E"
    ))
    .await;

    assert_eq!(status, 200);
    assert!(
        !html.contains("<script") && !html.contains("http://") && !html.contains("https://"),
        "{html}"
    );
    assert!(html.contains("<legend>Several answers, recodes are not ids</legend>"));
    assert!(html.contains("name=\"QID4\" value=\"20\""));
    assert!(html.contains("name=\"1_QID30_1\""));
    assert_eq!(get("/jfe/form/SV_00000000000").await.0, 404);
    sandbox
        .handle
        .change_survey(SURVEY, qualtrics_sandbox::Change::Deactivate)
        .unwrap();
    assert!(
        get(&format!("/jfe/form/{SURVEY}"))
            .await
            .1
            .contains("not open")
    );
}
