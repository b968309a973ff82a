//! The keys of every question type.

use serde_json::{Value, json};

use super::*;

fn check(definition: &Value, expected: &[(&str, &[&str])]) {
    let question = Question::read("QID7", definition);
    let fields = fields(&question);
    let found: Vec<(&str, Vec<&str>)> = fields
        .iter()
        .map(|field| {
            (
                field.key.as_str(),
                field
                    .columns
                    .iter()
                    .map(|column| column.tag.as_str())
                    .collect(),
            )
        })
        .collect();
    let expected: Vec<(&str, Vec<&str>)> = expected
        .iter()
        .map(|(key, tags)| (*key, tags.to_vec()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn each_type_has_its_keys_and_tags() {
    let two = json!({"1": {"Display": "a"}, "2": {"Display": "b"}});
    check(
        &json!({"QuestionType": "MC", "Selector": "MAVR", "DataExportTag": "Q4",
            "Choices": {"1": {"Display": "a"}, "2": {"Display": "b", "TextEntry": "true"}}, "RecodeValues": {"1": "10", "2": "20"}}),
        &[
            ("QID7", &["Q4_10", "Q4_20"]),
            ("QID7_2_TEXT", &["Q4_20_TEXT"]),
        ],
    );
    check(
        &json!({"QuestionType": "TE", "Selector": "FORM", "DataExportTag": "PII", "Choices": two}),
        &[("QID7_1", &["PII_1"]), ("QID7_2", &["PII_2"])],
    );
    check(
        &json!({"QuestionType": "Matrix", "Selector": "Likert", "SubSelector": "SingleAnswer", "DataExportTag": "SM1",
            "Choices": two, "Answers": two, "ChoiceDataExportTags": {"2": "SM1_11"}, "Randomization": {"Type": "All"}}),
        &[
            ("QID7_1", &["SM1_1"]),
            ("QID7_2", &["SM1_11"]),
            ("QID7_DO", &["SM1_DO_1", "SM1_DO_SM1_11"]),
        ],
    );
    check(
        &json!({"QuestionType": "Matrix", "Selector": "Likert", "SubSelector": "MultipleAnswer", "DataExportTag": "Q",
            "Choices": {"1": {"Display": "a"}}, "Answers": two}),
        &[("QID7_1", &["Q_1_1", "Q_1_2"])],
    );
    check(
        &json!({"QuestionType": "SBS", "DataExportTag": "S", "Choices": {"1": {"Display": "a"}}, "AdditionalQuestions": {
            "1": {"Selector": "Likert", "SubSelector": "SingleAnswer", "Answers": two},
            "2": {"Selector": "Likert", "SubSelector": "MultipleAnswer", "Answers": two},
            "3": {"Selector": "TE", "Answers": {"1": {"Display": "why"}}}}}),
        &[
            ("QID7#1_1", &["S#1_1"]),
            ("QID7#2_1", &["S#2_1_1", "S#2_1_2"]),
            ("QID7#3_1_1", &["S#3_1_1"]),
        ],
    );
    check(
        &json!({"QuestionType": "PGR", "DataExportTag": "P", "Groups": ["g"], "Choices": {"13": {"Display": "a"}}}),
        &[
            ("QID7_0_GROUP", &["P_0_GROUP_13"]),
            ("QID7_G0_13_RANK", &["P_0_13_RANK"]),
        ],
    );
    check(
        &json!({"QuestionType": "Timing", "DataExportTag": "TIMING_1"}),
        &[
            ("QID7_FIRST_CLICK", &["TIMING_1_First Click"]),
            ("QID7_LAST_CLICK", &["TIMING_1_Last Click"]),
            ("QID7_PAGE_SUBMIT", &["TIMING_1_Page Submit"]),
            ("QID7_CLICK_COUNT", &["TIMING_1_Click Count"]),
        ],
    );
}

#[test]
fn loops_stand_in_front_of_keys_and_tags() {
    let definition = json!({"QuestionType": "Matrix", "Selector": "Likert", "DataExportTag": "JJ11",
        "Choices": {"1": {"Display": "a"}}, "Answers": {"1": {"Display": "x"}}, "ChoiceDataExportTags": {"1": "1"},
        "Randomization": {"Type": "All"}});
    let mut question = Question::read("QID4137", &definition);
    question.loops = Some(2);

    let fields = fields(&question);

    let keys: Vec<_> = fields
        .iter()
        .map(|field| (field.key.as_str(), field.columns[0].tag.as_str()))
        .collect();
    assert_eq!(
        keys,
        [
            ("1_QID4137_1", "1_1"),
            ("1_QID4137_DO", "1_JJ11_DO_1"),
            ("2_QID4137_1", "2_1"),
            ("2_QID4137_DO", "2_JJ11_DO_1")
        ]
    );
}

#[test]
fn a_drill_down_numbers_the_words_of_each_level() {
    let definition = json!({"QuestionType": "DD", "Choices": {"1": {"Display": "Country"}, "2": {"Display": "City"}},
        "Answers": {"1": {"Display": "DE ~ Berlin"}, "2": {"Display": "DE ~ Bonn"}, "3": {"Display": "FR ~ Paris"}}});
    let question = Question::read("QID1", &definition);

    let labels = |at| {
        level(&question, at)
            .into_iter()
            .map(|option| option.label)
            .collect::<Vec<_>>()
    };
    assert_eq!(labels(0), ["DE", "FR"]);
    assert_eq!(labels(1), ["Berlin", "Bonn", "Paris"]);
}
