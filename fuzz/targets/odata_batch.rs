//! Any body is a batch or an error; its parts are bounded in number.
#![no_main]

use ingester_core::odata::batch::Batch;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (json, multipart) = ("application/json", "multipart/mixed; boundary=\"batch_1\"");
    for content_type in [json, multipart] {
        if let Ok(batch) = Batch::read(Some(content_type), None, bytes, "/odata/v4/feedback/") {
            assert!(batch.parts.len() <= 100);
        }
    }
});
