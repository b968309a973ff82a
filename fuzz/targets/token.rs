//! Any text is a token or an error, and no token is believed that our keys did not sign; any bytes are a key set or an
//! error. Nothing that a token says is in its `Debug`.
#![no_main]

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use qualtrics_ingester::identity::{KeySet, Token};

static KEYS: LazyLock<KeySet> = LazyLock::new(|| KeySet::parse(include_bytes!("../seeds/keys.json")).expect("keys"));

fn check(text: &str, keys: &KeySet) {
    let Ok(token) = Token::parse(text) else { return };
    assert!(keys.verify(&token).is_err(), "a token that nobody signed was believed: {text}");
    let shown = format!("{token:?}");
    assert!(shown.len() < 60, "{shown}");
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        check(text, &KEYS);
    }
    // Three lines: what a token's parts hold, so that not each change is one of base64.
    let mut parts = bytes.splitn(3, |byte| *byte == b'\n').map(|part| URL_SAFE_NO_PAD.encode(part));
    if let (Some(header), Some(claims), Some(signature)) = (parts.next(), parts.next(), parts.next()) {
        check(&format!("{header}.{claims}.{signature}"), &KEYS);
    }
    drop(KeySet::parse(bytes));
});
