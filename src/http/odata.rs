//! `/odata/v4/feedback/`: from a request to rows and back. Parse, restrict, select, read from one state of the
//! database, write; parts of a `$batch` take the same way.

mod answer;
mod list;
mod reads;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use ingester_core::access::{Viewer, Visible};
use ingester_core::id::SurveyId;
use ingester_core::odata::{
    self, Format, Incoming, JsonFormat, Query, QueryError, Resource, SetKind, Target, Version,
    json, metadata,
};
use ingester_core::sql::{self, Selection};
use ingester_core::time::Timestamp;
use tower::ServiceBuilder;
use tower_http::set_header::SetResponseHeaderLayer;

use super::error::ApiError;
use super::{App, batch, surveys_set};
use crate::lifecycle;
use crate::model::Served;
pub(super) use answer::Answer;
pub(super) use reads::number;
use reads::{Reads, one_row};

/// Where the service's URLs begin.
pub(super) const ROOT: &str = "/odata/v4/feedback/";

pub(super) const ODATA_VERSION: HeaderName = HeaderName::from_static("odata-version");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/odata/v4/feedback", any(serve))
        .route("/odata/v4/feedback/", any(serve))
        .route("/odata/v4/feedback/{*path}", any(serve))
        .layer(
            ServiceBuilder::new()
                .layer(SetResponseHeaderLayer::overriding(
                    ODATA_VERSION,
                    HeaderValue::from_static("4.0"),
                ))
                // An answer depends on these, and belongs to one viewer.
                .layer(SetResponseHeaderLayer::appending(
                    header::VARY,
                    HeaderValue::from_static("Accept, Prefer, Authorization"),
                ))
                .layer(SetResponseHeaderLayer::if_not_present(
                    header::CACHE_CONTROL,
                    HeaderValue::from_static("private, no-cache"),
                )),
        )
}

async fn serve(State(app): State<App>, viewer: Viewer, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let path = head.uri.path().strip_prefix(ROOT).unwrap_or_default();
    let text = |name: &str| text(&head.headers, name);
    let incoming = Incoming {
        method: head.method.as_str(),
        path,
        query: head.uri.query(),
        path_start: ROOT.len(),
        accept: text("accept"),
        version: text("odata-version"),
        max_version: text("odata-maxversion"),
        prefer: text("prefer"),
    };
    let mut reading = Reading::new(app, viewer);
    if let Some(survey) = reading.unknown_survey(path) {
        if let Err(error) = make_known(&reading.app, &survey).await {
            return error.into_response();
        }
        reading.served = reading.app.models.current();
    }
    let answered = match reading.parse(&incoming) {
        Ok(request) if request.target == Target::Batch => {
            return batch::serve(reading, &head.headers, body).await;
        }
        Ok(request) => reading.answer(request, text("if-none-match")).await,
        Err(error) => Err(error),
    };
    match answered {
        Ok(answer) => answer.into_response(),
        Err(error) if error.status == StatusCode::METHOD_NOT_ALLOWED => {
            let allowed = if path == "$batch" {
                "POST, OPTIONS"
            } else {
                odata::ALLOW
            };
            ([(header::ALLOW, allowed)], error).into_response()
        }
        Err(error) => error.into_response(),
    }
}

/// A header's value, where it is text.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// One viewer's way to rows, at one instant.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) app: App,
    pub(super) viewer: Viewer,
    pub(super) served: Arc<Served>,
    pub(super) now: Timestamp,
}

impl Reading {
    pub(super) fn new(app: App, viewer: Viewer) -> Self {
        let served = app.models.current();
        Self {
            app,
            viewer,
            served,
            now: lifecycle::now(),
        }
    }

    /// Understands a request, or says why not: a survey that is configured but not known yet is not "not found".
    pub(super) fn parse(&self, incoming: &Incoming<'_>) -> Result<odata::Request, ApiError> {
        odata::parse(&self.served.model, incoming).map_err(|error| {
            match self.unknown_survey(incoming.path) {
                Some(_) => not_known("definition-unavailable"),
                None => error.into(),
            }
        })
    }

    /// The configured survey that a path names and that is not served yet.
    fn unknown_survey(&self, path: &str) -> Option<SurveyId> {
        let name = path.split(['/', '(']).next()?;
        let ids = self.app.surveys.ids();
        let named = |id: &&SurveyId| {
            self.app
                .surveys
                .get(id)
                .is_some_and(|survey| survey.name == name)
        };
        let id = ids.iter().find(named)?;
        self.served.survey(id).is_none().then(|| id.clone())
    }

    /// Answers anything but a batch.
    pub(super) async fn answer(
        &self,
        request: odata::Request,
        known_tags: Option<&str>,
    ) -> Result<Answer, ApiError> {
        let (format, json) = (request.format, json_format(request.format));
        let model = &self.served.model;
        let body = match request.target {
            Target::Service => json::service_document(model, json),
            Target::Metadata if format == Format::Xml => metadata::xml(model),
            Target::Metadata => metadata::json(model),
            Target::Options => return Ok(Answer::options()),
            // `serve` and `$batch` itself leave none for here.
            Target::Batch => {
                return Err(QueryError::new(odata::Problem::NotFound, "no batch").into());
            }
            Target::Query(query) => {
                let how = How {
                    format,
                    head_only: request.head_only,
                    preferred_page_size: request.preferred_page_size,
                };
                return self.query(*query, how, known_tags).await;
            }
        };
        let answer = Answer::whole(format, body).with_tag_of_body(known_tags);
        Ok(if request.head_only {
            answer.head()
        } else {
            answer
        })
    }

    async fn query(
        &self,
        query: Query,
        how: How,
        known_tags: Option<&str>,
    ) -> Result<Answer, ApiError> {
        let page_size = u64::from(self.app.config.odata.page_size.get());
        let page_rows = how
            .preferred_page_size
            .map_or(page_size, |preferred| preferred.min(page_size));
        let values = surveys_set::values(self, query.set()).await?;
        // CSV is for spreadsheets, which follow no links.
        let page = (how.format != Format::Csv).then_some(page_rows);
        let (query, mut selection) = self.select(query, page, &values)?;
        let tag = |survey: &SurveyId, change_number| {
            let version = Version {
                change_number,
                definition: self
                    .served
                    .survey(survey)
                    .map_or("", |known| &known.version),
                page_rows,
                minute: self.now.as_second().div_euclid(60),
            };
            odata::etag(&query, how.format, version)
        };
        let survey = match &query.get().set().kind {
            SetKind::Survey(survey) => Some(survey.clone()),
            SetKind::AboutSurveys { .. } => None,
        };
        if let (Some(survey), Some(tags)) = (&survey, known_tags) {
            let tag = tag(survey, self.change_number(survey).await?);
            if answer::is_among(&tag, tags) {
                return Ok(Answer::not_modified(tag));
            }
        }
        let mut reads = self
            .read(survey.as_ref(), query.get(), &mut selection, how)
            .await?;
        // What is read last is waited for first: by then all the rest is there, and costs no wait of its own.
        if let Some(rows) = &mut reads.rows {
            rows.ready().await;
        }
        // The number is as old as the rows or older, so that a tag never vouches for rows that are newer than it.
        let tag = match (&survey, reads.change_number.take()) {
            (Some(survey), Some(stream)) => Some(tag(survey, number(stream).await?)),
            _ => None,
        };
        let applied = how
            .preferred_page_size
            .map(|_| format!("odata.maxpagesize={page_rows}"));
        let answer = self.written(query, selection, how, reads).await?;
        Ok(answer
            .with(header::ETAG, tag)
            .with(PREFERENCE_APPLIED, applied))
    }

    async fn written(
        &self,
        query: Visible<Query>,
        selection: Selection,
        how: How,
        reads: Reads,
    ) -> Result<Answer, ApiError> {
        if let Some(anchor) = reads.anchor
            && anchor.all().await?.is_empty()
        {
            return Err(sql::gone().into());
        }
        let count = match reads.count {
            Some(stream) => Some(number(stream).await?),
            None => None,
        };
        let (json, resource) = (json_format(how.format), query.get().resource());
        let Some(rows) = reads.rows else {
            let text = count.map(|count| count.to_string()).unwrap_or_default();
            let answer = Answer::whole(how.format, text.into_bytes());
            return Ok(if how.head_only { answer.head() } else { answer });
        };
        let body = match resource {
            Resource::List | Resource::Count => {
                return list::answer(&self.app, query, selection, how.format, count, rows).await;
            }
            Resource::Entity(_) => {
                let row = one_row(rows).await?;
                Some(json::entity(query.get(), &selection.shape, json, &row))
            }
            Resource::Property { raw: true, .. } => {
                let row = one_row(rows).await?;
                json::raw_value(&selection.shape, &row).map(String::into_bytes)
            }
            Resource::Property { .. } => {
                let row = one_row(rows).await?;
                json::property(query.get(), &selection.shape, json, &row)
            }
        };
        let answer = body.map_or_else(Answer::no_content, |body| Answer::whole(how.format, body));
        Ok(if how.head_only { answer.head() } else { answer })
    }
}

/// How a query is to be answered.
#[derive(Debug, Clone, Copy)]
struct How {
    format: Format,
    head_only: bool,
    preferred_page_size: Option<u64>,
}

fn json_format(format: Format) -> JsonFormat {
    match format {
        Format::Json(json) => json,
        Format::Csv | Format::Xml | Format::Text => JsonFormat::default(),
    }
}

/// Tries once more to know a survey that is configured, for as long as a reader may wait.
async fn make_known(app: &App, survey: &SurveyId) -> Result<(), ApiError> {
    const PATIENCE: Duration = Duration::from_secs(2);
    match tokio::time::timeout(PATIENCE, app.surveys.compiled(survey)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(not_known(error.code())),
        Err(_) => Err(not_known("definition-unavailable")),
    }
}

/// Whoever operates the service learns the reason from the log and from `check`.
fn not_known(code: &'static str) -> ApiError {
    ApiError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        code,
        "the survey is configured, but its definition or table can't be had yet",
    )
}
