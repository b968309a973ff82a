//! Bound services.
//!
//! Long because each service of the platform binds in a shape of its own.

use secrecy::ExposeSecret as _;

use super::super::{Auth, Certificate, ClientProof, Credentials, Database, Origin, Setting};
use super::*;

const PEM: &str = "-----BEGIN CERTIFICATE-----\\nMIIB\\n-----END CERTIFICATE-----\\n";

fn service(label: &str, plan: &str, name: &str, tags: &str, credentials: &str) -> String {
    format!(
        r#""{label}": [{{"label": "{label}", "plan": "{plan}", "instance_name": "{name}", "name": "{name}",
            "binding_name": null, "tags": [{tags}], "credentials": {credentials}, "volume_mounts": []}}]"#
    )
}

fn bound(services: &[String]) -> Sources {
    Sources {
        services: Some(format!("{{{}}}", services.join(","))),
        ..Sources::default()
    }
}

fn hana(name: &str, plan: &str) -> String {
    let credentials = format!(
        r#"{{"host": "h.example", "port": "443", "user": "S_RT", "password": "pw", "schema": "S",
            "certificate": "{PEM}", "hdi_user": "S_DT", "hdi_password": "other",
            "url": "jdbc:sap://h.example:443?encrypt=true&currentschema=S"}}"#
    );
    service("hana", plan, name, "\"hana\"", &credentials)
}

fn uaa(plan: &str) -> String {
    let suffix = if plan == "broker" { "b" } else { "t" };
    format!(
        r#"{{"clientid": "sb-app!{suffix}1", "xsappname": "app!{suffix}1", "clientsecret": "s$=", "tenantid": "tid",
            "uaadomain": "authentication.eu10.hana.ondemand.com", "zoneid": "tid", "identityzone": "acme",
            "url": "https://acme.authentication.eu10.hana.ondemand.com", "verificationkey": "-----BEGIN PUBLIC KEY-----MIIB-----END PUBLIC KEY-----"}}"#
    )
}

fn xsuaa(plan: &str) -> String {
    service("xsuaa", plan, "ingester-xsuaa", "\"xsuaa\"", &uaa(plan))
}

fn identity() -> String {
    service(
        "identity",
        "application",
        "ingester-ias",
        "",
        r#"{"clientid": "cid", "clientsecret": "s",
        "url": "https://acme.accounts.ondemand.com", "domains": ["accounts.ondemand.com"], "app_tid": "tid"}"#,
    )
}

#[test]
fn both_plans_of_hana_are_used_with_the_run_time_user() {
    for plan in ["schema", "hdi-shared"] {
        let config = load(&bound(&[hana("ingester-db", plan)]));
        assert_eq!(
            config.database_origin(),
            &Origin::Binding("ingester-db".to_owned())
        );
        let Database::Hana(hana) = config.database else {
            panic!()
        };
        assert_eq!(
            (hana.host.as_str(), hana.port, hana.user.as_str()),
            ("h.example", 443, "S_RT")
        );
        assert_eq!(hana.password.expose_secret(), "pw");
        assert_eq!(hana.schema.as_deref(), Some("S"));
        assert!(hana.tls);
        let pem = hana.certificate.as_ref().unwrap().pem().unwrap();
        assert_eq!(
            pem,
            "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
        );
    }
}

#[test]
fn a_user_provided_hana_and_a_jdbc_address_are_understood() {
    let credentials = r#"{"url": "jdbc:sap://h.example:443?encrypt=true&currentSchema=S", "user": "u", "password": "p", "encrypt": true}"#;
    let config = load(&bound(&[service(
        "user-provided",
        "",
        "db",
        "\"hana\"",
        credentials,
    )]));
    let Database::Hana(hana) = config.database else {
        panic!()
    };
    assert_eq!(
        (hana.host.as_str(), hana.port, hana.schema.as_deref()),
        ("h.example", 443, Some("S"))
    );
}

#[test]
fn an_address_beats_a_binding_and_database_service_picks_one() {
    let mut sources = bound(&[
        hana("a", "schema"),
        service(
            "user-provided",
            "",
            "b",
            "\"hana\"",
            r#"{"host": "other.example", "port": 30015, "user": "u", "password": "p"}"#,
        ),
    ]);
    assert_eq!(
        errors(&sources),
        "the service hana (from the environment) is bound several times (a, b): name one in DATABASE_SERVICE"
    );
    sources
        .environment
        .insert("DATABASE_SERVICE".to_owned(), "b".to_owned());
    let Database::Hana(hana) = load(&sources).database else {
        panic!()
    };
    assert_eq!((hana.host.as_str(), hana.port), ("other.example", 30015));
    sources
        .environment
        .insert("DATABASE_SERVICE".to_owned(), "c".to_owned());
    assert_eq!(
        errors(&sources),
        "DATABASE_SERVICE (from the environment) is \"c\", not the name of a bound service: name one of them (a, b), or unset it"
    );
    sources
        .environment
        .insert("DATABASE_URL".to_owned(), "sqlite:x.db".to_owned());
    assert!(matches!(load(&sources).database, Database::Sqlite(_)));
}

#[test]
fn a_foreign_database_url_does_not_hide_the_binding() {
    let mut sources = bound(&[hana("db", "schema")]);
    sources
        .environment
        .insert("DATABASE_URL".to_owned(), "mysql2://u:p@h/x".to_owned());
    let config = load(&sources);
    assert!(matches!(config.database, Database::Hana(_)));
    assert_eq!(config.warnings.len(), 1);
}

#[test]
fn hana_bindings_without_what_is_needed_are_errors() {
    let check = |credentials: &str, rest: &str| {
        assert_eq!(
            errors(&bound(&[service("hana", "schema", "db", "", credentials)])),
            format!("the service hana (from the bound service db) {rest}")
        );
    };
    check("{}", "lacks host: bind the service again, or unbind it");
    check(
        r#"{"host": "h"}"#,
        "lacks a port: bind the service again, or set DATABASE_URL",
    );
    check(
        r#"{"host": "h", "port": 1, "user": "u"}"#,
        "lacks a password: bind it again, or set DATABASE_PASSWORD",
    );
    check(
        r#"{"host": "h", "port": 1, "user": "u", "password": "p", "encrypt": "false"}"#,
        "switches encryption or the check of the certificate off: put the server's own certificate into the field certificate",
    );
    let config = load(&bound(&[service("hana", "securestore", "keys", "", "{}")]));
    assert!(matches!(config.database, Database::Sqlite(_)));
    assert_eq!(
        config.warnings[0].to_string(),
        "the service keys is ignored: the plan securestore gives no tables"
    );
}

#[test]
fn a_certificate_file_is_read_when_it_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.pem");
    std::fs::write(&path, PEM.replace("\\n", "\n")).unwrap();
    let url = format!("hdbsqls://u:p@h:443?certificate={}", path.display());
    let Database::Hana(hana) = load(&environment(&[("DATABASE_URL", &url)])).database else {
        panic!()
    };
    assert!(hana.certificate.unwrap().pem().unwrap().contains("MIIB"));
    let error = Certificate::File("/nowhere/x.pem".into())
        .pem()
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.starts_with("certificate= in DATABASE_URL can't be read from /nowhere/x.pem, "),
        "{error}"
    );
    assert!(error.ends_with(": name a readable PEM file"), "{error}");
}

#[test]
fn auth_follows_the_bindings() {
    let Auth::Xsuaa(found) = load(&bound(&[xsuaa("application")])).auth else {
        panic!()
    };
    assert_eq!(
        (found.client_id.as_str(), found.app_name.as_str()),
        ("sb-app!t1", "app!t1")
    );
    assert_eq!(found.zones.iter().collect::<Vec<_>>(), ["tid"]);
    assert_eq!(
        found.verification_key.as_deref(),
        Some("-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n")
    );
    assert_eq!(load(&bound(&[xsuaa("broker")])).auth.mode(), "xsuaa");
    let Auth::Ias(found) = load(&bound(&[identity()])).auth else {
        panic!()
    };
    assert_eq!(
        (found.client_id.as_str(), found.app_tid.as_deref()),
        ("cid", Some("tid"))
    );
    let config = load(&bound(&[xsuaa("application"), identity()]));
    assert_eq!(config.auth.mode(), "xsuaa");
    assert!(
        config.warnings[0]
            .to_string()
            .starts_with("AUTH is not set and both xsuaa and identity are bound")
    );
    let mut sources = bound(&[xsuaa("application"), identity()]);
    sources
        .environment
        .insert("AUTH".to_owned(), "IAS".to_owned());
    assert_eq!(load(&sources).auth.mode(), "ias");
}

#[test]
fn auth_without_a_binding_is_none_on_loopback_and_closed_elsewhere() {
    assert_eq!(load(&environment(&[])).auth.mode(), "none");
    let config = load(&environment(&[("PORT", "80")]));
    assert_eq!(config.auth.mode(), "closed");
    assert_eq!(
        config.warnings[0].to_string(),
        "AUTH is not set and nothing is bound that checks tokens: there are no data routes (AUTH=closed); \
         bind xsuaa or identity, or set AUTH=oidc with issuer and audience in [auth]"
    );
    let oidc = "[auth]\nissuer = \"https://login.example/\"\naudience = \"me\"";
    let Auth::Oidc(found) = load(&with_file(environment(&[]), oidc)).auth else {
        panic!()
    };
    assert_eq!(
        found.issuer, "https://login.example/",
        "spelled as tokens spell it"
    );
}

#[test]
fn auth_errors_name_the_mend() {
    check_error(
        &[("AUTH", "x")],
        "AUTH (from the environment) is \"x\", not a mode: write xsuaa, ias, oidc, closed or none",
    );
    check_error(
        &[("AUTH", "xsuaa")],
        "AUTH (from the environment) is \"xsuaa\", but no service xsuaa is bound: bind one (`cf bind-service`), or set AUTH=oidc",
    );
    check_error(
        &[("AUTH", "oidc")],
        "AUTH (from the environment) is \"oidc\", but the issuer is not set: set issuer and audience in [auth]",
    );
    check_file_error(
        "[auth]\nmode = \"oidc\"\nissuer = \"https://a\"",
        "audience of [auth] (from ingester.toml) is not set: set both issuer and audience in [auth], or neither",
    );
    check_file_error(
        "[auth]\nmode = \"oidc\"\nissuer = \"http://a.example\"\naudience = \"me\"",
        "issuer of [auth] (from ingester.toml) is not an https URL: copy it from the issuer's openid-configuration",
    );
    let broken = service(
        "xsuaa",
        "application",
        "x",
        "",
        r#"{"clientid": "c", "xsappname": "a", "uaadomain": "a/b", "url": "https://h"}"#,
    );
    assert_eq!(
        errors(&bound(&[broken])),
        "the service xsuaa (from the bound service x) has a uaadomain that is no host: bind it again"
    );
    let plain = service(
        "identity",
        "application",
        "x",
        "",
        r#"{"clientid": "c", "url": "http://h.example"}"#,
    );
    assert_eq!(
        errors(&bound(&[plain])),
        "the service identity (from the bound service x) has a url without https: bind it again"
    );
}

#[test]
fn qualtrics_secrets_come_from_a_tagged_service_and_give_way_to_the_environment() {
    let credentials = r#"{"client_id": "a", "client_secret": "b", "shared_key": "k k", "shared_key_previous": "", "datacenter": "fra1"}"#;
    let mut sources = bound(&[service(
        "user-provided",
        "",
        "q",
        "\"qualtrics\"",
        credentials,
    )]);
    let config = load(&sources);
    assert!(
        matches!(&config.qualtrics.credentials, Some(Credentials::OAuth { client_id, .. }) if client_id == "a")
    );
    assert_eq!(
        config.origin(Setting::QualtricsSharedKey),
        &Origin::Binding("q".to_owned())
    );
    assert!(config.warnings.is_empty());
    sources
        .environment
        .insert("QUALTRICS_DATACENTER".to_owned(), "eu".to_owned());
    assert_eq!(
        load(&sources).qualtrics.base_url.unwrap().as_str(),
        "https://eu.qualtrics.com/"
    );
}

#[test]
fn the_job_scheduler_is_read_with_secret_certificate_and_ias() {
    let with_secret = format!(
        r#"{{"url": "https://jobs.example", "uaa": {}}}"#,
        uaa("application")
    );
    let jobs = |credentials: &str| service("jobscheduler", "standard", "jobs", "", credentials);
    let found = load(&bound(&[jobs(&with_secret)])).job_scheduler.unwrap();
    assert_eq!(
        found.client.token_url.as_str(),
        "https://acme.authentication.eu10.hana.ondemand.com/oauth/token"
    );
    assert!(
        matches!(&found.client.proof, ClientProof::Secret(secret) if secret.expose_secret() == "s$=")
    );

    let with_certificate = format!(
        r#"{{"url": "https://jobs.example", "uaa": {{"clientid": "c", "certurl": "https://acme.cert.example",
            "url": "https://acme.example", "certificate": "{PEM}", "key": "{PEM}"}}}}"#
    );
    let found = load(&bound(&[jobs(&with_certificate)]))
        .job_scheduler
        .unwrap();
    assert_eq!(
        found.client.token_url.as_str(),
        "https://acme.cert.example/oauth/token"
    );
    assert!(matches!(
        found.client.proof,
        ClientProof::Certificate { .. }
    ));

    let found = load(&bound(&[
        jobs(r#"{"url": "https://jobs.example"}"#),
        identity(),
    ]))
    .job_scheduler
    .unwrap();
    assert_eq!(
        found.client.token_url.as_str(),
        "https://acme.accounts.ondemand.com/oauth2/token"
    );

    let config = load(&bound(&[jobs(
        r#"{"url": "https://jobs.example", "user": "u", "password": "p"}"#,
    )]));
    assert!(config.job_scheduler.is_none());
    assert_eq!(
        config.warnings[0].to_string(),
        "the service jobs is ignored: its binding holds no OAuth client, so runs can't be reported; use the plan standard or free"
    );
}

#[test]
fn cloud_foundry_gives_route_and_log_format() {
    let config = load(&environment(&[(
        "VCAP_APPLICATION",
        r#"{"application_uris": ["a.cfapps.example", "b"]}"#,
    )]));
    assert!(config.on_cloud_foundry);
    assert_eq!(
        config.public_url.as_ref().unwrap().as_str(),
        "https://a.cfapps.example/"
    );
    assert_eq!(config.origin(Setting::PublicUrl), &Origin::Platform);
    assert_eq!(config.log_format, crate::telemetry::log::LogFormat::Json);
    assert_eq!(
        load(&environment(&[("VCAP_APPLICATION", "{}")])).public_url,
        None
    );
}

#[test]
fn files_that_are_named_must_be_readable() {
    let variables = |name: &str| BTreeMap::from([(name.to_owned(), "/nowhere/x".to_owned())]);
    for name in ["INGESTER_CONFIG", "VCAP_SERVICES_FILE_PATH"] {
        let error = Sources::from_environment(variables(name), None)
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.starts_with(&format!(
                "{name} (from the environment) names /nowhere/x, which can't be read, "
            )),
            "{error}"
        );
        assert!(
            error.ends_with(": name a readable file, or unset it"),
            "{error}"
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("services.json");
    std::fs::write(&path, format!("{{{}}}", hana("db", "schema"))).unwrap();
    let environment = BTreeMap::from([(
        "VCAP_SERVICES_FILE_PATH".to_owned(),
        path.display().to_string(),
    )]);
    let sources = Sources::from_environment(environment, None).unwrap();
    assert!(matches!(load(&sources).database, Database::Hana(_)));
}

#[test]
fn a_bound_cloud_logging_takes_telemetry_unless_an_address_is_set() {
    let logs = |credentials: &str| {
        bound(&[service(
            "cloud-logging",
            "standard",
            "logs",
            "\"Cloud Logging\"",
            credentials,
        )])
    };
    let certificates = format!(r#""ingest-otlp-cert": "{PEM}", "ingest-otlp-key": "{PEM}""#);
    let whole = format!(
        r#"{{"ingest-otlp-endpoint": "otlp.example:443", {certificates}, "server-ca": "{PEM}"}}"#
    );

    let config = load(&logs(&whole));
    assert_eq!(
        format!("{:?}", config.collector),
        "Some(CloudLogging(otlp.example:443))"
    );
    assert!(
        load(&logs("{}")).collector.is_none(),
        "its instance takes no OTLP"
    );
    let mut sources = logs(&whole);
    let (name, url) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
    sources.environment.insert(name.to_owned(), url.to_owned());
    assert_eq!(
        format!("{:?}", load(&sources).collector),
        "Some(Http(http://127.0.0.1:4318/))"
    );

    let lacking = format!(r#"{{"ingest-otlp-endpoint": "otlp.example:443", {certificates}}}"#);
    let error = Config::load(&logs(&lacking)).unwrap_err().to_string();
    assert!(error.contains("lacks server-ca"), "{error}");
    assert!(!error.contains("MIIB"), "{error}");
}
