//! Behaviour through the public surface: real router, real sandbox, real store, over TCP.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests and their helpers fail by panicking"
)]

mod commands;
mod completeness;
mod crash;
mod fixtures;
mod hana;
mod hana_support;
mod process;
mod store;
mod webhook;
