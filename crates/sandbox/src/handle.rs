//! The hand on the sandbox: what a respondent, an editor or a test does to it.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::callback::{Event, EventKind};
use crate::clock::{self, Millis};
use crate::delivery;
use crate::error::SandboxError;
use crate::faults::Faults;
use crate::journal::Counters;
use crate::limits::Limits;
use crate::response::compose::{self, Composition, keys_of};
use crate::response::document::{Document, Head};
use crate::response::store::Marks;
use crate::state::State;
use crate::survey::Survey;
use crate::survey::edit::Recodes;

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

/// A change of a survey's definition.
#[derive(Clone, Debug, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "change",
    deny_unknown_fields
)]
pub enum Change {
    /// Another export tag for a question (named by QID or tag).
    RenameTag {
        /// The question.
        question: String,
        /// Its new tag.
        tag: String,
    },
    /// Other recodes for choices; stored answers follow, as reads of the real system do (a strong guess).
    Recode {
        /// The question.
        question: String,
        /// New recodes by choice id.
        recodes: Map<String, Value>,
    },
    /// A new question.
    AddQuestion {
        /// As in a survey definition, with `QuestionType` and `DataExportTag`.
        question: Value,
    },
    /// A question moved to the trash; old answers stay readable.
    TrashQuestion {
        /// The question.
        question: String,
    },
    /// Members of a question's definition, `null` removes one.
    ChangeQuestion {
        /// The question.
        question: String,
        /// What changes.
        members: Map<String, Value>,
    },
    /// Another name for the survey.
    Rename {
        /// The name.
        name: String,
    },
    /// The survey opens, and says so.
    Activate,
    /// The survey closes, and says so.
    Deactivate,
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

    /// Changes a survey's definition, and its date of change.
    ///
    /// # Errors
    /// No such survey or question.
    pub fn change_survey(&self, id: &str, change: Change) -> Result<(), SandboxError> {
        let survey = self.survey(id)?;
        let mut recodes: Option<(String, Recodes)> = None;
        let mut announced = None;
        let changed = match change {
            Change::RenameTag { question, tag } => survey.with_tag(&question, &tag)?,
            Change::Recode {
                question,
                recodes: new,
            } => {
                let question_id = survey.question(&question).map(|found| found.id.clone());
                let (changed, replaced) = survey.with_recodes(&question, &new)?;
                recodes = question_id.map(|id| (id, replaced));
                changed
            }
            Change::AddQuestion { question } => survey.with_new_question(&question)?.0,
            Change::TrashQuestion { question } => survey.without_question(&question)?,
            Change::ChangeQuestion { question, members } => {
                survey.with_question_changed(&question, &members)?
            }
            Change::Rename { name } => survey.with_text("SurveyName", &name),
            Change::Activate => {
                announced = Some(EventKind::Activated);
                survey.with_text("SurveyStatus", "Active")
            }
            Change::Deactivate => {
                announced = Some(EventKind::Deactivated);
                survey.with_text("SurveyStatus", "Inactive")
            }
        };
        let now = self.state.clock.now();
        self.state
            .put_survey(&changed.with_text("LastModified", &clock::seconds(now)));
        if let Some((question, replaced)) = recodes {
            self.recode_answers(&changed, &question, &replaced)?;
        }
        if let Some(kind) = announced {
            let event = self.event(kind, &survey, &Document::default(), now);
            delivery::announce(&self.state, event);
        }
        Ok(())
    }

    /// Reads after a changed recode show the new one for old answers too (assumed: recoded when read).
    fn recode_answers(
        &self,
        survey: &Survey,
        question: &str,
        replaced: &Recodes,
    ) -> Result<(), SandboxError> {
        for kept in self.state.store.select(&survey.id, |_| true) {
            let Ok(mut document) =
                serde_json::from_slice::<Document>(&self.state.store.read(kept.place)?)
            else {
                continue;
            };
            let keys: Vec<String> = keys_of(&document.values, question)
                .map(str::to_owned)
                .collect();
            for key in keys
                .iter()
                .filter(|key| !key.ends_with("_TEXT") && !key.ends_with("_RANK"))
            {
                if let Some(value) = document.values.get(key) {
                    let value = recoded(value, replaced);
                    document.values.set(key, value);
                }
            }
            let id = document.response_id.clone();
            self.state
                .store
                .replace(&survey.id, &id, &to_bytes(&document), kept.marks())?;
        }
        Ok(())
    }

    /// Adds a survey, or replaces the one of its id.
    pub fn put_survey(&self, survey: &Survey) {
        self.state.put_survey(survey);
    }

    /// The ids of all surveys.
    pub fn survey_ids(&self) -> Vec<String> {
        self.state
            .surveys()
            .iter()
            .map(|survey| survey.id.clone())
            .collect()
    }

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
        let kept = self.state.store.select(survey, |_| true);
        let id = |place| serde_json::from_slice::<Head>(&self.state.store.read(place).ok()?).ok();
        kept.into_iter()
            .filter_map(|kept| id(kept.place))
            .map(|head| head.response_id)
            .collect()
    }

    /// The faults that strike.
    pub fn faults(&self) -> Faults {
        (*self.state.faults()).clone()
    }

    /// Replaces the faults; a seed among them starts the sequence of chances anew.
    pub fn set_faults(&self, faults: Faults) {
        self.state.set_faults(faults);
    }

    /// Replaces the limits and forgets what was counted.
    pub fn set_limits(&self, limits: Limits) {
        self.state.limits().set(limits);
    }

    /// What has happened so far.
    pub fn counters(&self) -> Counters {
        self.state.journal.counters()
    }

    /// Moves the sandbox's time on: answers become readable, tokens and files expire.
    pub fn advance(&self, by: Duration) {
        self.state
            .clock
            .shift(i64::try_from(by.as_millis()).unwrap_or(i64::MAX));
    }

    /// Forgets all OAuth tokens: the next call with one is 401.
    pub fn expire_tokens(&self) {
        self.state.tokens().clear();
    }

    /// The subscriptions' ids and the URLs that they call.
    pub fn subscriptions(&self) -> Vec<(String, String)> {
        self.state
            .subscriptions()
            .iter()
            .map(|one| (one.id.clone(), one.url.clone()))
            .collect()
    }

    /// Deletes a subscription behind its owner's back.
    ///
    /// # Errors
    /// No such subscription.
    pub fn drop_subscription(&self, id: &str) -> Result<(), SandboxError> {
        let mut subscriptions = self.state.subscriptions();
        let before = subscriptions.len();
        subscriptions.retain(|one| one.id != id);
        if subscriptions.len() < before {
            Ok(())
        } else {
            Err(SandboxError::NoSubscription(id.to_owned()))
        }
    }

    /// Gives a subscription another key or URL behind its owner's back.
    ///
    /// # Errors
    /// No such subscription.
    pub fn change_subscription(
        &self,
        id: &str,
        key: Option<&str>,
        url: Option<&str>,
    ) -> Result<(), SandboxError> {
        let mut subscriptions = self.state.subscriptions();
        let found = subscriptions.iter_mut().find(|one| one.id == id);
        let subscription = found.ok_or_else(|| SandboxError::NoSubscription(id.to_owned()))?;
        if let Some(key) = key {
            subscription.key = Some(key.to_owned());
        }
        if let Some(url) = url {
            url.clone_into(&mut subscription.url);
        }
        Ok(())
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

    /// Waits until no callback is waiting or under way.
    pub async fn settle(&self) {
        while self.counters().callbacks_open > 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Back to the beginning: the first surveys, nothing else.
    ///
    /// # Errors
    /// The file that keeps the documents can't be emptied.
    pub fn reset(&self) -> Result<(), SandboxError> {
        Ok(self.state.reset()?)
    }
}

pub(crate) fn to_bytes(document: &Document) -> Vec<u8> {
    serde_json::to_vec(document).unwrap_or_default()
}

fn recoded(value: &Value, replaced: &HashMap<String, String>) -> Value {
    let new = |value: &Value| replaced.get(&crate::json::scalar_text(value));
    match value {
        Value::Array(list) => list
            .iter()
            .map(|one| new(one).map_or_else(|| one.clone(), |new| Value::from(new.clone())))
            .collect(),
        other => new(other).map_or_else(|| other.clone(), |new| crate::json::number_or_text(new)),
    }
}
