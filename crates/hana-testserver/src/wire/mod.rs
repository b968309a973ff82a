//! The SQL command network protocol, one file per part. Nothing here does more than turn bytes into values and back.
//! Sources: "SAP HANA SQL Command Network Protocol Reference", and the captures in `tests/captures/`.

pub(crate) mod authentication;
pub(crate) mod bytes;
pub(crate) mod cesu8;
pub(crate) mod client_info;
pub(crate) mod decimal;
pub(crate) mod error;
pub(crate) mod lob;
pub(crate) mod message;
pub(crate) mod metadata;
pub(crate) mod options;
pub(crate) mod parameters;
pub(crate) mod part;
pub(crate) mod result_set;

#[cfg(test)]
mod captures;

/// Types of request messages. Source: the reference, "Message Type".
pub(crate) mod message_type {
    pub(crate) const EXECUTE_DIRECT: u8 = 2;
    pub(crate) const PREPARE: u8 = 3;
    pub(crate) const EXECUTE: u8 = 13;
    pub(crate) const READ_LOB: u8 = 16;
    pub(crate) const WRITE_LOB: u8 = 17;
    pub(crate) const FIND_LOB: u8 = 18;
    pub(crate) const AUTHENTICATE: u8 = 65;
    pub(crate) const CONNECT: u8 = 66;
    pub(crate) const COMMIT: u8 = 67;
    pub(crate) const ROLLBACK: u8 = 68;
    pub(crate) const CLOSE_RESULT_SET: u8 = 69;
    pub(crate) const DROP_STATEMENT_ID: u8 = 70;
    pub(crate) const FETCH_NEXT: u8 = 71;
    pub(crate) const DISCONNECT: u8 = 77;
    pub(crate) const DB_CONNECT_INFO: u8 = 82;
    pub(crate) const CLIENT_PING: u8 = 94;
}

/// What a reply says it is about. Source: the reference, "Function Code".
pub(crate) mod function_code {
    pub(crate) const NIL: i16 = 0;
    pub(crate) const DDL: i16 = 1;
    pub(crate) const INSERT: i16 = 2;
    pub(crate) const UPDATE: i16 = 3;
    pub(crate) const DELETE: i16 = 4;
    pub(crate) const SELECT: i16 = 5;
    pub(crate) const SELECT_FOR_UPDATE: i16 = 6;
    pub(crate) const FETCH: i16 = 10;
    pub(crate) const COMMIT: i16 = 11;
    pub(crate) const ROLLBACK: i16 = 12;
    pub(crate) const WRITE_LOB: i16 = 15;
    pub(crate) const READ_LOB: i16 = 16;
    pub(crate) const PING: i16 = 17;
    pub(crate) const DISCONNECT: i16 = 18;
    pub(crate) const CLOSE_CURSOR: i16 = 19;
}
