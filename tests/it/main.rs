//! Behaviour through the public surface: real router, real sandbox, real store, over TCP.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests and their helpers fail by panicking"
)]

mod access;
mod events;
mod identity;
mod odata;
mod reads;
mod store;
mod support;
