//! One connection: its state, and which request goes where. Requests are answered one at a time, on a thread of the
//! connection's own, so that waiting for a row blocks nobody else.

mod cursor;
mod execute;
mod lob;
mod logon;
#[cfg(test)]
mod replay;
mod reply;
mod scram;
mod statement;

use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Write};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use crate::counters::Recorder;
use crate::dialect::compile::Viewpoint;
use crate::engine::{Engine, Transaction};
use crate::error::{SqlError, code};
use crate::faults::FaultHandle;
use crate::options::{Method, User};
use crate::wire::bytes::Malformed;
use crate::wire::error::Severity;
use crate::wire::message::{Message, ReadError, SegmentKind};
use crate::wire::options::transaction;
use crate::wire::part::{Part, kind};
use crate::wire::{client_info, function_code, message_type};
use cursor::Cursor;
use lob::{LobReads, PendingLobs};
use logon::Challenge;
use reply::Reply;
use scram::Verifier;
use statement::Prepared;

/// Method (stretched or not), user and password to verifier.
type Verifiers = HashMap<(bool, String, String), Verifier>;

static VERIFIERS: LazyLock<Mutex<Verifiers>> = LazyLock::new(Mutex::default);

/// What all sessions of a server share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) users: Mutex<Vec<User>>,
    pub(crate) faults: FaultHandle,
    pub(crate) recorder: Recorder,
    pub(crate) methods: Vec<Method>,
    pub(crate) lock_wait: Duration,
    pub(crate) first_fetch_rows: usize,
}

/// How far the log-on is.
#[derive(Debug)]
enum State {
    New,
    Challenged(Challenge),
    Open,
}

/// What goes back to the client.
pub(super) enum Answer {
    Reply(Vec<u8>),
    /// The connection is closed behind it.
    Last(Vec<u8>),
    /// The connection is closed instead.
    Cut,
}

pub(crate) struct Session {
    shared: Arc<Shared>,
    state: State,
    encrypted: bool,
    /// The data format version that the client asked for.
    format: i32,
    viewpoint: Viewpoint,
    variables: BTreeMap<String, String>,
    transaction: Transaction,
    /// The statements of the transaction, for faults at its commit.
    transaction_text: String,
    prepared: HashMap<u64, Prepared>,
    cursors: HashMap<u64, Cursor>,
    lob_reads: LobReads,
    pending_lobs: Option<PendingLobs>,
    last_id: u64,
    statements: u64,
}

/// What a client sends first: magic, versions, one option: little endian.
const INITIAL_REQUEST_BYTES: usize = 14;
/// Product 4.20, protocol 4.1, filler. Source: the dossier, 2.1.
const INITIAL_REPLY: [u8; 8] = [4, 20, 0, 4, 1, 0, 0, 0];

/// Serves one connection until it ends.
pub(crate) fn serve(mut stream: impl Read + Write, shared: &Arc<Shared>, id: i64, encrypted: bool) {
    shared.recorder.opened(id);
    let mut session = Session::new(Arc::clone(shared), id, encrypted);
    // A connection that fails is a connection that ends.
    drop(session.talk(&mut stream));
    session.close();
    shared.recorder.closed(id);
}

impl Session {
    fn new(shared: Arc<Shared>, id: i64, encrypted: bool) -> Self {
        let transaction = Transaction::new(shared.lock_wait);
        Self {
            shared,
            state: State::New,
            encrypted,
            format: 1,
            viewpoint: Viewpoint {
                user: String::new(),
                schema: String::new(),
                session: id,
            },
            variables: BTreeMap::new(),
            transaction,
            transaction_text: String::new(),
            prepared: HashMap::new(),
            cursors: HashMap::new(),
            lob_reads: LobReads::default(),
            pending_lobs: None,
            last_id: 0,
            statements: 0,
        }
    }

    fn talk(&mut self, stream: &mut (impl Read + Write)) -> Result<(), ReadError> {
        let mut initial = [0; INITIAL_REQUEST_BYTES];
        stream.read_exact(&mut initial)?;
        if !initial.starts_with(&[0xff; 4]) || !initial.ends_with(&[1, 1]) {
            return Err(Malformed("no initialization request").into());
        }
        stream.write_all(&INITIAL_REPLY)?;
        stream.flush()?;
        loop {
            let message = Message::read(stream)?;
            self.shared.recorder.round_trip(self.viewpoint.session);
            let answer = self.answer(&message).unwrap_or_else(|malformed| {
                let error = SqlError::new(code::PROTOCOL, malformed.0);
                Reply::error(&error, Severity::Fatal, Some(transaction::SESSION_CLOSING))
                    .last_answer(self, &message)
            });
            let (bytes, goes_on) = match answer {
                Answer::Reply(bytes) => (bytes, true),
                Answer::Last(bytes) => (bytes, false),
                Answer::Cut => return Ok(()),
            };
            stream.write_all(&bytes)?;
            stream.flush()?;
            if !goes_on {
                return Ok(());
            }
        }
    }

    fn answer(&mut self, message: &Message) -> Result<Answer, Malformed> {
        let SegmentKind::Request { message_type, .. } = message.kind else {
            return Err(Malformed("a reply where a request is expected"));
        };
        if !matches!(self.state, State::Open) {
            return match message_type {
                message_type::AUTHENTICATE => self.authenticate(message),
                message_type::CONNECT => self.connect(message),
                message_type::DB_CONNECT_INFO => Ok(self.on_correct_database(message)),
                message_type::DISCONNECT => {
                    Ok(Reply::new(function_code::DISCONNECT).last_answer(self, message))
                }
                _ => Err(Malformed("a request before the log-on")),
            };
        }
        if let Some(part) = optional_part(message, kind::CLIENT_INFO) {
            for (key, value) in client_info::parse(&part.buffer)? {
                self.set_variable(key, value);
            }
        }
        match message_type {
            message_type::EXECUTE_DIRECT => self.execute_direct(message),
            message_type::PREPARE => self.prepare(message),
            message_type::EXECUTE => self.execute_prepared(message),
            message_type::WRITE_LOB => self.write_lob(message),
            message_type::READ_LOB => self.read_lob(message),
            message_type::FIND_LOB => {
                let error = SqlError::new(code::NOT_SUPPORTED, "FINDLOB");
                Ok(Reply::error(&error, Severity::Error, None).answer(self, message))
            }
            message_type::FETCH_NEXT => self.fetch_next(message),
            message_type::CLOSE_RESULT_SET => self.close_result_set(message),
            message_type::DROP_STATEMENT_ID => self.drop_statement(message),
            message_type::COMMIT => Ok(self.direct("COMMIT", message, 0)),
            message_type::ROLLBACK => Ok(self.direct("ROLLBACK", message, 0)),
            message_type::DB_CONNECT_INFO => Ok(self.on_correct_database(message)),
            message_type::CLIENT_PING => Ok(Reply::new(function_code::PING).answer(self, message)),
            message_type::DISCONNECT => {
                Ok(Reply::new(function_code::DISCONNECT).last_answer(self, message))
            }
            _ => Err(Malformed("an unknown message type")),
        }
    }

    /// This server redirects nobody.
    fn on_correct_database(&self, message: &Message) -> Answer {
        use crate::wire::options::{OptionValue, part};
        Reply::new(function_code::NIL)
            .with(part(
                kind::DB_CONNECT_INFO,
                &[(4, OptionValue::Boolean(true))],
            ))
            .answer(self, message)
    }

    fn set_variable(&mut self, key: String, value: Option<String>) {
        let shows = key == "APPLICATION";
        match value {
            Some(value) => self.variables.insert(key, value),
            None => self.variables.remove(&key),
        };
        if shows {
            self.show_connection();
        }
    }

    /// The id in message headers; 0 until the log-on is done.
    fn wire_id(&self) -> i64 {
        match self.state {
            State::Open => self.viewpoint.session,
            State::New | State::Challenged(_) => 0,
        }
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// A connection that ends takes its transaction and its temporary tables along.
    fn close(&mut self) {
        self.shared.engine.rollback(&mut self.transaction);
        self.shared.engine.drop_temporary(self.viewpoint.session);
        self.shared
            .engine
            .set_connection(self.viewpoint.session, None);
    }
}

fn optional_part(message: &Message, kind: u8) -> Option<&Part> {
    message.parts.iter().find(|part| part.kind == kind)
}

fn part(message: &Message, kind: u8) -> Result<&Part, Malformed> {
    optional_part(message, kind).ok_or(Malformed("a part is missing"))
}

/// An id of eight bytes.
fn id_of(part: &Part) -> Result<u64, Malformed> {
    crate::wire::bytes::Reader::new(&part.buffer).u64()
}

fn auto_commit(message: &Message) -> bool {
    matches!(
        message.kind,
        SegmentKind::Request {
            auto_commit: true,
            ..
        }
    )
}
