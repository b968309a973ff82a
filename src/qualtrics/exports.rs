//! Exports: start a job, wait for it, read its documents as they come in.
//! Source: Qualtrics' API description, `responseImportsExports.json`; recorded polling sequences.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use ingester_core::id::SurveyId;
use ingester_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::archive::Documents;
use super::ask::{Call, Endpoint, Priority};
use super::error::{QualtricsError, Retry};
use super::{Qualtrics, envelope};

/// How long exports lag behind: 5 to 30 seconds, up to two minutes. Source: a Databricks connector's notes.
const LAG: Duration = Duration::from_secs(120);
/// The first look at a job comes after this, each next one half as much later again.
const POLL_MIN: Duration = Duration::from_secs(1);
const POLL_MAX: Duration = Duration::from_secs(30);
const JOB_DEADLINE: Duration = Duration::from_secs(3600);
/// How many looks at a job may fail in a row.
const POLL_FAILURES_MAX: u32 = 10;

/// Which responses to export, and how much of them. Always as NDJSON, whose lines have the shape of single responses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExportRequest {
    /// From this instant on; parts of a second are rounded down.
    pub start: Option<Timestamp>,
    /// Up to before this instant; parts of a second are rounded up.
    pub end: Option<Timestamp>,
    /// Which date the range means.
    pub date: DateKind,
    /// How much of each response.
    pub fields: Fields,
    /// Whether the job continues another one, or can be continued.
    pub continuation: Continuation,
}

/// Which date an export's range means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DateKind {
    /// `recordedDate`.
    #[default]
    Recorded,
    /// The date of the last modification, which edits move; adds `lastModifiedDate`.
    Modified,
}

/// How much of each response an export holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Fields {
    /// All of it.
    #[default]
    All,
    /// Ids, recorded dates, and what tells previews and unfinished responses: for finding deletions.
    Ids,
}

/// Whether an export continues another one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Continuation {
    /// It stands alone.
    #[default]
    None,
    /// It can be continued: [`Export::continuation`] will be there.
    Allow,
    /// It continues the one with this token, which lives for a week.
    Of(Box<str>),
}

/// An export job, or the file that it made. Opaque, so only what could break a URL is kept out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportId(Box<str>);

impl fmt::Display for ExportId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ExportId {
    fn new(endpoint: Endpoint, text: &str) -> Result<Self, QualtricsError> {
        let safe = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if (1..=128).contains(&text.len()) && text.bytes().all(safe) {
            Ok(Self(text.into()))
        } else {
            Err(QualtricsError::bad(endpoint, "an id that can't be one"))
        }
    }
}

/// The start request. What json and ndjson refuse, and what we don't mean, is not in it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body<'a> {
    format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_date: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    sort_by_last_modified_date: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    allow_continuation: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    continuation_token: Option<&'a str>,
    /// An empty array means none; absent means all.
    #[serde(skip_serializing_if = "Option::is_none")]
    question_ids: Option<[&'static str; 0]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    embedded_data_ids: Option<[&'static str; 0]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    survey_metadata_ids: Option<[&'static str; 4]>,
}

impl ExportRequest {
    pub(super) fn body(&self) -> Body<'_> {
        let only_ids = self.fields == Fields::Ids;
        Body {
            format: "ndjson",
            start_date: self.start.and_then(|start| whole_second(start, 0)),
            end_date: self.end.and_then(|end| whole_second(end, 1)),
            sort_by_last_modified_date: self.date == DateKind::Modified,
            allow_continuation: self.continuation == Continuation::Allow,
            continuation_token: match &self.continuation {
                Continuation::Of(token) => Some(token),
                Continuation::None | Continuation::Allow => None,
            },
            question_ids: only_ids.then_some([]),
            embedded_data_ids: only_ids.then_some([]),
            survey_metadata_ids: only_ids.then_some(IDS),
        }
    }
}

const IDS: [&str; 4] = ["_recordId", "recordedDate", "status", "finished"];

/// Whole seconds with `Z`, rounded down, or up by `up`. Source: some endpoints reject milliseconds in dates.
fn whole_second(instant: Timestamp, up: i64) -> Option<String> {
    let second = instant.as_second();
    let cut = Timestamp::from_second(second).ok()?;
    let rounded = match instant.cmp(&cut) {
        std::cmp::Ordering::Equal => second,
        std::cmp::Ordering::Greater => second + up,
        std::cmp::Ordering::Less => second - 1 + up, // before 1970
    };
    Timestamp::from_second(rounded)
        .ok()
        .map(|instant| format!("{instant:.0}"))
}

/// An export whose documents come in one by one.
///
/// They are handed out before the archive's checksum can be looked at, which stands at its end: only when
/// [`Export::next_document`] has returned `None` is the export known to be complete and unaltered.
#[derive(Debug)]
pub struct Export {
    /// The age of its documents, for deciding which content is newer: the job's start less what exports lag behind.
    pub asked_at: Timestamp,
    /// What continues this export, if it was asked to be continuable.
    pub continuation: Option<Box<str>>,
    documents: Documents,
    begun: Instant,
    priority: Priority,
    qualtrics: Qualtrics,
}

impl Export {
    /// The next document: one JSON object as it was received. Blank lines and empty objects are left out.
    /// Source: both occur in real files, says estuary's connector.
    ///
    /// # Errors
    /// When the connection breaks, a line is too long, or the archive turns out to be cut or altered. What was handed
    /// out until then may be wrong; repeat the export.
    ///
    /// # Cancel safety
    /// May be dropped and called again.
    pub async fn next_document(&mut self) -> Result<Option<Bytes>, QualtricsError> {
        let document = self.documents.next().await?;
        let for_events = matches!(self.priority, Priority::Live | Priority::Retry);
        if document.is_none() && for_events {
            let took = self.begun.elapsed();
            self.qualtrics
                .figures
                .send_modify(|figures| figures.last_export = Some(took));
        }
        Ok(document)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Started<'a> {
    progress_id: &'a str,
    #[serde(default)]
    status: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Progress<'a> {
    status: &'a str,
    #[serde(default)]
    file_id: Option<&'a str>,
    #[serde(default)]
    continuation_token: Option<&'a str>,
}

impl Qualtrics {
    /// Starts an export, waits until its file is there, and opens it.
    ///
    /// # Errors
    /// Whatever a call ends with; [`QualtricsError::ExportFailed`] if the job fails, vanishes or takes over an hour.
    pub async fn export(
        &self,
        survey: &SurveyId,
        request: ExportRequest,
        priority: Priority,
    ) -> Result<Export, QualtricsError> {
        let begun = Instant::now();
        let endpoint = Endpoint::ExportStart;
        let call = Call::ExportStart(survey.clone(), Box::new(request));
        let answer = self.ask(call, priority).await?;
        let asked_at = answer.asked_at;
        let body = answer.body(endpoint)?;
        let started: Started<'_> = envelope::result(endpoint, &body)?;
        if started.status == Some("failed") {
            return Err(failed("could not be started"));
        }
        let job = ExportId::new(endpoint, started.progress_id)?;
        let (file, continuation) = self.finished(survey, job, priority).await?;
        let file = self
            .ask(Call::ExportFile(survey.clone(), file), priority)
            .await?;
        Ok(Export {
            asked_at: asked_at.checked_sub(LAG).unwrap_or(asked_at),
            continuation,
            documents: Documents::new(file.file()?),
            begun,
            priority,
            qualtrics: self.clone(),
        })
    }

    /// Waits until the job's file is there. Only `status` says so: failed jobs can show 100 percent.
    async fn finished(
        &self,
        survey: &SurveyId,
        job: ExportId,
        priority: Priority,
    ) -> Result<(ExportId, Option<Box<str>>), QualtricsError> {
        let endpoint = Endpoint::ExportProgress;
        let deadline = Instant::now() + JOB_DEADLINE;
        let mut pause = POLL_MIN;
        let mut failures = 0;
        while Instant::now() < deadline {
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(POLL_MAX);
            let call = Call::ExportProgress(survey.clone(), job.clone());
            let body = match self.ask(call, priority).await {
                Ok(answer) => answer.body(endpoint)?,
                Err(error) if error.is_not_found() => return Err(failed("is gone (404)")),
                Err(error) if error.is_refusal() || error.retry() == Retry::Never => {
                    return Err(error);
                }
                Err(error) if failures >= POLL_FAILURES_MAX => return Err(error),
                Err(error) => {
                    failures += 1;
                    if let Retry::After(wait) = error.retry() {
                        pause = pause.max(wait);
                    }
                    continue;
                }
            };
            failures = 0;
            let progress: Progress<'_> = envelope::result(endpoint, &body)?;
            match (progress.status, progress.file_id) {
                ("complete", Some(file)) => {
                    let file = ExportId::new(endpoint, file)?;
                    return Ok((file, progress.continuation_token.map(Into::into)));
                }
                ("complete", None) => return Err(QualtricsError::bad(endpoint, "no file")),
                ("failed", _) => {
                    let said = envelope::meta(&body)
                        .map(|meta| meta.said())
                        .unwrap_or_default();
                    return Err(failed(&format!("failed at Qualtrics{said}")));
                }
                _ => {} // inProgress, and whatever else may come before the end
            }
        }
        Err(failed("did not end within an hour"))
    }
}

fn failed(problem: &str) -> QualtricsError {
    QualtricsError::ExportFailed {
        problem: problem.into(),
    }
}
