//! `schema grants` and `schema cds`: what others need to let us in, and to read what we write. Both only print.

use ingester_core::odata::cds::{self, Element};
use ingester_core::row::TableName;
use ingester_core::sql::grants;

use super::{Which, inspect};
use crate::cli::error::CliError;
use crate::cli::{output, parts};
use crate::config::{Config, Database};

#[derive(Debug, clap::Args)]
pub(super) struct Grants {
    #[command(flatten)]
    which: Which,
    /// The service's own database user; otherwise the one that it is configured with.
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// The user of the service that grants reading to other containers.
    #[arg(long, value_name = "USER", default_value = "INGESTER_GRANTOR")]
    grantor: String,
}

/// The name of the granting service that consumers bind.
const GRANTING_SERVICE: &str = "ingester-grantor";

impl Grants {
    pub(super) fn print(self, config: &Config) -> Result<(), CliError> {
        let Database::Hana(hana) = &config.database else {
            return Err(CliError::usage(
                "INGESTER_DATABASE_URL names an SQLite file, which has no users to grant anything: name HANA",
            ));
        };
        let tables = tables(config, &self.which)?;
        let grants = grants::Grants {
            // Without a schema in the settings a user works in its own.
            schema: hana.schema.as_deref().unwrap_or(&hana.user),
            tables: &tables,
            user: self.user.as_deref().unwrap_or(&hana.user),
            grantor: &self.grantor,
        };
        output::line(
            "-- run as the owner of the schema: what the service's own user does, and no more",
        );
        for statement in grants.for_the_service() {
            output::line(statement);
        }
        output::line("-- for consumers in other containers: their grantor may pass reading on");
        for statement in grants.for_the_grantor() {
            output::line(statement);
        }
        output::line(format!(
            "-- cf cups {GRANTING_SERVICE} -p '{{\"host\":\"{}\",\"port\":\"{}\",\"user\":\"{}\",\"password\":\"…\",\"encrypt\":true,\"tags\":[\"hana\"]}}'",
            hana.host, hana.port, self.grantor
        ));
        output::line("-- db/src/ingester.hdbgrants of a consumer:");
        output::line(grants.hdbgrants(GRANTING_SERVICE));
        output::line("-- db/src/feedback.hdbsynonym of a consumer:");
        output::line(grants.hdbsynonym());
        Ok(())
    }
}

fn tables(config: &Config, which: &Which) -> Result<Vec<TableName>, CliError> {
    let selected = parts::selected(config, &which.surveys)?;
    Ok(selected
        .iter()
        .map(|settings| settings.table.clone())
        .collect())
}

/// Prints the entities, from the database's columns where the table is there, else as they will be.
pub(super) async fn cds(config: &Config, which: &Which) -> Result<(), CliError> {
    for inspected in inspect(config, which).await? {
        let (wanted, codebook) = (inspected.map.table(), inspected.map.codebook());
        let existing = inspected.columns();
        let columns = wanted.columns.iter().map(|column| {
            let there = existing.iter().find(|there| there.name == column.name);
            ingester_core::row::Column {
                kind: there.map_or(column.kind, |there| there.kind),
                ..column.clone()
            }
        });
        let columns: Vec<_> = columns.collect();
        let elements: Vec<Element<'_>> = columns
            .iter()
            .zip(codebook)
            .map(|(column, entry)| Element {
                column,
                title: &entry.text,
            })
            .collect();
        let settings = &inspected.settings;
        let remark = format!(
            "{} ({}), filled by qualtrics-ingester: CAP reads it, and enforces no access rule of ours",
            settings.name, settings.id
        );
        output::line(cds::entity(settings.table.name(), &remark, &elements));
    }
    Ok(())
}
