//! Speaks SAP HANA's SQL command network protocol on loopback, so that the service and SAP's own clients can be tested
//! where no HANA runs.
//!
//! It understands the statements of this service's dialect and refuses everything else with HANA's codes; types,
//! lengths, nullability, keys, rights and locks are enforced as HANA enforces them, or more strictly. It is a
//! development component and never part of the product, and it shares no code with the product's adapter or with
//! any driver.
//!
//! ```no_run
//! # async fn example() -> Result<(), hana_testserver::StartError> {
//! use hana_testserver::{Fault, Options, Server};
//!
//! let server = Server::start("127.0.0.1:0".parse().unwrap(), Options::default()).await?;
//! server.faults().add(Fault::error(131).matching("inbox.claim").times(1));
//! println!("{}", server.url());
//! server.stop().await;
//! # Ok(())
//! # }
//! ```

mod counters;
mod datetime;
mod dialect;
mod engine;
mod error;
mod faults;
mod options;
mod random;
mod server;
mod session;
mod tls;
mod types;
mod value;
mod wire;

pub use counters::{Counters, SessionCounters};
pub use faults::{Fault, FaultHandle, FaultSyntaxError};
pub use options::{Method, Options, User};
pub use server::{Server, StartError};
pub use tls::{Tls, TlsError};
