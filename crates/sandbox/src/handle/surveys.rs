//! Changes of surveys, and what they do to answers that are there.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::callback::EventKind;
use crate::clock;
use crate::delivery;
use crate::error::SandboxError;
use crate::handle::{Handle, to_bytes};
use crate::json::{number_or_text, scalar_text};
use crate::response::compose::keys_of;
use crate::response::document::Document;
use crate::survey::Survey;
use crate::survey::edit::Recodes;

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
        for kept in self.state.store.select(&survey.id, |kept| Some(*kept)) {
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
}

fn recoded(value: &Value, replaced: &HashMap<String, String>) -> Value {
    let new = |value: &Value| replaced.get(&scalar_text(value));
    match value {
        Value::Array(list) => list
            .iter()
            .map(|one| new(one).map_or_else(|| one.clone(), |new| Value::from(new.clone())))
            .collect(),
        other => new(other).map_or_else(|| other.clone(), |new| number_or_text(new)),
    }
}
