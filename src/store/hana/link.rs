//! How connections are made: where to, how often at most, and what must stand in the database before anybody works
//! with it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hdbconnect_async::{ConnectParams, ConnectionConfiguration, HdbResult, ServerCerts};
use ingester_core::row::{Cell, ColumnType};
use ingester_core::sql::{Statement, ddl, runs, session};
use secrecy::ExposeSecret as _;
use tokio::sync::Mutex;

use super::certificate::CertificateFolder;
use super::code::{Failure, LogOn};
use super::connection::Connection;
use crate::config::Hana;
use crate::store::error::{Kind, StoreError};

/// The driver's connect has no limit of its own.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Shorter than any read time-out, so that the server says what it waits for.
const LOCK_WAIT: Duration = Duration::from_secs(5);
/// After a failed attempt the next one waits so long at first, and at most so long.
const PAUSE: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// Every attempt with a wrong password counts towards the user's lock.
/// Source: HANA's password policy locks after six by default (`maximum_invalid_connect_attempts`).
const REFUSED_PAUSE: Duration = Duration::from_secs(5 * 60);
const REFUSED_PAUSE_MAX: Duration = Duration::from_secs(60 * 60);
/// A locked user may be unlocked at any time, and asking does not lock it further.
const LOCKED_PAUSE: Duration = Duration::from_secs(30);

/// Where connections come from. One per store, shared by all its tasks.
pub(super) struct Link {
    params: ConnectParams,
    place: String,
    schema: Option<String>,
    /// Kept for as long as connections are made.
    _certificates: Option<CertificateFolder>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// When to ask again at the earliest, and why not now.
    pause: Option<(Instant, Duration, StoreError)>,
    /// What hashes of erased responses are made with; there once the own tables are.
    salt: Option<Arc<str>>,
}

impl Link {
    /// # Errors
    /// If the settings can't be used: a certificate that is none.
    pub(super) fn new(settings: &Hana) -> Result<Self, StoreError> {
        let certificates = match &settings.certificate {
            Some(certificate) if settings.tls => {
                let pem = certificate
                    .pem()
                    .map_err(|error| StoreError::unavailable(error.to_string()))?;
                Some(CertificateFolder::write(&pem).map_err(|error| {
                    StoreError::unavailable(format!("the certificate of the database: {error}"))
                })?)
            }
            _ => None,
        };
        let params = params(settings, certificates.as_ref()).map_err(|error| {
            StoreError::unavailable(format!("the address of the database: {error}"))
        })?;
        Ok(Self {
            params,
            place: format!("{}:{}", settings.host, settings.port),
            schema: settings.schema.clone(),
            _certificates: certificates,
            state: Mutex::default(),
        })
    }

    /// A new connection, ready for work. While the database is away, callers hear so at once between two attempts.
    ///
    /// One attempt at a time: whoever waits for it gets its result.
    pub(super) async fn connect(
        &self,
        configuration: &ConnectionConfiguration,
    ) -> Result<Connection, StoreError> {
        let mut state = self.state.lock().await;
        if let Some((until, _, error)) = &state.pause
            && Instant::now() < *until
        {
            return Err(error.clone());
        }
        match self.attempt(configuration, &mut state.salt).await {
            Ok(connection) => {
                state.pause = None;
                Ok(connection)
            }
            Err(problem) => {
                let before = state.pause.take().map(|(_, pause, _)| pause);
                let pause = pause_after(&problem, before);
                state.pause = Some((Instant::now() + pause, pause, problem.error().clone()));
                Err(problem.error().clone())
            }
        }
    }

    async fn attempt(
        &self,
        configuration: &ConnectionConfiguration,
        salt: &mut Option<Arc<str>>,
    ) -> Result<Connection, LogOn> {
        // Only here may a driver's future be dropped: nobody has got the half-open connection yet.
        let driver = tokio::time::timeout(
            CONNECT_TIMEOUT,
            hdbconnect_async::Connection::with_configuration(self.params.clone(), configuration),
        )
        .await
        .map_err(|_| LogOn::away("no answer in time", &self.place))?
        .map_err(|error| LogOn::new(error, &self.place))?;
        // Goes with the next request, and shows in M_CONNECTIONS.
        driver.set_application("qualtrics-ingester").await;
        driver
            .set_application_version(env!("CARGO_PKG_VERSION"))
            .await;
        let mut connection = Connection::new(driver);
        connection.salt = self
            .prepare(&mut connection, salt)
            .await
            .map_err(LogOn::Away)?;
        Ok(connection)
    }

    async fn prepare(
        &self,
        connection: &mut Connection,
        salt: &mut Option<Arc<str>>,
    ) -> Result<Arc<str>, StoreError> {
        if let Some(schema) = &self.schema {
            connection
                .execute(session::set_schema(schema).text())
                .await
                .map_err(Failure::into_error)?;
        }
        connection
            .execute(session::set_lock_wait(LOCK_WAIT).text())
            .await
            .map_err(Failure::into_error)?;
        if let Some(salt) = salt {
            return Ok(salt.clone());
        }
        create_own_objects(connection).await?;
        let found = first_words(connection).await?;
        *salt = Some(found.clone());
        Ok(found)
    }
}

fn params(settings: &Hana, certificates: Option<&CertificateFolder>) -> HdbResult<ConnectParams> {
    let mut builder = ConnectParams::builder()
        .with_hostname(&settings.host)
        .with_port(settings.port)
        .with_dbuser(&settings.user)
        .with_password(settings.password.expose_secret());
    if let Some(database) = &settings.database {
        builder.dbname(database);
    }
    if settings.tls {
        builder.tls_with(ServerCerts::RootCertificates);
    }
    if let Some(folder) = certificates {
        builder.tls_with(ServerCerts::Directory(folder.path()));
    }
    // A compressed request leaves in two writes without TCP_NODELAY, and so waits 40 ms for an acknowledgement.
    // Measured against the driver, 0.33: 43 ms a batch with, 0.35 ms without.
    builder.always_uncompressed(true);
    builder.build()
}

fn pause_after(problem: &LogOn, before: Option<Duration>) -> Duration {
    let doubled = |first: Duration, most: Duration| {
        before.map_or(first, |before| (before * 2).clamp(first, most))
    };
    match problem {
        LogOn::Refused(_) => doubled(REFUSED_PAUSE, REFUSED_PAUSE_MAX),
        LogOn::Locked(_) => LOCKED_PAUSE,
        LogOn::Away(_) => doubled(PAUSE, PAUSE_MAX),
    }
}

/// Creates what is missing, if the user may; else says which statements somebody else has to run.
async fn create_own_objects(connection: &mut Connection) -> Result<(), StoreError> {
    let rows = connection
        .query(&session::own_objects(), &[ColumnType::NVarchar(256)])
        .await
        .map_err(Failure::into_error)?;
    let is_there = |name: &str| {
        rows.iter()
            .any(|row| matches!(&**row, [Cell::Text(found)] if found == name))
    };
    let missing: Vec<Statement> = ddl::hana_objects()
        .into_iter()
        .filter(|(name, _)| !is_there(name))
        .map(|(_, statement)| statement)
        .collect();
    for statement in &missing {
        match connection.execute(statement.text()).await {
            Ok(()) => {}
            // Another instance was faster.
            Err(Failure::Statement(refusal)) if refusal.exists_already() => {}
            Err(Failure::Statement(refusal)) if refusal.is_missing_privilege() => {
                let statements: Vec<&str> = missing.iter().map(Statement::text).collect();
                return Err(StoreError::new(
                    Kind::Privilege,
                    format!(
                        "it may not create its own tables; run as the schema's owner: {};",
                        statements.join("; ")
                    ),
                ));
            }
            Err(failure) => return Err(failure.into_error()),
        }
    }
    Ok(())
}

/// Writes what is written once, and reads it: the salt, and the format of the tables.
async fn first_words(connection: &mut Connection) -> Result<Arc<str>, StoreError> {
    let salt = uuid::Uuid::new_v4().simple().to_string();
    let format = ddl::FORMAT_VERSION.to_string();
    for statement in [
        runs::put_once("format", "", &format),
        runs::put_once("salt", "", &salt),
    ] {
        let statement = statement.on(ingester_core::sql::Dialect::Hana);
        match connection
            .batch(statement.text(), &[statement.binds()])
            .await
        {
            Ok(_) => {}
            // Another instance was faster; its words are read below.
            Err(Failure::Statement(refusal)) if refusal.is_conflict() => {}
            Err(failure) => return Err(failure.into_error()),
        }
    }
    connection.commit().await.map_err(Failure::into_error)?;
    let salt = word(connection, "salt").await?;
    let found = word(connection, "format").await?;
    connection.commit().await.map_err(Failure::into_error)?;
    if found != format {
        return Err(StoreError::unavailable(format!(
            "its tables have format {found}, this version knows {format}: use the release that wrote them"
        )));
    }
    Ok(salt.into())
}

async fn word(connection: &mut Connection, job: &str) -> Result<String, StoreError> {
    const KINDS: [ColumnType; 4] = [
        ColumnType::NVarchar(60),
        ColumnType::NVarchar(36),
        ColumnType::Timestamp,
        ColumnType::NClob,
    ];
    let rows = connection
        .query(&runs::list(job), &KINDS)
        .await
        .map_err(Failure::into_error)?;
    match rows.first().map(|row| &**row) {
        Some([_, _, _, Cell::Text(word)]) => Ok(word.clone()),
        _ => Err(StoreError::unexpected(format!(
            "QUALTRICS_RUNS lacks the row of {job}"
        ))),
    }
}
