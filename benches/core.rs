//! The core's functions, each alone: how long one call takes. `cargo bench --bench core -- --save-baseline before`, and
//! `--baseline before` afterwards, compare two states of the code.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a bench fails by panicking"
)]

#[path = "service/sample.rs"]
mod sample;

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ingester_core::access::{AccessRules, Viewer};
use ingester_core::callback::{Form, SharedKeys, Signing, Verdict};
use ingester_core::mapping::ResponseDocument;
use ingester_core::odata::{
    self, EntitySet, Incoming, Model, SetKind, Source, StoredProperty, Target,
};
use ingester_core::row::ColumnType;
use ingester_core::sql::{self, Context, Dialect};
use ingester_core::survey::{DefinitionAnswers, SurveyDefinition};
use jiff::tz::TimeZone;
use sample::Sample;

const SURVEY: &str = "SV_22VlHYNeldrrrk1";

/// A recorded callback: form, signature, and what is inside.
fn callback(criterion: &mut Criterion) {
    let body = include_bytes!("../fixtures/callbacks/feedback/1-full.body");
    let keys = SharedKeys {
        current: "sandbox-shared-key".into(),
        previous: None,
    };
    let signing = Signing {
        keys: Some(keys),
        ..Signing::default()
    };
    let form = Form::parse(body).unwrap();
    assert!(matches!(signing.verify(&form), Ok(Verdict::Completed(_))));
    let mut group = criterion.benchmark_group("callback");
    group.throughput(Throughput::Bytes(body.len().try_into().unwrap()));
    group.bench_function("form", |bencher| {
        bencher.iter(|| Form::parse(black_box(body)));
    });
    group.bench_function("signature and message", |bencher| {
        bencher.iter(|| signing.verify(black_box(&form)));
    });
}

/// The answers of which a survey's definition is made.
fn definition(criterion: &mut Criterion) {
    let schema = include_bytes!("../fixtures/surveys/SV_22VlHYNeldrrrk1/response-schema.json");
    let survey = include_bytes!("../fixtures/surveys/SV_22VlHYNeldrrrk1/survey-definition.json");
    let answers = DefinitionAnswers {
        response_schema: Some(schema),
        survey_definition: Some(survey),
        ..DefinitionAnswers::default()
    };
    let id = SURVEY.parse().unwrap();
    criterion.bench_function("definition", |bencher| {
        bencher.iter(|| SurveyDefinition::from_answers(&id, black_box(&answers)).unwrap());
    });
}

/// One document to its row: of a single read, and as a line of an export.
fn mapping(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mapping");
    for columns in [12, 60, 600] {
        let sample = Sample::of(columns);
        group.throughput(Throughput::Bytes(sample.answer.len().try_into().unwrap()));
        group.bench_with_input(
            BenchmarkId::new("single read", columns),
            &sample,
            |bencher, sample| bencher.iter(|| sample.row()),
        );
        // The least that is reading it: where each answer is.
        group.bench_function(BenchmarkId::new("borrowed", columns), |bencher| {
            bencher.iter(|| sample.borrowed().values());
        });
        let line = sample.value()["result"].to_string();
        let digest = || {
            let document = ResponseDocument::parse(black_box(line.as_bytes()), None).unwrap();
            let redacted = sample.map.redact(&document, None).unwrap();
            (redacted.digest(), sample.map.map(&redacted).unwrap())
        };
        group.throughput(Throughput::Bytes(line.len().try_into().unwrap()));
        group.bench_function(BenchmarkId::new("line of an export", columns), |bencher| {
            bencher.iter(digest);
        });
    }
}

/// What a card asks: the URL to its query, and the query to its statement.
fn question(criterion: &mut Criterion) {
    const QUERY: &str = "$apply=filter(RecordedDate%20ge%202026-01-01T00:00:00Z)/groupby((AccountID),\
         aggregate(Q1%20with%20average%20as%20Average,$count%20as%20Answers))&$orderby=Average%20desc&$top=10";
    let model = model();
    let incoming = Incoming {
        method: "GET",
        path: "/ProjectFeedback",
        query: Some(QUERY),
        ..Incoming::default()
    };
    let parse = || match odata::parse(&model, black_box(&incoming)).unwrap().target {
        Target::Query(query) => *query,
        _ => panic!("no query"),
    };
    let context = Context {
        dialect: Dialect::Hana,
        now: "2026-06-01T12:00:00Z".parse().unwrap(),
        page_rows: Some(1000),
        values: &[],
    };
    let mut group = criterion.benchmark_group("odata");
    group.bench_function("url", |bencher| bencher.iter(parse));
    let rules = AccessRules::open();
    group.bench_function("url to statement", |bencher| {
        bencher.iter(|| {
            let visible = rules.restrict(&Viewer::default(), &model, parse());
            sql::select(&visible, &context).unwrap()
        });
    });
}

fn model() -> Model {
    let stored = [
        ("ResponseId", ColumnType::NVarchar(100)),
        ("RecordedDate", ColumnType::Timestamp),
        ("Q1", ColumnType::Integer),
        ("AccountID", ColumnType::NVarchar(5000)),
    ]
    .map(|(name, kind)| StoredProperty {
        name: name.to_owned(),
        column: name.to_uppercase().parse().unwrap(),
        kind,
        nullable: name != "ResponseId",
        key: name == "ResponseId",
        label: None,
        missing: None,
        choices: Vec::new(),
        is_nps: false,
    });
    let (survey, table) = (SURVEY.parse().unwrap(), "FEEDBACK".parse().unwrap());
    let set = EntitySet::new(
        "ProjectFeedback",
        SetKind::Survey(survey),
        Source::Table(table),
        stored.to_vec(),
        TimeZone::UTC,
    );
    Model {
        namespace: "feedback".to_owned(),
        sets: vec![Arc::new(set)],
    }
}

criterion_group!(benches, callback, definition, mapping, question);
criterion_main!(benches);
