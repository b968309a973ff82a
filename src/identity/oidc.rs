//! Tokens of any `OpenID` Connect issuer.
//! Source: `OpenID` Connect Core 1.0, section 3.1.3.7; RFC 9068 (JWT profile for access tokens).

use std::collections::BTreeSet;

use ingester_core::access::Viewer;

use super::claims::Claims;
use super::error::IdentityError;
use crate::config::Oidc;

/// Claims about the token rather than the person: they are no attributes. Neither is the address, because an
/// attribute is not asked whether it was verified.
pub(super) const PROTOCOL_CLAIMS: &[&str] = &[
    "acr",
    "amr",
    "app_tid",
    "at_hash",
    "aud",
    "auth_time",
    "azp",
    "c_hash",
    "cid",
    "client_id",
    "cnf",
    "email",
    "exp",
    "groups",
    "gty",
    "iat",
    "ias_apis",
    "ias_iss",
    "idtyp",
    "iss",
    "jti",
    "nbf",
    "nonce",
    "resource_access",
    "roles",
    "scope",
    "scp",
    "sid",
    "sub",
];

pub(super) fn check_issuer(settings: &Oidc, claims: &Claims) -> Result<(), IdentityError> {
    if claims.text("iss") == Some(settings.issuer.as_str()) {
        return Ok(());
    }
    Err(IdentityError::WrongIssuer(settings.issuer.clone()))
}

/// Our audience must be there; where it is not alone, the token must say to whom it was issued.
pub(super) fn check_audience(settings: &Oidc, claims: &Claims) -> Result<(), IdentityError> {
    let audiences = claims.texts("aud");
    let ours = audiences.contains(&settings.audience.as_str());
    if ours && (audiences.len() == 1 || claims.first_text(&["azp", "client_id"]).is_some()) {
        return Ok(());
    }
    Err(IdentityError::WrongAudience(settings.audience.clone()))
}

pub(super) fn viewer(settings: &Oidc, claims: &Claims) -> Result<Viewer, IdentityError> {
    let subject = claims
        .text("sub")
        .ok_or(IdentityError::Malformed("it names no subject"))?;
    let technical = is_technical(claims, subject);
    let verified = claims.value("email_verified") == Some(&serde_json::Value::Bool(true));
    let email = claims.text("email").filter(|_| verified && !technical);
    Ok(Viewer {
        subject: subject.to_owned(),
        email: email.map(str::to_owned),
        origin: None,
        scopes: scopes(settings, claims),
        groups: claims
            .texts("groups")
            .into_iter()
            .map(str::to_owned)
            .collect(),
        attributes: claims.others(PROTOCOL_CLAIMS),
        technical,
    })
}

/// Client credentials: the subject is the client (RFC 9068, section 2.2), or the issuer says so (`idtyp` of Microsoft
/// Entra, `gty` of Auth0).
fn is_technical(claims: &Claims, subject: &str) -> bool {
    claims.first_text(&["client_id", "azp"]) == Some(subject)
        || claims.text("idtyp") == Some("app")
        || claims.text("gty") == Some("client-credentials")
}

/// Scopes and application roles, where issuers put them, with or without our name before them.
fn scopes(settings: &Oidc, claims: &Claims) -> BTreeSet<String> {
    let roles = claims
        .value("resource_access")
        .and_then(|clients| clients.get(&settings.audience));
    let roles = roles
        .and_then(|client| client.get("roles"))
        .and_then(serde_json::Value::as_array);
    let roles = roles
        .into_iter()
        .flatten()
        .filter_map(serde_json::Value::as_str);
    let named = claims
        .words("scope")
        .into_iter()
        .chain(claims.words("scp"))
        .chain(claims.texts("roles"));
    let stripped = named.chain(roles).map(|scope| {
        let rest = scope.strip_prefix(settings.audience.as_str());
        rest.and_then(|rest| rest.strip_prefix(['/', '.']))
            .unwrap_or(scope)
            .to_owned()
    });
    stripped.collect()
}
