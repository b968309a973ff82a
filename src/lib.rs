//! The service: adapters around [`ingester_core`] and the commands around the service.
//! ARCHITECTURE.md has the picture, the way of one event, and who may import whom.

pub mod bulk;
pub mod cards;
pub mod changes;
pub mod cli;
pub mod config;
pub mod http;
pub mod identity;
pub mod jobs;
pub mod lifecycle;
pub mod model;
pub mod pipeline;
pub mod qualtrics;
pub mod service;
#[cfg(feature = "sim")]
pub mod sim;
pub mod store;
pub mod surveys;
pub mod telemetry;
