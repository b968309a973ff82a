//! The live page and the cards: who gets them, what they may load, whose rows they tell of.

use serde_json::{Value, json};

use crate::support::{Issuer, Setup, TestService, response};

const RULES: &str = r#"
[auth]
email_origins = ["sap.custom"]
[[access]]
domain = "sap.com"
rows = "all"
[[access]]
domain = "partner.example"
where = { AccountID = ["ACME"] }
"#;

const PAGES: [&str; 6] = [
    "/",
    "/live/live.js",
    "/live/state.json",
    "/cards/",
    "/cards/cards.json",
    "/cards/nps/manifest.json",
];

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_bundles_ask_for_a_token_like_the_data() {
    let issuer = Issuer::start().await;
    let service = Setup::default().toml(RULES).issuer(&issuer).start().await;
    let anna = service.viewer(&issuer.token("anna@sap.com", json!({})));

    for page in PAGES {
        service.anybody().get(page, 401).await;
        anna.get(page, 200).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_no_pages_where_data_is_closed() {
    let service = Setup::default().variable("AUTH", "closed").start().await;

    for page in PAGES {
        service.anybody().get(page, 404).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_live_page_is_told_of_no_row_that_the_viewer_may_not_see() {
    let issuer = Issuer::start().await;
    let service = Setup::default().toml(RULES).issuer(&issuer).start().await;
    let ids = service
        .complete([response("ACME", 5), response("Globex", 1)])
        .await;
    let state = async |email| {
        let viewer = service.viewer(&issuer.token(email, json!({})));
        viewer.get("/live/state.json", 200).await.json()
    };
    let keys = |state: &Value| -> Vec<String> {
        let recent = state["recent"].as_array().unwrap().iter();
        recent
            .map(|change| change["key"].as_str().unwrap().to_owned())
            .collect()
    };

    let all = state("anna@sap.com").await;
    let partner = state("bob@partner.example").await;
    let nobody = state("eve@evilsap.com").await;

    assert_eq!(keys(&all).len(), 2);
    assert!(all["recent"][0]["eventToRowMs"].is_u64());
    assert_eq!(all["surveys"][0]["set"], "ProjectFeedback");
    assert_eq!(keys(&partner), [ids[0].as_str()]);
    assert_eq!(nobody, json!({ "surveys": [], "recent": [] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_the_cards_may_load_ui5_and_nobody_may_embed_pages() {
    let service = Setup::default()
        .variable("UI5_URL", "https://ui5.example/1.146/resources")
        .start()
        .await;
    let anybody = service.anybody();

    let live = anybody.get("/", 200).await;
    let cards = anybody.get("/cards/", 200).await;

    let policy = live.header("content-security-policy");
    assert!(policy.contains("default-src 'none'"), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("ui5.example"));
    let policy = cards.header("content-security-policy");
    assert!(
        policy.contains("script-src 'self' https://ui5.example;"),
        "{policy}"
    );
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(
        cards
            .text
            .contains("https://ui5.example/1.146/resources/sap-ui-core.js")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn configured_hosts_may_embed_pages() {
    let service = Setup::default()
        .toml("[web]\nframe_ancestors = [\"https://work.zone.example\"]\n")
        .start()
        .await;

    for page in ["/", "/cards/"] {
        let answer = service.anybody().get(page, 200).await;
        let policy = answer.header("content-security-policy");
        assert!(
            policy.ends_with("frame-ancestors https://work.zone.example"),
            "{policy}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bundles_have_what_their_manifests_name() {
    let service = TestService::start().await;
    let anybody = service.anybody();
    let cards = anybody.get("/cards/cards.json", 200).await.json();
    let cards = cards["cards"].as_array().unwrap();
    assert_eq!(cards.len(), 10, "the sandbox's survey can answer all");

    for card in cards {
        let name = card["name"].as_str().unwrap();
        let fixed = format!("{name}-{}", crate::support::SURVEY);
        for name in [name, &fixed] {
            let path = |file: &str| format!("/cards/{name}/{file}");
            let manifest = anybody.get(&path("manifest.json"), 200).await;
            for file in [
                "Feedback.js",
                "Figures.js",
                "Service.js",
                "dt/Configuration.js",
                "i18n/i18n.properties",
                "i18n/i18n_de.properties",
            ] {
                anybody.get(&path(file), 200).await;
            }
            if manifest.text.contains("behind.json") {
                anybody.get(&path("behind.json"), 200).await;
            }
        }
    }
    anybody.get("/cards/nothing/manifest.json", 404).await;
    anybody.get("/cards/nps/nothing.js", 404).await;
}
