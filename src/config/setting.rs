//! The scalar settings: their names in the environment and in the file, and where a value came from.

use std::fmt;
use std::path::PathBuf;

macro_rules! settings {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $key:literal;)*) => {
        /// A setting whose value is one text. Tables (`[[survey]]` and the like) stand only in the file.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Setting {
            $($(#[$doc])* $variant,)*
        }

        impl Setting {
            /// All of them, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name of the environment variable.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The key at the top level of the file: the same name in lower case.
            #[must_use]
            pub const fn key(self) -> &'static str {
                match self {
                    $(Self::$variant => $key,)*
                }
            }
        }

        /// Every key that may stand at the top level of the file; unknown ones are answered with this list.
        pub(super) const KEYS: &[&str] = &[$($key,)* "survey", "access", "odata", "inbox", "web"];
    };
}

settings! {
    /// Address and port to listen on.
    ListenAddr = "LISTEN_ADDR", "listen_addr";
    /// Port to listen on, on all interfaces.
    Port = "PORT", "port";
    /// Where Qualtrics reaches this service.
    PublicUrl = "PUBLIC_URL", "public_url";
    /// The database; comes before [`Setting::DatabaseUrl`].
    IngesterDatabaseUrl = "INGESTER_DATABASE_URL", "ingester_database_url";
    /// The database, as Cloud Foundry too sets it.
    DatabaseUrl = "DATABASE_URL", "database_url";
    /// The HANA password, where neither address nor binding has it.
    DatabasePassword = "DATABASE_PASSWORD", "database_password";
    /// Which bound database service, where several fit.
    DatabaseService = "DATABASE_SERVICE", "database_service";
    /// SQLite even on Cloud Foundry.
    AllowEphemeralStore = "ALLOW_EPHEMERAL_STORE", "allow_ephemeral_store";
    /// Qualtrics' address.
    QualtricsBaseUrl = "QUALTRICS_BASE_URL", "qualtrics_base_url";
    /// Qualtrics' address, by data centre.
    QualtricsDatacenter = "QUALTRICS_DATACENTER", "qualtrics_datacenter";
    /// OAuth client.
    QualtricsClientId = "QUALTRICS_CLIENT_ID", "qualtrics_client_id";
    /// OAuth client's secret.
    QualtricsClientSecret = "QUALTRICS_CLIENT_SECRET", "qualtrics_client_secret";
    /// API token, instead of OAuth.
    QualtricsApiToken = "QUALTRICS_API_TOKEN", "qualtrics_api_token";
    /// The subscription's key.
    QualtricsSharedKey = "QUALTRICS_SHARED_KEY", "qualtrics_shared_key";
    /// The key before it, while keys rotate.
    QualtricsSharedKeyPrevious = "QUALTRICS_SHARED_KEY_PREVIOUS", "qualtrics_shared_key_previous";
    /// The second way in, for Workflows.
    QualtricsWebhookToken = "QUALTRICS_WEBHOOK_TOKEN", "qualtrics_webhook_token";
    /// Unsigned callbacks, on loopback only.
    QualtricsAllowUnsigned = "QUALTRICS_ALLOW_UNSIGNED", "qualtrics_allow_unsigned";
    /// Whether there is a webhook at all.
    Events = "EVENTS", "events";
    /// How many single responses are read in a minute.
    QualtricsRequestsPerMinute = "QUALTRICS_REQUESTS_PER_MINUTE", "qualtrics_requests_per_minute";
    /// Whether `serve` ensures the subscriptions.
    EnsureSubscriptions = "ENSURE_SUBSCRIPTIONS", "ensure_subscriptions";
    /// How often `serve` reconciles.
    ReconcileEvery = "RECONCILE_EVERY", "reconcile_every";
    /// Key of `pseudonymize`.
    PseudonymKey = "PSEUDONYM_KEY", "pseudonym_key";
    /// Who may read. In the file also `mode` of the table `[auth]`.
    Auth = "AUTH", "auth";
    /// Bearer token of `/metrics`.
    MetricsToken = "METRICS_TOKEN", "metrics_token";
    /// Where `/cards/` loads UI5 from.
    Ui5Url = "UI5_URL", "ui5_url";
    /// What is logged.
    RustLog = "RUST_LOG", "rust_log";
    /// How it is logged.
    LogFormat = "LOG_FORMAT", "log_format";
    /// Where traces go.
    OtlpEndpoint = "OTEL_EXPORTER_OTLP_ENDPOINT", "otel_exporter_otlp_endpoint";
}

impl Setting {
    /// The setting with this environment name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|s| s.name() == name)
    }

    /// True where the value is a secret: it never comes from the command line and is never shown.
    #[must_use]
    pub const fn is_secret(self) -> bool {
        matches!(
            self,
            Self::DatabasePassword
                | Self::QualtricsClientSecret
                | Self::QualtricsApiToken
                | Self::QualtricsSharedKey
                | Self::QualtricsSharedKeyPrevious
                | Self::QualtricsWebhookToken
                | Self::PseudonymKey
                | Self::MetricsToken
        )
    }

    /// True where an error may repeat the value: neither a secret nor an address that can hold one.
    pub(super) const fn is_shown(self) -> bool {
        !self.is_secret() && !matches!(self, Self::DatabaseUrl | Self::IngesterDatabaseUrl)
    }
}

/// Where a value came from, from the strongest to the weakest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// An option of the command line.
    CommandLine,
    /// The environment.
    Environment,
    /// The configuration file.
    File(PathBuf),
    /// A bound service, by the name of its instance.
    Binding(String),
    /// What the platform says of the application.
    Platform,
    /// Nobody set it.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine => f.write_str("from the command line"),
            Self::Environment => f.write_str("from the environment"),
            Self::File(path) => write!(f, "from {}", path.display()),
            Self::Binding(name) => write!(f, "from the bound service {name}"),
            Self::Platform => f.write_str("from VCAP_APPLICATION"),
            Self::Default => f.write_str("by default"),
        }
    }
}

impl Origin {
    /// The setting's name as the user of this origin wrote it.
    pub(super) fn spelling(&self, setting: Setting) -> &'static str {
        match self {
            Self::File(_) => setting.key(),
            Self::CommandLine
            | Self::Environment
            | Self::Binding(_)
            | Self::Platform
            | Self::Default => setting.name(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_keys_are_the_environment_names_in_lower_case() {
        for setting in Setting::ALL {
            assert_eq!(setting.name().to_lowercase(), setting.key());
            assert_eq!(Setting::named(setting.name()), Some(*setting));
        }
    }
}
