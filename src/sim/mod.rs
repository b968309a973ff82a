//! The simulator: the production pipeline in a world of its own, where a seed decides what goes wrong and when.
//!
//! Workers, recovery, leases, bursts, retries, the rate limiter, the judgement of answers, mapping and every SQL
//! statement of the embedded store are those of the service. The world around them is not: one thread, paused time, a
//! database in memory that answers late, wrongly or not at all, a Qualtrics that is slow, limited and incomplete, and
//! processes that die between any two steps. The same seed is the same world, step for step. docs/proof.md says what
//! this covers and what it doesn't.

mod brand;
mod callbacks;
mod checker;
mod database;
mod network;
mod plan;
mod process;
mod run;
mod world;

pub use run::{Args, main};
