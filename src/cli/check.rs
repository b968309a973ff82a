//! `check`: the configuration against the real systems. Every dependency is tried, and each finding says what is wrong
//! and how to mend it.

use ingester_core::id::SurveyId;
use ingester_core::row::Cell;
use serde::Serialize;

use super::error::CliError;
use super::output::Format;
use super::{Globals, output, parts};
use crate::config::{Auth, Config};
use crate::lifecycle::Lifecycle;
use crate::qualtrics::Qualtrics;
use crate::store::Store;

mod database;
mod qualtrics;
mod rehearsal;
mod surveys;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  qualtrics-ingester check\n  qualtrics-ingester check --fix")]
pub(super) struct Check {
    /// Proves also that the database keeps every kind of value, in a transaction that is rolled back.
    #[arg(long)]
    database: bool,
    /// Mends what can safely be mended, and prints the rest as statements.
    #[arg(long)]
    fix: bool,
}

impl Check {
    pub(super) async fn run(self, globals: &Globals) -> Result<(), CliError> {
        let config = parts::config(globals)?;
        let mut report = Report {
            fix: self.fix,
            findings: Vec::new(),
        };
        report.check(&config, self.database).await;
        report.print(globals);
        report.judge()
    }
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Verdict {
    /// As it should be.
    Ok,
    /// Was not, and is now.
    Mended,
    /// Works, but perhaps not as meant.
    Warning,
    /// Does not work.
    Problem,
    /// Could not be tried, because something before it does not work.
    Skipped,
}

/// One check.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    check: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    survey: Option<String>,
    verdict: Verdict,
    /// Stable, where something is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    message: String,
    /// What an administrator of the database runs to mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    statement: Option<String>,
}

impl Finding {
    fn new(check: &'static str, verdict: Verdict, message: impl Into<String>) -> Self {
        Self {
            check,
            survey: None,
            verdict,
            code: None,
            message: message.into(),
            statement: None,
        }
    }

    fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self::new(check, Verdict::Ok, message)
    }

    fn warning(check: &'static str, message: impl Into<String>) -> Self {
        Self::new(check, Verdict::Warning, message)
    }

    fn problem(check: &'static str, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: Some(code.into()),
            ..Self::new(check, Verdict::Problem, message)
        }
    }

    fn skipped(check: &'static str, message: impl Into<String>) -> Self {
        Self::new(check, Verdict::Skipped, message)
    }

    fn of(self, survey: &SurveyId) -> Self {
        Self {
            survey: Some(survey.to_string()),
            ..self
        }
    }
}

/// All findings so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) fix: bool,
    pub(super) findings: Vec<Finding>,
}

/// A day as a cell.
fn date(text: &str) -> Cell {
    text.parse().map_or(Cell::Null, Cell::Date)
}

/// What the checks work with; what is missing could not be had, and its own check says why.
struct Systems<'a> {
    config: &'a Config,
    qualtrics: Option<Qualtrics>,
    store: Option<Store>,
}

impl Report {
    /// Makes every check, in the order in which one thing needs the other.
    pub(super) async fn check(&mut self, config: &Config, rehearse: bool) {
        self.configuration(config);
        let life = Lifecycle::new();
        let qualtrics = match parts::qualtrics(config, &life) {
            Ok(qualtrics) => qualtrics::reach(self, config, qualtrics).await,
            Err(error) => {
                self.add(Finding::problem(
                    "qualtrics",
                    "not-configured",
                    error.to_string(),
                ));
                None
            }
        };
        let store = database::open(self, config).await;
        let systems = Systems {
            config,
            qualtrics,
            store,
        };
        surveys::check(self, &systems).await;
        qualtrics::subscriptions(self, &systems).await;
        if let Some(store) = &systems.store {
            database::keys(self, config, store).await;
            if rehearse {
                rehearsal::check(self, store).await;
            }
        }
        life.stop();
    }

    fn configuration(&mut self, config: &Config) {
        let mut warnings = config.warnings.clone();
        match config.check_serve() {
            Ok(more) => {
                warnings.extend(more);
                let surveys = config.surveys.len();
                self.add(Finding::ok(
                    "configuration",
                    format!("{surveys} surveys, {} access rules", config.access.len()),
                ));
            }
            Err(errors) => {
                for error in errors.iter() {
                    self.add(Finding::problem(
                        "configuration",
                        "configuration",
                        error.to_string(),
                    ));
                }
            }
        }
        for warning in warnings {
            self.add(Finding::warning("configuration", warning.to_string()));
        }
        if matches!(config.auth, Auth::Closed) && !config.access.is_empty() {
            let message = "AUTH is closed, so nobody reads anything and the [[access]] rules do nothing: bind xsuaa or identity";
            self.add(Finding::warning("access", message));
        }
        if let Some(problem) = super::subscription::address_problem(config) {
            self.add(Finding::problem("public-url", "public-url", problem));
        }
    }

    fn add(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    pub(super) fn print(&self, globals: &Globals) {
        if globals.output == Format::Json {
            output::json(&self.findings);
            return;
        }
        for finding in &self.findings {
            let mark = match finding.verdict {
                Verdict::Ok => "ok",
                Verdict::Mended => "mended",
                Verdict::Warning => "warning",
                Verdict::Problem => "PROBLEM",
                Verdict::Skipped => "skipped",
            };
            let about = match &finding.survey {
                Some(survey) => format!("{} {survey}", finding.check),
                None => finding.check.to_owned(),
            };
            let message = output::printable(&finding.message);
            output::line(format!("{mark:<8} {about:<32} {message}"));
        }
        let statements: Vec<&String> = self
            .findings
            .iter()
            .filter_map(|finding| finding.statement.as_ref())
            .collect();
        if self.fix && !statements.is_empty() {
            output::line("\n-- for an administrator of the database to run:");
            for statement in statements {
                output::line(format!("{statement};"));
            }
        }
    }

    pub(super) fn judge(&self) -> Result<(), CliError> {
        let problems = self
            .findings
            .iter()
            .filter(|finding| finding.verdict == Verdict::Problem)
            .count();
        match problems {
            0 => Ok(()),
            problems => Err(CliError::failed(format!(
                "{problems} of {} checks found a problem: see above for what mends each",
                self.findings.len()
            ))),
        }
    }
}
