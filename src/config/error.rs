//! What is wrong with the configuration: the setting, where it came from, the problem and the mend, in one line.

use std::fmt;

use super::setting::{Origin, Setting};

/// One thing that is wrong. Secrets are never repeated in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.line())]
pub struct ConfigError {
    /// The setting's name, as it was written.
    pub setting: String,
    /// Where it came from; nothing where it is missing.
    pub origin: Option<Origin>,
    /// What is wrong, reading on from the setting's name.
    pub problem: String,
    /// What to do about it.
    pub mend: String,
}

impl ConfigError {
    /// About a setting that was given.
    pub(super) fn of(setting: Setting, origin: &Origin, fault: Fault) -> Self {
        Self {
            setting: origin.spelling(setting).to_owned(),
            origin: Some(origin.clone()),
            problem: fault.problem,
            mend: fault.mend,
        }
    }

    /// About something that is not a scalar setting: a table, a binding, a file.
    pub(super) fn about(setting: impl Into<String>, origin: &Origin, fault: Fault) -> Self {
        Self {
            setting: setting.into(),
            origin: Some(origin.clone()),
            problem: fault.problem,
            mend: fault.mend,
        }
    }

    /// About a setting that nobody gave.
    pub(super) fn missing(setting: Setting, mend: impl Into<String>) -> Self {
        Self {
            setting: setting.name().to_owned(),
            origin: None,
            problem: "is not set".to_owned(),
            mend: mend.into(),
        }
    }

    fn line(&self) -> String {
        let Self {
            setting,
            problem,
            mend,
            ..
        } = self;
        match &self.origin {
            Some(origin) => format!("{setting} ({origin}) {problem}: {mend}"),
            None => format!("{setting} {problem}: {mend}"),
        }
    }
}

/// A problem and its mend, before it is known whose they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub problem: String,
    pub mend: String,
}

impl Fault {
    pub(super) fn new(problem: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            problem: problem.into(),
            mend: mend.into(),
        }
    }
}

/// Everything that is wrong, at least one thing. One line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub(super) Vec<ConfigError>);

impl ConfigErrors {
    /// One by one, in the order of the settings.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.0.iter()
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Something that works, but perhaps not as meant. One line; logged once at start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The setting that it is about.
    pub setting: String,
    /// What to know, the setting's name included.
    pub text: String,
}

impl Warning {
    pub(super) fn new(setting: &str, text: impl Into<String>) -> Self {
        Self {
            setting: setting.to_owned(),
            text: text.into(),
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What is found while settings are read: all of it is reported at once, not one mend per start.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub errors: Vec<ConfigError>,
    pub warnings: Vec<Warning>,
}

impl Findings {
    /// The value, or nothing and the error noted.
    pub(super) fn take<T>(&mut self, result: Result<T, ConfigError>) -> Option<T> {
        result.map_err(|error| self.errors.push(error)).ok()
    }

    pub(super) fn error(&mut self, error: ConfigError) {
        self.errors.push(error);
    }

    pub(super) fn warn(&mut self, setting: &str, text: impl Into<String>) {
        self.warnings.push(Warning::new(setting, text));
    }
}
