//! How a server is set up.

use std::time::Duration;

use crate::faults::Fault;
use crate::tls::Tls;

/// A database user with its schema.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// As the client sends it; compared exactly.
    pub name: String,
    /// In clear: this is a test server.
    pub password: String,
    /// The schema that the user's connections start in. The first user that names a schema owns it.
    pub schema: String,
    /// Whether the user may create, alter and drop in its schema.
    pub can_create: bool,
    /// Whether the user may only read its schema.
    pub read_only: bool,
}

/// Everything that can be chosen at the start.
#[derive(Debug, Clone)]
pub struct Options {
    /// Who may log on.
    pub users: Vec<User>,
    /// With it the server takes only TLS connections.
    pub tls: Option<Tls>,
    /// How long a statement waits for a row that another transaction holds, where the session does not say.
    pub lock_wait: Duration,
    /// Which log-on methods the server knows; the first that the client offers too is taken.
    pub methods: Vec<Method>,
    /// Rows in the first reply of a query, where the client does not say.
    pub first_fetch_rows: usize,
    /// Faults from the start on.
    pub faults: Vec<Fault>,
}

/// A way to log on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// SCRAM with a password stretched by PBKDF2; what HANA prefers.
    ScramPbkdf2Sha256,
    /// SCRAM with the plain password.
    ScramSha256,
}

impl User {
    /// A user that owns the schema of the same name and may do everything in it.
    #[must_use]
    pub fn new(name: &str, password: &str) -> Self {
        Self {
            name: name.to_owned(),
            password: password.to_owned(),
            schema: name.to_owned(),
            can_create: true,
            read_only: false,
        }
    }
}

impl Default for Options {
    /// One user `INGESTER` with the password `Secret123` and a schema of its own, no TLS.
    fn default() -> Self {
        Self {
            users: vec![User::new("INGESTER", "Secret123")],
            tls: None,
            lock_wait: Duration::from_secs(10),
            methods: vec![Method::ScramPbkdf2Sha256, Method::ScramSha256],
            first_fetch_rows: 32,
            faults: Vec::new(),
        }
    }
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User")
            .field("name", &self.name)
            .field("password", &"***")
            .field("schema", &self.schema)
            .field("can_create", &self.can_create)
            .field("read_only", &self.read_only)
            .finish()
    }
}
