//! Qualtrics' envelope: `{"result": …, "meta": {"httpStatus", "requestId", "error"?, "notice"?}}`.

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::json::{Json, Object};

/// Marks an answer whose shape nobody has recorded.
pub(crate) const EVIDENCE: HeaderName = HeaderName::from_static("x-sandbox-evidence");

/// `200 - OK`. Source: recorded answers, and a client that tests these texts.
pub(crate) fn status_text(status: StatusCode) -> String {
    let reason = match status.as_u16() {
        503 => "Temporary Internal Server Error",
        _ => status.canonical_reason().unwrap_or("Unknown"),
    };
    format!("{} - {reason}", status.as_u16())
}

/// An answer with a result.
pub(crate) fn success(result: impl Serialize, request_id: &str) -> Response {
    answer(StatusCode::OK, Some(result), request_id)
}

/// An answer with `meta` only. Source: recorded deletion of a subscription.
pub(crate) fn done(request_id: &str) -> Response {
    answer(StatusCode::OK, None::<()>, request_id)
}

/// 202 for a response that can't be read yet. Source: Qualtrics OpenAPI; the text of `httpStatus` is a guess.
pub(crate) fn not_yet(request_id: &str) -> Response {
    let message = "The Survey Response is not yet available. Please try again later.";
    guess(answer(
        StatusCode::ACCEPTED,
        Some(Object::<Json>::new().with("message", message)),
        request_id,
    ))
}

#[derive(Serialize)]
struct Envelope<T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<T>,
    meta: Object,
}

fn answer<T: Serialize>(status: StatusCode, result: Option<T>, request_id: &str) -> Response {
    let meta = Object::new()
        .with("httpStatus", status_text(status))
        .with("requestId", request_id);
    json(status, &Envelope { result, meta })
}

/// The envelope around a document that is already text.
pub(crate) fn around(document: &[u8], request_id: &str) -> Response {
    let mut body = Vec::with_capacity(document.len() + 120);
    body.extend_from_slice(b"{\"result\":");
    body.extend_from_slice(document);
    body.extend_from_slice(b",\"meta\":{\"httpStatus\":\"200 - OK\",\"requestId\":\"");
    body.extend_from_slice(request_id.as_bytes());
    body.extend_from_slice(b"\"}}");
    (
        StatusCode::OK,
        [(header::CONTENT_TYPE, "application/json")],
        body,
    )
        .into_response()
}

pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(body) => (status, [(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

pub(crate) fn guess(mut response: Response) -> Response {
    response
        .headers_mut()
        .insert(EVIDENCE, HeaderValue::from_static("guess"));
    response
}

/// An error of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// Recorded.
    NoCredential,
    /// Recorded, with an empty request id.
    UnknownToken,
    /// Recorded: neither code nor request id.
    NoRoute,
    /// The text is what a client tests for, the code another.
    NoSurveyId,
    NoRight,
    NoSurvey,
    NoResponse,
    NoSubscription,
    NoExport,
    Parameter(&'static str),
    TooMany,
    Internal,
    Unavailable,
    Gateway,
}

struct Parts {
    status: u16,
    message: &'static str,
    code: Option<&'static str>,
    is_guess: bool,
}

fn recorded(status: u16, message: &'static str, code: Option<&'static str>) -> Parts {
    Parts {
        status,
        message,
        code,
        is_guess: false,
    }
}

fn guessed(status: u16, message: &'static str, code: &'static str) -> Parts {
    Parts {
        status,
        message,
        code: Some(code),
        is_guess: true,
    }
}

impl Problem {
    fn parts(self) -> Parts {
        match self {
            Self::NoCredential => recorded(
                400,
                "Expected authorization in headers, but none provided.",
                Some("ATP_2"),
            ),
            Self::UnknownToken => recorded(401, "Unrecognized X-API-TOKEN.", Some("DCD_7")),
            Self::NoRoute => recorded(404, "The requested resource does not exist.", None),
            Self::NoSurveyId => recorded(400, "Invalid surveyId parameter.", Some("QVAL_7")),
            Self::NoRight => guessed(
                403,
                "You do not have permission to use this resource.",
                "AUTH_6",
            ),
            Self::NoSurvey => guessed(404, "The requested survey does not exist.", "SURVEY_404"),
            Self::NoResponse => guessed(404, "The requested response does not exist.", "RESP_404"),
            Self::NoSubscription => {
                guessed(404, "The requested subscription does not exist.", "SUB_404")
            }
            Self::NoExport => guessed(404, "The requested export does not exist.", "ES_404"),
            Self::Parameter(message) => guessed(400, message, "QVAL_1"),
            Self::TooMany => guessed(429, "Too many requests.", "RTL_1"),
            Self::Internal => guessed(500, "Internal Server Error", "ISE_1"),
            Self::Unavailable => guessed(503, "Temporary Internal Server Error", "TISE_1"),
            Self::Gateway => guessed(504, "Gateway Timeout", "GT_1"),
        }
    }

    pub(crate) fn answer(self, request_id: &str) -> Response {
        let Parts {
            status,
            message,
            code,
            is_guess,
        } = self.parts();
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let response = problem(status, message, code, self.request_id(request_id));
        if is_guess { guess(response) } else { response }
    }

    fn request_id(self, request_id: &str) -> Option<&str> {
        match self {
            Self::UnknownToken => Some(""),
            Self::NoRoute => None,
            _ => Some(request_id),
        }
    }
}

/// An error envelope. Source: recorded; `instanceId` comes with 500, 503 and 504 according to a client.
pub(crate) fn problem(
    status: StatusCode,
    message: &str,
    code: Option<&str>,
    request_id: Option<&str>,
) -> Response {
    let mut error = Object::new().with("errorMessage", message);
    if let Some(code) = code {
        error.push("errorCode", code);
    }
    if status.is_server_error() {
        error.push("instanceId", "11111111-2222-3333-4444-555555555555");
    }
    let mut meta = Object::new()
        .with("httpStatus", status_text(status))
        .with("error", error);
    if let Some(id) = request_id {
        meta.push("requestId", id);
    }
    json(status, &Envelope::<()> { result: None, meta })
}
