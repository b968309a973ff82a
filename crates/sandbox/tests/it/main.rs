//! The sandbox from outside, over real HTTP.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "test helpers fail by panicking"
)]

mod access;
mod callbacks;
mod control;
mod exports;
mod faults;
mod files;
mod form;
mod reads;
mod support;
mod tables;
