//! Recorded callbacks, and what proves nothing.

use proptest::prelude::*;

use super::*;

const KEY: &str = "sandbox-shared-key";

fn signing(keys: &[&str]) -> Signing {
    let mut keys = keys.iter().map(|key| SecretString::from(*key));
    Signing {
        keys: keys.next().map(|current| SharedKeys {
            current,
            previous: keys.next(),
        }),
        ..Signing::default()
    }
}

fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn body(topic: &str, message: &str, key: &str) -> String {
    let signature = sign(&SecretString::from(key), message.as_bytes());
    format!(
        "Topic={}&HMAC={signature}&MSG={}",
        encode(topic),
        encode(message)
    )
}

fn verify(signing: &Signing, body: &str) -> Result<Verdict, Refusal> {
    signing.verify(&Form::parse(body.as_bytes())?)
}

fn completed(verdict: Result<Verdict, Refusal>) -> Callback {
    match verdict {
        Ok(Verdict::Completed(callback)) => callback,
        other => panic!("expected a completed response, got {other:?}"),
    }
}

const MESSAGE: &str = r#"{"Status":"Complete","SurveyID":"SV_22VlHYNeldrrrkp","ResponseID":"R_1l9mcVuXubb4aGm","CompletedDate":"2019-06-26 13:28:11","BrandID":"sapdevelopment"}"#;
const TOPIC: &str = "sapdevelopment.surveyengine.completedResponse.SV_22VlHYNeldrrrkp";

#[test]
fn recorded_signatures_verify() {
    let recorded: serde_json::Value = serde_json::from_str(include_str!(
        "../../../../fixtures/callbacks/signature-vectors.json"
    ))
    .unwrap();
    for vector in recorded.as_array().unwrap() {
        let text = |name: &str| vector[name].as_str().unwrap();
        let body = format!("HMAC={}&MSG={}", text("hmac"), encode(text("msg")));
        completed(verify(&signing(&[text("key")]), &body));
        assert_eq!(
            sign(&SecretString::from(text("key")), text("msg").as_bytes()),
            text("hmac")
        );
    }
}

#[test]
fn the_recorded_body_of_2019_verifies_with_its_stray_field() {
    let body = include_str!("../../../../fixtures/callbacks/signed-2019.body");

    let callback = completed(verify(&signing(&["kyma4ever"]), body));

    assert_eq!(callback.survey_id().as_ref(), "SV_22VlHYNeldrrrkp");
    assert_eq!(callback.response_id().as_ref(), "R_1l9mcVuXubb4aGm");
    assert_eq!(
        callback.completion(),
        Completion::At("2019-06-26T13:28:11Z".parse().unwrap())
    );
}

#[test]
fn the_fields_of_2020_verify_with_plus_for_space() {
    let body = include_str!("../../../../fixtures/callbacks/signed-2020-fields.body");

    let callback = completed(verify(&signing(&[KEY]), body));

    assert_eq!(callback.proof(), Proof::CurrentKey);
}

#[test]
fn either_key_verifies_while_keys_rotate() {
    let body = body(TOPIC, MESSAGE, KEY);

    assert_eq!(
        completed(verify(&signing(&[KEY, "old"]), &body)).proof(),
        Proof::CurrentKey
    );
    assert_eq!(
        completed(verify(&signing(&["new", KEY]), &body)).proof(),
        Proof::PreviousKey
    );
    assert_eq!(
        verify(&signing(&["new", "old"]), &body),
        Err(Refusal::WrongSignature)
    );
}

#[test]
fn keys_of_any_bytes_verify_except_the_empty_one() {
    for key in ["ü€😀", "k", &"k".repeat(1000)] {
        completed(verify(&signing(&[key]), &body(TOPIC, MESSAGE, key)));
    }
    assert_eq!(
        verify(&signing(&[""]), &body(TOPIC, MESSAGE, "")),
        Err(Refusal::WrongSignature)
    );
}

#[test]
fn what_proves_nothing_is_refused() {
    let signed = body(TOPIC, MESSAGE, KEY);
    let check = |body: &str, refusal: Refusal| {
        assert_eq!(verify(&signing(&[KEY]), body), Err(refusal), "{body}")
    };

    check(
        &signed.replace("Complete", "Completf"),
        Refusal::WrongSignature,
    );
    check(
        &format!("Topic={TOPIC}&MSG={}", encode(MESSAGE)),
        Refusal::Unsigned,
    );
    check(&format!("HMAC=&MSG={}", encode(MESSAGE)), Refusal::Unsigned);
    check(
        &format!("HMAC=abc&MSG={}", encode(MESSAGE)),
        Refusal::MalformedSignature,
    );
    check(
        &format!("HMAC={}&MSG={}", "g".repeat(128), encode(MESSAGE)),
        Refusal::MalformedSignature,
    );
    check(
        &format!("HMAC={}&MSG={}", "0".repeat(126), encode(MESSAGE)),
        Refusal::MalformedSignature,
    );
    check(
        include_str!("../../../../fixtures/callbacks/unsigned.body"),
        Refusal::Unsigned,
    );
    assert_eq!(
        verify(&Signing::default(), &signed),
        Err(Refusal::WrongSignature)
    );
}

#[test]
fn upper_case_digits_of_a_signature_are_the_same_signature() {
    let signature = sign(&SecretString::from(KEY), MESSAGE.as_bytes()).to_ascii_uppercase();

    completed(verify(
        &signing(&[KEY]),
        &format!("HMAC={signature}&MSG={}", encode(MESSAGE)),
    ));
}

#[test]
fn malformed_bodies_are_refused() {
    let check = |body: &str| {
        let refusal = verify(&signing(&[KEY]), body).unwrap_err();
        assert!(
            matches!(refusal, Refusal::Malformed(_)),
            "{body}: {refusal:?}"
        );
    };
    check("a=b");
    check("MSG=%7");
    check("MSG=%zz&HMAC=00");
    check(&format!("{0}&{0}", body(TOPIC, MESSAGE, KEY)));
    check(&"a=b&".repeat(FIELDS_MAX));
    check(&body(TOPIC, "[]", KEY));
    check(&body(TOPIC, "{", KEY));
    check(&body(TOPIC, r#"{"Status":"Complete"}"#, KEY));
    check(&body(
        TOPIC,
        r#"{"Status":"Complete","SurveyID":"SV_22VlHYNeldrrrkp","SurveyID":"SV_22VlHYNeldrrrkp","ResponseID":"R_1"}"#,
        KEY,
    ));
}

#[test]
fn an_encrypted_message_is_refused_with_the_mend() {
    for body in [
        include_str!("../../../../fixtures/callbacks/encrypted-aes128.body"),
        include_str!("../../../../fixtures/callbacks/encrypted-aes256.body"),
    ] {
        let refusal = verify(&signing(&[KEY]), body).unwrap_err();

        assert_eq!(refusal, Refusal::Encrypted);
        assert!(refusal.to_string().contains("encrypt:false"));
        assert!(!refusal.is_unauthenticated());
    }
}

#[test]
fn only_the_signed_part_decides() {
    let other = "brand.surveyengine.completedResponse.SV_00000000000000a";
    assert_eq!(
        verify(&signing(&[KEY]), &body(other, MESSAGE, KEY)),
        Err(Refusal::TopicMismatch)
    );
    for topic in [
        "",
        "brand.surveyengine.completedResponse.*",
        "my.brand.com.surveyengine.partialResponse.SV_22VlHYNeldrrrkp",
    ] {
        completed(verify(&signing(&[KEY]), &body(topic, MESSAGE, KEY)));
    }
    let with_extra = format!(
        "{}&SurveyID=SV_00000000000000a&ResponseID=R_evil",
        body(TOPIC, MESSAGE, KEY)
    );
    assert_eq!(
        completed(verify(&signing(&[KEY]), &with_extra))
            .survey_id()
            .as_ref(),
        "SV_22VlHYNeldrrrkp"
    );
}

#[test]
fn other_events_are_ignored() {
    for body in [
        include_str!("../../../../fixtures/callbacks/partial-response.body"),
        include_str!("../../../../fixtures/callbacks/activate-survey.body"),
    ] {
        assert_eq!(verify(&signing(&[KEY]), body), Ok(Verdict::Ignored));
    }
}

#[test]
fn hostile_ids_are_refused() {
    for (survey, response) in [
        ("SV_../../whoami", "R_1"),
        ("SV_22VlHYNeldrrrkp", "R_1/../2"),
        ("SV_22VlHYNeldrrrkp", "R_1' OR 1=1 --"),
        ("SV_22VlHYNeldrrrkp", "R_%2e%2e"),
    ] {
        let message =
            format!(r#"{{"Status":"Complete","SurveyID":"{survey}","ResponseID":"{response}"}}"#);
        let refusal = verify(&signing(&[KEY]), &body("", &message, KEY)).unwrap_err();
        assert!(matches!(refusal, Refusal::InvalidId(_)), "{refusal:?}");
        assert!(!refusal.to_string().contains("whoami"));
    }
}

#[test]
fn an_unreadable_completed_date_counts_as_unknown() {
    for date in ["\"\"", "\"soon\"", "null", "17", "{}"] {
        let message = format!(
            r#"{{"Status":"Complete","SurveyID":"SV_22VlHYNeldrrrkp","ResponseID":"R_1","CompletedDate":{date}}}"#
        );
        let callback = completed(verify(&signing(&[KEY]), &body("", &message, KEY)));
        assert_eq!(callback.completion(), Completion::Unknown, "{date}");
    }
}

#[test]
fn a_caller_with_the_token_needs_no_signature() {
    let signing = Signing {
        token: Some(SecretString::from("t0ken")),
        ..signing(&[KEY])
    };
    assert_eq!(
        signing.check_token(b"t0kem").unwrap_err(),
        Refusal::WrongToken
    );
    assert_eq!(signing.check_token(b"").unwrap_err(), Refusal::WrongToken);
    let token = signing.check_token(b"t0ken").unwrap();

    let json = br#"{"SurveyID":"SV_22VlHYNeldrrrkp","ResponseID":"R_1"}"#;
    let from_json = completed(signing.verify_json_with_token(token, json));
    assert_eq!(
        (from_json.completion(), from_json.proof()),
        (Completion::OnReceipt, Proof::Token)
    );

    let form = Form::parse(
        b"SurveyID=SV_22VlHYNeldrrrkp&ResponseID=R_1&CompletedDate=2024-01-02+03%3A04%3A05",
    )
    .unwrap();
    let from_form = completed(signing.verify_with_token(token, &form));
    assert_eq!(
        from_form.completion(),
        Completion::At("2024-01-02T03:04:05Z".parse().unwrap())
    );

    let forged =
        Form::parse(format!("HMAC={}&MSG={}", "0".repeat(128), encode(MESSAGE)).as_bytes())
            .unwrap();
    assert_eq!(
        signing.verify_with_token(token, &forged),
        Err(Refusal::WrongSignature)
    );
}

#[test]
fn without_a_configured_token_none_is_right() {
    assert_eq!(
        signing(&[KEY]).check_token(b"").unwrap_err(),
        Refusal::WrongToken
    );
    let empty = Signing {
        token: Some(SecretString::from("")),
        ..Signing::default()
    };
    assert_eq!(empty.check_token(b"").unwrap_err(), Refusal::WrongToken);
}

#[test]
fn unsigned_callbacks_pass_only_where_that_was_allowed() {
    let loopback = Signing {
        allow_unsigned: true,
        ..Signing::default()
    };
    let body = include_str!("../../../../fixtures/callbacks/unsigned.body");

    assert_eq!(completed(verify(&loopback, body)).proof(), Proof::Nothing);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(form) = Form::parse(&bytes) {
            let loose = Signing { allow_unsigned: true, ..signing(&[KEY]) };
            if let Ok(Verdict::Completed(callback)) = loose.verify(&form) {
                prop_assert!(callback.survey_id().as_ref().starts_with("SV_"));
            }
        }
    }

    #[test]
    fn any_message_verifies_under_its_own_key_and_no_other(message in "\\PC{0,80}", key in "\\PC{1,40}") {
        let signature = sign(&SecretString::from(key.as_str()), message.as_bytes());
        let mut digest = [0_u8; 64];
        hex::decode_to_slice(&signature, &mut digest).unwrap();
        prop_assert!(matches(&SecretString::from(key.as_str()), message.as_bytes(), &digest));
        let other = SecretString::from(format!("{key}x"));
        prop_assert!(!matches(&other, message.as_bytes(), &digest));
    }

    #[test]
    fn forms_give_back_the_bytes_that_were_encoded(message in prop::collection::vec(any::<u8>(), 1..200)) {
        let encoded: String = message.iter().map(|b| if *b == b' ' { "+".to_owned() } else { format!("%{b:02x}") }).collect();
        let form = Form::parse(format!("MSG={encoded}").as_bytes()).unwrap();
        prop_assert_eq!(form.message(), Some(&message[..]));
    }
}
