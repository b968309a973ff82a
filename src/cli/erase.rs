//! `erase`: removes every trace of responses here.

use ingester_core::id::{ResponseId, SurveyId};

use super::error::CliError;
use super::work::Work;
use super::{Globals, output, parts};
use crate::jobs::erase::{Receipt, Selection, Which};
use crate::telemetry::audit::Act;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  qualtrics-ingester erase R_3Hn5Vw2bTq8zXyA --dry-run\n  qualtrics-ingester erase --where RecipientEmail=jane@example.com --yes"
)]
pub(super) struct Erase {
    /// The responses.
    #[arg(value_name = "RESPONSE", required_unless_present = "condition")]
    responses: Vec<ResponseId>,
    /// Those with a value in a field (an export tag or embedded data), in any survey.
    #[arg(long = "where", value_name = "FIELD=VALUE", conflicts_with = "responses", value_parser = condition)]
    condition: Option<(String, String)>,
    /// Only in this survey.
    #[arg(long, value_name = "SV_…")]
    survey: Option<SurveyId>,
    /// Only says what would be removed.
    #[arg(long)]
    dry_run: bool,
    /// Lifts an erasure, so that the responses may come again.
    #[arg(long, conflicts_with_all = ["condition", "dry_run"])]
    forget: bool,
    /// Erases without asking.
    #[arg(long)]
    yes: bool,
}

fn condition(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((field, value)) if !field.trim().is_empty() && !value.trim().is_empty() => {
            Ok((field.trim().to_owned(), value.to_owned()))
        }
        _ => Err("write FIELD=VALUE, such as RecipientEmail=jane@example.com".to_owned()),
    }
}

impl Erase {
    pub(super) async fn run(self, globals: &Globals) -> Result<(), CliError> {
        let work = Work::open_offline(globals)?;
        let done = self.work(globals, &work).await;
        work.close().await;
        done
    }

    async fn work(self, globals: &Globals, work: &Work) -> Result<(), CliError> {
        let jobs = &work.jobs;
        let which = match self.condition {
            Some((field, value)) => Which::Where { field, value },
            None => Which::Ids(self.responses),
        };
        let selected = jobs.select(&which, self.survey.as_ref()).await?;
        if self.forget {
            let mut lifted = 0;
            for selection in &selected {
                let count = jobs.forget_erasure(selection).await?;
                audit(work, Act::EraseForget, selection, count);
                lifted += count;
            }
            output::note(format!("{lifted} erasures lifted"));
            return Ok(());
        }
        let mut receipts = Vec::new();
        if self.dry_run {
            for selection in &selected {
                receipts.push(jobs.rehearse_erasure(selection).await?);
            }
        } else {
            if !selected.iter().all(Selection::is_nothing) {
                parts::consent(self.yes, &question(&selected))?;
            }
            for selection in &selected {
                let receipt = jobs.erase(selection).await?;
                audit(work, Act::Erase, selection, receipt.responses);
                receipts.push(receipt);
            }
        }
        print(globals, &receipts);
        Ok(())
    }
}

/// Says how many, never which or by what value they were found.
fn audit(work: &Work, act: Act, selection: &Selection, responses: u64) {
    let on = format!("{responses} responses of {}", selection.survey);
    parts::audit(&work.config, act, &on);
}

fn question(selected: &[Selection]) -> String {
    let responses: usize = selected
        .iter()
        .map(|selection| selection.responses.len())
        .sum();
    let rows: u64 = selected.iter().map(|selection| selection.traces.rows).sum();
    format!("Erase every trace of {responses} responses here, {rows} rows among them, for ever")
}

fn print(globals: &Globals, receipts: &[Receipt]) {
    let columns = [
        "survey",
        "responses",
        "rows",
        "documents",
        "events",
        "changes",
        "still at Qualtrics",
    ];
    output::list(globals.output, &columns, receipts, |receipt| {
        let mut cells = vec![receipt.survey.clone()];
        let numbers = [
            receipt.responses,
            receipt.rows,
            receipt.documents,
            receipt.events,
            receipt.changes,
        ];
        cells.extend(numbers.map(|number| number.to_string()));
        cells.push(
            receipt
                .still_at_qualtrics
                .map_or_else(|| "unknown".to_owned(), |count| count.to_string()),
        );
        cells
    });
    let rows = |receipt: &Receipt| receipt.rows + receipt.documents + receipt.events;
    if receipts.iter().map(rows).sum::<u64>() == 0 {
        output::note("nothing found here");
    }
    for receipt in receipts {
        if receipt.still_at_qualtrics != Some(0) {
            output::note(format!(
                "{}: delete the responses at Qualtrics too; this removed them only here",
                receipt.survey
            ));
        }
        if receipt.erased && !receipt.log_cleared {
            output::note(format!(
                "{}: the database's log still holds them, because somebody reads it: run the same command again",
                receipt.survey
            ));
        }
    }
}
