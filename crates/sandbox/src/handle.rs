//! The hand on the sandbox: what a respondent, an editor or a test does to it.

mod conditions;
mod load;
mod surveys;

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

pub use self::surveys::Change;
use crate::callback::{Event, EventKind};
use crate::clock::{self, Millis};
use crate::delivery;
use crate::error::SandboxError;
use crate::response::compose::{self, Composition};
use crate::response::document::Document;
use crate::response::store::Marks;
use crate::state::State;
use crate::survey::Survey;

/// A sandbox to act on, from any thread; clones act on the same one.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) state: Arc<State>,
}

/// A response to complete.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Completion {
    /// The survey's id.
    pub survey: String,
    /// Answers, embedded data and metadata by key (`QID1`), export tag (`Q1`, `AccountID`, `Status`) or name; `null`
    /// leaves an answer out, a name that nobody knows is taken over as it is.
    #[serde(default)]
    pub values: Map<String, Value>,
    /// Whether the other questions are answered by chance.
    #[serde(default = "yes")]
    pub fill: bool,
    /// Whether subscriptions are called.
    #[serde(default = "yes")]
    pub callbacks: bool,
    /// The response's id; one is drawn otherwise. An id that exists is completed again.
    #[serde(default)]
    pub response_id: Option<String>,
}

fn yes() -> bool {
    true
}

impl Completion {
    /// A response with chance answers to a survey.
    pub fn new(survey: &str) -> Self {
        Self {
            survey: survey.to_owned(),
            values: Map::new(),
            fill: true,
            callbacks: true,
            response_id: None,
        }
    }
}

impl Handle {
    /// Completes a response: `answers` is an object by key or tag, other questions are answered by chance.
    ///
    /// # Errors
    /// No such survey, or the disk is full.
    pub fn complete(&self, survey: &str, answers: Value) -> Result<String, SandboxError> {
        let values = match answers {
            Value::Object(values) => values,
            _ => Map::new(),
        };
        self.submit(&Completion {
            values,
            ..Completion::new(survey)
        })
    }

    /// Completes a response as described.
    ///
    /// # Errors
    /// No such survey, or the disk is full.
    pub fn submit(&self, completion: &Completion) -> Result<String, SandboxError> {
        let state = &self.state;
        let survey = self.survey(&completion.survey)?;
        let now = state.clock.now();
        let id = completion
            .response_id
            .clone()
            .unwrap_or_else(|| state.with_random(|random| random.id("R_", 15)));
        let given_date = completion
            .values
            .get("recordedDate")
            .or_else(|| completion.values.get("RecordedDate"));
        let composition = Composition {
            survey: &survey,
            given: &completion.values,
            fill: completion.fill,
            response_id: id.clone(),
            recorded: given_date
                .and_then(Value::as_str)
                .and_then(clock::parse)
                .unwrap_or(now),
        };
        let mut document = state.with_random(|random| composition.compose(random));
        let late = self.hold_back(&survey, &mut document);
        let faults = state.faults();
        let readable = match () {
            () if state.strikes(faults.never) => Millis::MAX,
            () if state.strikes(faults.not_yet) => now + faults.not_yet_for.as_millis(),
            () => now,
        };
        let marks = Marks {
            recorded: composition.recorded,
            modified: composition.recorded,
            readable,
            exported: readable.max(now.saturating_add(faults.export_lag.as_millis())),
            finished: composition.is_finished(),
            test: document.values.get("status").and_then(Value::as_i64) == Some(2),
        };
        state
            .store
            .insert(&survey.id, &id, &to_bytes(&document), marks)?;
        state.journal.count(|counters| counters.completed += 1);
        if completion.callbacks {
            let kind = if marks.finished {
                EventKind::Completed
            } else {
                EventKind::Partial
            };
            let event = self.event(kind, &survey, &document, composition.recorded);
            delivery::announce(state, event);
        }
        if !late.is_empty() {
            self.add_later(survey.id.clone(), id.clone(), late);
        }
        Ok(id)
    }

    /// Takes computed fields out, to add them when `late-fields` says.
    fn hold_back(&self, survey: &Survey, document: &mut Document) -> Vec<(String, Value)> {
        let mut late = Vec::new();
        if self.state.faults().late_fields.as_millis() > 0 {
            for extra in &survey.extras {
                if let Some(value) = document.values.get(&extra.key) {
                    late.push((extra.key.clone(), value.clone()));
                    document.values.remove(&extra.key);
                }
            }
        }
        late
    }

    fn add_later(&self, survey: String, id: String, late: Vec<(String, Value)>) {
        let handle = self.clone();
        let wait = self.state.faults().late_fields.get();
        self.state.runtime.spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = handle.state.stop.cancelled() => return,
            }
            if let Err(error) = handle.edit(&survey, &id, late.into_iter().collect::<Map<_, _>>()) {
                tracing::warn!(%error, "late fields were not added");
            }
        });
    }

    pub(crate) fn event(
        &self,
        kind: EventKind,
        survey: &Survey,
        document: &Document,
        at: Millis,
    ) -> Event {
        let text = |name: &str| {
            document
                .values
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let known = document.values.get("recipientEmail").is_some();
        let id = |prefix: &str| {
            if known {
                self.state.with_random(|random| random.id(prefix, 15))
            } else {
                String::new()
            }
        };
        Event {
            kind,
            survey: survey.id.clone(),
            response: document.response_id.clone(),
            date: clock::plain(at),
            recipient: id("CGC_"),
            distribution: id("EMD_"),
            context: text("ResponseEventContext").chars().take(50).collect(),
            channel: text("distributionChannel"),
            creator: survey.text("OwnerID").to_owned(),
            brand: self.state.settings.brand.clone(),
        }
    }

    pub(crate) fn survey(&self, id: &str) -> Result<Arc<Survey>, SandboxError> {
        self.state
            .survey(id)
            .ok_or_else(|| SandboxError::NoSurvey(id.to_owned()))
    }

    /// Changes values of a response, as Data & Analysis does: no event, the recorded date stays.
    ///
    /// # Errors
    /// No such survey or response.
    pub fn edit(
        &self,
        survey: &str,
        response: &str,
        values: Map<String, Value>,
    ) -> Result<(), SandboxError> {
        let now = self.state.clock.now();
        let survey = self.survey(survey)?;
        self.rewrite(&survey, response, |document, marks| {
            for (name, value) in values {
                compose::set_value(&survey, document, &name, &value);
            }
            marks.modified = now;
        })
    }

    pub(crate) fn rewrite(
        &self,
        survey: &Survey,
        response: &str,
        change: impl FnOnce(&mut Document, &mut Marks),
    ) -> Result<(), SandboxError> {
        let store = &self.state.store;
        let missing = || SandboxError::NoResponse(response.to_owned());
        let kept = store.find(&survey.id, response).ok_or_else(missing)?;
        let mut document: Document = serde_json::from_slice(&store.read(kept.place)?)
            .map_err(|source| SandboxError::Document { line: 1, source })?;
        let mut marks = kept.marks();
        change(&mut document, &mut marks);
        let date = document
            .values
            .get("recordedDate")
            .and_then(Value::as_str)
            .and_then(clock::parse);
        marks.recorded = date.unwrap_or(marks.recorded);
        store.replace(&survey.id, response, &to_bytes(&document), marks)?;
        Ok(())
    }

    /// Deletes a response, without a word to anyone.
    ///
    /// # Errors
    /// No such response.
    pub fn delete(&self, survey: &str, response: &str) -> Result<(), SandboxError> {
        let deleted = self.state.store.delete(survey, response);
        if deleted {
            Ok(())
        } else {
            Err(SandboxError::NoResponse(response.to_owned()))
        }
    }

    /// Deletes the responses of these recipients in all surveys, and returns how many; no event follows. Blocks.
    ///
    /// # Errors
    /// A document can't be read back.
    pub(crate) fn erase(&self, emails: &[String], search_only: bool) -> Result<u64, SandboxError> {
        let store = &self.state.store;
        let mut found = 0;
        for survey in self.state.surveys() {
            for place in store.select(&survey.id, |kept| Some(kept.place)) {
                let Ok(document) = serde_json::from_slice::<Document>(&store.read(place)?) else {
                    continue;
                };
                let email = document
                    .values
                    .get("recipientEmail")
                    .and_then(Value::as_str);
                if email
                    .is_some_and(|email| emails.iter().any(|one| one.eq_ignore_ascii_case(email)))
                {
                    found += 1;
                    if !search_only {
                        store.delete(&survey.id, &document.response_id);
                    }
                }
            }
        }
        Ok(found)
    }

    /// Calls the subscriptions once more for a response that is there: a duplicate, or a late one.
    ///
    /// # Errors
    /// No such survey or response.
    pub fn announce(&self, survey: &str, response: &str) -> Result<(), SandboxError> {
        let survey = self.survey(survey)?;
        let missing = || SandboxError::NoResponse(response.to_owned());
        let kept = self
            .state
            .store
            .find(&survey.id, response)
            .ok_or_else(missing)?;
        let document = Document {
            response_id: response.to_owned(),
            ..Document::default()
        };
        let kind = if kept.finished {
            EventKind::Completed
        } else {
            EventKind::Partial
        };
        let event = self.event(kind, &survey, &document, kept.recorded);
        delivery::announce(&self.state, event);
        Ok(())
    }
}

pub(crate) fn to_bytes(document: &Document) -> Vec<u8> {
    serde_json::to_vec(document).unwrap_or_default()
}
