//! What an error of the driver or the server means for the connection, the transaction and the row.
//!
//! Decided by code, because SQLSTATE is HY000 for nearly everything.
//! Source: SAP HANA SQL and System Views Reference, "SQL Error Codes"; the classes follow SAP's sqlalchemy-hana.

use hdbconnect_async::{ExecutionResult, HdbError, ServerError, Severity};

use crate::store::error::{Kind, StoreError};

const GENERAL: i32 = 2;
const FATAL: i32 = 3;
const OUT_OF_MEMORY: i32 = 4;
const NOT_SUPPORTED: i32 = 7;
const AUTHENTICATION_FAILED: i32 = 10;
const ROLLED_BACK: i32 = 129;
const LOCK_WAIT_TIMEOUT: i32 = 131;
const DEADLOCK: i32 = 133;
const SERIALIZATION: i32 = 138;
const CANCELLED: i32 = 139;
const BUSY: i32 = 146;
const DISTRIBUTED: [i32; 4] = [143, 144, 145, 149];
const SYNTAX: i32 = 257;
const PRIVILEGE: i32 = 258;
const TABLE: i32 = 259;
const COLUMN: i32 = 260;
const INCONSISTENT: i32 = 266;
const TOO_LARGE: i32 = 274;
const NOT_NULL: i32 = 287;
const DUPLICATE_TABLE: i32 = 288;
const UNIQUE: i32 = 301;
const VALUE: [i32; 5] = [303, 304, 305, 314, 339];
const DUPLICATE_SEQUENCE: i32 = 324;
const MISSING: [i32; 2] = [321, 397];
const SCHEMA: i32 = 362;
const SESSION_CONTEXT: i32 = 597;
const STATEMENT_ID: i32 = 610;
const TIMEOUT: i32 = 613;
const PROTOCOL: i32 = 1033;
const NOT_AVAILABLE: i32 = 1888;

/// Why a statement or a batch was not done.
#[derive(Debug)]
pub(super) enum Failure {
    /// The connection must not be used again; what was not committed is rolled back by the server.
    Broken(StoreError),
    /// The transaction is over, or has to be: the same again may succeed.
    Again(StoreError),
    /// Some rows of the batch were refused, by their place in it. The others are done within the transaction.
    Rows(Vec<(usize, Refusal)>),
    /// The statement as a whole was refused.
    Statement(Refusal),
}

/// A code and what it says.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    code: i32,
    pub(super) error: StoreError,
}

impl Refusal {
    fn new(error: &ServerError) -> Self {
        Self {
            code: error.code(),
            error: store_error(error),
        }
    }

    /// Found by us, before the server could.
    pub(super) fn ours(error: StoreError) -> Self {
        Self { code: 0, error }
    }

    /// Another transaction wrote the same new key first; after it has committed, the same write finds the row. HANA
    /// gives this even to an UPSERT.
    pub(super) fn is_conflict(&self) -> bool {
        self.code == UNIQUE
    }

    /// Somebody else created it first.
    pub(super) fn exists_already(&self) -> bool {
        matches!(self.code, DUPLICATE_TABLE | DUPLICATE_SEQUENCE)
    }

    /// The database does not know the words.
    pub(super) fn is_unknown_syntax(&self) -> bool {
        matches!(self.code, SYNTAX | NOT_SUPPORTED)
    }

    pub(super) fn is_missing_privilege(&self) -> bool {
        self.code == PRIVILEGE
    }
}

impl Failure {
    /// The one error that stands for all of it.
    pub(super) fn into_error(self) -> StoreError {
        match self {
            Self::Broken(error) | Self::Again(error) => error,
            Self::Statement(refusal) => refusal.error,
            Self::Rows(rows) => rows.into_iter().next().map_or_else(
                || StoreError::unexpected("no row"),
                |(_, refusal)| refusal.error,
            ),
        }
    }
}

impl From<HdbError> for Failure {
    /// A connection is kept only after a plain error of the server: anything else may have left a reply unread, and
    /// the next statement would get it.
    fn from(error: HdbError) -> Self {
        match error {
            HdbError::DbError { source } => of_server(&source),
            HdbError::ExecutionResults(results) => {
                let mut rows = Vec::new();
                for (row, result) in results.into_iter().enumerate() {
                    match result {
                        ExecutionResult::Failure(Some(error)) => match of_server(&error) {
                            Self::Statement(refusal) => rows.push((row, refusal)),
                            ends => return ends,
                        },
                        ExecutionResult::Failure(None) | ExecutionResult::ExtraFailure(_) => {
                            return Self::Broken(StoreError::unexpected(
                                "an error without its row came back",
                            ));
                        }
                        ExecutionResult::RowsAffected(_) | ExecutionResult::SuccessNoInfo => {}
                    }
                }
                Self::Rows(rows)
            }
            // This may be the first, and then the only one, to say that the database is away.
            other => Self::Broken(StoreError::unavailable(mended(&with_causes(&other)))),
        }
    }
}

fn of_server(error: &ServerError) -> Failure {
    if *error.severity() == Severity::Fatal {
        return Failure::Broken(StoreError::unavailable(shown(error)));
    }
    match error.code() {
        FATAL | SESSION_CONTEXT | STATEMENT_ID | PROTOCOL | NOT_AVAILABLE => {
            Failure::Broken(store_error(error))
        }
        GENERAL | OUT_OF_MEMORY | ROLLED_BACK | LOCK_WAIT_TIMEOUT | DEADLOCK | SERIALIZATION
        | CANCELLED | BUSY | TIMEOUT => Failure::Again(store_error(error)),
        code if DISTRIBUTED.contains(&code) => Failure::Again(store_error(error)),
        _ => Failure::Statement(Refusal::new(error)),
    }
}

fn store_error(error: &ServerError) -> StoreError {
    let kind = match error.code() {
        OUT_OF_MEMORY | TIMEOUT => Kind::Overloaded,
        ROLLED_BACK | LOCK_WAIT_TIMEOUT | DEADLOCK | SERIALIZATION | CANCELLED | BUSY => Kind::Busy,
        NOT_SUPPORTED if error.text().contains("read-enabled") => Kind::ReadOnly,
        PRIVILEGE => Kind::Privilege,
        TABLE => Kind::MissingTable,
        COLUMN => Kind::MissingColumn,
        SCHEMA => Kind::MissingSchema,
        code if MISSING.contains(&code) => Kind::MissingTable,
        INCONSISTENT | TOO_LARGE | NOT_NULL | UNIQUE => Kind::Refused,
        code if VALUE.contains(&code) => Kind::Refused,
        FATAL | SESSION_CONTEXT | STATEMENT_ID | PROTOCOL | NOT_AVAILABLE => Kind::Unavailable,
        code if DISTRIBUTED.contains(&code) => Kind::Busy,
        _ => Kind::Other,
    };
    StoreError::new(kind, shown(error))
}

/// What is shown of a server's text.
const SHOWN_CHARS_MAX: usize = 200;

/// Of an error about a value only the standing words and the column, because HANA quotes the value, which is an answer.
fn shown(error: &ServerError) -> String {
    let text = error.text();
    let is_about_a_value = matches!(error.code(), INCONSISTENT | TOO_LARGE | NOT_NULL | UNIQUE)
        || VALUE.contains(&error.code());
    let words = if is_about_a_value {
        let standing = text.split(':').next().unwrap_or_default();
        column_named_in(text).map_or_else(
            || standing.to_owned(),
            |column| format!("{standing}: column {column}"),
        )
    } else {
        text.to_owned()
    };
    let words: String = words
        .chars()
        .map(|character| {
            if character.is_control() {
                ' '
            } else {
                character
            }
        })
        .take(SHOWN_CHARS_MAX)
        .collect();
    format!("HANA error {}: {}", error.code(), words.trim())
}

/// `… Failed in "Q1" column with the value …`, `… Not nullable "Q1" column`.
fn column_named_in(text: &str) -> Option<&str> {
    let (before, _) = text.split_once("\" column")?;
    before.rsplit('"').next().filter(|name| !name.is_empty())
}

/// The driver's own texts hide their causes ("Authentication failed").
fn with_causes(error: &HdbError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum LogOn {
    /// User or password are refused; asking again may lock the user.
    Refused(StoreError),
    /// A person locked the user, or has to change its password; asking again does no harm.
    Locked(StoreError),
    /// Anything else may be over soon.
    Away(StoreError),
}

impl LogOn {
    /// `place` is host and port.
    pub(super) fn new(error: HdbError, place: &str) -> Self {
        match error {
            HdbError::Authentication { source } => {
                let server = source.server_error();
                let denied = |detail: String| StoreError::new(Kind::Denied, detail);
                match server.map(|error| (error.code(), shown(error))) {
                    Some((AUTHENTICATION_FAILED, text)) => Self::Refused(denied(text)),
                    Some((_, text)) => Self::Locked(denied(text)),
                    // No answer about the password at all: the server went away meanwhile.
                    None => Self::away(&with_causes(&source), place),
                }
            }
            HdbError::DbError { source } => match source.code() {
                AUTHENTICATION_FAILED => {
                    Self::Refused(StoreError::new(Kind::Denied, shown(&source)))
                }
                _ => Self::away(&shown(&source), place),
            },
            other => Self::away(&with_causes(&other), place),
        }
    }

    pub(super) fn away(cause: &str, place: &str) -> Self {
        Self::Away(StoreError::unavailable(format!(
            "{place}: {}",
            mended(cause)
        )))
    }

    pub(super) fn error(&self) -> &StoreError {
        match self {
            Self::Refused(error) | Self::Locked(error) | Self::Away(error) => error,
        }
    }
}

/// What the driver, rustls or the system says when there is no connection, and what to do then.
const MENDS: [(&str, &str); 5] = [
    (
        "failed to lookup address",
        "there is no such host: copy the instance's SQL endpoint",
    ),
    ("certificate expired", "renew the server's certificate"),
    (
        "not valid for name",
        "connect by the name that is in the server's certificate",
    ),
    (
        "UnknownIssuer",
        "name the file with the certificate of its issuer: ?certificate=FILE.pem",
    ),
    (
        "InvalidContentType",
        "what answers does not speak TLS: check the port",
    ),
];

/// A cause with its mend. What is not among them has three causes that look alike from here.
/// Source: SAP's sap-tutorials issue 5694, go-hdb issue 134: all three close during the TLS handshake or time out.
fn mended(cause: &str) -> String {
    if let Some((_, mend)) = MENDS.iter().find(|(words, _)| cause.contains(words)) {
        return format!("{cause}; {mend}");
    }
    let or_tls = match cause.contains("Initialization without TLS") {
        true => ", or it wants TLS: write hdbsqls://",
        false => "",
    };
    format!(
        "{cause}; the instance may be stopped, its list of allowed addresses may lack this one, or host, port or \
         certificate may be wrong{or_tls}"
    )
}
