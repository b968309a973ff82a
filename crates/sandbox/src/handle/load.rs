//! Responses that are kept as they are given, one or a million.

use std::io::{BufRead, BufReader};
use std::path::Path;

use crate::clock::{self, Millis};
use crate::error::SandboxError;
use crate::handle::Handle;
use crate::response::document::Head;
use crate::response::store::Marks;

impl Handle {
    /// Keeps a response document exactly as given, and returns its id; no callback.
    ///
    /// # Errors
    /// No such survey, or the text has no `responseId`.
    pub fn insert(&self, survey: &str, document: &[u8]) -> Result<String, SandboxError> {
        let survey = self.survey(survey)?;
        self.keep(&survey.id, document)
            .map_err(|source| SandboxError::Document { line: 1, source })?
    }

    fn keep(
        &self,
        survey: &str,
        document: &[u8],
    ) -> Result<Result<String, SandboxError>, serde_json::Error> {
        let head: Head = serde_json::from_slice(document)?;
        let date = head
            .values
            .recorded_date
            .as_deref()
            .or(head.values.end_date.as_deref());
        let recorded = date
            .and_then(clock::parse)
            .unwrap_or_else(|| self.state.clock.now());
        let marks = Marks {
            recorded,
            modified: recorded,
            readable: Millis::MIN,
            exported: Millis::MIN,
            finished: head.is_finished(),
            test: head.status() == 2,
        };
        let kept = self
            .state
            .store
            .insert(survey, &head.response_id, document, marks);
        Ok(kept.map(|()| head.response_id).map_err(SandboxError::from))
    }

    /// Keeps the documents of an ndjson file, one a line, and returns how many; no callbacks. Blocks.
    ///
    /// # Errors
    /// No such survey, the file can't be read, or a line is no document.
    pub fn insert_many(&self, survey: &str, path: &Path) -> Result<u64, SandboxError> {
        self.insert_lines(
            survey,
            BufReader::with_capacity(1 << 20, std::fs::File::open(path)?),
        )
    }

    pub(crate) fn insert_lines(
        &self,
        survey: &str,
        lines: impl BufRead,
    ) -> Result<u64, SandboxError> {
        let survey = self.survey(survey)?;
        let mut kept = 0;
        for (line, number) in lines.split(b'\n').zip(1..) {
            let line = line?;
            let document = line.trim_ascii();
            if document.is_empty() || document == b"{}" {
                continue;
            }
            self.keep(&survey.id, document)
                .map_err(|source| SandboxError::Document {
                    line: number,
                    source,
                })??;
            kept += 1;
        }
        Ok(kept)
    }

    /// The document of a response, visible or not.
    pub fn document(&self, survey: &str, response: &str) -> Option<Vec<u8>> {
        let kept = self.state.store.find(survey, response)?;
        self.state.store.read(kept.place).ok()
    }

    /// How many responses a survey has.
    pub fn response_count(&self, survey: &str) -> u64 {
        let counts = self.state.store.counts(survey);
        counts.auditable + counts.generated
    }

    /// The ids of a survey's responses, in the order in which they came.
    pub fn response_ids(&self, survey: &str) -> Vec<String> {
        let kept = self.state.store.select(survey, |kept| Some(kept.place));
        let id = |place| serde_json::from_slice::<Head>(&self.state.store.read(place).ok()?).ok();
        kept.into_iter()
            .filter_map(id)
            .map(|head| head.response_id)
            .collect()
    }
}
