//! Where settings come from, read once: the only place of the service that looks at the environment or opens the
//! file. What follows works on texts and touches nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::error::{ConfigError, Fault};
use super::setting::{Origin, Setting};

/// The texts that [`Config::load`](super::Config::load) reads.
#[derive(Clone, Default)]
pub struct Sources {
    /// Settings given as options of the command line. Secrets are refused there.
    pub arguments: BTreeMap<Setting, String>,
    /// The environment.
    pub environment: BTreeMap<String, String>,
    /// The configuration file: its path and its text.
    pub file: Option<(PathBuf, String)>,
    /// The bound services, as JSON.
    pub services: Option<String>,
}

/// The file that is read if it is there and no other is named.
const DEFAULT_FILE: &str = "ingester.toml";

/// More than any real file has, and little enough to read whole.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

impl Sources {
    /// Reads the process's environment and the files that it names; `config` is the option `--config`.
    ///
    /// # Errors
    /// If a file that was named can't be read.
    pub fn from_process(config: Option<&Path>) -> Result<Self, ConfigError> {
        // Variables that are not UTF-8 are none of ours.
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self::from_environment(environment, config)
    }

    /// The same for an environment of one's own.
    ///
    /// # Errors
    /// If a file that was named can't be read.
    pub fn from_environment(
        environment: BTreeMap<String, String>,
        config: Option<&Path>,
    ) -> Result<Self, ConfigError> {
        let variable = |name: &str| environment.get(name).filter(|text| !text.trim().is_empty());
        let file = match (config, variable("INGESTER_CONFIG")) {
            (Some(path), _) => Some(named_file("--config", &Origin::CommandLine, path)?),
            (None, Some(path)) => Some(named_file(
                "INGESTER_CONFIG",
                &Origin::Environment,
                Path::new(path),
            )?),
            (None, None) if Path::new(DEFAULT_FILE).exists() => {
                let path = Path::new(DEFAULT_FILE);
                Some(named_file("ingester.toml", &Origin::Default, path)?)
            }
            (None, None) => None,
        };
        // Source: Cloud Foundry developer guide, "file-based-vcap-services": the variable is then absent.
        let services = match (
            variable("VCAP_SERVICES"),
            variable("VCAP_SERVICES_FILE_PATH"),
        ) {
            (Some(text), _) => Some(text.clone()),
            (None, Some(path)) => {
                let path = Path::new(path);
                Some(named_file("VCAP_SERVICES_FILE_PATH", &Origin::Environment, path)?.1)
            }
            (None, None) => None,
        };
        Ok(Self {
            arguments: BTreeMap::new(),
            environment,
            file,
            services,
        })
    }
}

impl Sources {
    /// Who runs this process. An empty image names nobody.
    pub(super) fn operator(&self) -> String {
        let named = |name: &str| self.environment.get(name).filter(|text| !text.is_empty());
        let user = named("USER").or_else(|| named("LOGNAME"));
        user.map_or_else(|| "an unnamed user".to_owned(), ToOwned::to_owned)
    }
}

impl fmt::Debug for Sources {
    /// Leaves out all values: some are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources")
            .field("arguments", &self.arguments.keys())
            .field("file", &self.file.as_ref().map(|(path, _)| path))
            .finish_non_exhaustive()
    }
}

fn named_file(
    setting: &str,
    origin: &Origin,
    path: &Path,
) -> Result<(PathBuf, String), ConfigError> {
    let text = read_file(path, FILE_BYTES_MAX).map_err(|error| {
        let problem = format!("names {}, which can't be read, {error}", path.display());
        ConfigError::about(
            setting,
            origin,
            Fault::new(problem, "name a readable file, or unset it"),
        )
    })?;
    Ok((path.to_owned(), text))
}

/// A file's text, if it is UTF-8 and not larger than it may be.
pub(super) fn read_file(path: &Path, bytes_max: u64) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?
        .take(bytes_max + 1)
        .read_to_string(&mut text)?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > bytes_max {
        return Err(io::Error::other(format!(
            "it is larger than {} KiB",
            bytes_max / 1024
        )));
    }
    Ok(text)
}
