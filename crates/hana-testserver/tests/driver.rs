//! The Rust driver against the server.
#![expect(clippy::unwrap_used, reason = "test helpers fail by panicking")]

mod support;

use hdbconnect_async::{HdbError, HdbValue};
use support::{connect, start};

type Row = (
    String,
    Option<String>,
    Option<i32>,
    Option<String>,
    Option<String>,
    Option<bool>,
);

#[tokio::test]
async fn a_query_on_dummy_comes_back() {
    let server = start().await;
    let connection = connect(&server).await;

    let rows = connection
        .query("SELECT 'hä 😀' AS X, 1 AS ONE FROM DUMMY")
        .await
        .unwrap();

    let rows: Vec<(String, i32)> = rows.try_into().await.unwrap();
    assert_eq!(rows, [("hä 😀".to_owned(), 1)]);
}

#[tokio::test]
async fn an_upsert_batch_keeps_nulls_and_text_beyond_the_basic_plane() {
    let server = start().await;
    let connection = connect(&server).await;
    connection.set_auto_commit(false).await;
    connection
        .exec("CREATE COLUMN TABLE \"T\" (\"ID\" NVARCHAR(36) NOT NULL PRIMARY KEY, \"TXT\" NVARCHAR(5000), \"N\" INTEGER, \"D\" DECIMAL(10,2), \"TS\" TIMESTAMP, \"B\" BOOLEAN)")
        .await
        .unwrap();
    let mut upsert = connection
        .prepare("UPSERT \"T\" (\"ID\",\"TXT\",\"N\",\"D\",\"TS\",\"B\") VALUES (?,?,?,?,?,?) WITH PRIMARY KEY")
        .await
        .unwrap();
    for id in ["R_1", "R_2"] {
        upsert
            .add_row_to_batch(vec![
                HdbValue::STRING(id.to_owned()),
                HdbValue::STRING("grüße 😀 ok".to_owned()),
                HdbValue::INT(-9),
                HdbValue::STRING("12.34".to_owned()),
                HdbValue::STRING("2026-11-24 06:07:08.1234567".to_owned()),
                HdbValue::BOOLEAN(true),
            ])
            .unwrap();
    }
    let mut nulls = vec![HdbValue::STRING("R_3".to_owned())];
    nulls.resize_with(6, || HdbValue::NULL);
    upsert.add_row_to_batch(nulls).unwrap();

    let affected = upsert
        .execute_batch()
        .await
        .unwrap()
        .into_affected_rows()
        .unwrap();

    assert_eq!(affected, [1, 1, 1]);
    connection.commit().await.unwrap();
    let rows: Vec<Row> = connection
        .query("SELECT * FROM \"T\" ORDER BY \"ID\"")
        .await
        .unwrap()
        .try_into()
        .await
        .unwrap();
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[1].1.as_deref(), Some("grüße 😀 ok"));
    assert_eq!(rows[1].2, Some(-9));
    assert_eq!(rows[1].3.as_deref(), Some("12.34"));
    assert_eq!(rows[1].5, Some(true));
    assert_eq!(rows[2].1, None);
    assert_eq!(server.counters().commits, 2);
}

#[tokio::test]
async fn a_failing_row_does_not_keep_the_others_out() {
    let server = start().await;
    let connection = connect(&server).await;
    connection.set_auto_commit(false).await;
    connection
        .exec("CREATE COLUMN TABLE T (ID NVARCHAR(3) PRIMARY KEY, N INTEGER NOT NULL)")
        .await
        .unwrap();
    let mut insert = connection
        .prepare("INSERT INTO T (ID, N) VALUES (?, ?)")
        .await
        .unwrap();
    for (id, n) in [
        ("a", HdbValue::INT(1)),
        ("long", HdbValue::INT(2)),
        ("b", HdbValue::NULL),
        ("a", HdbValue::INT(4)),
        ("c", HdbValue::INT(5)),
    ] {
        insert
            .add_row_to_batch(vec![HdbValue::STRING(id.to_owned()), n])
            .unwrap();
    }

    let error = insert.execute_batch().await.unwrap_err();

    let HdbError::ExecutionResults(results) = error else {
        panic!("{error:?}")
    };
    let shown: Vec<String> = results
        .into_iter()
        .map(|result| format!("{result:?}"))
        .collect();
    assert_eq!(shown.len(), 5);
    assert!(shown[1].contains("274"), "{}", shown[1]);
    assert!(shown[2].contains("287"), "{}", shown[2]);
    assert!(shown[3].contains("301"), "{}", shown[3]);
}
