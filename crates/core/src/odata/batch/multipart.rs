//! A batch as `multipart/mixed`. Source: RFC 2046, 5.1; OData V4.01 Part 1, 11.7.7.
//!
//! Lenient where clients are: lines may end in LF alone, URLs may hold raw spaces, the boundary may be quoted, and what
//! stands before the first and behind the last boundary is ignored (UI5 writes `Group ID: $auto` there).

use super::{PARTS_MAX, Part, PartRequest, PartResponse, located, malformed};
use crate::odata::error::QueryError;
use crate::odata::value::write_text;

pub(super) fn read(content_type: &str, body: &[u8], root: &str) -> Result<Vec<Part>, QueryError> {
    let boundary = parameter(content_type, "boundary")
        .ok_or_else(|| malformed("the batch's Content-Type has no boundary"))?;
    let sections = sections(body, &boundary)?;
    if sections.len() > PARTS_MAX {
        return Err(malformed(format!(
            "expected at most {PARTS_MAX} requests in a batch"
        )));
    }
    Ok(sections
        .into_iter()
        .map(|section| part(section, root))
        .collect())
}

/// A parameter of a media type, quoted or not.
fn parameter(content_type: &str, wanted: &str) -> Option<String> {
    let mut rest = content_type.split_once(';')?.1;
    loop {
        let (name, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => match after.split_once(';') {
                Some((value, _)) => (
                    value.trim_end(),
                    after.get(value.len()..).unwrap_or_default(),
                ),
                None => (after.trim_end(), ""),
            },
        };
        if name.trim().eq_ignore_ascii_case(wanted) {
            return (!value.is_empty()).then(|| value.to_owned());
        }
        rest = after.split_once(';')?.1;
    }
}

/// What stands between the boundaries. A boundary counts only as a line of its own.
fn sections<'a>(body: &'a [u8], boundary: &str) -> Result<Vec<&'a [u8]>, QueryError> {
    let mut sections = Vec::new();
    let mut begin = None;
    let mut at = 0;
    while at < body.len() {
        let rest = body.get(at..).unwrap_or_default();
        let length = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(rest.len(), |newline| newline + 1);
        let line = rest.get(..length).unwrap_or_default();
        let delimiter = line
            .strip_prefix(b"--")
            .and_then(|line| line.strip_prefix(boundary.as_bytes()));
        match delimiter.map(<[u8]>::trim_ascii) {
            Some(b"") => {
                sections.extend(begin.and_then(|begin| body.get(begin..at)));
                begin = Some(at + length);
            }
            Some(b"--") => {
                sections.extend(begin.and_then(|begin| body.get(begin..at)));
                return Ok(sections);
            }
            _ => {}
        }
        at += length;
    }
    Err(malformed("the batch ends without its last boundary"))
}

fn part(section: &[u8], root: &str) -> Part {
    let (head, body) = split_head(section);
    let headers = headers(head);
    let header = |name: &str| {
        headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    };
    let content_type = header("content-type").unwrap_or("application/http");
    if content_type
        .to_ascii_lowercase()
        .starts_with("multipart/mixed")
    {
        // A change set changes something, so it is refused as its first request is.
        let inner = parameter(content_type, "boundary")
            .ok_or_else(|| malformed("the change set has no boundary"));
        let inner = inner.and_then(|boundary| sections(body, &boundary));
        let first = inner.map(|sections| sections.first().map(|section| change(section, root)));
        return match first {
            Ok(Some(part)) => part,
            Ok(None) => refused(None, malformed("the change set is empty")),
            Err(error) => refused(None, error),
        };
    }
    Part {
        id: header("content-id").map(str::to_owned),
        atomicity_group: None,
        depends_on: Vec::new(),
        request: request(body, root),
    }
}

/// The first request of a change set.
fn change(section: &[u8], root: &str) -> Part {
    let (head, body) = split_head(section);
    let id = headers(head)
        .into_iter()
        .find(|(name, _)| name == "content-id")
        .map(|(_, value)| value);
    let request = request(body, root).and_then(|request| match request.method.as_str() {
        "GET" | "HEAD" => Err(malformed("a change set has no GET")),
        _ => Ok(request),
    });
    Part {
        id,
        atomicity_group: None,
        depends_on: Vec::new(),
        request,
    }
}

fn refused(id: Option<String>, error: QueryError) -> Part {
    Part {
        id,
        atomicity_group: None,
        depends_on: Vec::new(),
        request: Err(error),
    }
}

/// An HTTP request as text. The URL is everything between the method and the last ` HTTP/`.
fn request(text: &[u8], root: &str) -> Result<PartRequest, QueryError> {
    let text = text.trim_ascii_start();
    let end = text
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(text.len());
    let line = std::str::from_utf8(text.get(..end).unwrap_or_default())
        .map_err(|_| malformed("a request line of the batch is not UTF-8"))?
        .trim();
    let expected = || {
        malformed(
            "expected a request line like `GET Set?$top=1 HTTP/1.1` in each part of the batch",
        )
    };
    let (method, rest) = line.split_once(' ').ok_or_else(expected)?;
    let (url, _) = rest.rsplit_once(" HTTP/").ok_or_else(expected)?;
    let (path, query) = located(url.trim(), root)?;
    let (head, _) = split_head(text.get(end + 1..).unwrap_or_default());
    Ok(PartRequest {
        method: method.to_ascii_uppercase(),
        path,
        query,
        headers: headers(head),
    })
}

/// Header lines, and what stands behind the empty line that ends them.
fn split_head(text: &[u8]) -> (&[u8], &[u8]) {
    let mut at = 0;
    while at < text.len() {
        let rest = text.get(at..).unwrap_or_default();
        let length = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(rest.len(), |newline| newline + 1);
        if rest
            .get(..length)
            .unwrap_or_default()
            .trim_ascii()
            .is_empty()
        {
            return (
                text.get(..at).unwrap_or_default(),
                text.get(at + length..).unwrap_or_default(),
            );
        }
        at += length;
    }
    (text, b"")
}

fn headers(head: &[u8]) -> Vec<(String, String)> {
    let head = String::from_utf8_lossy(head);
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        // A header may be repeated in the answer: nothing in it may end a line there.
        let plain = !line.chars().any(char::is_control);
        plain.then(|| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
    };
    head.lines().filter_map(header).collect()
}

/// Appends one part of the answer; `None` ends the answer. `boundary` is the answer's own, and must be one that no
/// body can hold: bodies are answers of respondents.
pub fn write_response(boundary: &str, part: Option<(&Part, &PartResponse)>, out: &mut Vec<u8>) {
    let Some((part, response)) = part else {
        write_text(out, format_args!("--{boundary}--\r\n"));
        return;
    };
    write_text(
        out,
        format_args!(
            "--{boundary}\r\ncontent-type: application/http\r\ncontent-transfer-encoding: binary\r\n"
        ),
    );
    if let Some(id) = &part.id {
        write_text(out, format_args!("content-id: {id}\r\n"));
    }
    write_text(
        out,
        format_args!(
            "\r\nHTTP/1.1 {} {}\r\n",
            response.status,
            reason(response.status)
        ),
    );
    for (name, value) in &response.headers {
        write_text(out, format_args!("{name}: {value}\r\n"));
    }
    write_text(
        out,
        format_args!("content-length: {}\r\n\r\n", response.body.len()),
    );
    out.extend_from_slice(&response.body);
    out.extend_from_slice(b"\r\n");
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        415 => "Unsupported Media Type",
        424 => "Failed Dependency",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        _ => "Error",
    }
}
