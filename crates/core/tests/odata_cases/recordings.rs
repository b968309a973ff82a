//! The recorded questions and answers: read, put to a service, and compared.

mod comparison;
mod expectations;

use std::path::{Path, PathBuf};

use ingester_core::odata::{EntitySet, Incoming, SetKind, Source, StoredProperty};
use ingester_core::row::{Cell, Column, ColumnType, Row, Table};
use jiff::tz::TimeZone;
use serde_json::Value;

use super::support::{self, Answer, ROOT, Service, bound};
use comparison::{AndIf, error_message, same_json, same_parts, same_shape};

/// The folder with the recordings, beside the workspace or one of its parents.
pub(crate) fn folder() -> Option<PathBuf> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.ancestors()
        .map(|folder| folder.join("shared/cap"))
        .find(|folder| folder.join("odata-cases.jsonl").exists())
}

/// The recorded rows of all tables.
pub(crate) fn rows(folder: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder.join("odata-rows.json")).unwrap()).unwrap()
}

fn column_type(declared: &str) -> ColumnType {
    let arguments: Vec<u32> = declared
        .split_once('(')
        .map(|(_, rest)| {
            rest.trim_end_matches(')')
                .split(',')
                .map(|number| number.trim().parse().unwrap())
                .collect()
        })
        .unwrap_or_default();
    match declared.split('(').next().unwrap() {
        "INTEGER" => ColumnType::Integer,
        "BIGINT" => ColumnType::BigInt,
        "DOUBLE" => ColumnType::Double,
        "BOOLEAN" => ColumnType::Boolean,
        "DATE_TEXT" => ColumnType::Date,
        "TIMESTAMP_TEXT" => ColumnType::Timestamp,
        "DECIMAL" => ColumnType::Decimal {
            precision: u8::try_from(arguments[0]).unwrap(),
            scale: u8::try_from(arguments[1]).unwrap(),
        },
        "NVARCHAR" => ColumnType::NVarchar(arguments[0]),
        other => panic!("unknown type {other}"),
    }
}

fn texts(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|text| text.as_str().unwrap())
        .collect()
}

/// A recorded table: as it was declared, for which entity sets, with which rows.
pub(crate) struct Recorded {
    pub(crate) table: Table,
    pub(crate) rows: Vec<Row>,
    ddl: String,
    sets: Vec<String>,
}

pub(crate) fn tables(recorded: &Value) -> Vec<Recorded> {
    let of = |table: &str| {
        let content = &recorded[table];
        let ddl = content["ddl"].as_str().unwrap();
        let columns: Vec<Column> = texts(&content["columns"])
            .into_iter()
            .zip(texts(&content["properties"]))
            .map(|(column, property)| Column {
                name: column.parse().unwrap(),
                property: property.to_owned(),
                kind: declared_type(ddl, column),
                nullable: column != "RESPONSEID",
            })
            .collect();
        let row = |row: &Value| {
            let cells = row.as_array().unwrap().iter().zip(&columns);
            Row(cells
                .map(|(value, column)| cell(value, column.kind))
                .collect())
        };
        Recorded {
            rows: content["rows"]
                .as_array()
                .unwrap()
                .iter()
                .map(row)
                .collect(),
            table: Table {
                name: table.parse().unwrap(),
                columns,
            },
            ddl: ddl
                .replace("DATE_TEXT", "TEXT")
                .replace("TIMESTAMP_TEXT", "TEXT"),
            sets: texts(&content["entity_sets"])
                .into_iter()
                .map(str::to_owned)
                .collect(),
        }
    };
    vec![of("TEST_QUALTRICS"), of("TYPED_RESPONSES")]
}

fn declared_type(ddl: &str, column: &str) -> ColumnType {
    let declared = ddl.split_once(&format!("\"{column}\" ")).unwrap().1;
    let end = declared.find(' ').unwrap_or(declared.len());
    let declared = declared.get(..end).unwrap().trim_end_matches(',');
    let is_last = declared.matches(')').count() > declared.matches('(').count();
    column_type(if is_last {
        declared.strip_suffix(')').unwrap()
    } else {
        declared
    })
}

fn cell(value: &Value, kind: ColumnType) -> Cell {
    match (value, kind) {
        (Value::Null, _) => Cell::Null,
        (Value::Bool(value), _) => Cell::Boolean(*value),
        (Value::Number(number), ColumnType::Boolean) => Cell::Boolean(number.as_i64() != Some(0)),
        (Value::Number(number), ColumnType::Double) => Cell::Double(number.as_f64().unwrap()),
        (Value::Number(number), ColumnType::Decimal { .. }) => {
            Cell::Decimal(number.to_string().parse().unwrap())
        }
        (Value::Number(number), _) => Cell::Integer(number.as_i64().unwrap()),
        (Value::String(text), ColumnType::Date) => Cell::Date(text.parse().unwrap()),
        (Value::String(text), ColumnType::Timestamp) => Cell::Timestamp(text.parse().unwrap()),
        (Value::String(text), _) => Cell::Text(text.clone()),
        (other, _) => panic!("{other}"),
    }
}

/// The recorded tables as a service, on SQLite.
pub(crate) fn service(recorded: &Value) -> Service {
    let connection = rusqlite::Connection::open_in_memory().unwrap();
    let mut sets = Vec::new();
    for recorded in tables(recorded) {
        let (table, columns) = (&recorded.table.name, &recorded.table.columns);
        connection.execute_batch(&recorded.ddl).unwrap();
        let stored: Vec<StoredProperty> = columns
            .iter()
            .map(|column| StoredProperty {
                name: column.property.clone(),
                column: column.name.clone(),
                kind: column.kind,
                nullable: column.nullable,
                key: !column.nullable,
                label: None,
                missing: None,
                choices: Vec::new(),
                is_nps: false,
            })
            .collect();
        for set in &recorded.sets {
            let survey = format!("SV_{:0>11}", sets.len());
            sets.push(EntitySet::new(
                set,
                SetKind::Survey(survey.parse().unwrap()),
                Source::Table(table.clone()),
                stored.clone(),
                TimeZone::UTC,
            ));
        }
        let marks = vec!["?"; columns.len()].join(",");
        let insert = format!("INSERT INTO {table} VALUES ({marks})");
        for row in &recorded.rows {
            let cells = rusqlite::params_from_iter(row.0.iter().map(bound));
            connection.execute(&insert, cells).unwrap();
        }
    }
    sets.swap(1, 2); // as the recordings list them
    let mut service = Service::new(support::model(sets), connection);
    service.page_rows = |set| if set == "PagedFeedback" { 10 } else { 1000 };
    service
}

fn ask(service: &Service, request: &Value) -> Answer {
    let url = request["url"].as_str().unwrap();
    let header = |name: &str| {
        let headers = request["headers"].as_object();
        let found = headers.and_then(|headers| {
            headers
                .iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(name))
        });
        found.map(|(_, value)| value.as_str().unwrap())
    };
    let (path, query) = url
        .split_once('?')
        .map_or((url, None), |(path, query)| (path, Some(query)));
    let path = path.strip_prefix(ROOT.trim_end_matches('/')).unwrap();
    let method = request["method"].as_str().unwrap();
    if path == "/$batch" && method == "POST" {
        let body = request["body"].as_str().unwrap_or_default().as_bytes();
        return service.batch(header("content-type"), header("prefer"), body);
    }
    let incoming = Incoming {
        method,
        path,
        query,
        path_start: ROOT.len() - 1,
        accept: header("accept"),
        version: header("odata-version"),
        max_version: header("odata-maxversion"),
        prefer: header("prefer"),
    };
    service.answer_if_none_match(&incoming, header("if-none-match"))
}

/// Why ours is right where it differs from the recorded answer without the recording saying so.
const EXCEPTIONS: [(&str, &str); 4] = [
    (
        "batch-ui5",
        "JSON Format, 3.2: its parts ask for IEEE754Compatible=true, so counts are strings",
    ),
    (
        "search-and",
        "Part 2, 5.1.8: words side by side mean AND; the recorded answer looked at the first word only",
    ),
    (
        "search-or",
        "Part 2, 5.1.8: OR; the recorded answer looked at the first word only",
    ),
    (
        "page-last",
        "Part 1, 11.2.6.7: tokens are opaque, this one was made by another; a page behind the last needs no link",
    ),
];

/// How many recorded answers this service gives too, how many are excepted, and which it does not give.
pub(crate) fn compare(
    folder: &Path,
    service: &Service,
    rows: &Value,
) -> (usize, usize, Vec<String>) {
    let cases = std::fs::read_to_string(folder.join("odata-cases.jsonl")).unwrap();
    let (mut passed, mut excepted, mut failed) = (0, 0, Vec::new());
    for line in cases.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let id = case["id"].as_str().unwrap();
        if EXCEPTIONS.iter().any(|(excepted, _)| *excepted == id) {
            excepted += 1;
            continue;
        }
        let answer = ask(service, &case["request"]);
        let outcome = match case["compare"].as_str().unwrap() {
            "json" => same_json(&case, &answer),
            "text" => Ok(()).and_if(
                answer.body == case["body"].as_str().unwrap(),
                "another text",
            ),
            "status" => Ok(()).and_if(
                answer.body.is_empty() || error_message(&answer).is_some(),
                "no OData error",
            ),
            "shape" => same_shape(&case, &answer),
            "batch" => same_parts(&case, &answer),
            "ours" => expectations::check(id, &answer, &case, rows),
            other => panic!("unknown comparison {other}"),
        };
        let status = u64::from(answer.status) == case["status"].as_u64().unwrap()
            || case["compare"] == "ours";
        match outcome.and_if(status, "another status") {
            Ok(()) => passed += 1,
            Err(reason) => {
                failed.push(format!("{id}: {reason}: {} {}", answer.status, answer.body))
            }
        }
    }
    (passed, excepted, failed)
}
