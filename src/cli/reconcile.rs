//! `reconcile`: compares Qualtrics with the store.

use ingester_core::id::SurveyId;
use ingester_core::time::Timestamp;

use super::error::CliError;
use super::work::Work;
use super::{Globals, output, parts, span};
use crate::jobs::reconcile::{Options, Report, Scope};
use crate::jobs::{JobError, Patience};
use crate::telemetry::audit::Act;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  qualtrics-ingester reconcile\n  qualtrics-ingester reconcile --survey SV_22VlHYNeldrrrk1 --since 7d --delete --yes"
)]
pub(super) struct Reconcile {
    /// Only this survey; otherwise all that are configured.
    #[arg(long = "survey", value_name = "SV_…")]
    surveys: Vec<SurveyId>,
    /// Compares what was changed since: RFC 3339, a date (UTC), or 7d. Otherwise everything.
    #[arg(long, value_name = "T", value_parser = span::instant)]
    since: Option<Timestamp>,
    /// Removes rows whose responses are not at Qualtrics any more.
    #[arg(long)]
    delete: bool,
    /// How many rows of a survey may be removed; otherwise 20, or 2 % of them.
    #[arg(long, value_name = "N", requires = "delete")]
    delete_limit: Option<u64>,
    /// Removes without asking.
    #[arg(long, requires = "delete")]
    yes: bool,
}

impl Reconcile {
    pub(super) async fn run(self, globals: &Globals) -> Result<(), CliError> {
        let work = Work::open(globals)?;
        let surveys: Vec<SurveyId> = parts::selected(&work.config, &self.surveys)?
            .into_iter()
            .map(|survey| survey.id.clone())
            .collect();
        if self.delete {
            parts::consent(
                self.yes,
                "Remove the rows whose responses are not at Qualtrics any more",
            )?;
        }
        let options = Options {
            scope: self.since.map_or(Scope::All, Scope::Since),
            delete: self.delete,
            delete_limit: self.delete_limit,
        };
        let names: Vec<&str> = surveys.iter().map(AsRef::as_ref).collect();
        let deleting = if self.delete {
            ", removing what is gone"
        } else {
            ""
        };
        let on = format!("{}{deleting}", names.join(" "));
        parts::audit(&work.config, Act::Reconcile, &on);
        let results = work
            .jobs
            .reconcile(&surveys, options, Patience::Short)
            .await;
        work.close().await;
        finish(globals, results?)
    }
}

/// Prints what was found, then fails if something was left undone.
fn finish(
    globals: &Globals,
    results: Vec<(SurveyId, Result<Report, JobError>)>,
) -> Result<(), CliError> {
    let (mut reports, mut problems) = (Vec::new(), Vec::new());
    for (survey, result) in results {
        match result {
            Ok(report) => {
                problems.extend(report.kept_rows.clone());
                reports.push(report);
            }
            Err(error) => problems.push(format!("{survey}: {error}")),
        }
    }
    print(globals, &reports);
    if problems.is_empty() {
        Ok(())
    } else {
        Err(CliError::failed(problems.join("\n")))
    }
}

fn print(globals: &Globals, reports: &[Report]) {
    let columns = [
        "survey",
        "compared",
        "missing",
        "stale",
        "damaged",
        "deleted",
        "written",
        "removed",
        "complete up to",
    ];
    output::list(globals.output, &columns, reports, |report| {
        let mut cells = vec![report.survey.clone()];
        let numbers = [
            report.compared,
            report.missing,
            report.stale,
            report.damaged,
            report.deleted,
            report.written,
            report.removed,
        ];
        cells.extend(numbers.map(|number| number.to_string()));
        cells.push(
            report
                .complete_up_to
                .map_or_else(|| "-".to_owned(), |instant| format!("{instant:.0}")),
        );
        cells
    });
    for report in reports {
        if let Some(balance) = &report.balance {
            output::note(format!(
                "{}: {} in Qualtrics = {} rows + {} pending + {} dead + {} skipped + {} erased + {} missing",
                report.survey,
                balance.in_qualtrics,
                balance.rows,
                balance.pending,
                balance.dead,
                balance.skipped,
                balance.erased,
                balance.missing
            ));
        }
        if report.deleted > report.removed {
            output::note(format!(
                "{}: {} rows are not at Qualtrics any more: `reconcile --delete` removes them",
                report.survey,
                report.deleted - report.removed
            ));
        }
    }
}
