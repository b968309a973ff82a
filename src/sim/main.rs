//! `sim`: runs seeds, and says which of them break a promise.

use std::process::ExitCode;

fn main() -> ExitCode {
    qualtrics_ingester::sim::main()
}
