//! What the ingester knows without touching the world: no I/O, no clock, no randomness, no async runtime, and no
//! panic on any input. Time and jitter come in as arguments; bytes from outside become types that cannot hold a bad
//! value. The service around it (`qualtrics-ingester`) does the talking.
//!
//! In reading order: [`id`] and [`time`] name things; [`callback`] turns a posted form into a trusted callback;
//! [`inbox`] holds the queue's words; [`survey`] is what is asked, [`mapping`] makes a row of a response, and [`row`] is
//! what is stored. On the way out, [`odata`] reads what is asked, [`access`] keeps what the viewer may see of it, and
//! [`sql`] asks the database.

pub mod access;
pub mod callback;
pub mod id;
pub mod inbox;
pub mod mapping;
pub mod odata;
pub mod row;
pub mod sql;
pub mod survey;
pub mod time;
