//! `/cards/`: the bundles of the cards, and a page that shows all of them in the real UI5.

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use http::{HeaderMap, StatusCode};
use ingester_core::access::Viewer;
use serde_json::json;
use url::Url;

use super::error::ApiError;
use super::{App, page};
use crate::cards::{self, Answers, Deck};

const INDEX: &str = include_str!("../../web/cards/preview/index.html");
const STYLE: &str = include_str!("../../web/cards/preview/preview.css");
const SCRIPT: &str = include_str!("../../web/cards/preview/preview.js");

/// What bundles say here; the package counts its own.
const VERSION: &str = "1.0.0";

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/cards", get(|| async { Redirect::permanent("cards/") }))
        .route("/cards/", get(index))
        .route("/cards/preview.css", get(style))
        .route("/cards/preview.js", get(script))
        .route("/cards/cards.json", get(list))
        .route("/cards/{name}/{*path}", get(file))
}

/// What the tables of the known surveys can answer, in the configuration's order.
pub(super) fn answers(app: &App) -> Vec<Answers> {
    let form = form(app.config.qualtrics.base_url.as_ref());
    let ids = app.surveys.ids();
    let known = ids.iter().filter_map(|id| app.surveys.known(id));
    known
        .map(|survey| {
            let settings = &survey.settings;
            Answers::new(
                settings.id.as_ref(),
                &settings.name,
                survey.definition.name(),
                form.clone(),
                &survey.map,
            )
        })
        .collect()
}

/// Where surveys are filled in. Source: the anonymous links that Qualtrics hands out, `/jfe/form/SV_…`.
pub(crate) fn form(base_url: Option<&Url>) -> Option<String> {
    base_url.map(|url| format!("{url}jfe/form/"))
}

async fn index(State(app): State<App>, _: Viewer, headers: HeaderMap) -> Response {
    let ui5 = app.config.ui5_url.as_str();
    let origin = app.config.ui5_url.origin().ascii_serialization();
    let index = INDEX.replace("{ui5}", &attribute(ui5));
    let answer = page::file(&headers, page::HTML, index);
    // UI5 sets styles in elements; scripts come from files only.
    let policy = format!(
        "script-src 'self' {origin}; style-src 'self' 'unsafe-inline' {origin}; img-src 'self' data: {origin}; font-src data: {origin}; connect-src 'self' {origin}"
    );
    page::restrict(answer, &policy, &app.config.web.frame_ancestors)
}

/// An address holds no quotes and no `<`; `&` is what is left.
fn attribute(text: &str) -> String {
    text.replace('&', "&amp;")
}

async fn style(_: Viewer, headers: HeaderMap) -> Response {
    page::file(&headers, page::CSS, STYLE)
}

async fn script(_: Viewer, headers: HeaderMap) -> Response {
    page::file(&headers, page::JAVASCRIPT, SCRIPT)
}

/// For the page: which cards there are.
async fn list(State(app): State<App>, _: Viewer, headers: HeaderMap) -> Response {
    let deck = Deck::generic(&answers(&app));
    let cards: Vec<_> = deck
        .cards
        .iter()
        .map(|card| json!({ "name": card.name, "type": card.kind.card_type() }))
        .collect();
    let body = json!({ "destination": cards::DESTINATION, "cards": cards });
    page::file(&headers, page::JSON, body.to_string())
}

async fn file(
    State(app): State<App>,
    _: Viewer,
    Path((name, path)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let answers = answers(&app);
    let card = [Deck::generic(&answers), Deck::fixed(&answers)]
        .into_iter()
        .find_map(|deck| deck.card(&name).cloned());
    let file = card.and_then(|card| card.files(VERSION).remove(&path));
    match file {
        Some(file) => page::file(&headers, content_type(&path), file),
        None => ApiError::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "there is no such card or file: `cards list` names them",
        )
        .into_response(),
    }
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.') {
        Some((_, "json")) => page::JSON,
        Some((_, "js")) => page::JAVASCRIPT,
        _ => page::TEXT,
    }
}
