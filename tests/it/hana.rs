//! The store on HANA where it differs from a file: round trips, lost connections, other instances, a database that is
//! away or refuses. What both stores do alike is in `store.rs`.
//!
//! Long because each way in which a remote database differs from a file is a test of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use hana_testserver::{Counters, Fault, Options, Tls, User};
use ingester_core::inbox::{Acceptance, Finished, Lease, Outcome};
use ingester_core::row::{Cell, ColumnType};
use ingester_core::sql::{Statement, inbox};
use qualtrics_ingester::config::{self, Certificate};
use qualtrics_ingester::lifecycle::Lifecycle;
use qualtrics_ingester::store::{LeaseWish, Role, Store, StoreError};
use qualtrics_ingester::telemetry::metrics::Metrics;

use crate::hana_support::TestHana;
use crate::store::{EARLY, LATE, SURVEY, event, row, table};

/// What a server did between two looks at its counters.
fn between(before: &Counters, after: &Counters) -> BTreeMap<String, u64> {
    let mut difference: BTreeMap<String, u64> = after
        .statements
        .iter()
        .map(|(name, count)| {
            (
                name.clone(),
                count - before.statements.get(name).unwrap_or(&0),
            )
        })
        .filter(|(_, count)| *count > 0)
        .collect();
    difference.insert(
        "round trips".to_owned(),
        after.round_trips - before.round_trips,
    );
    difference
}

async fn leased(store: &Store, response: &str) -> Lease {
    match store
        .accept(event(response, EARLY), LeaseWish::Lease)
        .await
        .unwrap()
    {
        Acceptance::Leased(lease) => lease,
        other => panic!("expected a lease, got {other:?}"),
    }
}

async fn leased_many(store: &Store, count: usize) -> Vec<Lease> {
    join_all((0..count).map(|n| {
        let store = store.clone();
        async move { leased(&store, &format!("R_{n}")).await }
    }))
    .await
}

async fn finish_all(store: &Store, leases: &[Lease]) -> Vec<Result<Finished, StoreError>> {
    join_all(leases.iter().map(|lease| {
        let response = lease.event().response_id.to_string();
        store.finish(lease, row(&response, "fine"))
    }))
    .await
}

/// Table and connections are there, statements prepared.
async fn warm(hana: &TestHana) -> Store {
    let store = hana.open();
    store.create_table(&table()).await.unwrap();
    let lease = leased(&store, "R_warm").await;
    store.finish(&lease, row("R_warm", "fine")).await.unwrap();
    store
}

async fn number(store: &Store, sql: &'static str) -> i64 {
    let rows = store
        .rows(Statement::new(sql), &[ColumnType::BigInt])
        .await
        .unwrap();
    match rows[0][0] {
        Cell::Integer(number) => number,
        ref other => panic!("{other:?}"),
    }
}

async fn rows_and_done(store: &Store) -> (i64, i64) {
    let rows = number(store, "SELECT COUNT(*) FROM \"FEEDBACK\"").await;
    let done = "SELECT COUNT(*) FROM \"QUALTRICS_INBOX\" WHERE \"STATE\" = 'done'";
    (rows, number(store, done).await)
}

#[tokio::test]
async fn an_accepted_batch_is_two_round_trips() {
    let hana = TestHana::start().await;
    let store = warm(&hana).await;
    let before = hana.server.counters();

    leased_many(&store, 300).await;

    let done = between(&before, &hana.server.counters());
    let batches = done["inbox.accept"];
    assert!(batches <= 3, "{done:?}");
    assert_eq!(
        (done["COMMIT"], done["round trips"]),
        (batches, 2 * batches),
        "{done:?}"
    );
}

#[tokio::test]
async fn a_finished_batch_is_a_round_trip_a_table_and_one_for_the_commit() {
    let hana = TestHana::start().await;
    let store = warm(&hana).await;
    let leases = leased_many(&store, 300).await;
    // So that positions are in hand.
    let lease = leased(&store, "R_again").await;
    store.finish(&lease, row("R_again", "fine")).await.unwrap();
    let before = hana.server.counters();

    for finished in finish_all(&store, &leases).await {
        assert!(matches!(finished.unwrap(), Finished::Committed(_)));
    }

    let done = between(&before, &hana.server.counters());
    let batches = done["COMMIT"];
    assert!(batches <= 3, "{done:?}");
    for table in ["inbox.settle", "raw.merge", "row.upsert", "changes.add"] {
        assert_eq!(done[table], batches, "{done:?}");
    }
    assert_eq!(done["round trips"], 5 * batches, "{done:?}");
}

#[tokio::test]
async fn a_slow_database_makes_large_batches() {
    let hana = TestHana::start().await;
    let store = warm(&hana).await;
    hana.server
        .faults()
        .add(Fault::slow(Duration::from_millis(20)));
    let before = hana.server.counters().commits;

    let leases = leased_many(&store, 1000).await;
    finish_all(&store, &leases).await;

    let commits = hana.server.counters().commits - before;
    assert!(commits <= 40, "{commits} commits");
    assert_eq!(rows_and_done(&store).await, (1001, 1001));
}

#[tokio::test]
async fn a_storm_of_one_event_costs_one_look() {
    let hana = TestHana::start().await;
    let store = warm(&hana).await;
    let first = leased(&store, "R_1").await;
    let before = hana.server.counters();

    let answers =
        join_all((0..400).map(|_| store.accept(event("R_1", EARLY), LeaseWish::Lease))).await;

    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer, Ok(Acceptance::Duplicate)))
    );
    let rows = &hana.server.counters().rows;
    assert!(rows["inbox.accept"] - before.rows["inbox.accept"] <= 3);
    assert_eq!(
        store
            .finish(&first, Outcome::Row(mapped("R_1")))
            .await
            .map(|finished| matches!(finished, Finished::Committed(_)))
            .ok(),
        Some(true)
    );
}

fn mapped(response: &str) -> Arc<ingester_core::inbox::Mapped> {
    match row(response, "fine") {
        Outcome::Row(mapped) => mapped,
        other => panic!("{other:?}"),
    }
}

/// Cuts the connection around the commits of accepts, then of finishes: nobody is told anything wrong, and everything
/// is there once.
async fn commits_are_cut(fault: fn() -> Fault) {
    let hana = TestHana::start().await;
    let store = warm(&hana).await;

    hana.server
        .faults()
        .add(fault().matching("inbox.accept").times(1));
    let mut leases = leased_many(&store, 50).await;
    let waiting = store.accept(event("R_waits", EARLY), LeaseWish::Wait);
    hana.server
        .faults()
        .add(fault().matching("inbox.accept").times(1));
    assert_eq!(waiting.await.unwrap(), Acceptance::Pending);
    let claimed = store
        .claim(Arc::from([SURVEY.parse().unwrap()]), 10)
        .await
        .unwrap();
    assert_eq!(claimed.len(), 1);
    leases.extend(claimed);
    assert_eq!(
        store
            .accept(event("R_1", EARLY), LeaseWish::Lease)
            .await
            .unwrap(),
        Acceptance::Duplicate
    );

    hana.server
        .faults()
        .add(fault().matching("inbox.settle").times(1));
    let finished = finish_all(&store, &leases).await;

    for (finished, lease) in finished.into_iter().zip(&leases) {
        let response = &lease.event().response_id;
        match finished {
            Ok(Finished::Committed(change)) => assert!(change.position > 0, "{response}"),
            other => panic!("{response}: {other:?}"),
        }
    }
    assert_eq!(rows_and_done(&store).await, (52, 52));
    let changes = number(&store, "SELECT COUNT(*) FROM \"QUALTRICS_CHANGES\"").await;
    assert_eq!(changes, 52);
}

#[tokio::test]
async fn a_connection_cut_before_a_commit_loses_and_doubles_nothing() {
    commits_are_cut(Fault::cut_before_commit).await;
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_found_out_by_reading_back() {
    commits_are_cut(Fault::cut_after_commit).await;
}

#[tokio::test]
async fn outcomes_other_than_rows_survive_a_lost_commit_too() {
    let hana = TestHana::start().await;
    let store = warm(&hana).await;
    let newer = leased(&store, "R_newer").await;
    store.finish(&newer, row("R_newer", "fine")).await.unwrap();
    let reason = || ingester_core::inbox::Reason::new("preview", "a preview");
    let outcomes = [
        Outcome::Skip(reason()),
        Outcome::Dead(reason()),
        Outcome::Retry {
            after: Duration::from_secs(60),
            reason: reason(),
        },
    ];
    for (n, outcome) in outcomes.into_iter().enumerate() {
        let lease = leased(&store, &format!("R_{n}")).await;
        hana.server
            .faults()
            .add(Fault::cut_after_commit().matching("inbox.settle").times(1));

        let finished = store.finish(&lease, outcome).await.unwrap();

        assert_eq!(finished, Finished::Settled);
    }
}

#[tokio::test]
async fn what_the_database_ends_is_tried_again() {
    let hana = TestHana::start().await;
    let store = warm(&hana).await;
    for code in [129, 131, 133, 146, 301] {
        let response = format!("R_{code}");
        hana.server
            .faults()
            .add(Fault::error(code).matching("inbox.accept").times(1));
        let lease = leased(&store, &response).await;
        for statement in ["inbox.settle", "raw.merge", "row.upsert", "changes.add"] {
            hana.server
                .faults()
                .add(Fault::error(code).matching(statement).times(1));
        }

        let finished = store.finish(&lease, row(&response, "fine")).await;

        assert!(
            matches!(finished, Ok(Finished::Committed(_))),
            "{code}: {finished:?}"
        );
    }
    assert_eq!(rows_and_done(&store).await, (6, 6));
}

#[tokio::test]
async fn one_bad_row_never_fails_its_batch_and_its_answer_is_not_quoted() {
    let hana = TestHana::start().await;
    let store = warm(&hana).await;
    let leases = leased_many(&store, 40).await;
    hana.server
        .faults()
        .add(Fault::error(274).matching("row.upsert").row(7).times(1));
    let long = leased(&store, "R_long").await;
    let too_long = row("R_long", "a secret answer that is too long");

    let (finished, error) =
        tokio::join!(finish_all(&store, &leases), store.finish(&long, too_long));

    let refused = finished.iter().filter(|finished| finished.is_err()).count();
    assert!(refused <= 1, "{finished:?}");
    let error = error.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the row does not fit the table: run `schema diff` (HANA error 274: inserted value too large for column)"
    );
    assert_eq!(
        rows_and_done(&store).await.0,
        41 - i64::try_from(refused).unwrap()
    );
}

#[tokio::test]
async fn a_row_that_somebody_elses_constraint_refuses_fails_alone() {
    let hana = TestHana::start().await;
    let store = warm(&hana).await;
    let owner = hdbconnect_async::Connection::new(hana.server.url())
        .await
        .unwrap();
    owner
        .exec("CREATE UNIQUE INDEX \"ONE_ANSWER\" ON \"FEEDBACK\" (\"Q1\")")
        .await
        .unwrap();
    let leases = leased_many(&store, 12).await;

    let finishing = leases.iter().enumerate().map(|(n, lease)| {
        // The row that is there already says "fine".
        let answer = if n == 5 {
            "fine".to_owned()
        } else {
            format!("other {n}")
        };
        store.finish(lease, row(lease.event().response_id.as_ref(), &answer))
    });
    let finished = join_all(finishing).await;

    for (n, finished) in finished.iter().enumerate() {
        assert_eq!(finished.is_err(), n == 5, "{n}: {finished:?}");
    }
    assert_eq!(finished[5].as_ref().unwrap_err().code(), "row-refused");
}

#[tokio::test]
async fn a_read_only_database_is_said_and_heals() {
    let hana = TestHana::start().await;
    let store = warm(&hana).await;
    hana.server.faults().add(Fault::read_only());

    let error = store
        .accept(event("R_1", EARLY), LeaseWish::Lease)
        .await
        .unwrap_err();

    assert_eq!(
        (error.code(), error.is_transient()),
        ("database-read-only", true)
    );
    assert!(store.health().problem().is_some());
    hana.server.faults().clear();
    leased(&store, "R_1").await;
    assert!(store.health().problem().is_none());
}

#[tokio::test]
async fn a_wrong_password_is_tried_once_and_named() {
    let hana = TestHana::start().await;
    let settings = config::Hana {
        password: "wrong".to_owned().into(),
        ..hana.settings()
    };
    let store = Store::open_hana(settings, Role::Service, Metrics::new()).unwrap();

    for _ in 0..5 {
        let error = store
            .accept(event("R_1", EARLY), LeaseWish::Lease)
            .await
            .unwrap_err();
        assert_eq!(error.code(), "database-denied");
        assert_eq!(
            error.to_string(),
            "the database refuses the user: check user and password, and whether the user is locked \
             (HANA error 10: authentication failed)"
        );
    }

    assert_eq!(hana.server.counters().sessions.len(), 1);
}

#[tokio::test]
async fn a_database_that_is_away_is_said_at_once_and_healed_without_a_restart() {
    let hana = TestHana::start().await;
    let store = warm(&hana).await;
    hana.server.pause().await;

    let asked = Instant::now();
    for _ in 0..20 {
        let error = store
            .accept(event("R_1", EARLY), LeaseWish::Lease)
            .await
            .unwrap_err();
        assert_eq!(error.code(), "database-unavailable");
        for cause in [
            "stopped",
            "list of allowed addresses",
            "host, port or certificate",
        ] {
            assert!(error.to_string().contains(cause), "{error}");
        }
    }
    assert!(
        asked.elapsed() < Duration::from_secs(3),
        "{:?}",
        asked.elapsed()
    );
    assert!(store.health().problem().is_some());

    hana.server.resume().await.unwrap();
    let healed = Instant::now();
    while store
        .accept(event("R_2", EARLY), LeaseWish::Lease)
        .await
        .is_err()
    {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(healed.elapsed() < Duration::from_secs(10));
    }
    assert!(store.health().problem().is_none());
    assert_eq!(rows_and_done(&store).await, (1, 1));
}

#[tokio::test]
async fn a_database_restarted_under_load_loses_and_doubles_nothing() {
    let hana = TestHana::start().await;
    let store = warm(&hana).await;
    let (mut acknowledged, mut committed) = (1, 1);
    for round in 0..8 {
        let work = (0..40).map(|n| {
            let (store, response) = (store.clone(), format!("R_{round}x{n}"));
            async move {
                let Ok(Acceptance::Leased(lease)) = store
                    .accept(event(&response, EARLY), LeaseWish::Lease)
                    .await
                else {
                    return (false, false);
                };
                let deadline = Instant::now() + Duration::from_secs(10);
                while Instant::now() < deadline {
                    match store.finish(&lease, row(&response, "fine")).await {
                        Ok(Finished::Committed(_)) => return (true, true),
                        Ok(other) => panic!("{other:?}"),
                        Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                    }
                }
                (true, false)
            }
        });
        let restart = async {
            tokio::time::sleep(Duration::from_millis(7 * round)).await;
            hana.server.cut_connections();
        };

        let (results, ()) = tokio::join!(join_all(work), restart);

        acknowledged += results.iter().filter(|(accepted, _)| *accepted).count();
        committed += results.iter().filter(|(_, committed)| *committed).count();
    }
    assert_eq!(acknowledged, committed);
    // An attempt to connect that was cut is followed by a short pause, of which readers hear too.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (rows, done) = rows_and_done(&store).await;
    assert_eq!(rows, done);
    assert!(
        usize::try_from(rows).unwrap() == committed,
        "{rows} {committed}"
    );
}

#[tokio::test]
async fn a_reader_that_goes_away_leaves_no_answer_to_the_next() {
    let hana = TestHana::start().await;
    let store = warm(&hana).await;
    hana.server
        .faults()
        .add(Fault::slow(Duration::from_millis(100)).matching("/* first */"));
    for n in 0_i64..6 {
        let asking = store.rows(
            Statement::new("/* first */ SELECT 111 FROM DUMMY"),
            &[ColumnType::BigInt],
        );
        // The asker hangs up while the database works.
        assert!(
            tokio::time::timeout(Duration::from_millis(20), asking)
                .await
                .is_err()
        );

        let answer = store
            .rows(
                Statement::new("SELECT CAST(? AS BIGINT) FROM DUMMY").with([Cell::Integer(n)]),
                &[ColumnType::BigInt],
            )
            .await
            .unwrap();

        assert_eq!(*answer[0], [Cell::Integer(n)]);
    }
}

#[tokio::test]
async fn long_results_are_read_in_chunks_and_only_as_far_as_wanted() {
    let hana = TestHana::start().await;
    let store = warm(&hana).await;
    let leases = leased_many(&store, 1500).await;
    finish_all(&store, &leases).await;
    let ids = || Statement::new("SELECT \"RESPONSEID\" FROM \"FEEDBACK\" ORDER BY \"RESPONSEID\"");
    let kinds: Arc<[ColumnType]> = Arc::from([ColumnType::NVarchar(50)]);

    let mut stream = store.select(ids(), kinds.clone()).await.unwrap();
    let first = stream.recv().await.unwrap().unwrap();
    assert!((1..=256).contains(&first.len()));
    drop(stream);

    let all = store.rows(ids(), &kinds).await.unwrap();
    assert_eq!(all.len(), 1501);
}

#[tokio::test]
async fn a_user_without_the_right_to_create_is_told_what_to_run() {
    let mut user = User::new("INGESTER", "Secret123");
    user.can_create = false;
    let hana = TestHana::start_with(Options {
        users: vec![user],
        ..Options::default()
    })
    .await;
    let store = hana.open();

    let error = store
        .accept(event("R_1", EARLY), LeaseWish::Lease)
        .await
        .unwrap_err();

    assert_eq!(error.code(), "privilege-missing");
    let text = error.to_string();
    assert!(
        text.contains("run as the schema's owner: CREATE COLUMN TABLE \"QUALTRICS_INBOX\""),
        "{text}"
    );
    assert!(
        text.contains("CREATE SEQUENCE \"QUALTRICS_POSITIONS\""),
        "{text}"
    );
}

#[tokio::test]
async fn a_tables_right_that_is_missing_is_named_with_its_statement() {
    let hana = TestHana::start().await;
    let store = hana.open();
    leased(&store, "R_1").await;
    hana.server
        .set_privilege("INGESTER", "CREATE ANY", "INGESTER", false)
        .unwrap();

    let error = store.create_table(&table()).await.unwrap_err();

    assert_eq!(error.code(), "privilege-missing");
    assert!(
        error
            .to_string()
            .contains("run as the schema's owner: CREATE COLUMN TABLE \"FEEDBACK\""),
        "{error}"
    );
}

async fn with_tls(tls: Tls) -> Result<Acceptance, StoreError> {
    let pem = tls.certificate_pem().to_owned();
    let hana = TestHana::start_with(Options {
        tls: Some(tls),
        ..Options::default()
    })
    .await;
    let settings = config::Hana {
        host: "localhost".to_owned(),
        tls: true,
        certificate: Some(Certificate::Pem(pem)),
        ..hana.settings()
    };
    let store = Store::open_hana(settings, Role::Service, Metrics::new()).unwrap();
    store.accept(event("R_1", EARLY), LeaseWish::Wait).await
}

#[tokio::test]
async fn a_bindings_certificate_is_trusted_and_an_expired_one_is_not() {
    let trusted = with_tls(Tls::self_signed(&["localhost"]).unwrap()).await;
    assert_eq!(trusted.unwrap(), Acceptance::Pending);

    let expired = with_tls(Tls::expired(&["localhost"]).unwrap()).await;
    let error = expired.unwrap_err();
    assert_eq!(error.code(), "database-unavailable");
    assert!(error.to_string().contains("xpired"), "{error}");
}

#[tokio::test]
async fn three_instances_do_each_event_once_and_take_over_what_two_left() {
    let hana = TestHana::start().await;
    let first = warm(&hana).await;
    let stores = [first, hana.open(), hana.open()];
    let surveys: Arc<[_]> = Arc::from([SURVEY.parse().unwrap()]);

    // Every event is told to all three at once, some a second time.
    let told = join_all((0..300).flat_map(|n| {
        stores.iter().cycle().take(5).map(move |store| {
            let event = event(&format!("R_{n}"), EARLY);
            store.accept(
                event,
                if n % 3 == 0 {
                    LeaseWish::Wait
                } else {
                    LeaseWish::Lease
                },
            )
        })
    }))
    .await;
    let mut leases = Vec::new();
    let mut pending = 0;
    for acceptance in told {
        match acceptance.unwrap() {
            Acceptance::Leased(lease) => leases.push(lease),
            Acceptance::Pending => pending += 1,
            Acceptance::Duplicate => {}
        }
    }
    assert_eq!((leases.len(), pending), (200, 100));

    // What waits is claimed by all three at once, by each something else.
    let claimed = join_all(stores.iter().map(|store| store.claim(surveys.clone(), 100))).await;
    leases.extend(claimed.into_iter().flat_map(Result::unwrap));
    assert_eq!(leases.len(), 300);

    // Two are killed: what they held stays leased.
    // The one that holds least survives, so that there is something to take over.
    let mut stores = stores;
    stores.sort_by_key(|store| {
        let is_its = |lease: &&Lease| lease.fence().owner == *store.owner();
        leases.iter().filter(is_its).count()
    });
    let [survivor, other, third] = stores;
    let owner = survivor.owner().clone();
    drop((other, third));
    let (own, orphaned): (Vec<_>, Vec<_>) = leases
        .into_iter()
        .partition(|lease| lease.fence().owner == owner);
    assert!(!orphaned.is_empty());
    for finished in finish_all(&survivor, &own).await {
        assert!(matches!(finished.unwrap(), Finished::Committed(_)));
    }
    let died = Instant::now();
    let mut taken_over = Vec::new();
    while taken_over.len() < orphaned.len() {
        tokio::time::sleep(Duration::from_secs(1)).await;
        taken_over.extend(survivor.claim(surveys.clone(), 64).await.unwrap());
        assert!(
            died.elapsed() < Duration::from_secs(20),
            "{} of {}",
            taken_over.len(),
            orphaned.len()
        );
    }
    for finished in finish_all(&survivor, &taken_over).await {
        assert!(matches!(finished.unwrap(), Finished::Committed(_)));
    }
    // Those that come back too late write nothing.
    for finished in finish_all(&survivor, &orphaned).await {
        assert_eq!(finished.unwrap(), Finished::LeaseLost);
    }
    assert_eq!(rows_and_done(&survivor).await, (301, 301));
}

#[tokio::test]
async fn claims_do_without_ignore_locked_where_it_is_unknown() {
    let hana = TestHana::start().await;
    let store = warm(&hana).await;
    store
        .accept(event("R_1", EARLY), LeaseWish::Wait)
        .await
        .unwrap();
    hana.server
        .faults()
        .add(Fault::error(257).matching("IGNORE LOCKED"));
    let surveys: Arc<[_]> = Arc::from([SURVEY.parse().unwrap()]);

    assert!(store.claim(surveys.clone(), 10).await.is_err());

    assert_eq!(store.claim(surveys, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_newer_event_and_an_older_one_at_once_end_as_the_newer() {
    let hana = TestHana::start().await;
    let store = warm(&hana).await;

    let (older, newer) = tokio::join!(
        store.accept(event("R_1", EARLY), LeaseWish::Wait),
        store.accept(event("R_1", LATE), LeaseWish::Wait),
    );

    assert!(older.is_ok());
    assert_eq!(newer.unwrap(), Acceptance::Pending);
    let selection = inbox::Selection {
        response: Some("R_1".parse().unwrap()),
        ..inbox::Selection::default()
    };
    let kinds = [
        ColumnType::NVarchar(18),
        ColumnType::NVarchar(69),
        ColumnType::Timestamp,
    ];
    let rows = store
        .rows(inbox::list(&selection, 1), &kinds)
        .await
        .unwrap();
    assert_eq!(rows[0][2], Cell::Timestamp(LATE.parse().unwrap()));
}

/// What the core says that HANA is sent; the same file is held against outside grammars.
const STATEMENTS: &str = include_str!("../../crates/core/tests/hana_statements.sql");

#[tokio::test]
async fn every_statement_is_one_that_the_database_takes() {
    let hana = TestHana::start().await;
    let connection = hdbconnect_async::Connection::new(hana.server.url())
        .await
        .unwrap();
    let mut refused = Vec::new();
    // The test server keeps no snapshots; the store does without where the database refuses.
    let has_no_snapshots = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ";
    for statement in STATEMENTS.split(";\n").filter(|text| !text.is_empty()) {
        let is_definition = ["CREATE", "ALTER", "SET"]
            .iter()
            .any(|word| statement.starts_with(word));
        let result = if is_definition {
            connection.exec(statement).await
        } else {
            connection.prepare(statement).await.map(drop)
        };
        if let Err(error) = result
            && statement != has_no_snapshots
        {
            refused.push(format!("{statement}\n  {}", error.display_with_inner()));
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[tokio::test]
async fn leases_survive_a_database_that_takes_two_seconds_a_statement() {
    let hana = TestHana::start().await;
    let store = warm(&hana).await;
    let lease = leased(&store, "R_1").await;
    // Statements of every lane are prepared before it gets slow.
    store.renew(vec![lease.fence()]).await.unwrap();
    hana.server
        .faults()
        .add(Fault::slow(Duration::from_secs(2)));

    let begun = Instant::now();
    let life = Lifecycle::new();
    let mut accepting = Vec::new();
    while begun.elapsed() < Duration::from_secs(14) {
        // Callbacks and rows keep the other lanes busy meanwhile.
        let busy = store.clone();
        let response = format!("R_busy{}", accepting.len());
        accepting.push(life.spawn("busy", async move {
            let lease = leased(&busy, &response).await;
            busy.finish(&lease, row(&response, "fine")).await
        }));
        assert_eq!(store.renew(vec![lease.fence()]).await.unwrap(), []);
        tokio::time::sleep(Duration::from_secs(3)).await;
    }

    hana.server.faults().clear();
    let finished = store.finish(&lease, row("R_1", "fine")).await.unwrap();
    assert!(matches!(finished, Finished::Committed(_)));
    for accepted in accepting {
        assert!(matches!(
            accepted.await.unwrap(),
            Ok(Finished::Committed(_))
        ));
    }
}
