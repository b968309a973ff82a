//! One survey's table with every type that a column may have.

use ingester_core::odata::{Choice, EntitySet, Model, SetKind, Source, StoredProperty};
use ingester_core::row::{Cell, ColumnName, ColumnType};
use jiff::tz::TimeZone;
use proptest::test_runner::{Config as ProptestConfig, FileFailurePersistence};
use rusqlite::Connection;
use serde_json::Value;

use crate::support::{self, Service, bound};

pub(crate) const SURVEY: &str = "SV_22VlHYNeldrrrk1";

/// Columns: property, column, type.
pub(crate) const COLUMNS: [(&str, &str, ColumnType); 12] = [
    ("ResponseId", "RESPONSEID", ColumnType::NVarchar(50)),
    ("RecordedDate", "RECORDEDDATE", ColumnType::Timestamp),
    ("Day", "DAY", ColumnType::Date),
    ("Q1", "Q1", ColumnType::Integer),
    ("Q2", "Q2", ColumnType::Integer),
    (
        "Score",
        "SCORE",
        ColumnType::Decimal {
            precision: 9,
            scale: 2,
        },
    ),
    ("Ratio", "RATIO", ColumnType::Double),
    ("Duration", "DURATION", ColumnType::BigInt),
    ("Done", "DONE", ColumnType::Boolean),
    ("Comment", "COMMENT", ColumnType::NVarchar(5000)),
    ("Note", "NOTE", ColumnType::NClob),
    ("AccountID", "ACCOUNTID", ColumnType::NVarchar(100)),
];

pub(crate) type Row = [Cell; 12];

fn stored(property: &str, column: &str, kind: ColumnType) -> StoredProperty {
    let choice = |(recode, label): (&str, &str)| Choice {
        recode: recode.to_owned(),
        label: label.to_owned(),
    };
    let q1 = property == "Q1";
    StoredProperty {
        name: property.to_owned(),
        column: column.parse().unwrap(),
        kind,
        nullable: property != "ResponseId",
        key: property == "ResponseId",
        label: q1.then(|| "Overall <satisfaction>\u{1}& \"more\"".to_owned()),
        missing: q1.then(|| (-9).into()),
        choices: if q1 {
            [
                ("1", "bad"),
                ("2", "poor"),
                ("3", "fair"),
                ("4", "good"),
                ("5", "it's great"),
            ]
            .map(choice)
            .into()
        } else {
            Vec::new()
        },
        is_nps: property == "Q2",
    }
}

/// `Feedback`, and the sets about surveys: `Surveys` over values, `Questions` over a table.
pub(crate) fn model(time_zone: &TimeZone) -> Model {
    let columns = COLUMNS
        .iter()
        .map(|(property, column, kind)| stored(property, column, *kind))
        .collect();
    let about = || SetKind::AboutSurveys {
        survey_column: "SURVEY_ID".parse().unwrap(),
    };
    let text = |name: &str, column: &str, key: bool| StoredProperty {
        key,
        nullable: !key,
        missing: None,
        choices: Vec::new(),
        ..stored(name, column, ColumnType::NVarchar(100))
    };
    let survey = |name: &str, id: &str, table: &str, columns| {
        let kind = SetKind::Survey(id.parse().unwrap());
        EntitySet::new(
            name,
            kind,
            Source::Table(table.parse().unwrap()),
            columns,
            time_zone.clone(),
        )
    };
    let other = vec![
        text("ResponseId", ColumnName::RESPONSE_ID, true),
        text("Region", "REGION", false),
    ];
    support::model(vec![
        survey("Feedback", SURVEY, "FEEDBACK", columns),
        survey("Other", "SV_0other000000", "OTHER", other),
        EntitySet::new(
            "Surveys",
            about(),
            Source::Values,
            vec![
                text("SurveyId", "SURVEY_ID", true),
                text("Name", "NAME", false),
                StoredProperty {
                    kind: ColumnType::Timestamp,
                    ..text("LastRowAt", "LAST_ROW_AT", false)
                },
                StoredProperty {
                    kind: ColumnType::BigInt,
                    ..text("Rows", "ROWS", false)
                },
            ],
            TimeZone::UTC,
        ),
        EntitySet::new(
            "Questions",
            about(),
            Source::Table("QUALTRICS_QUESTIONS".parse().unwrap()),
            vec![
                text("SurveyId", "SURVEY_ID", true),
                text("Column", "COLUMN_NAME", true),
                text("Text", "TEXT", false),
            ],
            TimeZone::UTC,
        ),
    ])
}

pub(crate) fn connection(rows: &[Row]) -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    let columns: Vec<String> = COLUMNS
        .iter()
        .map(|(_, column, kind)| {
            let key = if *column == "RESPONSEID" {
                " NOT NULL PRIMARY KEY"
            } else {
                ""
            };
            format!("\"{column}\" {kind}{key}")
        })
        .collect();
    let ddl = format!(
        "CREATE TABLE \"FEEDBACK\" ({});
         CREATE TABLE \"OTHER\" (\"RESPONSEID\" NVARCHAR(100) PRIMARY KEY, \"REGION\" NVARCHAR(100));
         INSERT INTO \"OTHER\" VALUES ('R_other', 'EU');
         CREATE TABLE \"QUALTRICS_QUESTIONS\" (\"SURVEY_ID\" NVARCHAR(18), \"COLUMN_NAME\" NVARCHAR(127), \"TEXT\" NVARCHAR(100));
         INSERT INTO \"QUALTRICS_QUESTIONS\" VALUES ('{SURVEY}', 'Q1', 'Overall?'), ('{SURVEY}', 'Q2', 'Recommend?'),
           ('SV_0other000000', 'REGION', 'Where?'), ('SV_0gone0000000', 'Q1', 'Why?')",
        columns.join(", ")
    );
    connection.execute_batch(&ddl).unwrap();
    let marks = vec!["?"; COLUMNS.len()].join(",");
    let mut insert = connection
        .prepare(&format!("INSERT INTO \"FEEDBACK\" VALUES ({marks})"))
        .unwrap();
    for row in rows {
        insert
            .execute(rusqlite::params_from_iter(row.iter().map(bound)))
            .unwrap();
    }
    drop(insert);
    connection
}

pub(crate) fn service(rows: &[Row]) -> Service {
    let mut service = Service::new(model(&TimeZone::UTC), connection(rows));
    service.values = vec![
        vec![
            text(SURVEY),
            text("Feedback"),
            instant("2024-05-01T10:00:00.5Z"),
            Cell::Integer(4),
        ],
        vec![
            text("SV_0other000000"),
            text("Other"),
            Cell::Null,
            Cell::Integer(1),
        ],
    ];
    service
}

pub(crate) fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

pub(crate) fn instant(text: &str) -> Cell {
    Cell::Timestamp(text.parse().unwrap())
}

/// A row with nothing in it but its key.
pub(crate) fn empty(id: &str) -> Row {
    let mut row = [const { Cell::Null }; 12];
    row[0] = text(id);
    row
}

/// A row with some cells, by property.
pub(crate) fn row(id: &str, cells: &[(&str, Cell)]) -> Row {
    let mut row = empty(id);
    for (property, cell) in cells {
        let index = COLUMNS
            .iter()
            .position(|(name, ..)| name == property)
            .unwrap();
        row[index] = cell.clone();
    }
    row
}

/// So many cases; what failed once is kept beside the tests and tried again first.
pub(crate) fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource(
            "proptest-regressions",
        ))),
        ..ProptestConfig::default()
    }
}

/// Percent-encodes what an URL can't hold.
pub(crate) fn encoded(query: &str) -> String {
    query
        .bytes()
        .map(|byte| match byte {
            b'0'..=b'9'
            | b'a'..=b'z'
            | b'A'..=b'Z'
            | b'$'
            | b'='
            | b'&'
            | b'('
            | b')'
            | b','
            | b'\''
            | b'-'
            | b'.'
            | b'_'
            | b':'
            | b'/'
            | b'*'
            | b'@'
            | b'?' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

impl Service {
    /// The JSON answer to a GET; spaces and the like may stand in the query.
    #[track_caller]
    pub(crate) fn json(&self, url: &str) -> Value {
        let answer = self.get(&encoded(url));
        assert_eq!(answer.status, 200, "{url}: {}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    /// The rows of a list.
    #[track_caller]
    pub(crate) fn rows(&self, url: &str) -> Value {
        self.json(url)["value"].clone()
    }

    /// The refusal's status and message.
    #[track_caller]
    pub(crate) fn refusal(&self, url: &str) -> (u16, String) {
        let answer = self.get(&encoded(url));
        assert!(answer.status >= 400, "{url}: {}", answer.body);
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        (
            answer.status,
            body["error"]["message"].as_str().unwrap().to_owned(),
        )
    }

    /// The ids of a list's rows, without their `R_`, with spaces between.
    #[track_caller]
    pub(crate) fn ids(&self, query: &str) -> String {
        let rows = self.rows(&format!("Feedback?$select=ResponseId&{query}"));
        let ids = rows
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["ResponseId"].as_str().unwrap().trim_start_matches("R_"));
        ids.collect::<Vec<_>>().join(" ")
    }
}
