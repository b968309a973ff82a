//! Who sees which rows: two viewers with different rules, through every route there is.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Client, Issuer, ODATA, Setup, TestService, response};

const RULES: &str = r#"
[auth]
email_origins = ["sap.custom"]
[[access]]
domain = "sap.com"
rows = "all"
[[access]]
domain = "partner.example"
where = { AccountID = ["ACME"] }
[[access]]
attribute = { Region = ["EMEA"] }
where = { AccountID = "$user.Account" }
"#;

/// A service with two rows of ACME and one of Globex.
struct Rows {
    service: TestService,
    issuer: Issuer,
    acme: Vec<String>,
    globex: String,
}

impl Rows {
    async fn start() -> Self {
        let issuer = Issuer::start().await;
        let service = Setup::default().toml(RULES).issuer(&issuer).start().await;
        let mut ids = service
            .complete([
                response("ACME", 5),
                response("ACME", 4),
                response("Globex", 1),
            ])
            .await;
        let globex = ids.pop().unwrap();
        Self {
            service,
            issuer,
            acme: ids,
            globex,
        }
    }

    fn viewer(&self, email: &str, changes: Value) -> Client {
        self.service.viewer(&self.issuer.token(email, changes))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hidden_rows_are_absent_from_every_answer() {
    let rows = Rows::start().await;
    let all = rows.viewer("anna@sap.com", json!({}));
    let partner = rows.viewer("bob@partner.example", json!({}));
    let nobody = rows.viewer("eve@evilsap.com", json!({}));

    for (client, count) in [(&all, 3), (&partner, 2), (&nobody, 0)] {
        let keys = client.keys("ProjectFeedback?$count=true").await;
        assert_eq!(keys.len(), count);
        let number = client
            .get(&format!("{ODATA}ProjectFeedback/$count"), 200)
            .await;
        assert_eq!(number.text, count.to_string());
        let sum = client
            .read("ProjectFeedback?$apply=aggregate($count as n)")
            .await;
        assert_eq!(sum["value"][0]["n"], count);
        let csv = client
            .get(&format!("{ODATA}ProjectFeedback?$format=csv"), 200)
            .await;
        assert_eq!(csv.text.lines().count(), count + 1);
    }
    assert!(
        partner
            .keys("ProjectFeedback?$filter=AccountID eq 'Globex'")
            .await
            .is_empty()
    );
    assert!(
        partner
            .keys("ProjectFeedback?$search=Globex")
            .await
            .is_empty()
    );
    let hidden = format!("{ODATA}ProjectFeedback('{}')", rows.globex);
    let of_hidden = partner.get(&hidden, 404).await;
    let of_missing = partner
        .get(&format!("{ODATA}ProjectFeedback('R_none')"), 404)
        .await;
    assert_eq!(
        of_hidden.json(),
        of_missing.json(),
        "the two can't be told apart"
    );
    partner
        .get(&format!("{hidden}/AccountID/$value"), 404)
        .await;
    let groups = partner
        .read("ProjectFeedback?$apply=groupby((AccountID))")
        .await;
    assert_eq!(groups["value"], json!([{"AccountID": "ACME"}]));
    all.get(&hidden, 200).await;
    let mut keys = partner.keys("ProjectFeedback").await;
    keys.sort();
    let mut acme = rows.acme.clone();
    acme.sort();
    assert_eq!(keys, acme);
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_surveys_and_me_are_the_viewers_own() {
    let rows = Rows::start().await;
    let partner = rows.viewer("bob@partner.example", json!({}));
    let nobody = rows.viewer("eve@evilsap.com", json!({}));

    let batch = json!({"requests": [
        {"id": "1", "method": "get", "url": format!("ProjectFeedback('{}')", rows.globex)},
        {"id": "2", "method": "get", "url": "ProjectFeedback/$count"},
        {"id": "3", "method": "get", "url": "/odata/v4/feedback/ProjectFeedback?$filter=AccountID ne 'ACME'"},
    ]});
    let request = partner
        .request(Method::POST, &format!("{ODATA}$batch"))
        .header("content-type", "application/json")
        .body(batch.to_string());
    let answer = partner.send(request, 200).await;
    let parts = answer.json();
    let parts = parts["responses"].as_array().unwrap();
    let survey = partner.read("Surveys").await;
    let me = partner.get("/me", 200).await.json();

    assert_eq!(parts[0]["status"], 404);
    assert_eq!(parts[1]["body"], json!("2"), "{parts:?}");
    assert_eq!(parts[2]["body"]["value"], json!([]));
    assert!(!answer.text.contains("Globex"));
    assert_eq!(survey["value"][0]["Rows"], 2);
    assert_eq!(
        me["rule"],
        json!({"number": 2, "rows": {"where": {"AccountID": ["ACME"]}}})
    );
    assert_eq!(me["surveys"][0]["rows"], 2);
    assert_eq!(me["scopes"], json!(["Read"]));
    for set in ["Surveys", "Questions"] {
        let list = nobody.read(set).await;
        assert_eq!(list["value"], json!([]), "{set}");
    }
    assert_eq!(nobody.get("/me", 200).await.json()["rule"], json!(null));
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_do_not_share_tags() {
    let rows = Rows::start().await;
    let path = format!("{ODATA}ProjectFeedback");
    let all = rows.viewer("anna@sap.com", json!({})).get(&path, 200).await;
    let partner = rows.viewer("bob@partner.example", json!({}));

    let request = partner
        .request(Method::GET, &path)
        .header("if-none-match", all.header("etag"));
    let answer = partner.send(request, 200).await;

    assert_eq!(answer.json()["value"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn attributes_open_rows_and_an_absent_one_opens_none() {
    let rows = Rows::start().await;
    let with = |attributes: Value| {
        rows.viewer(
            "x@elsewhere.example",
            json!({"xs.user.attributes": attributes}),
        )
    };

    let globex = with(json!({"Region": ["EMEA"], "Account": ["Globex"]}));
    let without = with(json!({"Region": ["EMEA"]}));
    let empty = with(json!({"Region": ["EMEA"], "Account": []}));

    assert_eq!(globex.keys("ProjectFeedback").await, [rows.globex.as_str()]);
    assert!(without.keys("ProjectFeedback").await.is_empty());
    assert!(empty.keys("ProjectFeedback").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn untrusted_origins_and_technical_users_have_no_domain() {
    let rows = Rows::start().await;

    let registered = rows.viewer("anna@sap.com", json!({"origin": "sap.default"}));
    let technical = rows.viewer("anna@sap.com", json!({"grant_type": "client_credentials"}));

    assert!(registered.keys("ProjectFeedback").await.is_empty());
    assert!(technical.keys("ProjectFeedback").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_the_viewers_own() {
    let rows = Rows::start().await;
    let mut partner = rows
        .viewer("bob@partner.example", json!({}))
        .events(None)
        .await;
    let mut all = rows.viewer("anna@sap.com", json!({})).events(None).await;
    let mut nobody = rows.viewer("eve@evilsap.com", json!({})).events(None).await;

    let globex = rows.service.complete([response("Globex", 2)]).await;
    let acme = rows.service.complete([response("ACME", 2)]).await;

    assert_eq!(all.row().await, globex[0]);
    assert_eq!(all.row().await, acme[0]);
    assert_eq!(
        partner.row().await,
        acme[0],
        "the hidden row was passed over"
    );
    rows.service.life.stop();
    assert_eq!(nobody.next().await, None, "nothing until the end");
}
