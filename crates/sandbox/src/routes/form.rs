//! The survey page that people fill in: `/jfe/form/SV_…`, and `/jfe/preview/SV_…` for preview answers.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::extract::{OriginalUri, Path, State as FromState};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::{StatusCode, Uri, header};
use serde_json::{Map, Value, json};

use crate::callback::EventKind;
use crate::clock;
use crate::delivery;
use crate::handle::{Completion, Handle};
use crate::response::document::Document;
use crate::state::State;
use crate::survey::Survey;
use crate::survey::field::{self, Field, Opt, Shape};
use crate::survey::link;
use crate::survey::question::Question;
use crate::survey::text::escape;

pub(crate) fn routes() -> Router<Arc<State>> {
    Router::new()
        .route("/jfe/form/{survey}", get(show).post(answer))
        .route("/jfe/preview/{survey}", get(show).post(answer))
}

/// Nothing from elsewhere, no scripts.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'";
const STYLE: &str = "body{font:1rem/1.5 system-ui,sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem;color:#1d2d3e;\
    background:#fff}fieldset,.question{border:1px solid #8396a8;border-radius:.5rem;margin:0 0 1rem;padding:.75rem 1rem}\
    legend,.question>label{font-weight:600;padding:0 .25rem}.row{font-weight:400;border-width:1px 0 0;border-radius:0}\
    label{margin-right:1rem;white-space:pre-line}input[type=text],textarea,select{font:inherit;width:100%;padding:.4rem;\
    border:1px solid #556b82;box-sizing:border-box}button{font:inherit;font-weight:600;color:#fff;background:#0064d9;\
    border:0;border-radius:.5rem;padding:.6rem 1.5rem}";

async fn show(
    FromState(state): FromState<Arc<State>>,
    OriginalUri(uri): OriginalUri,
    Path(survey): Path<String>,
) -> Response {
    let Some(survey) = state.survey(&survey) else {
        return no_survey();
    };
    if !survey.is_active() {
        return page(
            StatusCode::OK,
            "Survey closed",
            "<p>This survey is not open at the moment.</p>",
        );
    }
    let handle = Handle {
        state: Arc::clone(&state),
    };
    let now = state.clock.now();
    delivery::announce(
        &state,
        handle.event(EventKind::Started, &survey, &Document::default(), now),
    );
    let action = uri.path_and_query().map_or("", |path| path.as_str());
    page(StatusCode::OK, &survey.name, &form(&survey, action, now))
}

async fn answer(
    FromState(state): FromState<Arc<State>>,
    OriginalUri(uri): OriginalUri,
    Path(survey): Path<String>,
    body: Bytes,
) -> Response {
    let Some(survey) = state.survey(&survey) else {
        return no_survey();
    };
    let url = format!(
        "{}{}",
        state.base_url,
        uri.path_and_query().map_or("", |path| path.as_str())
    );
    let now = state.clock.now();
    let mut values = link::values(&survey, uri.query().unwrap_or_default(), &url);
    values.extend(answers(&survey, &body, now));
    if is_preview(&uri) {
        values.insert("status".to_owned(), json!(1));
        values.insert("distributionChannel".to_owned(), json!("preview"));
    }
    let handle = Handle { state };
    let completion = Completion {
        values,
        fill: false,
        ..Completion::new(&survey.id)
    };
    match handle.submit(&completion) {
        Ok(id) => page(
            StatusCode::OK,
            "Thank you",
            &format!(
                "<p>We thank you for your time. Your response <code>{}</code> has been recorded.</p>",
                escape(&id)
            ),
        ),
        Err(error) => page(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Not recorded",
            &escape(&error.to_string()),
        ),
    }
}

fn is_preview(uri: &Uri) -> bool {
    uri.path().starts_with("/jfe/preview/")
}

fn no_survey() -> Response {
    page(
        StatusCode::NOT_FOUND,
        "No survey",
        "<p>There is no survey here.</p>",
    )
}

/// The posted answers by key; empty ones are unanswered. Line breaks become LF, as in recorded exports.
fn answers(survey: &Survey, body: &[u8], now: clock::Millis) -> Map<String, Value> {
    let mut values = Map::new();
    for (name, value) in form_urlencoded::parse(body) {
        if name == "started" {
            let started = value.parse().unwrap_or(now).clamp(now - 86_400_000, now);
            values.insert("startDate".to_owned(), json!(clock::seconds(started)));
            values.insert("duration".to_owned(), json!((now - started) / 1_000));
        }
        let Some(field) = survey.fields.iter().find(|field| field.key == name) else {
            continue;
        };
        let value = value.replace("\r\n", "\n");
        if value.is_empty() {
            continue;
        }
        match &field.shape {
            Shape::Multi(_) => {
                let list = values.entry(field.key.clone()).or_insert_with(|| json!([]));
                if let Value::Array(list) = list {
                    list.push(json!(value));
                }
            }
            Shape::Number | Shape::Rank(_) => {
                values.insert(field.key.clone(), crate::json::number_or_text(&value));
            }
            _ => {
                values.insert(field.key.clone(), json!(value));
            }
        }
    }
    values
}

fn page(status: StatusCode, title: &str, main: &str) -> Response {
    let title = escape(title);
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style></head><body><main><h1>{title}</h1>\
         {main}</main></body></html>\n"
    );
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, Html(html)).into_response()
}

fn form(survey: &Survey, action: &str, now: clock::Millis) -> String {
    let mut html = format!("<form method=\"post\" action=\"{}\">", escape(action));
    let _ = write!(
        html,
        "<input type=\"hidden\" name=\"started\" value=\"{now}\">"
    );
    for question in &survey.questions {
        html.push_str(&of_question(question));
    }
    html.push_str("<button type=\"submit\">Submit</button></form>");
    html
}

/// One field stands alone; several are grouped under the question's text.
fn of_question(question: &Question) -> String {
    let fields: Vec<Field> = field::fields(question)
        .into_iter()
        .filter(|field| is_asked(&field.shape, question))
        .collect();
    match fields.as_slice() {
        [] => format!("<div class=\"question\">{}</div>", escape(&question.text)),
        [only] => of_field(only, &question.text, "", question.forced),
        several => {
            let rows: String = several
                .iter()
                .map(|field| of_field(field, about(field, question), "row", false))
                .collect();
            format!(
                "<fieldset><legend>{}</legend>{rows}</fieldset>",
                escape(&question.text)
            )
        }
    }
}

/// Orders, groups and what a browser measures are not asked for.
fn is_asked(shape: &Shape, question: &Question) -> bool {
    use crate::survey::question::Kind;

    let measured = matches!(
        question.kind,
        Kind::File | Kind::HeatMap | Kind::Timing | Kind::Meta
    );
    !measured
        && !matches!(
            shape,
            Shape::Order(_) | Shape::NpsGroup | Shape::Points | Shape::Regions
        )
}

/// The part of the field's text behind the question's.
fn about<'a>(field: &'a Field, question: &Question) -> &'a str {
    field
        .text
        .strip_prefix(&question.text)
        .map_or(&field.text, |rest| rest.trim_start_matches(" - "))
}

fn of_field(field: &Field, text: &str, class: &str, forced: bool) -> String {
    let text = escape(if text.is_empty() { &field.tag } else { text });
    let key = escape(&field.key);
    let required = if forced { " required" } else { "" };
    match &field.shape {
        Shape::Single(options) if options.len() > 11 => {
            let options: String = options
                .iter()
                .map(|option| {
                    format!(
                        "<option value=\"{}\">{}</option>",
                        code(option),
                        escape(&option.label)
                    )
                })
                .collect();
            format!(
                "<div class=\"question {class}\"><label for=\"{key}\">{text}</label><select id=\"{key}\" name=\"{key}\"{required}>\
                 <option value=\"\"></option>{options}</select></div>"
            )
        }
        Shape::Single(options) => choices(&key, &text, class, "radio", required, options),
        Shape::Multi(options) => choices(&key, &text, class, "checkbox", "", options),
        Shape::Number | Shape::Rank(_) => format!(
            "<div class=\"question {class}\"><label for=\"{key}\">{text}</label>\
             <input type=\"text\" inputmode=\"decimal\" id=\"{key}\" name=\"{key}\"{required}></div>"
        ),
        _ if field.key.ends_with("_TEXT") && class.is_empty() => format!(
            "<div class=\"question\"><label for=\"{key}\">{text}</label>\
             <textarea rows=\"4\" id=\"{key}\" name=\"{key}\"{required}></textarea></div>"
        ),
        _ => format!(
            "<div class=\"question {class}\"><label for=\"{key}\">{text}</label>\
             <input type=\"text\" id=\"{key}\" name=\"{key}\"{required}></div>"
        ),
    }
}

fn code(option: &Opt) -> String {
    escape(&crate::json::scalar_text(&option.code))
}

fn choices(
    key: &str,
    text: &str,
    class: &str,
    kind: &str,
    required: &str,
    options: &[Opt],
) -> String {
    let inputs: String = options
        .iter()
        .map(|option| {
            let (code, label) = (code(option), escape(&option.label));
            format!("<label><input type=\"{kind}\" name=\"{key}\" value=\"{code}\"{required}> {label}</label> ")
        })
        .collect();
    format!("<fieldset class=\"{class}\"><legend>{text}</legend>{inputs}</fieldset>")
}
