//! The dialect through the Rust driver: what is understood, what is refused with which code.
use crate::support::{code_of, connect, start, text_of};
use hdbconnect_async::{Connection, HdbError, HdbValue};

const TABLES: &[&str] = &[
    "CREATE COLUMN TABLE R (RESPONSEID NVARCHAR(36) NOT NULL, Q1 INTEGER, Q2 DECIMAL(20,6), TXT NVARCHAR(5000), NOTE NCLOB, \
     B BOOLEAN, D DATE, RECORDEDDATE TIMESTAMP, X DOUBLE, BIG BIGINT, S SMALLINT, V VARBINARY(4), PRIMARY KEY (RESPONSEID))",
    "INSERT INTO R VALUES ('R_1', 5, 1.50, 'grüße 😀', 'long', TRUE, '2026-11-24', '2026-11-24 06:07:08.1234567', 0.5, 9000000000, 7, X'0102')",
    "INSERT INTO R (RESPONSEID, Q1, Q2, TXT, B, RECORDEDDATE) VALUES ('R_2', 2, -0.25, 'abc', FALSE, '2026-11-23T23:59:59')",
    "INSERT INTO R (RESPONSEID, Q1, Q2) VALUES ('R_3', 2, 100)",
];

async fn with_rows() -> (hana_testserver::Server, Connection) {
    let server = start().await;
    let connection = connect(&server).await;
    for statement in TABLES {
        connection.statement(*statement).await.unwrap();
    }
    (server, connection)
}

/// Lines of `left ==> right`.
fn cases(file: &str) -> impl Iterator<Item = (&str, &str)> {
    file.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(" ==>"))
        .map(|(left, right)| (left, right.trim_start()))
}

#[tokio::test]
async fn expressions_give_what_hana_gives() {
    let (_server, connection) = with_rows().await;
    for (expression, expected) in cases(include_str!("../dialect/expressions.txt")) {
        let sql = format!("SELECT {expression} AS E FROM R WHERE RESPONSEID = 'R_1'");

        assert_eq!(text_of(&connection, &sql).await, expected, "{expression}");
    }
}

#[tokio::test]
async fn queries_give_what_hana_gives() {
    let (_server, connection) = with_rows().await;
    for (sql, expected) in cases(include_str!("../dialect/queries.txt")) {
        assert_eq!(text_of(&connection, sql).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn what_hana_refuses_is_refused_with_its_code() {
    let (_server, connection) = with_rows().await;
    for (sql, code) in cases(include_str!("../dialect/refusals.txt")) {
        assert_eq!(code_of(&connection, sql).await, code.parse().ok(), "{sql}");
    }
}

#[tokio::test]
async fn a_refusal_says_where_it_was_found() {
    let (_server, connection) = with_rows().await;

    let error = connection
        .statement("SELECT NOPE FROM R")
        .await
        .unwrap_err();

    let HdbError::DbError { source } = error else {
        return assert_eq!(format!("{error:?}"), "a database error");
    };
    assert_eq!(source.code(), 260);
    assert_eq!(source.position(), 8);
    assert!(
        source.text().starts_with("invalid column name: NOPE"),
        "{}",
        source.text()
    );
}

#[tokio::test]
async fn modifications_count_and_change_what_they_say() {
    let (_server, connection) = with_rows().await;
    let state = "SELECT RESPONSEID, Q1, TXT FROM R ORDER BY RESPONSEID";
    for (sql, affected, expected) in [
        (
            "UPSERT R (RESPONSEID, Q1) VALUES ('R_1', 6) WITH PRIMARY KEY",
            1,
            "R_1|6|grüße 😀;R_2|2|abc;R_3|2|NULL",
        ),
        (
            "UPDATE R SET Q1 = Q1 + 10, TXT = COALESCE(TXT, 'none') WHERE Q1 = 2",
            2,
            "R_1|6|grüße 😀;R_2|12|abc;R_3|12|none",
        ),
        (
            "DELETE FROM R WHERE RESPONSEID IN (SELECT RESPONSEID FROM R WHERE TXT = 'none')",
            1,
            "R_1|6|grüße 😀;R_2|12|abc",
        ),
        (
            "UPSERT R (RESPONSEID, Q1) SELECT RESPONSEID, Q1 * 2 FROM R",
            2,
            "R_1|12|grüße 😀;R_2|24|abc",
        ),
        (
            "INSERT INTO R (RESPONSEID, Q1) SELECT 'N_' || RESPONSEID, 0 FROM R WHERE Q1 = 24",
            1,
            "N_R_2|0|NULL;R_1|12|grüße 😀;R_2|24|abc",
        ),
        (
            "UPSERT R (RESPONSEID, TXT) VALUES ('R_2', 'w') WHERE Q1 = 24",
            1,
            "N_R_2|0|NULL;R_1|12|grüße 😀;R_2|24|w",
        ),
        (
            "MERGE INTO R T USING (SELECT 'R_1' AS ID, 99 AS N FROM DUMMY) S ON (T.RESPONSEID = S.ID) WHEN MATCHED AND T.Q1 < S.N THEN UPDATE SET Q1 = S.N WHEN NOT MATCHED THEN INSERT (RESPONSEID, Q1) VALUES (S.ID, S.N)",
            1,
            "N_R_2|0|NULL;R_1|99|grüße 😀;R_2|24|w",
        ),
        (
            "MERGE INTO R T USING (SELECT 'R_1' AS ID, 98 AS N FROM DUMMY) S ON (T.RESPONSEID = S.ID) WHEN MATCHED AND T.Q1 < S.N THEN UPDATE SET Q1 = S.N WHEN NOT MATCHED THEN INSERT (RESPONSEID, Q1) VALUES (S.ID, S.N)",
            0,
            "N_R_2|0|NULL;R_1|99|grüße 😀;R_2|24|w",
        ),
        ("DELETE FROM R", 3, ""),
    ] {
        let counted = connection.dml(sql).await.unwrap();

        assert_eq!(counted, affected, "{sql}");
        assert_eq!(text_of(&connection, state).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn definitions_change_the_catalog() {
    let (_server, connection) = with_rows().await;
    for sql in [
        "ALTER TABLE R ADD (N1 INTEGER DEFAULT 7 NOT NULL, N2 NVARCHAR(10))",
        "ALTER TABLE R ALTER (N2 NVARCHAR(20))",
        "CREATE INDEX I_R ON R (Q1, N2 DESC)",
        "CREATE UNIQUE INDEX U_R ON R (TXT)",
        "CREATE SEQUENCE SEQ START WITH 10 INCREMENT BY 5",
        "CREATE COLUMN TABLE C (POSITION BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, AT TIMESTAMP DEFAULT CURRENT_UTCTIMESTAMP)",
        "INSERT INTO C (AT) VALUES (CURRENT_UTCTIMESTAMP)",
        "INSERT INTO C (POSITION) VALUES (SEQ.NEXTVAL)",
        "CREATE ROW TABLE ROWS1 (A SMALLINT)",
        "CREATE LOCAL TEMPORARY COLUMN TABLE #T (A INTEGER)",
        "INSERT INTO #T VALUES (1)",
        "TRUNCATE TABLE ROWS1",
    ] {
        connection
            .statement(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }
    for (sql, expected) in [
        ("SELECT N1, N2 FROM R WHERE RESPONSEID = 'R_1'", "7|NULL"),
        (
            "SELECT COUNT(*) FROM C WHERE SECONDS_BETWEEN(AT, CURRENT_UTCTIMESTAMP) < 60",
            "2",
        ),
        ("SELECT MAX(POSITION) FROM C", "10"),
        (
            "SELECT INDEX_NAME FROM SYS.INDEXES WHERE TABLE_NAME = 'R' ORDER BY 1",
            "I_R;U_R",
        ),
        (
            "SELECT DEFAULT_VALUE FROM SYS.TABLE_COLUMNS WHERE COLUMN_NAME = 'N1'",
            "7",
        ),
        (
            "SELECT GENERATION_TYPE FROM SYS.TABLE_COLUMNS WHERE TABLE_NAME = 'C' AND COLUMN_NAME = 'POSITION'",
            "BY DEFAULT AS IDENTITY",
        ),
        ("SELECT A FROM #T", "1"),
    ] {
        assert_eq!(text_of(&connection, sql).await, expected, "{sql}");
    }
    assert_eq!(
        code_of(
            &connection,
            "INSERT INTO R (RESPONSEID, TXT) VALUES ('R_9', 'abc')"
        )
        .await,
        Some(301)
    );
    connection.statement("DROP TABLE C").await.unwrap();
    assert_eq!(code_of(&connection, "SELECT * FROM C").await, Some(259));
}

#[tokio::test]
async fn the_services_own_statements_are_executed() {
    let server = start().await;
    let connection = connect(&server).await;
    for sql in [
        "CREATE COLUMN TABLE FEEDBACK (RESPONSEID NVARCHAR(50) NOT NULL, RECORDEDDATE TIMESTAMP, DAY DATE, Q1 INTEGER, Q2 INTEGER, \
         SCORE DECIMAL(9,2), RATIO DOUBLE, DURATION BIGINT, DONE BOOLEAN, COMMENT NVARCHAR(5000), NOTE NCLOB, \
         ACCOUNTID NVARCHAR(100), PRIMARY KEY (RESPONSEID))",
        "CREATE COLUMN TABLE OTHER (RESPONSEID NVARCHAR(50) NOT NULL PRIMARY KEY, REGION NVARCHAR(100))",
        "CREATE COLUMN TABLE QUALTRICS_QUESTIONS (SURVEY_ID NVARCHAR(18), COLUMN_NAME NVARCHAR(127), TEXT NVARCHAR(5000))",
    ] {
        connection.statement(sql).await.unwrap();
    }
    let mut failures = Vec::new();
    for sql in include_str!("../dialect/service.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
    {
        let mut prepared = match connection.prepare(sql).await {
            Ok(prepared) => prepared,
            Err(error) => {
                failures.push(format!("{sql}\n  {error:?}"));
                continue;
            }
        };
        let nulls = vec![HdbValue::NULL; prepared.parameter_descriptors().iter_in().count()];
        if let Err(error) = prepared.execute_row(nulls).await {
            failures.push(format!("{sql}\n  {error:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[tokio::test]
async fn long_and_deep_statements_are_answered() {
    let (_server, connection) = with_rows().await;
    let numbers: Vec<String> = (0..5000).map(|number| number.to_string()).collect();
    let list = format!(
        "SELECT COUNT(*) FROM R WHERE Q1 IN ({})",
        numbers.join(", ")
    );
    assert_eq!(text_of(&connection, &list).await, "3");

    let deep = format!("SELECT {}1{} FROM DUMMY", "(".repeat(200), ")".repeat(200));
    assert_eq!(code_of(&connection, &deep).await, Some(257));
    let chain = format!("SELECT 1{} FROM DUMMY", " + 1".repeat(10_000));
    assert_eq!(code_of(&connection, &chain).await, Some(257));
    assert_eq!(text_of(&connection, "SELECT 1 FROM DUMMY").await, "1");
}
