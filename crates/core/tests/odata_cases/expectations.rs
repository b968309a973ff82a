//! What ours answers where the recordings say that it must differ: each line restates the recording's `ours`.

use serde_json::Value;

use super::Answer;
use super::comparison::{AndIf, Outcome, error_message, parts, same};

pub(super) fn check(id: &str, answer: &Answer, case: &Value, rows: &Value) -> Outcome {
    if let Some((status, _)) = REFUSALS.iter().find(|(_, ids)| ids.contains(&id)) {
        return refused(answer, *status);
    }
    if id.contains("batch") {
        return batches(id, answer);
    }
    selections(id, answer, rows).unwrap_or_else(|| answers(id, answer, case))
}

const REFUSALS: [(u16, &[&str]); 4] = [
    (
        400,
        &[
            "top-negative",
            "skip-negative",
            "duplicate-option",
            "type-mismatch-2",
            "unknown-func",
            "lambda",
            "ts-quoted",
            "search-empty",
            "groupby-orderby-unselected",
            "agg-no-alias",
            "agg-bad-method",
            "agg-sum-string",
            "alias-clash",
            "key-unquoted",
            "key-filter",
            "maxversion-3",
            "version-5",
            "page-2",
            "page-top-over-2",
            "page-bad-token",
        ],
    ),
    (404, &["key-as-segment", "key-count"]),
    (
        406,
        &["accept-xml", "accept-text", "format-xml", "format-atom"],
    ),
    (501, &["rollup"]),
];

/// Filters, each with the rows that it must find.
fn selections(id: &str, answer: &Answer, rows: &Value) -> Option<Outcome> {
    let number = |row: &Value, name: &str| row[name].as_i64();
    let holds: &dyn Fn(&Value) -> bool = match id {
        "not-in" => &|row| !(1..=3).contains(&number(row, "Q1").unwrap_or(0)),
        "not-paren" => &|row| row["Q1"] != 5,
        "not-contains" => &|row| row["Q18"].as_str().is_some_and(|text| !text.contains('e')),
        "arith" => &|row| {
            let both = number(row, "Q8_1").zip(number(row, "Q8_2"));
            both.is_some_and(|(one, two)| one + two == 5)
        },
        "arith-mod" => &|row| number(row, "Q1").is_some_and(|q1| q1 > 0 && q1 % 2 == 1),
        "plus-as-space" => &|row| row["PhaseID"] == "Run",
        "toupper-unicode" => &|row| lower(&row["Q18"]) == "überraschung",
        "int-decimal" => &|_| false,
        "bool-bare" => &|row| row["Finished"] == true,
        "bool-not" => &|row| row["Finished"] == false,
        "search-not" => &|row| !has_word(row, "great"),
        "search-unicode" => &|row| has_word(row, "überraschung"),
        _ => return None,
    };
    let table = if id.starts_with("bool") {
        "TYPED_RESPONSES"
    } else {
        "TEST_QUALTRICS"
    };
    Some(ids(answer, &rows[table], holds))
}

fn answers(id: &str, answer: &Answer, case: &Value) -> Outcome {
    let recorded = || serde_json::from_str::<Value>(case["body"].as_str().unwrap()).unwrap();
    match id {
        "root-head" | "root-head-csrf" | "metadata-head" | "entityset-head" | "key-head" => {
            let empty = answer.status == 200 && answer.body.is_empty();
            Ok(())
                .and_if(empty, "not 200 without a body")
                .and_if(answer.content_type.is_none(), "a content type")
        }
        "orderby-pipe" => body(answer, |body| {
            list(body).len() == 3 && body.get("@odata.nextLink").is_none()
        }),
        "topcount" => body(answer, |body| {
            list(body).len() == 2 && list(body).iter().all(|row| row["Q1"] == 5)
        }),
        "groupby-select" => body(answer, |body| {
            let counts = |body: &Value| -> Vec<Value> {
                list(body).iter().map(|row| row["n"].clone()).collect()
            };
            counts(body) == counts(&recorded()) && body["value"][0].as_object().unwrap().len() == 1
        }),
        "compute" | "compute-option" => body(answer, |body| {
            body["value"][0]["s"] == 6 && body["value"][1]["s"].is_null()
        }),
        "agg-decimal" => body(answer, |body| same(&recorded(), body, false))
            .and_if(answer.body.contains("785.35,"), "no exact sum"),
        "prop" => body(answer, |body| {
            body["@odata.context"] == "../$metadata#ProjectFeedback('R_000000000000003')/Q18"
                && body["value"] == "a/b\\c"
        }),
        "options" => {
            let allow = ("allow".to_owned(), "GET, HEAD, OPTIONS".to_owned());
            Ok(())
                .and_if(answer.status == 204, "not 204")
                .and_if(answer.headers == [allow], "another Allow")
        }
        "page-top-over" => body(answer, |body| {
            body["@odata.count"] == 30 && list(body).len() == 10
        }),
        _ => formats(id, answer),
    }
}

fn formats(id: &str, answer: &Answer) -> Outcome {
    match id {
        "ieee754" => body(answer, |body| {
            let row = &body["value"][0];
            body["@odata.count"] == "4"
                && row["Duration"] == "9007199254741002"
                && row["Score"] == "-8.85"
        })
        .and_if(
            answer.content_type.as_deref() == Some(COMPATIBLE),
            "another content type",
        ),
        "ieee754-apply" => body(answer, |body| {
            body["value"][0]["s"] == "255.55" && body["value"][0]["n"] == "8"
        })
        .and_if(
            answer.content_type.as_deref() == Some(COMPATIBLE),
            "another content type",
        ),
        "metadata-none" | "format-metadata-none" => {
            let content_type = Some("application/json;odata.metadata=none");
            body(answer, |body| body.get("@odata.context").is_none()).and_if(
                answer.content_type.as_deref() == content_type,
                "another content type",
            )
        }
        "maxpagesize" => {
            let applied = answer
                .headers
                .iter()
                .any(|(_, value)| value == "odata.maxpagesize=4");
            body(answer, |body| {
                list(body).len() == 4 && body.get("@odata.nextLink").is_some()
            })
            .and_if(applied, "no Preference-Applied")
        }
        _ => Err("no expectation is written down"),
    }
}

fn batches(id: &str, answer: &Answer) -> Outcome {
    let expected: &[u64] = match id {
        "batch-failing-part" => &[200, 400],
        "batch-continue" => &[400, 200],
        "batch-accept-json" | "batch-raw-space" | "batch-absolute-path" | "batch-lf-only" => &[200],
        "batch-no-parts" | "jbatch-empty" => &[],
        "jbatch-nested" => &[400],
        _ => return Err("no expectation is written down"),
    };
    let content_type = answer.content_type.as_deref().unwrap();
    let format = if id.starts_with('j') {
        "application/json"
    } else {
        "multipart/mixed"
    };
    let parts = parts(content_type, &answer.body);
    let statuses: Vec<u64> = parts.into_iter().map(|(status, _)| status).collect();
    Ok(())
        .and_if(statuses == expected, "other statuses")
        .and_if(content_type.starts_with(format), "another format")
}

fn list(body: &Value) -> &Vec<Value> {
    body["value"].as_array().unwrap()
}

const COMPATIBLE: &str = "application/json;odata.metadata=minimal;IEEE754Compatible=true";

fn refused(answer: &Answer, status: u16) -> Outcome {
    Ok(())
        .and_if(answer.status == status, "another status")
        .and_if(error_message(answer).is_some(), "no OData error")
}

fn body(answer: &Answer, holds: impl Fn(&Value) -> bool) -> Outcome {
    let body = serde_json::from_str(&answer.body).map_err(|_| "no JSON")?;
    Ok(())
        .and_if(answer.status == 200, "not 200")
        .and_if(holds(&body), "another body")
}

fn ids(answer: &Answer, table: &Value, holds: impl Fn(&Value) -> bool) -> Outcome {
    let names = table["properties"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap().to_owned());
    let names: Vec<String> = names.collect();
    let rows = table["rows"].as_array().unwrap().iter().map(|cells| {
        names
            .iter()
            .cloned()
            .zip(cells.as_array().unwrap().iter().cloned())
            .collect::<serde_json::Map<_, _>>()
    });
    let mut expected: Vec<String> = rows
        .map(Value::Object)
        .filter(|row| holds(row))
        .map(|row| row["ResponseId"].as_str().unwrap().to_owned())
        .collect();
    expected.sort();
    body(answer, |body| {
        let rows = body["value"].as_array().unwrap().iter();
        rows.map(|row| row["ResponseId"].as_str().unwrap())
            .eq(expected.iter().map(String::as_str))
    })
}

fn lower(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_lowercase()
}

fn has_word(row: &Value, word: &str) -> bool {
    row.as_object()
        .unwrap()
        .values()
        .any(|value| lower(value).contains(word))
}
