//! A batch as JSON. Source: OData JSON Format V4.01, 19.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use super::{PARTS_MAX, Part, PartRequest, PartResponse, located, malformed};
use crate::odata::error::{QueryError, shown};
use crate::odata::value::{write_string, write_text};

#[derive(Deserialize)]
struct Envelope {
    requests: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    id: Option<String>,
    method: Option<String>,
    url: Option<String>,
    #[serde(default)]
    headers: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    depends_on: Vec<String>,
    atomicity_group: Option<String>,
}

pub(super) fn read(body: &[u8], root: &str) -> Result<Vec<Part>, QueryError> {
    let envelope: Envelope = serde_json::from_slice(body)
        .map_err(|error| malformed(format!("the batch is no batch in JSON: {error}")))?;
    if envelope.requests.len() > PARTS_MAX {
        return Err(malformed(format!(
            "expected at most {PARTS_MAX} requests in a batch"
        )));
    }
    let mut known: BTreeSet<String> = BTreeSet::new();
    let mut parts = Vec::new();
    for item in envelope.requests {
        let id = item
            .id
            .clone()
            .ok_or_else(|| malformed("each request of the batch needs an `id`"))?;
        if let Some(unknown) = item.depends_on.iter().find(|name| !known.contains(*name)) {
            let message = format!(
                "`dependsOn` names `{}`, which is no request before it",
                shown(unknown)
            );
            return Err(malformed(message));
        }
        if !known.insert(id.clone()) {
            return Err(malformed(format!(
                "the `id` `{}` is given twice",
                shown(&id)
            )));
        }
        known.extend(item.atomicity_group.clone());
        parts.push(part(id, item, root));
    }
    Ok(parts)
}

fn part(id: String, item: Item, root: &str) -> Part {
    let request = match (item.method, item.url) {
        (Some(method), Some(url)) => located(&url, root).map(|(path, query)| PartRequest {
            method: method.to_ascii_uppercase(),
            path,
            query,
            headers: item
                .headers
                .into_iter()
                .map(|(name, value)| (name.to_ascii_lowercase(), value))
                .collect(),
        }),
        _ => Err(malformed(
            "each request of the batch needs a `method` and a `url`",
        )),
    };
    Part {
        id: Some(id),
        atomicity_group: item.atomicity_group,
        depends_on: item.depends_on,
        request,
    }
}

/// Appends one response; `first` opens the answer, `None` ends it.
pub fn write_response(first: bool, part: Option<(&Part, &PartResponse)>, out: &mut Vec<u8>) {
    if first {
        out.extend_from_slice(b"{\"responses\":[");
    }
    let Some((part, response)) = part else {
        out.extend_from_slice(b"]}");
        return;
    };
    if !first {
        out.push(b',');
    }
    out.extend_from_slice(b"{\"id\":");
    write_string(part.id.as_deref().unwrap_or_default(), out);
    if let Some(group) = &part.atomicity_group {
        out.extend_from_slice(b",\"atomicityGroup\":");
        write_string(group, out);
    }
    write_text(
        out,
        format_args!(",\"status\":{},\"headers\":{{", response.status),
    );
    let length = ("content-length".to_owned(), response.body.len().to_string());
    for (index, (name, value)) in response.headers.iter().chain([&length]).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_string(name, out);
        out.push(b':');
        write_string(value, out);
    }
    out.push(b'}');
    if !response.body.is_empty() {
        out.extend_from_slice(b",\"body\":");
        write_body(response, out);
    }
    out.push(b'}');
}

/// JSON as it is, all else as a string.
fn write_body(response: &PartResponse, out: &mut Vec<u8>) {
    let is_json = response
        .headers
        .iter()
        .any(|(name, value)| name == "content-type" && value.starts_with("application/json"));
    if is_json && serde_json::from_slice::<&serde_json::value::RawValue>(&response.body).is_ok() {
        out.extend_from_slice(&response.body);
    } else {
        let text = Value::String(String::from_utf8_lossy(&response.body).into_owned());
        write_text(out, format_args!("{text}"));
    }
}
