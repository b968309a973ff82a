//! Transactions of several sessions at once: visibility, row locks, deadlocks.
use std::time::{Duration, Instant};

use crate::support::{code_of, connect, start, text_of};
use hana_testserver::Server;
use hdbconnect_async::Connection;

/// Two sessions without auto-commit on a table with the rows `a` and `b`.
async fn two_sessions() -> (Server, Connection, Connection) {
    let server = start().await;
    let first = connect(&server).await;
    for sql in [
        "CREATE COLUMN TABLE T (ID NVARCHAR(10) PRIMARY KEY, N INTEGER)",
        "INSERT INTO T VALUES ('a', 1)",
        "INSERT INTO T VALUES ('b', 2)",
    ] {
        first.statement(sql).await.unwrap();
    }
    let second = connect(&server).await;
    for connection in [&first, &second] {
        connection.set_auto_commit(false).await;
        connection
            .statement("SET TRANSACTION LOCK WAIT TIMEOUT 5000")
            .await
            .unwrap();
    }
    (server, first, second)
}

const ALL: &str = "SELECT ID, N FROM T ORDER BY ID";

#[tokio::test]
async fn what_is_not_committed_is_seen_by_its_session_only() {
    let (_server, first, second) = two_sessions().await;

    first
        .dml("UPDATE T SET N = 10 WHERE ID = 'a'")
        .await
        .unwrap();
    first.dml("DELETE FROM T WHERE ID = 'b'").await.unwrap();
    first.dml("INSERT INTO T VALUES ('c', 3)").await.unwrap();
    first
        .dml("UPDATE T SET N = 30 WHERE ID = 'c'")
        .await
        .unwrap();

    assert_eq!(text_of(&first, ALL).await, "a|10;c|30");
    assert_eq!(text_of(&second, ALL).await, "a|1;b|2");
    first.rollback().await.unwrap();
    assert_eq!(text_of(&first, ALL).await, "a|1;b|2");

    first
        .dml("UPSERT T VALUES ('a', 11) WITH PRIMARY KEY")
        .await
        .unwrap();
    first.commit().await.unwrap();
    assert_eq!(text_of(&second, ALL).await, "a|11;b|2");
}

#[tokio::test]
async fn a_writer_waits_for_the_row_and_writes_over_it() {
    let (_server, first, second) = two_sessions().await;
    first
        .dml("UPDATE T SET N = N + 10 WHERE ID = 'a'")
        .await
        .unwrap();
    second
        .dml("UPDATE T SET N = N + 100 WHERE ID = 'b'")
        .await
        .unwrap();

    let waiting = tokio::spawn(async move {
        second
            .dml("UPDATE T SET N = N + 100 WHERE ID = 'a'")
            .await
            .unwrap();
        second.commit().await.unwrap();
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!waiting.is_finished());
    first.commit().await.unwrap();
    waiting.await.unwrap();

    assert_eq!(text_of(&first, ALL).await, "a|111;b|102");
}

#[tokio::test]
async fn too_long_a_wait_ends_the_transaction() {
    let (_server, first, second) = two_sessions().await;
    first
        .dml("UPDATE T SET N = 10 WHERE ID = 'a'")
        .await
        .unwrap();
    second
        .dml("UPDATE T SET N = 20 WHERE ID = 'b'")
        .await
        .unwrap();
    second
        .statement("SET TRANSACTION LOCK WAIT TIMEOUT 100")
        .await
        .unwrap();

    let begun = Instant::now();
    let code = code_of(&second, "UPDATE T SET N = 20 WHERE ID = 'a'").await;

    assert_eq!(code, Some(131));
    assert!(begun.elapsed() >= Duration::from_millis(100));
    assert_eq!(text_of(&second, ALL).await, "a|1;b|2");
}

#[tokio::test]
async fn a_circle_of_waits_is_a_deadlock() {
    let (_server, first, second) = two_sessions().await;
    first
        .dml("UPDATE T SET N = 10 WHERE ID = 'a'")
        .await
        .unwrap();
    second
        .dml("UPDATE T SET N = 20 WHERE ID = 'b'")
        .await
        .unwrap();

    let waiting = tokio::spawn(async move {
        first
            .dml("UPDATE T SET N = 10 WHERE ID = 'b'")
            .await
            .unwrap();
        first.commit().await.unwrap();
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let code = code_of(&second, "UPDATE T SET N = 20 WHERE ID = 'a'").await;

    assert_eq!(code, Some(133));
    waiting.await.unwrap();
    assert_eq!(text_of(&second, ALL).await, "a|10;b|10");
}

#[tokio::test]
async fn locked_rows_are_waited_for_refused_or_left_out() {
    let (_server, first, second) = two_sessions().await;
    assert_eq!(
        text_of(&first, "SELECT ID FROM T WHERE ID = 'a' FOR UPDATE").await,
        "a"
    );

    assert_eq!(
        code_of(&second, "SELECT ID FROM T FOR UPDATE NOWAIT").await,
        Some(146)
    );
    let left = "SELECT ID FROM T ORDER BY ID LIMIT 1 FOR UPDATE IGNORE LOCKED";
    assert_eq!(text_of(&second, left).await, "b");
    assert_eq!(
        text_of(&first, "SELECT ID FROM T FOR UPDATE IGNORE LOCKED").await,
        "a"
    );
    second.rollback().await.unwrap();
    let begun = Instant::now();
    assert_eq!(
        code_of(&second, "SELECT ID FROM T FOR UPDATE WAIT 1").await,
        Some(131)
    );
    assert!(begun.elapsed() >= Duration::from_secs(1));

    first.commit().await.unwrap();
    assert_eq!(
        text_of(&second, "SELECT ID FROM T ORDER BY ID FOR UPDATE").await,
        "a;b"
    );
}

#[tokio::test]
async fn a_key_that_another_inserts_is_waited_for_and_then_taken() {
    let (_server, first, second) = two_sessions().await;
    first.dml("INSERT INTO T VALUES ('n', 1)").await.unwrap();

    let waiting = tokio::spawn(async move {
        let first_try = code_of(&second, "UPSERT T VALUES ('n', 2) WITH PRIMARY KEY").await;
        let second_try = second
            .dml("UPSERT T VALUES ('n', 2) WITH PRIMARY KEY")
            .await
            .unwrap();
        second.commit().await.unwrap();
        (first_try, second_try)
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    first.commit().await.unwrap();

    // Source: the dossier, 3.2: HANA may answer so, and a retry then updates.
    assert_eq!(waiting.await.unwrap(), (Some(301), 1));
    assert_eq!(text_of(&first, ALL).await, "a|1;b|2;n|2");
}

#[tokio::test]
async fn a_connection_that_ends_takes_its_transaction_along() {
    let (server, first, second) = two_sessions().await;
    first
        .dml("UPDATE T SET N = 10 WHERE ID = 'a'")
        .await
        .unwrap();

    server.cut_connections();
    assert!(second.commit().await.is_err());

    let third = connect(&server).await;
    assert_eq!(text_of(&third, ALL).await, "a|1;b|2");
    third
        .dml("UPDATE T SET N = 3 WHERE ID = 'a'")
        .await
        .unwrap();
}

#[tokio::test]
async fn a_definition_commits_what_was_open() {
    let (_server, first, second) = two_sessions().await;
    first
        .dml("UPDATE T SET N = 10 WHERE ID = 'a'")
        .await
        .unwrap();

    first
        .statement("CREATE COLUMN TABLE U (A INTEGER)")
        .await
        .unwrap();
    first.rollback().await.unwrap();

    assert_eq!(text_of(&second, ALL).await, "a|10;b|2");
}

#[tokio::test]
async fn a_failing_statement_leaves_the_transaction_as_it_was() {
    let (_server, first, _second) = two_sessions().await;
    first
        .dml("UPDATE T SET N = 10 WHERE ID = 'a'")
        .await
        .unwrap();

    let code = code_of(
        &first,
        "INSERT INTO T SELECT 'z', 1 FROM DUMMY UNION ALL SELECT 'a', 1 FROM DUMMY",
    )
    .await;

    assert_eq!(code, Some(301));
    assert_eq!(text_of(&first, ALL).await, "a|10;b|2");
}

#[tokio::test]
async fn statements_are_compiled_anew_when_the_table_changes() {
    let (_server, first, second) = two_sessions().await;
    let mut upsert = first
        .prepare("UPSERT T (ID, N) VALUES (?, ?) WITH PRIMARY KEY")
        .await
        .unwrap();

    second
        .statement("ALTER TABLE T ADD (M INTEGER DEFAULT 5)")
        .await
        .unwrap();
    upsert.add_batch(&("c", 3)).unwrap();
    upsert.execute_batch().await.unwrap();
    assert_eq!(text_of(&first, "SELECT M FROM T WHERE ID = 'c'").await, "5");
    first.commit().await.unwrap();

    second.statement("DROP TABLE T").await.unwrap();
    upsert.add_batch(&("d", 3)).unwrap();
    let error = upsert.execute_batch().await.unwrap_err();
    assert_eq!(
        error
            .server_error()
            .map(hdbconnect_async::ServerError::code),
        Some(259)
    );
}
