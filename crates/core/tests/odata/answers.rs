//! Paths, methods, formats, and what answers look like.

use ingester_core::odata::Incoming;
use ingester_core::row::Cell;
use serde_json::{Value, json};

use crate::fixture::{instant, row, service, text};
use crate::support::Service;

fn one() -> Service {
    service(&[row(
        "R_O'N/1",
        &[
            ("Q1", Cell::Integer(4)),
            ("Duration", Cell::Integer(9_007_199_254_740_993)),
            ("Comment", text("=1+1, \"quoted\"\nline")),
            ("RecordedDate", instant("2024-05-25T08:28:44.942Z")),
        ],
    )])
}

fn ask(service: &Service, incoming: Incoming<'_>) -> (u16, Option<String>, String) {
    let answer = service.answer(&incoming);
    (answer.status, answer.content_type, answer.body)
}

#[test]
fn a_row_is_found_by_its_key() {
    let service = one();
    for url in [
        "Feedback('R_O''N%2F1')?$select=Q1",
        "Feedback(ResponseId='R_O%27%27N%2F1')?$select=Q1",
        "/Feedback('R_O''N%2F1')/?$select=Q1",
    ] {
        let body: Value = serde_json::from_str(&service.get(url).body).unwrap();
        assert_eq!(
            body,
            json!({ "@odata.context": "$metadata#Feedback/$entity", "Q1": 4, "ResponseId": "R_O'N/1" }),
            "{url}"
        );
    }
    for (url, status) in [
        ("Feedback('R_none')", 404),
        ("Feedback('')", 404),
        ("Feedback(5)", 400),
        ("Feedback()", 400),
        ("Feedback('R_1','R_2')", 400),
        ("Feedback(Id='R_1')", 400),
        ("Feedback('R_1", 400),
        ("Feedback('R_1')x", 400),
        ("feedback", 404),
        ("Nope", 404),
        ("Feedback/Nope", 404),
        ("Feedback/R_1", 404),
        ("Feedback('R_1')/Nope", 404),
        ("Feedback('R_1')/$count", 404),
        ("Feedback('R_1')?$filter=Q1%20eq%201", 400),
        ("Feedback?$foo=1", 400),
        ("Feedback?$top=1&$top=2", 400),
        ("Feedback?$top=-1", 400),
        ("Feedback?$skip=x", 400),
        ("Feedback?$count=maybe", 400),
        ("Feedback?$select=Nope", 400),
        ("Feedback?$select=", 400),
        ("Feedback?$expand=Nope", 400),
        ("Feedback?$filter=%zz", 400),
        ("$metadata?$top=1", 400),
        ("?$top=1", 400),
    ] {
        assert_eq!(service.get(url).status, status, "{url}");
    }
    assert_eq!(service.get("Feedback?foo=1&top=0&$expand=*").status, 200);
}

#[test]
fn a_property_and_its_value() {
    let service = one();

    assert_eq!(
        service.get("Feedback('R_O''N%2F1')/Q1").body,
        r#"{"@odata.context":"../$metadata#Feedback('R_O''N/1')/Q1","value":4}"#
    );
    let value = service.get("Feedback('R_O''N%2F1')/RecordedDate/$value");
    assert_eq!(
        (value.body.as_str(), value.content_type.as_deref()),
        (
            "2024-05-25T08:28:44.942Z",
            Some("text/plain; charset=utf-8")
        )
    );
    assert_eq!(
        service.get("Feedback('R_O''N%2F1')/Q1_Label/$value").body,
        "good"
    );
    assert_eq!(service.get("Feedback('R_O''N%2F1')/Score").status, 204);
    assert_eq!(
        service.get("Feedback('R_O''N%2F1')/Score/$value").status,
        204
    );
    assert_eq!(service.get("Feedback('R_none')/Q1").status, 404);
}

#[test]
fn only_reading_is_served() {
    let service = one();
    for method in ["POST", "PUT", "PATCH", "DELETE", "TRACE"] {
        for path in ["", "Feedback", "Feedback('R_1')", "$metadata"] {
            let incoming = Incoming {
                method,
                path,
                ..Incoming::default()
            };
            assert_eq!(ask(&service, incoming).0, 405, "{method} {path}");
        }
    }
    let head = Incoming {
        method: "HEAD",
        path: "Feedback",
        accept: Some("application/json, */*"),
        ..Incoming::default()
    };
    assert_eq!(ask(&service, head), (200, None, String::new()));
}

#[test]
fn numbers_beyond_53_bits_are_strings_where_asked_for() {
    let service = one();
    let list = |accept: &str| {
        ask(
            &service,
            Incoming {
                method: "GET",
                path: "Feedback",
                query: Some("$select=Duration,Q1&$count=true"),
                accept: Some(accept),
                ..Incoming::default()
            },
        )
    };

    let (_, content_type, body) =
        list("application/json;odata.metadata=minimal;IEEE754Compatible=true");

    assert_eq!(
        content_type.as_deref(),
        Some("application/json;odata.metadata=minimal;IEEE754Compatible=true")
    );
    assert_eq!(
        body,
        r##"{"@odata.context":"$metadata#Feedback","@odata.count":"1","value":[{"Duration":"9007199254740993","Q1":4,"ResponseId":"R_O'N/1"}]}"##
    );
    let (_, _, body) = list("application/json;odata.metadata=none");
    assert_eq!(
        body,
        r#"{"@odata.count":1,"value":[{"Duration":9007199254740993,"Q1":4,"ResponseId":"R_O'N/1"}]}"#
    );
}

#[test]
fn csv_is_the_whole_result() {
    let rows: Vec<_> = (0..5)
        .map(|n| row(&format!("R_{n}"), &[("Q1", Cell::Integer(n))]))
        .collect();
    let mut service = service(&rows);
    service.page_rows = |_| 2;

    let answer = service.get("Feedback?$select=ResponseId,Q1&$filter=Q1%20gt%200&$format=csv");

    assert_eq!(
        answer.content_type.as_deref(),
        Some("text/csv; charset=utf-8; header=present")
    );
    assert_eq!(
        answer.body,
        "\u{feff}ResponseId,Q1\r\nR_1,1\r\nR_2,2\r\nR_3,3\r\nR_4,4\r\n"
    );
    assert_eq!(service.get("Feedback('R_1')?$format=csv").status, 406);
}

#[test]
fn metadata_describes_columns_and_computed_properties() {
    let xml = one().get("$metadata").body;

    for fragment in [
        r#"<EntityType Name="Feedback"><Key><PropertyRef Name="ResponseId"/></Key>"#,
        r#"<Property Name="ResponseId" Type="Edm.String" MaxLength="50" Nullable="false"/>"#,
        r#"<Property Name="RecordedDate" Type="Edm.DateTimeOffset" Precision="7"/>"#,
        r#"<Property Name="Score" Type="Edm.Decimal" Precision="9" Scale="2"/>"#,
        r#"<Property Name="Q1" Type="Edm.Int32"><Annotation Term="Common.Label" String="Overall &lt;satisfaction&gt; &amp; &quot;more&quot;"/></Property>"#,
        r#"<Property Name="Q2_NPS" Type="Edm.Int32"><Annotation Term="Core.Computed" Bool="true"/></Property>"#,
        r#"<Property Name="RecordedWeek" Type="Edm.Date"><Annotation Term="Core.Computed" Bool="true"/></Property>"#,
        r#"<PropertyRef Name="SurveyId"/><PropertyRef Name="Column"/>"#,
        r#"<EntitySet Name="Feedback" EntityType="FeedbackService.Feedback">"#,
    ] {
        assert!(xml.contains(fragment), "{fragment}\n{xml}");
    }
    let json: Value = serde_json::from_str(&one().get("$metadata?$format=json").body).unwrap();
    assert_eq!(
        json["FeedbackService"]["Feedback"]["Q1"]["$Type"],
        "Edm.Int32"
    );
    assert_eq!(
        json["FeedbackService"]["Feedback"]["Q1_Label"]["@Core.Computed"],
        true
    );
}

#[test]
fn the_service_document_lists_the_sets() {
    let body: Value = serde_json::from_str(&one().get("").body).unwrap();

    let names: Vec<&str> = body["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|set| set["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["Feedback", "Other", "Surveys", "Questions"]);
}

#[test]
fn an_unchanged_answer_is_not_sent_again() {
    let service = one();
    let incoming = Incoming {
        method: "GET",
        path: "Feedback",
        ..Incoming::default()
    };

    assert_eq!(
        service.answer_if_none_match(&incoming, Some("*")).status,
        304
    );
    assert_eq!(
        service
            .answer_if_none_match(&incoming, Some("W/\"other\""))
            .status,
        200
    );
}
