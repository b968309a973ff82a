//! Which layer wins.

use secrecy::ExposeSecret as _;

use super::super::{Credentials, Database, History, Origin, Setting};
use super::*;

#[test]
fn nothing_set_is_a_service_on_loopback_with_a_file() {
    let config = load(&Sources::default());
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert!(
        matches!(&config.database, Database::Sqlite(path) if path == &PathBuf::from("feedback.db"))
    );
    assert_eq!(config.auth.mode(), "none");
    assert_eq!(config.qualtrics.requests_per_minute.get(), 200);
    assert_eq!(
        config.reconcile_every,
        Some(std::time::Duration::from_secs(900))
    );
    assert_eq!(config.ui5_url.as_str(), "https://sdk.openui5.org/");
    assert!(config.surveys.is_empty() && config.warnings.is_empty());
    assert_eq!(config.origin(Setting::LogFormat), &Origin::Default);
}

#[test]
fn the_command_line_beats_the_environment_beats_the_file() {
    let mut sources = with_file(
        environment(&[("QUALTRICS_DATACENTER", "env1")]),
        "qualtrics_datacenter = \"file1\"\nreconcile_every = \"1h\"",
    );
    sources
        .arguments
        .insert(Setting::ListenAddr, "127.0.0.1:1".to_owned());
    let config = load(&sources);
    assert_eq!(config.listen.port(), 1);
    assert_eq!(
        config.qualtrics.base_url.as_ref().unwrap().as_str(),
        "https://env1.qualtrics.com/"
    );
    assert_eq!(
        config.reconcile_every,
        Some(std::time::Duration::from_secs(3600))
    );
    assert_eq!(config.origin(Setting::ListenAddr), &Origin::CommandLine);
    assert_eq!(
        config.origin(Setting::QualtricsDatacenter),
        &Origin::Environment
    );
    assert_eq!(
        config.origin(Setting::ReconcileEvery),
        &Origin::File("ingester.toml".into())
    );
}

#[test]
fn an_empty_value_counts_as_not_given() {
    let sources = with_file(
        environment(&[("RECONCILE_EVERY", " ")]),
        "reconcile_every = \"off\"",
    );
    assert_eq!(load(&sources).reconcile_every, None);
}

#[test]
fn port_alone_means_all_interfaces_and_listen_addr_beats_it() {
    assert_eq!(
        load(&environment(&[("PORT", "9000")])).listen.to_string(),
        "0.0.0.0:9000"
    );
    let both = environment(&[("PORT", "9000"), ("LISTEN_ADDR", "127.0.0.1:1")]);
    assert_eq!(load(&both).listen.to_string(), "127.0.0.1:1");
    let sources = with_file(
        environment(&[("PORT", "9000")]),
        "listen_addr = \"127.0.0.1:1\"",
    );
    assert_eq!(
        load(&sources).listen.to_string(),
        "0.0.0.0:9000",
        "the stronger source decides"
    );
}

#[test]
fn a_stronger_address_beats_a_weaker_one_of_the_other_spelling() {
    let sources = with_file(
        environment(&[("QUALTRICS_DATACENTER", "fra1")]),
        "qualtrics_base_url = \"https://brand.qualtrics.com/API/v3/\"",
    );
    assert_eq!(
        load(&sources).qualtrics.base_url.unwrap().as_str(),
        "https://fra1.qualtrics.com/"
    );
    let sources = with_file(
        environment(&[]),
        "qualtrics_base_url = \"https://brand.qualtrics.com/API/v3/\"",
    );
    assert_eq!(
        load(&sources).qualtrics.base_url.unwrap().as_str(),
        "https://brand.qualtrics.com/"
    );
}

#[test]
fn oauth_beats_a_token_unless_the_token_is_stronger() {
    let pair = "qualtrics_client_id = \"a\"\nqualtrics_client_secret = \"b\"";
    let config = load(&with_file(
        environment(&[("QUALTRICS_API_TOKEN", "t")]),
        pair,
    ));
    assert!(matches!(
        config.qualtrics.credentials,
        Some(Credentials::Token(_))
    ));
    let all = format!("{pair}\nqualtrics_api_token = \"t\"");
    let config = load(&with_file(environment(&[]), &all));
    assert!(matches!(
        config.qualtrics.credentials,
        Some(Credentials::OAuth { .. })
    ));
}

#[test]
fn a_hana_address_is_decoded_and_its_password_may_stand_apart() {
    let url = "hdbsqls://D%40B:p%25w@h.example:443?schema=MY%20S&db=TEN&no_compression";
    let Database::Hana(hana) = load(&environment(&[("DATABASE_URL", url)])).database else {
        panic!()
    };
    assert_eq!(
        (hana.host.as_str(), hana.port, hana.user.as_str()),
        ("h.example", 443, "D@B")
    );
    assert_eq!(hana.password.expose_secret(), "p%w");
    assert_eq!(
        (hana.schema.as_deref(), hana.database.as_deref()),
        (Some("MY S"), Some("TEN"))
    );
    assert!(hana.tls);
    let apart = [
        ("DATABASE_URL", "hdbsql://u@127.0.0.1:39041"),
        ("DATABASE_PASSWORD", "pw"),
    ];
    let Database::Hana(hana) = load(&environment(&apart)).database else {
        panic!()
    };
    assert_eq!(hana.password.expose_secret(), "pw");
    assert!(!hana.tls);
}

#[test]
fn a_foreign_database_url_is_ignored_with_one_warning() {
    let config = load(&environment(&[(
        "DATABASE_URL",
        "postgres://u:secret@h/db",
    )]));
    assert!(matches!(config.database, Database::Sqlite(_)));
    assert_eq!(
        config
            .warnings
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        [
            "DATABASE_URL (from the environment) is ignored: its scheme is neither sqlite nor hdbsqls, so it is \
          another service's; INGESTER_DATABASE_URL would be read"
        ]
    );
    let both = [
        ("DATABASE_URL", "sqlite:a.db"),
        ("INGESTER_DATABASE_URL", "sqlite:///var/b.db"),
    ];
    let Database::Sqlite(path) = load(&environment(&both)).database else {
        panic!()
    };
    assert_eq!(path, PathBuf::from("/var/b.db"));
}

#[test]
fn surveys_get_their_defaults_and_keep_what_is_given() {
    let config = load(&with_file(
        environment(&[]),
        "[[survey]]\nid = \"SV_22VlHYNeldrrrk1\"\n[[survey]]\nid = \"SV_22VlHYNeldrrrk2\"\nname = \"Müller\"\n\
         table = \"dbadmin.t\"\nmissing = { number = -9.5, text = \"\" }\nhistory = 2024-05-01\nevolve = false",
    ));
    let [first, second] = &config.surveys[..] else {
        panic!()
    };
    assert_eq!(first.name, "SV_22VlHYNeldrrrk1");
    assert_eq!(first.table.qualified(), "\"SV_22VLHYNELDRRRK1\"");
    assert_eq!(
        (first.history, first.keep_raw, first.evolve),
        (History::All, true, None)
    );
    assert_eq!(second.table.qualified(), "\"DBADMIN\".\"T\"");
    assert_eq!(second.missing_number.as_ref().unwrap().to_string(), "-9.5");
    assert_eq!(second.missing_text.as_deref(), Some(""));
    assert_eq!(
        second.history,
        History::Since("2024-05-01T00:00:00Z".parse().unwrap())
    );
}

#[test]
fn debug_shows_no_secret() {
    let names = Setting::ALL.iter().filter(|setting| setting.is_secret());
    let secret = "very-secret-very-secret-very-secret";
    let mut sources = environment(&[
        (
            "DATABASE_URL",
            "hdbsqls://u:very-secret-very-secret-very-secret@h:1",
        ),
        ("QUALTRICS_CLIENT_ID", "id"),
    ]);
    for setting in names {
        sources
            .environment
            .insert(setting.name().to_owned(), secret.to_owned());
    }
    let config = load(&sources);
    assert!(!format!("{config:?} {sources:?}").contains("very-secret"));
}

#[test]
fn ui5_is_named_with_or_without_its_folder() {
    for text in [
        "https://ui5.example/1.120",
        "https://ui5.example/1.120/resources",
        "https://ui5.example/1.120/resources/",
    ] {
        assert_eq!(
            load(&environment(&[("UI5_URL", text)])).ui5_url.as_str(),
            "https://ui5.example/1.120/"
        );
    }
}

#[test]
fn a_secret_with_white_space_around_it_is_kept_and_warned_of() {
    let config = load(&environment(&[("QUALTRICS_SHARED_KEY", "key\n")]));
    assert_eq!(
        config
            .events
            .webhook()
            .unwrap()
            .shared_key
            .as_ref()
            .unwrap()
            .expose_secret(),
        "key\n"
    );
    assert_eq!(
        config.warnings[0].to_string(),
        "QUALTRICS_SHARED_KEY (from the environment) begins or ends with white space: remove it unless it belongs \
         to the secret"
    );
}
