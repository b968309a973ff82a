//! Whatever stands in a message that is signed, ids are of their form and the topic agrees.
#![no_main]

use ingester_core::callback::{Form, SharedKeys, Signing, Verdict, sign};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|message: &[u8]| {
    let key = secrecy::SecretString::from("key");
    let encoded: String = message.iter().map(|byte| format!("%{byte:02x}")).collect();
    let body = format!("HMAC={}&MSG={encoded}", sign(&key, message));
    let form = Form::parse(body.as_bytes()).expect("our own encoding");
    let signing = Signing { keys: Some(SharedKeys { current: key, previous: None }), ..Signing::default() };
    if let Ok(Verdict::Completed(callback)) = signing.verify(&form) {
        let survey = callback.survey_id().as_ref();
        assert!(survey.len() >= 14 && survey.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
        assert!(callback.response_id().as_ref().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
    }
});
