//! Responses: what respondents answer, the documents made of it, and where they are kept.

pub(crate) mod answers;
pub(crate) mod compose;
pub(crate) mod document;
pub(crate) mod store;
pub(crate) mod words;
