//! `sandbox`: only the local stand-in for Qualtrics.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use qualtrics_sandbox::{Faults, Options, Survey};

use super::error::CliError;
use super::output;
use crate::lifecycle::signal;
use crate::telemetry::log::{self, LogFormat};

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  qualtrics-ingester sandbox --fault not-yet=0.2,429=0.05")]
pub(super) struct Sandbox {
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9090")]
    listen: SocketAddr,
    /// What goes wrong, such as 429=0.1,slow=0.05,not-yet=0.2,drop=0.02.
    #[arg(long = "fault", value_name = "SWITCHES", default_value_t)]
    faults: Faults,
    /// Surveys of your own: QSF files, or answers of GET /survey-definitions/{id}.
    #[arg(long = "survey-definition", value_name = "FILE")]
    survey_definitions: Vec<PathBuf>,
    /// A folder of surveys, each a folder with survey-definition.json and responses/*.json.
    #[arg(long, value_name = "FOLDER")]
    fixtures: Option<PathBuf>,
}

impl Sandbox {
    pub(super) async fn run(self) -> Result<(), CliError> {
        drop(log::init(LogFormat::Text, None, None));
        let mut options = Options {
            faults: self.faults,
            ..Options::default()
        };
        for path in &self.survey_definitions {
            options
                .surveys
                .push(Survey::load(path).map_err(|error| CliError::usage(error.to_string()))?);
        }
        let mut documents = Vec::new();
        for folder in self.fixtures.iter().flat_map(|folder| folders(folder)) {
            let Ok(survey) = Survey::load(&folder.join("survey-definition.json")) else {
                continue;
            };
            documents.push((survey.id().to_owned(), folder.join("responses")));
            options.surveys.retain(|known| known.id() != survey.id());
            options.surveys.push(survey);
        }
        let sandbox = qualtrics_sandbox::Sandbox::bind(self.listen, options.clone())
            .await
            .map_err(|error| CliError::usage(error.to_string()))?;
        let handle = sandbox.handle();
        for (survey, responses) in &documents {
            for file in folders(responses) {
                // Some fixtures are no responses, on purpose; the sandbox has none of those.
                if let Ok(recorded) = std::fs::read(file) {
                    drop(handle.insert(survey, document(&recorded)));
                }
            }
        }
        let url = sandbox.base_url();
        output::line(format!("Qualtrics sandbox on {url}"));
        output::line(format!("  export QUALTRICS_BASE_URL={url}"));
        output::line(format!(
            "  export QUALTRICS_CLIENT_ID={} QUALTRICS_CLIENT_SECRET={}",
            options.client_id, options.client_secret
        ));
        for survey in &options.surveys {
            output::line(format!(
                "  {url}/jfe/form/{}  {}",
                survey.id(),
                survey.name()
            ));
        }
        sandbox.run(async { drop(signal().await) }).await;
        Ok(())
    }
}

/// What a folder holds, in order; nothing if it is no folder.
fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// What was recorded, without the envelope that the API puts around a document.
fn document(recorded: &[u8]) -> &[u8] {
    #[derive(serde::Deserialize)]
    struct Envelope<'a> {
        #[serde(borrow)]
        result: Option<&'a serde_json::value::RawValue>,
    }
    let envelope: Option<Envelope<'_>> = serde_json::from_slice(recorded).ok();
    let result = envelope.and_then(|envelope| envelope.result);
    result.map_or(recorded, |result| result.get().as_bytes())
}
