//! Tokens of SAP Cloud Identity Services (IAS), of one tenant.
//! Source: cloud-security-services-integration-library 4 (Java, Apache-2.0): `JwtIssuerValidator`,
//! `JwtAudienceValidator`, `SapIdToken`.

use std::collections::BTreeSet;

use ingester_core::access::Viewer;

use super::claims::Claims;
use super::error::IdentityError;
use super::oidc::PROTOCOL_CLAIMS;
use crate::config::Ias;

/// The issuer is the bound tenant, letter by letter; `ias_iss` has it where a custom domain stands in `iss`. With
/// one tenant there is no pattern to match, and so none to get wrong.
pub(super) fn check_issuer(binding: &Ias, claims: &Claims) -> Result<(), IdentityError> {
    let own = binding.url.as_str().trim_end_matches('/');
    let name = if claims.value("ias_iss").is_some() {
        "ias_iss"
    } else {
        "iss"
    };
    let tenant = match (&binding.app_tid, claims.value("app_tid")) {
        (Some(own), Some(_)) => claims.text("app_tid") == Some(own),
        _ => true,
    };
    if claims.text(name) != Some(own) || !tenant {
        return Err(IdentityError::WrongIssuer(own.to_owned()));
    }
    Ok(())
}

/// Our client, as a whole: `azp` does not count, and nothing is cut off.
pub(super) fn check_audience(binding: &Ias, claims: &Claims) -> Result<(), IdentityError> {
    if claims.texts("aud").contains(&binding.client_id.as_str()) {
        return Ok(());
    }
    Err(IdentityError::WrongAudience(binding.client_id.clone()))
}

/// What a group's name begins with that stands for a scope of ours.
const SCOPE_GROUPS: &str = "qualtrics-ingester.";

pub(super) fn viewer(claims: &Claims) -> Result<Viewer, IdentityError> {
    let technical = match claims.text("sap_id_type") {
        Some(kind) => kind == "app",
        None => claims.text("sub").is_some() && claims.text("sub") == claims.text("azp"),
    };
    let subject = if technical {
        claims.first_text(&["azp", "sub"])
    } else {
        claims.first_text(&["user_uuid", "scim_id", "sub"])
    };
    let subject = subject.ok_or(IdentityError::Malformed("it names no subject"))?;
    let verified = claims.value("email_verified") == Some(&serde_json::Value::Bool(true));
    let email = claims.text("email").filter(|_| verified && !technical);
    let groups: BTreeSet<String> = claims
        .texts("groups")
        .into_iter()
        .map(str::to_owned)
        .collect();
    Ok(Viewer {
        subject: subject.to_owned(),
        email: email.map(str::to_owned),
        origin: None,
        scopes: scopes(claims, &groups, technical),
        groups,
        attributes: claims.others(PROTOCOL_CLAIMS),
        technical,
    })
}

/// IAS knows no scopes. Whoever it lets sign in to our application may read (which rows, the access rules decide);
/// more is said by groups of our name, and by the APIs that another application was given (`ias_apis`).
fn scopes(claims: &Claims, groups: &BTreeSet<String>, technical: bool) -> BTreeSet<String> {
    let by_group = groups
        .iter()
        .filter_map(|group| group.strip_prefix(SCOPE_GROUPS));
    let by_api = claims.texts("ias_apis").into_iter();
    let signed_in = (!technical).then_some("Read");
    by_group
        .chain(by_api)
        .chain(signed_in)
        .map(str::to_owned)
        .collect()
}
