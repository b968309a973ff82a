//! The database: that it opens, takes what is written, is whole, and belongs to the configured keys.

use ingester_core::row::{Cell, ColumnType};
use ingester_core::sql::{self, Dialect};

use super::{Finding, Report};
use crate::cli::parts;
use crate::config::{Config, Database};
use crate::jobs::instances;
use crate::service::{self, ServiceError};
use crate::store::{Store, StoreError};

/// Opens it, which also creates our own tables and compares their format; nothing if it can't be used.
pub(super) async fn open(report: &mut Report, config: &Config) -> Option<Store> {
    let store = match parts::open(config).await {
        Ok(store) => store,
        Err(error) => {
            let code = match &error {
                ServiceError::Store(error) => error.code(),
                _ => "database-unavailable",
            };
            report.add(Finding::problem("database", code, error.to_string()));
            return None;
        }
    };
    let place = match &config.database {
        Database::Sqlite(path) => format!("SQLite file {}", path.display()),
        Database::Hana(hana) => format!("HANA at {}", hana.host),
    };
    match write(&store).await {
        Ok(()) => report.add(Finding::ok(
            "database",
            format!("{place}, own tables there, takes rows"),
        )),
        Err(error) => {
            report.add(Finding::problem(
                "database",
                error.code(),
                error.to_string(),
            ));
            return None;
        }
    }
    if store.dialect() == Dialect::Sqlite {
        report.add(integrity(&store).await);
    }
    Some(store)
}

/// Writes to one of our own tables and takes it back.
async fn write(store: &Store) -> Result<(), StoreError> {
    let put = sql::runs::put("check", "", "");
    let look = sql::runs::list("check");
    let rows = store
        .rehearse(vec![put], look, &[ColumnType::NVarchar(60)])
        .await?;
    if rows.is_empty() {
        return Err(StoreError::unexpected("what was written is not there"));
    }
    Ok(())
}

async fn integrity(store: &Store) -> Finding {
    const CHECK: &str = "disk";
    match store
        .rows(sql::ddl::quick_check(), &[ColumnType::NClob])
        .await
    {
        Ok(rows) => match rows.first().map(|row| &**row) {
            Some([Cell::Text(said)]) if said == "ok" => Finding::ok(CHECK, "the file is whole"),
            _ => Finding::problem(
                CHECK,
                "database-corrupt",
                format!(
                    "the database file is damaged ({} faults): restore it, then run `reconcile`",
                    rows.len()
                ),
            ),
        },
        Err(error) => Finding::problem(CHECK, error.code(), error.to_string()),
    }
}

/// The keys that what is stored depends on, and who else works here.
pub(super) async fn keys(report: &mut Report, config: &Config, store: &Store) {
    match instances::live(store).await {
        Ok(live) => report.add(Finding::ok("instances", format!("{} running", live.len()))),
        Err(error) => report.add(Finding::problem(
            "instances",
            error.code(),
            error.to_string(),
        )),
    }
    let configured = match service::pseudonym_fingerprint(config) {
        Ok(Some(configured)) => configured,
        Ok(None) => return,
        Err(error) => {
            report.add(Finding::problem(
                "pseudonym-key",
                "configuration",
                error.to_string(),
            ));
            return;
        }
    };
    let kept = instances::kept(store, instances::PSEUDONYM_KEY).await;
    report.add(match kept {
        Ok(Some(kept)) if kept != configured => Finding {
            statement: Some(sql::runs::put_text(instances::PSEUDONYM_KEY, "", &configured)),
            ..Finding::problem(
                "pseudonym-key",
                "pseudonym-key-changed",
                "PSEUDONYM_KEY is not the one that stored pseudonyms were made with, so the same person has two: set the \
                 former key, or run `backfill` and then the statement that `check --fix` prints",
            )
        },
        Ok(_) => Finding::ok("pseudonym-key", "the one that stored pseudonyms were made with"),
        Err(error) => Finding::problem("pseudonym-key", error.code(), error.to_string()),
    });
}
