//! Erased means gone: from the tables, from the file, from its log, and for ever.

use std::time::Duration;

use qualtrics_ingester::jobs::erase::{Receipt, Which};
use qualtrics_ingester::jobs::reconcile::Options;
use qualtrics_ingester::jobs::{Jobs, Patience};

use super::support::{SURVEY, World, count, dump, eventually, id, survey, tamper};

const MARKER: &str = "unmistakable-7f3a9c";

async fn erase(jobs: &Jobs, which: Which) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    for selection in jobs.select(&which, None).await.unwrap() {
        receipts.push(jobs.erase(&selection).await.unwrap());
    }
    receipts
}

/// The files of the data folder that hold a text.
fn files_with(world: &World, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(world.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        if bytes
            .windows(text.len())
            .any(|window| window == text.as_bytes())
        {
            found.push(path.display().to_string());
        }
    }
    found
}

fn complete(world: &World, answers: serde_json::Value) -> String {
    world.sandbox.complete(SURVEY, answers).unwrap()
}

#[tokio::test]
async fn no_byte_of_an_erased_answer_is_left_though_somebody_reads() {
    let world = World::new().await;
    let served = world.serve(&[]).await;
    let response = complete(&world, serde_json::json!({ "AccountID": MARKER }));
    for _ in 0..20 {
        complete(&world, serde_json::json!({ "AccountID": "other" }));
    }
    eventually("the rows", Duration::from_secs(20), || async {
        count(served.store()).await == 21
    })
    .await;
    assert!(!files_with(&world, MARKER).is_empty());
    // A reader of an older state keeps the log from being cut until it ends.
    let reader = rusqlite::Connection::open(world.path().join("feedback.db")).unwrap();
    reader
        .execute_batch("BEGIN; SELECT COUNT(*) FROM QUALTRICS_RAW")
        .unwrap();
    let leaving = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        reader.execute_batch("COMMIT").unwrap();
    };

    let jobs = world.jobs();
    let which = Which::Ids(vec![id(&response)]);
    let (receipts, ()) = tokio::join!(erase(&jobs, which), leaving);

    let [receipt] = &receipts[..] else {
        panic!("{receipts:?}")
    };
    assert_eq!((receipt.rows, receipt.documents, receipt.events), (1, 1, 1));
    assert!(receipt.log_cleared);
    assert_eq!(receipt.still_at_qualtrics, Some(1));
    assert!(!format!("{receipt:?}").contains(&response));
    assert_eq!(files_with(&world, MARKER), Vec::<String>::new());
    assert_eq!(files_with(&world, &response), Vec::<String>::new());
    served.stop().await;
}

#[tokio::test]
async fn the_erased_come_back_neither_by_callback_nor_by_reconcile() {
    let world = World::new().await;
    let served = world.serve(&[("RECONCILE_EVERY", "off")]).await;
    let response = complete(&world, serde_json::json!({ "AccountID": MARKER }));
    eventually("the row", Duration::from_secs(20), || async {
        count(served.store()).await == 1
    })
    .await;
    let jobs = served.app().jobs.clone();
    erase(&jobs, Which::Ids(vec![id(&response)])).await;

    world.sandbox.announce(SURVEY, &response).unwrap();
    eventually("the event is done", Duration::from_secs(20), || async {
        let done = "SELECT LAST_ERROR FROM QUALTRICS_INBOX WHERE STATE = 'done' AND LAST_ERROR LIKE 'erased:%'";
        dump(&world, done).len() == 1
    })
    .await;
    let results = jobs
        .reconcile(&[survey()], Options::default(), Patience::Short)
        .await
        .unwrap();

    assert_eq!(results[0].1.as_ref().unwrap().written, 0);
    assert_eq!(count(served.store()).await, 0);
    assert_eq!(files_with(&world, MARKER), Vec::<String>::new());
    served.stop().await;
}

#[tokio::test]
async fn a_forgotten_erasure_lets_the_response_come_again() {
    let world = World::new().await;
    world.insert("R_one", "2024-01-01T00:00:00Z", 1);
    let jobs = world.jobs();
    let load = || async {
        let all = Options {
            scope: qualtrics_ingester::jobs::reconcile::Scope::All,
            ..Options::default()
        };
        jobs.reconcile(&[survey()], all, Patience::Short)
            .await
            .unwrap()
            .remove(0)
            .1
            .unwrap()
            .written
    };
    load().await;
    let which = Which::Ids(vec![id("R_one")]);
    erase(&jobs, which.clone()).await;
    let while_erased = load().await;

    for selection in jobs.select(&which, None).await.unwrap() {
        jobs.forget_erasure(&selection).await.unwrap();
    }

    assert_eq!((while_erased, load().await), (0, 1));
}

#[tokio::test]
async fn values_are_found_in_rows_and_documents_and_by_their_pseudonyms() {
    let settings = "columns = [\"ResponseId\", \"Q1\", \"RecipientEmail\"]\npseudonymize = [\"RecipientEmail\"]\n";
    let world = World::with(qualtrics_sandbox::Limits::Off, settings).await;
    let key = [
        ("PSEUDONYM_KEY", "0123456789abcdef0123456789abcdef"),
        ("RECONCILE_EVERY", "off"),
    ];
    let served = world.serve(&key).await;
    let jane = serde_json::json!({ "RecipientEmail": "Jane@Example.com", "AccountID": "ACME" });
    complete(&world, jane);
    complete(
        &world,
        serde_json::json!({ "RecipientEmail": "joe@example.com", "AccountID": "Globex" }),
    );
    eventually("the rows", Duration::from_secs(20), || async {
        count(served.store()).await == 2
    })
    .await;
    let jobs = served.app().jobs.clone();
    let by = |field: &str, value: &str| Which::Where {
        field: field.to_owned(),
        value: value.to_owned(),
    };

    // A field that is no column is found in the document.
    let by_account = jobs.select(&by("AccountID", "acme "), None).await.unwrap();
    let receipts = erase(&jobs, by("RecipientEmail", "jane@example.com")).await;
    let nobody = erase(&jobs, by("RecipientEmail", "nobody@example.com")).await;

    assert_eq!(by_account[0].responses.len(), 1);
    assert_eq!((receipts[0].responses, receipts[0].rows), (1, 1));
    assert_eq!(count(served.store()).await, 1);
    assert_eq!((nobody.len(), nobody[0].responses), (1, 0));
    assert!(files_with(&world, "Jane@Example.com").is_empty());
    served.stop().await;
}

#[tokio::test]
async fn what_is_here_goes_though_the_survey_has_no_table() {
    let world = World::new().await;
    let jobs = world.jobs();
    jobs.store.run(Vec::new()).await.unwrap();
    tamper(
        &world,
        &format!(
            "INSERT INTO QUALTRICS_RAW VALUES ('{SURVEY}', 'R_one', '2024-01-01T00:00:00.000Z', '2024-01-01T00:00:00.000Z', \
             'digest', '{{\"values\":{{\"AccountID\":\"{MARKER}\"}}}}')"
        ),
    );

    let receipts = erase(&jobs, Which::Ids(vec![id("R_one")])).await;

    assert_eq!((receipts[0].rows, receipts[0].documents), (0, 1));
    assert_eq!(files_with(&world, MARKER), Vec::<String>::new());
}

/// The answers of a row and of a dead letter, sought in all that a process wrote: files and log.
#[tokio::test]
async fn nothing_that_was_erased_stands_in_a_file_or_a_log() {
    let world = World::new().await;
    let mut serve = world.spawn().await;
    let response = complete(&world, serde_json::json!({ "AccountID": MARKER }));
    let unfit = serde_json::json!({
        "responseId": "R_unfit",
        "values": { "status": 0, "finished": 1, "recordedDate": "2024-05-01T00:00:00Z", "_recordId": "R_unfit", "progress": MARKER },
        "labels": {}
    });
    let unfit = serde_json::to_vec(&unfit).unwrap();
    world.sandbox.insert(SURVEY, &unfit).unwrap();
    world.sandbox.announce(SURVEY, "R_unfit").unwrap();
    let ended = |state: &str| {
        let ended = format!("SELECT * FROM QUALTRICS_INBOX WHERE STATE = '{state}'");
        dump(&world, &ended).len()
    };
    eventually("row and dead letter", Duration::from_secs(20), || async {
        (ended("done"), ended("dead")) == (1, 1)
    })
    .await;
    assert!(!files_with(&world, MARKER).is_empty());

    let mut erase = world.command(&["erase", &response, "R_unfit", "--yes"]);
    let erased = erase.env("RUST_LOG", "debug").output().await.unwrap();

    assert!(erased.status.success(), "{erased:?}");
    assert!(!format!("{erased:?}").contains(MARKER));
    assert_eq!(files_with(&world, MARKER), Vec::<String>::new());
    let log = std::fs::read_to_string(world.path().join("serve.log")).unwrap();
    assert!(log.contains("event given up"), "{log}");
    serve.kill().await.unwrap();
    assert_eq!(files_with(&world, MARKER), Vec::<String>::new());
}

/// What docs/operate.md says of a backup.
#[tokio::test]
async fn a_copy_of_file_and_log_of_a_stopped_service_has_every_row() {
    let world = World::new().await;
    let mut serve = world.spawn().await;
    for _ in 0..50 {
        complete(&world, serde_json::json!({ "AccountID": "ACME" }));
    }
    let done = "SELECT * FROM QUALTRICS_INBOX WHERE STATE = 'done'";
    eventually("the rows", Duration::from_secs(20), || async {
        dump(&world, done).len() == 50
    })
    .await;
    let pid = serve.id().unwrap().to_string();
    let sent = std::process::Command::new("kill").arg(&pid).status();
    assert!(sent.unwrap().success());
    assert!(serve.wait().await.unwrap().success());

    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(world.path()).unwrap() {
        let name = entry.unwrap().file_name();
        // The log goes with its last connection, if the process lives long enough for that.
        if ["feedback.db", "feedback.db-wal"]
            .iter()
            .any(|wanted| name == *wanted)
        {
            std::fs::copy(world.path().join(&name), copy.path().join(&name)).unwrap();
        }
    }

    let copied = rusqlite::Connection::open(copy.path().join("feedback.db")).unwrap();
    let rows = "SELECT COUNT(*) FROM FEEDBACK";
    let rows = copied.query_row(rows, [], |row| row.get::<_, u32>(0));
    assert_eq!(rows, Ok(50));
}
