//! `$filter`, `$orderby` and `$search`. Source: OData V4.01 Part 2, 5.1.
//!
//! Long because each operator and function of the specification has its cases here.

use bigdecimal::BigDecimal;
use ingester_core::row::Cell;

use crate::fixture::{instant, row, service, text};
use crate::support::Service;

fn decimal(text: &str) -> Cell {
    Cell::Decimal(text.parse::<BigDecimal>().unwrap())
}

/// `n` is null everywhere; `m` holds what is configured as missing.
fn rows() -> Service {
    service(&[
        row(
            "R_a",
            &[
                ("Q1", Cell::Integer(5)),
                ("Q2", Cell::Integer(3)),
                ("Score", decimal("78.80")),
                ("Ratio", Cell::Double(0.5)),
                ("Duration", Cell::Integer(9_007_199_254_740_993)),
                ("Done", Cell::Boolean(true)),
                ("Comment", text("100% it_s \\ o'k")),
                ("Note", text("Ärger mit Straße")),
                ("RecordedDate", instant("2024-05-25T08:28:44.942Z")),
                ("Day", Cell::Date("2024-05-25".parse().unwrap())),
                ("AccountID", text("ACME")),
            ],
        ),
        row(
            "R_b",
            &[
                ("Q1", Cell::Integer(2)),
                ("Q2", Cell::Integer(2)),
                ("Score", decimal("-0.10")),
                ("Duration", Cell::Integer(9_007_199_254_740_992)),
                ("Done", Cell::Boolean(false)),
                ("Comment", text("")),
                ("Note", text("  padded\n")),
                ("RecordedDate", instant("2024-05-25T08:28:44.9421234Z")),
                ("AccountID", text("acme")),
            ],
        ),
        row(
            "R_m",
            &[
                ("Q1", Cell::Integer(-9)),
                ("Q2", Cell::Integer(-9)),
                ("Comment", text("Réseau")),
            ],
        ),
        row("R_n", &[]),
    ])
}

#[track_caller]
fn check(service: &Service, filter: &str, expected: &str) {
    assert_eq!(
        service.ids(&format!("$filter={filter}")),
        expected,
        "{filter}"
    );
}

#[test]
fn comparisons_are_true_or_false_and_null_equals_null() {
    let service = rows();

    // 5.1.1.1.1 to 5.1.1.1.6
    check(&service, "Q1 eq 5", "a");
    check(&service, "Q1 ne 5", "b m n");
    check(&service, "not (Q1 eq 5)", "b m n");
    check(&service, "not (Q1 ne 5)", "a");
    check(&service, "Q1 gt 2", "a");
    check(&service, "not (Q1 gt 2)", "b m n");
    check(&service, "Q1 le 2", "b");
    check(&service, "not (Q1 le 2)", "a m n");
    check(&service, "Q1 eq null", "m n");
    check(&service, "Q1 ne null", "a b");
    check(&service, "Q1 ge null", "m n");
    check(&service, "Q1 gt null", "");
    check(&service, "null eq null", "a b m n");
    check(&service, "null gt null", "");
    check(&service, "Q1 eq Q2", "b n");
    check(&service, "Q1 ne Q2", "a m");
    check(&service, "Q1 ge Q2", "a b n");
    check(&service, "not (Q1 ge Q2)", "m");
    check(&service, "not (Q1 lt Q2)", "a b m n");
    check(&service, "5 eq Q1", "a");
    check(&service, "3 le Q1", "a");
}

#[test]
fn the_number_configured_as_missing_is_null() {
    let service = rows();

    check(&service, "Q1 eq -9", "");
    check(&service, "Q2 eq -9", "m");
    assert_eq!(
        service.json("Feedback('R_m')?$select=Q1")["Q1"],
        serde_json::Value::Null
    );
    assert_eq!(service.ids("$orderby=Q1 desc"), "a b m n");
    assert_eq!(service.ids("$orderby=Q1,ResponseId desc"), "n m b a");
}

#[test]
fn and_or_not_know_null() {
    let service = rows();

    // 5.1.1.1.7 to 5.1.1.1.9: contains(null,…) is null.
    check(&service, "contains(Comment,'k')", "a");
    check(&service, "not contains(Comment,'k')", "b m");
    check(&service, "contains(Comment,'k') or Q1 eq null", "a m n");
    check(
        &service,
        "not (contains(Comment,'k') and Q1 eq null)",
        "a b m",
    );
    check(&service, "not (contains(Comment,'k') or Q1 eq 77)", "b m");
    check(&service, "contains(Comment,'k') eq null", "n");
    check(&service, "contains(Comment,'k') ne null", "a b m");
    check(&service, "contains(Comment,'k') eq false", "b m");
    check(&service, "contains(Comment,'k') ne true", "b m n");
    check(&service, "(Q1 eq 5) eq false", "b m n");
    check(&service, "(Q1 eq 5) eq null", "");
    check(&service, "true and Done", "a");
    check(&service, "not Done", "b");
    check(&service, "Done eq false", "b");
    check(&service, "Done ne true", "b m n");
    check(&service, "null", "");
    check(&service, "not null", "");
}

#[test]
fn precedence_is_that_of_the_specification() {
    let service = rows();

    // 5.1.1.14: unary before arithmetic, before order, before equality, before `and`, before `or`.
    check(&service, "Q1 eq 2 or Q1 eq 5 and Q2 eq 77", "b");
    check(&service, "(Q1 eq 2 or Q1 eq 5) and Q2 eq 77", "");
    check(&service, "Q1 add 1 mul 2 eq 7", "a");
    check(&service, "(Q1 add 1) mul 2 eq 12", "a");
    check(&service, "Q1 gt 2 eq true", "a");
    check(&service, "not Done or Done", "a b");
    check(&service, "not Q1 in (2,3)", "a m n");
}

#[test]
fn in_is_equality_with_one_of_the_values() {
    let service = rows();

    // 5.1.1.1.12
    check(&service, "Q1 in (1,2,5)", "a b");
    check(&service, "Q1 in (2,null)", "b m n");
    check(&service, "not (Q1 in (2,null))", "a");
    check(&service, "not (Q1 in (2,3))", "a m n");
    check(&service, "AccountID in ('ACME','Globex')", "a");
    check(&service, "Score in (78.8,1.5)", "a");
}

#[test]
fn numbers_compare_across_their_types() {
    let service = rows();

    check(&service, "Q1 eq 5.0", "a");
    check(&service, "Q1 lt 2.5", "b");
    check(&service, "Score eq 78.8", "a");
    check(&service, "Score lt -0.09", "b");
    check(&service, "Score lt 1e1", "b");
    check(&service, "Ratio eq 0.5", "a");
    check(&service, "Duration eq 9007199254740993", "a");
    check(&service, "Duration lt 9007199254740993", "b");
    check(&service, "Duration lt 99999999999999999999", "a b");
}

#[test]
fn arithmetic_is_that_of_numbers_and_null() {
    let service = rows();

    // 5.1.1.2; division by zero is null here, so that no answer tells of hidden rows by failing.
    check(&service, "Q1 sub Q2 eq 2", "a");
    check(&service, "Q1 div 2 eq 2", "a");
    check(&service, "Q1 divby 2 eq 2.5", "a");
    check(&service, "Q1 mod 2 eq 1", "a");
    check(&service, "-Q1 eq -5", "a");
    check(&service, "- Q1 eq -5", "a");
    check(&service, "Score add 0.1 eq 78.9", "a");
    check(&service, "Score add 0.2 eq 0.1", "b");
    check(&service, "Score mod 10 eq 8.8", "a");
    check(&service, "Q1 div 0 eq null", "a b m n");
    check(&service, "round(Score) eq 79", "a");
    check(&service, "floor(Score) eq -1", "b");
    check(&service, "ceiling(Score) eq 79", "a");
    check(&service, "Q1 add null eq null", "a b m n");
}

#[test]
fn text_functions_take_texts_literally() {
    let service = rows();

    // 5.1.1.5
    check(&service, "contains(Comment,'0%')", "a");
    check(&service, "contains(Comment,'t_s')", "a");
    check(&service, "contains(Comment,'tXs')", "");
    check(&service, "contains(Comment,'\\')", "a");
    check(&service, "contains(Comment,'o''k')", "a");
    check(&service, "contains(Comment,'')", "a b m");
    check(&service, "startswith(Comment,'100%')", "a");
    check(&service, "startswith(Comment,'00')", "");
    check(&service, "endswith(Comment,'''k')", "a");
    check(&service, "endswith(Comment,'')", "a b m");
    check(&service, "startswith(AccountID,AccountID)", "a b");
    check(&service, "endswith(AccountID,concat('x',AccountID))", "");
    check(
        &service,
        "contains(AccountID,substring(AccountID,1))",
        "a b",
    );
    check(&service, "length(Comment) eq 6", "m");
    check(&service, "indexof(Comment,'seau') eq 2", "m");
    check(&service, "indexof(Comment,'nowhere') eq -1", "a b m");
    check(&service, "substring(Comment,1,2) eq 'és'", "m");
    check(&service, "substring(Comment,-3,2) eq 'Ré'", "m");
    check(&service, "substring(Comment,2) eq 'seau'", "m");
    check(&service, "tolower(Note) eq 'ärger mit straße'", "a");
    check(&service, "toupper(Comment) eq 'RÉSEAU'", "m");
    check(&service, "trim(Note) eq 'padded'", "b");
    check(&service, "concat(AccountID,'!') eq 'ACME!'", "a");
    check(
        &service,
        "contains(tolower(AccountID),tolower('CM'))",
        "a b",
    );
    check(&service, "matchesPattern(AccountID,'^A.*E$')", "a");
    check(&service, "not matchesPattern(AccountID,'^A')", "b");
    check(&service, "AccountID gt 'ACME'", "b");
}

#[test]
fn instants_compare_by_time_whatever_their_digits() {
    let service = rows();

    check(&service, "RecordedDate eq 2024-05-25T08:28:44.942Z", "a");
    check(&service, "RecordedDate gt 2024-05-25T08:28:44.942Z", "b");
    check(&service, "RecordedDate ge 2024-05-25T08:28:44.9421Z", "b");
    check(
        &service,
        "RecordedDate lt 2024-05-25T08:28:44.9421234Z",
        "a",
    );
    check(
        &service,
        "RecordedDate le 2024-05-25T08:28:44.9421234Z",
        "a b",
    );
    check(
        &service,
        "RecordedDate le 2024-05-25T10:28:44.942+02:00",
        "a",
    );
    check(
        &service,
        "RecordedDate gt 2024-05-25T08:28:44.9421233999Z",
        "b",
    );
    assert_eq!(service.ids("$orderby=RecordedDate desc"), "b a m n");
    assert_eq!(service.ids("$orderby=RecordedDate"), "m n a b");
}

#[test]
fn parts_of_instants_and_days() {
    let service = rows();

    // 5.1.1.6
    check(
        &service,
        "year(RecordedDate) eq 2024 and month(Day) eq 5 and day(Day) eq 25",
        "a",
    );
    check(
        &service,
        "hour(RecordedDate) eq 8 and minute(RecordedDate) eq 28 and second(RecordedDate) eq 44",
        "a b",
    );
    check(&service, "fractionalseconds(RecordedDate) eq 0.942", "a");
    check(&service, "date(RecordedDate) eq Day", "a m n");
    check(&service, "date(RecordedDate) eq 2024-05-25", "a b");
    check(&service, "totaloffsetminutes(RecordedDate) eq 0", "a b");
    check(&service, "RecordedDate lt now()", "a b");
    check(&service, "RecordedDate gt now() sub duration'P800D'", "a b");
    check(&service, "RecordedDate gt now() sub duration'P7D'", "");
    check(
        &service,
        "RecordedDate gt mindatetime() and RecordedDate lt maxdatetime()",
        "a b",
    );
}

#[test]
fn search_looks_into_all_texts() {
    let service = rows();

    // 5.1.8
    for (search, expected) in [
        ("acme", "a b"),
        ("ÄRGER", "a"),
        ("acme padded", "b"),
        ("acme AND padded", "b"),
        ("ärger OR padded", "a b"),
        ("NOT acme", "m n"),
        ("acme NOT padded", "a"),
        ("\"mit straße\"", "a"),
        ("(ärger OR padded) \"R_b\"", "b"),
        ("100%", "a"),
        ("o'k", "a"),
    ] {
        assert_eq!(
            service.ids(&format!("$search={search}")),
            expected,
            "{search}"
        );
    }
}

#[test]
fn refusals_say_where_and_what() {
    let service = rows();
    let at = |filter: &str| service.refusal(&format!("Feedback?$filter={filter}"));
    let message = |filter: &str, expected: &str| {
        let (status, message) = at(filter);
        assert_eq!((status, message.as_str()), (400, expected), "{filter}");
    };

    message(
        "Q1 eq 5 Q2 eq 5",
        "expected `and`, `or` or end (character 31 of the URL)",
    );
    message(
        "(Q1 eq 1",
        "expected `)` or an operator (character 29 of the URL)",
    );
    message(
        "Q1 eq",
        "expected a property, a function or a value (character 24 of the URL)",
    );
    message(
        "Nope eq 1",
        "there is no property `Nope` (character 17 of the URL)",
    );
    message(
        "Comment eq 'x",
        "expected `'` at the end of the text (character 32 of the URL)",
    );
    message(
        "Q1 eq 'x'",
        "a whole number can't be compared with a text (character 17 of the URL)",
    );
    message(
        "Q1",
        "expected a Boolean, found a whole number (character 17 of the URL)",
    );
    message(
        "contains(Comment)",
        "`contains` takes 2 argument(s) (character 17 of the URL)",
    );
    message(
        "RecordedDate eq 2024-05-25",
        "an instant can't be compared with a date: use date() of the instant (character 17 of the URL)",
    );
    for (filter, status) in [
        ("", 400),
        ("Q1 EQ 5", 400),
        ("Q1 in ()", 400),
        ("Comment/any(x:x eq 'a')", 400),
        ("matchesPattern(Comment,'(')", 400),
        ("matchesPattern(Comment,'(?=a)')", 400),
        ("matchesPattern(Comment,AccountID)", 501),
        ("(Q1 eq 1) eq (Q2 eq 1)", 501),
        ("cast(Q1,Edm.String) eq '1'", 501),
        ("soundex(Comment) eq 'x'", 400),
        ("Q1 eq @p", 501),
        ("RecordedDate gt 2024-13-01T00:00:00Z", 400),
        ("Q1 eq 2 add", 400),
        ("Done gt false", 501),
        ("RecordedDate add duration'P1D' gt now()", 501),
    ] {
        assert_eq!(at(filter).0, status, "{filter}");
    }
}

#[test]
fn nesting_has_an_end_and_chains_have_none() {
    let service = rows();
    let deep = |levels: usize| format!("{}Q1 eq 5{}", "(".repeat(levels), ")".repeat(levels));

    check(&service, &deep(50), "a");
    assert_eq!(
        service.refusal(&format!("Feedback?$filter={}", deep(70))).0,
        400
    );
    assert_eq!(
        service
            .refusal(&format!("Feedback?$filter={}", deep(10_000)))
            .0,
        400
    );
    assert_eq!(
        service
            .refusal(&format!("Feedback?$filter={}Done", "not ".repeat(5000)))
            .0,
        400
    );
    let chain = vec!["Q1 eq 5"; 1000].join(" or ");
    check(&service, &chain, "a");
    let chain = vec!["1"; 1000].join(" add ");
    assert_eq!(
        service.refusal(&format!("Feedback?$filter={chain} eq 1")).0,
        400
    );
    let many = (0..5000)
        .map(|n| n.to_string())
        .collect::<Vec<_>>()
        .join(",");
    check(&service, &format!("Q1 in ({many})"), "a b");
}

#[test]
fn questions_that_would_explode_are_refused() {
    let service = rows();
    let mut filter = "contains(Comment,'a')".to_owned();
    for _ in 0..18 {
        filter = format!("((contains(Comment,'b') and {filter}) eq null)");
    }

    let (status, message) = service.refusal(&format!("Feedback?$filter={filter}"));

    assert_eq!(
        (status, message.as_str()),
        (400, "the query is too large: ask for less at once")
    );
}
