//! Each call as an HTTP request. Ids are safe in paths by construction.

use reqwest::RequestBuilder;
use url::Url;

use super::ask::{Call, Endpoint};
use super::error::QualtricsError;
use super::http::join;
use super::said::excerpt;

const SURVEYS: &str = "/API/v3/surveys";
const SUBSCRIPTIONS: &str = "/API/v3/eventsubscriptions";

/// The request without credentials.
pub(super) fn request(
    http: &reqwest::Client,
    base: &Url,
    call: &Call,
) -> Result<RequestBuilder, QualtricsError> {
    let get = |path: &str| http.get(join(base, path));
    let post = |path: &str| http.post(join(base, path));
    let request = match call {
        Call::Response(survey, response) => {
            get(&format!("{SURVEYS}/{survey}/responses/{response}"))
        }
        Call::ResponseSchema(survey) => get(&format!("{SURVEYS}/{survey}/response-schema")),
        Call::Survey(survey) => get(&format!("{SURVEYS}/{survey}")),
        Call::SurveyDefinition(survey) => get(&format!("/API/v3/survey-definitions/{survey}")),
        Call::Surveys(next) => http.get(page(base, call.endpoint(), SURVEYS, next.as_ref())?),
        Call::WhoAmI => get("/API/v3/whoami"),
        Call::Subscriptions(next) => {
            http.get(page(base, call.endpoint(), SUBSCRIPTIONS, next.as_ref())?)
        }
        Call::Subscribe(subscription) => post(SUBSCRIPTIONS).json(&subscription.body()),
        Call::Unsubscribe(id) => http.delete(join(base, &format!("{SUBSCRIPTIONS}/{id}"))),
        Call::ExportStart(survey, request) => {
            post(&format!("{SURVEYS}/{survey}/export-responses")).json(&request.body())
        }
        Call::ExportProgress(survey, export) => {
            get(&format!("{SURVEYS}/{survey}/export-responses/{export}"))
        }
        Call::ExportFile(survey, file) => {
            get(&format!("{SURVEYS}/{survey}/export-responses/{file}/file"))
        }
    };
    Ok(request)
}

/// The first page, or the next one if it is a page of the same list on our own host: the token goes nowhere else.
fn page(
    base: &Url,
    endpoint: Endpoint,
    path: &str,
    next: Option<&Url>,
) -> Result<Url, QualtricsError> {
    let mut url = join(base, path);
    let Some(next) = next else { return Ok(url) };
    if next.origin() != url.origin() || next.path().trim_end_matches('/') != url.path() {
        let host = excerpt(next.host_str().unwrap_or("nowhere"));
        return Err(QualtricsError::bad(
            endpoint,
            format!(
                "a next page at {host}{}, which is not ours: set QUALTRICS_BASE_URL to that host if it is the brand's",
                excerpt(next.path())
            ),
        ));
    }
    url.set_query(next.query());
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_next_page_stays_on_our_host_and_in_its_list() {
        let base: Url = "https://fra1.qualtrics.com".parse().unwrap();
        let page = |next: &str| {
            let next = next.parse().unwrap();
            page(&base, Endpoint::Surveys, SURVEYS, Some(&next)).map(|url| url.to_string())
        };

        assert_eq!(
            page("https://fra1.qualtrics.com/API/v3/surveys/?offset=100").unwrap(),
            "https://fra1.qualtrics.com/API/v3/surveys?offset=100"
        );
        for foreign in [
            "https://evil.example/API/v3/surveys?offset=100",
            "http://fra1.qualtrics.com/API/v3/surveys?offset=100",
            "https://fra1.qualtrics.com:8443/API/v3/surveys?offset=100",
            "https://fra1.qualtrics.com.evil.example/API/v3/surveys",
            "https://fra1.qualtrics.com/API/v3/surveys/../whoami",
            "https://fra1.qualtrics.com/oauth2/token",
            "data:text/plain,x",
        ] {
            let error = page(foreign).unwrap_err();
            assert_eq!(error.code(), "bad-answer", "{foreign}");
        }
    }
}
