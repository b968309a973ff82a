//! `Surveys` and `Questions`: sets about surveys, one over values that the service hands over, one over a table.

use serde_json::json;

use crate::fixture::{SURVEY, service};

#[test]
fn values_are_queried_like_a_table() {
    let service = service(&[]);

    assert_eq!(
        service.rows("Surveys?$filter=Rows gt 1"),
        json!([{ "SurveyId": SURVEY, "Name": "Feedback", "LastRowAt": "2024-05-01T10:00:00.500Z", "Rows": 4 }])
    );
    assert_eq!(
        service.rows("Surveys?$orderby=LastRowAt&$select=Name"),
        json!([{ "Name": "Other", "SurveyId": "SV_0other000000" }, { "Name": "Feedback", "SurveyId": SURVEY }])
    );
    assert_eq!(
        service.rows("Surveys?$apply=aggregate(Rows with sum as rows)"),
        json!([{ "rows": 5 }])
    );
    assert_eq!(
        service.json(&format!("Surveys('{SURVEY}')?$select=Name"))["Name"],
        "Feedback"
    );
    assert_eq!(service.get("Surveys/$count?$search=feed").body, "1");
    assert_eq!(service.get("Surveys('SV_none')").status, 404);
}

#[test]
fn no_values_are_an_empty_set() {
    let mut service = service(&[]);
    service.values = Vec::new();

    assert_eq!(service.rows("Surveys"), json!([]));
    assert_eq!(service.get("Surveys/$count").body, "0");
}

#[test]
fn values_page_by_key() {
    let mut service = service(&[]);
    service.page_rows = |_| 1;

    let first = service.json("Surveys?$orderby=Rows desc&$select=Name");
    let second = service.get(first["@odata.nextLink"].as_str().unwrap());

    assert_eq!(first["value"][0]["Name"], "Feedback");
    assert_eq!(second.status, 200);
    assert!(
        second.body.contains("Other") && !second.body.contains("nextLink"),
        "{}",
        second.body
    );
}

#[test]
fn questions_are_those_of_configured_surveys() {
    let service = service(&[]);

    assert_eq!(service.get("Questions/$count").body, "3");
    assert_eq!(
        service.json("Questions(SurveyId='SV_0other000000',Column='REGION')")["Text"],
        "Where?"
    );
    assert_eq!(
        service
            .get("Questions(SurveyId='SV_0gone0000000',Column='Q1')")
            .status,
        404
    );
    for key in [
        "'REGION'",
        "Column='REGION'",
        "SurveyId='x',SurveyId='y'",
        "SurveyId='x',Column=5",
    ] {
        assert_eq!(
            service.get(&format!("Questions({key})")).status,
            400,
            "{key}"
        );
    }
}
