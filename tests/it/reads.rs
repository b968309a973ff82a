//! Reads that are slow, abandoned, or many: none of them holds up the others.

use std::time::Duration;

use ingester_core::row::{Cell, ColumnType};
use ingester_core::sql::Statement;
use qualtrics_ingester::store::{Reader, Role, RowStream, Select, Store};
use qualtrics_ingester::telemetry::metrics::Metrics;

const ENDLESS: &str =
    "WITH RECURSIVE N(I) AS (SELECT 1 UNION ALL SELECT I + 1 FROM N) SELECT I FROM N";

struct Reads {
    store: Store,
    _folder: tempfile::TempDir,
}

impl Reads {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("feedback.db");
        Self {
            store: Store::open_sqlite(path, Role::Service, Metrics::new()).unwrap(),
            _folder: folder,
        }
    }

    async fn endless(&self) -> RowStream {
        let streams = self
            .store
            .snapshot(Reader::Viewer, vec![select(ENDLESS)])
            .await;
        streams.unwrap().pop().unwrap()
    }
}

fn select(text: &'static str) -> Select {
    Select {
        statement: Statement::new(text),
        kinds: [ColumnType::BigInt].into(),
    }
}

/// A read must be answered well before any limit frees a connection.
async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let answered = tokio::time::timeout(Duration::from_secs(3), future).await;
    answered.unwrap_or_else(|_| panic!("not within 3 s: {what}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn stalled_viewers_do_not_hold_up_the_service() {
    let reads = Reads::open();
    let mut stalled = Vec::new();
    // As many as there are connections for viewers.
    for _ in 0..3 {
        stalled.push(reads.endless().await);
    }

    let rows = soon(
        "a read of the service",
        reads
            .store
            .rows(Statement::new("SELECT 1"), &[ColumnType::BigInt]),
    )
    .await;

    assert_eq!(*rows.unwrap()[0], [Cell::Integer(1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_read_frees_its_connection() {
    let reads = Reads::open();
    for _ in 0..20 {
        let mut stream = soon("a connection", reads.endless()).await;
        assert!(stream.recv().await.unwrap().is_ok());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_see_one_state_and_fail_together() {
    let reads = Reads::open();
    let change = "INSERT INTO \"QUALTRICS_RUNS\" (\"JOB\", \"SURVEY_ID\") VALUES ('a', 'b')";
    let count = "SELECT COUNT(*) FROM \"QUALTRICS_RUNS\"";
    let many = "WITH RECURSIVE N(I) AS (SELECT 1 UNION ALL SELECT I + 1 FROM N WHERE I < 5000) SELECT I FROM N";

    let selects = vec![select(count), select(many), select(count)];
    let mut streams = reads
        .store
        .snapshot(Reader::Viewer, selects)
        .await
        .unwrap()
        .into_iter();
    let before = streams.next().unwrap().all().await.unwrap();
    // The second statement is stalled half-way, so that this lands between the two counts.
    reads.store.run(vec![Statement::new(change)]).await.unwrap();
    assert_eq!(streams.next().unwrap().all().await.unwrap().len(), 5000);
    let after = streams.next().unwrap().all().await.unwrap();

    assert_eq!(before, after);
    let selects = vec![
        select("SELECT 1"),
        select("SELECT 1 FROM \"NOPE\""),
        select("SELECT 1"),
    ];
    let streams = reads.store.snapshot(Reader::Viewer, selects).await.unwrap();
    let mut results = Vec::new();
    for stream in streams {
        results.push(stream.all().await.map_err(|error| error.code()));
    }
    assert!(results[0].is_ok());
    assert_eq!(results[1], Err("table-missing"));
    assert_eq!(
        results[2],
        Err("table-missing"),
        "never as if there were no rows"
    );
}
