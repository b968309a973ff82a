//! The TOML file: every scalar setting under its name in lower case, and the tables that stand nowhere else.
//!
//! Keys are read by hand rather than with `#[serde(flatten)]`, beside which serde loses the position of an unknown
//! key and ignores `deny_unknown_fields`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::{self, MapAccess, Visitor, value::MapAccessDeserializer};

use super::error::{ConfigError, Fault};
use super::setting::{KEYS, Origin, Setting};

/// What the file says: its scalar settings and its tables.
#[derive(Default)]
pub(super) struct File {
    pub values: BTreeMap<Setting, String>,
    pub tables: Tables,
}

/// The tables of the file. Everything is optional, unknown keys are errors.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub surveys: Vec<SurveyTable>,
    pub access: Vec<AccessTable>,
    pub odata: ODataTable,
    pub inbox: InboxTable,
    pub web: WebTable,
    pub auth: AuthTable,
}

/// `[[survey]]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SurveyTable {
    pub id: Option<String>,
    pub name: Option<String>,
    pub table: Option<String>,
    pub columns: Option<Vec<String>>,
    pub missing: Option<MissingTable>,
    pub labels: Option<bool>,
    pub pseudonymize: Option<Vec<String>>,
    pub previews: Option<bool>,
    pub evolve: Option<bool>,
    pub keep_raw: Option<bool>,
    pub score: Option<String>,
    pub comments: Option<String>,
    pub history: Option<Scalar>,
}

/// `missing = { number = -9, text = "" }`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MissingTable {
    pub number: Option<Scalar>,
    pub text: Option<String>,
}

/// `[[access]]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccessTable {
    pub domain: Option<String>,
    pub scope: Option<String>,
    pub group: Option<String>,
    pub attribute: Option<BTreeMap<String, OneOrMany>>,
    pub technical: Option<bool>,
    pub rows: Option<String>,
    #[serde(rename = "where")]
    pub columns: Option<BTreeMap<String, OneOrMany>>,
}

/// `[odata]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ODataTable {
    pub page_size: Option<Scalar>,
    pub time_zone: Option<String>,
}

/// `[inbox]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InboxTable {
    pub retention: Option<String>,
}

/// `[web]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WebTable {
    #[serde(default)]
    pub allowed_origins: Vec<String>,
    #[serde(default)]
    pub frame_ancestors: Vec<String>,
}

/// `[auth]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthTable {
    pub mode: Option<String>,
    #[serde(default)]
    pub email_origins: Vec<String>,
    pub issuer: Option<String>,
    pub audience: Option<String>,
}

/// Reads the file's text.
///
/// # Errors
/// One, with line and column: TOML that can't be read, an unknown key, a value of the wrong type.
pub(super) fn parse(text: &str, path: &Path) -> Result<File, ConfigError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    toml::from_str(text).map_err(|error| {
        let at = error
            .span()
            .map_or_else(String::new, |span| position(text, span.start));
        // The message alone: the crate's own form repeats the line, which may hold a secret.
        let message = error.message().trim().replace('\n', ", ");
        ConfigError::about(
            "the configuration file",
            &Origin::File(path.to_owned()),
            Fault::new(
                format!("can't be read{at}: {message}"),
                "compare it with ingester.example.toml",
            ),
        )
    })
}

/// ` at line 3, column 5`
fn position(text: &str, byte: usize) -> String {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    format!(" at line {line}, column {column}")
}

/// A key at the top level.
enum Key {
    Scalar(Setting),
    Auth,
    Survey,
    Access,
    OData,
    Inbox,
    Web,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let key = String::deserialize(deserializer)?;
        match key.as_str() {
            "survey" => Ok(Self::Survey),
            "access" => Ok(Self::Access),
            "odata" => Ok(Self::OData),
            "inbox" => Ok(Self::Inbox),
            "web" => Ok(Self::Web),
            "auth" => Ok(Self::Auth),
            other => Setting::ALL
                .iter()
                .find(|setting| setting.key() == other)
                .map(|setting| Self::Scalar(*setting))
                .ok_or_else(|| de::Error::unknown_field(other, KEYS)),
        }
    }
}

impl<'de> Deserialize<'de> for File {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;

        impl<'de> Visitor<'de> for Keys {
            type Value = File;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("settings")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<File, M::Error> {
                let mut file = File::default();
                while let Some(key) = map.next_key::<Key>()? {
                    let File { values, tables } = &mut file;
                    match key {
                        Key::Scalar(setting) => {
                            values.insert(setting, map.next_value::<Scalar>()?.0);
                        }
                        Key::Auth => tables.auth = map.next_value::<ModeOrTable>()?.0,
                        Key::Survey => tables.surveys = map.next_value()?,
                        Key::Access => tables.access = map.next_value()?,
                        Key::OData => tables.odata = map.next_value()?,
                        Key::Inbox => tables.inbox = map.next_value()?,
                        Key::Web => tables.web = map.next_value()?,
                    }
                }
                if let Some(mode) = file.tables.auth.mode.take() {
                    file.values.insert(Setting::Auth, mode);
                }
                Ok(file)
            }
        }

        deserializer.deserialize_map(Keys)
    }
}

/// A text, or a number, switch or date that becomes one: `port = 8080` reads as well as `port = "8080"`.
pub(super) struct Scalar(pub String);

impl fmt::Debug for Scalar {
    /// Leaves out the text: it may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scalar")
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(deserializer)? {
            toml::Value::String(text) => Ok(Self(text)),
            toml::Value::Integer(number) => Ok(Self(number.to_string())),
            toml::Value::Float(number) => Ok(Self(number.to_string())),
            toml::Value::Boolean(switch) => Ok(Self(switch.to_string())),
            toml::Value::Datetime(instant) => Ok(Self(instant.to_string())),
            toml::Value::Array(_) | toml::Value::Table(_) => Err(de::Error::custom(
                "expected a text, a number, true or false",
            )),
        }
    }
}

/// `auth = "none"` as well as `[auth] mode = "none"`: TOML lets a key be one or the other.
struct ModeOrTable(AuthTable);

impl<'de> Deserialize<'de> for ModeOrTable {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = ModeOrTable;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mode or the table [auth]")
            }

            fn visit_str<E: de::Error>(self, mode: &str) -> Result<ModeOrTable, E> {
                let mode = Some(mode.to_owned());
                Ok(ModeOrTable(AuthTable {
                    mode,
                    ..AuthTable::default()
                }))
            }

            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<ModeOrTable, M::Error> {
                AuthTable::deserialize(MapAccessDeserializer::new(map)).map(ModeOrTable)
            }
        }

        deserializer.deserialize_any(Either)
    }
}

/// `"ACME"` as well as `["ACME", "Globex"]`.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a text or a list of texts")]
pub(super) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl From<OneOrMany> for Vec<String> {
    fn from(values: OneOrMany) -> Self {
        match values {
            OneOrMany::One(value) => vec![value],
            OneOrMany::Many(values) => values,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        parse(text, Path::new("ingester.toml"))
            .err()
            .unwrap()
            .to_string()
    }

    #[test]
    fn unknown_keys_are_errors_with_their_place_and_the_known_names() {
        let text = error("port = 1\nlisten_adr = \"x\"\n");
        assert!(
            text.starts_with(
                "the configuration file (from ingester.toml) can't be read at line 2, column 1: \
                 unknown field `listen_adr`, expected one of `listen_addr`, `port`"
            ),
            "{text}"
        );
        assert!(
            text.ends_with(": compare it with ingester.example.toml"),
            "{text}"
        );
        let text = error("[[survey]]\nid = \"SV_1\"\nnmae = \"x\"\n");
        assert!(
            text.contains(
                "at line 3, column 1: unknown field `nmae`, expected one of `id`, `name`"
            ),
            "{text}"
        );
        let text = error("[auth]\nmode = \"none\"\nemail_origin = []\n");
        assert!(
            text.contains("at line 3, column 1: unknown field `email_origin`"),
            "{text}"
        );
        assert!(!text.contains('\n'));
    }

    #[test]
    fn an_error_never_repeats_the_line_that_it_is_about() {
        let text = error("pseudonym_key = \"very secret\nport = 1");
        assert!(!text.contains("very secret"), "{text}");
        let text = error("pseudonym_key = [\"very secret\"]");
        assert!(!text.contains("very secret"), "{text}");
        assert!(text.contains("line 1"), "{text}");
    }

    #[test]
    fn numbers_switches_and_dates_read_as_texts_do() {
        let file = parse(
            "port = 8080\nensure_subscriptions = true\nauth = \"none\"\n[[survey]]\nhistory = 2024-05-01",
            Path::new("x"),
        )
        .unwrap();
        assert_eq!(file.values[&Setting::Port], "8080");
        assert_eq!(file.values[&Setting::EnsureSubscriptions], "true");
        assert_eq!(file.values[&Setting::Auth], "none");
        assert_eq!(
            file.tables.surveys[0].history.as_ref().unwrap().0,
            "2024-05-01"
        );
    }
}
