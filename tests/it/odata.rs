//! OData over HTTP: what lists, rows, counts, batches and their limits answer.

use reqwest::Method;
use serde_json::json;

use crate::support::{ODATA, Setup, TestService, eventually, response};

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_listed_counted_grouped_and_read_by_key() {
    let service = TestService::start().await;
    let ids = service
        .complete([
            response("ACME", 5),
            response("ACME", 3),
            response("Globex", 1),
        ])
        .await;
    let client = service.anybody();

    let list = client
        .read("ProjectFeedback?$filter=AccountID eq 'ACME'&$orderby=Q1 desc&$top=1&$count=true&$select=Q1")
        .await;
    let groups = client
        .read("ProjectFeedback?$apply=groupby((AccountID),aggregate(Q1 with average as avg,$count as n))&$orderby=AccountID")
        .await;
    let row = client.read(&format!("ProjectFeedback('{}')", ids[2])).await;
    let value = client
        .get(
            &format!("{ODATA}ProjectFeedback('{}')/AccountID/$value", ids[2]),
            200,
        )
        .await;
    let count = client
        .get(&format!("{ODATA}ProjectFeedback/$count"), 200)
        .await;

    assert_eq!(
        list,
        json!({"@odata.context": "$metadata#ProjectFeedback", "@odata.count": 2, "value": [{"Q1": 5, "ResponseId": ids[0]}]})
    );
    assert_eq!(
        groups["value"],
        json!([{"AccountID": "ACME", "avg": 4, "n": 2}, {"AccountID": "Globex", "avg": 1, "n": 1}])
    );
    assert_eq!(row["AccountID"], "Globex");
    assert_eq!(value.text, "Globex");
    assert_eq!(count.text, "3");
    client
        .get(&format!("{ODATA}ProjectFeedback('R_none')"), 404)
        .await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_one_another_to_the_end() {
    let service = Setup::default()
        .toml("[odata]\npage_size = 2\n")
        .start()
        .await;
    let mut ids = service
        .complete((0..5).map(|n| response("ACME", n % 3 + 1)))
        .await;
    let client = service.anybody();

    let mut found = Vec::new();
    let mut next = Some("ProjectFeedback?$orderby=Q1&$select=ResponseId".to_owned());
    let mut pages = 0;
    while let Some(url) = next {
        let page = client.read(&url).await;
        let keys = page["value"].as_array().unwrap().iter();
        found.extend(keys.map(|row| row["ResponseId"].as_str().unwrap().to_owned()));
        next = page["@odata.nextLink"].as_str().map(str::to_owned);
        pages += 1;
    }

    assert_eq!(pages, 3);
    found.sort();
    ids.sort();
    assert_eq!(found, ids);
    let preferred = client
        .request(Method::GET, &format!("{ODATA}ProjectFeedback"))
        .header("prefer", "odata.maxpagesize=1");
    let preferred = client.send(preferred, 200).await;
    assert_eq!(
        preferred.header("preference-applied"),
        "odata.maxpagesize=1"
    );
    assert_eq!(preferred.json()["value"].as_array().unwrap().len(), 1);
    let gone = format!("{ODATA}ProjectFeedback?$skiptoken=nonsense");
    client.get(&gone, 400).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_say_what_is_served() {
    let service = TestService::start().await;
    let client = service.anybody();

    let root = client.read("").await;
    let without_slash = client.get("/odata/v4/feedback", 200).await;
    let metadata = client.get(&format!("{ODATA}$metadata"), 200).await;

    let names: Vec<_> = root["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|set| &set["name"])
        .collect();
    assert_eq!(names, ["ProjectFeedback", "Surveys", "Questions"]);
    assert_eq!(without_slash.json(), root);
    assert!(
        metadata
            .text
            .contains("Overall, how satisfied are you with the project?")
    );
    assert_eq!(
        metadata.header("content-type"),
        "application/xml; charset=utf-8"
    );
    let known = client
        .request(Method::GET, &format!("{ODATA}$metadata"))
        .header("if-none-match", metadata.header("etag"));
    client.send(known, 304).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_is_good_until_something_changes() {
    let service = TestService::start().await;
    service.complete([response("ACME", 5)]).await;
    let client = service.anybody();
    let path = format!("{ODATA}ProjectFeedback?$top=5&$count=true");
    // The tag's minute may end between two reads; then it is another tag and everything is read again.
    let mut tag = String::new();
    eventually("the answer is known", async || {
        let known = client
            .request(Method::GET, &path)
            .header("if-none-match", &tag);
        let answer = known.send().await.unwrap();
        tag = answer.headers()["etag"].to_str().unwrap().to_owned();
        answer.status() == 304 && answer.text().await.unwrap().is_empty()
    })
    .await;

    service.complete([response("ACME", 4)]).await;

    let changed = client
        .request(Method::GET, &path)
        .header("if-none-match", &tag);
    let changed = client.send(changed, 200).await;
    assert_eq!(changed.json()["@odata.count"], 2);
    let other = client
        .get(&format!("{ODATA}ProjectFeedback?$top=4&$count=true"), 200)
        .await;
    assert_ne!(other.header("etag"), changed.header("etag"));
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_have_no_body_and_no_content_type() {
    let service = TestService::start().await;
    let ids = service.complete([response("ACME", 5)]).await;
    let client = service.anybody();

    for path in [
        "",
        "ProjectFeedback",
        &format!("ProjectFeedback('{}')", ids[0]),
    ] {
        let answer = client
            .send(client.request(Method::HEAD, &format!("{ODATA}{path}")), 200)
            .await;
        assert_eq!(answer.header("content-type"), "", "{path}");
        assert_eq!(answer.header("odata-version"), "4.0");
    }
    let missing = client.request(Method::HEAD, &format!("{ODATA}ProjectFeedback('R_none')"));
    client.send(missing, 404).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_and_nonsense_are_refused() {
    let service = TestService::start().await;
    let client = service.anybody();

    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let request = client
            .request(method, &format!("{ODATA}ProjectFeedback"))
            .body("{}");
        let answer = client.send(request, 405).await;
        assert_eq!(answer.header("allow"), "GET, HEAD, OPTIONS");
    }
    for (path, status) in [
        ("ProjectFeedback?$filter=Nope eq 1", 400),
        ("ProjectFeedback?$top=-1", 400),
        ("ProjectFeedback?$format=xml", 406),
        ("Nope", 404),
        ("$batch", 405),
    ] {
        client.get(&format!("{ODATA}{path}"), status).await;
    }
    let deep = format!(
        "ProjectFeedback?$filter={}Q1 eq 1{}",
        "(".repeat(500),
        ")".repeat(500)
    );
    client.get(&format!("{ODATA}{deep}"), 400).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_is_the_whole_result_whatever_the_page_size() {
    let service = Setup::default()
        .toml("[odata]\npage_size = 2\n")
        .start()
        .await;
    service.complete((0..5).map(|_| response("=ACME", 5))).await;
    let client = service.anybody();

    let csv = client
        .get(
            &format!("{ODATA}ProjectFeedback?$format=csv&$select=Q1,AccountID"),
            200,
        )
        .await;

    assert_eq!(
        csv.header("content-type"),
        "text/csv; charset=utf-8; header=present"
    );
    let lines: Vec<&str> = csv.text.lines().collect();
    assert_eq!(lines.len(), 6);
    assert!(
        lines[0].starts_with("\u{feff}Q1,AccountID"),
        "{:?}",
        lines[0]
    );
    assert!(lines[1].starts_with("5,'=ACME,"), "{:?}", lines[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_answered_in_the_form_that_it_has() {
    let service = TestService::start().await;
    service.complete([response("ACME", 5)]).await;
    let client = service.anybody();
    let multipart = "--b\nContent-Type:application/http\n\nGET ProjectFeedback/$count HTTP/1.1\nAccept:application/json\n\n\n\
                     --b\nContent-Type:application/http\n\nGET Nope HTTP/1.1\n\n\n--b--\nGroup ID: $auto";

    let request = client
        .request(Method::POST, &format!("{ODATA}$batch"))
        .header("content-type", "multipart/mixed; boundary=\"b\"")
        .header("accept", "application/json, */*")
        .body(multipart);
    let parts = client.send(request, 200).await;
    let request = client
        .request(Method::POST, &format!("{ODATA}$batch"))
        .header("content-type", "application/json")
        .body(
            json!({"requests": [
                {"id": "1", "method": "get", "url": "ProjectFeedback?$top=1"},
                {"id": "2", "method": "get", "url": "Nope"},
                {"id": "3", "method": "get", "url": "Surveys", "dependsOn": ["2"]},
            ]})
            .to_string(),
        );
    let responses = client.send(request, 200).await.json();

    assert!(
        parts
            .header("content-type")
            .starts_with("multipart/mixed;boundary=batch_")
    );
    assert!(parts.text.contains("HTTP/1.1 200 OK"), "{}", parts.text);
    assert!(parts.text.contains("\r\n\r\n1\r\n"), "{}", parts.text);
    assert!(
        parts.text.contains("HTTP/1.1 404 Not Found"),
        "{}",
        parts.text
    );
    let statuses: Vec<_> = responses["responses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| part["status"].as_u64().unwrap())
        .collect();
    assert_eq!(statuses, [200, 404, 424]);
    let large = client
        .request(Method::POST, &format!("{ODATA}$batch"))
        .header("content-type", "application/json")
        .body(" ".repeat(1024 * 1024 + 1));
    client.send(large, 413).await;
    let request = client
        .request(Method::POST, &format!("{ODATA}$batch"))
        .body("x");
    client.send(request, 415).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn surveys_and_questions_tell_how_fresh_and_what() {
    let service = TestService::start().await;
    let ids = service
        .complete([response("ACME", 5), response("ACME", 4)])
        .await;
    let client = service.anybody();

    let survey = client.read("Surveys('SV_22VlHYNeldrrrk1')").await;
    let question = client
        .read("Questions?$filter=Property eq 'Q1'&$select=Text")
        .await;
    let filtered = client
        .read("Surveys?$filter=Rows gt 1 and PendingEvents eq 0&$count=true")
        .await;

    assert_eq!(survey["EntitySet"], "ProjectFeedback");
    assert_eq!(survey["Rows"], 2);
    assert_eq!(survey["PendingEvents"], 0);
    assert_eq!(survey["DeadEvents"], 0);
    assert_eq!(survey["OldestPendingSeconds"], json!(null));
    assert_eq!(survey["Subscription"], "unknown");
    assert!(survey["EventToRowP50Ms"].as_i64().unwrap() < 5_000);
    let newest = client.read(&format!("ProjectFeedback('{}')", ids[1])).await;
    assert_eq!(survey["LastResponseAt"], newest["RecordedDate"]);
    assert!(survey["LastRowAt"].is_string());
    assert_eq!(
        question["value"][0]["Text"],
        "Overall, how satisfied are you with the project?"
    );
    assert_eq!(filtered["@odata.count"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_origins_may_read_only_where_the_configuration_says_so() {
    let service = Setup::default()
        .toml("[web]\nallowed_origins = [\"https://launchpad.example\"]\n")
        .start()
        .await;
    let client = service.anybody();
    let from = |origin: &str| {
        let path = format!("{ODATA}Surveys");
        client
            .request(Method::GET, &path)
            .header("origin", origin.to_owned())
    };

    let allowed = client.send(from("https://launchpad.example"), 200).await;
    let other = client.send(from("https://evil.example"), 200).await;

    assert_eq!(
        allowed.header("access-control-allow-origin"),
        "https://launchpad.example"
    );
    assert_eq!(allowed.header("access-control-allow-credentials"), "true");
    assert_eq!(other.header("access-control-allow-origin"), "");
    let closed = TestService::start().await;
    let client = closed.anybody();
    let request = client
        .request(Method::GET, &format!("{ODATA}Surveys"))
        .header("origin", "https://launchpad.example");
    let answer = client.send(request, 200).await;
    assert_eq!(answer.header("access-control-allow-origin"), "");
}
