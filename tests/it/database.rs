//! The database of one test: a SQLite file, or the HANA protocol test server where `INGESTER_TEST_STORE=hana`.
//!
//! Tests that say what the outside sees hold for both; those that need one kind name it.

use std::path::Path;

use ingester_core::row::{Cell, ColumnType};
use ingester_core::sql::Statement;
use qualtrics_ingester::store::{Cells, Role, Store};
use qualtrics_ingester::telemetry::metrics::Metrics;

use crate::hana_support::TestHana;

/// Where a service's data is.
pub(crate) enum Database {
    Sqlite(std::path::PathBuf),
    Hana(TestHana),
}

impl Database {
    /// An empty one, of the kind that this run of the suite is for.
    pub(crate) async fn fresh(folder: &Path) -> Self {
        #[expect(clippy::disallowed_methods, reason = "a setting of the tests alone")]
        let kind = std::env::var("INGESTER_TEST_STORE");
        match kind.as_deref() {
            Ok("hana") => Self::Hana(TestHana::start().await),
            Ok("sqlite") | Err(_) => Self::sqlite(folder),
            Ok(other) => panic!("INGESTER_TEST_STORE is sqlite or hana, not {other}"),
        }
    }

    pub(crate) fn sqlite(folder: &Path) -> Self {
        Self::Sqlite(folder.join("feedback.db"))
    }

    /// As `INGESTER_DATABASE_URL` has it.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite:{}", path.display()),
            Self::Hana(hana) => {
                format!("hdbsql://INGESTER:Secret123@{}", hana.server.addr())
            }
        }
    }

    fn open(&self) -> Store {
        match self {
            Self::Sqlite(path) => {
                Store::open_sqlite(path.clone(), Role::Command, Metrics::new()).unwrap()
            }
            Self::Hana(hana) => {
                Store::open_hana(hana.settings(), Role::Command, Metrics::new()).unwrap()
            }
        }
    }

    /// The rows of a query; none while its table is not there, because a survey's table comes with its definition.
    pub(crate) async fn rows(&self, sql: &'static str, kinds: &[ColumnType]) -> Vec<Cells> {
        match self.open().rows(Statement::new(sql), kinds).await {
            Ok(rows) => rows,
            Err(error) if error.is_missing_table() => Vec::new(),
            Err(error) => panic!("{sql}: {error}"),
        }
    }

    /// The one number of a query.
    pub(crate) async fn number(&self, sql: &'static str) -> i64 {
        match self.rows(sql, &[ColumnType::BigInt]).await.first() {
            Some(row) => match row[0] {
                Cell::Integer(number) => number,
                ref other => panic!("{sql}: {other:?}"),
            },
            None => 0,
        }
    }
}
