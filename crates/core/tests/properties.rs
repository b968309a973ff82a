//! What holds for all inputs: nothing panics, rows have their table's shape, what is redacted stays redacted.
#![expect(clippy::unwrap_used, reason = "test helpers fail by panicking")]

use std::collections::BTreeSet;

use ingester_core::mapping::{ColumnMap, MapOptions, Mapped, PseudonymKey, ResponseDocument};
use ingester_core::row::{Cell, Column, ColumnType};
use ingester_core::survey::{DefinitionAnswers, SurveyDefinition, read_definition};
use proptest::prelude::*;
use serde_json::{Value, json};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_a_document_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        check_document(&bytes);
    }

    #[test]
    fn any_json_is_a_document_or_refused(value in json_value()) {
        check_document(value.to_string().as_bytes());
        check_document(json!({"responseId": "R_1", "values": value}).to_string().as_bytes());
        check_document(json!({"result": {"responseId": "R_1", "values": {"QID1": value}}}).to_string().as_bytes());
    }

    #[test]
    fn any_bytes_are_a_definition_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        check_definition(&bytes);
    }

    #[test]
    fn any_json_is_a_definition_or_refused(value in json_value(), type_ in question_type(), selector in "[A-Z]{0,6}") {
        for answer in [
            value.clone(),
            json!({"Questions": value}),
            json!({"Questions": {"QID1": {"QuestionType": type_, "Selector": selector, "Choices": value, "Answers": value,
                "ChoiceDataExportTags": value, "RecodeValues": value, "AdditionalQuestions": value, "Groups": value}}}),
            json!({"questions": {"QID1": {"questionType": {"type": type_, "selector": selector}, "choices": value,
                "subQuestions": value}}, "exportColumnMap": value, "blocks": value, "flow": value, "loopAndMerge": value}),
            json!({"properties": {"values": {"properties": value}}}),
            json!({"properties": {"values": {"properties": {"QID1": value, "SC_1": value, "x": value}}}}),
            json!({"SurveyElements": [{"Element": "SQ", "Payload": value}, {"Element": "BL", "Payload": value},
                {"Element": "FL", "Payload": value}, {"Element": "SCO", "Payload": value}]}),
        ] {
            check_definition(answer.to_string().as_bytes());
        }
    }

    #[test]
    fn rows_have_the_shape_of_their_table(values in answers(), missing in any::<bool>()) {
        let options = MapOptions {
            missing_number: missing.then(|| "-9".parse().unwrap()),
            missing_text: missing.then(|| "none".to_owned()),
            ..options()
        };
        let map = compile(&options);
        let document = document(&values);
        if let Ok(Mapped::Row { row, .. }) = map.map(&document) {
            prop_assert_eq!(row.0.len(), map.table().columns.len());
            for (cell, column) in row.0.iter().zip(&map.table().columns) {
                prop_assert!(fits(cell, column), "{:?} in {:?}", cell, column);
            }
            prop_assert_eq!(map.map(&document), map.map(&document));
        }
    }

    #[test]
    fn rows_fit_any_table_that_existed_before(values in answers(), kinds in prop::collection::vec(column_type(), 40)) {
        let map = compile(&options());
        let existing: Vec<Column> = map
            .table()
            .columns
            .iter()
            .zip(kinds.iter().cycle())
            .map(|(column, kind)| Column { kind: *kind, ..column.clone() })
            .collect();
        let (map, missing) = map.conform(&existing);
        prop_assert!(missing.is_empty());
        if let Ok(Mapped::Row { row, .. }) = map.map(&document(&values)) {
            for (cell, column) in row.0.iter().zip(&map.table().columns) {
                prop_assert!(fits(cell, column), "{:?} in {:?}", cell, column);
            }
        }
    }

    #[test]
    fn redacting_twice_changes_nothing(values in answers(), email in "\\PC{0,12}", query in "[a-zA-Z=&%@.#?]{0,40}") {
        let mut values = values;
        let object = values.as_object_mut().unwrap();
        object.insert("recipientEmail".to_owned(), email.clone().into());
        object.insert("Email".to_owned(), email.clone().into());
        object.insert("ipAddress".to_owned(), "192.0.2.1".into());
        object.insert("Q_URL".to_owned(), format!("https://x/?{query}&RecipientEmail=q").into());
        let map = compile(&MapOptions { pseudonymize: vec!["Email".to_owned()], ..options() });
        let document = document(&values);

        let once = map.redact(&document, Some(&key())).unwrap();

        prop_assert_eq!(&map.redact(&once, Some(&key())).unwrap(), &once);
        let read_back = ResponseDocument::parse(once.as_json().as_bytes(), None).unwrap();
        prop_assert_eq!(&read_back, &once);
        prop_assert_eq!(map.map(&read_back), map.map(&once));
        prop_assert!(!once.as_json().contains("192.0.2.1"));
        prop_assert!(!once.as_json().contains("recipientEmail"));
        prop_assert!(!once.as_json().contains("RecipientEmail"));
    }

    #[test]
    fn texts_are_cut_to_their_columns_utf_16_length(text in "\\PC{0,40}", length in 0u32..60) {
        let map = compile(&options());
        let existing: Vec<Column> = map
            .table()
            .columns
            .iter()
            .map(|column| match column.kind {
                ColumnType::NVarchar(_) if column.name.as_ref() == "SAY" => {
                    Column { kind: ColumnType::NVarchar(length), ..column.clone() }
                }
                _ => column.clone(),
            })
            .collect();
        let (map, _) = map.conform(&existing);
        let at = map.table().columns.iter().position(|column| column.name.as_ref() == "SAY").unwrap();

        let Mapped::Row { row, truncated, .. } = map.map(&document(&json!({"QID2_TEXT": text}))).unwrap() else {
            return Err(TestCaseError::fail("it is finished"));
        };

        let Some(Cell::Text(kept)) = row.0.get(at) else {
            return Err(TestCaseError::fail("text becomes text"));
        };
        prop_assert!(text.starts_with(kept.as_str()));
        let units = kept.encode_utf16().count();
        prop_assert!(units <= usize::try_from(length).unwrap());
        prop_assert_eq!(truncated.is_empty(), kept == &text);
        if kept != &text {
            let next = text.strip_prefix(kept.as_str()).unwrap().chars().next().unwrap();
            prop_assert!(units + next.len_utf16() > usize::try_from(length).unwrap(), "no more would have fitted");
        }
    }

    #[test]
    fn decimals_come_back_digit_for_digit(whole in -99_999_999_999_999_i64..=99_999_999_999_999, fraction in 0u32..1_000_000) {
        let sign = if whole < 0 { "-" } else { "" };
        let text = format!("{sign}{}.{fraction:06}", whole.unsigned_abs());
        let map = compile(&options());
        let at = map.table().columns.iter().position(|column| column.name.as_ref() == "SLIDE_1").unwrap();
        for written in [text.clone(), format!("{text}00"), format!("\"{text}\"")] {
            let document = format!(r#"{{"responseId":"R_1","values":{{"QID3_1":{written}}}}}"#);
            let document = ResponseDocument::parse(document.as_bytes(), None).unwrap();

            let Mapped::Row { row, .. } = map.map(&document).unwrap() else {
                return Err(TestCaseError::fail("it is finished"));
            };

            prop_assert_eq!(row.0.get(at), Some(&Cell::Decimal(text.parse().unwrap())));
        }
    }

    #[test]
    fn names_are_identifiers_and_differ(tags in prop::collection::vec("\\PC{0,8}|[aAbB_ ]{1,3}|Status|x{130}", 1..12)) {
        let questions: serde_json::Map<String, Value> = (1..)
            .zip(&tags)
            .map(|(n, tag): (u32, _)| {
                (format!("QID{n}"), json!({"QuestionType": "TE", "Selector": "SL", "DataExportTag": tag}))
            })
            .collect();
        let fields: Vec<Value> = tags.iter().map(|tag| json!({"Field": tag})).collect();
        let definition = json!({"Questions": questions, "SurveyFlow": {"Flow": [{"EmbeddedData": fields}]}});
        let definition = define(&definition);

        let (map, _) = ColumnMap::compile(&definition, &MapOptions::new("T".parse().unwrap()), &[]).unwrap();

        let mut seen = BTreeSet::new();
        for column in &map.table().columns {
            let name = column.name.as_ref();
            prop_assert!(name.len() <= 127);
            prop_assert!(name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_'));
            prop_assert!(!name.starts_with(|c: char| c.is_ascii_digit()));
            prop_assert_eq!(column.property.to_ascii_uppercase(), name);
            prop_assert!(seen.insert(name.to_owned()));
        }
        let (again, notes) = ColumnMap::compile(&definition, &MapOptions::new("T".parse().unwrap()), map.codebook()).unwrap();
        prop_assert_eq!(again.table(), map.table());
        prop_assert!(notes.is_empty());
    }
}

fn check_document(bytes: &[u8]) {
    let Ok(document) = ResponseDocument::parse(bytes, None) else {
        return;
    };
    let map = compile(&options());
    let redacted = map.redact(&document, None).unwrap();
    let _row_or_error = map.map(&redacted);
    let again =
        ResponseDocument::parse(redacted.as_json().as_bytes(), Some(document.response_id()))
            .unwrap();
    assert_eq!(again, redacted);
}

fn check_definition(bytes: &[u8]) {
    let Ok(definition) = read_definition(&"SV_0000000000000".parse().unwrap(), bytes) else {
        return;
    };
    let stored = definition.to_json();
    assert_eq!(SurveyDefinition::from_json(&stored).unwrap(), definition);
    let (map, _) =
        ColumnMap::compile(&definition, &MapOptions::new("T".parse().unwrap()), &[]).unwrap();
    assert_eq!(map.table().columns.len(), map.codebook().len());
    let (_, notes) = ColumnMap::compile(
        &definition,
        &MapOptions::new("T".parse().unwrap()),
        map.codebook(),
    )
    .unwrap();
    assert!(notes.is_empty(), "{notes:?}");
}

fn question_type() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "MC",
        "TE",
        "Matrix",
        "SBS",
        "Slider",
        "CS",
        "RO",
        "PGR",
        "DD",
        "FileUpload",
        "Draw",
        "HeatMap",
        "HotSpot",
        "HL",
        "Timing",
        "Meta",
        "DB",
        "SS",
        "Unheard-of",
        "",
    ])
    .prop_map(str::to_owned)
}

fn json_value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "\\PC{0,8}",
        "QID[0-9]{1,3}(_[0-9A-Z]{1,4}){0,2}",
        prop::sample::select(vec![
            "question",
            "choice",
            "subQuestion",
            "type",
            "array",
            "oneOf",
            "items",
            "const",
            "label",
            "exportTag",
            "QID1.choices.1",
            "Display",
            "recode",
            "1",
            "2"
        ])
        .prop_map(str::to_owned),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(text.clone(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Values under the keys of [`compile`]'s survey, fit or not.
fn answers() -> impl Strategy<Value = Value> {
    let key = prop::sample::select(vec![
        "QID1",
        "QID2_TEXT",
        "QID3_1",
        "QID4",
        "QID4_DO",
        "startDate",
        "progress",
        "Email",
        "Other",
    ]);
    let value = prop_oneof![
        2 => json_value(),
        1 => (1u32..5).prop_map(Value::from),
        1 => Just(json!(["1", "2"])),
        1 => Just(json!("2026-03-02T09:17:44.581Z")),
        1 => "-?[0-9]{1,25}(\\.[0-9]{1,8})?".prop_map(Value::from),
    ];
    prop::collection::btree_map(key.prop_map(str::to_owned), value, 0..9)
        .prop_map(|members| Value::Object(members.into_iter().collect()))
}

fn column_type() -> impl Strategy<Value = ColumnType> {
    prop_oneof![
        Just(ColumnType::Integer),
        Just(ColumnType::BigInt),
        Just(ColumnType::Double),
        (1u8..=38).prop_flat_map(|precision| {
            (0..=precision).prop_map(move |scale| ColumnType::Decimal { precision, scale })
        }),
        Just(ColumnType::Boolean),
        Just(ColumnType::Date),
        Just(ColumnType::Timestamp),
        (1u32..20).prop_map(ColumnType::NVarchar),
        Just(ColumnType::NClob),
    ]
}

/// Whether the cell is what its column holds.
fn fits(cell: &Cell, column: &Column) -> bool {
    match (cell, column.kind) {
        (Cell::Null, _) => column.nullable,
        (Cell::Integer(value), ColumnType::Integer) => i32::try_from(*value).is_ok(),
        (Cell::Decimal(value), ColumnType::Decimal { precision, scale }) => {
            let value = value.normalized();
            let fraction = value.fractional_digit_count().max(0);
            let whole = i64::try_from(value.digits()).unwrap() - value.fractional_digit_count();
            fraction <= i64::from(scale) && whole <= i64::from(precision - scale)
                || value.sign() == bigdecimal::num_bigint::Sign::NoSign
        }
        (Cell::Double(value), ColumnType::Double) => value.is_finite(),
        (Cell::Text(text), ColumnType::NVarchar(length)) => {
            text.encode_utf16().count() <= usize::try_from(length).unwrap() && !text.contains('\0')
        }
        (Cell::Text(text), ColumnType::NClob) => !text.contains('\0'),
        (Cell::Integer(_), ColumnType::BigInt)
        | (Cell::Boolean(_), ColumnType::Boolean)
        | (Cell::Date(_), ColumnType::Date)
        | (Cell::Timestamp(_), ColumnType::Timestamp) => true,
        _ => false,
    }
}

fn key() -> PseudonymKey {
    "0123456789abcdef0123456789abcdef".parse().unwrap()
}

fn document(values: &Value) -> ResponseDocument {
    let document = json!({"responseId": "R_1", "values": values});
    ResponseDocument::parse(document.to_string().as_bytes(), None).unwrap()
}

fn options() -> MapOptions {
    let columns = [
        "ResponseId",
        "StartDate",
        "Progress",
        "Q1",
        "Say",
        "Slide",
        "Days",
        "Days_DO",
        "Email",
    ];
    MapOptions {
        columns: Some(columns.map(str::to_owned).to_vec()),
        ..MapOptions::new("T".parse().unwrap())
    }
}

fn compile(options: &MapOptions) -> ColumnMap {
    let definition = define(&json!({
        "Questions": {
            "QID1": {"QuestionType": "MC", "Selector": "SAVR", "DataExportTag": "Q1",
                "Choices": {"1": {"Display": "a"}, "2": {"Display": "b"}}},
            "QID2": {"QuestionType": "TE", "Selector": "ESTB", "DataExportTag": "Say"},
            "QID3": {"QuestionType": "Slider", "Selector": "HBAR", "DataExportTag": "Slide", "Choices": {"1": {"Display": "a"}}},
            "QID4": {"QuestionType": "MC", "Selector": "MAVR", "DataExportTag": "Days",
                "Choices": {"1": {"Display": "Mon"}, "2": {"Display": "Tue"}}},
        },
        "SurveyFlow": {"Flow": [{"EmbeddedData": [{"Field": "Email"}, {"Field": "Q_URL"}]}]},
    }));
    ColumnMap::compile(&definition, options, &[]).unwrap().0
}

fn define(definition: &Value) -> SurveyDefinition {
    let definition = definition.to_string();
    let answers = DefinitionAnswers {
        survey_definition: Some(definition.as_bytes()),
        ..DefinitionAnswers::default()
    };
    SurveyDefinition::from_answers(&"SV_0000000000000".parse().unwrap(), &answers).unwrap()
}
