//! Recorded exchanges of both clients are read byte for byte, and written again as they were.

use std::path::Path;

use super::bytes::Reader;
use super::message::{Message, SegmentKind};
use super::part::kind;
use super::{authentication, cesu8, client_info, lob, message_type, options, parameters};
use crate::types::SqlType;
use crate::value::Value;

const FILES: [&str; 9] = [
    "hdbconnect-basic",
    "hdbconnect-batch-errors",
    "hdbconnect-cursor",
    "hdbconnect-errors",
    "hdbconnect-nclob",
    "hdbconnect-types",
    "node-hdb-basic-dfv1",
    "node-hdb-basic-dfv8",
    "node-hdb-nclob",
];

/// The messages of one recording: whether from the client, and the bytes. Initializations are left out.
fn messages(file: &str) -> Vec<(bool, Vec<u8>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/captures/{file}.raw.txt"));
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| {
            (
                line.starts_with('C'),
                hex::decode(line.split_once(' ').unwrap().1).unwrap(),
            )
        })
        .filter(|(_, bytes)| bytes.len() > 14)
        .collect()
}

/// What a type code on the wire is read into.
fn type_of(code: u8, length: i16, fraction: i16) -> SqlType {
    let digits = |number: i16| u8::try_from(number).unwrap();
    match code {
        1 => SqlType::TinyInt,
        2 => SqlType::SmallInt,
        3 => SqlType::Integer,
        4 => SqlType::BigInt,
        5 if fraction == 32767 => SqlType::DecimalFloat,
        5 | 76 | 81 | 82 => SqlType::Decimal {
            precision: digits(length),
            scale: digits(fraction),
        },
        7 => SqlType::Double,
        11 => SqlType::NVarchar(u32::try_from(length).unwrap()),
        16 | 61 => SqlType::Timestamp,
        26 => SqlType::NClob,
        28 => SqlType::Boolean,
        63 => SqlType::Date,
        64 => SqlType::Time,
        other => panic!("type {other}"),
    }
}

/// The types that a recorded PARAMETERMETADATA tells.
fn parameter_types(buffer: &[u8]) -> Vec<SqlType> {
    buffer
        .chunks(16)
        .map(|entry| {
            let mut numbers = Reader::new(&entry[8..]);
            type_of(entry[1], numbers.i16().unwrap(), numbers.i16().unwrap())
        })
        .collect()
}

#[test]
fn every_message_is_written_again_as_it_was_read() {
    let mut count = 0;
    for file in FILES {
        for (_, bytes) in messages(file) {
            let message = Message::parse(&bytes).unwrap();

            // A compressed request comes back uncompressed.
            if bytes[22] == 0 {
                assert_eq!(message.encode(), bytes, "{file}");
                count += 1;
            }
        }
    }
    assert!(count > 200, "{count}");
}

#[test]
fn every_part_of_every_request_is_understood() {
    for file in FILES {
        let mut types = Vec::new();
        for (from_client, bytes) in messages(file) {
            let message = Message::parse(&bytes).unwrap();
            for part in &message.parts {
                match part.kind {
                    kind::PARAMETER_METADATA if !from_client => {
                        types = parameter_types(&part.buffer)
                    }
                    kind::PARAMETERS => {
                        let rows = parameters::parse(&part.buffer, part.count, &types).unwrap();
                        assert_eq!(rows.len(), part.count, "{file}");
                    }
                    kind::COMMAND => drop(cesu8::decode(&part.buffer).unwrap()),
                    kind::CLIENT_INFO => {
                        let variables = client_info::parse(&part.buffer).unwrap();
                        assert_eq!(variables.len() * 2, part.count, "{file}");
                    }
                    kind::CONNECT_OPTIONS
                    | kind::STATEMENT_CONTEXT
                    | kind::TRANSACTION_FLAGS
                    | 29
                    | 43
                    | 68 => {
                        drop(options::parse(&part.buffer).unwrap());
                    }
                    kind::AUTHENTICATION => {
                        drop(authentication::parse_fields(&part.buffer).unwrap())
                    }
                    kind::READ_LOB_REQUEST => drop(lob::parse_read(&part.buffer).unwrap()),
                    kind::WRITE_LOB_REQUEST => {
                        drop(lob::parse_write(&part.buffer, part.count).unwrap());
                    }
                    _ => {}
                }
            }
        }
    }
}

#[test]
fn option_parts_are_written_as_they_were_recorded() {
    for file in FILES {
        for (_, bytes) in messages(file) {
            for part in Message::parse(&bytes).unwrap().parts {
                let is_option_part = matches!(
                    part.kind,
                    kind::CONNECT_OPTIONS | kind::STATEMENT_CONTEXT | kind::TRANSACTION_FLAGS
                );
                if is_option_part {
                    let read = options::parse(&part.buffer).unwrap();

                    assert_eq!(
                        options::part(part.kind, &read).buffer,
                        part.buffer,
                        "{file}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_recorded_batch_holds_what_was_bound() {
    let mut types = Vec::new();
    for (_, bytes) in messages("hdbconnect-basic") {
        let message = Message::parse(&bytes).unwrap();
        for part in &message.parts {
            match part.kind {
                kind::PARAMETER_METADATA => types = parameter_types(&part.buffer),
                kind::PARAMETERS => {
                    let rows = parameters::parse(&part.buffer, part.count, &types).unwrap();
                    let shown = format!("{rows:?}");

                    assert_eq!(rows.len(), 3);
                    assert_eq!(
                        rows[0][1],
                        parameters::Parameter::Value(Value::Text("grüße 😀 ok".to_owned()))
                    );
                    assert!(
                        rows[1][1..]
                            .iter()
                            .all(|value| *value == parameters::Parameter::Value(Value::Null))
                    );
                    assert!(shown.contains("2026-11-24T06:07:08.123456700"), "{shown}");
                    return;
                }
                _ => {}
            }
        }
    }
    panic!("no batch");
}

#[test]
fn a_cut_or_damaged_message_is_refused_and_never_panics() {
    for file in ["hdbconnect-types", "node-hdb-nclob"] {
        for (_, bytes) in messages(file) {
            for length in (0..bytes.len()).step_by(bytes.len() / 50 + 1) {
                assert!(Message::parse(&bytes[..length]).is_err());
            }
            for position in (0..bytes.len()).step_by(bytes.len() / 200 + 1) {
                let mut damaged = bytes.clone();
                damaged[position] ^= 0xff;
                if let Ok(message) = Message::parse(&damaged) {
                    for part in &message.parts {
                        let types = [SqlType::TEXT, SqlType::NClob, SqlType::Timestamp];
                        drop(parameters::parse(&part.buffer, part.count, &types));
                        drop(options::parse(&part.buffer));
                        drop(authentication::parse_fields(&part.buffer));
                        drop(client_info::parse(&part.buffer));
                        drop(lob::parse_write(&part.buffer, part.count));
                    }
                }
            }
        }
    }
}

#[test]
fn commit_flags_are_read_as_each_client_sends_them() {
    let flags = |file: &str| -> Vec<(u8, bool)> {
        messages(file)
            .iter()
            .filter_map(|(_, bytes)| match Message::parse(bytes).unwrap().kind {
                SegmentKind::Request {
                    message_type,
                    auto_commit,
                    ..
                } => Some((message_type, auto_commit)),
                SegmentKind::Reply { .. } | SegmentKind::Error { .. } => None,
            })
            .collect()
    };

    // hdbconnect says it with every message, node-hdb where something is executed.
    assert!(flags("hdbconnect-basic").contains(&(message_type::AUTHENTICATE, true)));
    assert!(flags("node-hdb-basic-dfv8").contains(&(message_type::AUTHENTICATE, false)));
    assert!(flags("node-hdb-basic-dfv8").contains(&(message_type::EXECUTE_DIRECT, true)));
}
