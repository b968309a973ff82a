//! Who asks: a bearer token becomes a [`Viewer`]. Without one a route has no way to rows.
//!
//! The caller learns that a token is missing or not believed, and nothing more; `access explain` says why.

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use ingester_core::access::Viewer;

use super::App;
use super::error::ApiError;
use crate::config::Auth;
use crate::identity::{IdentityError, READ};

/// How `AUTH=none` calls whoever asks.
const ANYBODY: &str = "anybody";

impl FromRequestParts<App> for Viewer {
    type Rejection = ApiError;

    /// Whoever may read: with `AUTH=none` everybody, else the holder of a token with the scope `Read`.
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        require_scope(app, &parts.headers, &[READ]).await
    }
}

/// The viewer behind a request, who must have one of the scopes.
///
/// # Errors
/// 401 without a valid token, 403 without a scope, 503 while tokens can't be checked.
pub async fn require_scope(
    app: &App,
    headers: &HeaderMap,
    scopes: &[&str],
) -> Result<Viewer, ApiError> {
    let viewer = match (&app.identity, &app.config.auth) {
        (Some(identity), _) => {
            let token = bearer(headers).ok_or_else(unauthenticated)?;
            identity.authenticate(token).await.map_err(refused)?
        }
        (None, Auth::None) => return Ok(anybody()),
        (None, Auth::Closed | Auth::Xsuaa(_) | Auth::Ias(_) | Auth::Oidc(_)) => {
            return Err(unauthenticated());
        }
    };
    if scopes.iter().any(|scope| viewer.scopes.contains(*scope)) {
        return Ok(viewer);
    }
    Err(ApiError::new(
        StatusCode::FORBIDDEN,
        "forbidden",
        format!("the token lacks the scope {}", scopes.join(" or ")),
    ))
}

/// What follows `Bearer`, whose spelling is free. Source: RFC 9110, 11.1.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim_start())
}

fn anybody() -> Viewer {
    Viewer {
        subject: ANYBODY.to_owned(),
        ..Viewer::default()
    }
}

fn unauthenticated() -> ApiError {
    ApiError::new(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "a valid bearer token is needed",
    )
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is used as the argument of map_err"
)]
fn refused(error: IdentityError) -> ApiError {
    if error.is_transient() {
        tracing::warn!(%error, "tokens can't be checked: {error}");
        return ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            error.code(),
            "tokens can't be checked now",
        );
    }
    // Whoever sends junk could fill the log at any higher level.
    tracing::debug!(reason = error.code(), "token refused: {error}");
    unauthenticated()
}
