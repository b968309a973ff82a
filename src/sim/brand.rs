//! Qualtrics as the simulation has it: what respondents completed when, and what each call is answered with.

use bytes::Bytes;
use flate2::Crc;
use ingester_core::id::ResponseId;
use ingester_core::time::{Timestamp, to_text};
use jiff::SignedDuration;

/// The survey of `fixtures/surveys` that is simulated.
pub(super) const SURVEY: &str = "SV_22VlHYNeldrrrk1";
pub(super) const RESPONSE_SCHEMA: &str =
    include_str!("../../fixtures/surveys/SV_22VlHYNeldrrrk1/response-schema.json");
pub(super) const SURVEY_DEFINITION: &str =
    include_str!("../../fixtures/surveys/SV_22VlHYNeldrrrk1/survey-definition.json");

/// What a respondent answered when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Version {
    pub(super) completed: Timestamp,
    pub(super) content: Content,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    Good,
    Preview,
    /// No number where the survey has one.
    Poison,
}

/// One response with all its completions, oldest first.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) id: ResponseId,
    pub(super) versions: Vec<Version>,
    /// Until then it is answered with this status.
    pub(super) hidden: (Timestamp, u16),
}

impl Response {
    /// The newest completion up to an instant, and its number.
    pub(super) fn at(&self, instant: Timestamp) -> Option<(usize, Version)> {
        let versions = self.versions.iter().copied().enumerate();
        versions
            .take_while(|(_, version)| version.completed <= instant)
            .last()
    }

    /// The document of one completion.
    pub(super) fn document(&self, number: usize, version: Version) -> String {
        let id = &self.id;
        let status = i32::from(version.content == Content::Preview);
        let score = if version.content == Content::Poison {
            "\"many\"".to_owned()
        } else {
            score(number).to_string()
        };
        let recorded = to_text(version.completed);
        let text = text(id, number);
        format!(
            r#"{{"responseId":"{id}","values":{{"status":{status},"finished":1,"recordedDate":"{recorded}","_recordId":"{id}","QID1":{score},"QID18_TEXT":"{text}"}}}}"#
        )
    }

    /// What stands there before the answers do, as a body of 202 might show it.
    pub(super) fn blank(&self, recorded: Timestamp) -> String {
        let (id, recorded) = (&self.id, to_text(recorded));
        format!(
            r#"{{"responseId":"{id}","values":{{"status":0,"finished":1,"recordedDate":"{recorded}","_recordId":"{id}"}}}}"#
        )
    }
}

/// The cell `Q1` of a completion.
pub(super) fn score(number: usize) -> i64 {
    i64::try_from(number % 5).unwrap_or(0) + 1
}

/// The cell `Q18` of a completion.
pub(super) fn text(id: &ResponseId, number: usize) -> String {
    format!("{id} completed {number}")
}

/// A result in its envelope.
pub(super) fn envelope(status: u16, result: &str) -> Bytes {
    let member = match result {
        "" => String::new(),
        result => format!(r#""result":{result},"#),
    };
    format!(r#"{{{member}"meta":{{"httpStatus":"{status} - Simulated","requestId":"sim"}}}}"#)
        .into()
}

/// An export job: what it holds was decided when it started.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) documents: Vec<String>,
    pub(super) done_at: Timestamp,
}

impl Job {
    /// What an export that starts now holds: the newest completions of so long ago, from `start` on, but for what it
    /// lacks.
    pub(super) fn start<'a>(
        responses: impl Iterator<Item = &'a Response>,
        now: Timestamp,
        lag: SignedDuration,
        start: Option<Timestamp>,
        takes: SignedDuration,
    ) -> Option<Self> {
        let seen_at = now.checked_sub(lag).ok()?;
        let documents = responses.filter_map(|response| {
            let (number, version) = response.at(seen_at)?;
            let is_shown = response.hidden.0 <= seen_at;
            let is_asked_for = start.is_none_or(|start| version.completed >= start);
            (is_shown && is_asked_for).then(|| response.document(number, version))
        });
        Some(Self {
            documents: documents.collect(),
            done_at: now.checked_add(takes).ok()?,
        })
    }

    /// The archive: one stored file.
    /// Source: PKWARE's APPNOTE.TXT 6.3, sections 4.3.7, 4.3.12 and 4.3.16.
    pub(super) fn archive(&self) -> Vec<u8> {
        let mut content = self.documents.join("\n").into_bytes();
        content.push(b'\n');
        let mut crc = Crc::new();
        crc.update(&content);
        let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
        let name = b"export.ndjson";
        let mut about = Vec::new();
        for field in [20_u16, 0, 0, 0, 0] {
            about.extend(field.to_le_bytes());
        }
        for field in [crc.sum(), length, length] {
            about.extend(field.to_le_bytes());
        }
        about.extend(13_u16.to_le_bytes());
        about.extend(0_u16.to_le_bytes());
        let mut archive = b"PK\x03\x04".to_vec();
        archive.extend(&about);
        archive.extend(name);
        archive.extend(&content);
        let directory_at = archive.len();
        archive.extend(b"PK\x01\x02\x14\x00");
        archive.extend(&about);
        archive.extend([0; 14]);
        archive.extend(name);
        let directory_bytes = archive.len() - directory_at;
        archive.extend(b"PK\x05\x06\x00\x00\x00\x00\x01\x00\x01\x00");
        for number in [directory_bytes, directory_at] {
            archive.extend(u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
        }
        archive.extend([0; 2]);
        archive
    }
}
