//! Whose fault it is decides the exit code: 1 the work failed, 2 wrong usage or configuration.

use crate::config::{ConfigError, ConfigErrors};
use crate::jobs::JobError;
use crate::qualtrics::QualtricsError;
use crate::service::ServiceError;
use crate::store::StoreError;
use crate::surveys::SurveyError;

/// Why a command ends without having done its work. One line each, which names the mend.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Wrong usage, or wrong configuration.
    #[error("{0}")]
    Usage(String),
    /// The configuration can't be used; one line per setting.
    #[error("{0}")]
    Config(#[from] ConfigErrors),
    /// The work failed.
    #[error("{0}")]
    Failed(String),
}

impl CliError {
    /// 1 or 2.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Usage(_) | Self::Config(_) => 2,
        }
    }

    /// Wrong usage.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }

    /// The work failed.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<QualtricsError> for CliError {
    fn from(error: QualtricsError) -> Self {
        match error {
            QualtricsError::NotConfigured { .. } => Self::Usage(error.to_string()),
            error => Self::Failed(error.to_string()),
        }
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<JobError> for CliError {
    fn from(error: JobError) -> Self {
        match error {
            JobError::Qualtrics(error) => error.into(),
            JobError::Survey(error) => error.into(),
            error => Self::Failed(error.to_string()),
        }
    }
}

impl From<SurveyError> for CliError {
    fn from(error: SurveyError) -> Self {
        match error {
            SurveyError::NotConfigured => Self::Usage(error.to_string()),
            error => Self::Failed(error.to_string()),
        }
    }
}

impl From<ServiceError> for CliError {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::PseudonymKey(_)
            | ServiceError::Access(_)
            | ServiceError::TimeZone(_)
            | ServiceError::JobScheduler(_)
            | ServiceError::Listen { .. } => Self::Usage(error.to_string()),
            ServiceError::Identity(error) => Self::Failed(error.to_string()),
            ServiceError::Store(error) => error.into(),
            ServiceError::Qualtrics(error) => error.into(),
        }
    }
}

impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}
