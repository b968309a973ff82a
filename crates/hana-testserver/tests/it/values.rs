//! Values of all types and sizes, there and back.

use hdbconnect_async::HdbValue;

use crate::support::{connect, start, text_of};

type Row = (
    String,
    Option<String>,
    Option<i32>,
    Option<String>,
    Option<String>,
    Option<bool>,
);

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
async fn long_texts_travel_both_ways() {
    let server = start().await;
    let connection = connect(&server).await;
    connection.set_auto_commit(false).await;
    connection
        .statement("CREATE COLUMN TABLE L (ID INTEGER PRIMARY KEY, DOC NCLOB)")
        .await
        .unwrap();
    let long = "a😀ßx".repeat(67_500);
    assert_eq!(long.len(), 540_000);
    let mut upsert = connection
        .prepare("UPSERT L (ID, DOC) VALUES (?, ?) WITH PRIMARY KEY")
        .await
        .unwrap();
    for (id, doc) in [
        (1, long.clone()),
        (2, String::new()),
        (3, "x".repeat(1024)),
        (4, "x".repeat(1025)),
    ] {
        upsert
            .add_row_to_batch(vec![HdbValue::INT(id), HdbValue::STRING(doc)])
            .unwrap();
    }
    upsert
        .add_row_to_batch(vec![HdbValue::INT(5), HdbValue::NULL])
        .unwrap();
    upsert.execute_batch().await.unwrap();
    connection.commit().await.unwrap();

    let rows = connection
        .query("SELECT DOC FROM L ORDER BY ID")
        .await
        .unwrap()
        .into_rows()
        .await
        .unwrap();
    let mut texts = Vec::new();
    for mut row in rows {
        texts.push(match row.next_value().unwrap() {
            HdbValue::NULL => None,
            value => Some(
                value
                    .try_into_async_nclob()
                    .unwrap()
                    .into_string()
                    .await
                    .unwrap(),
            ),
        });
    }

    let expected = [
        Some(long),
        Some(String::new()),
        Some("x".repeat(1024)),
        Some("x".repeat(1025)),
        None,
    ];
    assert!(texts == expected);
}

#[tokio::test]
async fn fifty_thousand_rows_are_fetched_in_chunks() {
    let server = start().await;
    let connection = connect(&server).await;
    connection.set_auto_commit(false).await;
    connection
        .statement("CREATE COLUMN TABLE F (ID INTEGER PRIMARY KEY, TXT NVARCHAR(20))")
        .await
        .unwrap();
    let mut insert = connection
        .prepare("INSERT INTO F VALUES (?, ?)")
        .await
        .unwrap();
    for id in 0..50_000 {
        insert.add_batch(&(id, "text")).unwrap();
    }
    let counts = insert
        .execute_batch()
        .await
        .unwrap()
        .into_affected_rows()
        .unwrap();
    connection.commit().await.unwrap();
    assert_eq!(counts.len(), 50_000);

    let mut select = connection
        .prepare("SELECT ID FROM F WHERE ID >= ? ORDER BY ID")
        .await
        .unwrap();
    let rows: Vec<i32> = select
        .execute(&0)
        .await
        .unwrap()
        .into_result_set()
        .unwrap()
        .try_into()
        .await
        .unwrap();

    assert!(rows.iter().copied().eq(0..50_000));
}

#[tokio::test]
async fn parameters_are_typed_by_their_place() {
    let server = start().await;
    let connection = connect(&server).await;
    connection
        .statement("CREATE COLUMN TABLE P (ID NVARCHAR(10) PRIMARY KEY, N INTEGER, D DECIMAL(38,10), TS TIMESTAMP, DOC NCLOB, B BOOLEAN, BIG BIGINT)")
        .await
        .unwrap();
    for (sql, expected) in [
        (
            "UPSERT P (ID, N, D, TS, DOC, B, BIG) VALUES (?, ?, ?, ?, ?, ?, ?) WITH PRIMARY KEY",
            "NVARCHAR INT FIXED16 LONGDATE NCLOB BOOLEAN BIGINT",
        ),
        (
            "SELECT ID FROM P WHERE ? < N AND TS BETWEEN ? AND ? AND D IN (?, 1) LIMIT ? OFFSET ?",
            "INT LONGDATE LONGDATE FIXED16 INT INT",
        ),
        (
            "SELECT CAST(? AS DOUBLE) AS A, ? AS B FROM DUMMY",
            "DOUBLE NVARCHAR",
        ),
        (
            "UPDATE P SET N = N + ?, TS = ADD_SECONDS(CURRENT_UTCTIMESTAMP, ?) WHERE ID = ?",
            "INT INT NVARCHAR",
        ),
        (
            "SELECT ID FROM P WHERE DOC LIKE ? AND LOCATE(ID, ?) > ? AND COALESCE(N, ?) = 1",
            "NVARCHAR NVARCHAR INT INT",
        ),
        (
            "MERGE INTO P T USING (SELECT CAST(? AS NVARCHAR(10)) AS ID, CAST(? AS NCLOB) AS DOC FROM DUMMY) S ON T.ID = S.ID WHEN MATCHED AND (T.TS IS NULL OR T.TS <= ?) THEN UPDATE SET DOC = S.DOC WHEN NOT MATCHED THEN INSERT (ID, DOC, N) VALUES (S.ID, S.DOC, ?)",
            "NVARCHAR NCLOB LONGDATE INT",
        ),
        (
            "INSERT INTO P (ID, BIG) SELECT ?, ? FROM DUMMY WHERE NOT EXISTS (SELECT 1 FROM P WHERE ID = ?)",
            "NVARCHAR BIGINT NVARCHAR",
        ),
    ] {
        let prepared = connection.prepare(sql).await.unwrap();
        let types: Vec<String> = prepared
            .parameter_descriptors()
            .iter_in()
            .map(|descriptor| format!("{:?}", descriptor.type_id()))
            .collect();

        assert_eq!(types.join(" "), expected, "{sql}");
    }
}

#[tokio::test]
async fn a_streamed_lob_arrives_whole() {
    let server = start().await;
    let connection = connect(&server).await;
    connection.set_auto_commit(false).await;
    connection
        .statement("CREATE COLUMN TABLE L (ID INTEGER PRIMARY KEY, DOC NCLOB)")
        .await
        .unwrap();
    let text = "ß😀".repeat(150_000);
    let mut insert = connection
        .prepare("INSERT INTO L VALUES (?, ?)")
        .await
        .unwrap();
    let stream = std::sync::Arc::new(tokio::sync::Mutex::new(std::io::Cursor::new(
        text.clone().into_bytes(),
    )));

    insert
        .execute_row(vec![
            HdbValue::INT(1),
            HdbValue::ASYNC_LOBSTREAM(Some(stream)),
        ])
        .await
        .unwrap();
    connection.commit().await.unwrap();

    assert_eq!(
        text_of(&connection, "SELECT LENGTH(TO_NVARCHAR(DOC)) FROM L").await,
        "5000"
    );
    assert_eq!(
        text_of(&connection, "SELECT COUNT(*) FROM L WHERE DOC LIKE '%ß😀'").await,
        "1"
    );
}

#[tokio::test]
async fn other_values_arrive_as_they_left() {
    let server = start().await;
    let connection = connect(&server).await;
    connection
        .statement("CREATE COLUMN TABLE V (ID INTEGER PRIMARY KEY, T TIME, SD SECONDDATE, D DATE, F DECIMAL, D8 DECIMAL(18,2), D12 DECIMAL(28,4), D16 DECIMAL(38,10), R REAL, BIN VARBINARY(10), B BLOB, TI TINYINT, SM SMALLINT)")
        .await
        .unwrap();
    let row = "INSERT INTO V VALUES (1, '06:07:08', '2026-11-24 06:07:08.9', '0001-01-01', '1e20', -9999999999999999.99, \
               123456789012345678901234.5678, -1234567890123456789012345678.0123456789, 0.5, X'00ff', X'01', 255, -32768)";
    connection.statement(row).await.unwrap();
    connection
        .statement("INSERT INTO V (ID) VALUES (2)")
        .await
        .unwrap();

    assert_eq!(
        text_of(
            &connection,
            "SELECT T, SD, D, F, D8, D12, D16, R, BIN, TI, SM FROM V ORDER BY ID"
        )
        .await,
        "06:07:08|2026-11-24T06:07:08|0001-01-01|1e+20|-9999999999999999.99|123456789012345678901234.5678|\
         -1234567890123456789012345678.0123456789|0.5|<BINARY length = 2>|255|-32768;NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL"
    );
}
