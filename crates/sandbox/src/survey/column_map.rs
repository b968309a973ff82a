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
    let tag = &question.tag;
    let whole = || Object::<Json>::new().with("question", question.id.as_str());
    let choice =
        |choice: &Choice| whole().with("choice", format!("{}.choices.{}", question.id, choice.id));
    let row = |row: &Choice| {
        whole().with(
            "subQuestion",
            format!("{}.subQuestions.{}", question.id, row.id),
        )
    };
    let cell = |one: &Choice, answer: &Choice| {
        row(one).with("choice", format!("{}.choices.{}", question.id, answer.id))
    };
    let row_tag = |row: &Choice| format!("{tag}_{}", row.tag.as_ref().unwrap_or(&row.id));
    let numbered = |names: &[&str]| {
        let column = |(at, _): (usize, _)| {
            let number = at + 1;
            (
                format!("{tag}_{number}"),
                whole().with("choice", format!("{}.choices.{number}", question.id)),
            )
        };
        names.iter().enumerate().map(column).collect::<Vec<_>>()
    };
    let texts = || {
        let with_text = question.choices.iter().filter(|choice| choice.text_entry);
        with_text
            .map(|one| (format!("{tag}_{}_TEXT", one.recode), choice(one)))
            .collect::<Vec<_>>()
    };
    match question.kind {
        Kind::Single => [vec![(tag.clone(), whole())], texts()].concat(),
        Kind::Multi => {
            let each = question
                .choices
                .iter()
                .map(|one| (format!("{tag}_{}", one.recode), choice(one)));
            [each.collect(), texts()].concat()
        }
        Kind::Nps => vec![
            (tag.clone(), whole()),
            (format!("{tag}_NPS_GROUP"), whole()),
        ],
        // Descriptive texts have an entry although they have no column. Source: recorded map of a real survey.
        Kind::Text | Kind::Silent | Kind::File | Kind::HeatMap => vec![(tag.clone(), whole())],
        Kind::Form | Kind::Meta => question
            .choices
            .iter()
            .map(|one| (format!("{tag}_{}_TEXT", one.id), choice(one)))
            .collect(),
        Kind::Timing => numbered(&["First Click", "Last Click", "Page Submit", "Click Count"]),
        Kind::MatrixSingle => {
            let text = |one: &Choice| {
                one.text_entry
                    .then(|| (format!("{}_TEXT", row_tag(one)), row(one)))
            };
            let each = |one: &Choice| [Some((row_tag(one), row(one))), text(one)];
            question.choices.iter().flat_map(each).flatten().collect()
        }
        Kind::Highlight => question
            .choices
            .iter()
            .map(|word| (row_tag(word), row(word)))
            .collect(),
        Kind::MatrixMulti => cells(question, |one, answer| {
            (
                format!("{}_{}", row_tag(one), answer.recode),
                cell(one, answer),
            )
        }),
        Kind::MatrixText | Kind::MatrixNumber => cells(question, |one, answer| {
            (format!("{}_{}", row_tag(one), answer.id), cell(one, answer))
        }),
        Kind::SideBySide => side_by_side(question),
        Kind::Slider | Kind::ConstantSum | Kind::Rank | Kind::DrillDown | Kind::HotSpot => question
            .choices
            .iter()
            .map(|one| (format!("{tag}_{}", one.id), choice(one)))
            .collect(),
        Kind::PickGroupRank => {
            let groups = question.groups.iter().enumerate();
            let each = |(group, _): (usize, _)| {
                let grouped = question
                    .choices
                    .iter()
                    .map(move |one| (format!("{tag}_{group}_GROUP_{}", one.id), one));
                let ranked = question
                    .choices
                    .iter()
                    .map(move |one| (format!("{tag}_{group}_{}_RANK", one.id), one));
                grouped.chain(ranked)
            };
            groups
                .flat_map(each)
                .map(|(tag, one)| (tag, choice(one)))
                .collect()
        }
    }
}

fn cells(
    question: &Question,
    cell: impl Fn(&Choice, &Choice) -> (String, Object),
) -> Vec<(String, Object)> {
    let cell = &cell;
    question
        .choices
        .iter()
        .flat_map(|row| question.answers.iter().map(move |answer| cell(row, answer)))
        .collect()
}

/// Assumed: the reference to a column is named `column`, as a client's reader expects.
fn side_by_side(question: &Question) -> Vec<(String, Object)> {
    let mut list = Vec::new();
    for (number, column) in &question.columns {
        for row in &question.choices {
            let tag = format!("{}#{number}_{}", question.tag, row.id);
            let references = Object::<Json>::new()
                .with("question", question.id.as_str())
                .with(
                    "subQuestion",
                    format!("{}.subQuestions.{}", question.id, row.id),
                )
                .with("column", format!("{}.columns.{number}", question.id));
            if column.kind == Kind::MatrixSingle {
                list.push((tag, references));
                continue;
            }
            for answer in &column.answers {
                let choice = format!("{}.columns.{number}.choices.{}", question.id, answer.id);
                list.push((
                    format!("{tag}_{}", answer.recode),
                    references.clone().with("choice", choice),
                ));
            }
        }
    }
    list
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
