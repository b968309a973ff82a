//! A stand-in for XSUAA: it publishes keys, and signs tokens with them or with others.

use axum::Router;
use axum::routing::get;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

const ONE: &str = include_str!("../../../src/identity/tests/keys/one.pem");
const TWO: &str = include_str!("../../../src/identity/tests/keys/two.pem");
const ONE_PUBLIC: &str = include_str!("../../../src/identity/tests/keys/one.pub.pem");

const APP: &str = "qualtrics-ingester!t12345";
const TENANT: &str = "abcdef01-2345-4678-9abc-def012345678";

/// Who signs a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signer {
    /// The key that is published.
    First,
    /// Another key.
    Second,
    /// HS256 with the published key as the secret.
    PublicKeyAsSecret,
    /// Nobody: `alg` is `none`.
    Nobody,
}

/// The issuer.
pub(crate) struct Issuer {
    pub(crate) url: String,
}

impl Issuer {
    pub(crate) async fn start() -> Self {
        let published = json!({ "keys": [jwk(ONE, "key-1")] }).to_string();
        let router = Router::new().route("/token_keys", get(async move || published.clone()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        serve(listener, router);
        Self { url }
    }

    /// `VCAP_SERVICES` with this issuer bound.
    pub(crate) fn binding(&self) -> String {
        let credentials = json!({
            "clientid": format!("sb-{APP}"), "xsappname": APP, "url": self.url, "uaadomain": "127.0.0.1",
            "tenantid": TENANT
        });
        json!({ "xsuaa": [{ "name": "auth", "plan": "application", "credentials": credentials }] })
            .to_string()
    }

    /// A good token of a reader with this e-mail address, some claims replaced; `null` leaves one out.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "tests write the changes in place"
    )]
    pub(crate) fn token(&self, email: &str, changes: Value) -> String {
        self.signed(Signer::First, &claims(email, &changes))
    }

    pub(crate) fn signed(&self, signer: Signer, claims: &Value) -> String {
        let (algorithm, id, key) = match signer {
            Signer::First => (Algorithm::RS256, "key-1", rsa(ONE)),
            Signer::Second => (Algorithm::RS256, "key-2", rsa(TWO)),
            Signer::PublicKeyAsSecret => (
                Algorithm::HS256,
                "key-1",
                EncodingKey::from_secret(ONE_PUBLIC.as_bytes()),
            ),
            Signer::Nobody => return unsigned(claims),
        };
        let header = Header {
            kid: Some(id.to_owned()),
            jku: Some(format!("{}/token_keys", self.url)),
            ..Header::new(algorithm)
        };
        jsonwebtoken::encode(&header, claims, &key).unwrap()
    }
}

/// A good user's claims.
pub(crate) fn claims(email: &str, changes: &Value) -> Value {
    let now = qualtrics_ingester::lifecycle::now().as_second();
    let mut claims = json!({
        "zid": TENANT, "ext_attr": {"enhancer": "XSUAA"}, "azp": format!("sb-{APP}"), "aud": [APP],
        "scope": ["openid", format!("{APP}.Read")], "grant_type": "authorization_code", "user_id": email,
        "user_name": email, "origin": "sap.custom", "email": email, "iat": now - 10, "exp": now + 3600
    });
    for (name, value) in changes.as_object().unwrap() {
        let value = match value {
            Value::String(text) => json!(text.replace("$app", APP)),
            value => serde_json::from_str(&value.to_string().replace("$app", APP)).unwrap(),
        };
        let object = claims.as_object_mut().unwrap();
        object.remove(name);
        if !value.is_null() {
            object.insert(name.clone(), value);
        }
    }
    claims
}

fn unsigned(claims: &Value) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!(
        "{}.{}.",
        part(&json!({"alg": "none", "kid": "key-1"})),
        part(claims)
    )
}

fn rsa(pem: &str) -> EncodingKey {
    EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap()
}

fn jwk(pem: &str, id: &str) -> Value {
    let mut jwk = Jwk::from_encoding_key(&rsa(pem), Algorithm::RS256).unwrap();
    jwk.common.key_id = Some(id.to_owned());
    serde_json::to_value(jwk).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
fn serve(listener: tokio::net::TcpListener, router: Router) {
    drop(tokio::spawn(
        async move { axum::serve(listener, router).await },
    ));
}
