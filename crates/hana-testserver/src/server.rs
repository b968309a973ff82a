//! The listener and its connections. Every connection has a thread; nothing here runs on the caller's runtime, so a
//! paused clock or a busy runtime of a test changes nothing about the server.

use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::counters::{Counters, Recorder};
use crate::engine::Engine;
use crate::engine::catalog::Privilege;
use crate::faults::FaultHandle;
use crate::options::{Options, User};
use crate::session::{Shared, serve};
use crate::tls::TlsError;

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address can't be listened on.
    #[error("listening: {0}")]
    Listen(#[from] io::Error),
    /// The in-memory database could not be set up.
    #[error("database: {0}")]
    Database(String),
    /// The certificate can't be used.
    #[error("TLS: {0}")]
    Tls(#[from] TlsError),
}

/// A running test server. Dropping it stops it.
#[derive(Debug)]
pub struct Server {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    addr: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
    shared: Arc<Shared>,
    connections: Mutex<HashMap<i64, TcpStream>>,
    listener: Mutex<Option<Listener>>,
    last_session: AtomicI64,
}

/// A listening thread.
#[derive(Debug)]
struct Listener {
    stopping: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// First connection id; HANA's are of this size.
const FIRST_SESSION: i64 = 200_000;
/// Statements are parsed and compiled by recursion; only what is used of it is real memory.
const STACK_BYTES: usize = 64 << 20;
/// How long a client may take for the TLS handshake, and for each request after half of it came.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

impl Server {
    /// Starts listening; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address is taken, or the certificate can't be used.
    pub async fn start(addr: SocketAddr, options: Options) -> Result<Self, StartError> {
        let engine = Engine::new().map_err(|error| StartError::Database(error.to_string()))?;
        for user in &options.users {
            add_user(&engine, user)?;
        }
        let faults = FaultHandle::default();
        for fault in options.faults {
            faults.add(fault);
        }
        let tls = options
            .tls
            .as_ref()
            .map(crate::tls::Tls::configuration)
            .transpose()?;
        let listener = TcpListener::bind(addr)?;
        let inner = Arc::new(Inner {
            addr: listener.local_addr()?,
            tls,
            shared: Arc::new(Shared {
                engine,
                users: Mutex::new(options.users),
                faults,
                recorder: Recorder::default(),
                methods: options.methods,
                lock_wait: options.lock_wait,
                first_fetch_rows: options.first_fetch_rows,
            }),
            connections: Mutex::default(),
            listener: Mutex::default(),
            last_session: AtomicI64::new(FIRST_SESSION),
        });
        Inner::listen(&inner, listener);
        Ok(Self { inner })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.inner.addr
    }

    /// A URL for the driver with the first user and its password; without TLS options.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.inner.tls.is_some() {
            "hdbsqls"
        } else {
            "hdbsql"
        };
        let users = lock(&self.inner.shared.users);
        let (user, password) = users.first().map_or(("", ""), |user| {
            (user.name.as_str(), user.password.as_str())
        });
        format!("{scheme}://{user}:{password}@{}", self.inner.addr)
    }

    /// Switches faults while the server runs.
    #[must_use]
    pub fn faults(&self) -> FaultHandle {
        self.inner.shared.faults.clone()
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.inner.shared.recorder.counters()
    }

    /// The texts of all executions so far, in order.
    #[must_use]
    pub fn statements(&self) -> Vec<String> {
        self.inner.shared.recorder.statements()
    }

    /// Adds a user, or gives an existing one another password.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn add_user(&self, user: User) -> Result<(), StartError> {
        add_user(&self.inner.shared.engine, &user)?;
        let mut users = lock(&self.inner.shared.users);
        users.retain(|known| known.name != user.name);
        users.push(user);
        Ok(())
    }

    /// Takes a privilege (`"INSERT"`, `"CREATE ANY"` …) on a whole schema from a user, or gives it back.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn set_privilege(
        &self,
        user: &str,
        privilege: &str,
        schema: &str,
        granted: bool,
    ) -> Result<(), StartError> {
        let entry = Privilege {
            user: user.to_owned(),
            privilege: privilege.to_owned(),
            schema: schema.to_owned(),
            table: None,
        };
        let change = self.inner.shared.engine.change_catalog(|catalog| {
            if granted {
                catalog.privileges.insert(entry);
            } else {
                catalog.privileges.remove(&entry);
            }
        });
        change.map_err(|error| StartError::Database(error.to_string()))
    }

    /// Cuts every connection. Open transactions are rolled back, committed data stay.
    pub fn cut_connections(&self) {
        self.inner.cut_connections();
    }

    /// Stops listening and cuts every connection: the next one is refused. Data stay.
    pub async fn pause(&self) {
        self.inner.pause();
    }

    /// Listens again at the same address.
    ///
    /// # Errors
    /// When another process took the port.
    pub async fn resume(&self) -> Result<(), StartError> {
        Inner::resume(&self.inner)
    }

    /// Pauses and resumes at once, as a database that restarts. Data stay.
    ///
    /// # Errors
    /// When another process took the port.
    pub async fn restart(&self) -> Result<(), StartError> {
        self.inner.pause();
        Inner::resume(&self.inner)
    }

    /// Stops for good.
    pub async fn stop(self) {
        self.inner.pause();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.inner.pause();
    }
}

impl Inner {
    fn listen(inner: &Arc<Self>, listener: TcpListener) {
        let stopping = Arc::new(AtomicBool::new(false));
        let thread = {
            let inner = Arc::clone(inner);
            let stopping = Arc::clone(&stopping);
            std::thread::spawn(move || {
                for stream in listener.incoming() {
                    if stopping.load(Ordering::SeqCst) {
                        return;
                    }
                    if let Ok(stream) = stream {
                        Self::accept(&inner, stream);
                    }
                }
            })
        };
        *lock(&inner.listener) = Some(Listener { stopping, thread });
    }

    fn accept(inner: &Arc<Self>, stream: TcpStream) {
        let id = inner.last_session.fetch_add(1, Ordering::SeqCst) + 1;
        // Without a second handle the connection could not be cut; then there is none.
        let Ok(handle) = stream.try_clone() else {
            return;
        };
        lock(&inner.connections).insert(id, handle);
        let inner = Arc::clone(inner);
        let talk = move || {
            inner.serve(stream, id);
            if let Some(stream) = lock(&inner.connections).remove(&id) {
                // The client may be gone already.
                drop(stream.shutdown(Shutdown::Both));
            }
        };
        // Without a thread the connection is dropped, which is all that can be told to the client.
        drop(
            std::thread::Builder::new()
                .stack_size(STACK_BYTES)
                .spawn(talk),
        );
    }

    fn serve(&self, mut stream: TcpStream, id: i64) {
        if self.shared.faults.is_stopped() {
            return self.play_stopped(&mut stream);
        }
        // A reply is one write; without this it would wait for the client's acknowledgement.
        if stream.set_nodelay(true).is_err() {
            return;
        }
        let Some(configuration) = &self.tls else {
            return serve(stream, &self.shared, id, false);
        };
        let Ok(connection) = ServerConnection::new(Arc::clone(configuration)) else {
            return;
        };
        let mut stream = StreamOwned::new(connection, stream);
        drop(stream.sock.set_read_timeout(Some(HANDSHAKE_TIMEOUT)));
        while stream.conn.is_handshaking() {
            if stream.conn.complete_io(&mut stream.sock).is_err() {
                return;
            }
        }
        drop(stream.sock.set_read_timeout(None));
        serve(stream, &self.shared, id, true);
    }

    /// A stopped instance of HANA Cloud: with TLS the front end closes while the handshake goes on, without it the
    /// client waits for an answer in vain. Source: the dossier, 3.8.
    fn play_stopped(&self, stream: &mut TcpStream) {
        use std::io::Read as _;
        let mut hello = [0; 512];
        loop {
            let ended = !matches!(stream.read(&mut hello), Ok(1..));
            if ended || self.tls.is_some() {
                return;
            }
        }
    }

    fn pause(&self) {
        let listener = lock(&self.listener).take();
        if let Some(listener) = listener {
            listener.stopping.store(true, Ordering::SeqCst);
            // Wakes the listening thread, which then ends.
            drop(TcpStream::connect_timeout(
                &self.wake_addr(),
                Duration::from_secs(1),
            ));
            drop(listener.thread.join());
        }
        self.cut_connections();
    }

    fn wake_addr(&self) -> SocketAddr {
        let mut addr = self.addr;
        if addr.ip().is_unspecified() {
            addr.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        addr
    }

    fn resume(inner: &Arc<Self>) -> Result<(), StartError> {
        if lock(&inner.listener).is_none() {
            let listener = TcpListener::bind(inner.addr)?;
            Self::listen(inner, listener);
        }
        Ok(())
    }

    fn cut_connections(&self) {
        for (_, stream) in lock(&self.connections).drain() {
            // The client may be gone already.
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn add_user(engine: &Engine, user: &User) -> Result<(), StartError> {
    let added = engine.change_catalog(|catalog| {
        catalog.users.insert(user.name.clone());
        let mut privileges = vec!["SELECT"];
        if !user.read_only {
            privileges.extend(["INSERT", "UPDATE", "DELETE"]);
        }
        if user.can_create {
            privileges.extend(["CREATE ANY", "ALTER", "DROP", "INDEX"]);
        }
        catalog
            .schemas
            .entry(user.schema.clone())
            .or_insert_with(|| user.name.clone());
        for privilege in privileges {
            catalog.privileges.insert(Privilege {
                user: user.name.clone(),
                privilege: privilege.to_owned(),
                schema: user.schema.clone(),
                table: None,
            });
        }
    });
    added.map_err(|error| StartError::Database(error.to_string()))
}
