//! The server, seen by the Rust driver. SAP's own client for Node.js looks at it in `e2e/clients`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "test helpers fail by panicking"
)]

mod dialect;
mod driver;
mod faults;
mod support;
mod transactions;
mod values;
