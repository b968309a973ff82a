//! The sandbox as a server.

use std::future::{Future, IntoFuture as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;

use crate::error::SandboxError;
use crate::handle::Handle;
use crate::options::Options;
use crate::routes;
use crate::state::State;

/// A stand-in for Qualtrics that has its address and waits to run.
#[derive(Debug)]
pub struct Sandbox {
    listener: TcpListener,
    addr: SocketAddr,
    state: Arc<State>,
}

/// How long open connections may take to end.
const DRAIN: Duration = Duration::from_secs(1);

impl Sandbox {
    /// Takes the address (port 0: any free one). From here on [`Sandbox::handle`] works, and connections wait.
    ///
    /// Installs aws-lc-rs as the process's TLS provider where none is installed: without one the HTTP client that
    /// posts callbacks can't be built. Callbacks are posted directly, whatever proxy the environment names.
    ///
    /// # Errors
    /// The address can't be had, or there is no place for a temporary file.
    pub async fn bind(addr: SocketAddr, options: Options) -> Result<Self, SandboxError> {
        let listen = |source| SandboxError::Listen { addr, source };
        let listener = TcpListener::bind(addr).await.map_err(listen)?;
        let addr = listener.local_addr().map_err(listen)?;
        // An error means that one is installed already.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let clients = [client(usize::MAX)?, client(0)?];
        let state = State::new(options, format!("http://{}", reachable(addr)), clients)?;
        Ok(Self {
            listener,
            addr,
            state: Arc::new(state),
        })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://127.0.0.1:…`, what `QUALTRICS_BASE_URL` is set to.
    pub fn base_url(&self) -> String {
        self.state.base_url.clone()
    }

    /// The hand on it; stays valid while the sandbox runs.
    pub fn handle(&self) -> Handle {
        Handle {
            state: Arc::clone(&self.state),
        }
    }

    /// Serves until the future ends; then gives open connections a second and drops callbacks under way.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let router = routes::router(Arc::clone(&self.state));
        let listener = self.listener.tap_io(|stream| {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "a connection keeps its delay");
            }
        });
        let stop = self.state.stop.clone();
        let serving =
            axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
        let serving = serving.into_future();
        tokio::pin!(serving);
        tokio::select! {
            ended = &mut serving => {
                if let Err(error) = ended {
                    tracing::error!(%error, "the sandbox stopped serving");
                }
            }
            () = shutdown => {
                stop.cancel();
                if tokio::time::timeout(DRAIN, serving).await.is_err() {
                    tracing::debug!("connections were dropped");
                }
            }
        }
        stop.cancel();
    }
}

/// An address that says "all" is reached by loopback.
fn reachable(addr: SocketAddr) -> SocketAddr {
    match addr {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => {
            SocketAddr::from(([127, 0, 0, 1], v4.port()))
        }
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => {
            SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], v6.port()))
        }
        other => other,
    }
}

fn client(idle_max: usize) -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .pool_max_idle_per_host(idle_max)
        .user_agent("QualtricsSandbox")
        .build()
}
