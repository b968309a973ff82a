//! What is asked of Qualtrics: one message per call of its API. Whoever drains the channel of [`Ask`]s answers them;
//! in the service that is the dispatcher with its HTTP client.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use ingester_core::id::{ResponseId, SubscriptionId, SurveyId};
use ingester_core::time::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use url::Url;

use super::error::QualtricsError;
use super::exports::{ExportId, ExportRequest};
use super::subscriptions::NewSubscription;

/// One call, whose turn it is, and where the answer goes.
#[derive(Debug)]
pub struct Ask {
    /// The call.
    pub what: Call,
    /// Its rank among those that wait.
    pub priority: Priority,
    /// Takes the answer. Closed if nobody waits for it any more.
    pub reply: Reply,
    /// The place among the unanswered, free again when the ask is gone.
    pub(super) _place: OwnedSemaphorePermit,
}

/// Takes the answer to an ask.
pub type Reply = oneshot::Sender<Result<Answer, QualtricsError>>;

/// Everything that we ask of Qualtrics. Closed: the client matches all of it, without `_`.
#[derive(Debug, Clone)]
pub enum Call {
    /// `GET /surveys/{id}/responses/{id}`
    Response(SurveyId, ResponseId),
    /// `GET /surveys/{id}/response-schema`
    ResponseSchema(SurveyId),
    /// `GET /surveys/{id}`
    Survey(SurveyId),
    /// `GET /survey-definitions/{id}`
    SurveyDefinition(SurveyId),
    /// `GET /surveys`, or the page that the last answer named
    Surveys(Option<Url>),
    /// `GET /whoami`
    WhoAmI,
    /// `GET /eventsubscriptions`, or the page that the last answer named
    Subscriptions(Option<Url>),
    /// `POST /eventsubscriptions`
    Subscribe(NewSubscription),
    /// `DELETE /eventsubscriptions/{id}`
    Unsubscribe(SubscriptionId),
    /// `POST /surveys/{id}/export-responses`
    ExportStart(SurveyId, Box<ExportRequest>),
    /// `GET /surveys/{id}/export-responses/{id}`
    ExportProgress(SurveyId, ExportId),
    /// `GET /surveys/{id}/export-responses/{id}/file`
    ExportFile(SurveyId, ExportId),
}

/// Who goes first when not all can. Drained in this order; the newest first among live ones, else the oldest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// An event that came just now, or somebody at a terminal.
    Live,
    /// An event that failed before.
    Retry,
    /// The comparison of Qualtrics with the store.
    Reconcile,
    /// The loading of history.
    Backfill,
}

/// A good answer. Everything else is a [`QualtricsError`].
#[derive(Debug)]
pub struct Answer {
    /// The instant before the call was sent.
    pub asked_at: Timestamp,
    /// What came.
    pub content: Content,
}

/// What came: a whole body, or a file as it comes in.
#[derive(Debug)]
pub enum Content {
    /// The body, envelope included.
    Body(Bytes),
    /// The archive that [`Call::ExportFile`] is answered with.
    File(File),
}

/// A file's bytes as they come in. An error ends it.
pub struct File(pub BoxStream<'static, Result<Bytes, QualtricsError>>);

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("File(…)")
    }
}

impl Answer {
    pub(super) fn body(self, endpoint: Endpoint) -> Result<Bytes, QualtricsError> {
        match self.content {
            Content::Body(body) => Ok(body),
            Content::File(_) => Err(QualtricsError::bad(endpoint, "a file")),
        }
    }

    pub(super) fn file(self) -> Result<File, QualtricsError> {
        match self.content {
            Content::File(file) => Ok(file),
            Content::Body(_) => Err(QualtricsError::bad(Endpoint::ExportFile, "no file")),
        }
    }
}

impl Call {
    /// Which endpoint answers it.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        match self {
            Self::Response(..) => Endpoint::Response,
            Self::ResponseSchema(_) => Endpoint::ResponseSchema,
            Self::Survey(_) => Endpoint::Survey,
            Self::SurveyDefinition(_) => Endpoint::SurveyDefinition,
            Self::Surveys(_) => Endpoint::Surveys,
            Self::WhoAmI => Endpoint::WhoAmI,
            Self::Subscriptions(_) => Endpoint::Subscriptions,
            Self::Subscribe(_) => Endpoint::Subscribe,
            Self::Unsubscribe(_) => Endpoint::Unsubscribe,
            Self::ExportStart(..) => Endpoint::ExportStart,
            Self::ExportProgress(..) => Endpoint::ExportProgress,
            Self::ExportFile(..) => Endpoint::ExportFile,
        }
    }
}

/// The endpoints, as metrics and messages name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the call of the same name")]
pub enum Endpoint {
    Token,
    Response,
    ResponseSchema,
    Survey,
    SurveyDefinition,
    Surveys,
    WhoAmI,
    Subscriptions,
    Subscribe,
    Unsubscribe,
    ExportStart,
    ExportProgress,
    ExportFile,
}

/// The kinds of calls that Qualtrics limits apart from each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Budget {
    Responses,
    Subscriptions,
    ExportStarts,
    ExportProgress,
    ExportFiles,
    Rest,
}

impl Endpoint {
    /// The label in metrics, the name in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Response => "response",
            Self::ResponseSchema => "response_schema",
            Self::Survey => "survey",
            Self::SurveyDefinition => "survey_definition",
            Self::Surveys => "surveys",
            Self::WhoAmI => "whoami",
            Self::Subscriptions => "subscriptions",
            Self::Subscribe => "subscription_create",
            Self::Unsubscribe => "subscription_delete",
            Self::ExportStart => "export_start",
            Self::ExportProgress => "export_progress",
            Self::ExportFile => "export_file",
        }
    }

    /// The scope that an OAuth client needs for it. Source: the scope list of the Qualtrics UI.
    #[must_use]
    pub fn scope(self) -> &'static str {
        match self {
            Self::Token | Self::Survey | Self::SurveyDefinition | Self::Surveys => "read:surveys",
            Self::Response
            | Self::ResponseSchema
            | Self::ExportStart
            | Self::ExportProgress
            | Self::ExportFile => "read:survey_responses",
            Self::WhoAmI => "read:users",
            Self::Subscriptions => "read:subscriptions",
            Self::Subscribe | Self::Unsubscribe => "write:subscriptions",
        }
    }

    /// What a 404 says does not exist.
    pub(super) fn thing(self) -> &'static str {
        match self {
            Self::Response => "response",
            Self::ResponseSchema | Self::Survey | Self::SurveyDefinition => "survey",
            Self::Unsubscribe => "subscription",
            Self::ExportProgress | Self::ExportFile => "export",
            Self::ExportStart => "survey to export",
            Self::Token | Self::Surveys | Self::WhoAmI | Self::Subscriptions | Self::Subscribe => {
                "API (is QUALTRICS_BASE_URL right?)"
            }
        }
    }

    pub(super) fn budget(self) -> Budget {
        match self {
            Self::Response => Budget::Responses,
            Self::Subscriptions | Self::Subscribe | Self::Unsubscribe => Budget::Subscriptions,
            Self::ExportStart => Budget::ExportStarts,
            Self::ExportProgress => Budget::ExportProgress,
            Self::ExportFile => Budget::ExportFiles,
            Self::Token
            | Self::ResponseSchema
            | Self::Survey
            | Self::SurveyDefinition
            | Self::Surveys
            | Self::WhoAmI => Budget::Rest,
        }
    }

    /// How long the whole answer may take; of a file, until its first byte.
    pub(super) fn deadline(self) -> Duration {
        Duration::from_secs(match self {
            Self::Token => 15,
            Self::Response => 20,
            Self::SurveyDefinition | Self::ExportFile => 60,
            Self::ResponseSchema
            | Self::Survey
            | Self::Surveys
            | Self::WhoAmI
            | Self::Subscriptions
            | Self::Subscribe
            | Self::Unsubscribe
            | Self::ExportStart
            | Self::ExportProgress => 30,
        })
    }

    /// How long a body may be, unpacked. A response is a few KB; 1,500 keys with essays of 20,000 characters are the
    /// largest that were heard of.
    pub(super) fn body_bytes_max(self) -> usize {
        const KIB: usize = 1024;
        const MIB: usize = 1024 * KIB;
        match self {
            Self::Token => 64 * KIB,
            Self::Response | Self::Surveys | Self::Subscriptions => 8 * MIB,
            Self::ResponseSchema | Self::Survey | Self::SurveyDefinition => 32 * MIB,
            Self::WhoAmI
            | Self::Subscribe
            | Self::Unsubscribe
            | Self::ExportStart
            | Self::ExportProgress
            | Self::ExportFile => 256 * KIB,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
