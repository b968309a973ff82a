//! The SQL that questions become, on both databases.

use std::fmt::Write as _;

use ingester_core::access::{AccessRule, AccessRules, EmailTrust, Rows, Viewer};
use ingester_core::odata::{self, Incoming, Query, Target};
use ingester_core::row::Cell;
use ingester_core::sql::{self, Context, Dialect, Selection, Statement};
use jiff::tz::TimeZone;

use crate::fixture::{encoded, model};

pub(crate) fn parsed(url: &str, zone: &TimeZone) -> Result<Query, odata::QueryError> {
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

pub(crate) fn selected(
    url: &str,
    dialect: Dialect,
    rules: &AccessRules,
    zone: &TimeZone,
) -> Selection {
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

pub(crate) fn restricting() -> AccessRules {
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

pub(crate) const QUESTIONS: [(&str, &str); 13] = [
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

/// What the first page of a list links to.
pub(crate) fn next_page() -> String {
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
    let next = body["@odata.nextLink"].as_str().unwrap();
    next.replace("%20", " ")
}

#[test]
fn a_page_continues_in_one_statement() {
    insta::assert_snapshot!(
        "page",
        texts(&next_page(), &AccessRules::open(), &TimeZone::UTC)
            .split_once('\n')
            .unwrap()
            .1
    );
}
