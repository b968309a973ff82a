//! HANA's SQL, as far as this server understands it: a text is cut into tokens, parsed into a tree and compiled into a
//! plan for SQLite. What does not parse here is refused with HANA's code, so that nothing gets through that HANA's
//! documented grammar would not take.

pub(crate) mod ast;
pub(crate) mod compile;
pub(crate) mod parse;
pub(crate) mod plan;
pub(crate) mod token;
