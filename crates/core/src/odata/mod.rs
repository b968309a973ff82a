//! OData V4, read only: from a URL to a checked query, and from rows to an answer. No I/O: the service asks
//! [`parse`] what a request means, [`crate::access`] what the viewer may see of it, [`crate::sql::select`] for the SQL,
//! runs that, and hands the cells to a writer of this module.
//!
//! In reading order: `model` is what is served; `request` and `query` are what is asked, `options` and `apply` what its
//! parts say; `parser` reads expressions into the trees of `expr`, over the small steps of `cursor`; `format` chooses how
//! it is answered, [`json`], [`csv`] and [`metadata`] write that, [`batch`] carries many questions at once.

mod apply;
pub mod batch;
pub mod cds;
pub mod csv;
mod cursor;
mod error;
mod etag;
mod expr;
mod format;
pub mod json;
mod literal;
pub mod metadata;
mod model;
mod operands;
mod operators;
mod options;
mod parser;
mod pattern;
mod query;
mod request;
mod search;
mod skiptoken;
mod url;
mod value;

pub use apply::{
    Aggregate, AggregateValue, Computed, Direction, Method, OrderItem, Transformation,
};
pub use error::{Problem, QueryError};
pub use etag::{Version, etag};
pub use expr::{Expr, Type};
pub use format::{Format, JsonFormat, Metadata};
pub use literal::Literal;
pub use model::{
    Choice, EntitySet, Model, Period, Property, PropertyValue, SetKind, Source, StoredProperty,
};
pub(crate) use operands::column_kind;
pub use operators::{Arithmetic, Comparison, Function};
pub use parser::{Member, Scope};
pub use pattern::{Pattern, PatternError};
pub use query::{Key, Query, Resource, no_row};
pub use request::{ALLOW, Incoming, Request, Target, parse};
pub use search::Search;
pub(crate) use skiptoken::Position;
pub use skiptoken::SkipToken;
