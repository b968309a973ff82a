//! Any URL is a request or an error with a position inside it; a query's own URL reads back as the same query, and its
//! SQL has as many binds as marks.
#![no_main]

#[path = "model.rs"]
mod model;

use ingester_core::access::{AccessRules, Viewer};
use ingester_core::odata::{Incoming, Target, parse};
use ingester_core::sql::{Context, Dialect, select};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(url) = std::str::from_utf8(bytes) else { return };
    let (path, query) = url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)));
    let model = model::model();
    let incoming = Incoming { method: "GET", path, query, ..Incoming::default() };
    let request = match parse(model, &incoming) {
        Ok(request) => request,
        Err(error) => {
            assert!((400..600).contains(&error.status()) && !error.to_string().is_empty());
            return;
        }
    };
    let Target::Query(query) = request.target else { return };
    let visible = AccessRules::open().restrict(&Viewer::default(), model, *query);
    for dialect in [Dialect::Sqlite, Dialect::Hana] {
        let context = Context { dialect, now: jiff::Timestamp::UNIX_EPOCH, page_rows: Some(1000), values: &[] };
        let Ok(selection) = select(&visible, &context) else { continue };
        for statement in [selection.anchor, selection.count, selection.rows].into_iter().flatten() {
            // No name of the model holds a question mark, and no value stands in the text.
            assert_eq!(statement.binds().len(), statement.text().matches('?').count(), "{}", statement.text());
        }
    }
});
