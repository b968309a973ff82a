//! `exportColumnMap` of `GET /surveys/{id}`, which is not an export file's header: its own names for forms, meta info,
//! timing, highlights, rows with own tags, and loops.
//!
//! Source: one recorded survey's map set against its own export (555 names, 55 agree).

use crate::json::{Json, Object};
use crate::survey::Survey;
use crate::survey::question::{Choice, Kind, Question};

/// The map, in the survey's order; a repeated tag keeps its last meaning, as an object must.
pub(crate) fn column_map(survey: &Survey) -> Object {
    let mut map = Object::new();
    for question in &survey.questions {
        let columns = columns(question);
        let turns: Vec<Option<usize>> = question
            .loops
            .map_or(vec![None], |turns| (1..=turns).map(Some).collect());
        for turn in turns {
            for (tag, references) in &columns {
                let tag = turn.map_or_else(|| tag.clone(), |turn| format!("{tag}({turn})"));
                map.set(&tag, references.clone());
            }
        }
    }
    map
}

fn columns(question: &Question) -> Vec<(String, Object)> {
    let mut columns = Columns {
        question,
        list: Vec::new(),
    };
    columns.add_all();
    columns.list
}

struct Columns<'a> {
    question: &'a Question,
    list: Vec<(String, Object)>,
}

impl Columns<'_> {
    fn add_all(&mut self) {
        let question = self.question;
        match question.kind {
            // Descriptive texts are in the map although they have no column. Source: recorded map of a real survey.
            Kind::Text | Kind::Silent | Kind::File | Kind::HeatMap => self.whole(""),
            Kind::Single => {
                self.whole("");
                self.choice_texts();
            }
            Kind::Nps => {
                self.whole("");
                self.whole("_NPS_GROUP");
            }
            Kind::Multi => {
                for choice in &question.choices {
                    self.choice(&format!("_{}", choice.recode), &choice.id);
                }
                self.choice_texts();
            }
            Kind::Form | Kind::Meta => {
                for choice in &question.choices {
                    self.choice(&format!("_{}_TEXT", choice.id), &choice.id);
                }
            }
            Kind::Timing => {
                for number in ["1", "2", "3", "4"] {
                    self.choice(&format!("_{number}"), number);
                }
            }
            Kind::Slider | Kind::ConstantSum | Kind::Rank | Kind::DrillDown | Kind::HotSpot => {
                for choice in &question.choices {
                    self.choice(&format!("_{}", choice.id), &choice.id);
                }
            }
            Kind::PickGroupRank => {
                for group in 0..question.groups.len() {
                    for choice in &question.choices {
                        self.choice(&format!("_{group}_GROUP_{}", choice.id), &choice.id);
                    }
                    for choice in &question.choices {
                        self.choice(&format!("_{group}_{}_RANK", choice.id), &choice.id);
                    }
                }
            }
            Kind::MatrixSingle | Kind::MatrixMulti | Kind::MatrixText | Kind::MatrixNumber => {
                self.matrix();
            }
            Kind::Highlight => {
                for word in &question.choices {
                    self.row(&own_tag(word), word, None);
                }
            }
            Kind::SideBySide => self.side_by_side(),
        }
    }

    fn add(&mut self, suffix: &str, references: Object) {
        self.list
            .push((format!("{}{suffix}", self.question.tag), references));
    }

    fn reference(&self) -> Object {
        Object::<Json>::new().with("question", self.question.id.as_str())
    }

    fn whole(&mut self, suffix: &str) {
        self.add(suffix, self.reference());
    }

    fn choice(&mut self, suffix: &str, id: &str) {
        let path = format!("{}.choices.{id}", self.question.id);
        self.add(suffix, self.reference().with("choice", path));
    }

    fn choice_texts(&mut self) {
        for choice in self
            .question
            .choices
            .iter()
            .filter(|choice| choice.text_entry)
        {
            self.choice(&format!("_{}_TEXT", choice.recode), &choice.id);
        }
    }

    fn row(&mut self, suffix: &str, row: &Choice, answer: Option<&Choice>) {
        let id = &self.question.id;
        let references = self
            .reference()
            .with("subQuestion", format!("{id}.subQuestions.{}", row.id));
        let references = match answer {
            Some(answer) => references.with("choice", format!("{id}.choices.{}", answer.id)),
            None => references,
        };
        self.add(suffix, references);
    }

    fn matrix(&mut self) {
        let question = self.question;
        for row in &question.choices {
            let suffix = own_tag(row);
            if question.kind == Kind::MatrixSingle {
                self.row(&suffix, row, None);
            } else {
                for answer in &question.answers {
                    let multi = question.kind == Kind::MatrixMulti;
                    let column = if multi { &answer.recode } else { &answer.id };
                    self.row(&format!("{suffix}_{column}"), row, Some(answer));
                }
            }
            if row.text_entry {
                self.row(&format!("{suffix}_TEXT"), row, None);
            }
        }
    }

    /// Assumed: the reference to a column is named `column`, as a client's reader expects.
    fn side_by_side(&mut self) {
        let question = self.question;
        for (number, column) in &question.columns {
            for row in &question.choices {
                let suffix = format!("#{number}_{}", row.id);
                let references = self
                    .reference()
                    .with(
                        "subQuestion",
                        format!("{}.subQuestions.{}", question.id, row.id),
                    )
                    .with("column", format!("{}.columns.{number}", question.id));
                if column.kind == Kind::MatrixSingle {
                    self.add(&suffix, references);
                    continue;
                }
                for answer in &column.answers {
                    let choice = format!("{}.columns.{number}.choices.{}", question.id, answer.id);
                    let references = references.clone().with("choice", choice);
                    self.add(&format!("{suffix}_{}", answer.recode), references);
                }
            }
        }
    }
}

/// The map puts the question's tag even before a row's own. Source: recorded `SM1_SM1_11` for the header `SM1_11`.
fn own_tag(row: &Choice) -> String {
    format!("_{}", row.tag.as_ref().unwrap_or(&row.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each question of the recorded survey whose map and header differ, and the names that the map had.
    #[test]
    fn the_map_has_its_recorded_peculiarities() {
        let check = |definition: serde_json::Value, loops, expected: &[&str]| {
            let mut question = Question::read("QID1", &definition);
            question.loops = loops;
            let survey = Survey {
                questions: vec![question],
                ..Survey::build(serde_json::Map::new())
            };
            let map = column_map(&survey);
            assert_eq!(
                map.iter()
                    .map(|(tag, _)| tag.to_owned())
                    .collect::<Vec<_>>(),
                expected
            );
        };
        let one = serde_json::json!({"1": {"Display": "a"}});
        let matrix = |tag: &str, row: &str, own: &str| {
            serde_json::json!({"QuestionType": "Matrix", "Selector": "Likert", "SubSelector": "SingleAnswer",
                "DataExportTag": tag, "Choices": {row: {"Display": "a"}}, "Answers": one,
                "ChoiceDataExportTags": {row: own}})
        };

        check(
            serde_json::json!({"QuestionType": "TE", "Selector": "FORM", "DataExportTag": "PII", "Choices": one}),
            None,
            &["PII_1_TEXT"],
        );
        check(
            serde_json::json!({"QuestionType": "Meta", "DataExportTag": "Q20", "Choices": one}),
            None,
            &["Q20_1_TEXT"],
        );
        check(
            serde_json::json!({"QuestionType": "Timing", "DataExportTag": "TIMING_1"}),
            None,
            &["TIMING_1_1", "TIMING_1_2", "TIMING_1_3", "TIMING_1_4"],
        );
        check(matrix("JJscn1", "1", "1"), None, &["JJscn1_1"]);
        check(matrix("SM1", "11", "SM1_11"), None, &["SM1_SM1_11"]);
        check(matrix("SM1", "4", "1"), None, &["SM1_1"]);
        check(
            matrix("JJ11", "1", "1"),
            Some(2),
            &["JJ11_1(1)", "JJ11_1(2)"],
        );
        check(
            serde_json::json!({"QuestionType": "DB", "DataExportTag": "Q5"}),
            None,
            &["Q5"],
        );
    }
}
