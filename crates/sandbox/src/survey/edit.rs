//! Changes of a survey's definition, as its author would make them.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::survey::definition::is_survey_id;
use crate::survey::question::members;
use crate::survey::{Survey, SurveyError, is_trash};

/// Why a change can't be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// No question has this id or tag.
    #[error("the survey has no question `{0}`: name it by its QID or its export tag")]
    NoQuestion(String),
    /// A question without an object.
    #[error("a question is an object with at least `QuestionType` and `DataExportTag`")]
    NoDefinition,
}

/// Recodes that a change replaced: old text to new text.
pub(crate) type Recodes = HashMap<String, String>;

impl Survey {
    fn changed(&self, change: impl FnOnce(&mut Map<String, Value>)) -> Self {
        let mut definition = self.definition.clone();
        change(&mut definition);
        Self::build(definition)
    }

    /// The id of a question given by id or tag.
    fn question_id(&self, name: &str) -> Result<String, EditError> {
        let question = self
            .question(name)
            .ok_or_else(|| EditError::NoQuestion(name.to_owned()))?;
        Ok(question.id.clone())
    }

    fn with_question(
        &self,
        name: &str,
        change: impl FnOnce(&mut Map<String, Value>),
    ) -> Result<Self, EditError> {
        let id = self.question_id(name)?;
        Ok(self.changed(|definition| {
            if let Some(Value::Object(question)) = definition
                .get_mut("Questions")
                .and_then(|all| all.get_mut(&id))
            {
                change(question);
            }
        }))
    }

    /// Another export tag; the QID stays.
    pub(crate) fn with_tag(&self, question: &str, tag: &str) -> Result<Self, EditError> {
        self.with_question(question, |definition| {
            definition.insert("DataExportTag".to_owned(), json!(tag));
        })
    }

    /// Other recodes for some choices (`{"choice id": recode}`), with what they replaced.
    pub(crate) fn with_recodes(
        &self,
        question: &str,
        recodes: &Map<String, Value>,
    ) -> Result<(Self, Recodes), EditError> {
        let found = self
            .question(question)
            .ok_or_else(|| EditError::NoQuestion(question.to_owned()))?;
        let mut all = Map::new();
        let mut replaced = Recodes::new();
        let coded = if found.answers.is_empty() {
            &found.choices
        } else {
            &found.answers
        };
        for choice in coded {
            let new = recodes
                .get(&choice.id)
                .map_or_else(|| choice.recode.clone(), crate::json::scalar_text);
            if new != choice.recode {
                replaced.insert(choice.recode.clone(), new.clone());
            }
            all.insert(choice.id.clone(), json!(new));
        }
        let survey = self.with_question(question, |definition| {
            definition.insert("RecodeValues".to_owned(), Value::Object(all));
        })?;
        Ok((survey, replaced))
    }

    /// A new question at the end of the last block; its QID is the next free one unless it names its own.
    pub(crate) fn with_new_question(&self, question: &Value) -> Result<(Self, String), EditError> {
        let Value::Object(question) = question else {
            return Err(EditError::NoDefinition);
        };
        if !question.contains_key("QuestionType") || !question.contains_key("DataExportTag") {
            return Err(EditError::NoDefinition);
        }
        let id = question
            .get("QuestionID")
            .and_then(Value::as_str)
            .map_or_else(|| self.next_id(), str::to_owned);
        let mut question = question.clone();
        question.insert("QuestionID".to_owned(), json!(id));
        let survey = self.changed(|definition| {
            if let Some(Value::Object(all)) = definition.get_mut("Questions") {
                all.insert(id.clone(), Value::Object(question));
            }
            let last = crate::survey::blocks_in_order(definition)
                .last()
                .map(|(id, _)| id.clone())
                .unwrap_or_default();
            let elements = definition
                .get_mut("Blocks")
                .and_then(|blocks| blocks.get_mut(&last));
            if let Some(Value::Array(elements)) =
                elements.and_then(|block| block.get_mut("BlockElements"))
            {
                elements.push(json!({"Type": "Question", "QuestionID": id}));
            }
        });
        Ok((survey, id))
    }

    fn next_id(&self) -> String {
        let all = members(self.definition.get("Questions"));
        let numbers = all
            .iter()
            .filter_map(|(id, _)| id.strip_prefix("QID")?.parse::<u64>().ok());
        format!("QID{}", numbers.max().unwrap_or(0).saturating_add(1))
    }

    /// A question moved to the trash block.
    pub(crate) fn without_question(&self, question: &str) -> Result<Self, EditError> {
        let id = self.question_id(question)?;
        Ok(self.changed(|definition| {
            let Some(Value::Object(blocks)) = definition.get_mut("Blocks") else {
                return;
            };
            for block in blocks.values_mut() {
                if let Some(Value::Array(elements)) = block.get_mut("BlockElements") {
                    elements.retain(|element| {
                        element.get("QuestionID").and_then(Value::as_str) != Some(&id)
                    });
                }
            }
            let element = json!({"Type": "Question", "QuestionID": id});
            match blocks
                .values_mut()
                .find(|block| is_trash(block))
                .and_then(|block| block.get_mut("BlockElements"))
            {
                Some(Value::Array(elements)) => elements.push(element),
                _ => {
                    let trash = json!({"Type": "Trash", "Description": "Trash / Unused Questions",
                        "ID": "BL_0000000000trash", "BlockElements": [element]});
                    blocks.insert("BL_0000000000trash".to_owned(), trash);
                }
            }
        }))
    }

    /// A question whose definition is changed member by member (`null` removes one).
    pub(crate) fn with_question_changed(
        &self,
        question: &str,
        changes: &Map<String, Value>,
    ) -> Result<Self, EditError> {
        self.with_question(question, |definition| {
            for (name, value) in changes {
                if value.is_null() {
                    definition.remove(name);
                } else {
                    definition.insert(name.clone(), value.clone());
                }
            }
        })
    }

    /// Another name, status or date of change.
    pub(crate) fn with_text(&self, name: &str, text: &str) -> Self {
        self.changed(|definition| {
            definition.insert(name.to_owned(), json!(text));
        })
    }

    /// The same survey under another id.
    ///
    /// # Errors
    /// The id does not look like a survey's.
    pub fn with_id(&self, id: &str) -> Result<Self, SurveyError> {
        if is_survey_id(id) {
            Ok(self.with_text("SurveyID", id))
        } else {
            Err(SurveyError::Id(id.chars().take(40).collect()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn survey() -> Survey {
        Survey::project_feedback().unwrap()
    }

    #[test]
    fn a_renamed_question_keeps_its_key() {
        let survey = survey().with_tag("Q1", "Overall").unwrap();

        assert_eq!(survey.field("Overall").unwrap().key, "QID1");
        assert_eq!(
            survey.with_tag("Q1", "x").unwrap_err(),
            EditError::NoQuestion("Q1".to_owned())
        );
    }

    #[test]
    fn changed_recodes_say_what_they_replaced() {
        let recodes = json!({"1": 10, "2": 2});
        let (survey, replaced) = survey()
            .with_recodes("Q1", recodes.as_object().unwrap())
            .unwrap();

        assert_eq!(replaced, Recodes::from([("1".to_owned(), "10".to_owned())]));
        assert_eq!(
            survey
                .question("Q1")
                .unwrap()
                .choices
                .iter()
                .find(|choice| choice.id == "1")
                .unwrap()
                .recode,
            "10"
        );
    }

    #[test]
    fn questions_come_and_go() {
        let (survey, id) = survey()
            .with_new_question(
                &json!({"QuestionType": "TE", "Selector": "SL", "DataExportTag": "Q99"}),
            )
            .unwrap();
        assert_eq!(survey.field("Q99").unwrap().key, format!("{id}_TEXT"));

        let survey = survey.without_question("Q99").unwrap();
        assert!(survey.field("Q99").is_none());
        assert!(survey.definition["Questions"].get(&id).is_some());
    }
}
