//! `check`: each thing that can be wrong is found, named, and mended where that is safe.

use qualtrics_sandbox::Options;
use serde_json::{Value, json};

use super::{Desk, SURVEY, Said};

/// The findings of a check by their verdicts.
fn found(said: &Said, verdict: &str) -> Vec<Value> {
    let mut list = said.list();
    list.retain(|finding| finding["verdict"] == verdict);
    list
}

#[track_caller]
fn has(said: &Said, verdict: &str, check: &str, words: &str) {
    let found = found(said, verdict);
    let found = found.iter().any(|finding| {
        finding["check"] == check && finding["message"].as_str().unwrap().contains(words)
    });
    assert!(found, "no {verdict} of {check} with {words}: {said:?}");
}

impl Desk {
    async fn check(&self, arguments: &[&str]) -> Said {
        self.run(&[&["check", "--output", "json"], arguments].concat())
            .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_found_and_mended_once() {
    let desk = Desk::new().await;

    let before = desk.check(&[]).await;
    before.fails(1, "1 of");
    has(
        &before,
        "ok",
        "table",
        "is not there yet: `serve` creates it",
    );
    has(
        &before,
        "problem",
        "subscription",
        "nothing calls PUBLIC_URL for it: run `subscription ensure`",
    );

    let mending = desk.check(&["--fix"]).await;
    assert_eq!(
        mending.code, 0,
        "findings that were mended are none: {mending:?}"
    );
    has(&mending, "mended", "table", "created table");
    has(&mending, "mended", "subscription", "subscribed to");

    let after = desk.check(&["--database"]).await;
    assert_eq!(after.code, 0, "{after:?}");
    assert_eq!(found(&after, "mended"), Vec::<Value>::new());
    has(&after, "ok", "table", "takes rows");
    has(&after, "ok", "disk", "the file is whole");
    has(&after, "ok", "rehearsal", "comes back as it went");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_leaves_no_trace() {
    let desk = Desk::new().await;
    desk.check(&["--fix"]).await;
    let connection = rusqlite::Connection::open(desk.folder.path().join("feedback.db")).unwrap();
    let count = |sql: &str| {
        connection
            .query_row(sql, [], |row| row.get::<_, u32>(0))
            .unwrap()
    };
    let tables = count("SELECT COUNT(*) FROM sqlite_schema");

    desk.check(&["--database"]).await;

    assert_eq!(count("SELECT COUNT(*) FROM sqlite_schema"), tables);
    assert_eq!(count("SELECT COUNT(*) FROM PROJECTFEEDBACK"), 0);
    assert_eq!(
        count("SELECT COUNT(*) FROM QUALTRICS_RUNS WHERE JOB = 'check'"),
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn text_is_for_people() {
    let desk = Desk::new().await;

    let said = desk.run(&["check"]).await;

    said.fails(1, "checks found a problem: see above for what mends each");
    assert!(
        said.stdout
            .contains("PROBLEM  subscription SV_22VlHYNeldrrrk1"),
        "{said:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_names_the_settings() {
    let mut desk = Desk::new().await;
    desk.set("QUALTRICS_CLIENT_SECRET", "wrong");

    let said = desk.check(&[]).await;

    has(
        &said,
        "problem",
        "token",
        "check QUALTRICS_CLIENT_ID and QUALTRICS_CLIENT_SECRET",
    );
    has(&said, "ok", "database", "takes rows");
    has(
        &said,
        "skipped",
        "subscription",
        "needs Qualtrics and the database",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_scope_is_named() {
    let scopes = [
        "read:surveys",
        "read:survey_responses",
        "read:users",
        "read:subscriptions",
    ];
    let desk = Desk::with(Options {
        scopes: scopes.map(str::to_owned).to_vec(),
        ..Options::default()
    })
    .await;

    let said = desk.check(&[]).await;

    has(
        &said,
        "warning",
        "subscription-right",
        "write:subscriptions",
    );
    has(
        &said,
        "warning",
        "subscription-right",
        "or use `subscription workflow`",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_scope_that_rows_need_nothing_is_well() {
    let scopes = ["read:surveys", "read:users"];
    let desk = Desk::with(Options {
        scopes: scopes.map(str::to_owned).to_vec(),
        ..Options::default()
    })
    .await;

    let said = desk.check(&[]).await;

    has(
        &said,
        "problem",
        "token",
        "grant it read:surveys read:survey_responses",
    );
    assert_eq!(said.code, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn responses_are_read_for_real() {
    let desk = Desk::new().await;

    has(&desk.check(&[]).await, "ok", "responses", "can be read");
    assert_eq!(desk.sandbox.counters().calls_of("response"), 1);
    let none = qualtrics_sandbox::PerMinute {
        response_reads: 0,
        ..qualtrics_sandbox::PerMinute::default()
    };
    desk.sandbox
        .set_limits(qualtrics_sandbox::Limits::Custom(none));
    has(
        &desk.check(&[]).await,
        "problem",
        "responses",
        "limits the rate",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_datacenter_is_noticed() {
    let desk = Desk::new().await;
    desk.sandbox.set_faults("notice".parse().unwrap());

    has(
        &desk.check(&[]).await,
        "warning",
        "datacenter",
        "set QUALTRICS_BASE_URL or QUALTRICS_DATACENTER",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_survey_that_is_not_there_is_named_and_the_rest_goes_on() {
    let desk = Desk::new().await;
    desk.configure("\n[[survey]]\nid = \"SV_00000000000\"\n");

    let said = desk.check(&[]).await;

    has(
        &said,
        "problem",
        "survey",
        "Qualtrics has no such survey (404",
    );
    has(&said, "problem", "survey", "check the id of the [[survey]]");
    has(&said, "ok", "survey", "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_the_survey_lacks_is_named_with_the_nearest() {
    let desk = Desk::new().await;
    desk.configure("columns = [\"Q1\", \"AcountID\"]\n");

    has(&desk.check(&[]).await, "problem", "definition", "AccountID");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_mended_is_printed_as_statements() {
    let desk = Desk::new().await;
    desk.configure("columns = [\"ResponseId\", \"Q1\", \"Q18\"]\n");
    let connection = rusqlite::Connection::open(desk.folder.path().join("feedback.db")).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE PROJECTFEEDBACK (RESPONSEID NVARCHAR(50) PRIMARY KEY, Q1 INTEGER)",
        )
        .unwrap();

    let said = desk.run(&["check", "--fix"]).await;

    // The table was there before us, so it does not evolve by itself.
    said.fails(1, "1 of");
    let statement = said
        .stdout
        .lines()
        .find(|line| line.starts_with("ALTER TABLE"))
        .unwrap();
    connection.execute_batch(statement).unwrap();
    assert_eq!(desk.run(&["check"]).await.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_not_null_column_that_nothing_fills_is_found_before_the_first_row() {
    let desk = Desk::new().await;
    desk.configure("columns = [\"ResponseId\", \"Q1\"]\n");
    let connection = rusqlite::Connection::open(desk.folder.path().join("feedback.db")).unwrap();
    connection
        .execute_batch("CREATE TABLE PROJECTFEEDBACK (RESPONSEID NVARCHAR(50) PRIMARY KEY, Q1 INTEGER, OWNER NVARCHAR(9) NOT NULL)")
        .unwrap();

    let said = desk.check(&[]).await;

    has(
        &said,
        "problem",
        "table",
        "OWNER: the column is NOT NULL and nothing of the survey fills it",
    );
    has(&said, "problem", "table", "takes no rows");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_noticed() {
    let desk = Desk::new().await;
    std::fs::write(
        desk.folder.path().join("feedback.db"),
        "this is no database, and long enough to be taken for one",
    )
    .unwrap();

    let said = desk.check(&[]).await;

    has(
        &said,
        "problem",
        "database",
        "the database file is damaged: restore it",
    );
    assert_eq!(said.code, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_pseudonym_key_is_found() {
    let mut desk = Desk::new().await;
    desk.configure("pseudonymize = [\"RecipientEmail\"]\n");
    desk.set("PSEUDONYM_KEY", "0123456789abcdef0123456789abcdef-one");
    desk.check(&["--fix"]).await;
    let connection = rusqlite::Connection::open(desk.folder.path().join("feedback.db")).unwrap();
    connection
        .execute(
            "INSERT INTO QUALTRICS_RUNS VALUES ('pseudonym-key', '', NULL, NULL, '00112233')",
            [],
        )
        .unwrap();

    let said = desk.check(&[]).await;

    has(&said, "problem", "pseudonym-key", "set the former key");
    let statement = found(&said, "problem")[0]["statement"]
        .as_str()
        .unwrap()
        .to_owned();
    connection.execute_batch(&statement).unwrap();
    assert_eq!(desk.check(&[]).await.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_qualtrics_can_not_reach_is_a_problem() {
    let mut desk = Desk::new().await;
    desk.set("QUALTRICS_BASE_URL", "http://0.0.0.0:9");
    for (address, words) in [
        ("http://127.0.0.1:9/", "which Qualtrics can't reach"),
        ("http://feedback.example/", "set it to an https address"),
    ] {
        desk.set("PUBLIC_URL", address);
        has(&desk.check(&[]).await, "problem", "public-url", words);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_service_without_rules_is_warned_of() {
    let mut desk = Desk::new().await;
    desk.set("AUTH", "oidc");
    std::fs::write(
        desk.folder.path().join("ingester.toml"),
        format!("[[survey]]\nid = \"{SURVEY}\"\n[auth]\nissuer = \"https://issuer.example\"\naudience = \"us\"\n"),
    )
    .unwrap();

    let said = desk.check(&[]).await;

    has(
        &said,
        "warning",
        "configuration",
        "there is no [[access]] rule",
    );
    assert!(
        said.list()
            .iter()
            .all(|finding| finding["check"] != json!(null))
    );
}
