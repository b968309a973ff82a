//! What every API call passes: credentials, data centre, limits, scopes, faults; and the log behind it.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State as FromState};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use tokio::time::Instant;

use crate::clock;
use crate::envelope::Problem;
use crate::faults::OnOff;
use crate::journal::Call;
use crate::routes::RequestId;
use crate::routes::endpoint::Endpoint;
use crate::routes::spoil;
use crate::state::State;

pub(crate) async fn gate(
    FromState(state): FromState<Arc<State>>,
    mut request: Request,
    next: Next,
) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| path.as_str().to_owned())
        .unwrap_or_default();
    let endpoint = Endpoint::of(request.method(), &route);
    let id = RequestId(state.with_random(crate::random::Random::uuid));
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let accepts_gzip = accepts_gzip(request.headers());
    let mut fault = None;
    let response = match admit(&state, &endpoint, &request, &id) {
        Err(refusal) => refusal,
        Ok(()) => match spoil::instead(&state, &endpoint, &id.0).await {
            Some((name, response)) => {
                fault = Some(name);
                response
            }
            None => {
                request.extensions_mut().insert(id.clone());
                let response = next.run(request).await;
                let notice = notice(&state, &endpoint);
                let (name, response) =
                    spoil::after(&state, &endpoint, response, notice, accepts_gzip).await;
                fault = name;
                response
            }
        },
    };
    state.journal.call(Call {
        at: clock::millis(state.clock.now()),
        method: method.to_string(),
        path,
        endpoint: endpoint.name,
        status: response.status().as_u16(),
        fault,
    });
    response
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains("gzip"))
}

/// A call for another data centre is proxied for API tokens. Source: Qualtrics' documentation.
fn notice(state: &State, endpoint: &Endpoint) -> bool {
    endpoint.name != "token" && state.faults().wrong_datacenter == OnOff::On
}

/// Recorded order: length, credential, token; the rest is assumed.
fn admit(
    state: &State,
    endpoint: &Endpoint,
    request: &Request,
    id: &RequestId,
) -> Result<(), Response> {
    let headers = request.headers();
    let lengthless = !headers.contains_key(header::CONTENT_LENGTH)
        && !headers.contains_key(header::TRANSFER_ENCODING);
    if request.method() == Method::POST && lengthless {
        return Err(StatusCode::LENGTH_REQUIRED.into_response());
    }
    if endpoint.name == "token" {
        return Ok(());
    }
    let caller = caller(state, headers).map_err(|problem| problem.answer(&id.0))?;
    if let Err(wait) = state.limits().admit(endpoint.class, Instant::now()) {
        return Err(too_many(&id.0, Some(wait.as_secs() + 1)));
    }
    let allowed = match &caller {
        Caller::ApiToken => {
            state.settings.brand_administrator || endpoint.family != "subscriptions"
        }
        Caller::Client(scopes) => endpoint.allowed_by(scopes),
    };
    if allowed {
        Ok(())
    } else {
        Err(Problem::NoRight.answer(&id.0))
    }
}

pub(crate) fn too_many(request_id: &str, retry_after: Option<u64>) -> Response {
    let mut response = Problem::TooMany.answer(request_id);
    if let Some(seconds) = retry_after {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

enum Caller {
    /// Has its user's rights, no scopes.
    ApiToken,
    Client(Vec<String>),
}

/// Source: recorded 400 without credential, recorded 401 for an unknown token.
fn caller(state: &State, headers: &HeaderMap) -> Result<Caller, Problem> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(token) = text("x-api-token") {
        let known = token == state.settings.api_token;
        return if known {
            Ok(Caller::ApiToken)
        } else {
            Err(Problem::UnknownToken)
        };
    }
    let Some(authorization) = text("authorization") else {
        return Err(Problem::NoCredential);
    };
    let token = match authorization.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => return Err(Problem::UnknownToken),
    };
    if state.faults().wrong_datacenter == OnOff::On {
        return Err(Problem::UnknownToken);
    }
    let now = state.clock.now();
    let mut tokens = state.tokens();
    match tokens.get(token) {
        Some(grant) if grant.expires > now => Ok(Caller::Client(grant.scopes.clone())),
        Some(_) => {
            tokens.remove(token);
            Err(Problem::UnknownToken)
        }
        None => Err(Problem::UnknownToken),
    }
}
