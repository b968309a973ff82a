//! Subscriptions, tokens, limits and errors, compared with the recorded answers.

use std::time::Duration;

use qualtrics_sandbox::{Limits, Options, PerMinute};
use serde_json::{Value, json};

use crate::support::{SURVEY, TestSandbox, answer, assert_shape, recorded};

fn response_path(survey: &str, response: &str) -> String {
    format!("/API/v3/surveys/{survey}/responses/{response}")
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
