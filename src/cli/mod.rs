//! One file per command: arguments, one call, print.

mod access;
mod backfill;
mod cards;
mod check;
mod demo;
mod erase;
pub mod error;
mod inbox;
mod init;
mod link;
mod man;
pub mod output;
mod parts;
mod reconcile;
mod replay;
mod sandbox;
mod schema;
mod serve;
mod span;
mod subscription;
mod survey;
mod top;
mod work;

use std::path::PathBuf;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::config::{Config, Setting, Sources};
use crate::telemetry::log;
use crate::telemetry::otlp::Spans;
use error::CliError;
use output::Format;

/// Turns each completed Qualtrics survey response into a row in SAP HANA within milliseconds.
///
/// Settings come from options, the environment, ingester.toml and bound services, in this order.
/// `qualtrics-ingester demo` shows everything on this machine, with nothing else needed.
#[derive(Debug, Parser)]
#[command(
    name = "qualtrics-ingester",
    version,
    propagate_version = true,
    max_term_width = 100
)]
pub struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, clap::Args)]
pub(crate) struct Globals {
    // Not a doc comment: that would want marks around the name, which help shows as they are.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help = "The configuration file; otherwise INGESTER_CONFIG, or ingester.toml if there is one"
    )]
    config: Option<PathBuf>,
    /// How lists are printed.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    output: Format,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Shows everything on this machine: a local Qualtrics, the service, and responses coming in.
    Demo(demo::Demo),
    /// Runs the service.
    Serve(serve::Serve),
    /// Loads all responses of a survey, or those of a span of time; goes on where it was interrupted.
    Backfill(backfill::Backfill),
    /// Compares Qualtrics with the store cell by cell, and writes only what differs.
    Reconcile(reconcile::Reconcile),
    /// Removes every trace of responses here.
    Erase(erase::Erase),
    /// Runs only the local stand-in for Qualtrics.
    Sandbox(sandbox::Sandbox),
    /// Signs recorded callbacks and posts them to a running service.
    Replay(replay::Replay),
    /// Writes ingester.toml from what Qualtrics says of the surveys.
    Init(init::Init),
    /// Checks the configuration against the real systems, and says what mends what is wrong.
    Check(check::Check),
    /// Shows the surveys that the credentials see.
    Survey(survey::Survey),
    /// Shows, compares and applies the tables that surveys map to.
    Schema(schema::Schema),
    /// Shows the durable inbox, and revives or gives up events.
    Inbox(inbox::Inbox),
    /// Builds a survey's link with embedded data in it.
    Link(link::Link),
    /// Manages the event subscriptions by which Qualtrics calls this service.
    Subscription(subscription::Subscription),
    /// Lists, prints and packs the cards for SAP Build Work Zone.
    Cards(cards::Cards),
    /// Shows how a running service does, as it goes.
    Top(top::Top),
    /// Shows why somebody sees what they see.
    Access(access::Access),
    /// Prints shell completions.
    #[command(
        after_help = "Example:\n  qualtrics-ingester completions bash > /etc/bash_completion.d/qualtrics-ingester"
    )]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Prints the manual page.
    #[command(after_help = "Example:\n  qualtrics-ingester man | man -l -")]
    Man,
}

impl Cli {
    /// Reads the command line and does what it says. The exit code is decided here and nowhere else.
    #[must_use]
    pub fn main() -> u8 {
        let cli = match Self::try_parse() {
            Ok(cli) => cli,
            Err(error) => {
                // Help and version are no errors; clap knows which stream and which code.
                drop(error.print());
                return u8::try_from(error.exit_code()).unwrap_or(2);
            }
        };
        match cli.run() {
            Ok(()) => 0,
            Err(error) => {
                for line in error.to_string().lines() {
                    output::note(format!("error: {line}"));
                }
                error.exit_code()
            }
        }
    }

    fn run(self) -> Result<(), CliError> {
        let Self { globals, command } = self;
        match command {
            Command::Completions { shell } => {
                let mut text = Vec::new();
                clap_complete::generate(
                    shell,
                    &mut Self::command(),
                    "qualtrics-ingester",
                    &mut text,
                );
                output::raw(&text);
                Ok(())
            }
            Command::Man => {
                output::raw(&man::page(Self::command())?);
                Ok(())
            }
            command => runtime()?.block_on(async {
                match command {
                    Command::Demo(demo) => demo.run(&globals).await,
                    Command::Erase(erase) => erase.run(&globals).await,
                    Command::Backfill(backfill) => backfill.run(&globals).await,
                    Command::Reconcile(reconcile) => reconcile.run(&globals).await,
                    Command::Serve(serve) => serve.run(&globals).await,
                    Command::Sandbox(sandbox) => sandbox.run().await,
                    Command::Replay(replay) => replay.run(&globals).await,
                    Command::Init(init) => init.run(&globals).await,
                    Command::Top(top) => top.run(&globals).await,
                    Command::Check(check) => check.run(&globals).await,
                    Command::Survey(survey) => survey.run(&globals).await,
                    Command::Schema(schema) => schema.run(&globals).await,
                    Command::Inbox(inbox) => inbox.run(&globals).await,
                    Command::Cards(cards) => cards.run(&globals).await,
                    Command::Link(link) => link.run(&globals).await,
                    Command::Subscription(subscription) => subscription.run(&globals).await,
                    Command::Access(access) => access.run(&globals).await,
                    Command::Completions { .. } | Command::Man => Ok(()),
                }
            }),
        }
    }
}

/// Two threads at least, so that one long answer delays no event even on a fraction of a core.
fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    let threads = std::thread::available_parallelism()
        .map_or(2, usize::from)
        .clamp(2, 8);
    Ok(tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()?)
}

impl Globals {
    /// The settings of this process, with `arguments` on top; logging is set up by them.
    pub(crate) fn load(
        &self,
        arguments: impl IntoIterator<Item = (Setting, String)>,
    ) -> Result<Config, CliError> {
        let config = self.settings(arguments)?;
        start_logging(&config, None);
        Ok(config)
    }

    /// The same without logging.
    fn settings(
        &self,
        arguments: impl IntoIterator<Item = (Setting, String)>,
    ) -> Result<Config, CliError> {
        let mut sources = Sources::from_process(self.config.as_deref())?;
        sources.arguments.extend(arguments);
        Ok(Config::load(&sources)?)
    }
}

/// Sets up logging, and logs what the settings make one wonder about.
fn start_logging(config: &Config, spans: Option<Spans>) {
    let filter = config.log_filter.as_deref();
    if let Some(problem) = log::init(config.log_format, filter, spans) {
        tracing::warn!("{problem}");
    }
    for warning in &config.warnings {
        tracing::warn!(setting = warning.setting, "{warning}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
