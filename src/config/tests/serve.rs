//! What only `serve` needs.

use super::super::{Config, Setting};
use super::*;

const KEY: (&str, &str) = ("QUALTRICS_SHARED_KEY", "key");

#[track_caller]
fn refused(sources: &Sources, expected: &str) {
    assert_eq!(
        load(sources).check_serve().err().unwrap().to_string(),
        expected
    );
}

#[track_caller]
fn warned(config: &Config) -> Vec<String> {
    config
        .check_serve()
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn callbacks_need_a_key_a_token_or_to_be_off() {
    refused(
        &environment(&[]),
        "QUALTRICS_SHARED_KEY is not set: set it to the subscription's key, or set QUALTRICS_WEBHOOK_TOKEN, or EVENTS=off",
    );
    for variable in [
        KEY,
        ("QUALTRICS_WEBHOOK_TOKEN", "t"),
        ("EVENTS", "off"),
        ("QUALTRICS_ALLOW_UNSIGNED", "true"),
    ] {
        assert!(
            load(&environment(&[variable])).check_serve().is_ok(),
            "{variable:?}"
        );
    }
}

#[test]
fn what_is_open_stays_on_loopback() {
    refused(
        &environment(&[
            ("PORT", "80"),
            ("AUTH", "closed"),
            ("QUALTRICS_ALLOW_UNSIGNED", "true"),
        ]),
        "QUALTRICS_ALLOW_UNSIGNED (from the environment) is true while the service listens on 0.0.0.0:80, not on \
         loopback: set QUALTRICS_SHARED_KEY instead, or LISTEN_ADDR=127.0.0.1:8080",
    );
    refused(
        &environment(&[KEY, ("LISTEN_ADDR", "10.0.0.1:80"), ("AUTH", "none")]),
        "AUTH (from the environment) is none while the service listens on 10.0.0.1:80, not on loopback: \
         set AUTH to xsuaa, ias, oidc or closed, or LISTEN_ADDR=127.0.0.1:8080",
    );
    assert!(
        load(&environment(&[
            KEY,
            ("AUTH", "none"),
            ("LISTEN_ADDR", "[::1]:80")
        ]))
        .check_serve()
        .is_ok()
    );
}

#[test]
fn sqlite_on_cloud_foundry_must_be_wanted() {
    let cloud = ("VCAP_APPLICATION", "{}");
    refused(
        &environment(&[KEY, cloud]),
        "DATABASE_URL (by default) is the SQLite file feedback.db, and Cloud Foundry's disk is lost at every \
         restart: bind a hana service, or set ALLOW_EPHEMERAL_STORE=true",
    );
    assert!(
        load(&environment(&[
            KEY,
            cloud,
            ("ALLOW_EPHEMERAL_STORE", "true")
        ]))
        .check_serve()
        .is_ok()
    );
}

#[test]
fn pseudonyms_need_a_key() {
    let file = "[[survey]]\nid = \"SV_22VlHYNeldrrrk1\"\nname = \"A\"\npseudonymize = [\"RecipientEmail\"]";
    refused(
        &with_file(environment(&[KEY]), file),
        "PSEUDONYM_KEY is not set: pseudonymize of survey A needs it: set it to at least 32 characters, for example \
         from `openssl rand -hex 32`",
    );
    let key = ("PSEUDONYM_KEY", "0123456789abcdef0123456789abcdef");
    assert!(
        load(&with_file(environment(&[KEY, key]), file))
            .check_serve()
            .is_ok()
    );
}

#[test]
fn domain_rules_under_xsuaa_need_trusted_origins() {
    let mut sources = with_file(
        environment(&[KEY]),
        "[[access]]\ndomain = \"sap.com\"\nrows = \"all\"",
    );
    assert!(
        load(&sources).check_serve().is_ok(),
        "AUTH=none asks for no e-mail"
    );
    sources.services = Some(
        r#"{"xsuaa": [{"credentials": {"clientid": "c", "xsappname": "a", "uaadomain": "u.example", "url": "https://a.u.example"}}]}"#
            .to_owned(),
    );
    refused(
        &sources,
        "email_origins of [auth] is not set, but an [[access]] rule has a domain: XSUAA does not say whether an \
         e-mail address was verified: set it to the identity providers whose addresses are, for example [\"sap.custom\"]",
    );
    let by_scope = sources.file.as_mut().unwrap();
    by_scope.1 = by_scope
        .1
        .replace("domain = \"sap.com\"", "scope = \"Auditor\"");
    assert!(load(&sources).check_serve().is_ok());
}

#[test]
fn subscriptions_need_an_address() {
    refused(
        &environment(&[KEY, ("ENSURE_SUBSCRIPTIONS", "true")]),
        "PUBLIC_URL is not set: ENSURE_SUBSCRIPTIONS needs it: set it to the address under which Qualtrics reaches this service",
    );
}

#[test]
fn what_is_missing_for_a_command_is_named() {
    let config = load(&environment(&[]));
    let text = |error: super::super::ConfigError| error.to_string();
    assert_eq!(
        text(config.qualtrics_access().err().unwrap()),
        "QUALTRICS_DATACENTER is not set: set it to the data centre's name, for example fra1, or set QUALTRICS_BASE_URL"
    );
    assert_eq!(
        text(config.public_address().err().unwrap()),
        "PUBLIC_URL is not set: set it to the address under which Qualtrics reaches this service"
    );
    assert_eq!(
        text(config.subscription_key().err().unwrap()),
        "QUALTRICS_SHARED_KEY is not set: set it to a key of your own, for example from `openssl rand -hex 32`"
    );
    let config = load(&environment(&[
        ("QUALTRICS_DATACENTER", "fra1"),
        ("EVENTS", "off"),
    ]));
    assert_eq!(
        text(config.qualtrics_access().err().unwrap()),
        "QUALTRICS_CLIENT_ID is not set: set it and QUALTRICS_CLIENT_SECRET, or set QUALTRICS_API_TOKEN"
    );
    assert_eq!(
        text(config.subscription_key().err().unwrap()),
        "EVENTS (from the environment) is off, so there is nothing to subscribe: remove it"
    );
}

#[test]
fn what_works_but_perhaps_not_as_meant_is_warned_of() {
    assert_eq!(
        warned(&load(&environment(&[KEY]))),
        ["no [[survey]] is configured: every event is ignored; `init` writes ingester.toml"]
    );
    let survey = "[auth]\nissuer = \"https://a.example\"\naudience = \"b\"\n[[survey]]\nid = \"SV_22VlHYNeldrrrk1\"";
    let config = load(&with_file(
        environment(&[("EVENTS", "off"), ("RECONCILE_EVERY", "off")]),
        survey,
    ));
    assert_eq!(
        warned(&config),
        [
            "QUALTRICS_DATACENTER is not set: set it to the data centre's name, for example fra1, or set \
         QUALTRICS_BASE_URL; until then events are accepted and wait",
            "there is no [[access]] rule: whoever signs in sees no rows",
            "EVENTS and RECONCILE_EVERY are both off: nothing keeps the tables",
        ]
    );
    assert_eq!(
        config.check_serve().unwrap()[0].setting,
        Setting::QualtricsBaseUrl.name()
    );
}
