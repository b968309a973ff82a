//! What a token says of its holder.

use std::collections::{BTreeMap, BTreeSet};

use ingester_core::access::Viewer;

use super::*;

fn set(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

async fn of(auth: Auth, claims: Value) -> Viewer {
    identity(&auth)
        .authenticate(&signed(&claims, "key-id-0"))
        .await
        .unwrap()
}

async fn of_xsuaa(changes: Value) -> Viewer {
    of(Auth::Xsuaa(xsuaa()), xsuaa_claims(changes)).await
}

#[tokio::test]
async fn an_xsuaa_user_has_scopes_groups_attributes_and_an_origin() {
    let viewer = of_xsuaa(json!({
        "scope": ["openid", format!("{APP}.Read"), "evil!t1.Admin", format!("x{APP}.Admin"), format!("{APP}.Sub.Scope")],
        "xs.user.attributes": {"AccountID": ["ACME", "Globex"], "Country": "DE", "Empty": []},
        "xs.system.attributes": {"xs.saml.groups": ["g1"], "xs.rolecollections": ["Survey response reader"]}
    }))
    .await;
    assert_eq!(
        viewer,
        Viewer {
            subject: "u1".to_owned(),
            email: Some("anna@sap.com".to_owned()),
            origin: Some("sap.custom".to_owned()),
            scopes: set(&["Read", "Sub.Scope"]),
            groups: set(&["g1", "Survey response reader"]),
            attributes: BTreeMap::from([
                (
                    "AccountID".to_owned(),
                    vec!["ACME".to_owned(), "Globex".to_owned()]
                ),
                ("Country".to_owned(), vec!["DE".to_owned()]),
                ("Empty".to_owned(), vec![]),
            ]),
            technical: false,
        }
    );
}

#[tokio::test]
async fn a_technical_user_is_its_client_and_has_no_address() {
    let viewer = of_xsuaa(json!({
        "grant_type": "client_credentials", "azp": "sb-jobs!b9|sap-jobscheduler!b3", "user_id": null, "user_name": null,
        "scope": [format!("{APP}.JOBSCHEDULER"), "uaa.resource"]
    }))
    .await;
    assert!(viewer.technical);
    assert_eq!(viewer.subject, "sb-jobs!b9|sap-jobscheduler!b3");
    assert_eq!(
        (viewer.email, viewer.origin, viewer.scopes),
        (None, None, set(&["JOBSCHEDULER"]))
    );
    assert!(
        of_xsuaa(json!({"grant_type": "client_x509"}))
            .await
            .technical
    );
}

#[tokio::test]
async fn clones_of_a_broker_are_its_own() {
    let own = "qualtrics-ingester!b12345";
    let binding = Xsuaa {
        client_id: format!("sb-{own}"),
        app_name: own.to_owned(),
        ..xsuaa()
    };
    let claims =
        |aud: &str, scope: &str| xsuaa_claims(json!({"aud": [aud], "azp": null, "scope": [scope]}));
    let clone = format!("guid!b77|{own}");
    let viewer = of(
        Auth::Xsuaa(binding.clone()),
        claims(&format!("sb-{clone}"), &format!("{clone}.Read")),
    )
    .await;
    assert_eq!(viewer.scopes, set(&["Read"]));
    let viewer = of(
        Auth::Xsuaa(binding.clone()),
        claims(own, &format!("x{own}.Read")),
    )
    .await;
    assert!(viewer.scopes.is_empty(), "only after a bar");
    let token = signed(&claims(&format!("evil{own}"), "openid"), "key-id-0");
    assert_eq!(
        code(identity(&Auth::Xsuaa(binding)).authenticate(&token).await),
        "wrong-audience"
    );
    let token = signed(&claims(&format!("x!b77|{APP}"), "openid"), "key-id-0");
    assert_eq!(
        code(identity(&Auth::Xsuaa(xsuaa())).authenticate(&token).await),
        "wrong-audience",
        "brokers only"
    );
}

#[tokio::test]
async fn ias_vouches_for_addresses_that_it_verified() {
    let of_ias = async |changes: Value| of(Auth::Ias(ias()), ias_claims(changes)).await;
    let viewer =
        of_ias(json!({"groups": ["g", "qualtrics-ingester.Admin"], "company": "ACME"})).await;
    assert_eq!(
        (viewer.subject.as_str(), viewer.email.as_deref()),
        ("u1", Some("anna@sap.com"))
    );
    assert_eq!(viewer.scopes, set(&["Admin", "Read"]));
    assert_eq!(viewer.groups, set(&["g", "qualtrics-ingester.Admin"]));
    assert_eq!(viewer.attributes["company"], ["ACME"]);
    assert!(
        !viewer.attributes.contains_key("email"),
        "an attribute is not asked whether it was verified"
    );
    for verified in [json!(false), json!("true"), json!(null)] {
        assert_eq!(
            of_ias(json!({"email_verified": verified})).await.email,
            None
        );
    }
    assert_eq!(
        of_ias(json!({"groups": "Admin"})).await.scopes,
        set(&["Read"]),
        "a group of that name means nothing"
    );
    let technical =
        of_ias(json!({"sap_id_type": "app", "user_uuid": null, "ias_apis": ["Read"]})).await;
    assert!(technical.technical && technical.email.is_none());
    assert_eq!(
        (technical.subject.as_str(), technical.scopes),
        (CLIENT, set(&["Read"]))
    );
    assert!(
        of_ias(json!({"sap_id_type": "app"}))
            .await
            .scopes
            .is_empty()
    );
    let custom = of_ias(
        json!({"iss": "https://login.acme.example", "ias_iss": ISSUER_URL, "app_tid": null}),
    )
    .await;
    assert_eq!(custom.subject, "u1");
}

#[tokio::test]
async fn oidc_scopes_are_found_where_issuers_put_them() {
    let of_oidc = async |changes: Value| of(Auth::Oidc(oidc()), oidc_claims(changes)).await;
    for changes in [
        json!({"scope": "openid Read"}),
        json!({"scope": ["Read"]}),
        json!({"scope": null, "scp": "Read"}),
        json!({"scope": null, "roles": ["Read"]}),
        json!({"scope": "ingester/Read"}),
        json!({"scope": "ingester.Read"}),
        json!({"scope": null, "resource_access": {"ingester": {"roles": ["Read"]}, "other": {"roles": ["Admin"]}}}),
    ] {
        let viewer = of_oidc(changes.clone()).await;
        assert!(
            viewer.scopes.contains("Read") && !viewer.scopes.contains("Admin"),
            "{changes}"
        );
    }
    assert!(
        !of_oidc(json!({"scope": "xingester.Read"}))
            .await
            .scopes
            .contains("Read")
    );
    assert_eq!(of_oidc(json!({"email_verified": "true"})).await.email, None);
    for changes in [
        json!({"azp": "s1"}),
        json!({"idtyp": "app"}),
        json!({"gty": "client-credentials"}),
    ] {
        let viewer = of_oidc(changes).await;
        assert!(viewer.technical && viewer.email.is_none());
    }
    assert!(
        !of_oidc(json!({"aud": ["ingester", "other"]}))
            .await
            .technical
    );
}
