//! Faults, seen from the driver.
use std::time::{Duration, Instant};

use crate::support::{code_of, connect, start, start_with, text_of, try_connect};
use hana_testserver::{Fault, Options, Server, User};
use hdbconnect_async::{Connection, HdbError};

async fn with_table() -> (Server, Connection) {
    let server = start().await;
    let connection = connect(&server).await;
    connection
        .statement("CREATE COLUMN TABLE T (ID NVARCHAR(10) PRIMARY KEY)")
        .await
        .unwrap();
    connection.set_auto_commit(false).await;
    (server, connection)
}

const INSERT: &str = "/* t.insert */ INSERT INTO T VALUES ('a')";

#[tokio::test]
async fn a_connection_cut_before_commit_has_committed_nothing() {
    let (server, connection) = with_table().await;
    connection.dml(INSERT).await.unwrap();
    server.faults().add(Fault::cut_before_commit().times(1));

    let error = connection.commit().await.unwrap_err();

    assert!(
        matches!(error, HdbError::ConnectionBroken { .. }),
        "{error:?}"
    );
    assert_eq!(
        text_of(&connect(&server).await, "SELECT ID FROM T").await,
        ""
    );
}

#[tokio::test]
async fn a_connection_cut_after_commit_has_committed() {
    let (server, connection) = with_table().await;
    connection.dml(INSERT).await.unwrap();
    server
        .faults()
        .add(Fault::cut_after_commit().matching("t.insert").times(1));

    let error = connection.commit().await.unwrap_err();

    assert!(
        matches!(error, HdbError::ConnectionBroken { .. }),
        "{error:?}"
    );
    assert_eq!(
        text_of(&connect(&server).await, "SELECT ID FROM T").await,
        "a"
    );
}

#[tokio::test]
async fn a_connection_cut_between_statements_rolls_back() {
    let (server, connection) = with_table().await;
    connection.dml(INSERT).await.unwrap();
    server.faults().add(Fault::cut().matching("t.second"));

    assert!(
        connection
            .dml("/* t.second */ DELETE FROM T")
            .await
            .is_err()
    );

    server.faults().clear();
    assert_eq!(
        text_of(&connect(&server).await, "SELECT ID FROM T").await,
        ""
    );
}

#[tokio::test]
async fn the_nth_matching_statement_fails_with_its_code() {
    let (server, connection) = with_table().await;
    for code in [129, 131, 133, 146, 259, 274, 301, 416] {
        server.faults().add(
            Fault::error(code)
                .matching("t.count")
                .from_match(2)
                .times(1),
        );
        let sql = "/* t.count */ SELECT COUNT(*) FROM T";

        assert_eq!(code_of(&connection, sql).await, None);
        assert_eq!(code_of(&connection, sql).await, Some(code));
        assert_eq!(code_of(&connection, sql).await, None);
        server.faults().clear();
    }
}

#[tokio::test]
async fn a_code_that_ends_the_transaction_does() {
    let (server, connection) = with_table().await;
    connection.dml(INSERT).await.unwrap();
    server
        .faults()
        .add(Fault::error(133).matching("t.second").times(1));

    assert_eq!(
        code_of(&connection, "/* t.second */ DELETE FROM T").await,
        Some(133)
    );

    connection.commit().await.unwrap();
    assert_eq!(text_of(&connection, "SELECT ID FROM T").await, "");
}

#[tokio::test]
async fn one_row_of_a_batch_fails() {
    let (server, connection) = with_table().await;
    server
        .faults()
        .add(Fault::error(301).row(1).matching("t.batch").times(1));
    let mut insert = connection
        .prepare("/* t.batch */ INSERT INTO T VALUES (?)")
        .await
        .unwrap();
    for id in ["a", "b", "c"] {
        insert.add_batch(&id).unwrap();
    }

    let error = insert.execute_batch().await.unwrap_err();

    assert!(matches!(error, HdbError::ExecutionResults(_)), "{error:?}");
    assert_eq!(
        text_of(&connection, "SELECT ID FROM T ORDER BY ID").await,
        "a;c"
    );
}

#[tokio::test]
async fn slow_statements_take_their_time() {
    let (server, connection) = with_table().await;
    server
        .faults()
        .add(Fault::slow(Duration::from_millis(150)).matching("t.insert"));

    let begun = Instant::now();
    connection.dml(INSERT).await.unwrap();

    assert!(begun.elapsed() >= Duration::from_millis(150));
}

#[tokio::test]
async fn a_read_only_database_takes_no_writes() {
    let (server, connection) = with_table().await;
    server.faults().add(Fault::read_only());

    assert_eq!(code_of(&connection, INSERT).await, Some(7));
    assert_eq!(text_of(&connection, "SELECT COUNT(*) FROM T").await, "0");

    server.faults().clear();
    connection.dml(INSERT).await.unwrap();
}

#[tokio::test]
async fn a_restart_breaks_connections_and_keeps_data() {
    let (server, connection) = with_table().await;
    connection.dml(INSERT).await.unwrap();
    connection.commit().await.unwrap();

    server.pause().await;
    assert!(connection.dml("DELETE FROM T").await.is_err());
    let refused = try_connect(&server).await.unwrap_err();
    assert!(matches!(refused, HdbError::Io { .. }), "{refused:?}");
    server.resume().await.unwrap();

    assert_eq!(
        text_of(&connect(&server).await, "SELECT ID FROM T").await,
        "a"
    );
    server.restart().await.unwrap();
    assert_eq!(
        text_of(&connect(&server).await, "SELECT ID FROM T").await,
        "a"
    );
}

#[tokio::test]
async fn a_wrong_password_and_a_locked_user_are_told() {
    let server = start().await;
    let code = |error: HdbError| match error {
        HdbError::Authentication { source } => match *source {
            HdbError::DbError { source } => Some(source.code()),
            _ => None,
        },
        _ => None,
    };

    for user in ["INGESTER:wrong", "ingester:Secret123", "NOBODY:Secret123"] {
        let url = format!("hdbsql://{user}@{}", server.addr());
        assert_eq!(
            code(Connection::new(url).await.unwrap_err()),
            Some(10),
            "{user}"
        );
    }
    server.faults().add(Fault::log_on(416).matching("INGESTER"));
    assert_eq!(code(try_connect(&server).await.unwrap_err()), Some(416));
}

#[tokio::test]
async fn rights_are_enforced_and_can_be_withdrawn() {
    let reader = User {
        schema: "INGESTER".to_owned(),
        can_create: false,
        read_only: true,
        ..User::new("READER", "Reader123")
    };
    let server = start_with(Options {
        users: vec![User::new("INGESTER", "Secret123"), reader],
        ..Options::default()
    })
    .await;
    let owner = connect(&server).await;
    owner
        .statement("CREATE COLUMN TABLE T (ID NVARCHAR(10) PRIMARY KEY)")
        .await
        .unwrap();
    let reader = Connection::new(format!("hdbsql://READER:Reader123@{}", server.addr()))
        .await
        .unwrap();

    assert_eq!(text_of(&reader, "SELECT COUNT(*) FROM T").await, "0");
    assert_eq!(code_of(&reader, INSERT).await, Some(258));
    assert_eq!(
        code_of(&reader, "CREATE COLUMN TABLE U (A INTEGER)").await,
        Some(258)
    );
    assert_eq!(code_of(&reader, "DROP TABLE T").await, Some(258));
    owner
        .statement("GRANT INSERT ON T TO READER")
        .await
        .unwrap();
    reader.dml(INSERT).await.unwrap();
    server
        .set_privilege("INGESTER", "INSERT", "INGESTER", false)
        .unwrap();
    assert_eq!(code_of(&owner, INSERT).await, Some(258));
}

#[tokio::test]
async fn what_happened_is_counted() {
    let (server, connection) = with_table().await;
    let before = server.counters();
    let mut insert = connection
        .prepare("/* t.batch */ INSERT INTO T VALUES (?)")
        .await
        .unwrap();
    for id in ["a", "b", "c"] {
        insert.add_batch(&id).unwrap();
    }

    insert.execute_batch().await.unwrap();
    connection.commit().await.unwrap();

    let after = server.counters();
    assert_eq!(after.round_trips - before.round_trips, 3);
    assert_eq!(after.commits - before.commits, 1);
    assert_eq!(after.statements.get("t.batch"), Some(&1));
    assert_eq!(after.rows.get("t.batch"), Some(&3));
    assert!(
        server
            .statements()
            .iter()
            .any(|text| text.starts_with("/* t.batch */"))
    );
    assert_eq!(
        after
            .sessions
            .values()
            .filter(|session| session.is_open)
            .count(),
        1
    );
}
