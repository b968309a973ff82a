//! `POST /oauth2/token` and `GET /whoami`. Source: a dozen public clients; the error bodies are guesses.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State as FromState;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde_json::json;

use crate::envelope::{self, success};
use crate::json::{Json, Object};
use crate::routes::RequestId;
use crate::state::{Grant, State};

/// Client credentials, as HTTP Basic or in the form; the form may be multipart, as one client sends it.
pub(crate) async fn token(
    FromState(state): FromState<Arc<State>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let form = form(&headers, &body);
    let field = |name: &str| {
        form.iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    };
    let credentials = basic(&headers).or_else(|| {
        Some((
            field("client_id")?.to_owned(),
            field("client_secret")?.to_owned(),
        ))
    });
    let known = credentials.is_some_and(|(id, secret)| {
        id == state.settings.client_id && secret == state.settings.client_secret
    });
    if !known {
        return refusal(StatusCode::UNAUTHORIZED, "invalid_client");
    }
    if field("grant_type") != Some("client_credentials") {
        return refusal(StatusCode::BAD_REQUEST, "unsupported_grant_type");
    }
    let registered = &state.settings.scopes;
    let mut scopes: Vec<String> = field("scope")
        .unwrap_or_default()
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    if scopes.is_empty() {
        scopes.clone_from(registered);
    }
    if !scopes.iter().all(|scope| covered(registered, scope)) {
        return refusal(StatusCode::BAD_REQUEST, "invalid_scope");
    }
    let token = state.with_random(crate::random::Random::uuid);
    let lifetime = i64::try_from(state.settings.token_lifetime.as_millis()).unwrap_or(i64::MAX);
    let scope = scopes.join(" ");
    let expires = state.clock.now().saturating_add(lifetime);
    state
        .tokens()
        .insert(token.clone(), Grant { expires, scopes });
    let body = Object::<Json>::new()
        .with("access_token", token)
        .with("token_type", "Bearer")
        .with("expires_in", (lifetime / 1_000 - 1).max(1))
        .with("scope", scope);
    envelope::json(StatusCode::OK, &body)
}

/// A client registered to manage something may ask for reading or writing it.
fn covered(registered: &[String], scope: &str) -> bool {
    let managed = scope
        .split_once(':')
        .map(|(_, thing)| format!("manage:{thing}"));
    registered
        .iter()
        .any(|one| one == scope || one == "manage:all" || Some(one) == managed.as_ref())
}

fn refusal(status: StatusCode, error: &str) -> Response {
    envelope::guess(envelope::json(status, &json!({"error": error})))
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

fn form(headers: &HeaderMap, body: &Bytes) -> Vec<(String, String)> {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    match content_type.split_once("boundary=") {
        Some((_, boundary)) => {
            multipart(&String::from_utf8_lossy(body), boundary.trim_matches('"'))
        }
        None => form_urlencoded::parse(body).into_owned().collect(),
    }
}

fn multipart(body: &str, boundary: &str) -> Vec<(String, String)> {
    let field = |part: &str| {
        let (head, value) = part.split_once("\r\n\r\n")?;
        let (_, name) = head.split_once("name=\"")?;
        let (name, _) = name.split_once('"')?;
        Some((name.to_owned(), value.trim_end_matches("\r\n").to_owned()))
    };
    body.split(&format!("--{boundary}"))
        .filter_map(field)
        .collect()
}

/// The cheapest probe. Source: clients that read these members.
pub(crate) async fn whoami(
    FromState(state): FromState<Arc<State>>,
    Extension(id): Extension<RequestId>,
) -> Response {
    let user = Object::<Json>::new()
        .with("brandId", state.settings.brand.as_str())
        .with("userId", "UR_0sandboxOwner01")
        .with("userName", format!("sandbox#{}", state.settings.brand))
        .with(
            "accountType",
            if state.settings.brand_administrator {
                "UT_BRANDADMIN"
            } else {
                "UT_4SjjZmbPphZGKDq"
            },
        )
        .with("firstName", "Sandbox")
        .with("lastName", "User")
        .with("email", "sandbox@example.com")
        .with("accountStatus", "active")
        .with("organizationId", state.settings.brand.as_str())
        .with("language", "en");
    envelope::guess(success(user, &id.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multipart_forms_are_read() {
        let body = "--x\r\nContent-Disposition: form-data; name=\"grant_type\"\r\n\r\nclient_credentials\r\n--x\r\n\
                    Content-Disposition: form-data; name=\"scope\"\r\n\r\nread:surveys\r\n--x--\r\n";

        assert_eq!(
            multipart(body, "x"),
            [
                ("grant_type".to_owned(), "client_credentials".to_owned()),
                ("scope".to_owned(), "read:surveys".to_owned())
            ]
        );
    }
}
