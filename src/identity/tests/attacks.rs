//! What must not come in.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto;

use super::*;

async fn xsuaa_answer(token: &str) -> &'static str {
    code(identity(&Auth::Xsuaa(xsuaa())).authenticate(token).await)
}

fn raw(header: &Value, claims: &Value, key: &EncodingKey, algorithm: Algorithm) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let signature = crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

#[tokio::test]
async fn unsigned_and_otherwise_signed_tokens_are_refused() {
    let claims = xsuaa_claims(json!({}));
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let none = format!(
        "{}.{}.",
        part(&json!({"alg": "none", "kid": "key-id-0"})),
        part(&claims)
    );
    assert_eq!(xsuaa_answer(&none).await, "algorithm");

    let secret = EncodingKey::from_secret(ONE_PUBLIC.as_bytes());
    let confused = raw(
        &json!({"alg": "HS256", "kid": "key-id-0"}),
        &claims,
        &secret,
        Algorithm::HS256,
    );
    assert_eq!(xsuaa_answer(&confused).await, "algorithm");
    let relabelled = raw(
        &json!({"alg": "RS256", "kid": "key-id-0"}),
        &claims,
        &secret,
        Algorithm::HS256,
    );
    assert_eq!(xsuaa_answer(&relabelled).await, "bad-signature");

    let longer = raw(
        &json!({"alg": "RS384", "kid": "key-id-0"}),
        &claims,
        &rsa(ONE),
        Algorithm::RS384,
    );
    assert_eq!(xsuaa_answer(&longer).await, "algorithm");
    let missing = raw(
        &json!({"kid": "key-id-0"}),
        &claims,
        &rsa(ONE),
        Algorithm::RS256,
    );
    assert_eq!(xsuaa_answer(&missing).await, "algorithm");

    let ec = EncodingKey::from_ec_pem(EC.as_bytes()).unwrap();
    let header = json!({"alg": "ES256", "kid": "ec-0"});
    assert_eq!(
        xsuaa_answer(&raw(&header, &claims, &ec, Algorithm::ES256)).await,
        "algorithm"
    );
    let oidc = identity(&Auth::Oidc(oidc()));
    let token = raw(&header, &oidc_claims(json!({})), &ec, Algorithm::ES256);
    assert!(
        oidc.authenticate(&token).await.is_ok(),
        "OIDC issuers may use it"
    );
    let crossed = raw(
        &json!({"alg": "ES256", "kid": "key-id-0"}),
        &oidc_claims(json!({})),
        &ec,
        Algorithm::ES256,
    );
    assert_eq!(code(oidc.authenticate(&crossed).await), "unknown-key");
}

#[tokio::test]
async fn keys_come_from_the_binding_whatever_the_token_points_to() {
    let claims = xsuaa_claims(json!({}));
    let evil = json!({"alg": "RS256", "kid": "key-id-0", "jku": "https://evil.example/keys",
        "x5u": "https://evil.example/x", "jwk": jwk(&rsa(TWO), "key-id-0", Algorithm::RS256)});
    assert_eq!(
        xsuaa_answer(&raw(&evil, &claims, &rsa(TWO), Algorithm::RS256)).await,
        "bad-signature"
    );
    let own = raw(&evil, &claims, &rsa(ONE), Algorithm::RS256);
    assert!(
        identity(&Auth::Xsuaa(xsuaa()))
            .authenticate(&own)
            .await
            .is_ok(),
        "they are ignored, not refused"
    );
    assert_eq!(
        xsuaa_answer(&signed(&claims, "key-id-9")).await,
        "unknown-key"
    );
    let unnamed = raw(
        &json!({"alg": "RS256"}),
        &claims,
        &rsa(ONE),
        Algorithm::RS256,
    );
    assert_eq!(xsuaa_answer(&unnamed).await, "malformed");
}

#[tokio::test]
async fn a_changed_token_is_refused() {
    let token = signed(&xsuaa_claims(json!({})), "key-id-0");
    let (signed_part, signature) = token.rsplit_once('.').unwrap();
    let header = signed_part.split('.').next().unwrap();
    let other = URL_SAFE_NO_PAD.encode(xsuaa_claims(json!({"user_id": "admin"})).to_string());
    assert_eq!(
        xsuaa_answer(&format!("{header}.{other}.{signature}")).await,
        "bad-signature"
    );
    assert_eq!(
        xsuaa_answer(&format!("{signed_part}.AAAA")).await,
        "bad-signature"
    );
    assert_eq!(
        xsuaa_answer(&format!("{signed_part}.!")).await,
        "bad-signature"
    );
    assert_eq!(xsuaa_answer(&format!("Bearer {token}")).await, "malformed");
}

#[tokio::test]
async fn times_tenants_and_audiences_are_held() {
    let check = async |changes: Value, expected: &str| {
        let shown = changes.to_string();
        assert_eq!(
            xsuaa_answer(&signed(&xsuaa_claims(changes), "key-id-0")).await,
            expected,
            "{shown}"
        );
    };
    check(json!({"exp": now() - 61}), "expired").await;
    check(json!({"exp": null}), "malformed").await;
    check(json!({"exp": "never"}), "malformed").await;
    check(json!({"nbf": now() + 300}), "not-yet-valid").await;
    check(json!({"iat": now() + 300}), "not-yet-valid").await;
    check(
        json!({"zid": "99999999-2345-4678-9abc-def012345678"}),
        "wrong-issuer",
    )
    .await;
    check(json!({"zid": "x&foo=bar"}), "wrong-issuer").await;
    check(json!({"zid": 5}), "wrong-issuer").await;
    check(
        json!({"aud": ["other!t1"], "azp": "sb-other!t1"}),
        "wrong-audience",
    )
    .await;
    check(
        json!({"aud": [format!("{APP}6")], "azp": null}),
        "wrong-audience",
    )
    .await;
    check(
        json!({"aud": {"a": APP}, "azp": null, "scope": null}),
        "wrong-audience",
    )
    .await;
    check(json!({"origin": "sap.custom/anna"}), "malformed").await;
    check(
        json!({"user_id": null, "sub": null, "user_name": null}),
        "malformed",
    )
    .await;
}

#[tokio::test]
async fn ias_believes_its_own_tenant_alone() {
    let identity = identity(&Auth::Ias(ias()));
    let check = async |changes: Value, expected: &str| {
        let shown = changes.to_string();
        let token = signed(&ias_claims(changes), "key-id-0");
        assert_eq!(
            code(identity.authenticate(&token).await),
            expected,
            "{shown}"
        );
    };
    for issuer in [
        "https://other.accounts.ondemand.com",
        "http://acme.accounts.ondemand.com",
        "https://evilacme.accounts.ondemand.com",
        "https://acme.accounts.ondemand.com/",
        "https://acme.accounts.ondemand.com:444",
        "https://acme.accounts.ondemand.com.evil.example",
        "HTTPS://acme.accounts.ondemand.com",
        "",
    ] {
        check(json!({"iss": issuer}), "wrong-issuer").await;
    }
    check(json!({"iss": null}), "wrong-issuer").await;
    check(json!({"ias_iss": "https://evil.example"}), "wrong-issuer").await;
    check(json!({"ias_iss": 5}), "wrong-issuer").await;
    check(json!({"app_tid": "other"}), "wrong-issuer").await;
    check(json!({"aud": "other"}), "wrong-audience").await;
    check(json!({"aud": format!("{CLIENT}.x")}), "wrong-audience").await;
    check(json!({"aud": null}), "wrong-audience").await;
}

#[tokio::test]
async fn oidc_compares_issuer_and_audience_letter_by_letter() {
    let identity = identity(&Auth::Oidc(oidc()));
    let check = async |changes: Value, expected: &str| {
        let shown = changes.to_string();
        let token = signed(&oidc_claims(changes), "key-id-0");
        assert_eq!(
            code(identity.authenticate(&token).await),
            expected,
            "{shown}"
        );
    };
    check(json!({"iss": "https://login.example"}), "wrong-issuer").await;
    check(json!({"aud": "Ingester"}), "wrong-audience").await;
    check(json!({"aud": null}), "wrong-audience").await;
    check(
        json!({"aud": ["ingester", "other"], "azp": null}),
        "wrong-audience",
    )
    .await;
    check(json!({"sub": null}), "malformed").await;
}

#[tokio::test]
async fn explain_makes_every_check_also_after_one_failed() {
    let identity = identity(&Auth::Xsuaa(xsuaa()));
    let claims = xsuaa_claims(json!({"exp": now() - 100, "aud": ["other"], "azp": null}));
    let explanation = identity.explain(&signed(&claims, "key-id-0")).await;
    let found: Vec<_> = explanation
        .checks
        .iter()
        .map(|check| {
            (
                check.name,
                check.result.as_ref().err().map(IdentityError::code),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("signature", None),
            ("issuer", None),
            ("audience", Some("wrong-audience")),
            ("time", Some("expired"))
        ]
    );
    assert!(!explanation.passed());
    assert_eq!(explanation.claimed.unwrap().subject, "u1");

    let good = identity
        .explain_claims(&xsuaa_claims(json!({})).to_string())
        .unwrap();
    assert!(good.passed() && good.checks.len() == 3);
    assert_eq!(identity.explain("x").await.checks[0].name, "format");
    assert_eq!(
        identity.explain_claims("[]").err().unwrap().code(),
        "malformed"
    );
}

#[tokio::test]
async fn debug_shows_nothing_of_the_token() {
    let text = signed(&xsuaa_claims(json!({})), "key-id-0");
    let token = super::super::Token::parse(&text).unwrap();
    let viewer = identity(&Auth::Xsuaa(xsuaa()))
        .authenticate(&text)
        .await
        .unwrap();
    let shown = format!("{token:?} {viewer:?}");
    assert!(
        !shown.contains("anna") && !shown.contains(text.split('.').next().unwrap()),
        "{shown}"
    );
}
