//! Exit code and nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Without a provider the first TLS connection panics; a second call only says that there is one.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    ExitCode::from(qualtrics_ingester::cli::Cli::main())
}
