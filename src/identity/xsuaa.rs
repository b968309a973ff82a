//! Tokens of XSUAA, judged as SAP's own libraries judge them.
//! Source: cloud-security-services-integration-library 4 (Java, Apache-2.0): `JwtAudienceValidator`, `XsuaaToken`,
//! `JwtSignatureValidator`.

use std::collections::BTreeSet;

use ingester_core::access::Viewer;

use super::claims::Claims;
use super::error::IdentityError;
use crate::config::Xsuaa;

/// There is no issuer check, because the keys' address binds the issuer; but there is one tenant, and its zone is it.
pub(super) fn check_issuer(binding: &Xsuaa, claims: &Claims) -> Result<(), IdentityError> {
    let zone = match claims.value("zid") {
        None => return Ok(()),
        Some(_) => claims.text("zid").unwrap_or_default(),
    };
    let plain = (1..=64).contains(&zone.len())
        && zone.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !plain || !(binding.zones.is_empty() || binding.zones.contains(zone)) {
        return Err(IdentityError::WrongIssuer(format!(
            "the tenant of {}",
            binding.url
        )));
    }
    Ok(())
}

/// The token's audiences are `aud` up to the first period (the UAA forms audiences from scopes) and `azp`; where
/// `aud` is empty, what its scopes begin with. One must be our client or application, or a clone of our broker.
pub(super) fn check_audience(binding: &Xsuaa, claims: &Claims) -> Result<(), IdentityError> {
    let audiences = claims.texts("aud");
    let from_scopes = audiences.is_empty().then(|| claims.words("scope"));
    let from_scopes = from_scopes
        .into_iter()
        .flatten()
        .filter(|scope| scope.contains('.'));
    let mut named = audiences
        .into_iter()
        .chain(from_scopes)
        .map(|text| text.split('.').next().unwrap_or(text))
        .chain(claims.text("azp"));
    let ours = [binding.client_id.as_str(), binding.app_name.as_str()];
    if named.any(|audience| {
        ours.iter()
            .any(|own| audience == *own || is_clone(audience, own))
    }) {
        return Ok(());
    }
    Err(IdentityError::WrongAudience(binding.app_name.clone()))
}

/// A clone of a broker's instance is named `<clone>!b1|<broker's name>`.
fn is_clone(audience: &str, own: &str) -> bool {
    own.contains("!b")
        && audience
            .strip_suffix(own)
            .is_some_and(|clone| clone.ends_with('|'))
}

pub(super) fn viewer(binding: &Xsuaa, claims: &Claims) -> Result<Viewer, IdentityError> {
    let grant = claims.text("grant_type").unwrap_or_default();
    let technical = matches!(grant, "client_credentials" | "client_x509");
    let subject = if technical {
        claims.first_text(&["azp", "cid", "client_id", "sub"])
    } else {
        claims.first_text(&["user_id", "sub", "user_name"])
    };
    let subject = subject.ok_or(IdentityError::Malformed("it names no subject"))?;
    let origin = claims.text("origin");
    if origin.is_some_and(|origin| origin.contains('/')) {
        // SAP's principal is `user/<origin>/<name>`: a slash would let one provider name another's users.
        return Err(IdentityError::Malformed("its origin has a slash"));
    }
    let person = |name| claims.text(name).filter(|_| !technical).map(str::to_owned);
    Ok(Viewer {
        subject: subject.to_owned(),
        // As the token has it: XSUAA vouches for no address, the access rules look at `origin` as well.
        email: person("email"),
        origin: origin.filter(|_| !technical).map(str::to_owned),
        scopes: claims
            .words("scope")
            .into_iter()
            .filter_map(|s| own_scope(binding, s))
            .collect(),
        groups: groups(claims),
        attributes: claims.attributes("xs.user.attributes"),
        technical,
    })
}

/// The scope without our application's name; nothing for scopes of others. Names are compared as a whole.
fn own_scope(binding: &Xsuaa, scope: &str) -> Option<String> {
    // A broker's clone has a bar in front, and the application's name has no period.
    let (app, name) = scope.split_once('.')?;
    let own = app == binding.app_name || is_clone(app, &binding.app_name);
    own.then(|| name.to_owned())
}

/// Groups of the identity provider and role collections.
fn groups(claims: &Claims) -> BTreeSet<String> {
    let mut groups = BTreeSet::new();
    for name in ["xs.saml.groups", "xs.rolecollections"] {
        groups.extend(claims.set_in("xs.system.attributes", name));
        groups.extend(claims.texts(name).into_iter().map(str::to_owned));
    }
    groups
}
