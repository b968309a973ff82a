//! Weak entity tags: equal as long as an answer would be.

use sha2::{Digest, Sha256};

use super::format::Format;
use super::query::Query;
use crate::access::Visible;

/// What an answer depends on beside the query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version<'a> {
    /// The survey's last change number, which deletions move too.
    pub change_number: u64,
    /// The version of the survey's definition.
    pub definition: &'a str,
    /// Rows of one answer, which the client may have chosen.
    pub page_rows: u64,
    /// The minute, because rows may change past the service.
    pub minute: i64,
}

/// The tag of the answer to a query: of the viewer's rows, in this format, at this version.
#[must_use]
pub fn etag(query: &Visible<Query>, format: Format, version: Version<'_>) -> String {
    let Version {
        change_number,
        definition,
        page_rows,
        minute,
    } = version;
    let (url, filter) = (query.get().to_url(), query.filter().digest());
    let format = format.content_type();
    let hash = Sha256::digest(format!(
        "{url}\n{filter}\n{format}\n{change_number}\n{definition}\n{page_rows}\n{minute}"
    ));
    format!(
        "W/\"{}\"",
        hex::encode(hash.iter().take(16).copied().collect::<Vec<u8>>())
    )
}
