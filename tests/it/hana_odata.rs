//! The recorded questions and answers on HANA's dialect: the same numbers, dates, nulls and order as on SQLite.

#[path = "../../crates/core/tests/odata_cases/recordings.rs"]
mod recordings;
#[expect(dead_code, reason = "pages are followed on SQLite alone")]
#[path = "../../crates/core/tests/support/mod.rs"]
mod support;

use ingester_core::row::{Cell, ColumnType};
use ingester_core::sql::{self, Dialect, Statement};
use qualtrics_ingester::store::Store;
use tokio::runtime::Runtime;

use crate::hana_support::TestHana;
use recordings::{compare, folder, rows, service, tables};

/// Text functions are the database's own. Assumed: `LENGTH` counts UTF-16 units there, so that a smiley is two; how long a
/// column takes them to be is tried by `check --database`.
const EXCEPTIONS: [&str; 1] = ["length-emoji"];

async fn load(store: &Store, recorded: &serde_json::Value) {
    for recorded in tables(recorded) {
        store.create_table(&recorded.table).await.unwrap();
        let upsert = |row| sql::rows::upsert(Dialect::Hana, &recorded.table, row);
        let upserts = recorded.rows.iter().cloned().map(upsert).collect();
        store.run(upserts).await.unwrap();
    }
}

#[test]
fn answers_are_those_of_the_recordings() {
    let Some(folder) = folder() else {
        println!("not run: no shared/cap/odata-cases.jsonl beside this repository");
        return;
    };
    let runtime = Runtime::new().unwrap();
    let hana = runtime.block_on(TestHana::start());
    let store = {
        let _entered = runtime.enter();
        hana.open()
    };
    let recorded = rows(&folder);
    runtime.block_on(load(&store, &recorded));
    let mut service = service(&recorded);
    let run = move |statement: &Statement, kinds: &[ColumnType]| -> Vec<Vec<Cell>> {
        let rows = runtime.block_on(store.rows(statement.clone(), kinds));
        let rows = rows.unwrap_or_else(|error| panic!("{error}: {statement:?}"));
        rows.into_iter().map(Vec::from).collect()
    };
    service.elsewhere = Some((Dialect::Hana, Box::new(run)));

    let (passed, excepted, failed) = compare(&folder, &service, &recorded);

    println!(
        "{passed} passed, {excepted} excepted, {} failed",
        failed.len()
    );
    let failed: Vec<&String> = failed
        .iter()
        .filter(|failed| !EXCEPTIONS.iter().any(|id| failed.starts_with(id)))
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
}
