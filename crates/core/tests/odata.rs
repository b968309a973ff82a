//! What OData asks of the reader, from the specification, on an in-memory SQLite; and what no question may reveal.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers fail by panicking"
)]

#[path = "odata/aggregation.rs"]
mod aggregation;
#[path = "odata/answers.rs"]
mod answers;
#[path = "odata/batches.rs"]
mod batches;
#[path = "odata/filters.rs"]
mod filters;
#[path = "odata/fixture.rs"]
mod fixture;
#[path = "odata/hana_statements.rs"]
mod hana_statements;
#[path = "odata/oracle.rs"]
mod oracle;
#[path = "odata/pages.rs"]
mod pages;
#[path = "odata/properties.rs"]
mod properties;
#[path = "odata/questions.rs"]
mod questions;
#[path = "odata/speed.rs"]
mod speed;
#[path = "odata/statements.rs"]
mod statements;
#[path = "odata/urls.rs"]
mod urls;
#[path = "odata/visibility.rs"]
mod visibility;

mod support;
