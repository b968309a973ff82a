//! Tokens made here with keys of one's own, against issuers that run here.

mod attacks;
mod client;
mod dossier;
mod fetching;
mod viewers;

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use url::Url;

use super::fetch::{Keys, Source};
use super::{Identity, IdentityError, Issuer, KeySet};
use crate::config::{Auth, Ias, Oidc, Xsuaa};
use crate::lifecycle;

const ONE: &str = include_str!("tests/keys/one.pem");
const TWO: &str = include_str!("tests/keys/two.pem");
const EC: &str = include_str!("tests/keys/ec.pem");
const ONE_PUBLIC: &str = include_str!("tests/keys/one.pub.pem");

const ISSUER_URL: &str = "https://acme.accounts.ondemand.com";
const CLIENT: &str = "fedcba98-7654-4321-8fed-cba987654321";
const TENANT: &str = "abcdef01-2345-4678-9abc-def012345678";
const APP: &str = "qualtrics-ingester!t12345";

fn rsa(pem: &str) -> EncodingKey {
    EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap()
}

/// A public key as an issuer publishes it.
fn jwk(key: &EncodingKey, id: &str, algorithm: Algorithm) -> Value {
    let mut jwk = Jwk::from_encoding_key(key, algorithm).unwrap();
    jwk.common.key_id = Some(id.to_owned());
    serde_json::to_value(jwk).unwrap()
}

/// What the issuers here publish: key `key-id-0`, and `ec-0`.
fn published() -> Value {
    let ec = EncodingKey::from_ec_pem(EC.as_bytes()).unwrap();
    json!({"keys": [jwk(&rsa(ONE), "key-id-0", Algorithm::RS256), jwk(&ec, "ec-0", Algorithm::ES256)]})
}

/// A token with this key's id, signed by key one.
fn signed(claims: &Value, key_id: &str) -> String {
    let header = Header {
        kid: Some(key_id.to_owned()),
        ..Header::new(Algorithm::RS256)
    };
    jsonwebtoken::encode(&header, claims, &rsa(ONE)).unwrap()
}

fn now() -> i64 {
    lifecycle::now().as_second()
}

fn xsuaa() -> Xsuaa {
    Xsuaa {
        client_id: format!("sb-{APP}"),
        app_name: APP.to_owned(),
        uaa_domain: "authentication.eu10.hana.ondemand.com".to_owned(),
        url: Url::parse("https://acme-dev.authentication.eu10.hana.ondemand.com").unwrap(),
        zones: [TENANT.to_owned()].into(),
        verification_key: None,
    }
}

fn ias() -> Ias {
    Ias {
        client_id: CLIENT.to_owned(),
        url: Url::parse(ISSUER_URL).unwrap(),
        app_tid: Some(TENANT.to_owned()),
    }
}

fn oidc() -> Oidc {
    Oidc {
        issuer: "https://login.example/".to_owned(),
        audience: "ingester".to_owned(),
    }
}

/// An identity whose issuer's keys are at hand.
fn identity(auth: &Auth) -> Identity {
    let keys = KeySet::parse(published().to_string().as_bytes()).unwrap();
    let issuer = match auth {
        Auth::Xsuaa(binding) => Issuer::Xsuaa(binding.clone()),
        Auth::Ias(binding) => Issuer::Ias(binding.clone()),
        Auth::Oidc(settings) => Issuer::Oidc(settings.clone()),
        Auth::None | Auth::Closed => panic!("no issuer"),
    };
    Identity {
        issuer,
        keys: Keys::fixed(Source::of(auth).unwrap(), keys),
    }
}

/// A good user's claims for XSUAA, with some of them replaced; `null` leaves one out.
fn xsuaa_claims(changes: Value) -> Value {
    changed(
        json!({
            "iss": "https://acme-dev.authentication.eu10.hana.ondemand.com/oauth/token", "zid": TENANT,
            "ext_attr": {"enhancer": "XSUAA"}, "azp": format!("sb-{APP}"), "cid": format!("sb-{APP}"),
            "aud": [APP, "openid"], "scope": ["openid", format!("{APP}.Read")],
            "grant_type": "authorization_code", "user_id": "u1", "user_name": "anna", "origin": "sap.custom",
            "email": "anna@sap.com", "iat": now() - 10, "exp": now() + 3600
        }),
        changes,
    )
}

fn ias_claims(changes: Value) -> Value {
    changed(
        json!({
            "iss": ISSUER_URL, "aud": CLIENT, "azp": CLIENT, "app_tid": TENANT, "sub": "P1", "user_uuid": "u1",
            "sap_id_type": "user", "email": "anna@sap.com", "email_verified": true,
            "iat": now() - 10, "exp": now() + 3600
        }),
        changes,
    )
}

fn oidc_claims(changes: Value) -> Value {
    changed(
        json!({
            "iss": "https://login.example/", "aud": "ingester", "sub": "s1", "azp": "app", "scope": "openid Read",
            "email": "anna@sap.com", "email_verified": true, "iat": now() - 10, "exp": now() + 3600
        }),
        changes,
    )
}

fn changed(mut claims: Value, changes: Value) -> Value {
    let Value::Object(changes) = changes else {
        panic!("changes are an object")
    };
    let object = claims.as_object_mut().unwrap();
    for (name, value) in changes {
        object.remove(&name);
        if !value.is_null() {
            object.insert(name, value);
        }
    }
    claims
}

#[track_caller]
fn code<T: std::fmt::Debug>(result: Result<T, IdentityError>) -> &'static str {
    result.err().unwrap().code()
}
