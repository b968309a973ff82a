//! The surveys that the credentials see, how one of them stands, and who we are.

use ingester_core::id::SurveyId;
use ingester_core::time::{Timestamp, parse_instant};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use url::Url;

use super::ask::{Call, Endpoint, Priority};
use super::error::QualtricsError;
use super::said::excerpt;
use super::{Qualtrics, envelope};

/// A list longer than this is not one.
const PAGES_MAX: usize = 1000;

/// One line of `GET /surveys`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SurveySummary {
    /// The survey.
    pub id: SurveyId,
    /// Its title.
    pub name: String,
    /// Whether it takes responses.
    #[serde(default)]
    pub is_active: bool,
    /// When it was made.
    #[serde(default, deserialize_with = "instant")]
    pub creation_date: Option<Timestamp>,
    /// When its definition last changed.
    #[serde(default, deserialize_with = "instant")]
    pub last_modified: Option<Timestamp>,
}

/// How a survey stands: the cheap look before a definition or an export is fetched.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SurveyState {
    /// The survey.
    pub id: SurveyId,
    /// Its title.
    pub name: String,
    /// Whether it takes responses.
    #[serde(default)]
    pub is_active: bool,
    /// When it was made; where backfill begins.
    #[serde(default, deserialize_with = "instant")]
    pub creation_date: Option<Timestamp>,
    /// When its definition last changed.
    #[serde(default, deserialize_with = "instant")]
    pub last_modified_date: Option<Timestamp>,
    /// How many responses there are.
    #[serde(default)]
    pub response_counts: Option<ResponseCounts>,
}

/// `responseCounts` of a survey.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct ResponseCounts {
    /// Responses of respondents.
    #[serde(default)]
    pub auditable: u64,
    /// Generated test responses.
    #[serde(default)]
    pub generated: u64,
    /// Deleted ones.
    #[serde(default)]
    pub deleted: u64,
}

/// Whom the credentials belong to. The name and the address are left where they are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WhoAmI {
    /// The brand, which is the customer.
    pub brand_id: String,
    /// The user.
    #[serde(default)]
    pub user_id: Option<String>,
    /// Its kind of account.
    #[serde(default)]
    pub account_type: Option<String>,
    /// What Qualtrics noted beside the answer: that another data centre would answer faster.
    #[serde(skip)]
    pub notice: Option<String>,
}

/// One page of a list.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    #[serde(borrow)]
    elements: Vec<&'a RawValue>,
    #[serde(default)]
    next_page: Option<String>,
}

impl Qualtrics {
    /// How a survey stands.
    ///
    /// # Errors
    /// Whatever the call ends with.
    pub async fn survey(&self, survey: &SurveyId) -> Result<SurveyState, QualtricsError> {
        let endpoint = Endpoint::Survey;
        let answer = self
            .ask(Call::Survey(survey.clone()), Priority::Live)
            .await?;
        envelope::result(endpoint, &answer.body(endpoint)?)
    }

    /// All surveys that the credentials see.
    ///
    /// # Errors
    /// Whatever a call ends with; a next page on another host.
    pub async fn surveys(&self) -> Result<Vec<SurveySummary>, QualtricsError> {
        self.pages(Call::Surveys).await
    }

    /// Whom the credentials belong to: the cheapest proof that they work.
    ///
    /// # Errors
    /// Whatever the call ends with.
    pub async fn whoami(&self) -> Result<WhoAmI, QualtricsError> {
        let endpoint = Endpoint::WhoAmI;
        let answer = self.ask(Call::WhoAmI, Priority::Live).await?;
        let body = answer.body(endpoint)?;
        let mut who: WhoAmI = envelope::result(endpoint, &body)?;
        let meta = envelope::meta(&body).unwrap_or_default();
        who.notice = meta.notice.map(|notice| excerpt(&notice).into());
        Ok(who)
    }

    /// Reads a list page by page.
    pub(super) async fn pages<T: for<'de> Deserialize<'de>>(
        &self,
        call: impl Fn(Option<Url>) -> Call,
    ) -> Result<Vec<T>, QualtricsError> {
        let endpoint = call(None).endpoint();
        let mut all = Vec::new();
        let mut next = None;
        for _ in 0..PAGES_MAX {
            let answer = self.ask(call(next.clone()), Priority::Live).await?;
            let body = answer.body(endpoint)?;
            let page: Page<'_> = envelope::result(endpoint, &body)?;
            all.extend(
                page.elements
                    .into_iter()
                    .filter_map(|element| read(endpoint, element)),
            );
            let Some(url) = page.next_page else {
                return Ok(all);
            };
            let url = Url::parse(&url)
                .map_err(|_| QualtricsError::bad(endpoint, "a next page that is no URL"))?;
            if next.as_ref() == Some(&url) {
                return Err(QualtricsError::bad(endpoint, "a page that follows itself"));
            }
            next = Some(url);
        }
        Err(QualtricsError::bad(
            endpoint,
            format!("a list of more than {PAGES_MAX} pages"),
        ))
    }
}

/// One element. One that can't be read must not hide the others.
fn read<T: for<'de> Deserialize<'de>>(endpoint: Endpoint, element: &RawValue) -> Option<T> {
    serde_json::from_str(element.get())
        .inspect_err(|error| {
            let error = envelope::unexpected(endpoint, error);
            tracing::warn!(error = %error, "left out of the list: {error}");
        })
        .ok()
}

/// An instant, if it is one.
fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text: Option<String> = Deserialize::deserialize(deserializer)?;
    Ok(text.as_deref().and_then(parse_instant))
}
