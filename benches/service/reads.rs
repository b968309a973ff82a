//! The questions that cards ask, against a bare handler that runs the same SQL and writes its JSON.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use axum::Router;
use axum::extract::{Path as UrlPath, State};
use axum::routing::get;
use ingester_core::access::{AccessRules, Viewer};
use ingester_core::odata::{self, Incoming, Target};
use ingester_core::row::Cell;
use ingester_core::sql::{self, Dialect, Statement};
use qualtrics_ingester::config::{Config, Sources};
use qualtrics_ingester::lifecycle::Lifecycle;
use qualtrics_ingester::model::Models;
use qualtrics_ingester::qualtrics::Qualtrics;
use qualtrics_ingester::service;
use qualtrics_ingester::store::Role;
use qualtrics_ingester::telemetry::metrics::Metrics;
use rusqlite::Connection;
use rusqlite::types::{Value as SqlValue, ValueRef};
use serde_json::{Map, Value, json};

use crate::callbacks::SURVEY;
use crate::load::{self, KeptAlive};
use crate::process::{Process, Site};
use crate::report::{Bound, Measure, Report, quantile};
use crate::standin;

const SECTION: &str = "reads";
const ROWS: [u64; 2] = [100_000, 1_000_000];
const ROUNDS: usize = 5;
/// How long one question is asked in a round.
const ASKED_FOR_S: f64 = 0.3;

/// What cards ask, by name.
const QUESTIONS: [(&str, &str); 4] = [
    (
        "top 5, filter, count",
        "ProjectFeedback?$top=5&$orderby=RecordedDate%20desc&$filter=Q18%20ne%20null&$count=true",
    ),
    (
        "group by, average",
        "ProjectFeedback?$apply=groupby((PhaseID),aggregate(Q1%20with%20average%20as%20Average,$count%20as%20Responses))",
    ),
    ("by key", "ProjectFeedback('R_000000000000777')"),
    ("$count", "ProjectFeedback/$count"),
];

pub(crate) fn run(report: &mut Report, _: Option<u64>) {
    let qualtrics = Process::part(&["stand-in", "refuse"]);
    for rows in ROWS {
        let site = Site::new(qualtrics.addr);
        site.serve_prepared().stop();
        fill(&site.database(), rows);
        let statements = site.folder.path().join("statements.json");
        std::fs::write(&statements, json!(statements_of(&site)).to_string()).unwrap();
        let (database, statements) = (
            site.database().display().to_string(),
            statements.display().to_string(),
        );
        let bare = Process::part(&["bare", "reads", &database, &statements]);
        let serve = site.serve_prepared();
        for (number, (name, url)) in QUESTIONS.into_iter().enumerate() {
            let (by_bare, by_serve) = ask(&bare, &format!("/{number}"), &serve, url);
            let measure = Measure::new(SECTION, format!("{name}, {rows} rows: p50"), "ms");
            report.alone(&measure, "bare SQL and JSON", &by_bare, None);
            report.compared(
                &measure,
                "serve",
                &by_serve,
                &by_bare,
                Some(Bound::AtMost(1.3)),
            );
        }
        let peak_mib = serve.usage().peak_kib as f64 / 1024.0;
        let measure = Measure::new(SECTION, format!("peak memory, {rows} rows"), "MiB");
        report.alone(&measure, "serve", &[peak_mib], Some(Bound::AtMost(48.0)));
    }
}

/// The medians of rounds, by the bare handler and by the service.
fn ask(bare: &Process, bare_path: &str, serve: &Process, url: &str) -> (Vec<f64>, Vec<f64>) {
    let url = format!("/odata/v4/feedback/{url}");
    let (mut by_bare, mut by_serve) = (Vec::new(), Vec::new());
    p50_ms(bare.addr, bare_path);
    p50_ms(serve.addr, &url);
    for _ in 0..ROUNDS {
        by_bare.push(p50_ms(bare.addr, bare_path));
        by_serve.push(p50_ms(serve.addr, &url));
    }
    (by_bare, by_serve)
}

fn p50_ms(addr: SocketAddr, path: &str) -> f64 {
    let mut connection = KeptAlive::to(addr);
    let begun = Instant::now();
    let mut took = Vec::new();
    while took.len() < 5 || begun.elapsed().as_secs_f64() < ASKED_FOR_S {
        let asked = Instant::now();
        connection.get(path);
        took.push(load::milliseconds(asked.elapsed()));
    }
    quantile(&took, 0.5)
}

/// Rows as the service would have written them.
fn fill(database: &Path, rows: u64) {
    let connection = Connection::open(database).unwrap();
    connection
        .execute(
            "INSERT INTO PROJECT_FEEDBACK (RESPONSEID, RECORDEDDATE, PROGRESS, Q1, Q18, Q8_1, Q8_2, Q8_3, Q2, ACCOUNTID,
                 PROJECTID, PHASEID)
             WITH RECURSIVE N (N) AS (SELECT 1 UNION ALL SELECT N + 1 FROM N WHERE N < ?1)
             SELECT printf('R_%015d', N), strftime('%Y-%m-%dT%H:%M:%S.000Z', 1700000000 + N * 60, 'unixepoch'), 100,
                 N * 7 % 5 + 1, CASE WHEN N % 3 = 0 THEN 'what respondent ' || N || ' said of it' END, N % 7 + 1,
                 N % 5 + 1, N % 3 + 1, N % 2 + 1, 'ACME' || N % 50, 'P' || N % 400, 'Phase ' || N % 6
             FROM N",
            [i64::try_from(rows).unwrap()],
        )
        .unwrap();
}

/// What the service runs for each question.
fn statements_of(site: &Site) -> Vec<Vec<Value>> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut sources = Sources::from_environment(site.environment(), None).unwrap();
        sources.file = Some(("ingester.toml".into(), crate::process::CONFIG.to_owned()));
        let config = Config::load(&sources).unwrap();
        let (metrics, life) = (Metrics::new(), Lifecycle::new());
        let store = service::open(&config, Role::Command, &metrics).unwrap();
        let qualtrics = Qualtrics::start(&config.qualtrics, metrics.clone(), &life).unwrap();
        let surveys = service::surveys(&config, store, qualtrics, metrics).unwrap();
        surveys.compiled(&SURVEY.parse().unwrap()).await.unwrap();
        let models = Models::new(surveys, jiff::tz::TimeZone::UTC);
        let model = &models.current().model;
        let statements = QUESTIONS.map(|(_, url)| {
            let (path, query) = url
                .split_once('?')
                .map_or((url, None), |(path, query)| (path, Some(query)));
            let incoming = Incoming {
                method: "GET",
                path,
                query,
                ..Incoming::default()
            };
            let Target::Query(query) = odata::parse(model, &incoming).unwrap().target else {
                panic!("{url} is no query");
            };
            let context = sql::Context {
                dialect: Dialect::Sqlite,
                now: qualtrics_ingester::lifecycle::now(),
                page_rows: Some(1000),
                values: &[],
            };
            let visible = AccessRules::open().restrict(&Viewer::default(), model, *query);
            let selection = sql::select(&visible, &context).unwrap();
            [selection.count, selection.rows]
                .into_iter()
                .flatten()
                .map(|statement| as_json(&statement))
                .collect()
        });
        statements.to_vec()
    })
}

fn as_json(statement: &Statement) -> Value {
    let bind = |cell: &Cell| match cell {
        Cell::Null => Value::Null,
        Cell::Integer(number) => json!(number),
        Cell::Text(text) => json!(text),
        other => panic!("a bind of another kind: {other:?}"),
    };
    let binds: Vec<_> = statement.binds().iter().map(bind).collect();
    json!({ "text": statement.text(), "binds": binds })
}

/// A handler that runs the statements of a question and writes what they answer.
pub(crate) fn bare(database: &str, statements: &str) -> Router {
    let statements: Vec<Vec<Value>> =
        serde_json::from_slice(&std::fs::read(statements).unwrap()).unwrap();
    let connection = Connection::open(database).unwrap();
    let state = Arc::new((Mutex::new(connection), statements));
    Router::new()
        .route("/{question}", get(answer))
        .with_state(state)
}

type Prepared = Arc<(Mutex<Connection>, Vec<Vec<Value>>)>;

async fn answer(State(state): State<Prepared>, UrlPath(question): UrlPath<usize>) -> String {
    let work = move || {
        let (connection, statements) = &*state;
        let connection = connection.lock().unwrap();
        let answers = statements[question]
            .iter()
            .map(|statement| rows(&connection, statement));
        serde_json::to_string(&answers.collect::<Vec<_>>()).unwrap()
    };
    tokio::task::spawn_blocking(work).await.unwrap()
}

fn rows(connection: &Connection, statement: &Value) -> Vec<Map<String, Value>> {
    let mut prepared = connection
        .prepare_cached(statement["text"].as_str().unwrap())
        .unwrap();
    let names: Vec<String> = prepared.column_names().map(str::to_owned).collect();
    let binds = statement["binds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|bind| match bind {
            Value::String(text) => SqlValue::Text(text.clone()),
            Value::Number(number) => SqlValue::Integer(number.as_i64().unwrap()),
            _ => SqlValue::Null,
        });
    let mut results = prepared.query(rusqlite::params_from_iter(binds)).unwrap();
    let mut rows = Vec::new();
    while let Some(row) = results.next().unwrap() {
        let cell = |(index, name): (usize, &String)| {
            let value = match row.get_ref(index).unwrap() {
                ValueRef::Null | ValueRef::Blob(_) => Value::Null,
                ValueRef::Integer(number) => json!(number),
                ValueRef::Real(number) => json!(number),
                ValueRef::Text(text) => json!(String::from_utf8_lossy(text)),
            };
            (name.clone(), value)
        };
        rows.push(names.iter().enumerate().map(cell).collect());
    }
    rows
}

/// Who asks for nothing else, in the bare candidate's own process.
pub(crate) fn play(database: &str, statements: &str) {
    standin::listen(bare(database, statements));
}
