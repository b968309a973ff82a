//! One layer per source, and the look-up through all of them from the strongest to the weakest.

use std::collections::BTreeMap;
use std::fmt;

use super::error::{ConfigError, Fault, Findings};
use super::setting::{Origin, Setting};

/// What one source says. Everything is optional; an empty text counts as not given, because that is how people unset
/// a variable in a manifest and how forms export an empty field.
pub(super) struct Layer {
    pub origin: Origin,
    values: BTreeMap<Setting, String>,
}

impl Layer {
    pub(super) fn new(origin: Origin, values: impl IntoIterator<Item = (Setting, String)>) -> Self {
        let values = values
            .into_iter()
            .filter(|(_, text)| !text.trim().is_empty())
            .collect();
        Self { origin, values }
    }

    pub(super) fn get(&self, setting: Setting) -> Option<Given<'_>> {
        let text = self.values.get(&setting)?;
        // White space inside a secret may belong to it.
        let text = if setting.is_secret() {
            text
        } else {
            text.trim()
        };
        Some(Given {
            setting,
            text,
            origin: &self.origin,
        })
    }
}

impl fmt::Debug for Layer {
    /// Names the settings and leaves out the values: some are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layer")
            .field("origin", &self.origin)
            .field("settings", &self.values.keys())
            .finish_non_exhaustive()
    }
}

/// All layers, strongest first.
#[derive(Debug)]
pub(super) struct Layers(pub Vec<Layer>);

impl Layers {
    /// The strongest value of a setting.
    pub(super) fn get(&self, setting: Setting) -> Option<Given<'_>> {
        self.0.iter().find_map(|layer| layer.get(setting))
    }

    /// The strongest value of two settings that say the same thing in two ways: the stronger layer decides, within
    /// one layer the first setting.
    pub(super) fn first_of(&self, one: Setting, other: Setting) -> Option<Given<'_>> {
        self.0
            .iter()
            .find_map(|layer| layer.get(one).or_else(|| layer.get(other)))
    }

    /// The setting read by `parse`, or nothing where it isn't given or can't be read.
    pub(super) fn read<T>(
        &self,
        setting: Setting,
        findings: &mut Findings,
        parse: impl FnOnce(&str) -> Result<T, Fault>,
    ) -> Option<T> {
        findings.take(self.get(setting)?.read(parse))
    }

    /// How strong the setting's value is: smaller is stronger.
    pub(super) fn rank(&self, setting: Setting) -> Option<usize> {
        self.0.iter().position(|layer| layer.get(setting).is_some())
    }
}

/// A setting's text and where it came from. No `Debug`: the text may be a secret.
#[derive(Clone, Copy)]
pub(super) struct Given<'a> {
    pub setting: Setting,
    pub text: &'a str,
    pub origin: &'a Origin,
}

impl Given<'_> {
    pub(super) fn read<T>(
        &self,
        parse: impl FnOnce(&str) -> Result<T, Fault>,
    ) -> Result<T, ConfigError> {
        parse(self.text).map_err(|fault| self.error(fault))
    }

    /// The error, with the value where it may be shown.
    pub(super) fn error(&self, fault: Fault) -> ConfigError {
        let Fault { problem, mend } = fault;
        let problem = if self.setting.is_shown() {
            format!("is {}, {problem}", shown(self.text))
        } else {
            format!("is {problem}")
        };
        ConfigError::of(self.setting, self.origin, Fault { problem, mend })
    }
}

/// How much of a value an error repeats.
const SHOWN_CHARS_MAX: usize = 60;

/// A value as errors repeat it: quoted, control characters escaped, shortened.
pub(super) fn shown(text: &str) -> String {
    if text.chars().count() <= SHOWN_CHARS_MAX {
        return format!("{text:?}");
    }
    let beginning: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    format!("{:?}", beginning + "…")
}
