//! `$batch` in both formats. Source: OData V4.01 Part 1, 11.7; JSON Format, 19.

use ingester_core::row::Cell;
use serde_json::Value;

use crate::fixture::{row, service};
use crate::support::Service;

fn rows() -> Service {
    service(&[row("R_1", &[("Q1", Cell::Integer(1))]), row("R_2", &[])])
}

/// The statuses and bodies of a multipart answer.
fn multipart(
    service: &Service,
    content_type: &str,
    prefer: Option<&str>,
    body: &str,
) -> Vec<(u16, String)> {
    let answer = service.batch(Some(content_type), prefer, body.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.body);
    let content_type = answer.content_type.unwrap();
    let delimiter = format!("--{}", content_type.split_once("boundary=").unwrap().1);
    assert!(answer.body.ends_with(&format!("{delimiter}--\r\n")));
    let parts = answer
        .body
        .split(&delimiter)
        .filter_map(|part| part.split_once("HTTP/1.1 "));
    let parts = parts.map(|(_, response)| {
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        (
            head.get(..3).unwrap().parse().unwrap(),
            body.trim_end_matches("\r\n").to_owned(),
        )
    });
    parts.collect()
}

const TWO: &str = "preamble\r\n--b 1\r\nContent-Type:application/http\r\n\r\nGET Feedback/$count?$filter=Q1 eq 1 HTTP/1.1\r\nAccept:application/json\r\n\r\n\r\n--b 1\r\nContent-Type: application/http\r\nContent-ID: x\r\n\r\nGET /odata/v4/feedback/Feedback('R_2')/Q1 HTTP/1.1\r\n\r\n\r\n--b 1--\r\nGroup ID: $auto";

#[test]
fn parts_are_answered_in_order_whatever_stands_around_them() {
    let service = rows();
    let expected = vec![(200, "1".to_owned()), (204, String::new())];

    let quoted = "multipart/mixed; boundary=\"b 1\"; charset=x";
    assert_eq!(multipart(&service, quoted, None, TWO), expected);
    assert_eq!(
        multipart(&service, quoted, None, &TWO.replace("\r\n", "\n")),
        expected
    );
    let plain = TWO.replace("b 1", "b_1");
    assert_eq!(
        multipart(&service, "Multipart/Mixed;boundary=b_1", None, &plain),
        expected
    );
}

#[test]
fn a_boundary_inside_a_line_is_text() {
    let body = "--b\r\n\r\nGET Feedback?$filter=Comment eq '--b' HTTP/1.1\r\n\r\n--b--";

    assert_eq!(
        multipart(&rows(), "multipart/mixed;boundary=b", None, body)[0].0,
        200
    );
}

#[test]
fn the_first_error_ends_a_batch_unless_the_client_goes_on() {
    let service = rows();
    let body =
        "--b\r\n\r\nGET Nope HTTP/1.1\r\n\r\n--b\r\n\r\nGET Feedback/$count HTTP/1.1\r\n\r\n--b--";
    let statuses = |prefer| -> Vec<u16> {
        multipart(&service, "multipart/mixed;boundary=b", prefer, body)
            .into_iter()
            .map(|(status, _)| status)
            .collect()
    };

    assert_eq!(statuses(None), [404]);
    assert_eq!(statuses(Some("odata.continue-on-error=false")), [404]);
    assert_eq!(statuses(Some("odata.continue-on-error")), [404, 200]);
    assert_eq!(statuses(Some("continue-on-error=true")), [404, 200]);
}

#[test]
fn broken_batches_are_refused_as_a_whole() {
    let service = rows();
    for (content_type, body, status) in [
        (Some("multipart/mixed"), TWO, 400),
        (
            Some("multipart/mixed;boundary=\"b 1\""),
            "--b 1\r\n\r\nGET Feedback HTTP/1.1\r\n\r\n",
            400,
        ),
        (Some("multipart/mixed;boundary=other"), TWO, 400),
        (Some("application/json"), "{", 400),
        (
            Some("application/json"),
            r#"{"requests":[{"method":"GET","url":"Feedback"}]}"#,
            400,
        ),
        (
            Some("application/json"),
            r#"{"requests":[{"id":"1","dependsOn":["2"],"method":"GET","url":"Feedback"}]}"#,
            400,
        ),
        (Some("text/plain"), "x", 415),
        (None, TWO, 415),
    ] {
        assert_eq!(
            service.batch(content_type, None, body.as_bytes()).status,
            status,
            "{body}"
        );
    }
    let many = "--b\r\n\r\nGET Feedback HTTP/1.1\r\n\r\n".repeat(101) + "--b--";
    assert_eq!(
        service
            .batch(Some("multipart/mixed;boundary=b"), None, many.as_bytes())
            .status,
        400
    );
}

#[test]
fn broken_parts_are_refused_alone() {
    let service = rows();
    for (request, status) in [
        ("Feedback", 400),
        ("GET Feedback", 400),
        ("POST $batch HTTP/1.1", 400),
        ("GET /other/Feedback HTTP/1.1", 404),
        ("DELETE Feedback('R_1') HTTP/1.1", 405),
        (
            "get http://host:80/odata/v4/feedback/Feedback?$top=1 HTTP/1.1",
            200,
        ),
    ] {
        let body = format!("--b\r\n\r\n{request}\r\n\r\n--b--");
        assert_eq!(
            multipart(&service, "multipart/mixed;boundary=b", None, &body)[0].0,
            status,
            "{request}"
        );
    }
}

#[test]
fn json_requests_depend_on_each_other_by_name() {
    let body = r#"{"requests":[
        {"id":"1","method":"get","url":"Feedback/$count"},
        {"id":"2","atomicityGroup":"g","method":"POST","url":"Feedback","body":{"Q1":1}},
        {"id":"3","dependsOn":["g"],"method":"GET","url":"Feedback"},
        {"id":"4","dependsOn":["1"],"method":"GET","url":"/odata/v4/feedback/Feedback?$top=1&$select=Q1"}]}"#;

    let answer: Value = serde_json::from_str(
        &rows()
            .batch(Some("application/json"), None, body.as_bytes())
            .body,
    )
    .unwrap();

    let responses = answer["responses"].as_array().unwrap();
    let statuses: Vec<u64> = responses
        .iter()
        .map(|response| response["status"].as_u64().unwrap())
        .collect();
    assert_eq!(statuses, [200, 405, 424, 200]);
    assert_eq!(responses[0]["body"], "2");
    assert_eq!(responses[1]["atomicityGroup"], "g");
    assert_eq!(responses[3]["body"]["value"][0]["Q1"], 1);
}
