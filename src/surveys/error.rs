//! Why a survey's responses can't become rows.

use std::sync::Arc;

use ingester_core::id::SurveyId;
use ingester_core::survey::DefinitionError;

use crate::qualtrics::QualtricsError;
use crate::store::StoreError;

/// Why a survey's responses can't become rows now.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SurveyError {
    /// Not in the configuration.
    #[error("the survey is not configured: add a [[survey]] with its id to ingester.toml")]
    NotConfigured,
    /// Qualtrics does not show the definition.
    #[error("the survey's definition can't be had: {0}")]
    Unavailable(Arc<QualtricsError>),
    /// What Qualtrics shows is no definition, or a setting names what it does not have.
    #[error("{0}")]
    Definition(Arc<DefinitionError>),
    /// The database can't be asked, or refuses the table.
    #[error("{0}")]
    Store(StoreError),
    /// The table is there, but rows can't be written to it under their key.
    #[error(
        "table {table} has no primary key RESPONSEID: add it, or name another table for survey {survey}"
    )]
    NoKey {
        /// The survey.
        survey: SurveyId,
        /// Its table.
        table: String,
    },
    /// The schema belongs to another brand's deployment.
    #[error(
        "the database holds surveys of brand {kept}, not of {found}: give this deployment a schema of its own"
    )]
    OtherBrand {
        /// As it is kept.
        kept: String,
        /// As Qualtrics says.
        found: String,
    },
}

impl SurveyError {
    /// Stable code for dead letters, logs and `--output json`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotConfigured => "survey-not-configured",
            Self::Unavailable(_) => "definition-unavailable",
            Self::Definition(_) => "definition-unreadable",
            Self::Store(error) => error.code(),
            Self::NoKey { .. } => "table-without-key",
            Self::OtherBrand { .. } => "other-brand",
        }
    }
}

impl From<StoreError> for SurveyError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<QualtricsError> for SurveyError {
    fn from(error: QualtricsError) -> Self {
        Self::Unavailable(Arc::new(error))
    }
}

impl From<DefinitionError> for SurveyError {
    fn from(error: DefinitionError) -> Self {
        Self::Definition(Arc::new(error))
    }
}
