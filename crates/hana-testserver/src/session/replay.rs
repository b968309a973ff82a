//! Recorded requests of both clients, answered by a session: the replies have the parts that both clients accepted.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::{Answer, Session, Shared, State};
use crate::counters::Recorder;
use crate::engine::Engine;
use crate::faults::{Fault, FaultHandle};
use crate::options::Options;
use crate::wire::cesu8;
use crate::wire::message::{Message, SegmentKind};
use crate::wire::message_type;
use crate::wire::part::kind;

/// A session that is logged on and has the table that the recordings write to.
fn session(format: i32) -> Session {
    let options = Options::default();
    let engine = Engine::new().unwrap();
    engine
        .change_catalog(|catalog| {
            catalog.users.insert("DBADMIN".to_owned());
            catalog.add_schema("DBADMIN", "DBADMIN");
        })
        .unwrap();
    let shared = Shared {
        engine,
        users: options.users.into(),
        faults: FaultHandle::default(),
        recorder: Recorder::default(),
        methods: options.methods,
        lock_wait: options.lock_wait,
        first_fetch_rows: options.first_fetch_rows,
    };
    let mut session = Session::new(Arc::new(shared), 200_001, false);
    session.state = State::Open;
    session.format = format;
    session.viewpoint.user = "DBADMIN".to_owned();
    session.viewpoint.schema = "DBADMIN".to_owned();
    let create = "CREATE COLUMN TABLE T (ID NVARCHAR(36) PRIMARY KEY, TXT NVARCHAR(5000), N INTEGER, D DECIMAL(10,2), \
                  TS TIMESTAMP, B BOOLEAN, L NCLOB, DD DATE, DBL DOUBLE, BI BIGINT, DEC DECIMAL, TM TIME, F16 DECIMAL(38,10))";
    let request = request(create);
    assert!(matches!(session.answer(&request), Ok(Answer::Reply(_))));
    session
}

fn request(sql: &str) -> Message {
    Message {
        session_id: 0,
        packet_count: 0,
        varpart_size: 0,
        kind: SegmentKind::Request {
            message_type: message_type::EXECUTE_DIRECT,
            auto_commit: true,
            options: 0,
        },
        parts: vec![crate::wire::part::Part::new(
            kind::COMMAND,
            1,
            sql.as_bytes().to_vec(),
        )],
    }
}

/// Requests with their recorded replies, log-on left out.
fn exchanges(file: &str) -> Vec<(Message, Message)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/captures/{file}.raw.txt"));
    let text = std::fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let parse = |line: &str| Message::parse(&hex::decode(line.split_once(' ').unwrap().1).unwrap());
    lines
        .windows(2)
        .filter(|pair| pair[0].starts_with('C') && pair[1].starts_with('S'))
        .filter_map(|pair| Some((parse(pair[0]).ok()?, parse(pair[1]).ok()?)))
        .filter(|(request, _)| {
            !matches!(
                type_of(request),
                message_type::AUTHENTICATE | message_type::CONNECT
            )
        })
        .collect()
}

fn type_of(message: &Message) -> u8 {
    match message.kind {
        SegmentKind::Request { message_type, .. } => message_type,
        SegmentKind::Reply { .. } | SegmentKind::Error { .. } => 0,
    }
}

fn buffer(message: &Message, kind: u8) -> Option<Vec<u8>> {
    message
        .parts
        .iter()
        .find(|part| part.kind == kind)
        .map(|part| part.buffer.clone())
}

/// Statements that only the prototype knew, and the table that is there already.
fn is_foreign(request: &Message) -> bool {
    let sql = buffer(request, kind::COMMAND).map(|bytes| cesu8::decode(&bytes).unwrap());
    sql.is_some_and(|sql| {
        ["SELECT SERIES", "ERR ", "CLOSING", "CREATE "]
            .iter()
            .any(|prefix| sql.starts_with(prefix))
    })
}

/// Kinds of parts. The prototype told what became of the transaction only sometimes.
fn parts(message: &Message) -> Vec<u8> {
    message
        .parts
        .iter()
        .map(|part| part.kind)
        .filter(|part_kind| *part_kind != kind::TRANSACTION_FLAGS)
        .collect()
}

/// Answers a recording and compares; gives the number of replies compared.
fn replay(file: &str, format: i32) -> usize {
    let mut session = session(format);
    let mut statement_ids: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
    let mut compared = 0;
    for (mut request, recorded) in exchanges(file) {
        // Ids of result sets and LOBs are the prototype's.
        let needs_foreign_id = matches!(
            type_of(&request),
            message_type::FETCH_NEXT
                | message_type::CLOSE_RESULT_SET
                | message_type::READ_LOB
                | message_type::WRITE_LOB
                | message_type::DISCONNECT
        );
        if needs_foreign_id || is_foreign(&request) {
            continue;
        }
        for part in &mut request.parts {
            if part.kind == kind::STATEMENT_ID {
                let Some(ours) = statement_ids.get(&part.buffer) else {
                    continue;
                };
                part.buffer.clone_from(ours);
            }
        }

        // The prototype let rows fail by name.
        session.shared.faults.clear();
        let counts = buffer(&recorded, kind::ROWS_AFFECTED).unwrap_or_default();
        for (row, count) in counts.chunks(4).enumerate() {
            if count == (-3_i32).to_le_bytes() {
                session.shared.faults.add(Fault::error(274).row(row));
            }
        }

        let Ok(Answer::Reply(bytes)) = session.answer(&request) else {
            panic!("{file}: no reply to {request:?}");
        };

        let reply = Message::parse(&bytes).unwrap();
        if let (Some(theirs), Some(ours)) = (
            buffer(&recorded, kind::STATEMENT_ID),
            buffer(&reply, kind::STATEMENT_ID),
        ) {
            statement_ids.insert(theirs, ours);
        }
        assert_eq!(
            parts(&reply),
            parts(&recorded),
            "{file}: {request:?} {reply:?}"
        );
        assert_eq!(reply.kind, recorded.kind, "{file}: {request:?}");
        assert_eq!(
            buffer(&reply, kind::ROWS_AFFECTED),
            buffer(&recorded, kind::ROWS_AFFECTED),
            "{file}"
        );
        let metadata = kind::PARAMETER_METADATA;
        assert_eq!(
            buffer(&reply, metadata),
            buffer(&recorded, metadata),
            "{file}"
        );
        compared += 1;
    }
    compared
}

#[test]
fn replies_have_the_parts_that_the_clients_accepted() {
    for (file, format, least) in [
        ("hdbconnect-basic", 8, 4),
        ("hdbconnect-batch-errors", 8, 2),
        ("hdbconnect-nclob", 8, 2),
        ("node-hdb-basic-dfv1", 1, 4),
        ("node-hdb-basic-dfv8", 8, 4),
        ("node-hdb-nclob", 1, 3),
    ] {
        let compared = replay(file, format);

        assert!(
            compared >= least,
            "{file}: only {compared} replies compared"
        );
    }
}
