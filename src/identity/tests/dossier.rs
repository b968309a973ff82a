//! The recorded token cases: claims, and what SAP's library and this service answer. They lie beside the repository,
//! so where they are absent this says "not run"; `attacks` and `viewers` restate what matters.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto;

use super::*;

fn cases() -> Option<Value> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let path = root
        .ancestors()
        .map(|folder| folder.join("shared/cap/token-cases.json"))
        .find(|path| path.exists())?;
    Some(serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
}

fn auth(binding: &Value) -> Auth {
    let text = |name: &str| binding[name].as_str().unwrap().to_owned();
    let url = Url::parse(&text("url")).unwrap();
    match binding["type"].as_str().unwrap() {
        "xsuaa" => Auth::Xsuaa(Xsuaa {
            client_id: text("clientid"),
            app_name: text("xsappname"),
            uaa_domain: text("uaadomain"),
            url,
            zones: [TENANT.to_owned()].into(),
            verification_key: None,
        }),
        _ => Auth::Ias(Ias {
            client_id: text("clientid"),
            url,
            app_tid: Some(text("app_tid")),
        }),
    }
}

/// The token of a case. Times are relative to now; the header goes out as it is, so that nothing is put right.
fn token(case: &Value) -> String {
    let mut claims = case["claims"].clone();
    for name in ["iat", "nbf", "exp"] {
        if let Some(seconds) = claims[name].as_i64() {
            claims[name] = json!(now() + seconds);
        }
    }
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&case["header"]), part(&claims));
    let signature = match case["header"]["alg"].as_str() {
        Some("none") => String::new(),
        // The confusion attack: the public key as the secret.
        Some("HS256") => {
            let key = EncodingKey::from_secret(ONE_PUBLIC.as_bytes());
            crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap()
        }
        _ => crypto::sign(message.as_bytes(), &rsa(ONE), Algorithm::RS256).unwrap(),
    };
    format!("{message}.{signature}")
}

#[tokio::test]
async fn every_recorded_case_is_judged_as_it_should_be() {
    let Some(cases) = cases() else {
        println!("not run: shared/cap/token-cases.json is not beside the repository");
        return;
    };
    let cases = cases["cases"].as_array().unwrap();
    for case in cases {
        let (id, ours) = (case["id"].as_str().unwrap(), case["ours"].as_str().unwrap());
        let result = identity(&auth(&case["binding"]))
            .authenticate(&token(case))
            .await;

        assert_eq!(
            result.is_ok(),
            ours.starts_with("accept"),
            "{id}: {ours}, but {result:?}"
        );
        let Ok(viewer) = result else { continue };
        if ours.contains("403") || id == "xs-technical" {
            assert!(!viewer.scopes.contains("Read"), "{id}");
        }
        if ours.contains("no rows by domain") || ours.contains("listed as trusted for e-mail") {
            assert_eq!(viewer.email, None, "{id}");
        }
        assert_eq!(
            viewer.technical,
            id.contains("technical") || id == "ias-app",
            "{id}"
        );
        if ours.contains("rows only if origin") {
            assert_eq!(viewer.origin.as_deref(), Some("sap.default"), "{id}");
        }
    }
    println!("{} token cases", cases.len());
}
