//! Any bytes are a document or an error; a document becomes a whole row, and redacting twice changes nothing.
#![no_main]

use std::sync::LazyLock;

use ingester_core::mapping::{ColumnMap, MapOptions, Mapped, ResponseDocument};
use ingester_core::survey::read_definition;
use libfuzzer_sys::fuzz_target;

static MAP: LazyLock<ColumnMap> = LazyLock::new(|| {
    let id = "SV_0EveryTypeOfQst".parse().expect("an id");
    let definition = read_definition(&id, include_bytes!("../../crates/sandbox/surveys/every-question-type.json")).expect("a definition");
    let options = MapOptions::new("FEEDBACK".parse().expect("a name"));
    ColumnMap::compile(&definition, &options, &[]).expect("a map").0
});

fuzz_target!(|bytes: &[u8]| {
    let Ok(document) = ResponseDocument::parse(bytes, None) else { return };
    let Ok(redacted) = MAP.redact(&document, None) else { return };
    let again = MAP.redact(&redacted, None).expect("redacting what is redacted");
    assert_eq!(again.as_json(), redacted.as_json());
    if let Ok(Mapped::Row { row, .. }) = MAP.map(&redacted) {
        assert_eq!(row.0.len(), MAP.table().columns.len());
    }
});
