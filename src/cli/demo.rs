//! `demo`: a local Qualtrics and the service in one process, talking to each other over HTTP only.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use qualtrics_sandbox::{Faults, Options, Sandbox, Survey};
use tokio::net::TcpListener;

use super::Globals;
use super::error::CliError;
use crate::config::{Config, Sources};
use crate::lifecycle::Lifecycle;
use crate::service::Service;
use crate::telemetry::log;

mod show;

use show::Show;

/// What is taken over from the environment; everything else is the demo's own, so that it needs nothing and touches
/// nothing. `DATABASE_URL` is not looked at: it may be somebody else's database.
const TAKEN_OVER: [&str; 6] = [
    "INGESTER_DATABASE_URL",
    "DATABASE_PASSWORD",
    "RUST_LOG",
    "LOG_FORMAT",
    "UI5_URL",
    "QUALTRICS_REQUESTS_PER_MINUTE",
];

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  qualtrics-ingester demo\n  qualtrics-ingester demo --once 200\n  qualtrics-ingester demo --survey-definition my-survey.qsf"
)]
pub(super) struct Demo {
    /// Completes N responses, waits until all are rows, prints them with the latencies, and ends.
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "25")]
    once: Option<u32>,
    /// Keeps the database in this folder; otherwise in a temporary one.
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// A survey of your own: a QSF file, or an answer of GET /survey-definitions/{id}.
    #[arg(long, value_name = "FILE")]
    survey_definition: Option<PathBuf>,
    /// Where to listen; a free port if it is taken and none was asked for.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Responses per second once the first ones are in.
    #[arg(long, value_name = "PER_SECOND", default_value_t = 1.0)]
    rate: f64,
    /// What goes wrong at Qualtrics, such as 429=0.1,slow=0.05,not-yet=0.2,drop=0.02.
    #[arg(long = "fault", value_name = "SWITCHES", default_value_t)]
    faults: Faults,
}

impl Demo {
    pub(super) async fn run(self, globals: &Globals) -> Result<(), CliError> {
        if !(self.rate > 0.0 && self.rate <= 1000.0) {
            return Err(CliError::usage(
                "--rate is more than 0 and at most 1000 responses per second",
            ));
        }
        let folder = Folder::new(self.data_dir.as_deref())?;
        let survey = self.survey()?;
        let (survey_id, survey_name) = (survey.id().to_owned(), survey.name().to_owned());
        let options = Options {
            faults: self.faults.clone(),
            surveys: vec![survey],
            ..Options::default()
        };
        let sandbox = Sandbox::bind(([127, 0, 0, 1], 0).into(), options.clone())
            .await
            .map_err(|error| CliError::failed(error.to_string()))?;
        let (handle, sandbox_url) = (sandbox.handle(), sandbox.base_url());
        let config = self
            .config(&folder.path, &sandbox_url, &options, &survey_id)
            .await?;

        let life = Lifecycle::new();
        life.spawn(
            "sandbox",
            sandbox.run(life.stopping().clone().cancelled_owned()),
        );
        let service = Service::build(config, life.clone()).await?;
        let (app, addr) = (service.app().clone(), service.addr());
        life.stop_on_signals();

        let show = Show {
            app,
            handle,
            survey_id,
            survey_name,
            addr,
            sandbox_url,
        };
        let showing = async {
            let shown = match show.subscribe().await {
                Ok(()) => match self.once {
                    Some(responses) => show.once(globals, responses).await,
                    None => show.live(self.rate, &life).await,
                },
                Err(error) => Err(error),
            };
            life.stop();
            drop(show);
            shown
        };
        let (_, shown) = tokio::join!(service.run(), showing);
        shown
    }

    fn survey(&self) -> Result<Survey, CliError> {
        let survey = match &self.survey_definition {
            Some(path) => Survey::load(path),
            None => Survey::project_feedback(),
        };
        survey.map_err(|error| CliError::usage(error.to_string()))
    }

    async fn config(
        &self,
        folder: &Path,
        sandbox_url: &str,
        options: &Options,
        survey_id: &str,
    ) -> Result<Config, CliError> {
        let process = Sources::from_process(None)?;
        let mut environment: BTreeMap<String, String> = process
            .environment
            .into_iter()
            .filter(|(name, _)| TAKEN_OVER.contains(&name.as_str()))
            .collect();
        let key = uuid::Uuid::new_v4().simple().to_string();
        let own = [
            ("QUALTRICS_BASE_URL", sandbox_url.to_owned()),
            ("QUALTRICS_CLIENT_ID", options.client_id.clone()),
            ("QUALTRICS_CLIENT_SECRET", options.client_secret.clone()),
            ("QUALTRICS_SHARED_KEY", key),
            ("LISTEN_ADDR", self.address().await.to_string()),
        ];
        environment.extend(own.map(|(name, value)| (name.to_owned(), value)));
        // What goes right is on the screen; the log is for what does not.
        environment
            .entry("RUST_LOG".to_owned())
            .or_insert_with(|| log::OF_COMMANDS.to_owned());
        if !environment.contains_key("INGESTER_DATABASE_URL") {
            let path = folder.join("feedback.db");
            environment.insert(
                "INGESTER_DATABASE_URL".to_owned(),
                format!("sqlite:{}", path.display()),
            );
        }
        let mut sources = Sources::from_environment(environment, None)?;
        sources.file = Some((
            PathBuf::from("demo.toml"),
            format!("[[survey]]\nid = \"{survey_id}\"\n{}", self.name()),
        ));
        sources.services = None;
        let config = Config::load(&sources)?;
        super::start_logging(&config, None);
        config.check_serve()?;
        Ok(config)
    }

    /// The built-in survey has the name that the documentation speaks of.
    fn name(&self) -> &'static str {
        if self.survey_definition.is_some() {
            ""
        } else {
            "name = \"ProjectFeedback\"\n"
        }
    }

    /// The address asked for; port 8080 if nobody asked, or a free one if that is taken.
    async fn address(&self) -> SocketAddr {
        let usual = SocketAddr::from(([127, 0, 0, 1], 8080));
        match self.listen {
            Some(address) => address,
            None if TcpListener::bind(usual).await.is_ok() => usual,
            None => ([127, 0, 0, 1], 0).into(),
        }
    }
}

/// Where the database lives; removed at the end unless somebody wants to keep it.
struct Folder {
    path: PathBuf,
    temporary: bool,
}

impl Folder {
    fn new(kept: Option<&Path>) -> Result<Self, CliError> {
        let (path, temporary) = match kept {
            Some(path) => (path.to_owned(), false),
            None => (
                std::env::temp_dir().join(format!(
                    "qualtrics-ingester-demo-{}",
                    uuid::Uuid::now_v7().simple()
                )),
                true,
            ),
        };
        std::fs::create_dir_all(&path).map_err(|error| {
            CliError::usage(format!(
                "--data-dir {} can't be made: {error}",
                path.display()
            ))
        })?;
        Ok(Self { path, temporary })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.temporary {
            drop(std::fs::remove_dir_all(&self.path));
        }
    }
}
