//! `manifest.yml`, `mta.yaml`, `xs-security.json`: keys that the platform knows, and names that agree.
//!
//! The keys are those of Cloud Foundry's manifest schema (CAPI 3.163, "The manifest schema") and of SAP's descriptor
//! schema 3.2, as far as ours are used: a misspelt one is an unknown field.

use std::collections::{BTreeMap, BTreeSet};

use qualtrics_ingester::config::{Config, Sources};
use qualtrics_ingester::identity::{ADMIN, JOBS, READ};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{read, sources, yaml};

type Map = BTreeMap<String, Value>;

/// What an application of the manifest may have, as far as ours has it.
const KEYS: [&str; 21] = [
    "name",
    "path",
    "buildpacks",
    "stack",
    "command",
    "instances",
    "memory",
    "disk_quota",
    "log-rate-limit-per-second",
    "timeout",
    "health-check-type",
    "health-check-http-endpoint",
    "health-check-invocation-timeout",
    "health-check-interval",
    "readiness-health-check-type",
    "readiness-health-check-http-endpoint",
    "readiness-health-check-invocation-timeout",
    "readiness-health-check-interval",
    "routes",
    "services",
    "env",
];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    version: u32,
    applications: Vec<Map>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Descriptor {
    #[serde(rename = "_schema-version")]
    schema_version: String,
    #[serde(rename = "ID")]
    id: String,
    version: String,
    description: String,
    #[serde(rename = "parameters")]
    _parameters: Map,
    modules: Vec<Module>,
    resources: Vec<Resource>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Module {
    name: String,
    r#type: String,
    path: String,
    build_parameters: Map,
    parameters: Map,
    properties: BTreeMap<String, String>,
    requires: Vec<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Resource {
    name: String,
    r#type: String,
    #[serde(default)]
    parameters: BTreeMap<String, String>,
}

fn application() -> Map {
    let manifest: Manifest = yaml("manifest.yml");
    assert_eq!(manifest.version, 1);
    let [application] = <[Map; 1]>::try_from(manifest.applications).unwrap();
    let keys: BTreeSet<&str> = application.keys().map(String::as_str).collect();
    assert_eq!(keys, BTreeSet::from(KEYS));
    application
}

#[test]
fn the_manifest_pushes_a_static_binary_that_is_checked_over_http() {
    let application = application();
    assert_eq!(application["buildpacks"], json!(["binary_buildpack"]));
    let command = application["command"].as_str().unwrap();
    assert!(command.starts_with("exec "), "the shell would keep SIGTERM");
    assert_eq!(application["instances"], 1);
    assert_eq!(application["memory"], "64M");
    // Both have to be routes; tests of pages ask them.
    let openapi: Value = serde_json::from_str(&read("src/http/openapi.json")).unwrap();
    for kind in ["health-check", "readiness-health-check"] {
        assert_eq!(application[&format!("{kind}-type")], "http");
        let endpoint = &application[&format!("{kind}-http-endpoint")];
        let route = &openapi["paths"][endpoint.as_str().unwrap()];
        assert!(route.is_object(), "{endpoint}");
    }
}

#[test]
fn the_environment_of_the_manifest_is_a_configuration() {
    let variables = application()["env"].as_object().unwrap().clone();
    let filled = |text: &str| {
        text.replace("((host))", "my-ingester")
            .replace("((domain))", "cfapps.example")
    };
    let environment = variables
        .into_iter()
        .map(|(name, value)| (name, filled(value.as_str().unwrap())))
        .collect();
    let sources = Sources {
        environment,
        ..Sources::default()
    };
    let config = Config::load(&sources).unwrap();
    assert_eq!(
        config.public_url.unwrap().as_str(),
        "https://my-ingester.cfapps.example/"
    );
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

#[test]
fn both_descriptors_describe_the_same_application() {
    let mut application = application();
    let descriptor: Descriptor = yaml("mta.yaml");
    let [module] = <[Module; 1]>::try_from(descriptor.modules).unwrap();
    assert_eq!(descriptor.schema_version, "3.2");
    assert_eq!(descriptor.version, env!("CARGO_PKG_VERSION"));
    assert!(!descriptor.description.is_empty());
    assert_eq!(descriptor.id, module.name);
    assert_eq!(
        (&*module.r#type, &module.build_parameters["builder"]),
        ("application", &json!("custom"))
    );

    let mut take = |key: &str| application.remove(key).unwrap();
    assert_eq!(take("name"), *module.name);
    assert_eq!(take("path"), *module.path);
    let variables = take("env");
    let variables: BTreeSet<_> = variables.as_object().unwrap().keys().cloned().collect();
    let properties: BTreeSet<_> = module.properties.keys().cloned().collect();
    assert_eq!(properties, variables);
    let bound = take("services");
    // What the descriptor has no word for, or one of its own.
    for key in ["routes", "timeout", "log-rate-limit-per-second"] {
        take(key);
    }
    let (disk, buildpacks) = (take("disk_quota"), take("buildpacks"));
    application.insert("disk-quota".to_owned(), disk);
    application.insert("buildpack".to_owned(), buildpacks[0].clone());
    assert_eq!(module.parameters, application);

    let required: Vec<_> = module.requires.iter().map(|one| &one["name"]).collect();
    assert_eq!(json!(required), bound);
    let made: Vec<_> = descriptor.resources.iter().map(|one| &one.name).collect();
    assert_eq!(made, required);
    for resource in &descriptor.resources {
        let is_made_by_hand = resource.r#type == "org.cloudfoundry.existing-service";
        assert_eq!(
            resource.parameters.is_empty(),
            is_made_by_hand,
            "{resource:?}"
        );
    }
}

#[test]
fn the_security_descriptor_has_the_scopes_that_are_asked_for() {
    let descriptor: Value = serde_json::from_str(&read("xs-security.json")).unwrap();
    let names = |list: &str, strip: &str| -> BTreeSet<String> {
        let all = descriptor[list].as_array().unwrap().iter();
        all.map(|one| {
            one["name"]
                .as_str()
                .unwrap()
                .strip_prefix(strip)
                .unwrap()
                .to_owned()
        })
        .collect()
    };
    let scopes = names("scopes", "$XSAPPNAME.");
    assert_eq!(scopes, [READ, ADMIN, JOBS].map(str::to_owned).into());
    let attributes = names("attributes", "");
    for template in descriptor["role-templates"].as_array().unwrap() {
        for scope in template["scope-references"].as_array().unwrap() {
            let name = scope.as_str().unwrap().strip_prefix("$XSAPPNAME.").unwrap();
            assert!(scopes.contains(name), "{template}");
        }
        for attribute in template["attribute-references"]
            .as_array()
            .into_iter()
            .flatten()
        {
            assert!(
                attributes.contains(attribute["name"].as_str().unwrap()),
                "{template}"
            );
        }
    }
    // docs/deploy.md says why.
    assert!(descriptor.get("role-collections").is_none());
    assert!(!descriptor.to_string().contains("x509"));
    // An instance that does not exist yet would be an error at creation.
    assert!(!descriptor.to_string().contains("$XSSERVICENAME"));
}

/// There is no published schema of `xs-security.json`; these are the rules that SAP documents.
/// Source: SAP BTP, "Application Security Descriptor Configuration Syntax".
#[test]
fn the_security_descriptor_keeps_the_documented_rules() {
    let descriptor: Value = serde_json::from_str(&read("xs-security.json")).unwrap();
    let known = [
        "xsappname",
        "tenant-mode",
        "description",
        "scopes",
        "attributes",
        "role-templates",
        "oauth2-configuration",
    ];
    let keys = descriptor.as_object().unwrap().keys();
    assert_eq!(
        keys.collect::<BTreeSet<_>>(),
        known.map(str::to_owned).iter().collect()
    );
    let is = |text: &Value, allowed: &str, longest: usize| {
        let text = text.as_str().unwrap();
        let fits = |c: char| c.is_ascii_alphanumeric() || allowed.contains(c);
        (1..=longest).contains(&text.len()) && text.chars().all(fits)
    };
    assert!(is(&descriptor["xsappname"], "-_/\\", 100));
    for scope in descriptor["scopes"].as_array().unwrap() {
        let name = scope["name"].as_str().unwrap();
        let name = json!(name.strip_prefix("$XSAPPNAME.").unwrap());
        assert!(is(&name, "-_/\\:.", 100), "{scope}");
    }
    let attributes = descriptor["attributes"].as_array().unwrap();
    for attribute in attributes {
        let kind = attribute["valueType"].as_str().unwrap();
        let fits = is(&attribute["name"], "_", 64) && ["string", "int", "date"].contains(&kind);
        // A template whose attribute wants a value gets no default role.
        assert!(fits && attribute["valueRequired"] == false, "{attribute}");
    }
    for template in descriptor["role-templates"].as_array().unwrap() {
        assert!(is(&template["name"], ".-_", 64), "{template}");
        assert!(template["default-role-name"].is_string(), "{template}");
    }
    let oauth = &descriptor["oauth2-configuration"];
    assert!((60..=86_400).contains(&oauth["token-validity"].as_u64().unwrap()));
    assert_eq!(oauth["credential-types"], json!(["binding-secret"]));
}

/// Every route but OData's, the pages' own files and a redirect.
#[test]
fn every_route_is_in_the_document_of_routes() {
    let openapi: Value = serde_json::from_str(&read("src/http/openapi.json")).unwrap();
    let described: BTreeSet<&str> = openapi["paths"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let mut routes = 0;
    for (path, source) in sources() {
        for route in source.split(".route(\"").skip(1) {
            let route = route.split('"').next().unwrap();
            let is_file = route.starts_with("/live/")
                || route.starts_with("/cards/") && route.contains('.')
                || matches!(route, "/cards" | "/cards/{name}/{*path}");
            if !is_file && !route.starts_with("/odata/") {
                assert!(described.contains(route), "{}: {route}", path.display());
                routes += 1;
            }
        }
    }
    // What a card consists of is one route to the service.
    assert_eq!(routes + 1, described.len());
}
