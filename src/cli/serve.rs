//! `serve`: the service.

use super::error::CliError;
use super::{Globals, start_logging};
use crate::config::Setting;
use crate::lifecycle::Lifecycle;
use crate::service::Service;
use crate::telemetry::otlp;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  QUALTRICS_DATACENTER=fra1 QUALTRICS_CLIENT_ID=… QUALTRICS_CLIENT_SECRET=… \\\n  QUALTRICS_SHARED_KEY=… qualtrics-ingester serve"
)]
pub(super) struct Serve {
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
}

impl Serve {
    pub(super) async fn run(self, globals: &Globals) -> Result<(), CliError> {
        let config = globals.settings(self.listen.map(|address| (Setting::ListenAddr, address)))?;
        let (spans, exporter) = config.collector.clone().map(otlp::exporter).unzip();
        start_logging(&config, spans);
        for warning in config.check_serve()? {
            tracing::warn!(setting = warning.setting, "{warning}");
        }
        let life = Lifecycle::new();
        let service = Service::build(config, life.clone()).await?;
        if let Some(exporter) = exporter {
            let metrics = service.app().metrics.clone();
            life.spawn("telemetry", exporter.run(metrics, life.clone()));
        }
        life.stop_on_signals();
        if service.run().await {
            Ok(())
        } else {
            Err(CliError::failed(
                "a part of the service ended by itself; the log says which",
            ))
        }
    }
}
