//! What can go wrong with a database. Opaque: callers ask questions instead of matching a driver's variants.

use std::fmt;

/// Why the store could not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub struct StoreError {
    kind: Kind,
    detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The writers' queue is full, or a deadline passed.
    Overloaded,
    /// A read took longer than it may.
    TooSlow,
    /// Another process holds a lock.
    Busy,
    /// The disk is full, or a quota reached.
    Full,
    /// Reading, writing or syncing failed.
    Io,
    /// The file is damaged.
    Corrupt,
    /// The file or the user may only read.
    ReadOnly,
    /// The database refuses user or password.
    Denied,
    /// The user lacks a right.
    Privilege,
    /// No such schema.
    MissingSchema,
    /// No such table.
    MissingTable,
    /// No such column.
    MissingColumn,
    /// A row does not fit the table.
    Refused,
    /// The file can't be opened, or the server reached.
    Unavailable,
    /// A second `serve` on one SQLite file.
    TakenByAnother,
    /// The store has shut down.
    Closed,
    /// A kept document does not have the digest that it was kept with.
    Altered,
    /// Anything else: a defect.
    Other,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, mend) = match self.kind {
            Kind::Overloaded => ("the database does not keep up", "try again"),
            Kind::TooSlow => ("the query takes too long", "ask for less"),
            Kind::Busy => (
                "the database is locked by another process",
                "end the long transaction there",
            ),
            Kind::Full => (
                "the disk is full",
                "free space; nothing that was acknowledged is lost",
            ),
            Kind::Io => (
                "the database file can't be read or written",
                "check the disk",
            ),
            Kind::Corrupt => (
                "the database file is damaged",
                "restore it, then run `reconcile`",
            ),
            Kind::ReadOnly => (
                "the database is read-only",
                "give the service's user the right to write",
            ),
            Kind::Denied => (
                "the database refuses the user",
                "check user and password, and whether the user is locked",
            ),
            Kind::Privilege => (
                "the database user lacks a right",
                "let the owner of the schema grant it; `schema grants` prints how",
            ),
            Kind::MissingSchema => (
                "the schema is missing",
                "check the name after ?schema=, or let it be created",
            ),
            Kind::MissingTable => ("a table is missing", "run `schema apply`"),
            Kind::MissingColumn => ("a column is missing", "run `schema apply`"),
            Kind::Refused => ("the row does not fit the table", "run `schema diff`"),
            Kind::Unavailable => (
                "the database can't be opened",
                "check INGESTER_DATABASE_URL",
            ),
            Kind::TakenByAnother => (
                "another `serve` works on this SQLite file",
                "end it, or use HANA for several instances",
            ),
            Kind::Closed => ("the service is shutting down", "try again"),
            Kind::Altered => ("a kept document was altered", "run `reconcile`"),
            Kind::Other => ("the database refused a statement", "report it"),
        };
        write!(f, "{what}: {mend}")?;
        if !self.detail.is_empty() {
            write!(f, " ({})", self.detail)?;
        }
        Ok(())
    }
}

impl StoreError {
    pub(super) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
        }
    }

    /// The writers' queue is full, or the deadline passed.
    #[must_use]
    pub fn overloaded() -> Self {
        Self::new(Kind::Overloaded, "")
    }

    /// A read took longer than it may.
    #[must_use]
    pub fn too_slow() -> Self {
        Self::new(Kind::TooSlow, "")
    }

    /// The store has shut down.
    #[must_use]
    pub fn closed() -> Self {
        Self::new(Kind::Closed, "")
    }

    /// A second `serve` on one SQLite file.
    #[must_use]
    pub fn taken_by_another(path: &std::path::Path) -> Self {
        Self::new(Kind::TakenByAnother, path.display().to_string())
    }

    /// The file or the server can't be reached.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable, detail)
    }

    /// A kept document does not have the digest that it was kept with.
    pub fn altered(detail: impl Into<String>) -> Self {
        Self::new(Kind::Altered, detail)
    }

    /// An answer of the database that is not of the form that the statement promises.
    pub fn unexpected(detail: impl Into<String>) -> Self {
        Self::new(Kind::Other, detail)
    }

    /// Stable code for logs, dead letters and `--output json`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self.kind {
            Kind::Overloaded => "database-overloaded",
            Kind::TooSlow => "query-too-slow",
            Kind::Busy => "database-busy",
            Kind::Full => "database-full",
            Kind::Io => "database-io",
            Kind::Corrupt => "database-corrupt",
            Kind::ReadOnly => "database-read-only",
            Kind::Denied => "database-denied",
            Kind::Privilege => "privilege-missing",
            Kind::MissingSchema => "schema-missing",
            Kind::MissingTable => "table-missing",
            Kind::MissingColumn => "column-missing",
            Kind::Refused => "row-refused",
            Kind::Unavailable => "database-unavailable",
            Kind::TakenByAnother => "database-taken",
            Kind::Closed => "shutting-down",
            Kind::Altered => "document-altered",
            Kind::Other => "database-error",
        }
    }

    /// Whether the same may work later without anybody changing the row: everything but a row that does not fit.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.kind != Kind::Refused
    }

    /// Whether one write alone can be the cause, so that splitting its batch saves the others.
    #[must_use]
    pub fn concerns_one_write(&self) -> bool {
        match self.kind {
            Kind::Refused
            | Kind::Privilege
            | Kind::MissingTable
            | Kind::MissingColumn
            | Kind::Other
            | Kind::Altered => true,
            Kind::Overloaded
            | Kind::TooSlow
            | Kind::Busy
            | Kind::Full
            | Kind::Io
            | Kind::Corrupt
            | Kind::ReadOnly
            | Kind::MissingSchema
            | Kind::Unavailable
            | Kind::Denied
            | Kind::TakenByAnother
            | Kind::Closed => false,
        }
    }

    /// Whether the connection must not be used again.
    #[must_use]
    pub fn breaks_connection(&self) -> bool {
        matches!(self.kind, Kind::Io | Kind::Corrupt | Kind::Unavailable)
    }

    /// Whether another process holds a lock at the moment.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.kind == Kind::Busy
    }

    /// Whether the disk is full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.kind == Kind::Full
    }

    /// Whether a table is missing.
    #[must_use]
    pub fn is_missing_table(&self) -> bool {
        self.kind == Kind::MissingTable
    }

    /// Whether a read took longer than it may.
    #[must_use]
    pub fn is_too_slow(&self) -> bool {
        self.kind == Kind::TooSlow
    }

    /// Whether another `serve` holds the file.
    #[must_use]
    pub fn is_taken_by_another(&self) -> bool {
        self.kind == Kind::TakenByAnother
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        let detail = error.to_string();
        let kind = match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Kind::Busy,
            Some(ErrorCode::DiskFull) => Kind::Full,
            Some(ErrorCode::SystemIoFailure) => Kind::Io,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Kind::Corrupt,
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Kind::ReadOnly,
            Some(ErrorCode::CannotOpen) => Kind::Unavailable,
            Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig) => {
                Kind::Refused
            }
            Some(ErrorCode::OperationInterrupted) => Kind::Overloaded,
            // SQLite has one code for all faults of a statement; only the text tells a missing table from a typing error.
            _ if detail.contains("no such table") => Kind::MissingTable,
            _ if detail.contains("no such column") || detail.contains("has no column named") => {
                Kind::MissingColumn
            }
            _ => Kind::Other,
        };
        Self::new(kind, detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_names_a_mend() {
        assert_eq!(
            StoreError::taken_by_another(std::path::Path::new("feedback.db")).to_string(),
            "another `serve` works on this SQLite file: end it, or use HANA for several instances (feedback.db)"
        );
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        let error = StoreError::from(connection.execute("DELETE FROM T", []).unwrap_err());
        assert!(error.is_missing_table());
        assert!(
            error
                .to_string()
                .starts_with("a table is missing: run `schema apply`")
        );
    }
}
