//! `backfill`: loads what was answered before.

use ingester_core::id::SurveyId;
use ingester_core::time::Timestamp;
use tokio::sync::watch;

use super::error::CliError;
use super::output::Format;
use super::work::{Work, with_progress};
use super::{Globals, output, parts, span};
use crate::jobs::Patience;
use crate::jobs::backfill::{Progress, Span, Summary};
use crate::telemetry::audit::Act;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  qualtrics-ingester backfill --survey SV_22VlHYNeldrrrk1\n  qualtrics-ingester backfill --survey SV_22VlHYNeldrrrk1 --since 7d"
)]
pub(super) struct Backfill {
    /// The survey; it must be configured.
    #[arg(long, value_name = "SV_…")]
    survey: SurveyId,
    /// From this instant on: RFC 3339, a date (UTC), or 7d. Otherwise from the first response.
    #[arg(long, value_name = "T", value_parser = span::instant)]
    since: Option<Timestamp>,
    /// Up to before this instant. Otherwise to the last response.
    #[arg(long, value_name = "T", value_parser = span::instant)]
    until: Option<Timestamp>,
}

impl Backfill {
    pub(super) async fn run(self, globals: &Globals) -> Result<(), CliError> {
        if let (Some(since), Some(until)) = (self.since, self.until)
            && since >= until
        {
            return Err(CliError::usage(format!(
                "--since {since} is not before --until {until}"
            )));
        }
        let work = Work::open(globals)?;
        let (progress, watched) = watch::channel(Progress::default());
        let span = Span {
            since: self.since,
            until: self.until,
        };
        let jobs = &work.jobs;
        parts::audit(&work.config, Act::Backfill, self.survey.as_ref());
        let job = jobs.backfill(&self.survey, span, Patience::Short, &progress);
        let summary = with_progress(self.survey.as_ref(), watched, job).await;
        work.close().await;
        print(globals.output, &summary?);
        Ok(())
    }
}

fn print(format: Format, summary: &Summary) {
    let columns = [
        "survey",
        "responses",
        "written",
        "unchanged",
        "newer here",
        "skipped",
        "erased",
        "refused",
        "seconds",
    ];
    output::list(format, &columns, std::slice::from_ref(summary), |summary| {
        let totals = &summary.totals;
        let mut cells = vec![summary.survey.clone()];
        let numbers = [
            totals.documents,
            totals.written,
            totals.unchanged,
            totals.superseded,
            totals.skipped,
            totals.erased,
            totals.refused + totals.dropped,
            summary.seconds,
        ];
        cells.extend(numbers.map(|number| number.to_string()));
        cells
    });
    let refused = summary.totals.refused;
    if refused > 0 {
        output::note(format!(
            "{refused} responses can't become rows: `inbox list` says why"
        ));
    }
}
