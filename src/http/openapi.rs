//! `/openapi.json`: the routes except those of OData, which `$metadata` describes. The document stands beside this file.
//! Source: "`OpenAPI` Specification 3.1.0".

use axum::Router;
use axum::response::IntoResponse as _;
use axum::routing::get;
use http::header;

use super::App;

const DOCUMENT: &str = include_str!("openapi.json");

pub(super) fn routes() -> Router<App> {
    let document =
        async || ([(header::CONTENT_TYPE, "application/json")], DOCUMENT).into_response();
    Router::new().route("/openapi.json", get(document))
}
