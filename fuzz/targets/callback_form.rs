//! Any bytes are a form or a refusal; nothing unsigned passes where a signature is asked for.
#![no_main]

use ingester_core::callback::{Form, SharedKeys, Signing, Verdict};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(form) = Form::parse(bytes) else { return };
    let strict = Signing {
        keys: Some(SharedKeys { current: "a key that no corpus has".into(), previous: None }),
        ..Signing::default()
    };
    assert!(strict.verify(&form).is_err(), "accepted what nobody signed");
    let loose = Signing { allow_unsigned: true, ..Signing::default() };
    if let Ok(Verdict::Completed(callback)) = loose.verify(&form) {
        assert!(callback.survey_id().as_ref().starts_with("SV_"));
    }
});
