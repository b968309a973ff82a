//! `check` against HANA: each way in which a database can be set up wrongly is told apart, with its mend.

use hana_testserver::{Options, Tls, User};

use super::Desk;
use crate::hana_support::TestHana;

const LOGON: &str = "INGESTER:Secret123";

/// What `check` says of the database at this address: `ok`, or the code of the problem, and the words.
async fn database_at(address: &str) -> String {
    let mut desk = Desk::new().await;
    desk.set("INGESTER_DATABASE_URL", address);
    let said = desk.run(&["check", "--output", "json"]).await;
    let findings = said.list();
    let finding = findings
        .iter()
        .find(|finding| finding["check"] == "database");
    let finding = finding.unwrap_or_else(|| panic!("{said:?}"));
    let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    match text("verdict").as_str() {
        "ok" => format!("ok: {}", text("message")),
        _ => format!("{}: {}", text("code"), text("message")),
    }
}

/// A server set up so, asked at an address that is made of its port.
async fn at(options: Options, address: impl FnOnce(u16) -> String) -> String {
    let hana = TestHana::start_with(options).await;
    database_at(&address(hana.server.addr().port())).await
}

fn plain(port: u16) -> String {
    format!("hdbsql://{LOGON}@127.0.0.1:{port}")
}

fn fault(text: &str) -> Options {
    Options {
        faults: vec![text.parse().unwrap()],
        ..Options::default()
    }
}

fn user(change: impl FnOnce(&mut User)) -> Options {
    let mut user = User::new("INGESTER", "Secret123");
    change(&mut user);
    Options {
        users: vec![user],
        ..Options::default()
    }
}

#[track_caller]
fn says(said: &str, begins: &str, words: &str) {
    assert!(said.starts_with(begins) && said.contains(words), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_right_is_well() {
    let said = at(Options::default(), plain).await;
    says(
        &said,
        "ok",
        "HANA at 127.0.0.1, own tables there, takes rows",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_host_or_port_is_told() {
    let said = database_at(&format!("hdbsqls://{LOGON}@nowhere.invalid:443")).await;
    says(&said, "database-unavailable", "there is no such host");

    let said = database_at(&format!("hdbsql://{LOGON}@127.0.0.1:9")).await;
    says(
        &said,
        "database-unavailable",
        "host, port or certificate may be wrong",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_instance_is_told_with_what_looks_like_it() {
    let tls = Tls::self_signed(&["localhost"]).unwrap();
    let options = Options {
        tls: Some(tls),
        ..fault("stopped")
    };
    let said = at(options, |port| {
        format!("hdbsqls://{LOGON}@localhost:{port}")
    })
    .await;
    says(&said, "database-unavailable", "the instance may be stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn users_that_may_not_log_on_are_told() {
    let wrong = |port| format!("hdbsql://INGESTER:wrong@127.0.0.1:{port}");
    let said = at(Options::default(), wrong).await;
    says(&said, "database-denied", "check user and password");

    let said = at(fault("log-on=416"), plain).await;
    says(
        &said,
        "database-denied",
        "whether the user is locked (HANA error 416",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_of_tls_has_its_mend() {
    let folder = tempfile::tempdir().unwrap();
    let pem = folder.path().join("authority.pem");
    let secure = |port| format!("hdbsqls://{LOGON}@localhost:{port}");
    let trusting = |port| format!("{}?certificate={}", secure(port), pem.display());
    let with = |tls: Tls| {
        std::fs::write(&pem, tls.certificate_pem()).unwrap();
        Options {
            tls: Some(tls),
            ..Options::default()
        }
    };
    let signed = || with(Tls::self_signed(&["localhost"]).unwrap());

    says(&at(signed(), trusting).await, "ok", "takes rows");
    let said = at(signed(), secure).await;
    says(&said, "database-unavailable", "?certificate=FILE.pem");
    let said = at(signed(), plain).await;
    says(&said, "database-unavailable", "write hdbsqls://");
    let said = at(with(Tls::expired(&["localhost"]).unwrap()), trusting).await;
    says(
        &said,
        "database-unavailable",
        "renew the server's certificate",
    );
    let said = at(with(Tls::self_signed(&["db.example"]).unwrap()), trusting).await;
    says(&said, "database-unavailable", "connect by the name");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_is_not_there_is_told() {
    let elsewhere = |port| format!("{}?schema=NOWHERE", plain(port));
    let said = at(Options::default(), elsewhere).await;
    says(&said, "schema-missing", "check the name after ?schema=");
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_that_are_missing_come_with_the_statements() {
    let said = at(user(|user| user.can_create = false), plain).await;
    says(
        &said,
        "privilege-missing",
        "CREATE COLUMN TABLE \"QUALTRICS_INBOX\"",
    );

    let said = at(user(|user| user.read_only = true), plain).await;
    says(&said, "privilege-missing", "`schema grants` prints how");
}
