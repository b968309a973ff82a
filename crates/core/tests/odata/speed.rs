//! The questions that cards ask run through the indexes that the reader recommends.

use ingester_core::access::{AccessRules, Viewer};
use ingester_core::odata::{self, Incoming, Target};
use ingester_core::row::Cell;
use ingester_core::sql::{self, Context, Dialect, recommended_indexes};

use crate::fixture::{encoded, instant, row, service, text};
use crate::support::{Service, bound};

/// What SQLite plans for a question's rows, one step a line.
fn plan(service: &Service, url: &str) -> String {
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
    let Target::Query(query) = odata::parse(&service.model, &incoming).unwrap().target else {
        panic!("no query");
    };
    let context = Context {
        dialect: Dialect::Sqlite,
        now: "2026-06-01T12:00:00Z".parse().unwrap(),
        page_rows: Some(1000),
        values: &[],
    };
    let visible = AccessRules::open().restrict(&Viewer::default(), &service.model, *query);
    let selection = sql::select(&visible, &context).unwrap();
    let statement = selection.rows.or(selection.count).unwrap();
    let explain = format!("EXPLAIN QUERY PLAN {}", statement.text());
    let mut prepared = service.connection.prepare(&explain).unwrap();
    let binds = rusqlite::params_from_iter(statement.binds().iter().map(bound));
    let steps = prepared
        .query_map(binds, |row| row.get::<_, String>(3))
        .unwrap();
    steps.map(Result::unwrap).collect::<Vec<_>>().join("\n")
}

fn indexed() -> Service {
    let rows: Vec<_> = (0..500)
        .map(|n| {
            let recorded = instant(&format!("2024-01-01T00:{:02}:{:02}Z", n / 60, n % 60));
            row(
                &format!("R_{n}"),
                &[
                    ("RecordedDate", recorded),
                    ("Q1", Cell::Integer(n % 5)),
                    ("AccountID", text("ACME")),
                ],
            )
        })
        .collect();
    let service = service(&rows);
    let table = "FEEDBACK".parse().unwrap();
    for index in recommended_indexes(&table) {
        service.connection.execute_batch(index.text()).unwrap();
    }
    service.connection.execute_batch("ANALYZE").unwrap();
    service
}

#[test]
fn newest_rows_come_from_the_index_unsorted() {
    let service = indexed();
    for url in [
        "Feedback?$orderby=RecordedDate desc&$top=5",
        "Feedback?$orderby=RecordedDate desc&$top=5&$filter=Comment ne ''",
        "Feedback?$orderby=RecordedDate desc&$top=5&$select=Q1,Q1_Label",
    ] {
        let plan = plan(&service, url);
        assert!(
            plan.contains("USING INDEX FEEDBACK_NEWEST"),
            "{url}\n{plan}"
        );
        assert!(
            !plan.contains("USE TEMP B-TREE FOR ORDER BY"),
            "{url}\n{plan}"
        );
    }
}

#[test]
fn a_range_of_time_is_a_range_of_the_index() {
    let service = indexed();
    for url in [
        "Feedback/$count?$filter=RecordedDate ge 2024-01-01T00:08:00Z",
        "Feedback?$filter=RecordedDate ge 2024-01-01T00:08:00Z&$orderby=RecordedDate desc&$top=5",
    ] {
        let plan = plan(&service, url);
        assert!(plan.starts_with("SEARCH FEEDBACK USING"), "{url}\n{plan}");
        assert!(plan.contains("INDEX FEEDBACK_NEWEST"), "{url}\n{plan}");
    }
}

#[test]
fn a_key_is_one_step() {
    let plan = plan(&indexed(), "Feedback('R_7')");

    assert!(
        plan.contains("sqlite_autoindex_FEEDBACK_1 (RESPONSEID=?)"),
        "{plan}"
    );
}

#[test]
fn the_next_page_reads_on_in_the_index() {
    let mut service = indexed();
    service.page_rows = |_| 10;
    let next = service.json("Feedback?$orderby=RecordedDate desc")["@odata.nextLink"]
        .as_str()
        .unwrap()
        .replace("%20", " ");

    let plan = plan(&service, &next);

    assert!(
        plan.contains("SCAN FEEDBACK USING INDEX FEEDBACK_NEWEST"),
        "{plan}"
    );
    assert!(!plan.contains("USE TEMP B-TREE FOR ORDER BY"), "{plan}");
}
