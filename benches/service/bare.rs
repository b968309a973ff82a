//! What the service is compared with: the same promises kept by as little as can keep them.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use ingester_core::callback::{Form, SharedKeys, Signing, Verdict};
use rusqlite::{Connection, TransactionBehavior};
use secrecy::SecretString;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::callbacks::{KEY, SURVEY};
use crate::standin;

const ACCEPTED: &str = r#"{"status":"accepted"}"#;

/// Serves one of the bare candidates.
pub(crate) fn play(what: &str, rest: &[&str]) {
    standin::listen(match (what, rest) {
        ("nothing", []) => Router::new().route("/webhooks/qualtrics", post(nothing)),
        ("insert", [database]) => inserting(database, None),
        ("pipeline", [database, qualtrics]) => inserting(database, Some(qualtrics)),
        other => panic!("there is no {other:?}"),
    });
}

async fn nothing(body: Bytes) -> &'static str {
    assert!(!body.is_empty());
    ACCEPTED
}

/// Signature, insert, commit, answer; and where there is a Qualtrics, one read and the row.
#[derive(Clone)]
struct App {
    signing: Arc<Signing>,
    writes: mpsc::Sender<Write>,
    reads: Option<(reqwest::Client, String)>,
}

enum Write {
    Event(String, oneshot::Sender<()>),
    Row(Value, Bytes, oneshot::Sender<()>),
}

fn inserting(database: &str, qualtrics: Option<&str>) -> Router {
    let (writes, queue) = mpsc::channel(4096);
    let connection = open(Path::new(database));
    std::thread::spawn(move || write(connection, queue));
    let signing = Signing {
        keys: Some(SharedKeys {
            current: SecretString::from(KEY),
            previous: None,
        }),
        token: None,
        allow_unsigned: false,
    };
    let app = App {
        signing: Arc::new(signing),
        writes,
        reads: qualtrics.map(|qualtrics| (standin::client(), qualtrics.to_owned())),
    };
    Router::new()
        .route("/webhooks/qualtrics", post(receive))
        .with_state(app)
}

async fn receive(State(app): State<App>, body: Bytes) -> &'static str {
    let form = Form::parse(&body).unwrap();
    let Ok(Verdict::Completed(callback)) = app.signing.verify(&form) else {
        panic!("a callback that is none");
    };
    let response = callback.response_id().to_string();
    let (reply, committed) = oneshot::channel();
    app.writes
        .send(Write::Event(response.clone(), reply))
        .await
        .unwrap();
    committed.await.unwrap();
    if let Some((http, qualtrics)) = app.reads {
        tokio::spawn(read(http, qualtrics, app.writes, response));
    }
    ACCEPTED
}

async fn read(http: reqwest::Client, qualtrics: String, writes: mpsc::Sender<Write>, id: String) {
    let url = format!("http://{qualtrics}/API/v3/surveys/{SURVEY}/responses/{id}");
    let request = http.get(url).header("x-api-token", "sandbox-token");
    let body = request.send().await.unwrap().bytes().await.unwrap();
    let document = serde_json::from_slice(&body).unwrap();
    let (reply, committed) = oneshot::channel();
    writes
        .send(Write::Row(document, body, reply))
        .await
        .unwrap();
    committed.await.unwrap();
    println!("row {id}");
}

pub(crate) fn open(database: &Path) -> Connection {
    let connection = Connection::open(database).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE IF NOT EXISTS EVENTS (RESPONSE TEXT PRIMARY KEY, DONE INTEGER NOT NULL) WITHOUT ROWID;
             CREATE TABLE IF NOT EXISTS DOCUMENTS (RESPONSE TEXT PRIMARY KEY, DOCUMENT BLOB);
             CREATE TABLE IF NOT EXISTS ROWS (A TEXT PRIMARY KEY, B, C, D, E, F, G, H, I, J, K, L);",
        )
        .unwrap();
    connection
}

/// The keys of the row's twelve cells.
const KEYS: [&str; 12] = [
    "_recordId",
    "recordedDate",
    "progress",
    "QID1",
    "QID2_TEXT",
    "QID3_1",
    "QID3_2",
    "QID3_3",
    "QID4",
    "AccountID",
    "ProjectID",
    "PhaseID",
];

/// One row as a bare program writes it.
pub(crate) fn insert_row(connection: &Connection, document: &Value) {
    let values = &document["values"];
    let cells = KEYS.map(|key| match &values[key] {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    });
    connection
        .prepare_cached("INSERT OR REPLACE INTO ROWS VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .unwrap()
        .execute(rusqlite::params_from_iter(cells))
        .unwrap();
}

/// Takes what is queued, commits it together, and answers.
fn write(mut connection: Connection, mut queue: mpsc::Receiver<Write>) {
    let mut writes = Vec::new();
    while queue.blocking_recv_many(&mut writes, 512) > 0 {
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .unwrap();
        let run = |text: &str, binds: &[&dyn rusqlite::ToSql]| {
            transaction
                .prepare_cached(text)
                .unwrap()
                .execute(binds)
                .unwrap();
        };
        for write in &writes {
            match write {
                Write::Event(response, _) => {
                    run("INSERT OR IGNORE INTO EVENTS VALUES (?, 0)", &[response]);
                }
                Write::Row(document, body, _) => {
                    let document = &document["result"];
                    let response = document["responseId"].as_str().unwrap();
                    insert_row(&transaction, document);
                    run(
                        "INSERT OR REPLACE INTO DOCUMENTS VALUES (?, ?)",
                        &[&response, &body.as_ref()],
                    );
                    run(
                        "UPDATE EVENTS SET DONE = 1 WHERE RESPONSE = ?",
                        &[&response],
                    );
                }
            }
        }
        transaction.commit().unwrap();
        for write in writes.drain(..) {
            let (Write::Event(_, reply) | Write::Row(_, _, reply)) = write;
            reply.send(()).unwrap();
        }
    }
}
