//! The same jobs on HANA.

use ingester_core::inbox::Event;
use ingester_core::row::{Cell, ColumnType};
use ingester_core::sql;
use qualtrics_ingester::jobs::backfill::{Progress, Span};
use qualtrics_ingester::jobs::erase::Which;
use qualtrics_ingester::jobs::reconcile::{Options, Report, Scope};
use qualtrics_ingester::jobs::{Jobs, Patience};
use qualtrics_ingester::store::{LeaseWish, Role, Store};
use qualtrics_ingester::telemetry::metrics::Metrics;
use tokio::sync::watch;

use super::support::{SURVEY, World, count, id, survey};
use crate::hana_support::TestHana;

async fn reconcile(jobs: &Jobs) -> Report {
    let options = Options {
        scope: Scope::All,
        delete: true,
        delete_limit: None,
    };
    let results = jobs.reconcile(&[survey()], options, Patience::Short).await;
    let report = results.unwrap().remove(0).1.unwrap();
    assert!(report.balance.unwrap().adds_up());
    report
}

/// Events by state.
async fn states(store: &Store) -> Vec<(String, i64)> {
    const KINDS: [ColumnType; 2] = [ColumnType::NVarchar(8), ColumnType::BigInt];
    let rows = store
        .rows(sql::bulk::states(&survey()), &KINDS)
        .await
        .unwrap();
    let state = |row: &[Cell]| match row {
        [Cell::Text(state), Cell::Integer(count)] => (state.clone(), *count),
        other => panic!("{other:?}"),
    };
    rows.iter().map(|row| state(row)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_reconcile_and_erasure_work_there_too() {
    let hana = TestHana::start().await;
    let mut world = World::new().await;
    world.database = Some(format!(
        "hdbsql://INGESTER:Secret123@{}",
        hana.server.addr()
    ));
    let store = Store::open_hana(hana.settings(), Role::Command, Metrics::new()).unwrap();
    let jobs = world.jobs();
    for number in 0..300 {
        let at = format!("2024-03-01T{:02}:{:02}:00Z", number / 60, number % 60);
        world.insert(&format!("R_{number:05}"), &at, number % 5 + 1);
    }
    let unfit = serde_json::json!({
        "responseId": "R_unfit",
        "values": { "status": 0, "finished": 1, "recordedDate": "2024-05-01T00:00:00Z", "_recordId": "R_unfit", "progress": "much" },
        "labels": {}
    });
    world
        .sandbox
        .insert(SURVEY, &serde_json::to_vec(&unfit).unwrap())
        .unwrap();
    let event = Event {
        survey_id: survey(),
        response_id: id("R_00007"),
        completed_at: "2024-03-01T00:07:00Z".parse().unwrap(),
        received_at: "2024-03-01T00:07:01Z".parse().unwrap(),
    };
    store.accept(event, LeaseWish::Wait).await.unwrap();
    let waiting = store.backlog(&[survey()]).await.unwrap();
    assert_eq!((waiting.len(), waiting[0].events), (1, 1));

    let progress = watch::Sender::new(Progress::default());
    let loaded = jobs
        .backfill(&survey(), Span::ALL, Patience::Short, &progress)
        .await
        .unwrap()
        .totals;
    assert_eq!(
        (loaded.written, loaded.refused, loaded.settled),
        (300, 1, 1)
    );
    assert_eq!(states(&store).await, [("dead".to_owned(), 1)]);

    for number in 0..5 {
        let values = serde_json::json!({ "QID1": 5 - number % 5 });
        let values = values.as_object().unwrap().clone();
        let response = format!("R_{number:05}");
        world.sandbox.edit(SURVEY, &response, values).unwrap();
        let gone = format!("R_{:05}", number + 100);
        world.sandbox.delete(SURVEY, &gone).unwrap();
        world.insert(&format!("R_new{number}"), "2024-06-01T00:00:00Z", 3);
    }
    let report = reconcile(&jobs).await;
    assert_eq!((report.missing, report.stale, report.removed), (5, 4, 5));
    let again = reconcile(&jobs).await;
    assert_eq!((again.written, again.missing, again.stale), (0, 0, 0));

    let which = Which::Where {
        field: "AccountID".to_owned(),
        value: "account R_00050".to_owned(),
    };
    let selected = jobs.select(&which, None).await.unwrap();
    let receipt = jobs.erase(&selected[0]).await.unwrap();
    assert_eq!((receipt.rows, receipt.documents), (1, 1));
    assert!(receipt.log_cleared);
    assert_eq!(reconcile(&jobs).await.balance.unwrap().erased, 1);
    assert_eq!(count(&store).await, 299);
}
