//! What errors say, and that they say the mend.

use super::super::Setting;
use super::*;

#[test]
fn scalar_errors_name_value_origin_and_mend() {
    check_error(
        &[("RECONCILE_EVERY", "5x")],
        "RECONCILE_EVERY (from the environment) is \"5x\", not a duration: write for example 15m, 1h 30m or 30d, or off",
    );
    check_error(
        &[("RECONCILE_EVERY", "5s")],
        "RECONCILE_EVERY (from the environment) is \"5s\", too short: write at least 1m, or off",
    );
    check_error(
        &[("ENSURE_SUBSCRIPTIONS", "maybe")],
        "ENSURE_SUBSCRIPTIONS (from the environment) is \"maybe\", neither true nor false: write true or false",
    );
    check_error(
        &[("EVENTS", "x")],
        "EVENTS (from the environment) is \"x\", neither on nor off: write on or off",
    );
    check_error(
        &[("QUALTRICS_REQUESTS_PER_MINUTE", "0")],
        "QUALTRICS_REQUESTS_PER_MINUTE (from the environment) is \"0\", not a positive whole number: write a number from 1",
    );
    check_error(
        &[("LISTEN_ADDR", "host")],
        "LISTEN_ADDR (from the environment) is \"host\", not an address and port: write for example 127.0.0.1:8080",
    );
    check_error(
        &[("PORT", "70000")],
        "PORT (from the environment) is \"70000\", not a port: write a number from 0 to 65535",
    );
    check_error(
        &[("PUBLIC_URL", "feedback.example")],
        "PUBLIC_URL (from the environment) is \"feedback.example\", not a URL: write for example https://host.example",
    );
    check_error(
        &[("QUALTRICS_DATACENTER", "https://fra1.qualtrics.com")],
        "QUALTRICS_DATACENTER (from the environment) is \"https://fra1.qualtrics.com\", not the name of a data \
         centre: write for example fra1, or set QUALTRICS_BASE_URL",
    );
    check_error(
        &[("LOG_FORMAT", "xml")],
        "LOG_FORMAT (from the environment) is \"xml\", not a format: write json or text",
    );
    check_error(
        &[("PSEUDONYM_KEY", "short")],
        "PSEUDONYM_KEY (from the environment) is shorter than 32 characters: make one with `openssl rand -hex 32`",
    );
    check_file_error(
        "log_format = \"xml\"",
        "log_format (from ingester.toml) is \"xml\", not a format: write json or text",
    );
}

#[test]
fn half_given_credentials_name_the_other_half() {
    check_error(
        &[("QUALTRICS_CLIENT_ID", "a")],
        "QUALTRICS_CLIENT_SECRET is not set: QUALTRICS_CLIENT_ID needs it: set it, or use QUALTRICS_API_TOKEN alone",
    );
    check_error(
        &[("QUALTRICS_CLIENT_SECRET", "a")],
        "QUALTRICS_CLIENT_ID is not set: QUALTRICS_CLIENT_SECRET needs it: set it, or use QUALTRICS_API_TOKEN alone",
    );
    check_error(
        &[("QUALTRICS_SHARED_KEY_PREVIOUS", "a")],
        "QUALTRICS_SHARED_KEY is not set: QUALTRICS_SHARED_KEY_PREVIOUS is only for the time of a change: set the new key",
    );
}

#[test]
fn database_errors_never_repeat_the_address() {
    let url = |url: &str, rest: &str| {
        check_error(
            &[("INGESTER_DATABASE_URL", url)],
            &format!("INGESTER_DATABASE_URL (from the environment) is {rest}"),
        );
    };
    url(
        "postgres://u:pw@h/db",
        "neither sqlite:<path> nor hdbsqls://user@host:port: write for example sqlite:feedback.db",
    );
    url(
        "sqlite:",
        "not the path of a file: write for example sqlite:feedback.db, without options",
    );
    url(
        "hdbsqls://u:pw@h",
        "an address without a port: add :443 for HANA Cloud, :3<instance>15 on premise",
    );
    url(
        "hdbsqls://u@h:443",
        "an address without a password: set DATABASE_PASSWORD",
    );
    url(
        "hdbsql://u:pw@h:443",
        "an address without TLS to another machine: write hdbsqls:// instead of hdbsql://",
    );
    url(
        "hdbsqls://u:pw@h:443?sslValidateCertificate=false",
        "an address that trusts any certificate: name the server's own with certificate=<PEM file> instead",
    );
    url(
        "hdbsqls://u:pw@h:443?scheme=X",
        "an address with the unknown option \"scheme\": leave it out; the options are schema, db, certificate",
    );
    let form = "write hdbsqls://user@host:port?schema=NAME, with % before what is special in a user or password";
    url(
        "hdbsqls://h:443",
        &format!("an address without a user: {form}"),
    );
    url("hdbsqls:/x", &format!("an address without a host: {form}"));
    url("hdbsqls://u:pw@h:port", &format!("not a URL: {form}"));
    url(
        "hdbsqls://u:%ff@h:443",
        "not UTF-8 after percent-decoding: write a % itself as %25",
    );
}

#[test]
fn secrets_are_refused_on_the_command_line() {
    let mut sources = Sources::default();
    sources
        .arguments
        .insert(Setting::PseudonymKey, "x".repeat(32));
    assert_eq!(
        errors(&sources),
        "PSEUDONYM_KEY (from the command line) is a secret, which others can read from the process list: \
         set it in the environment instead"
    );
    let mut sources = Sources::default();
    sources
        .arguments
        .insert(Setting::DatabaseUrl, "hdbsqls://u:pw@h:443".to_owned());
    assert_eq!(
        errors(&sources),
        "DATABASE_URL (from the command line) is an address with a password, which others can read from the \
         process list: set DATABASE_PASSWORD in the environment instead"
    );
}

#[test]
fn table_errors_name_the_table_and_the_key() {
    let survey = "[[survey]]\nid = \"SV_22VlHYNeldrrrk1\"\n";
    let at = |key: &str| format!("{key} of [[survey]] \"SV_22VlHYNeldrrrk1\" (from ingester.toml)");
    let check = |more: &str, key: &str, rest: &str| {
        check_file_error(&format!("{survey}{more}"), &format!("{} {rest}", at(key)));
    };
    check(
        "name = \"1x\"",
        "name",
        "is \"1x\", not an OData identifier: use letters, digits and _, at most 128, not beginning with a digit",
    );
    check(
        "name = \"surveys\"",
        "name",
        "is \"surveys\", which is an entity set of the service's own: choose another name",
    );
    check(
        "table = \"a b\"",
        "table",
        "is \"a b\", expected NAME, \"NAME\" or \"SCHEMA\".\"NAME\": write TABLE or \\\"SCHEMA\\\".\\\"TABLE\\\"",
    );
    check(
        "table = \"QUALTRICS_RAW\"",
        "table",
        "is a table of the service's own: choose another table",
    );
    check(
        "columns = []",
        "columns",
        "is empty: leave it out for all questions",
    );
    check(
        "missing = { number = \"x\" }",
        "missing.number",
        "is not a number: write for example -9",
    );
    check(
        "history = \"soon\"",
        "history",
        "is no date: write \"all\", \"none\", or a date like 2024-05-01",
    );
    check_file_error(
        "[[survey]]\nname = \"a\"",
        "id of [[survey]] number 1 (from ingester.toml) is not set: set it to the survey's id, SV_…",
    );
    check_file_error(
        "[[survey]]\nid = \"SV_1\"",
        "id of [[survey]] \"SV_1\" (from ingester.toml) is not a survey id: expected SV_ and 11 to 15 letters or \
         digits: copy it from the survey's address in Qualtrics",
    );
    check(
        "[[survey]]\nid = \"SV_22VlHYNeldrrrk1\"",
        "id",
        "is \"SV_22VlHYNeldrrrk1\", which an earlier survey has too: keep one of the two",
    );
}

#[test]
fn two_surveys_may_share_neither_name_nor_table() {
    let two = |first: &str, second: &str| {
        format!(
            "[[survey]]\nid = \"SV_22VlHYNeldrrrk1\"\n{first}\n[[survey]]\nid = \"SV_22VlHYNeldrrrk2\"\n{second}"
        )
    };
    let at = |key: &str| format!("{key} of [[survey]] \"SV_22VlHYNeldrrrk2\" (from ingester.toml)");
    check_file_error(
        &two("name = \"A\"", "name = \"a\"\ntable = \"B\""),
        &format!(
            "{} is \"a\", which an earlier survey has too: give each survey a name of its own",
            at("name")
        ),
    );
    let tables = two("table = \"X.T\"", "table = \"Y.T\"");
    check_file_error(
        &tables,
        &format!(
            "{} is \"\\\"Y\\\".\\\"T\\\"\", which an earlier survey has too: give each survey a table of its own",
            at("table")
        ),
    );
    let on_hana = environment(&[("DATABASE_URL", "hdbsqls://u:p@h:443")]);
    assert_eq!(
        load(&with_file(on_hana, &tables)).surveys.len(),
        2,
        "HANA keeps schemas apart"
    );
}

#[test]
fn access_rules_are_read_and_their_errors_name_them() {
    use ingester_core::access::Rows;
    let config = load(&with_file(
        environment(&[]),
        "[[access]]\ndomain = \"*.BÜCHER.example\"\nrows = \"all\"\n\
         [[access]]\nattribute = { Country = \"DE\" }\nwhere = { AccountID = \"$user.AccountID\" }",
    ));
    assert_eq!(
        config.access[0].domain.as_deref(),
        Some("*.xn--bcher-kva.example")
    );
    assert_eq!(config.access[0].rows, Rows::All);
    assert_eq!(config.access[1].attribute["Country"], ["DE"]);
    assert!(
        matches!(&config.access[1].rows, Rows::Where(columns) if columns["AccountID"] == ["$user.AccountID"])
    );

    let check = |text: &str, key: &str, rest: &str| {
        check_file_error(
            &format!("[[access]]\n{text}"),
            &format!("{key} of [[access]] number 1 (from ingester.toml) {rest}"),
        );
    };
    check(
        "scope = \"x\"",
        "rows",
        "is not set: write rows = \"all\", or where = { … }",
    );
    check(
        "rows = \"some\"",
        "rows",
        "is \"some\", not \"all\": write rows = \"all\", or where = { … }",
    );
    check(
        "rows = \"all\"\nwhere = { A = [\"x\"] }",
        "rows",
        "is given beside where: leave one of them out",
    );
    check(
        "where = { A = [] }",
        "where",
        "has no values: name at least one, for example { AccountID = [\"ACME\"] }",
    );
    check(
        "where = { A = \"$user.\" }",
        "where",
        "has $user. without a name: write for example \"$user.AccountID\"",
    );
    check(
        "rows = \"all\"\ndomain = \"a b\"",
        "domain",
        "is \"a b\", not a domain: write for example sap.com, or *.sap.com for its sub-domains",
    );
}

#[test]
fn the_other_tables_name_their_errors() {
    check_file_error(
        "[odata]\npage_size = 0",
        "page_size of [odata] (from ingester.toml) is \"0\", not a positive whole number: write a number from 1",
    );
    check_file_error(
        "[odata]\ntime_zone = \"a'b\"",
        "time_zone of [odata] (from ingester.toml) is \"a'b\", not a time zone: write an IANA name, for example Europe/Berlin",
    );
    check_file_error(
        "[inbox]\nretention = \"1s\"",
        "retention of [inbox] (from ingester.toml) is \"1s\", too short: write at least 1h",
    );
    check_file_error(
        "[web]\nallowed_origins = [\"*\"]",
        "allowed_origins of [web] (from ingester.toml) holds \"*\", not an origin: write for example https://host.example",
    );
    check_file_error(
        "[web]\nframe_ancestors = [\"a; script-src *\"]",
        "frame_ancestors of [web] (from ingester.toml) holds \"a; script-src *\", not a source: \
         write for example https://*.workzone.example, or 'self'",
    );
}

#[test]
fn everything_wrong_is_found_in_one_go() {
    let text = errors(&environment(&[
        ("PORT", "x"),
        ("EVENTS", "x"),
        ("UI5_URL", "x"),
    ]));
    assert_eq!(text.lines().count(), 3, "{text}");
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(file: String, services: String, url: String) {
        let mut sources = with_file(environment(&[("INGESTER_DATABASE_URL", &url)]), &file);
        sources.services = Some(services);
        let _ = Config::load(&sources);
    }

    #[test]
    fn no_toml_makes_the_reader_panic(key in "[a-z_]{1,12}", value in "\\PC{0,20}") {
        for text in [format!("{key} = {value}"), format!("[[survey]]\n{key} = {value}"), format!("[auth]\n{key} = {value}")] {
            let _ = Config::load(&with_file(environment(&[]), &text));
        }
    }

    #[test]
    fn every_error_is_one_line(name in 0..Setting::ALL.len(), value in "\\PC{0,80}|.{0,20}") {
        let setting = Setting::ALL[name];
        if let Err(errors) = Config::load(&environment(&[(setting.name(), &value)])) {
            for error in errors.iter() {
                proptest::prop_assert!(!error.to_string().contains('\n'));
            }
        }
    }
}
