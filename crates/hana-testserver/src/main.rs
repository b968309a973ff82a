//! The HANA test server alone: for clients that are not written in Rust, and for trying things by hand.

use std::io::{self, BufRead as _, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use hana_testserver::{Fault, Method, Options, Server, StartError, Tls, User};

/// Speaks SAP HANA's SQL protocol on loopback, with an in-memory database.
///
/// While it runs, standard input takes one command a line: a fault as --fault takes it, `clear`, `cut`, `restart`,
/// `pause`, `resume`, `counters`, `stop`.
#[derive(Debug, Parser)]
#[command(
    name = "hana-testserver",
    version,
    after_help = "Example: hana-testserver --listen 127.0.0.1:39015 --fault slow=20ms@inbox.accept --fault cut-before-commit=0.1"
)]
struct Arguments {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:39015")]
    listen: SocketAddr,
    /// User that owns a schema of the same name
    #[arg(long, default_value = "INGESTER")]
    user: String,
    /// The user's password (this is a test server)
    #[arg(long, default_value = "Secret123")]
    password: String,
    /// The user's schema, if not named like the user
    #[arg(long)]
    schema: Option<String>,
    /// Take only this log-on method
    #[arg(long, value_enum)]
    method: Option<MethodName>,
    /// TLS with a new self-signed certificate for localhost and 127.0.0.1; writes it to this file (PEM)
    #[arg(long, value_name = "FILE")]
    tls_certificate: Option<std::path::PathBuf>,
    /// How long a statement waits for a locked row, in milliseconds
    #[arg(long, default_value_t = 10_000)]
    lock_wait: u64,
    /// Fault from the start: KIND[=VALUE][@STATEMENT][#FROM][xTIMES][:PROBABILITY]
    #[arg(long)]
    fault: Vec<Fault>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum MethodName {
    ScramSha256,
    ScramPbkdf2Sha256,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell if this fails.
            drop(writeln!(io::stderr(), "error: {error}"));
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Tls(#[from] hana_testserver::TlsError),
    #[error("{0}")]
    Io(#[from] io::Error),
}

async fn run(arguments: Arguments) -> Result<(), RunError> {
    let server = Server::start(arguments.listen, options(&arguments)?).await?;
    let mut out = io::stdout();
    writeln!(out, "listening on {}", server.addr())?;
    out.flush()?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let answer = match line.trim() {
            "" => continue,
            "stop" => {
                server.stop().await;
                return Ok(());
            }
            "clear" => {
                server.faults().clear();
                "ok".to_owned()
            }
            "cut" => {
                server.cut_connections();
                "ok".to_owned()
            }
            "restart" => {
                server.restart().await?;
                "ok".to_owned()
            }
            "pause" => {
                server.pause().await;
                "ok".to_owned()
            }
            "resume" => {
                server.resume().await?;
                "ok".to_owned()
            }
            "counters" => format!("{:?}", server.counters()),
            fault => match fault.parse::<Fault>() {
                Ok(fault) => {
                    server.faults().add(fault);
                    "ok".to_owned()
                }
                Err(error) => format!("error: {error}"),
            },
        };
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    // Without a standard input to listen to, the server runs until a signal ends it.
    std::future::pending().await
}

fn options(arguments: &Arguments) -> Result<Options, RunError> {
    let mut user = User::new(&arguments.user, &arguments.password);
    if let Some(schema) = &arguments.schema {
        user.schema.clone_from(schema);
    }
    let tls = match &arguments.tls_certificate {
        Some(file) => {
            let tls = Tls::self_signed(&["localhost", "127.0.0.1"])?;
            std::fs::write(file, tls.certificate_pem())?;
            Some(tls)
        }
        None => None,
    };
    let mut options = Options {
        users: vec![user],
        tls,
        lock_wait: Duration::from_millis(arguments.lock_wait),
        faults: arguments.fault.clone(),
        ..Options::default()
    };
    if let Some(method) = arguments.method {
        options.methods = vec![match method {
            MethodName::ScramSha256 => Method::ScramSha256,
            MethodName::ScramPbkdf2Sha256 => Method::ScramPbkdf2Sha256,
        }];
    }
    Ok(options)
}
