//! What commands have in common that do a job: the parts, an orderly end, and progress that is seen.

use std::time::Duration;

use indicatif::ProgressStyle;
use tokio::sync::watch;

use super::error::CliError;
use super::{Globals, output, parts};
use crate::config::Config;
use crate::jobs::backfill::Progress;
use crate::jobs::{JobError, Jobs};
use crate::lifecycle::Lifecycle;
use crate::service;

/// How often progress is shown: on a terminal, and elsewhere.
const DRAWN_EVERY: Duration = Duration::from_millis(200);
const TOLD_EVERY: Duration = Duration::from_secs(10);
/// How long what is under way may take after an interruption.
const END_DEADLINE: Duration = Duration::from_secs(8);

/// A job's parts, and the settings.
pub(super) struct Work {
    pub(super) config: Config,
    pub(super) jobs: Jobs,
}

impl Work {
    /// Loads the settings and opens what jobs work with. Ctrl-C ends them in good order.
    pub(super) fn open(globals: &Globals) -> Result<Self, CliError> {
        let work = Self::open_offline(globals)?;
        work.config.qualtrics_access()?;
        Ok(work)
    }

    /// The same for work that does without Qualtrics if need be.
    pub(super) fn open_offline(globals: &Globals) -> Result<Self, CliError> {
        let config = parts::config(globals)?;
        let life = Lifecycle::new();
        let jobs = service::jobs(&config, &life)?;
        life.stop_on_signals();
        Ok(Self { config, jobs })
    }

    /// Ends the parts.
    pub(super) async fn close(self) {
        let life = self.jobs.life.clone();
        life.stop();
        drop(self);
        life.drained(END_DEADLINE).await;
    }
}

/// Does work, and shows how far it is until it ends.
pub(super) async fn with_progress<T>(
    title: &str,
    progress: watch::Receiver<Progress>,
    work: impl Future<Output = Result<T, JobError>>,
) -> Result<T, JobError> {
    let template = "{prefix} [{bar:30}] {percent}%  {msg}  {eta} left";
    let style = ProgressStyle::with_template(template);
    let bar = output::progress(1000)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_prefix(title.to_owned());
    let before = progress.borrow().totals.documents;
    let begun = std::time::Instant::now();
    let shown = async {
        let mut told = begun;
        loop {
            tokio::time::sleep(DRAWN_EVERY).await;
            let Progress { totals, permille } = *progress.borrow();
            let rate = u128::from(totals.documents.saturating_sub(before)) * 1000
                / begun.elapsed().as_millis().max(1);
            let message = format!("{} responses, {rate} a second", totals.documents);
            if bar.is_hidden() {
                if told.elapsed() >= TOLD_EVERY {
                    told = std::time::Instant::now();
                    output::note(format!("{title} {}%  {message}", permille / 10));
                }
            } else {
                bar.set_position(permille);
                bar.set_message(message);
            }
        }
    };
    let result = tokio::select! {
        result = work => result,
        () = shown => Err(JobError::Stopping),
    };
    bar.finish_and_clear();
    result
}
