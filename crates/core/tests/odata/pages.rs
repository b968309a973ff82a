//! Pages: each row once, whatever the order, however rows come and go. Source: OData V4.01 Part 1, 11.2.6.7.

use ingester_core::row::Cell;
use serde_json::Value;

use crate::fixture::{Row, encoded, instant, row, service, text};
use crate::support::Service;

fn rows() -> Vec<Row> {
    let q1 = [Some(3), None, Some(1), Some(3), Some(-9), Some(2), None];
    let seconds = [5, 5, 1, 9, 0, 5, 3];
    q1.iter()
        .zip(seconds)
        .enumerate()
        .map(|(n, (q1, second))| {
            let recorded = if second == 0 {
                Cell::Null
            } else {
                instant(&format!("2024-01-01T00:00:0{second}Z"))
            };
            let cells = [
                ("Q1", q1.map_or(Cell::Null, Cell::Integer)),
                ("RecordedDate", recorded),
                ("AccountID", text(if n % 2 == 0 { "even" } else { "odd" })),
            ];
            row(&format!("R_{n}"), &cells)
        })
        .collect()
}

fn paged(size: fn(&str) -> u64) -> Service {
    let mut service = service(&rows());
    service.page_rows = size;
    service
}

/// All rows of all pages, and how many pages there were.
#[track_caller]
fn walk(service: &Service, url: &str) -> (Vec<Value>, usize) {
    let mut all = Vec::new();
    let mut url = encoded(url);
    for pages in 1..100 {
        let answer = service.get(&url);
        assert_eq!(answer.status, 200, "{url}: {}", answer.body);
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        all.extend(body["value"].as_array().unwrap().clone());
        match body["@odata.nextLink"].as_str() {
            Some(next) => next.clone_into(&mut url),
            None => return (all, pages),
        }
    }
    panic!("pages without end: {url}")
}

#[test]
fn pages_add_up_in_every_order() {
    let (whole, two) = (paged(|_| 1000), paged(|_| 2));
    for query in [
        "",
        "$orderby=Q1",
        "$orderby=Q1 desc",
        "$orderby=Q1 desc,RecordedDate",
        "$orderby=RecordedDate desc,Q1,ResponseId desc",
        "$orderby=length(AccountID) desc,Q1",
        "$orderby=Q1_Label",
        "$orderby=RecordedDay,Q1 desc",
        "$orderby=Q1 eq 3 desc",
        "$filter=Q1 ne 3&$orderby=Q1&$select=AccountID",
        "$search=even&$orderby=RecordedDate",
        "$apply=filter(Q1 ne 1)&$orderby=Q1",
        "$compute=Q1 mul 2 as twice&$orderby=twice desc",
        "$apply=groupby((AccountID,Q1),aggregate($count as n))&$orderby=n desc",
        "$apply=concat(aggregate($count as n),topcount(4,Q1))",
        "$skip=1&$top=5&$orderby=Q1",
        "$skip=3",
        "$top=2",
        "$top=0",
    ] {
        let (expected, one) = walk(&whole, &format!("Feedback?{query}"));

        let (found, pages) = walk(&two, &format!("Feedback?{query}"));

        assert_eq!(one, 1);
        assert_eq!(found, expected, "{query}");
        assert_eq!(pages, expected.len().div_ceil(2).max(1), "{query}");
    }
}

#[test]
fn rows_that_come_or_go_elsewhere_move_no_page() {
    let service = paged(|_| 2);
    let first = service.json("Feedback?$orderby=Q1 desc");
    let next = first["@odata.nextLink"].as_str().unwrap();
    service
        .connection
        .execute("DELETE FROM \"FEEDBACK\" WHERE \"RESPONSEID\" = 'R_0'", [])
        .unwrap();
    service
        .connection
        .execute(
            "INSERT INTO \"FEEDBACK\" (\"RESPONSEID\", \"Q1\") VALUES ('R_new', 5)",
            [],
        )
        .unwrap();

    let second: Value = serde_json::from_str(&service.get(next).body).unwrap();

    let ids: Vec<&str> = second["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["ResponseId"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["R_5", "R_2"]);
}

#[test]
fn a_token_whose_row_is_gone_is_refused() {
    let service = paged(|_| 2);
    let first = service.json("Feedback?$orderby=Q1 desc");
    let next = first["@odata.nextLink"].as_str().unwrap();
    service
        .connection
        .execute("DELETE FROM \"FEEDBACK\" WHERE \"RESPONSEID\" = 'R_3'", [])
        .unwrap();

    let answer = service.get(next);

    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("is gone"), "{}", answer.body);
}

#[test]
fn a_token_goes_with_its_query_only() {
    let service = paged(|_| 2);
    let first = service.json("Feedback?$orderby=Q1 desc&$top=5");
    let next = first["@odata.nextLink"].as_str().unwrap();

    assert_eq!(service.get(next).status, 200);
    for (from, to) in [
        ("desc", "asc"),
        ("$top=5", "$top=6"),
        ("$orderby", "$filter=Done&$orderby"),
    ] {
        assert_eq!(
            service.get(&next.replace(from, to)).status,
            400,
            "{from} → {to}"
        );
    }
    for token in ["", "10", "zz", "00", "5b5d"] {
        assert_eq!(
            service.get(&format!("Feedback?$skiptoken={token}")).status,
            400,
            "{token}"
        );
    }
}

#[test]
fn a_token_holds_no_answers() {
    let service = paged(|_| 2);
    let next = service.json("Feedback?$orderby=AccountID,Q1");
    let next = next["@odata.nextLink"].as_str().unwrap().to_owned();
    let token = next.split("$skiptoken=").nth(1).unwrap();
    let bytes: Vec<u8> = (0..token.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(token.get(at..at + 2).unwrap(), 16).unwrap())
        .collect();

    let decoded = String::from_utf8(bytes).unwrap();

    assert!(decoded.contains("R_"), "{decoded}");
    assert!(!decoded.contains("even"), "{decoded}");
}
