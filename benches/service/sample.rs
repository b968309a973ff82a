//! Surveys of some size, and a document of each.

use ingester_core::mapping::{ColumnMap, MapOptions, Mapped, ResponseDocument};
use ingester_core::survey::{DefinitionAnswers, SurveyDefinition};
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// What a document has at least, whatever it answers: the one recorded with twelve answers is as large.
const BYTES_MIN: usize = 3_400;
const SURVEY: &str = "SV_benchMapping01";

/// A survey of so many columns, and an answer about one response to it.
pub(crate) struct Sample {
    pub(crate) map: ColumnMap,
    pub(crate) answer: Vec<u8>,
}

impl Sample {
    pub(crate) fn of(columns: usize) -> Self {
        // Two columns are the response's id and its recorded date.
        let questions = columns - 2;
        let schema = schema(questions);
        let answers = DefinitionAnswers {
            response_schema: Some(schema.as_bytes()),
            ..DefinitionAnswers::default()
        };
        let id = SURVEY.parse().unwrap();
        let definition = SurveyDefinition::from_answers(&id, &answers).unwrap();
        let tags = (1..=questions).map(|number| format!("Q{number}"));
        let named = ["ResponseId", "RecordedDate"].map(str::to_owned);
        let options = MapOptions {
            columns: Some(named.into_iter().chain(tags).collect()),
            ..MapOptions::new("BENCH".parse().unwrap())
        };
        let (map, _) = ColumnMap::compile(&definition, &options, &[]).unwrap();
        assert_eq!(map.table().columns.len(), columns);
        let sample = Self {
            map,
            answer: answer(questions),
        };
        assert!(matches!(sample.row(), Mapped::Row { unknown, .. } if unknown.is_empty()));
        sample
    }

    /// The whole way of one document.
    pub(crate) fn row(&self) -> Mapped {
        let document = ResponseDocument::parse(&self.answer, None).unwrap();
        let redacted = self.map.redact(&document, None).unwrap();
        self.map.map(&redacted).unwrap()
    }

    /// As anybody reads JSON.
    pub(crate) fn value(&self) -> Value {
        serde_json::from_slice(&self.answer).unwrap()
    }

    /// The least that is reading: where each answer is.
    pub(crate) fn borrowed(&self) -> Borrowed<'_> {
        serde_json::from_slice(&self.answer).unwrap()
    }
}

/// An answer, its values as they stand in it.
#[derive(serde::Deserialize)]
pub(crate) struct Borrowed<'a> {
    #[serde(borrow)]
    result: BorrowedResult<'a>,
}

impl Borrowed<'_> {
    /// How many there are.
    pub(crate) fn values(&self) -> usize {
        self.result.values.len()
    }
}

#[derive(serde::Deserialize)]
struct BorrowedResult<'a> {
    #[serde(borrow)]
    values: std::collections::HashMap<&'a str, &'a RawValue>,
}

/// Numbers with choices and texts, by turns.
fn schema(questions: usize) -> String {
    let question = |number: usize| {
        let tag = format!("Q{number}");
        let id = format!("QID{number}");
        let property = if number.is_multiple_of(2) {
            let choices =
                (1..=5).map(|choice| json!({"label": format!("Choice {choice}"), "const": choice}));
            json!({"description": format!("Question {number}"), "dataType": "question", "type": "number",
                   "oneOf": choices.collect::<Vec<_>>(), "exportTag": tag, "questionId": id})
        } else {
            json!({"description": format!("Question {number}"), "dataType": "question", "type": "string",
                   "exportTag": tag, "questionId": id})
        };
        let key = if number.is_multiple_of(2) {
            id
        } else {
            format!("{id}_TEXT")
        };
        (key, property)
    };
    let mut properties: serde_json::Map<String, Value> = (1..=questions).map(question).collect();
    properties.insert(
        "recordedDate".to_owned(),
        json!({"description": "Recorded Date", "dataType": "metadata", "type": "string", "format": "date-time",
               "exportTag": "RecordedDate"}),
    );
    let values = json!({"type": "object", "properties": properties});
    let properties = json!({"responseId": {"type": "string"}, "values": values});
    json!({"result": {"$id": format!("http://qualtrics.com/API/v3/surveys/{SURVEY}/response-schema"), "title": "Bench",
           "type": "object", "properties": properties}})
    .to_string()
}

/// One response in the envelope of a single read: values with metadata, labels, and what was shown.
fn answer(questions: usize) -> Vec<u8> {
    let mut values = json!({
        "startDate": "2026-06-01T11:58:00Z", "endDate": "2026-06-01T12:00:00Z", "status": 0, "progress": 100,
        "duration": 120, "finished": 1, "recordedDate": "2026-06-01T12:00:01.123Z", "_recordId": "R_000000000000001",
        "ipAddress": "192.0.2.1", "locationLatitude": "49.29", "locationLongitude": "8.64",
        "distributionChannel": "anonymous", "userLanguage": "EN"
    });
    let (mut labels, mut shown, mut choices) = (
        json!({"status": "IP Address", "finished": "True"}),
        Vec::new(),
        json!({}),
    );
    for number in 1..=questions {
        let id = format!("QID{number}");
        if number.is_multiple_of(2) {
            values[&id] = json!(number % 5 + 1);
            labels[&id] = json!(format!("Choice {}", number % 5 + 1));
            choices[&id] = json!([1, 2, 3, 4, 5]);
        } else {
            values[format!("{id}_TEXT")] = json!(format!("what respondent {number} said of it"));
        }
        shown.push(id);
    }
    let mut answer = json!({
        "result": {"responseId": "R_000000000000001", "values": values, "labels": labels, "displayedFields": shown,
                   "displayedValues": choices},
        "meta": {"httpStatus": "200 - OK", "requestId": "74768340-3902-4f6d-9327-f5fdc2cdb9ec"}
    });
    let fields = answer["result"]["displayedFields"]
        .as_array()
        .unwrap()
        .len();
    for number in fields.. {
        if answer.to_string().len() >= BYTES_MIN {
            break;
        }
        let fields = answer["result"]["displayedFields"].as_array_mut().unwrap();
        fields.push(json!(format!("QID{number}_TEXT")));
        answer["result"]["displayedValues"][format!("QID{number}")] = json!([1, 2, 3, 4, 5]);
    }
    answer.to_string().into_bytes()
}
