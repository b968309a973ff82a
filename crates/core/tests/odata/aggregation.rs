//! `$apply`. Source: OData Extension for Data Aggregation V4.0, 3.

use ingester_core::row::Cell;
use serde_json::json;

use crate::fixture::{Row, instant, row, service, text};
use crate::support::Service;

fn response(id: &str, q1: Cell, q2: i64, account: &str, recorded: &str) -> Row {
    row(
        id,
        &[
            ("Q1", q1),
            ("Q2", Cell::Integer(q2)),
            ("AccountID", text(account)),
            ("RecordedDate", instant(recorded)),
            ("Score", Cell::Decimal("0.10".parse().unwrap())),
            ("Note", text("same")),
        ],
    )
}

fn rows() -> Service {
    service(&[
        response("R_1", Cell::Integer(5), 10, "ACME", "2024-01-31T23:30:00Z"),
        response(
            "R_2",
            Cell::Integer(5),
            9,
            "ACME",
            "2024-02-01T08:00:00.25Z",
        ),
        response("R_3", Cell::Null, 8, "Globex", "2024-02-04T08:00:00Z"),
        response(
            "R_4",
            Cell::Integer(-9),
            0,
            "Globex",
            "2024-02-05T08:00:00Z",
        ),
        response(
            "R_5",
            Cell::Integer(2),
            7,
            "Initech",
            "2024-02-29T08:00:00Z",
        ),
    ])
}

#[track_caller]
fn check(query: &str, expected: &serde_json::Value) {
    assert_eq!(
        &rows().rows(&format!("Feedback?{query}")),
        expected,
        "{query}"
    );
}

#[test]
fn missing_answers_take_no_part_in_aggregates() {
    check(
        "$apply=filter(AccountID ne 'Initech')/aggregate(Q1 with average as avg,Q1 with sum as s,Q1 with min as lo,\
         Q1 with countdistinct as d,$count as n)",
        &json!([{ "avg": 5, "s": 10, "lo": 5, "d": 1, "n": 4 }]),
    );
}

#[test]
fn nothing_aggregates_to_null_and_zero() {
    check(
        "$apply=filter(Q2 eq 77)/aggregate(Q1 with sum as s,Q1 with average as a,RecordedDate with max as m,$count as n)",
        &json!([{ "s": null, "a": null, "m": null, "n": 0 }]),
    );
    check(
        "$apply=filter(Q2 eq 77)/groupby((AccountID),aggregate($count as n))",
        &json!([]),
    );
}

#[test]
fn decimals_add_up_exactly() {
    check(
        "$apply=aggregate(Score with sum as s,Score with max as m)",
        &json!([{ "s": 0.5, "m": 0.1 }]),
    );
}

#[test]
fn instants_have_a_largest_and_a_smallest() {
    check(
        "$apply=aggregate(RecordedDate with min as first,RecordedDate with max as last)",
        &json!([{ "first": "2024-01-31T23:30:00.000Z", "last": "2024-02-29T08:00:00.000Z" }]),
    );
}

#[test]
fn groups_are_filtered_ordered_and_cut() {
    check(
        "$apply=groupby((AccountID),aggregate(Q2 with average as avg,$count as n))&$filter=n gt 1&$orderby=avg desc",
        &json!([{ "AccountID": "ACME", "avg": 9.5, "n": 2 }, { "AccountID": "Globex", "avg": 4, "n": 2 }]),
    );
    check(
        "$apply=groupby((AccountID),aggregate($count as n))/filter(n eq 1)/aggregate($count as groups)",
        &json!([{ "groups": 1 }]),
    );
    check(
        "$apply=groupby((AccountID))&$skip=1&$top=1",
        &json!([{ "AccountID": "Globex" }]),
    );
    check("$apply=groupby((Note))", &json!([{ "Note": "same" }]));
    let counted = rows().json("Feedback?$apply=groupby((AccountID))&$count=true&$top=1");
    assert_eq!(counted["@odata.count"], 3);
    let counted = rows().get("Feedback/$count?$apply=groupby((AccountID))");
    assert_eq!(counted.body, "3");
}

#[test]
fn sequences_keep_their_order() {
    check(
        "$apply=orderby(Q2 desc)/top(2)&$select=ResponseId",
        &json!([{ "ResponseId": "R_1" }, { "ResponseId": "R_2" }]),
    );
    check(
        "$apply=orderby(Q2)/skip(1)/top(1)&$select=ResponseId",
        &json!([{ "ResponseId": "R_5" }]),
    );
    check(
        "$apply=topcount(2,Q2)/filter(Q2 lt 10)&$select=ResponseId",
        &json!([{ "ResponseId": "R_2" }]),
    );
    check(
        "$apply=bottomcount(1,Q2)/aggregate(Q2 with sum as s)",
        &json!([{ "s": 0 }]),
    );
    check(
        "$apply=orderby(Q2 desc)/top(3)/filter(Q2 ne 9)&$select=ResponseId",
        &json!([{ "ResponseId": "R_1" }, { "ResponseId": "R_3" }]),
    );
    check(
        "$apply=top(4)&$orderby=Q2&$top=2&$select=ResponseId",
        &json!([{ "ResponseId": "R_4" }, { "ResponseId": "R_3" }]),
    );
}

#[test]
fn concat_puts_different_rows_behind_each_other() {
    check(
        "$apply=concat(aggregate($count as n),groupby((AccountID),aggregate(Q2 with max as m))/topcount(1,m))",
        &json!([{ "n": 5 }, { "AccountID": "ACME", "m": 10 }]),
    );
    // What UI5's analytical table asks.
    check(
        "$apply=concat(groupby((AccountID,Q1))/aggregate($count as UI5__leaves),aggregate(Q2 with sum as s),\
         groupby((AccountID),aggregate(Q2 with sum as s))/orderby(s desc)/concat(aggregate($count as UI5__count),top(2)))",
        &json!([
            { "UI5__leaves": 3 },
            { "s": 34 },
            { "UI5__count": 3 },
            { "AccountID": "ACME", "s": 19 },
            { "AccountID": "Globex", "s": 8 },
        ]),
    );
    check(
        "$apply=concat(filter(Q2 eq 10),filter(Q2 eq 0))/aggregate($count as n)",
        &json!([{ "n": 2 }]),
    );
}

#[test]
fn computed_values_are_properties() {
    check(
        "$apply=compute(Q2 mul 2 as twice)/filter(twice gt 18)&$select=ResponseId,twice",
        &json!([{ "ResponseId": "R_1", "twice": 20 }]),
    );
    check(
        "$compute=Q2 mul 2 as twice&$filter=twice gt 18&$select=twice,ResponseId&$orderby=twice desc",
        &json!([{ "twice": 20, "ResponseId": "R_1" }]),
    );
    check(
        "$apply=aggregate(Q2 mul 2 with sum as s)",
        &json!([{ "s": 68 }]),
    );
}

#[test]
fn what_makes_no_sense_is_refused() {
    let service = rows();
    for (apply, status) in [
        ("aggregate(Q1 with sum)", 400),
        ("aggregate(Q1 with median as m)", 400),
        ("aggregate(AccountID with sum as s)", 400),
        ("aggregate($count as n,$count as n)", 400),
        ("groupby((AccountID),aggregate($count as AccountID))", 400),
        ("groupby((Nope))", 400),
        ("groupby((AccountID)", 400),
        ("explode(Q1)", 400),
        ("", 400),
        ("concat(top(1))", 400),
        (
            "concat(aggregate(Q1 with max as x),aggregate(AccountID with max as x))",
            400,
        ),
        ("groupby((rollup(AccountID,Q1)))", 501),
        ("groupby((AccountID),topcount(1,Q1))", 501),
        ("topsum(5,Q1)", 501),
        ("compute(Q1 add 1 as Q2)", 400),
        (&vec!["identity"; 40].join("/"), 400),
    ] {
        assert_eq!(
            service.refusal(&format!("Feedback?$apply={apply}")).0,
            status,
            "{apply}"
        );
    }
    assert_eq!(
        service
            .refusal("Feedback?$apply=groupby((AccountID))&$orderby=Q1")
            .0,
        400
    );
    assert_eq!(
        service
            .refusal("Feedback?$apply=groupby((AccountID))&$select=ResponseId")
            .0,
        400
    );
}
