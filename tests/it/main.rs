//! Behaviour through the public surface: real router, real sandbox, real store, over TCP.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests and their helpers fail by panicking"
)]

mod access;
mod commands;
mod completeness;
mod crash;
mod database;
mod events;
mod fixtures;
mod hana;
mod hana_odata;
mod hana_service;
mod hana_support;
mod identity;
mod odata;
mod pages;
mod process;
mod reads;
mod store;
mod support;
mod telemetry;
mod webhook;

use database::Database;
