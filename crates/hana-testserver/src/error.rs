//! The errors that a statement gets, in HANA's codes and words.

/// One error as HANA reports it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text} ({code})")]
pub(crate) struct SqlError {
    /// HANA's number for it.
    pub(crate) code: i32,
    /// HANA's words, with what they are about.
    pub(crate) text: String,
    /// 1-based offset into the statement, 0 where it means nothing.
    pub(crate) position: i32,
}

/// Names of the codes. Source: SAP HANA SQL and System Views Reference, "SQL Error Codes".
pub(crate) mod code {
    pub(crate) const GENERAL: i32 = 2;
    pub(crate) const NOT_SUPPORTED: i32 = 7;
    pub(crate) const AUTHENTICATION: i32 = 10;
    pub(crate) const ROLLED_BACK: i32 = 129;
    pub(crate) const LOCK_TIMEOUT: i32 = 131;
    pub(crate) const DEADLOCK: i32 = 133;
    pub(crate) const SERIALIZATION: i32 = 138;
    pub(crate) const CANCELLED: i32 = 139;
    pub(crate) const BUSY: i32 = 146;
    pub(crate) const SYNTAX: i32 = 257;
    pub(crate) const PRIVILEGE: i32 = 258;
    pub(crate) const TABLE: i32 = 259;
    pub(crate) const COLUMN: i32 = 260;
    pub(crate) const INDEX: i32 = 261;
    pub(crate) const DATATYPE: i32 = 264;
    pub(crate) const INCONSISTENT: i32 = 266;
    pub(crate) const LENGTH: i32 = 267;
    pub(crate) const AMBIGUOUS: i32 = 268;
    pub(crate) const TOO_MANY_VALUES: i32 = 269;
    pub(crate) const NOT_ENOUGH_VALUES: i32 = 270;
    pub(crate) const DUPLICATE_COLUMN: i32 = 272;
    pub(crate) const TOO_LARGE: i32 = 274;
    pub(crate) const AGGREGATE: i32 = 275;
    pub(crate) const NOT_GROUPED: i32 = 277;
    pub(crate) const ORDER_ITEM: i32 = 280;
    pub(crate) const IDENTIFIER_LENGTH: i32 = 286;
    pub(crate) const NULL: i32 = 287;
    pub(crate) const DUPLICATE_TABLE: i32 = 288;
    pub(crate) const DUPLICATE_INDEX: i32 = 289;
    pub(crate) const PRIMARY_KEY: i32 = 294;
    pub(crate) const UNIQUE: i32 = 301;
    pub(crate) const DATETIME: i32 = 303;
    pub(crate) const DIVISION: i32 = 304;
    pub(crate) const COLUMN_EXISTS: i32 = 308;
    pub(crate) const SEQUENCE: i32 = 313;
    pub(crate) const OVERFLOW: i32 = 314;
    pub(crate) const ARGUMENTS: i32 = 316;
    pub(crate) const PRECISION: i32 = 318;
    pub(crate) const SCALE: i32 = 319;
    pub(crate) const LOB_INDEX: i32 = 320;
    pub(crate) const DUPLICATE_SEQUENCE: i32 = 324;
    pub(crate) const ESCAPE: i32 = 325;
    pub(crate) const FUNCTION: i32 = 328;
    pub(crate) const USER: i32 = 332;
    pub(crate) const DEFAULT: i32 = 336;
    pub(crate) const NUMBER: i32 = 339;
    pub(crate) const NOT_BOUND: i32 = 340;
    pub(crate) const UNIQUE_INDEX: i32 = 349;
    pub(crate) const SCHEMA: i32 = 362;
    pub(crate) const DUPLICATE_SCHEMA: i32 = 386;
    pub(crate) const LOCKED_USER: i32 = 416;
    pub(crate) const STATEMENT_ID: i32 = 610;
    pub(crate) const PROTOCOL: i32 = 1033;
}

impl SqlError {
    /// An error with HANA's standing words for the code and what it is about.
    pub(crate) fn new(code: i32, about: impl AsRef<str>) -> Self {
        let standing = standing_text(code);
        let about = about.as_ref();
        let text = if about.is_empty() {
            standing.to_owned()
        } else {
            format!("{standing}: {about}")
        };
        Self {
            code,
            text,
            position: 0,
        }
    }

    /// The same error at a 0-based byte offset of the statement.
    pub(crate) fn at(mut self, offset: usize) -> Self {
        let position = i32::try_from(offset).unwrap_or(i32::MAX);
        if self.position == 0 {
            self.position = position.saturating_add(1);
            self.text = format!("{}: line 1 col {1} (at pos {1})", self.text, self.position);
        }
        self
    }

    /// Whether HANA ends the whole transaction with this error.
    /// Source: the texts of these codes, "transaction rolled back by …".
    pub(crate) fn rolls_back(&self) -> bool {
        matches!(
            self.code,
            code::ROLLED_BACK
                | code::LOCK_TIMEOUT
                | code::DEADLOCK
                | code::SERIALIZATION
                | code::CANCELLED
        )
    }
}

/// HANA's words for a code.
pub(crate) fn standing_text(code: i32) -> &'static str {
    ERROR_TEXTS
        .iter()
        .find(|(known, _)| *known == code)
        .map_or("general error", |(_, text)| text)
}

/// Codes and words, also shown by `SYS.M_ERROR_CODES`.
pub(crate) const ERROR_TEXTS: &[(i32, &str)] = &[
    (code::GENERAL, "general error"),
    (3, "fatal error"),
    (4, "cannot allocate enough memory"),
    (code::NOT_SUPPORTED, "feature not supported"),
    (code::AUTHENTICATION, "authentication failed"),
    (
        code::ROLLED_BACK,
        "transaction rolled back by an internal error",
    ),
    (
        code::LOCK_TIMEOUT,
        "transaction rolled back by lock wait timeout",
    ),
    (
        code::DEADLOCK,
        "transaction rolled back by detected deadlock",
    ),
    (code::SERIALIZATION, "transaction serialization failure"),
    (
        code::CANCELLED,
        "current operation cancelled by request and transaction rolled back",
    ),
    (
        code::BUSY,
        "resource busy and acquire with NOWAIT specified",
    ),
    (code::SYNTAX, "sql syntax error"),
    (code::PRIVILEGE, "insufficient privilege"),
    (code::TABLE, "invalid table name"),
    (code::COLUMN, "invalid column name"),
    (code::INDEX, "invalid index name"),
    (code::DATATYPE, "invalid datatype"),
    (code::INCONSISTENT, "inconsistent datatype"),
    (code::LENGTH, "specified length too long for its datatype"),
    (code::AMBIGUOUS, "column ambiguously defined"),
    (code::TOO_MANY_VALUES, "too many values"),
    (code::NOT_ENOUGH_VALUES, "not enough values"),
    (code::DUPLICATE_COLUMN, "duplicate column name"),
    (code::TOO_LARGE, "inserted value too large for column"),
    (code::AGGREGATE, "aggregate function not allowed"),
    (code::NOT_GROUPED, "not a GROUP BY expression"),
    (
        code::ORDER_ITEM,
        "ORDER BY item must be the number of a SELECT-list",
    ),
    (code::IDENTIFIER_LENGTH, "identifier is too long"),
    (code::NULL, "cannot insert NULL or update to NULL"),
    (code::DUPLICATE_TABLE, "cannot use duplicate table name"),
    (code::DUPLICATE_INDEX, "cannot use duplicate index name"),
    (code::PRIMARY_KEY, "cannot have more than one primary key"),
    (code::UNIQUE, "unique constraint violated"),
    (code::DATETIME, "invalid DATE, TIME or TIMESTAMP value"),
    (code::DIVISION, "division by zero undefined"),
    (code::COLUMN_EXISTS, "column name already exists"),
    (code::SEQUENCE, "invalid sequence"),
    (code::OVERFLOW, "numeric overflow"),
    (
        code::ARGUMENTS,
        "wrong number of arguments in function invocation",
    ),
    (
        code::PRECISION,
        "decimal precision specifier is out of range",
    ),
    (code::SCALE, "decimal scale specifier is out of range"),
    (
        code::LOB_INDEX,
        "cannot create index on expression with datatype LOB",
    ),
    (
        code::DUPLICATE_SEQUENCE,
        "cannot use duplicate sequence name",
    ),
    (code::ESCAPE, "invalid escape sequence"),
    (code::FUNCTION, "invalid name of function or procedure"),
    (code::USER, "invalid user name"),
    (code::DEFAULT, "invalid default value"),
    (code::NUMBER, "invalid number"),
    (code::NOT_BOUND, "not all variables bound"),
    (
        code::UNIQUE_INDEX,
        "cannot CREATE UNIQUE INDEX; duplicate key found",
    ),
    (code::SCHEMA, "invalid schema name"),
    (code::DUPLICATE_SCHEMA, "cannot use duplicate schema name"),
    (414, "user is forced to change password"),
    (415, "user is deactivated"),
    (code::LOCKED_USER, "user is locked"),
    (597, "session context error"),
    (code::STATEMENT_ID, "invalid statement id"),
    (613, "execution aborted by timeout"),
    (code::PROTOCOL, "error while parsing protocol"),
    (1888, "database service not available"),
];
