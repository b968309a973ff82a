//! What the settings of a survey make of its columns: names found, kept, and fitted to a table that existed before.
//!
//! Long because each way in which settings, definition and table can disagree is a test of its own.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers fail by panicking"
)]

use ingester_core::mapping::{
    CodebookEntry, ColumnMap, MapNote, MapOptions, Mapped, MappingError, ResponseDocument,
};
use ingester_core::row::{Cell, Column, ColumnType};
use ingester_core::survey::{DefinitionAnswers, DefinitionError, SurveyDefinition};
use serde_json::{Value, json};

#[test]
fn columns_are_found_by_tag_key_question_and_property() {
    let survey = survey();
    let check = |name: &str, expected: &[&str]| {
        let map = compile(&survey, &["ResponseId", name], &[]).unwrap();
        let mut columns = names(&map);
        assert_eq!(columns.remove(0), "RESPONSEID");
        assert_eq!(columns.pop().unwrap(), "RECORDEDDATE", "{name}");
        assert_eq!(columns, expected, "{name}");
    };
    check("Q1", &["Q1"]);
    check("QID1", &["Q1"]);
    check("Days", &["DAYS_10", "DAYS_20"]);
    check("Days_20", &["DAYS_20"]);
    check("QID2", &["DAYS_10", "DAYS_20"]);
    check("QID2=2", &["DAYS_20"]);
    check("Days_20_TEXT", &["DAYS_20_TEXT"]);
    check("Grid", &["GRID_1", "GRID_2"]);
    check("QID3_7", &["GRID_2"]);
    check("QID4", &["SAY"]);
    check("QID4_TEXT", &["SAY"]);
    check("Status", &["STATUS"]);
    check("Status_2", &["STATUS_2"]);
    check("STATUS_2", &["STATUS_2"]);
    check("Duration (in seconds)", &["DURATION_IN_SECONDS"]);
    check("recipientEmail", &["RECIPIENTEMAIL"]);
    check("Q1_DO", &["Q1_DO_1", "Q1_DO_2", "Q1_DO_3"]);
    check("Gone", &["GONE"]);
}

#[test]
fn the_order_of_columns_is_that_of_the_settings() {
    let map = compile(&survey(), &["Q1", "RecordedDate", "ResponseId", "Q1"], &[]).unwrap();

    assert_eq!(names(&map), ["Q1", "RECORDEDDATE", "RESPONSEID"]);
}

#[test]
fn without_settings_personal_metadata_deleted_questions_and_orders_are_no_columns() {
    let (map, _) = ColumnMap::compile(&survey(), &options(None), &[]).unwrap();

    assert_eq!(
        names(&map),
        [
            "RESPONSEID",
            "STARTDATE",
            "ENDDATE",
            "STATUS",
            "PROGRESS",
            "DURATION_IN_SECONDS",
            "FINISHED",
            "RECORDEDDATE",
            "DISTRIBUTIONCHANNEL",
            "USERLANGUAGE",
            "Q1",
            "DAYS_10",
            "DAYS_20",
            "DAYS_20_TEXT",
            "GRID_1",
            "GRID_2",
            "SAY",
            "ACCOUNTID",
            "STATUS_2",
        ]
    );
}

#[test]
fn an_unknown_name_is_refused_with_the_setting_and_the_nearest_tag() {
    let refused = compile(&survey(), &["AccountId"], &[]).unwrap_err();

    assert_eq!(refused.code(), "unknown-tag");
    assert_eq!(
        refused.to_string(),
        "`columns` names `AccountId`, which survey SV_0000000000000 does not have: did you mean `AccountID`?"
    );
    let refused = compile(&survey(), &["Nothing like it"], &[]).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "`columns` names `Nothing like it`, which survey SV_0000000000000 does not have"
    );
}

#[test]
fn a_tag_that_two_questions_have_is_refused_with_their_keys() {
    let mut answer = answer();
    answer["Questions"]["QID4"]["DataExportTag"] = "Q1".into();

    let refused = compile(&define(&answer), &["Q1"], &[]).unwrap_err();

    assert_eq!(
        refused.to_string(),
        "`columns` names `Q1`, which survey SV_0000000000000 has more than once: use one of the keys `QID1`, `QID4_TEXT`"
    );
}

#[test]
fn figures_and_comments_have_defaults_and_must_be_columns() {
    let survey = survey();
    let (map, _) = ColumnMap::compile(&survey, &options(None), &[]).unwrap();
    assert_eq!(map.score().unwrap().tag, "Q1");
    assert_eq!(map.comments().unwrap().tag, "Say");

    let options = MapOptions {
        score: Some("Grid_2".to_owned()),
        comments: Some("AccountID".to_owned()),
        ..options(None)
    };
    let (map, _) = ColumnMap::compile(&survey, &options, &[]).unwrap();
    assert_eq!(map.score().unwrap().tag, "Grid_2");
    assert_eq!(map.comments().unwrap().tag, "AccountID");

    let options = MapOptions {
        columns: Some(vec!["Q1".to_owned()]),
        ..options
    };
    let refused = ColumnMap::compile(&survey, &options, &[]).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "`score` names `Grid_2`, which is not among `columns`: add it there"
    );
}

#[test]
fn a_question_with_several_answers_is_not_pseudonymised() {
    let options = MapOptions {
        pseudonymize: vec!["Days".to_owned()],
        ..options(None)
    };

    let refused = ColumnMap::compile(&survey(), &options, &[]).unwrap_err();

    assert_eq!(refused.code(), "not-pseudonymizable");
}

#[test]
fn a_renamed_tag_and_a_recoded_choice_keep_their_column() {
    let (before, _) = ColumnMap::compile(&survey(), &options(None), &[]).unwrap();
    let mut answer = answer();
    answer["Questions"]["QID1"]["DataExportTag"] = "Satisfaction".into();
    answer["Questions"]["QID2"]["DataExportTag"] = "Weekdays".into();
    answer["Questions"]["QID2"]["RecodeValues"]["2"] = "200".into();

    let (after, notes) =
        ColumnMap::compile(&define(&answer), &options(None), before.codebook()).unwrap();

    assert_eq!(names(&after), names(&before));
    let entry = after
        .codebook()
        .iter()
        .find(|entry| entry.key == "QID1")
        .unwrap();
    assert_eq!(
        (entry.tag.as_str(), entry.property.as_str()),
        ("Satisfaction", "Q1")
    );
    assert_eq!(entry.former_tags, ["Q1"]);
    let notes: Vec<String> = notes.iter().map(ToString::to_string).collect();
    assert_eq!(
        notes,
        [
            "column Q1: export tag Q1 is now Satisfaction",
            "column DAYS_10: export tag Days_10 is now Weekdays_10",
            "column DAYS_20: export tag Days_20 is now Weekdays_200",
            "column DAYS_20: recode 20 of \"Tue\" is now 200",
            "column DAYS_20_TEXT: export tag Days_20_TEXT is now Weekdays_200_TEXT",
        ]
    );
    let row = cells(&after, &json!({"QID2": ["200"]}));
    assert_eq!(row, [("DAYS_20".to_owned(), Cell::Integer(200))]);
}

#[test]
fn every_tag_ever_seen_still_names_its_column() {
    let (first, _) = ColumnMap::compile(&survey(), &options(None), &[]).unwrap();
    let renamed = |tag: &str, multiple: &str| {
        let mut answer = answer();
        answer["Questions"]["QID1"]["DataExportTag"] = tag.into();
        answer["Questions"]["QID2"]["DataExportTag"] = multiple.into();
        define(&answer)
    };
    let (second, _) =
        ColumnMap::compile(&renamed("B", "DaysB"), &options(None), first.codebook()).unwrap();
    let third = renamed("C", "DaysC");

    for tag in ["Q1", "B", "C"] {
        let map = compile(&third, &["ResponseId", tag], second.codebook()).unwrap();
        assert_eq!(names(&map), ["RESPONSEID", "Q1", "RECORDEDDATE"], "{tag}");
    }
    for tag in ["Days", "DaysB", "DaysC"] {
        let map = compile(&third, &["ResponseId", tag], second.codebook()).unwrap();
        assert_eq!(
            names(&map),
            ["RESPONSEID", "DAYS_10", "DAYS_20", "RECORDEDDATE"],
            "{tag}"
        );
    }
}

#[test]
fn a_new_question_takes_no_name_that_another_had() {
    let (before, _) = ColumnMap::compile(&survey(), &options(None), &[]).unwrap();
    let mut answer = answer();
    let questions = answer["Questions"].as_object_mut().unwrap();
    questions.remove("QID1");
    questions.insert("QID9".to_owned(), choice("Q1", "Another", &["a", "b"]));

    let (after, notes) =
        ColumnMap::compile(&define(&answer), &options(None), before.codebook()).unwrap();

    let entry = after
        .codebook()
        .iter()
        .find(|entry| entry.key == "QID9")
        .unwrap();
    assert_eq!(entry.column.as_ref(), "Q1_2");
    assert!(notes.contains(&MapNote::Gone {
        column: "Q1".parse().unwrap(),
        key: "QID1".to_owned()
    }));
    let Mapped::Row { unknown, .. } = after
        .map(&document(&json!({"QID1": 2, "QID7": 1})))
        .unwrap()
    else {
        panic!("no row");
    };
    assert_eq!(
        unknown,
        ["QID7"],
        "answers to a question of before are nothing new"
    );
}

#[test]
fn a_question_that_was_removed_does_not_stop_the_others() {
    let names_of_before = ["ResponseId", "Q1", "Days", "Grid_2", "AccountID"];
    let options = MapOptions {
        pseudonymize: vec!["AccountID".to_owned()],
        score: Some("Q1".to_owned()),
        ..options(Some(&names_of_before))
    };
    let (before, _) = ColumnMap::compile(&survey(), &options, &[]).unwrap();
    let mut answer = answer();
    answer["Questions"].as_object_mut().unwrap().remove("QID1");
    answer["Questions"]["QID2"]["Choices"]
        .as_object_mut()
        .unwrap()
        .remove("1");
    answer["SurveyFlow"] = json!({});

    let (after, notes) = ColumnMap::compile(&define(&answer), &options, before.codebook()).unwrap();

    assert_eq!(
        names(&after),
        ["RESPONSEID", "DAYS_20", "GRID_2", "RECORDEDDATE"]
    );
    assert_eq!(after.score(), None);
    let gone: Vec<String> = notes.iter().map(ToString::to_string).collect();
    assert_eq!(
        gone,
        [
            "column Q1: the survey no longer has QID1",
            "column DAYS_10: the survey no longer has QID2=1",
            "column ACCOUNTID: the survey no longer has AccountID",
        ]
    );
    let key = "0123456789abcdef0123456789abcdef".parse().unwrap();
    let stored = after
        .redact(&document(&json!({"AccountID": "ACME"})), Some(&key))
        .unwrap();
    assert!(!stored.as_json().contains("ACME"));
}

#[test]
fn a_deleted_question_keeps_the_column_that_it_has() {
    let (before, _) = ColumnMap::compile(&survey(), &options(None), &[]).unwrap();
    let mut answer = answer();
    answer["Blocks"]["BL_2"]["BlockElements"] = json!([{"Type": "Question", "QuestionID": "QID4"}]);

    let (after, _) =
        ColumnMap::compile(&define(&answer), &options(None), before.codebook()).unwrap();

    assert!(names(&after).contains(&"SAY".to_owned()));
    let (fresh, _) = ColumnMap::compile(&define(&answer), &options(None), &[]).unwrap();
    assert!(!names(&fresh).contains(&"SAY".to_owned()));
}

#[test]
fn a_choice_known_only_by_its_recode_is_found_again_by_it() {
    let schema = json!({"properties": {"values": {"properties": {"QID2": {
        "type": "array", "exportTag": "Days", "dataType": "question", "questionId": "QID2",
        "items": {"type": "string", "oneOf": [{"label": "Mon", "const": "10"}, {"label": "Tue", "const": "20"}]}}}}}});
    let schema = schema.to_string();
    let answers = DefinitionAnswers {
        response_schema: Some(schema.as_bytes()),
        ..DefinitionAnswers::default()
    };
    let by_recode =
        SurveyDefinition::from_answers(&"SV_0000000000000".parse().unwrap(), &answers).unwrap();
    let (before, _) = ColumnMap::compile(&by_recode, &options(None), &[]).unwrap();
    assert!(
        before
            .codebook()
            .iter()
            .any(|entry| entry.question_key() == "QID2=~20")
    );
    let mut answer = answer();
    answer["Questions"]["QID2"]["DataExportTag"] = "Renamed".into();

    let (after, _) =
        ColumnMap::compile(&define(&answer), &options(None), before.codebook()).unwrap();

    let entry = after
        .codebook()
        .iter()
        .find(|entry| entry.column.as_ref() == "DAYS_20")
        .unwrap();
    assert_eq!(entry.question_key(), "QID2=2");
}

#[test]
fn an_existing_table_is_used_as_it_is() {
    let survey = survey();
    let map = compile(
        &survey,
        &[
            "ResponseId",
            "Q1",
            "Say",
            "StartDate",
            "AccountID",
            "Days_10",
        ],
        &[],
    )
    .unwrap();
    let existing = [
        column("ResponseId", ColumnType::NVarchar(40), false),
        column("Q1", ColumnType::NVarchar(2), true),
        column("Say", ColumnType::NVarchar(3), true),
        column("STARTDATE", ColumnType::NVarchar(50), true),
        column("ACCOUNTID", ColumnType::Integer, false),
        column("LOADED_BY", ColumnType::NVarchar(10), false),
        column("COMMENT", ColumnType::NClob, true),
    ];

    let (fitted, missing) = map.conform(&existing);

    assert_eq!(
        names(&fitted),
        ["ResponseId", "Q1", "Say", "STARTDATE", "ACCOUNTID"]
    );
    assert_eq!(
        missing,
        ["DAYS_10".parse().unwrap()],
        "RECORDEDDATE was not asked for"
    );
    assert_eq!(fitted.unfilled(&existing), ["LOADED_BY".parse().unwrap()]);
    let row = cells(
        &fitted,
        &json!({"QID1": 1, "QID4_TEXT": "abcd", "AccountID": "007", "startDate": "2026-01-01T00:00:00Z"}),
    );
    assert_eq!(
        row,
        [
            ("ResponseId".to_owned(), Cell::Text("R_1".to_owned())),
            ("Q1".to_owned(), Cell::Text("1".to_owned())),
            ("Say".to_owned(), Cell::Text("abc".to_owned())),
            (
                "STARTDATE".to_owned(),
                Cell::Text("2026-01-01T00:00:00Z".to_owned())
            ),
            ("ACCOUNTID".to_owned(), Cell::Integer(7)),
        ]
    );
    let refused = fitted.map(&document(&json!({"QID1": 1}))).unwrap_err();
    assert_eq!(
        (refused.code(), refused.to_string().as_str()),
        (
            "not-null",
            "column ACCOUNTID (INTEGER): there is no value, and the column is NOT NULL: set `missing`"
        )
    );
}

#[test]
fn a_key_is_never_cut() {
    let map = compile(&survey(), &["ResponseId"], &[]).unwrap();
    let (map, _) = map.conform(&[column("RESPONSEID", ColumnType::NVarchar(2), false)]);

    assert_eq!(
        map.map(&document(&json!({}))).unwrap_err().code(),
        "key-too-long"
    );
}

#[test]
fn missing_values_fill_numbers_and_texts_and_must_fit() {
    let options = MapOptions {
        missing_number: Some("-9".parse().unwrap()),
        missing_text: Some("n/a".to_owned()),
        ..options(Some(&["ResponseId", "Q1", "Say", "StartDate", "Days_10"]))
    };
    let (map, _) = ColumnMap::compile(&survey(), &options, &[]).unwrap();

    let row = cells(&map, &json!({"QID4_TEXT": ""}));

    assert_eq!(
        row,
        [
            ("Q1".to_owned(), Cell::Integer(-9)),
            ("SAY".to_owned(), Cell::Text("n/a".to_owned())),
            ("DAYS_10".to_owned(), Cell::Integer(-9)),
        ]
    );
    let options = MapOptions {
        missing_number: Some("-0.5".parse().unwrap()),
        ..options
    };
    let (map, _) = ColumnMap::compile(&survey(), &options, &[]).unwrap();
    let refused: MappingError = map.map(&document(&json!({}))).unwrap_err();
    assert_eq!(refused.code(), "fraction");
}

#[test]
fn an_empty_text_is_kept_unless_something_stands_for_it() {
    let map = compile(&survey(), &["ResponseId", "Say"], &[]).unwrap();

    assert_eq!(
        cells(&map, &json!({"QID4_TEXT": ""})),
        [("SAY".to_owned(), Cell::Text(String::new()))]
    );
}

#[test]
fn orders_are_places() {
    let map = compile(&survey(), &["ResponseId", "Q1_DO"], &[]).unwrap();

    assert_eq!(
        cells(&map, &json!({"QID1_DO": ["3", "1"]})),
        [
            ("Q1_DO_1".to_owned(), Cell::Integer(2)),
            ("Q1_DO_3".to_owned(), Cell::Integer(1)),
        ]
    );
}

#[test]
fn a_definition_says_what_the_survey_is() {
    let definition = survey();

    assert_eq!(definition.name(), "Test");
    assert_eq!(definition.brand_id(), Some("sandbox"));
    assert_eq!(
        definition.embedded_fields().collect::<Vec<_>>(),
        ["AccountID", "Status"]
    );
    let mut touched = answer();
    touched["LastModified"] = "2026-05-05T05:05:05Z".into();
    assert_eq!(define(&touched).version(), definition.version());
    touched["Questions"]["QID1"]["QuestionText"] = "Changed".into();
    assert_ne!(define(&touched).version(), definition.version());
}

#[test]
fn what_is_no_definition_says_so() {
    let id = "SV_0000000000000".parse().unwrap();
    let check = |answers: DefinitionAnswers<'_>, code: &str| {
        let refused = SurveyDefinition::from_answers(&id, &answers).unwrap_err();
        assert_eq!(refused.code(), code);
    };
    check(DefinitionAnswers::default(), "definition-missing");
    check(
        DefinitionAnswers {
            response_schema: Some(b"{\"meta\":{\"httpStatus\":\"404 - Not Found\"}}"),
            survey: Some(b"<html>"),
            survey_definition: Some(b""),
        },
        "definition-missing",
    );
    check(
        DefinitionAnswers {
            survey: Some(b"{\"result\":{\"id\":\"SV_1111111111111\",\"questions\":{}}}"),
            ..DefinitionAnswers::default()
        },
        "definition-other-survey",
    );
    assert_eq!(
        SurveyDefinition::from_json("{}").unwrap_err().code(),
        "definition-unreadable"
    );
}

fn choice(tag: &str, text: &str, choices: &[&str]) -> Value {
    let choices: serde_json::Map<String, Value> = (1..)
        .zip(choices)
        .map(|(id, choice): (u32, _)| (id.to_string(), json!({"Display": choice})))
        .collect();
    json!({"QuestionText": text, "DataExportTag": tag, "QuestionType": "MC", "Selector": "SAVR", "Choices": choices})
}

/// An answer of `GET /survey-definitions`.
fn answer() -> Value {
    let mut days = choice("Days", "Days?", &["Mon", "Tue"]);
    days["Selector"] = "MAVR".into();
    days["RecodeValues"] = json!({"1": "10", "2": "20"});
    days["Choices"]["2"]["TextEntry"] = "true".into();
    json!({
        "SurveyID": "SV_0000000000000", "SurveyName": "Test", "BrandID": "sandbox", "LastModified": "2026-01-01T00:00:00Z",
        "Questions": {
            "QID1": choice("Q1", "Satisfied?", &["no", "so so", "yes"]),
            "QID2": days,
            "QID3": {"QuestionText": "Grid", "DataExportTag": "Grid", "QuestionType": "Matrix", "Selector": "Likert",
                "SubSelector": "SingleAnswer", "Choices": {"5": {"Display": "Price"}, "7": {"Display": "Speed"}},
                "Answers": {"1": {"Display": "bad"}, "2": {"Display": "good"}}},
            "QID4": {"QuestionText": "Say", "DataExportTag": "Say", "QuestionType": "TE", "Selector": "ESTB"},
            "QID5": choice("Gone", "Deleted", &["a"]),
        },
        "Blocks": {
            "BL_1": {"Type": "Default", "BlockElements": []},
            "BL_2": {"Type": "Trash", "BlockElements": [{"Type": "Question", "QuestionID": "QID5"}]},
        },
        "SurveyFlow": {"Flow": [{"EmbeddedData": [{"Field": "AccountID"}, {"Field": "Status"}]}]},
    })
}

fn define(answer: &Value) -> SurveyDefinition {
    let answer = answer.to_string();
    let answers = DefinitionAnswers {
        survey_definition: Some(answer.as_bytes()),
        ..DefinitionAnswers::default()
    };
    SurveyDefinition::from_answers(&"SV_0000000000000".parse().unwrap(), &answers).unwrap()
}

fn survey() -> SurveyDefinition {
    define(&answer())
}

fn options(columns: Option<&[&str]>) -> MapOptions {
    MapOptions {
        columns: columns.map(|columns| columns.iter().map(|&column| column.to_owned()).collect()),
        ..MapOptions::new("T".parse().unwrap())
    }
}

fn compile(
    survey: &SurveyDefinition,
    columns: &[&str],
    assigned: &[CodebookEntry],
) -> Result<ColumnMap, DefinitionError> {
    ColumnMap::compile(survey, &options(Some(columns)), assigned).map(|(map, _)| map)
}

fn names(map: &ColumnMap) -> Vec<String> {
    map.table()
        .columns
        .iter()
        .map(|column| column.name.to_string())
        .collect()
}

fn column(name: &str, kind: ColumnType, nullable: bool) -> Column {
    Column {
        name: name.parse().unwrap(),
        property: name.to_owned(),
        kind,
        nullable,
    }
}

fn document(values: &Value) -> ResponseDocument {
    let document = json!({"responseId": "R_1", "values": values});
    ResponseDocument::parse(document.to_string().as_bytes(), None).unwrap()
}

/// The cells that hold something; `RESPONSEID` only where its name was changed.
fn cells(map: &ColumnMap, values: &Value) -> Vec<(String, Cell)> {
    let Mapped::Row { row, .. } = map.map(&document(values)).unwrap() else {
        panic!("no row");
    };
    let names = map
        .table()
        .columns
        .iter()
        .map(|column| column.name.to_string());
    names
        .zip(row.0)
        .filter(|(name, cell)| *cell != Cell::Null && name != "RESPONSEID")
        .collect()
}
