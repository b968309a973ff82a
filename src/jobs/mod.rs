//! Long work, shared by commands and routes.

pub mod fingerprint;
pub mod housekeeping;
pub mod instances;
pub mod subscriptions;
