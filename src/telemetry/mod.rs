//! What the engine on call sees: log set-up and every metric name, once.

pub mod audit;
pub mod log;
pub mod metrics;
pub mod otlp;
