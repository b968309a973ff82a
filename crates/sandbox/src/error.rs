//! Why the sandbox, or a wish to its control, fails.

use std::io;
use std::net::SocketAddr;

use crate::faults::FaultsError;
use crate::survey::SurveyError;
use crate::survey::edit::EditError;

/// Why a sandbox or a wish to it fails.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The address is taken or not ours.
    #[error("the sandbox can't listen on {addr}: {source}")]
    Listen {
        /// Where it was to listen.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The HTTP client for callbacks can't be built; in practice TLS without any trusted certificate.
    #[error("the sandbox can't post callbacks: install the system's CA certificates ({0})")]
    Client(#[from] reqwest::Error),
    /// The file that keeps the documents.
    #[error("the sandbox can't keep response documents: {0}")]
    Store(#[from] io::Error),
    /// No such survey.
    #[error("the sandbox has no survey `{0}`")]
    NoSurvey(String),
    /// No such response.
    #[error("the sandbox has no response `{0}`")]
    NoResponse(String),
    /// No such subscription.
    #[error("the sandbox has no subscription `{0}`")]
    NoSubscription(String),
    /// A document that is none.
    #[error("line {line} is no response document: {source}")]
    Document {
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A change of a survey that can't be made.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// A survey that can't be loaded.
    #[error(transparent)]
    Survey(#[from] SurveyError),
    /// Fault switches that can't be read.
    #[error(transparent)]
    Faults(#[from] FaultsError),
}
