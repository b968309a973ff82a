//! How Qualtrics is reached, and how its callbacks are believed.

use std::num::NonZeroU32;

use secrecy::SecretString;
use url::Url;

use super::error::{ConfigError, Fault, Findings};
use super::layer::{Given, Layers};
use super::setting::Setting;
use super::value::{as_folder, is_loopback, positive, switch, web_url};

/// The way to Qualtrics.
#[derive(Debug, Clone)]
pub struct Qualtrics {
    /// `https://fra1.qualtrics.com/`, with a slash at the end.
    pub base_url: Option<Url>,
    /// Who we are to Qualtrics.
    pub credentials: Option<Credentials>,
    /// How many single responses may be read within 60 seconds, over all instances.
    pub requests_per_minute: NonZeroU32,
}

/// Who we are to Qualtrics. `Debug` shows no secret.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// OAuth client credentials.
    OAuth {
        /// The client.
        client_id: String,
        /// Its secret.
        client_secret: SecretString,
    },
    /// An API token.
    Token(SecretString),
}

/// Whether callbacks are taken.
#[derive(Debug, Clone)]
pub enum Events {
    /// There is no webhook route; reconcile alone keeps the tables.
    Off,
    /// Callbacks are taken.
    On(Webhook),
}

/// How a callback shows that it comes from Qualtrics. `Debug` shows no secret.
#[derive(Debug, Clone, Default)]
pub struct Webhook {
    /// The subscription's key.
    pub shared_key: Option<SecretString>,
    /// The key before it, taken too while keys rotate.
    pub shared_key_previous: Option<SecretString>,
    /// The second way in, for Workflows.
    pub token: Option<SecretString>,
    /// Unsigned callbacks are taken, on loopback only.
    pub allow_unsigned: bool,
}

/// What leaves room for the brand's other users of the 240 a minute that Qualtrics allows.
const REQUESTS_PER_MINUTE: NonZeroU32 = NonZeroU32::MIN.saturating_add(199);

impl Qualtrics {
    pub(super) fn resolve(layers: &Layers, findings: &mut Findings) -> Self {
        let given = layers.first_of(Setting::QualtricsBaseUrl, Setting::QualtricsDatacenter);
        let base_url = given.and_then(|given| findings.take(base_url(given)));
        if let Some(url) = &base_url
            && url.scheme() == "http"
            && !is_loopback(url)
        {
            let text = "QUALTRICS_BASE_URL is plain http to another machine: credentials and answers can be read on the way";
            findings.warn("QUALTRICS_BASE_URL", text);
        }
        let credentials = findings.take(credentials(layers)).flatten();
        let rate = layers.read(Setting::QualtricsRequestsPerMinute, findings, positive);
        Self {
            base_url,
            credentials,
            requests_per_minute: rate.unwrap_or(REQUESTS_PER_MINUTE),
        }
    }
}

fn base_url(given: Given<'_>) -> Result<Url, ConfigError> {
    if given.setting == Setting::QualtricsBaseUrl {
        let mut url = given.read(web_url)?;
        // People copy the address of the API's documentation.
        let path = url.path().trim_end_matches('/');
        let path = path.strip_suffix("/API/v3").unwrap_or(path).to_owned();
        url.set_path(&path);
        return Ok(as_folder(url));
    }
    given.read(|text| {
        let name = text.strip_suffix(".qualtrics.com").unwrap_or(text);
        let label = |label: &str| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        let fault = || {
            Fault::new(
                "not the name of a data centre",
                "write for example fra1, or set QUALTRICS_BASE_URL",
            )
        };
        if !name.split('.').all(label) {
            return Err(fault());
        }
        Url::parse(&format!("https://{name}.qualtrics.com/")).map_err(|_| fault())
    })
}

/// The pair or the token; where both are given the stronger layer decides, and OAuth within one layer.
fn credentials(layers: &Layers) -> Result<Option<Credentials>, ConfigError> {
    let secret = |given: Given<'_>| SecretString::from(given.text);
    let id = layers.get(Setting::QualtricsClientId);
    let client_secret = layers.get(Setting::QualtricsClientSecret);
    let pair = match (id, client_secret) {
        (Some(id), Some(client_secret)) => Some(Credentials::OAuth {
            client_id: id.text.to_owned(),
            client_secret: secret(client_secret),
        }),
        (None, None) => None,
        (Some(_), None) => {
            let mend = "QUALTRICS_CLIENT_ID needs it: set it, or use QUALTRICS_API_TOKEN alone";
            return Err(ConfigError::missing(Setting::QualtricsClientSecret, mend));
        }
        (None, Some(_)) => {
            let mend = "QUALTRICS_CLIENT_SECRET needs it: set it, or use QUALTRICS_API_TOKEN alone";
            return Err(ConfigError::missing(Setting::QualtricsClientId, mend));
        }
    };
    let token = layers
        .get(Setting::QualtricsApiToken)
        .map(|given| Credentials::Token(secret(given)));
    let token_is_stronger =
        layers.rank(Setting::QualtricsApiToken) < layers.rank(Setting::QualtricsClientId);
    Ok(match (pair, token) {
        (Some(_), Some(token)) if token_is_stronger => Some(token),
        (Some(pair), _) => Some(pair),
        (None, token) => token,
    })
}

impl Events {
    pub(super) fn resolve(layers: &Layers, findings: &mut Findings) -> Self {
        let on = layers.read(Setting::Events, findings, |text| {
            switch(text).map_err(|_| Fault::new("neither on nor off", "write on or off"))
        });
        let secret = |setting| {
            layers
                .get(setting)
                .map(|given| SecretString::from(given.text))
        };
        let webhook = Webhook {
            shared_key: secret(Setting::QualtricsSharedKey),
            shared_key_previous: secret(Setting::QualtricsSharedKeyPrevious),
            token: secret(Setting::QualtricsWebhookToken),
            allow_unsigned: layers
                .read(Setting::QualtricsAllowUnsigned, findings, switch)
                .unwrap_or(false),
        };
        if webhook.shared_key.is_none() && webhook.shared_key_previous.is_some() {
            let mend =
                "QUALTRICS_SHARED_KEY_PREVIOUS is only for the time of a change: set the new key";
            findings.error(ConfigError::missing(Setting::QualtricsSharedKey, mend));
        }
        if on.unwrap_or(true) {
            Self::On(webhook)
        } else {
            Self::Off
        }
    }

    /// How callbacks are believed, where they are taken.
    #[must_use]
    pub fn webhook(&self) -> Option<&Webhook> {
        match self {
            Self::Off => None,
            Self::On(webhook) => Some(webhook),
        }
    }
}
