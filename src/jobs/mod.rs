//! Long work, shared by commands and routes.

pub mod housekeeping;
