//! The SQL that questions become, on both databases; and what holds for the SQL of any question.

use std::fmt::Write as _;

use ingester_core::access::{AccessRule, AccessRules, EmailTrust, Rows, Viewer};
use ingester_core::odata::{self, Incoming, Query, Target};
use ingester_core::row::Cell;
use ingester_core::sql::{self, Context, Dialect, Selection, Statement};
use jiff::tz::TimeZone;
use proptest::prelude::*;

use crate::fixture::{connection, encoded, model};

fn parsed(url: &str, zone: &TimeZone) -> Result<Query, odata::QueryError> {
    let url = encoded(url);
    let (path, query) = url
        .split_once('?')
        .map_or((url.as_str(), None), |(path, query)| (path, Some(query)));
    let incoming = Incoming {
        method: "GET",
        path,
        query,
        ..Incoming::default()
    };
    match odata::parse(&model(zone), &incoming)?.target {
        Target::Query(query) => Ok(*query),
        other => panic!("no query: {other:?}"),
    }
}

fn selected(url: &str, dialect: Dialect, rules: &AccessRules, zone: &TimeZone) -> Selection {
    let query = parsed(url, zone).unwrap();
    let values = [vec![
        Cell::Text("SV_22VlHYNeldrrrk1".to_owned()),
        Cell::Text("Feedback".to_owned()),
        Cell::Null,
        Cell::Integer(4),
    ]];
    let context = Context {
        dialect,
        now: "2026-06-01T12:00:00Z".parse().unwrap(),
        page_rows: Some(1000),
        values: &values,
    };
    let viewer = Viewer {
        attributes: [(
            "AccountID".to_owned(),
            vec!["Globex".to_owned(), "ACME".to_owned()],
        )]
        .into(),
        ..Viewer::default()
    };
    let visible = rules.restrict(&viewer, &model(zone), query);
    sql::select(&visible, &context).unwrap()
}

/// The statements of a question, one after the other, each with its binds.
fn texts(url: &str, rules: &AccessRules, zone: &TimeZone) -> String {
    let mut text = format!("{url}\n");
    for dialect in [Dialect::Sqlite, Dialect::Hana] {
        let selection = selected(url, dialect, rules, zone);
        let statements: Vec<&Statement> = [&selection.anchor, &selection.count, &selection.rows]
            .into_iter()
            .flatten()
            .collect();
        for statement in statements {
            let binds: Vec<String> = statement
                .binds()
                .iter()
                .map(|bind| format!("{bind:?}"))
                .collect();
            writeln!(
                text,
                "\n{dialect:?}: {}\n  {}",
                statement.text(),
                binds.join(", ")
            )
            .unwrap();
        }
    }
    text
}

fn restricting() -> AccessRules {
    let rule = AccessRule {
        domain: None,
        scope: None,
        group: None,
        attribute: std::collections::BTreeMap::new(),
        technical: None,
        rows: Rows::Where([("AccountID".to_owned(), vec!["$user.AccountID".to_owned()])].into()),
    };
    AccessRules::new(vec![rule], EmailTrust::Verified).unwrap()
}

const QUESTIONS: [(&str, &str); 13] = [
    (
        "newest",
        "Feedback?$select=ResponseId,Comment&$filter=Comment ne '' and contains(AccountID,'')&$orderby=RecordedDate desc&$count=true&$top=5",
    ),
    ("missing", "Feedback?$select=Q1&$filter=Q1 ge 4"),
    (
        "group",
        "Feedback?$apply=groupby((AccountID),aggregate(Q2 with average as avg,$count as n))&$orderby=avg desc",
    ),
    (
        "label",
        "Feedback?$apply=groupby((Q1_Label),aggregate($count as n))",
    ),
    (
        "nps",
        "Feedback?$apply=aggregate(Q2_NPS with average as nps,$count as n)",
    ),
    (
        "trend",
        "Feedback?$apply=groupby((RecordedWeek),aggregate(Score with sum as s))",
    ),
    ("key", "Feedback('R_1')"),
    (
        "count",
        "Feedback/$count?$filter=RecordedDate ge 2024-01-01T00:00:00Z",
    ),
    (
        "texts",
        "Feedback?$select=ResponseId&$filter=startswith(Comment,'50%_') and not endswith(tolower(Note),'x') or Q2 ne null",
    ),
    (
        "search",
        "Feedback?$select=ResponseId&$search=great NOT late",
    ),
    (
        "concat",
        "Feedback?$apply=concat(aggregate($count as n),groupby((AccountID))/topcount(1,AccountID))",
    ),
    (
        "null",
        "Feedback?$select=ResponseId&$filter=not (Q2 in (1,2,3)) and (contains(Comment,'x') eq null or Q2 gt Duration)",
    ),
    ("values", "Surveys?$filter=Rows gt 1"),
];

#[test]
fn statements_are_as_reviewed() {
    for (name, url) in QUESTIONS {
        insta::assert_snapshot!(name, texts(url, &AccessRules::open(), &TimeZone::UTC));
    }
    insta::assert_snapshot!(
        "restricted",
        texts(
            "Feedback?$select=Q1&$search=x",
            &restricting(),
            &TimeZone::UTC
        )
    );
    let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    let trend = texts(
        "Feedback?$apply=groupby((RecordedDay))",
        &AccessRules::open(),
        &berlin,
    );
    assert!(
        trend.contains("CASE WHEN rtrim(\"RECORDEDDATE\", 'Z') >= ? THEN ?"),
        "{trend}"
    );
    assert!(
        trend.contains("TO_DATE(ADD_SECONDS(\"RECORDEDDATE\", CASE WHEN"),
        "{trend}"
    );
}

#[test]
fn a_page_continues_in_one_statement() {
    let query = parsed(
        "Feedback?$select=Q1&$orderby=RecordedDate desc",
        &TimeZone::UTC,
    )
    .unwrap();
    let context = Context {
        dialect: Dialect::Sqlite,
        now: "2026-06-01T12:00:00Z".parse().unwrap(),
        page_rows: Some(1),
        values: &[],
    };
    let visible = AccessRules::open().restrict(&Viewer::default(), &model(&TimeZone::UTC), query);
    let selection = sql::select(&visible, &context).unwrap();
    let mut out = Vec::new();
    let mut writer = odata::json::ListWriter::begin(
        visible.get(),
        &selection,
        odata::JsonFormat::default(),
        None,
        &mut out,
    );
    let cells = [Cell::Integer(1), Cell::Text("R_1".to_owned())];
    writer.row(&cells, &mut out);
    writer.row(&cells, &mut out);
    writer.end(&mut out);
    let body: serde_json::Value = serde_json::from_slice(&out).unwrap();
    let next = body["@odata.nextLink"]
        .as_str()
        .unwrap()
        .replace("%20", " ");

    insta::assert_snapshot!(
        "page",
        texts(&next, &AccessRules::open(), &TimeZone::UTC)
            .split_once('\n')
            .unwrap()
            .1
    );
}

/// URLs that are almost right, and some that are.
fn any_url() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "Feedback",
        "Surveys",
        "Questions",
        "/$count",
        "('R_1')",
        "?",
        "&",
        "$filter=",
        "$apply=",
        "$orderby=",
        "$select=",
        "$search=",
        "$top=",
        "$skip=",
        "$count=true",
        "$compute=",
        "$format=",
        "$skiptoken=",
        "Q1",
        "Comment",
        "Done",
        "RecordedDate",
        "Score",
        "AccountID",
        " eq ",
        " ne ",
        " gt ",
        " and ",
        " or ",
        "not ",
        " in ",
        " add ",
        " div ",
        "(",
        ")",
        ",",
        "/",
        "'",
        "''",
        "'x'",
        "5",
        "-9",
        "1.5",
        "1e3",
        "null",
        "true",
        "2024-01-01",
        "2024-01-01T00:00:00Z",
        "duration'P1D'",
        "now()",
        "contains(",
        "length(",
        "aggregate(",
        "groupby(",
        "filter(",
        "concat(",
        "top(",
        "$count",
        " with ",
        "average",
        " as ",
        "n",
        " desc",
        "*",
        "é",
        "%zz",
        "@p",
        "$it",
        "\"",
        "NOT ",
    ]);
    prop::collection::vec(piece, 0..25).prop_map(|pieces| pieces.concat())
}

/// Conditions over all types, as text.
fn any_condition() -> impl Strategy<Value = String> {
    let number = prop::sample::select(vec![
        "Q1",
        "Q2",
        "Score",
        "Ratio",
        "Duration",
        "5",
        "-9",
        "2.50",
        "1e3",
        "null",
        "length(Comment)",
        "round(Score)",
        "99999999999999999999",
    ]);
    let text = prop::sample::select(vec![
        "Comment",
        "AccountID",
        "Note",
        "Q1_Label",
        "'x'",
        "'o''k'",
        "''",
        "tolower(Comment)",
        "concat(Comment,'!')",
        "substring(Comment,1,2)",
    ]);
    let instant = prop::sample::select(vec![
        "RecordedDate",
        "now()",
        "2024-01-01T00:00:00.1234567Z",
        "now() sub duration'P1DT2H'",
        "null",
    ]);
    let day = prop::sample::select(vec![
        "Day",
        "RecordedDay",
        "date(RecordedDate)",
        "2024-01-01",
    ]);
    let comparison = prop::sample::select(vec!["eq", "ne", "gt", "ge", "lt", "le"]);
    let arithmetic = prop::sample::select(vec!["add", "sub", "mul", "div", "divby", "mod"]);
    let leaf = prop_oneof![
        (number.clone(), comparison.clone(), number.clone())
            .prop_map(|(one, op, other)| format!("{one} {op} {other}")),
        (
            number.clone(),
            arithmetic,
            number.clone(),
            comparison.clone(),
            number.clone()
        )
            .prop_map(|(one, how, other, op, third)| format!("({one} {how} {other}) {op} {third}")),
        (text.clone(), comparison.clone(), text.clone())
            .prop_map(|(one, op, other)| format!("{one} {op} {other}")),
        (instant.clone(), comparison.clone(), instant)
            .prop_map(|(one, op, other)| format!("{one} {op} {other}")),
        (day.clone(), comparison, day).prop_map(|(one, op, other)| format!("{one} {op} {other}")),
        (text.clone(), text.clone()).prop_map(|(one, other)| format!("contains({one},{other})")),
        (text.clone(), text.clone())
            .prop_map(|(one, other)| format!("endswith({one},{other}) eq null")),
        (text.clone(), text).prop_map(|(one, other)| format!("startswith({one},{other}) ne false")),
        number.prop_map(|number| format!("{number} in (1,2.5,null)")),
        Just("Done".to_owned()),
        Just("matchesPattern(Comment,'^a.b$')".to_owned()),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("{one} and {other}")),
            (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("({one} or {other})")),
            inner.prop_map(|inner| format!("not ({inner})")),
        ]
    })
}

fn any_question() -> impl Strategy<Value = String> {
    let shape = prop::sample::select(vec![
        "Feedback?$filter={}&$orderby=RecordedDate desc,Q1&$count=true&$top=3",
        "Feedback?$apply=filter({})/groupby((AccountID,Q1),aggregate(Score with sum as s,$count as n))/topcount(2,s)",
        "Feedback?$apply=concat(filter({})/aggregate($count as n),compute(Q1 add 1 as p)/orderby(p)/skip(1))&$search=x y",
        "Feedback/$count?$filter={}",
        "Feedback?$compute=Q1 mul 2 as d&$filter={}&$select=d,Q1_Label,RecordedWeek",
    ]);
    (shape, any_condition()).prop_map(|(shape, condition)| shape.replace("{}", &condition))
}

proptest! {
    #![proptest_config(crate::fixture::cases(500))]

    #[test]
    fn no_url_makes_the_reader_panic(url in any_url(), path in "\\PC{0,20}", query in "\\PC{0,60}") {
        for (path, query) in [(url.as_str(), None), (&path, Some(query.as_str())), ("Feedback", Some(&query))] {
            let (path, query) = match query {
                None => path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query))),
                query => (path, query),
            };
            let incoming = Incoming { method: "GET", path, query, ..Incoming::default() };
            if let Err(error) = odata::parse(&model(&TimeZone::UTC), &incoming) {
                prop_assert!((400..=501).contains(&error.status()));
                let length = path.chars().count() + 1 + query.unwrap_or_default().chars().count();
                prop_assert!(error.position().is_none_or(|position| position <= length), "{error:?}");
            }
        }
    }

    #[test]
    fn a_query_writes_itself_as_it_was_read(url in any_question()) {
        let query = parsed(&url, &TimeZone::UTC).unwrap();

        let text = query.to_url();

        let again = parsed(&percent_decoded(&text), &TimeZone::UTC).unwrap();
        prop_assert_eq!(&again, &query, "{}", text);
        prop_assert_eq!(again.to_url(), text);
    }

    #[test]
    fn there_is_a_bind_for_each_mark_and_sqlite_runs_it(url in any_question()) {
        for dialect in [Dialect::Sqlite, Dialect::Hana] {
            let selection = selected(&url, dialect, &restricting(), &TimeZone::UTC);
            for statement in [&selection.count, &selection.rows].into_iter().flatten() {
                prop_assert_eq!(statement.text().matches('?').count(), statement.binds().len());
            }
        }
        let service = crate::support::Service::new(model(&TimeZone::UTC), connection(&[]));
        let answer = service.get(&encoded(&url));
        prop_assert_eq!(answer.status, 200, "{}: {}", url, answer.body);
    }
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'%' {
            out.push(u8::from_str_radix(text.get(at + 1..at + 3).unwrap(), 16).unwrap());
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(out).unwrap()
}
