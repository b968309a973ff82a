//! What a running service, or a single command, cannot do without. Loading leaves these open, because `schema show`
//! needs no key and `top` no database.

use secrecy::SecretString;
use url::Url;

use super::error::{ConfigError, ConfigErrors, Fault, Warning};
use super::setting::Setting;
use super::{Auth, Config, Credentials, Database};

impl Config {
    /// Checks what `serve` needs. The warnings come beside those of loading; log both once.
    ///
    /// # Errors
    /// Everything that keeps the service from starting.
    pub fn check_serve(&self) -> Result<Vec<Warning>, ConfigErrors> {
        let checks = [
            self.callbacks_can_be_believed(),
            self.unsigned_stays_on_loopback(),
            self.open_data_stays_on_loopback(),
            self.store_is_durable(),
            self.pseudonyms_have_a_key(),
            self.domain_rules_can_be_believed(),
            self.subscriptions_have_an_address(),
        ];
        let errors: Vec<ConfigError> = checks.into_iter().filter_map(Result::err).collect();
        if errors.is_empty() {
            Ok(self.serve_warnings())
        } else {
            Err(ConfigErrors(errors))
        }
    }

    /// Qualtrics' address and who we are to it.
    ///
    /// # Errors
    /// If either is not set.
    pub fn qualtrics_access(&self) -> Result<(&Url, &Credentials), ConfigError> {
        let url = self.qualtrics.base_url.as_ref().ok_or_else(|| {
            let mend =
                "set it to the data centre's name, for example fra1, or set QUALTRICS_BASE_URL";
            ConfigError::missing(Setting::QualtricsDatacenter, mend)
        })?;
        let credentials = self.qualtrics.credentials.as_ref().ok_or_else(|| {
            let mend = "set it and QUALTRICS_CLIENT_SECRET, or set QUALTRICS_API_TOKEN";
            ConfigError::missing(Setting::QualtricsClientId, mend)
        })?;
        Ok((url, credentials))
    }

    /// Where Qualtrics reaches this service.
    ///
    /// # Errors
    /// If it is not set.
    pub fn public_address(&self) -> Result<&Url, ConfigError> {
        self.public_url.as_ref().ok_or_else(|| {
            let mend = "set it to the address under which Qualtrics reaches this service";
            ConfigError::missing(Setting::PublicUrl, mend)
        })
    }

    /// The key to subscribe with.
    ///
    /// # Errors
    /// If none is set, or events are off.
    pub fn subscription_key(&self) -> Result<&SecretString, ConfigError> {
        let Some(webhook) = self.events.webhook() else {
            let fault = Fault::new("is off, so there is nothing to subscribe", "remove it");
            return Err(ConfigError::of(
                Setting::Events,
                self.origin(Setting::Events),
                fault,
            ));
        };
        webhook.shared_key.as_ref().ok_or_else(|| {
            let mend = "set it to a key of your own, for example from `openssl rand -hex 32`";
            ConfigError::missing(Setting::QualtricsSharedKey, mend)
        })
    }

    /// The key of `pseudonymize`, where a survey uses it. Whoever writes rows asks for it first.
    ///
    /// # Errors
    /// If a survey uses it and there is none.
    pub fn pseudonyms_have_a_key(&self) -> Result<(), ConfigError> {
        let Some(survey) = self
            .surveys
            .iter()
            .find(|survey| !survey.pseudonymize.is_empty())
        else {
            return Ok(());
        };
        if self.pseudonym_key.is_some() {
            return Ok(());
        }
        let mend = format!(
            "pseudonymize of survey {} needs it: set it to at least 32 characters, for example from \
             `openssl rand -hex 32`",
            survey.name
        );
        Err(ConfigError::missing(Setting::PseudonymKey, mend))
    }

    fn callbacks_can_be_believed(&self) -> Result<(), ConfigError> {
        let Some(webhook) = self.events.webhook() else {
            return Ok(());
        };
        if webhook.shared_key.is_some() || webhook.token.is_some() || webhook.allow_unsigned {
            return Ok(());
        }
        Err(ConfigError::missing(
            Setting::QualtricsSharedKey,
            "set it to the subscription's key, or set QUALTRICS_WEBHOOK_TOKEN, or EVENTS=off",
        ))
    }

    fn unsigned_stays_on_loopback(&self) -> Result<(), ConfigError> {
        let unsigned = self
            .events
            .webhook()
            .is_some_and(|webhook| webhook.allow_unsigned);
        if !unsigned || self.listens_on_loopback() {
            return Ok(());
        }
        let problem = format!(
            "is true while the service listens on {}, not on loopback",
            self.listen
        );
        let fault = Fault::new(
            problem,
            "set QUALTRICS_SHARED_KEY instead, or LISTEN_ADDR=127.0.0.1:8080",
        );
        let setting = Setting::QualtricsAllowUnsigned;
        Err(ConfigError::of(setting, self.origin(setting), fault))
    }

    fn open_data_stays_on_loopback(&self) -> Result<(), ConfigError> {
        if !matches!(self.auth, Auth::None) || self.listens_on_loopback() {
            return Ok(());
        }
        let problem = format!(
            "is none while the service listens on {}, not on loopback",
            self.listen
        );
        let mend = "set AUTH to xsuaa, ias, oidc or closed, or LISTEN_ADDR=127.0.0.1:8080";
        Err(ConfigError::of(
            Setting::Auth,
            self.origin(Setting::Auth),
            Fault::new(problem, mend),
        ))
    }

    fn store_is_durable(&self) -> Result<(), ConfigError> {
        let Database::Sqlite(path) = &self.database else {
            return Ok(());
        };
        if !self.on_cloud_foundry || self.allow_ephemeral_store {
            return Ok(());
        }
        let problem = format!(
            "is the SQLite file {}, and Cloud Foundry's disk is lost at every restart",
            path.display()
        );
        let mend = "bind a hana service, or set ALLOW_EPHEMERAL_STORE=true";
        let setting = Setting::DatabaseUrl;
        Err(ConfigError::of(
            setting,
            self.database_origin(),
            Fault::new(problem, mend),
        ))
    }

    fn domain_rules_can_be_believed(&self) -> Result<(), ConfigError> {
        let by_domain = self.access.iter().any(|rule| rule.domain.is_some());
        if !by_domain || !matches!(self.auth, Auth::Xsuaa(_)) || !self.email_origins.is_empty() {
            return Ok(());
        }
        let mend = "XSUAA does not say whether an e-mail address was verified: set it to the identity providers \
                    whose addresses are, for example [\"sap.custom\"]";
        Err(ConfigError {
            setting: "email_origins of [auth]".to_owned(),
            origin: None,
            problem: "is not set, but an [[access]] rule has a domain".to_owned(),
            mend: mend.to_owned(),
        })
    }

    fn subscriptions_have_an_address(&self) -> Result<(), ConfigError> {
        if !self.ensure_subscriptions || self.public_url.is_some() {
            return Ok(());
        }
        let mend = "ENSURE_SUBSCRIPTIONS needs it: set it to the address under which Qualtrics reaches this service";
        Err(ConfigError::missing(Setting::PublicUrl, mend))
    }

    fn serve_warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let mut warn =
            |setting: Setting, text: &str| warnings.push(Warning::new(setting.name(), text));
        if self.surveys.is_empty() {
            let text =
                "no [[survey]] is configured: every event is ignored; `init` writes ingester.toml";
            warn(Setting::Events, text);
        } else if let Err(error) = self.qualtrics_access() {
            let text = format!("{error}; until then events are accepted and wait");
            warn(Setting::QualtricsBaseUrl, &text);
        }
        if matches!(self.auth, Auth::Xsuaa(_) | Auth::Ias(_) | Auth::Oidc(_))
            && self.access.is_empty()
        {
            warn(
                Setting::Auth,
                "there is no [[access]] rule: whoever signs in sees no rows",
            );
        }
        if matches!(self.auth, Auth::None) && !self.access.is_empty() {
            warn(
                Setting::Auth,
                "AUTH is none: nobody is asked who they are, the [[access]] rules are not applied, and whoever is on \
                 this machine sees all rows",
            );
        }
        if self.ensure_subscriptions && self.subscription_key().is_err() {
            let text = "ENSURE_SUBSCRIPTIONS is true, but there is no QUALTRICS_SHARED_KEY to subscribe with";
            warn(Setting::EnsureSubscriptions, text);
        }
        if self.events.webhook().is_none() && self.reconcile_every.is_none() {
            let text = "EVENTS and RECONCILE_EVERY are both off: nothing keeps the tables";
            warn(Setting::Events, text);
        }
        warnings
    }
}
