//! What holds for any URL: no panic, a way back to the text, a bind for each mark.

use ingester_core::odata::{self, Incoming};
use ingester_core::sql::Dialect;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use crate::fixture::{connection, encoded, model};
use crate::statements::{parsed, restricting, selected};

const PIECES: [&str; 70] = [
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
];
const NUMBERS: [&str; 13] = [
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
];
const TEXTS: [&str; 10] = [
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
];
const INSTANTS: [&str; 5] = [
    "RecordedDate",
    "now()",
    "2024-01-01T00:00:00.1234567Z",
    "now() sub duration'P1DT2H'",
    "null",
];
const DAYS: [&str; 4] = ["Day", "RecordedDay", "date(RecordedDate)", "2024-01-01"];
const COMPARISONS: [&str; 6] = ["eq", "ne", "gt", "ge", "lt", "le"];
const OPERATORS: [&str; 6] = ["add", "sub", "mul", "div", "divby", "mod"];
const SHAPES: [&str; 5] = [
    "Feedback?$filter={}&$orderby=RecordedDate desc,Q1&$count=true&$top=3",
    "Feedback?$apply=filter({})/groupby((AccountID,Q1),aggregate(Score with sum as s,$count as n))/topcount(2,s)",
    "Feedback?$apply=concat(filter({})/aggregate($count as n),compute(Q1 add 1 as p)/orderby(p)/skip(1))&$search=x y",
    "Feedback/$count?$filter={}",
    "Feedback?$compute=Q1 mul 2 as d&$filter={}&$select=d,Q1_Label,RecordedWeek",
];

/// URLs that are almost right, and some that are.
fn any_url() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(&PIECES[..]);
    prop::collection::vec(piece, 0..25).prop_map(|pieces| pieces.concat())
}

/// Conditions over all types, as text.
fn any_condition() -> impl Strategy<Value = String> {
    let number = prop::sample::select(&NUMBERS[..]);
    let text = prop::sample::select(&TEXTS[..]);
    let instant = prop::sample::select(&INSTANTS[..]);
    let day = prop::sample::select(&DAYS[..]);
    let comparison = prop::sample::select(&COMPARISONS[..]);
    let arithmetic = prop::sample::select(&OPERATORS[..]);
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
    let shape = prop::sample::select(&SHAPES[..]);
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
