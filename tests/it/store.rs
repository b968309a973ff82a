//! The store's behaviour, whatever database is behind it.
//!
//! Long because both stores have to pass one suite, and it names each promise once.

use std::sync::Arc;
use std::time::Duration;

use ingester_core::inbox::{
    Acceptance, Event, Finished, Lease, Mapped, Outcome, RawDocument, Reason,
};
use ingester_core::row::{Cell, Column, ColumnType, Row, Table};
use ingester_core::sql::{Statement, inbox, rows};
use ingester_core::time::Timestamp;
use qualtrics_ingester::store::{LeaseWish, Loaded, Remember, Role, Store, StoreError};
use qualtrics_ingester::telemetry::metrics::Metrics;

use crate::hana_support::{RealHana, TestHana};

pub(crate) const SURVEY: &str = "SV_22VlHYNeldrrrk1";

/// One store with nothing in it, and what has to live as long as it does.
struct TestStore {
    store: Store,
    _database: Database,
}

enum Database {
    Sqlite { _folder: tempfile::TempDir },
    TestServer { _server: TestHana },
    Hana { _schema: RealHana },
}

impl TestStore {
    fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            store: open_sqlite(&folder).unwrap(),
            _database: Database::Sqlite { _folder: folder },
        }
    }

    async fn test_server() -> Self {
        let server = TestHana::start().await;
        Self {
            store: server.open(),
            _database: Database::TestServer { _server: server },
        }
    }

    /// On the HANA that `INGESTER_TEST_HANA_URL` names, in a schema of its own.
    async fn hana() -> Option<Self> {
        let schema = RealHana::create().await?;
        Some(Self {
            store: Store::open_hana(schema.settings(), Role::Service, Metrics::new()).unwrap(),
            _database: Database::Hana { _schema: schema },
        })
    }

    async fn state(&self, response: &str) -> (String, Option<String>) {
        let selection = inbox::Selection {
            response: Some(response.parse().unwrap()),
            ..inbox::Selection::default()
        };
        let kinds = [
            ColumnType::NVarchar(18),
            ColumnType::NVarchar(69),
            ColumnType::Timestamp,
            ColumnType::Timestamp,
            ColumnType::NVarchar(8),
            ColumnType::Integer,
            ColumnType::Timestamp,
            ColumnType::NVarchar(36),
            ColumnType::Timestamp,
            ColumnType::NVarchar(1000),
            ColumnType::Timestamp,
        ];
        let rows = self
            .store
            .rows(inbox::list(&selection, 1), &kinds)
            .await
            .unwrap();
        match (&rows[0][4], &rows[0][9]) {
            (Cell::Text(state), Cell::Text(error)) => (state.clone(), Some(error.clone())),
            (Cell::Text(state), Cell::Null) => (state.clone(), None),
            other => panic!("{other:?}"),
        }
    }

    async fn answer(&self, response: &str) -> Option<String> {
        let rows = self
            .store
            .rows(
                rows::current(self.store.dialect(), &table(), &response.parse().unwrap()),
                &[ColumnType::NVarchar(50), ColumnType::NVarchar(20)],
            )
            .await
            .unwrap();
        rows.first().map(|row| match &row[1] {
            Cell::Text(text) => text.clone(),
            other => panic!("{other:?}"),
        })
    }
}

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn event(response: &str, completed_at: &str) -> Event {
    Event {
        survey_id: SURVEY.parse().unwrap(),
        response_id: response.parse().unwrap(),
        completed_at: instant(completed_at),
        received_at: ingester_core::inbox::whole_milliseconds(qualtrics_ingester::lifecycle::now()),
    }
}

pub(crate) fn table() -> Arc<Table> {
    let column = |name: &str, nullable| Column {
        name: name.parse().unwrap(),
        property: name.to_owned(),
        kind: ColumnType::NVarchar(20),
        nullable,
    };
    Arc::new(Table {
        name: "FEEDBACK".parse().unwrap(),
        columns: vec![column("RESPONSEID", false), column("Q1", false)],
    })
}

fn mapped(response: &str, answer: Option<&str>, recorded_at: &str, asked_at: &str) -> Mapped {
    Mapped {
        table: table(),
        row: Row(vec![
            Cell::Text(response.to_owned()),
            answer.map_or(Cell::Null, |answer| Cell::Text(answer.to_owned())),
        ]
        .into()),
        raw: RawDocument {
            recorded_at: Some(instant(recorded_at)),
            asked_at: instant(asked_at),
            digest: String::new(),
            document: Some("{}".to_owned()),
        },
    }
}

pub(crate) const EARLY: &str = "2026-01-01T00:00:00Z";
pub(crate) const LATE: &str = "2026-01-01T00:00:01Z";

pub(crate) fn row(response: &str, answer: &str) -> Outcome {
    Outcome::Row(Arc::new(mapped(response, Some(answer), EARLY, EARLY)))
}

async fn lease(store: &TestStore, event: Event) -> Lease {
    match store.store.accept(event, LeaseWish::Lease).await.unwrap() {
        Acceptance::Leased(lease) => lease,
        other => panic!("expected a lease, got {other:?}"),
    }
}

async fn claim(store: &Store) -> Vec<Lease> {
    store
        .claim(Arc::from([SURVEY.parse().unwrap()]), 100)
        .await
        .unwrap()
}

async fn an_event_becomes_a_row_a_document_and_done_at_once(store: TestStore) {
    store.store.create_table(&table()).await.unwrap();
    let lease = lease(&store, event("R_1", EARLY)).await;

    let finished = store
        .store
        .finish(&lease, row("R_1", "fine"))
        .await
        .unwrap();

    assert!(matches!(finished, Finished::Committed(change) if change.position > 0));
    assert_eq!(store.answer("R_1").await.as_deref(), Some("fine"));
    assert_eq!(store.state("R_1").await, ("done".to_owned(), None));
}

async fn the_same_or_an_older_completion_is_a_duplicate(store: TestStore) {
    let _lease = lease(&store, event("R_1", LATE)).await;

    for completed_at in [LATE, EARLY] {
        let acceptance = store
            .store
            .accept(event("R_1", completed_at), LeaseWish::Lease)
            .await
            .unwrap();
        assert_eq!(acceptance, Acceptance::Duplicate);
    }
}

async fn a_newer_completion_reopens_a_done_event_and_fences_off_older_work(store: TestStore) {
    store.store.create_table(&table()).await.unwrap();
    let older = lease(&store, event("R_1", EARLY)).await;
    let newer = lease(&store, event("R_1", LATE)).await;

    assert_eq!(
        store.store.finish(&older, row("R_1", "old")).await.unwrap(),
        Finished::LeaseLost
    );
    assert_eq!(store.answer("R_1").await, None);

    store.store.finish(&newer, row("R_1", "new")).await.unwrap();
    let again = lease(&store, event("R_1", "2026-01-01T00:00:02Z")).await;
    assert_eq!(again.attempt(), 1);
    assert_eq!(store.state("R_1").await.0, "leased");
}

async fn an_event_without_a_free_worker_waits_and_is_claimed_newest_first(store: TestStore) {
    for n in 0..5 {
        let mut event = event(&format!("R_{n}"), EARLY);
        event.received_at = event
            .received_at
            .checked_sub(Duration::from_secs(10 - n))
            .unwrap();
        assert_eq!(
            store.store.accept(event, LeaseWish::Wait).await.unwrap(),
            Acceptance::Pending
        );
    }

    let leases = store
        .store
        .claim(Arc::from([SURVEY.parse().unwrap()]), 3)
        .await
        .unwrap();

    let claimed: Vec<_> = leases
        .iter()
        .map(|lease| lease.event().response_id.to_string())
        .collect();
    assert_eq!(claimed, ["R_4", "R_3", "R_2"]);
    assert_eq!(claim(&store.store).await.len(), 2);
}

async fn events_of_surveys_that_are_not_configured_are_left_alone(store: TestStore) {
    store
        .store
        .accept(event("R_1", EARLY), LeaseWish::Wait)
        .await
        .unwrap();

    let leases = store
        .store
        .claim(Arc::from(["SV_00000000000000a".parse().unwrap()]), 10)
        .await
        .unwrap();

    assert!(leases.is_empty());
    assert_eq!(store.state("R_1").await.0, "pending");
}

async fn a_retry_is_due_later_and_a_release_at_once(store: TestStore) {
    let retried = lease(&store, event("R_1", EARLY)).await;
    let released = lease(&store, event("R_2", EARLY)).await;
    let outcome = Outcome::Retry {
        after: Duration::from_secs(60),
        reason: Reason::new("not-yet", "the response is not there yet"),
    };

    store.store.finish(&retried, outcome).await.unwrap();
    store.store.release(released).await;

    let leases = claim(&store.store).await;
    assert_eq!(leases.len(), 1);
    assert_eq!(
        (leases[0].event().response_id.as_ref(), leases[0].attempt()),
        ("R_2", 2)
    );
    let (state, reason) = store.state("R_1").await;
    assert_eq!(state, "pending");
    assert_eq!(
        reason.as_deref(),
        Some("not-yet: the response is not there yet")
    );
}

async fn a_dead_event_is_a_duplicate_until_it_was_dead_for_a_while(store: TestStore) {
    let lease = lease(&store, event("R_1", LATE)).await;
    store
        .store
        .finish(
            &lease,
            Outcome::Dead(Reason::new("not-a-number", "column Q1")),
        )
        .await
        .unwrap();
    let again = || event("R_1", EARLY);

    assert_eq!(
        store.store.accept(again(), LeaseWish::Lease).await.unwrap(),
        Acceptance::Duplicate
    );

    let long_ago = Statement::new("UPDATE \"QUALTRICS_INBOX\" SET \"DONE_AT\" = ?")
        .with([Cell::Timestamp(instant(EARLY))]);
    store.store.run(vec![long_ago]).await.unwrap();
    match store.store.accept(again(), LeaseWish::Lease).await.unwrap() {
        // The newer completion that stood there stays.
        Acceptance::Leased(lease) => assert_eq!(lease.event().completed_at, instant(LATE)),
        other => panic!("{other:?}"),
    }
}

async fn an_older_document_never_replaces_a_newer_one(store: TestStore) {
    store.store.create_table(&table()).await.unwrap();
    let newer = Outcome::Row(Arc::new(mapped("R_1", Some("new"), LATE, LATE)));
    store
        .store
        .finish(&lease(&store, event("R_1", EARLY)).await, newer)
        .await
        .unwrap();

    let older = Outcome::Row(Arc::new(mapped(
        "R_1",
        Some("old"),
        "2026-01-01T00:00:00.9999Z",
        LATE,
    )));
    let finished = store
        .store
        .finish(&lease(&store, event("R_1", LATE)).await, older)
        .await
        .unwrap();

    assert_eq!(finished, Finished::Superseded);
    assert_eq!(store.answer("R_1").await.as_deref(), Some("new"));
    let (state, reason) = store.state("R_1").await;
    assert_eq!(state, "done");
    assert!(reason.unwrap().starts_with("superseded: "));
}

async fn a_row_that_does_not_fit_fails_alone(store: TestStore) {
    store.store.create_table(&table()).await.unwrap();
    let mut leases = Vec::new();
    for n in 0..20 {
        leases.push(lease(&store, event(&format!("R_{n}"), EARLY)).await);
    }

    let finishing = leases.iter().enumerate().map(|(n, lease)| {
        let answer = (n != 7).then_some("fine");
        let outcome = Outcome::Row(Arc::new(mapped(&format!("R_{n}"), answer, EARLY, EARLY)));
        store.store.finish(lease, outcome)
    });
    let results = futures_util::future::join_all(finishing).await;

    for (n, result) in results.iter().enumerate() {
        assert_eq!(result.is_err(), n == 7, "{n}: {result:?}");
    }
    let error = results[7].as_ref().unwrap_err();
    assert_eq!((error.code(), error.is_transient()), ("row-refused", false));
    assert_eq!(store.answer("R_7").await, None);
    assert_eq!(store.state("R_7").await.0, "leased");
}

async fn a_missing_table_is_said_and_nothing_is_half_written(store: TestStore) {
    let lease = lease(&store, event("R_1", EARLY)).await;

    let error = store
        .store
        .finish(&lease, row("R_1", "fine"))
        .await
        .unwrap_err();

    assert!(error.is_missing_table() && error.is_transient());
    assert_eq!(store.state("R_1").await.0, "leased");
}

async fn what_was_erased_is_not_brought_back(store: TestStore) {
    store.store.create_table(&table()).await.unwrap();
    store
        .store
        .finish(
            &lease(&store, event("R_1", EARLY)).await,
            row("R_1", "secret"),
        )
        .await
        .unwrap();
    let survey = SURVEY.parse().unwrap();

    let erased = store
        .store
        .erase(
            &survey,
            Some(table().name.clone()),
            vec!["R_1".parse().unwrap()],
            Remember::Hash,
        )
        .await
        .unwrap();
    assert_eq!(
        (erased.rows, erased.documents, erased.events, erased.changes),
        (1, 1, 1, 1)
    );

    let again = lease(&store, event("R_1", LATE)).await;
    assert_eq!(
        store
            .store
            .finish(&again, row("R_1", "secret"))
            .await
            .unwrap(),
        Finished::Erased
    );
    let loaded = Loaded {
        response_id: "R_1".parse().unwrap(),
        outcome: row("R_1", "secret"),
        settles: None,
    };
    assert_eq!(
        store
            .store
            .load(&survey, vec![loaded])
            .await
            .unwrap()
            .erased,
        1
    );
    assert_eq!(store.answer("R_1").await, None);
}

async fn loading_writes_only_what_differs(store: TestStore) {
    store.store.create_table(&table()).await.unwrap();
    let survey = SURVEY.parse().unwrap();
    let load = |answers: [&'static str; 3]| {
        let rows = answers.iter().enumerate().map(|(n, answer)| Loaded {
            response_id: format!("R_{n}").parse().unwrap(),
            outcome: row(&format!("R_{n}"), answer),
            settles: None,
        });
        store.store.load(&survey, rows.collect())
    };

    let first = load(["a", "b", "c"]).await.unwrap();
    assert_eq!((first.written, first.changes.len()), (3, 3));
    let second = load(["a", "x", "c"]).await.unwrap();
    assert_eq!((second.written, second.unchanged), (1, 2));
    assert_eq!(store.answer("R_1").await.as_deref(), Some("x"));
}

async fn a_loaded_row_that_does_not_fit_spoils_no_other(store: TestStore) {
    store.store.create_table(&table()).await.unwrap();
    let survey = SURVEY.parse().unwrap();
    let rows = (0..20).map(|n| {
        let response = format!("R_{n}");
        let answer = (n != 7).then_some("fine");
        Loaded {
            outcome: Outcome::Row(Arc::new(mapped(&response, answer, EARLY, EARLY))),
            response_id: response.parse().unwrap(),
            settles: None,
        }
    });

    let report = store.store.load(&survey, rows.collect()).await.unwrap();

    assert_eq!((report.written, report.changes.len()), (19, 19));
    assert_eq!(report.refused.len(), 1);
    assert_eq!(report.refused[0].0.as_ref(), "R_7");
    assert_eq!(store.answer("R_7").await, None);
    assert_eq!(store.answer("R_19").await.as_deref(), Some("fine"));
}

async fn leases_are_renewed_and_lost_ones_are_named(store: TestStore) {
    let mine = lease(&store, event("R_1", EARLY)).await;
    let lost = lease(&store, event("R_2", EARLY)).await;
    let _newer = lease(&store, event("R_2", LATE)).await;

    let answer = store
        .store
        .renew(vec![mine.fence(), lost.fence()])
        .await
        .unwrap();

    assert_eq!(answer, [lost.fence()]);
}

async fn timestamps_and_numbers_come_back_as_they_went_in(store: TestStore) {
    let kinds = [
        ("RESPONSEID", ColumnType::NVarchar(50)),
        ("I", ColumnType::Integer),
        ("B", ColumnType::BigInt),
        (
            "D",
            ColumnType::Decimal {
                precision: 20,
                scale: 6,
            },
        ),
        ("F", ColumnType::Double),
        ("T", ColumnType::Timestamp),
        ("DAY", ColumnType::Date),
        ("BOOL", ColumnType::Boolean),
        ("TEXT", ColumnType::NVarchar(100)),
        ("LONG", ColumnType::NClob),
    ];
    let table = Table {
        name: "TYPES".parse().unwrap(),
        columns: kinds
            .iter()
            .map(|(name, kind)| Column {
                name: name.parse().unwrap(),
                property: (*name).to_owned(),
                kind: *kind,
                nullable: true,
            })
            .collect(),
    };
    store.store.create_table(&table).await.unwrap();
    let cells = vec![
        Cell::Text("R_1".to_owned()),
        Cell::Integer(-9),
        Cell::Integer(9_007_199_254_740_993),
        Cell::Decimal("133.1".parse().unwrap()),
        Cell::Double(0.1),
        Cell::Timestamp(instant("2026-01-01T00:00:00.1234567Z")),
        Cell::Date("2026-02-28".parse().unwrap()),
        Cell::Boolean(true),
        Cell::Text("0042 ünïcode 😀".to_owned()),
        Cell::Text("x".repeat(100_000)),
    ];
    store
        .store
        .run(vec![rows::upsert(
            store.store.dialect(),
            &table,
            Row(cells.clone().into()),
        )])
        .await
        .unwrap();

    let types: Vec<_> = kinds.iter().map(|(_, kind)| *kind).collect();
    let current = rows::current(store.store.dialect(), &table, &"R_1".parse().unwrap());
    let rows = store.store.rows(current, &types).await.unwrap();

    assert_eq!(*rows[0], cells[..]);
    let columns = store
        .store
        .table_columns(&table.name)
        .await
        .unwrap()
        .unwrap();
    let declared: Vec<_> = columns.iter().map(|column| column.column.kind).collect();
    assert_eq!(declared, types);
}

/// Every behaviour above, on every store.
macro_rules! on_every_store {
    ($($behaviour:ident)*) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $behaviour() {
                super::$behaviour(super::TestStore::sqlite()).await;
            })*
        }
        mod on_the_test_server {
            $(#[tokio::test]
            async fn $behaviour() {
                super::$behaviour(super::TestStore::test_server().await).await;
            })*
        }
        mod on_hana {
            $(#[tokio::test]
            async fn $behaviour() {
                if let Some(store) = super::TestStore::hana().await {
                    super::$behaviour(store).await;
                }
            })*
        }
    };
}

on_every_store! {
    an_event_becomes_a_row_a_document_and_done_at_once
    the_same_or_an_older_completion_is_a_duplicate
    a_newer_completion_reopens_a_done_event_and_fences_off_older_work
    an_event_without_a_free_worker_waits_and_is_claimed_newest_first
    events_of_surveys_that_are_not_configured_are_left_alone
    a_retry_is_due_later_and_a_release_at_once
    a_dead_event_is_a_duplicate_until_it_was_dead_for_a_while
    an_older_document_never_replaces_a_newer_one
    a_row_that_does_not_fit_fails_alone
    a_missing_table_is_said_and_nothing_is_half_written
    what_was_erased_is_not_brought_back
    loading_writes_only_what_differs
    a_loaded_row_that_does_not_fit_spoils_no_other
    leases_are_renewed_and_lost_ones_are_named
    timestamps_and_numbers_come_back_as_they_went_in
}

fn open_sqlite(folder: &tempfile::TempDir) -> Result<Store, StoreError> {
    Store::open_sqlite(
        folder.path().join("feedback.db"),
        Role::Service,
        Metrics::new(),
    )
}

#[tokio::test]
async fn a_second_service_on_one_file_is_refused_and_a_command_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_sqlite(&folder).unwrap();

    assert!(open_sqlite(&folder).unwrap_err().is_taken_by_another());

    let path = folder.path().join("feedback.db");
    let command = Store::open_sqlite(path, Role::Command, Metrics::new()).unwrap();
    assert_eq!(
        command
            .accept(event("R_1", EARLY), LeaseWish::Wait)
            .await
            .unwrap(),
        Acceptance::Pending
    );
    assert_eq!(claim(&store).await.len(), 1);
}

#[tokio::test]
async fn a_restarted_service_takes_over_what_was_leased_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_sqlite(&folder).unwrap();
    store
        .accept(event("R_1", EARLY), LeaseWish::Lease)
        .await
        .unwrap();
    drop(store);

    let restarted = loop {
        // The writer thread ends a moment after the last handle.
        match open_sqlite(&folder) {
            Ok(store) => break store,
            Err(error) if error.is_taken_by_another() => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    };

    let leases = claim(&restarted).await;
    assert_eq!((leases.len(), leases[0].attempt()), (1, 2));
}
