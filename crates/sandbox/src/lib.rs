//! A local stand-in for the Qualtrics API.

mod callback;
mod clock;
mod delivery;
mod envelope;
mod error;
mod export;
pub mod faults;
mod handle;
mod journal;
mod json;
mod limits;
mod options;
mod random;
mod response;
mod routes;
mod server;
mod state;
mod subscriptions;
mod survey;

pub use self::error::SandboxError;
pub use self::faults::{Faults, FaultsError};
pub use self::handle::{Change, Completion, Handle};
pub use self::journal::Counters;
pub use self::limits::{Limits, PerMinute};
pub use self::options::Options;
pub use self::server::Sandbox;
pub use self::survey::edit::EditError;
pub use self::survey::{Survey, SurveyError};
