//! The Rust driver against the server.
use crate::support::{connect, start, start_with, text_of};
use hana_testserver::{Fault, Method, Options, Tls};
use hdbconnect_async::{Connection, HdbError, HdbValue};

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

#[tokio::test]
async fn both_log_on_methods_are_spoken() {
    for method in [Method::ScramSha256, Method::ScramPbkdf2Sha256] {
        let server = start_with(Options {
            methods: vec![method],
            ..Options::default()
        })
        .await;

        let connection = connect(&server).await;

        assert_eq!(
            text_of(&connection, "SELECT 1 FROM DUMMY").await,
            "1",
            "{method:?}"
        );
    }
}

#[tokio::test]
async fn tls_is_spoken_and_a_stopped_instance_closes_the_handshake() {
    // The driver needs a provider for the process; whoever installs it first is as good.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let tls = Tls::self_signed(&["localhost"]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("server.crt"), tls.certificate_der()).unwrap();
    let server = start_with(Options {
        tls: Some(tls),
        ..Options::default()
    })
    .await;
    let url = format!(
        "hdbsqls://INGESTER:Secret123@localhost:{}?tls_certificate_dir={}",
        server.addr().port(),
        folder.path().display()
    );

    let connection = Connection::new(url.clone()).await.unwrap();
    assert_eq!(
        text_of(&connection, "SELECT IS_ENCRYPTED FROM M_CONNECTIONS").await,
        "TRUE"
    );

    server.faults().add(Fault::stopped());
    let error = Connection::new(url).await.unwrap_err();
    assert!(matches!(error, HdbError::TlsInit { .. }), "{error:?}");
}

#[tokio::test]
async fn an_expired_certificate_is_refused_by_the_driver() {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let tls = Tls::expired(&["localhost"]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("server.crt"), tls.certificate_der()).unwrap();
    let server = start_with(Options {
        tls: Some(tls),
        ..Options::default()
    })
    .await;
    let url = format!(
        "hdbsqls://INGESTER:Secret123@localhost:{}?tls_certificate_dir={}",
        server.addr().port(),
        folder.path().display()
    );

    let error = Connection::new(url).await.unwrap_err();

    assert!(matches!(error, HdbError::TlsInit { .. }), "{error:?}");
}

#[tokio::test]
async fn a_merge_names_its_losers_by_their_counts() {
    let server = start().await;
    let connection = connect(&server).await;
    connection.set_auto_commit(false).await;
    connection
        .statement("CREATE COLUMN TABLE RAW (ID NVARCHAR(10) PRIMARY KEY, ASKED_AT TIMESTAMP NOT NULL, DOC NCLOB)")
        .await
        .unwrap();
    let mut merge = connection
        .prepare(
            "MERGE INTO RAW T USING (SELECT CAST(? AS NVARCHAR(10)) AS ID, CAST(? AS TIMESTAMP) AS ASKED_AT, CAST(? AS NCLOB) AS DOC FROM DUMMY) S ON (T.ID = S.ID) \
             WHEN MATCHED AND S.ASKED_AT >= T.ASKED_AT THEN UPDATE SET ASKED_AT = S.ASKED_AT, DOC = S.DOC \
             WHEN NOT MATCHED THEN INSERT (ID, ASKED_AT, DOC) VALUES (S.ID, S.ASKED_AT, S.DOC)",
        )
        .await
        .unwrap();
    for (id, at, doc) in [
        ("a", "2026-01-02 00:00:00", "first".to_owned()),
        ("a", "2026-01-01 00:00:00", "older".to_owned()),
        ("a", "2026-01-03 00:00:00", "x".repeat(9000)),
        ("b", "2026-01-01 00:00:00", "other".to_owned()),
    ] {
        merge
            .add_row_to_batch(vec![
                HdbValue::STRING(id.to_owned()),
                HdbValue::STRING(at.to_owned()),
                HdbValue::STRING(doc),
            ])
            .unwrap();
    }

    let counts = merge
        .execute_batch()
        .await
        .unwrap()
        .into_affected_rows()
        .unwrap();

    assert_eq!(counts, [1, 0, 1, 1]);
    assert_eq!(
        text_of(
            &connection,
            "SELECT ID, LENGTH(TO_NVARCHAR(DOC)) FROM RAW ORDER BY ID"
        )
        .await,
        "a|5000;b|5"
    );
}

#[tokio::test]
async fn a_compressed_request_is_understood() {
    let server = start().await;
    let connection = Connection::new(server.url()).await.unwrap();
    let long = "compressible ".repeat(2_000);

    let length = text_of(
        &connection,
        &format!("SELECT LENGTH(TO_NVARCHAR(SUBSTRING('{long}', 1, 100))) FROM DUMMY"),
    )
    .await;

    assert_eq!(length, "100");
}
