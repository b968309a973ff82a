//! The same questions that were put to another implementation, with its answers, where they lie beside this
//! repository. They are not part of it, because their publication is not settled; what OData asks of us is stated in
//! `odata.rs`, from the specification.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers fail by panicking"
)]

#[path = "odata_cases/recordings.rs"]
mod recordings;
mod support;

use serde_json::Value;

use recordings::{compare, folder, rows, service};

#[test]
fn answers_are_those_of_the_recordings() {
    let Some(folder) = folder() else {
        println!("not run: no shared/cap/odata-cases.jsonl beside this repository");
        return;
    };
    let rows = rows(&folder);
    let (passed, excepted, failed) = compare(&folder, &service(&rows), &rows);

    println!(
        "{passed} passed, {excepted} excepted, {} failed",
        failed.len()
    );
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn recorded_pages_add_up_to_the_whole() {
    let Some(folder) = folder() else {
        println!("not run: no shared/cap/odata-rows.json beside this repository");
        return;
    };
    let service = service(&rows(&folder));
    for (query, rows, pages) in [
        ("$select=ResponseId", 30, 3),
        ("$select=ResponseId&$top=15&$count=true", 15, 2),
        (
            "$select=ResponseId,Q1&$filter=Q1%20ge%201&$orderby=Q1%20desc&$count=true",
            25,
            3,
        ),
        ("$orderby=Q8_1,Q8_2%20desc", 30, 3),
        (
            "$apply=groupby((AccountID,ProjectID),aggregate($count%20as%20n))&$orderby=n%20desc",
            17,
            2,
        ),
    ] {
        let list = |set: &str| {
            let mut all = Vec::new();
            let mut url = format!("{set}?{query}");
            for page in 1.. {
                let body: Value = serde_json::from_str(&service.get(&url).body).unwrap();
                all.extend(body["value"].as_array().unwrap().clone());
                match body["@odata.nextLink"].as_str() {
                    Some(next) => next.clone_into(&mut url),
                    None => return (all, page),
                }
            }
            panic!("pages without end")
        };
        let (whole, _) = list("ProjectFeedback");

        let (paged, count) = list("PagedFeedback");

        assert_eq!(paged, whole, "{query}");
        assert_eq!((paged.len(), count), (rows, pages), "{query}");
    }
}
