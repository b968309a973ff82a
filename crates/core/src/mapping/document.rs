//! One response as Qualtrics sent it.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use sha2::{Digest as _, Sha256};

use super::error::DocumentError;
use crate::id::ResponseId;
use crate::survey::json::{Node, Shape, decode};
use crate::survey::metadata;
use crate::time::{Timestamp, parse_instant};

/// A response's JSON, byte for byte as received (redacted ones: but for what was removed), and where in it things are.
#[derive(Clone, PartialEq, Eq)]
pub struct ResponseDocument {
    json: Box<str>,
    values: Range<usize>,
    labels: Option<Range<usize>>,
    pub(super) pseudonymized: Vec<String>,
    response_id: ResponseId,
    recorded_at: Option<Timestamp>,
    last_modified: Option<Timestamp>,
    pub(super) status: Option<String>,
    pub(super) finished: bool,
}

/// The member that names the keys whose values were replaced. Qualtrics sends none of that name, and respondents can't
/// add members beside `values`.
pub(super) const PSEUDONYMIZED: &str = "pseudonymized";

impl ResponseDocument {
    /// Reads the answer of a single read (`{"result": …, "meta": …}`) or one record of a JSON or NDJSON export.
    ///
    /// # Errors
    /// When it is not the response `asked` for: `values` must be an object and `responseId` be the same.
    pub fn parse(bytes: &[u8], asked: Option<&ResponseId>) -> Result<Self, DocumentError> {
        let whole = Node::parse(bytes).ok_or(DocumentError::NotJson)?;
        if whole.shape() != Shape::Object {
            return Err(DocumentError::NotAResponse("it is no object"));
        }
        let mut members = Members::default();
        whole.each_member(|key, value| members.add(key, value));
        match members.result {
            Some(result) if !members.twice => {
                let mut members = Members::default();
                result.each_member(|key, value| members.add(key, value));
                Self::read(result, &members, asked)
            }
            _ => Self::read(whole, &members, asked),
        }
    }

    fn read(
        node: Node<'_>,
        members: &Members<'_>,
        asked: Option<&ResponseId>,
    ) -> Result<Self, DocumentError> {
        if members.twice {
            // Which one is meant is open.
            return Err(DocumentError::NotAResponse("a member comes twice"));
        }
        let Some(values) = members
            .values
            .filter(|values| values.shape() == Shape::Object)
        else {
            return Err(if members.message {
                DocumentError::NotYet
            } else if !members.any {
                DocumentError::Empty
            } else {
                DocumentError::NotAResponse("`values` is no object")
            });
        };
        let facts = Facts::of(values);
        let response_id: ResponseId = members
            .response_id
            .or(facts.record_id)
            .and_then(Node::text)
            .ok_or(DocumentError::NotAResponse("`responseId` is missing"))?
            .parse()
            .map_err(|_| DocumentError::NotAResponse("`responseId` is no response id"))?;
        if let Some(asked) = asked.filter(|asked| **asked != response_id) {
            return Err(DocumentError::OtherResponse {
                asked: asked.clone(),
                found: response_id,
            });
        }
        let json = node.as_str();
        Ok(Self {
            values: range_in(json, values),
            labels: members.labels.map(|labels| range_in(json, labels)),
            pseudonymized: members.pseudonymized.clone(),
            response_id,
            recorded_at: facts.recorded.and_then(instant),
            last_modified: facts.modified.and_then(instant),
            status: facts.status.and_then(Node::text).map(Cow::into_owned),
            finished: facts.is_finished(),
            json: json.into(),
        })
    }

    /// The same response with another text, in which `values` and `labels` are where the ranges say.
    pub(super) fn rewritten(
        &self,
        json: String,
        values: Range<usize>,
        labels: Option<Range<usize>>,
        pseudonymized: Vec<String>,
    ) -> Self {
        Self {
            json: json.into(),
            values,
            labels,
            pseudonymized,
            ..self.clone()
        }
    }

    /// The response.
    #[must_use]
    pub fn response_id(&self) -> &ResponseId {
        &self.response_id
    }

    /// When Qualtrics recorded it. Neither fixed nor moved by every edit.
    #[must_use]
    pub fn recorded_at(&self) -> Option<Timestamp> {
        self.recorded_at
    }

    /// When it was last changed; only exports that are sorted by it say so.
    #[must_use]
    pub fn last_modified(&self) -> Option<Timestamp> {
        self.last_modified
    }

    /// The response's own object, without the envelope.
    #[must_use]
    pub fn as_json(&self) -> &str {
        &self.json
    }

    /// SHA-256 of [`Self::as_json`], 64 hex digits.
    #[must_use]
    pub fn digest(&self) -> String {
        hex::encode(Sha256::digest(self.json.as_bytes()))
    }

    pub(super) fn root(&self) -> Node<'_> {
        Node::trusted(&self.json)
    }

    pub(super) fn values(&self) -> Node<'_> {
        self.part(&self.values)
    }

    pub(super) fn labels(&self) -> Option<Node<'_>> {
        self.labels.as_ref().map(|labels| self.part(labels))
    }

    fn part(&self, range: &Range<usize>) -> Node<'_> {
        Node::trusted(self.json.get(range.clone()).unwrap_or("null"))
    }
}

impl fmt::Debug for ResponseDocument {
    /// Leaves out what the respondent said.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseDocument")
            .field("response_id", &self.response_id)
            .field("recorded_at", &self.recorded_at)
            .finish_non_exhaustive()
    }
}

/// Where `part`, a piece of `whole`, stands in it.
fn range_in(whole: &str, part: Node<'_>) -> Range<usize> {
    let start = part
        .as_str()
        .as_ptr()
        .addr()
        .saturating_sub(whole.as_ptr().addr());
    start..start + part.as_str().len()
}

/// The members of a response, or of its envelope.
#[derive(Default)]
struct Members<'a> {
    result: Option<Node<'a>>,
    response_id: Option<Node<'a>>,
    values: Option<Node<'a>>,
    labels: Option<Node<'a>>,
    message: bool,
    pseudonymized: Vec<String>,
    any: bool,
    twice: bool,
}

impl<'a> Members<'a> {
    fn add(&mut self, key: &'a str, value: Node<'a>) {
        self.any = true;
        let member = match decode(key).as_deref() {
            Some("result") => &mut self.result,
            Some("responseId") => &mut self.response_id,
            Some("values") => &mut self.values,
            Some("labels") => &mut self.labels,
            Some("message") => {
                self.message = true;
                return;
            }
            Some(PSEUDONYMIZED) => {
                let keys = value.elements().into_iter().filter_map(Node::text);
                self.pseudonymized = keys.map(Cow::into_owned).collect();
                return;
            }
            _ => return,
        };
        self.twice |= member.replace(value).is_some();
    }
}

/// What is read from `values` before a map is at hand.
#[derive(Default)]
struct Facts<'a> {
    record_id: Option<Node<'a>>,
    recorded: Option<Node<'a>>,
    modified: Option<Node<'a>>,
    status: Option<Node<'a>>,
    finished: Option<Node<'a>>,
}

impl<'a> Facts<'a> {
    fn of(values: Node<'a>) -> Self {
        let mut facts = Self::default();
        values.each_member(|key, value| {
            let fact = match key.trim_matches('"') {
                metadata::RESPONSE_ID_KEY => &mut facts.record_id,
                metadata::RECORDED_DATE_KEY => &mut facts.recorded,
                "lastModifiedDate" => &mut facts.modified,
                "status" => &mut facts.status,
                "finished" => &mut facts.finished,
                _ => return,
            };
            *fact = Some(value);
        });
        facts
    }

    /// A number 1 or 0 in recordings; booleans and words are taken too. A response that doesn't say so is finished: only
    /// completed ones are asked for.
    fn is_finished(&self) -> bool {
        let said = self.finished.and_then(Node::text);
        !said.is_some_and(|said| said == "0" || said.eq_ignore_ascii_case("false"))
    }
}

fn instant(node: Node<'_>) -> Option<Timestamp> {
    parse_instant(&node.text()?)
}
