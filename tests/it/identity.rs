//! Who gets in: tokens as they may come, good and bad.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Issuer, ODATA, Setup, Signer, TestService, claims};

const RULES: &str =
    "[auth]\nemail_origins = [\"sap.custom\"]\n[[access]]\ndomain = \"sap.com\"\nrows = \"all\"\n";

async fn service(issuer: &Issuer) -> TestService {
    Setup::default().toml(RULES).issuer(issuer).start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn only_good_tokens_get_in() {
    let issuer = Issuer::start().await;
    let service = service(&issuer).await;
    let now = qualtrics_ingester::lifecycle::now().as_second();
    let signed = |signer| issuer.signed(signer, &claims("anna@sap.com", &json!({})));
    let with = |changes: Value| issuer.token("anna@sap.com", changes);
    let zone = "11111111-2345-4678-9abc-def012345678";

    for (what, token, status) in [
        ("unsigned", signed(Signer::Nobody), 401),
        (
            "HS256 with the public key",
            signed(Signer::PublicKeyAsSecret),
            401,
        ),
        (
            "a key that is not published, its set named by jku",
            signed(Signer::Second),
            401,
        ),
        (
            "foreign audience",
            with(json!({"aud": ["other!t1"], "azp": "sb-other!t1"})),
            401,
        ),
        (
            "expired",
            with(json!({"iat": now - 7200, "exp": now - 3600})),
            401,
        ),
        ("not yet", with(json!({"iat": now + 3600})), 401),
        ("no expiry", with(json!({"exp": null})), 401),
        ("other zone", with(json!({"zid": zone})), 401),
        ("junk", "a.b.c".to_owned(), 401),
        ("nothing", String::new(), 401),
        ("no scope", with(json!({"scope": ["openid"]})), 403),
        (
            "foreign scope",
            with(json!({"scope": ["other!t1.Read"]})),
            403,
        ),
        ("good", with(json!({})), 200),
        ("no e-mail, so no rows", with(json!({"email": null})), 200),
    ] {
        let client = service.viewer(&token);
        for path in [
            "/odata/v4/feedback/",
            "/odata/v4/feedback/ProjectFeedback",
            "/me",
        ] {
            let answer = client.request(Method::GET, path).send().await.unwrap();
            assert_eq!(answer.status(), status, "{what}: {path}");
        }
        if status == 401 {
            let error =
                json!({"code": "unauthorized", "message": "a valid bearer token is needed"});
            let answer = client.get("/me", status).await;
            assert_eq!(
                answer.json(),
                json!({ "error": error }),
                "{what}: and not a word about why"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_data_route_asks_for_a_token() {
    let issuer = Issuer::start().await;
    let service = service(&issuer).await;
    let anybody = service.anybody();

    for path in [
        "",
        "$metadata",
        "ProjectFeedback",
        "ProjectFeedback('R_x')",
        "Surveys",
        "Questions",
        "Nope",
    ] {
        anybody.get(&format!("{ODATA}{path}"), 401).await;
    }
    for path in ["/me", "/events", "/metrics"] {
        anybody.get(path, 401).await;
    }
    anybody
        .send(
            anybody.request(Method::POST, &format!("{ODATA}$batch")),
            401,
        )
        .await;
    let basic = anybody
        .request(Method::GET, "/me")
        .header("authorization", "Basic YTpi");
    anybody.send(basic, 401).await;
    let in_the_url = format!(
        "/events?access_token={}",
        issuer.token("anna@sap.com", json!({}))
    );
    anybody.get(&in_the_url, 401).await;
    anybody.get("/health/live", 200).await;
    let ready = anybody.get("/health/ready", 200).await;
    assert_eq!(ready.json(), json!({"status": "ok"}), "and no details");
}

#[tokio::test(flavor = "multi_thread")]
async fn admins_see_figures() {
    let issuer = Issuer::start().await;
    let service = service(&issuer).await;
    let admin = issuer.token("anna@sap.com", json!({"scope": ["$app.Admin"]}));
    let reader = issuer.token("anna@sap.com", json!({}));

    service.viewer(&admin).get("/metrics", 200).await;
    service.viewer(&reader).get("/metrics", 401).await;
    let ready = service.viewer(&admin).get("/health/ready", 200).await;
    assert!(ready.json()["checks"]["database"].is_object());
    service.viewer(&admin).get("/me", 403).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_cannot_be_had_are_not_the_callers_fault() {
    let issuer = Issuer::start().await;
    let gone = issuer.binding().replace(&issuer.url, "http://127.0.0.1:1");
    let service = Setup::default().toml(RULES).services(&gone).start().await;

    let token = issuer.token("anna@sap.com", json!({}));

    service.viewer(&token).get("/me", 503).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_means_no_data_routes() {
    let service = Setup::default().variable("AUTH", "closed").start().await;
    let anybody = service.anybody();

    for path in [
        "/odata/v4/feedback/",
        "/odata/v4/feedback/ProjectFeedback",
        "/events",
        "/me",
    ] {
        anybody.get(path, 404).await;
    }
    anybody.get("/health/live", 200).await;
    anybody.get("/webhooks/qualtrics", 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_rule_nobody_sees_rows() {
    let issuer = Issuer::start().await;
    let service = Setup::default().issuer(&issuer).start().await;
    service.complete([json!({})]).await;

    let client = service.viewer(&issuer.token("anna@sap.com", json!({})));

    assert!(client.keys("ProjectFeedback").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_of_all_routes_names_routes_and_what_they_answer() {
    let service = TestService::start().await;
    let client = service.anybody();
    let document = client.get("/openapi.json", 200).await.json();

    for (path, methods) in document["paths"].as_object().unwrap() {
        for (name, described) in methods.as_object().unwrap() {
            let method: Method = name.to_uppercase().parse().unwrap();
            let answer = client.request(method, &path.replace("{name}", "nps"));
            let answer = answer.send().await.unwrap();
            let status = answer.status().as_u16();
            // A body is missing where one is wanted; everything else has what it needs.
            let wanted = described["requestBody"].is_null();
            assert!(
                !wanted || answer.status().is_success(),
                "{name} {path}: {status}"
            );
            let answers = &described["responses"][status.to_string()];
            assert!(answers.is_object(), "{name} {path} answers {status}");
            let kind = answer.headers().get("content-type");
            let kind = kind.and_then(|kind| kind.to_str().unwrap().split(';').next());
            let kinds = answers["content"].as_object();
            assert!(
                kind.map_or(kinds.is_none(), |kind| kinds.unwrap().contains_key(kind)),
                "{name} {path} is {kind:?}"
            );
        }
    }
}
