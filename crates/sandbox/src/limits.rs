//! Rate limits, counted per brand and minute.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// How many calls a minute the sandbox answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Limits {
    /// What Qualtrics documents.
    #[default]
    Real,
    /// No limits.
    Off,
    /// These.
    Custom(PerMinute),
}

/// Calls a minute for each kind of call. The default is what copies of Qualtrics' page on limits agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PerMinute {
    /// All calls together.
    pub all: u32,
    /// `GET …/responses/{id}`.
    pub response_reads: u32,
    /// `PUT …/responses/{id}` and the creation of responses.
    pub response_writes: u32,
    /// `DELETE …/responses/{id}`.
    pub response_deletes: u32,
    /// All of `/eventsubscriptions`.
    pub subscriptions: u32,
    /// `POST …/export-responses`.
    pub export_starts: u32,
    /// `GET …/export-responses/{progressId}`.
    pub export_progress: u32,
    /// `GET …/export-responses/{fileId}/file`.
    pub export_files: u32,
    /// `POST /op-erase-personal-data`.
    pub erasures: u32,
    /// Surveys, definitions, schemas, `whoami`.
    pub definitions: u32,
}

impl Default for PerMinute {
    fn default() -> Self {
        Self {
            all: 3_000,
            response_reads: 240,
            response_writes: 120,
            response_deletes: 60,
            subscriptions: 120,
            export_starts: 100,
            export_progress: 1_000,
            export_files: 100,
            erasures: 20,
            definitions: 3_000,
        }
    }
}

/// What is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Class {
    All,
    ResponseRead,
    ResponseWrite,
    ResponseDelete,
    Subscriptions,
    ExportStart,
    ExportProgress,
    ExportFile,
    Erasure,
    Definitions,
    /// The token endpoint has no known limit.
    Unlimited,
}

impl PerMinute {
    fn of(&self, class: Class) -> u32 {
        match class {
            Class::All => self.all,
            Class::ResponseRead => self.response_reads,
            Class::ResponseWrite => self.response_writes,
            Class::ResponseDelete => self.response_deletes,
            Class::Subscriptions => self.subscriptions,
            Class::ExportStart => self.export_starts,
            Class::ExportProgress => self.export_progress,
            Class::ExportFile => self.export_files,
            Class::Erasure => self.erasures,
            Class::Definitions => self.definitions,
            Class::Unlimited => u32::MAX,
        }
    }
}

/// The calls of the last minute.
#[derive(Debug)]
pub(crate) struct Window {
    limits: Limits,
    calls: HashMap<Class, VecDeque<Instant>>,
}

const MINUTE: Duration = Duration::from_secs(60);

impl Window {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            calls: HashMap::new(),
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    pub(crate) fn set(&mut self, limits: Limits) {
        *self = Self::new(limits);
    }

    /// Counts a call, or says how long to wait: no 60 seconds hold more than the limit.
    pub(crate) fn admit(&mut self, class: Class, now: Instant) -> Result<(), Duration> {
        let limits = match self.limits {
            Limits::Off => return Ok(()),
            Limits::Real => PerMinute::default(),
            Limits::Custom(limits) => limits,
        };
        let counted = if class == Class::Unlimited {
            vec![]
        } else {
            vec![class, Class::All]
        };
        for class in &counted {
            let calls = self.calls.entry(*class).or_default();
            while calls
                .front()
                .is_some_and(|oldest| now.duration_since(*oldest) >= MINUTE)
            {
                calls.pop_front();
            }
            let limit = usize::try_from(limits.of(*class)).unwrap_or(usize::MAX);
            if calls.len() >= limit {
                let oldest = calls.front().copied().unwrap_or(now);
                return Err(MINUTE.saturating_sub(now.duration_since(oldest)));
            }
        }
        for class in counted {
            self.calls.entry(class).or_default().push_back(now);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_minute_holds_more_than_the_limit() {
        let mut window = Window::new(Limits::Real);
        for _ in 0..240 {
            window.admit(Class::ResponseRead, Instant::now()).unwrap();
        }

        assert_eq!(
            window.admit(Class::ResponseRead, Instant::now()),
            Err(MINUTE)
        );
        window.admit(Class::Definitions, Instant::now()).unwrap();
        tokio::time::advance(Duration::from_secs(59)).await;
        assert_eq!(
            window.admit(Class::ResponseRead, Instant::now()),
            Err(Duration::from_secs(1))
        );
        tokio::time::advance(Duration::from_secs(1)).await;
        window.admit(Class::ResponseRead, Instant::now()).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn all_calls_share_one_limit() {
        let mut window = Window::new(Limits::Custom(PerMinute {
            all: 2,
            ..PerMinute::default()
        }));

        window.admit(Class::ResponseRead, Instant::now()).unwrap();
        window.admit(Class::Definitions, Instant::now()).unwrap();
        assert!(window.admit(Class::ExportFile, Instant::now()).is_err());
        window.set(Limits::Off);
        assert!(window.admit(Class::ExportFile, Instant::now()).is_ok());
    }
}
