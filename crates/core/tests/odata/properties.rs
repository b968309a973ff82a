//! The computed properties, and `$select`.

use ingester_core::row::Cell;
use jiff::tz::TimeZone;
use serde_json::json;

use crate::fixture::{connection, instant, model, row, service};
use crate::support::Service;

fn answer(id: &str, q1: i64, q2: i64) -> crate::fixture::Row {
    row(id, &[("Q1", Cell::Integer(q1)), ("Q2", Cell::Integer(q2))])
}

#[test]
fn labels_stand_for_recodes() {
    let service = service(&[
        answer("R_1", 5, 0),
        answer("R_2", 1, 0),
        answer("R_3", -9, 0),
        answer("R_4", 77, 0),
    ]);

    assert_eq!(
        service.rows("Feedback?$select=Q1_Label&$filter=Q1 ne 77"),
        json!([
            { "Q1_Label": "it's great", "ResponseId": "R_1" },
            { "Q1_Label": "bad", "ResponseId": "R_2" },
            { "Q1_Label": null, "ResponseId": "R_3" },
        ])
    );
    assert_eq!(service.ids("$filter=Q1_Label eq 'it''s great'"), "1");
    assert_eq!(
        service.rows(
            "Feedback?$apply=groupby((Q1_Label),aggregate($count as n))&$orderby=Q1_Label desc"
        ),
        json!([{ "Q1_Label": "it's great", "n": 1 }, { "Q1_Label": "bad", "n": 1 }, { "Q1_Label": null, "n": 2 }])
    );
}

#[test]
fn the_average_of_the_nps_property_is_the_nps() {
    let scores = [10, 9, 9, 8, 7, 6, 0, -9];
    let rows: Vec<_> = scores
        .iter()
        .enumerate()
        .map(|(n, score)| answer(&format!("R_{n}"), 1, *score))
        .collect();

    // Three promoters and two detractors among seven answers.
    let nps = service(&rows)
        .rows("Feedback?$apply=aggregate(Q2_NPS with sum as s,Q2_NPS with average as nps)");

    assert_eq!(nps[0]["s"], 100);
    assert!((nps[0]["nps"].as_f64().unwrap() - 100.0 / 7.0).abs() < 1e-9);
}

#[test]
fn plain_lists_have_the_columns_only() {
    let service = service(&[answer("R_1", 5, 0)]);

    let row = service.rows("Feedback")[0].clone();
    let names: Vec<&String> = row.as_object().unwrap().keys().collect();

    assert_eq!(names.len(), 12, "{names:?}");
    assert_eq!(service.rows("Feedback?$select=*")[0], row);
    assert_eq!(
        service.rows("Feedback?$select=*,RecordedDay")[0]
            .as_object()
            .unwrap()
            .len(),
        13
    );
}

fn recorded(time_zone: &TimeZone, instants: &[&str]) -> Service {
    let rows: Vec<_> = instants
        .iter()
        .enumerate()
        .map(|(n, at)| row(&format!("R_{n}"), &[("RecordedDate", instant(at))]))
        .collect();
    Service::new(model(time_zone), connection(&rows))
}

#[test]
fn periods_are_named_by_their_first_day() {
    let instants = [
        "2024-01-31T23:30:00Z",
        "2024-02-04T23:59:59.9999999Z", // a Sunday
        "2024-02-05T00:00:00Z",         // a Monday
        "2024-12-31T12:00:00Z",
    ];

    let rows = recorded(&TimeZone::UTC, &instants)
        .rows("Feedback?$select=RecordedDay,RecordedWeek,RecordedMonth");

    let expected = [
        ("2024-01-31", "2024-01-29", "2024-01-01"),
        ("2024-02-04", "2024-01-29", "2024-02-01"),
        ("2024-02-05", "2024-02-05", "2024-02-01"),
        ("2024-12-31", "2024-12-30", "2024-12-01"),
    ];
    for (n, (day, week, month)) in expected.into_iter().enumerate() {
        let expected = json!({ "RecordedDay": day, "RecordedWeek": week, "RecordedMonth": month, "ResponseId": format!("R_{n}") });
        assert_eq!(rows[n], expected);
    }
}

#[test]
fn days_are_those_of_the_configured_zone() {
    // Central Europe, by its rule: summer time from the last Sunday of March to the last of October.
    let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    let instants = [
        "2023-12-31T23:00:00Z",
        "2023-12-31T22:59:59.999Z",
        "2024-03-30T23:00:00Z",
        "2024-07-01T22:00:00Z",
        "2024-07-01T21:59:59Z",
        "2024-10-27T22:30:00Z",
        "2024-10-27T23:30:00Z",
        "1999-07-01T22:30:00Z",
    ];
    let expected = [
        "2024-01-01",
        "2023-12-31",
        "2024-03-31",
        "2024-07-02",
        "2024-07-01",
        "2024-10-27",
        "2024-10-28",
        "1999-07-01",
    ];

    let rows = recorded(&berlin, &instants).rows("Feedback?$select=RecordedDay");

    let days: Vec<&str> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["RecordedDay"].as_str().unwrap())
        .collect();
    assert_eq!(days, expected);
}

#[test]
fn a_zone_without_summer_time_is_one_offset() {
    let india = TimeZone::fixed(jiff::tz::Offset::from_seconds(19_800).unwrap());

    let rows = recorded(&india, &["2024-01-31T18:29:59Z", "2024-01-31T18:30:00Z"])
        .rows("Feedback?$select=RecordedMonth");

    assert_eq!(rows[0]["RecordedMonth"], "2024-01-01");
    assert_eq!(rows[1]["RecordedMonth"], "2024-02-01");
}
