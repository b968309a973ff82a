//! Bound services: `VCAP_SERVICES`, or the file that `VCAP_SERVICES_FILE_PATH` names. A service is found by label or
//! tag, never by its place in the array.
//! Source: Cloud Foundry developer guide, "Environment variables", `VCAP_SERVICES`.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::telemetry::otlp::Collector;

use super::error::{ConfigError, Fault, Findings};
use super::layer::{Layer, Layers, shown};
use super::pem;
use super::setting::{Origin, Setting};
use super::value::web_url;

/// One bound service.
pub(super) struct Binding {
    pub label: String,
    pub plan: Option<String>,
    pub names: Vec<String>,
    pub tags: Vec<String>,
    credentials: Map<String, Value>,
}

/// As it stands in the JSON. Unknown fields are everywhere and mean nothing to us.
#[derive(Deserialize)]
struct Raw {
    label: Option<String>,
    plan: Option<String>,
    name: Option<String>,
    instance_name: Option<String>,
    binding_name: Option<String>,
    tags: Option<Vec<String>>,
    credentials: Option<Map<String, Value>>,
}

/// Reads the bindings.
///
/// # Errors
/// If the text is not JSON of that form. The text itself is not repeated: it holds secrets.
pub(super) fn parse(text: &str) -> Result<Vec<Binding>, ConfigError> {
    let services: BTreeMap<String, Vec<Raw>> = serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        ConfigError::about(
            "VCAP_SERVICES",
            &Origin::Environment,
            Fault::new(
                format!(
                    "is not the JSON object of bound services, at line {line}, column {column}"
                ),
                "leave it to the platform, or compare it with the output of `cf env`",
            ),
        )
    })?;
    let bindings = services.into_iter().flat_map(|(key, raws)| {
        raws.into_iter().map(move |raw| Binding {
            label: raw.label.unwrap_or_else(|| key.clone()),
            plan: raw.plan,
            names: [raw.instance_name, raw.name, raw.binding_name]
                .into_iter()
                .flatten()
                .collect(),
            tags: raw.tags.unwrap_or_default(),
            credentials: raw.credentials.unwrap_or_default(),
        })
    });
    Ok(bindings.collect())
}

impl fmt::Debug for Binding {
    /// Leaves out the credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Binding")
            .field("label", &self.label)
            .field("plan", &self.plan)
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

impl Binding {
    /// The instance's name, by which people know it.
    pub(super) fn name(&self) -> &str {
        self.names
            .first()
            .map_or(self.label.as_str(), String::as_str)
    }

    pub(super) fn origin(&self) -> Origin {
        Origin::Binding(self.name().to_owned())
    }

    /// True for a service of this label, and for user-provided ones with this tag.
    pub(super) fn is(&self, kind: &str) -> bool {
        self.label == kind || (self.is_user_provided() && self.tags.iter().any(|tag| tag == kind))
    }

    fn is_user_provided(&self) -> bool {
        self.label == "user-provided"
    }

    /// The credentials.
    pub(super) fn credentials(&self) -> Fields<'_> {
        Fields {
            binding: self,
            path: "",
            fields: Some(&self.credentials),
        }
    }
}

/// An object inside a binding's credentials. No `Debug`: it holds secrets.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    binding: &'a Binding,
    path: &'static str,
    fields: Option<&'a Map<String, Value>>,
}

impl<'a> Fields<'a> {
    /// An object inside this one.
    pub(super) fn object(self, path: &'static str) -> Option<Self> {
        let fields = self.fields?.get(path)?.as_object()?;
        Some(Self {
            path,
            fields: Some(fields),
            ..self
        })
    }

    pub(super) fn value(self, key: &str) -> Option<&'a Value> {
        self.fields?.get(key)
    }

    /// A text that is not empty.
    pub(super) fn text(self, key: &str) -> Option<&'a str> {
        self.value(key)?
            .as_str()
            .filter(|text| !text.trim().is_empty())
    }

    /// A text that must be there.
    pub(super) fn required(self, key: &str) -> Result<&'a str, ConfigError> {
        self.text(key).ok_or_else(|| {
            let dot = if self.path.is_empty() { "" } else { "." };
            self.error(Fault::new(
                format!("lacks {}{dot}{key}", self.path),
                "bind the service again, or unbind it",
            ))
        })
    }

    pub(super) fn secret(self, key: &str) -> Option<SecretString> {
        self.text(key).map(SecretString::from)
    }

    pub(super) fn pem(self, key: &str) -> Option<String> {
        self.text(key).map(pem::unfold)
    }

    /// `true` and `"true"` alike; nothing where it is absent or neither.
    pub(super) fn switch(self, key: &str) -> Option<bool> {
        match self.value(key)? {
            Value::Bool(value) => Some(*value),
            Value::String(text) => text.parse().ok(),
            Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// Ports are texts in some bindings and numbers in others.
    pub(super) fn port(self, key: &str) -> Option<u16> {
        match self.value(key)? {
            Value::String(text) => text.trim().parse().ok(),
            Value::Number(number) => number.as_u64()?.try_into().ok(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    pub(super) fn error(self, fault: Fault) -> ConfigError {
        let setting = format!("the service {}", self.binding.label);
        ConfigError::about(setting, &self.binding.origin(), fault)
    }
}

/// The one binding of a kind, if there is one. Several are an error, since their order means nothing.
pub(super) fn only<'a>(
    candidates: &[&'a Binding],
    kind: &str,
    mend: &str,
) -> Result<Option<&'a Binding>, ConfigError> {
    match candidates {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        several => {
            let names: Vec<&str> = several.iter().map(|binding| binding.name()).collect();
            Err(ConfigError::about(
                format!("the service {kind}"),
                &Origin::Environment,
                Fault::new(
                    format!("is bound several times ({})", names.join(", ")),
                    mend,
                ),
            ))
        }
    }
}

/// The short names that the service with Qualtrics' secrets may use beside the settings' own.
const SHORT_NAMES: [(&str, Setting); 8] = [
    ("client_id", Setting::QualtricsClientId),
    ("client_secret", Setting::QualtricsClientSecret),
    ("api_token", Setting::QualtricsApiToken),
    ("shared_key", Setting::QualtricsSharedKey),
    ("shared_key_previous", Setting::QualtricsSharedKeyPrevious),
    ("webhook_token", Setting::QualtricsWebhookToken),
    ("datacenter", Setting::QualtricsDatacenter),
    ("base_url", Setting::QualtricsBaseUrl),
];

/// The user-provided service with Qualtrics' secrets as a layer: the one tagged `qualtrics`, else the one whose name
/// holds the word.
pub(super) fn qualtrics(bindings: &[Binding], findings: &mut Findings) -> Option<Layer> {
    let tagged: Vec<&Binding> = bindings
        .iter()
        .filter(|b| b.is_user_provided() && b.is("qualtrics"))
        .collect();
    let named = || {
        let fits = |b: &&Binding| {
            b.is_user_provided()
                && b.tags.is_empty()
                && b.name().to_lowercase().contains("qualtrics")
        };
        bindings.iter().filter(fits).collect()
    };
    let candidates = if tagged.is_empty() { named() } else { tagged };
    let chosen = only(
        &candidates,
        "qualtrics",
        "bind one, or tag only one of them `qualtrics`",
    );
    let binding = findings.take(chosen)??;
    let mut values = Vec::new();
    for (key, value) in &binding.credentials {
        let short = SHORT_NAMES
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, setting)| *setting);
        let text = match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(switch) => Some(switch.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        };
        match (short.or_else(|| Setting::named(key)), text) {
            (Some(setting), Some(text)) => values.push((setting, text)),
            _ => findings.warn(
                "VCAP_SERVICES",
                format!(
                    "{} ({}) is ignored: its name is none of the settings",
                    shown(key),
                    binding.origin()
                ),
            ),
        }
    }
    Some(Layer::new(binding.origin(), values))
}

/// Where telemetry goes: to the address that was set, else to a bound SAP Cloud Logging.
pub(super) fn collector(
    layers: &Layers,
    bindings: &[Binding],
    findings: &mut Findings,
) -> Option<Collector> {
    match layers.read(Setting::OtlpEndpoint, findings, web_url) {
        Some(address) => Some(Collector::Http(address)),
        None => cloud_logging(bindings, findings),
    }
}

/// The bound SAP Cloud Logging, if its instance takes OTLP.
/// Source: SAP Cloud Logging, "Ingest via OpenTelemetry API Endpoint"; SAP's OpenTelemetry extensions for Node.js, which
/// know the user-provided form by the tag `Cloud Logging`.
fn cloud_logging(bindings: &[Binding], findings: &mut Findings) -> Option<Collector> {
    let takes_otlp = |binding: &&Binding| {
        let is_one = binding.is("cloud-logging") || binding.is("Cloud Logging");
        is_one && binding.credentials().text("ingest-otlp-endpoint").is_some()
    };
    let candidates: Vec<&Binding> = bindings.iter().filter(takes_otlp).collect();
    let chosen = only(&candidates, "cloud-logging", "unbind all but one");
    let fields = findings.take(chosen)??.credentials();
    let pem = |key| fields.required(key).map(pem::unfold);
    Some(Collector::CloudLogging {
        address: fields.text("ingest-otlp-endpoint")?.to_owned(),
        certificate: findings.take(pem("ingest-otlp-cert"))?,
        key: findings.take(pem("ingest-otlp-key"))?.into(),
        authority: findings.take(pem("server-ca"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_list_of_services_is_an_error_without_the_text() {
        for text in [
            "",
            "[]",
            "{\"hana\": \"secret\"}",
            "{\"hana\": [{\"tags\": \"secret\"}]}",
            "secret",
        ] {
            let error = parse(text).err().unwrap().to_string();
            assert!(
                error.starts_with("VCAP_SERVICES (from the environment) is not the JSON object"),
                "{error}"
            );
            assert!(error.contains("`cf env`"));
            assert!(!error.contains("secret"));
        }
    }

    #[test]
    fn both_spellings_of_the_qualtrics_secrets_are_read() {
        let bindings = parse(
            r#"{"user-provided": [{"tags": ["qualtrics"], "instance_name": "q", "credentials": {
                "client_id": "a", "QUALTRICS_SHARED_KEY": "b", "shared_key_previous": "", "sharedkey": "c"}}]}"#,
        )
        .unwrap();
        let mut findings = Findings::default();
        let layer = qualtrics(&bindings, &mut findings).unwrap();
        assert_eq!(layer.get(Setting::QualtricsClientId).unwrap().text, "a");
        assert_eq!(layer.get(Setting::QualtricsSharedKey).unwrap().text, "b");
        assert!(layer.get(Setting::QualtricsSharedKeyPrevious).is_none());
        assert_eq!(
            findings.warnings[0].to_string(),
            "\"sharedkey\" (from the bound service q) is ignored: its name is none of the settings"
        );
    }

    #[test]
    fn a_name_with_the_word_serves_where_no_tag_does() {
        let text = r#"{"user-provided": [{"instance_name": "my-Qualtrics", "credentials": {"api_token": "t"}},
            {"instance_name": "qualtrics-db", "tags": ["hana"], "credentials": {}}]}"#;
        let layer = qualtrics(&parse(text).unwrap(), &mut Findings::default()).unwrap();
        assert_eq!(layer.origin, Origin::Binding("my-Qualtrics".to_owned()));
    }
}
