//! Where tests find HANA: the protocol test server, and a real one where there is one.

use std::io::Write as _;
use std::sync::Once;

use hana_testserver::{Options, Server};
use qualtrics_ingester::config;
use qualtrics_ingester::store::{Role, Store};
use qualtrics_ingester::telemetry::metrics::Metrics;
use url::Url;

/// A test server of one test.
pub(crate) struct TestHana {
    pub(crate) server: Server,
}

impl TestHana {
    pub(crate) async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    pub(crate) async fn start_with(options: Options) -> Self {
        // The driver needs a provider for the process; whoever installs it first is as good.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let server = Server::start("127.0.0.1:0".parse().unwrap(), options)
            .await
            .unwrap();
        Self { server }
    }

    pub(crate) fn settings(&self) -> config::Hana {
        config::Hana {
            host: "127.0.0.1".to_owned(),
            port: self.server.addr().port(),
            user: "INGESTER".to_owned(),
            password: "Secret123".to_owned().into(),
            tls: false,
            certificate: None,
            schema: None,
            database: None,
        }
    }

    /// One more instance of the service's store.
    pub(crate) fn open(&self) -> Store {
        Store::open_hana(self.settings(), Role::Service, Metrics::new()).unwrap()
    }
}

/// A schema of its own on a real HANA, dropped afterwards.
pub(crate) struct RealHana {
    url: Url,
    schema: String,
}

impl RealHana {
    /// Nothing where no real HANA is named; that is said, once.
    pub(crate) async fn create() -> Option<Self> {
        static SAID: Once = Once::new();
        #[expect(clippy::disallowed_methods, reason = "a setting of the tests alone")]
        let Ok(url) = std::env::var("INGESTER_TEST_HANA_URL") else {
            SAID.call_once(|| {
                // Past the capture of the test's output: what did not run has to be seen.
                let line =
                    "not run: store conformance on a real HANA (INGESTER_TEST_HANA_URL is not set)";
                drop(writeln!(std::io::stderr().lock(), "{line}"));
            });
            return None;
        };
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let real = Self {
            url: url.parse().unwrap(),
            schema: format!("IT_{}", uuid::Uuid::new_v4().simple()).to_uppercase(),
        };
        real.run(&format!("CREATE SCHEMA \"{}\"", real.schema))
            .await;
        Some(real)
    }

    pub(crate) fn settings(&self) -> config::Hana {
        let decoded = |text: &str| {
            percent_encoding::percent_decode_str(text)
                .decode_utf8()
                .unwrap()
                .into_owned()
        };
        config::Hana {
            host: self.url.host_str().unwrap().to_owned(),
            port: self.url.port().unwrap(),
            user: decoded(self.url.username()),
            password: decoded(self.url.password().unwrap()).into(),
            tls: self.url.scheme() == "hdbsqls",
            certificate: None,
            schema: Some(self.schema.clone()),
            database: None,
        }
    }

    async fn run(&self, statement: &str) {
        connect(&self.settings())
            .await
            .exec(statement)
            .await
            .unwrap();
    }
}

async fn connect(settings: &config::Hana) -> hdbconnect_async::Connection {
    use secrecy::ExposeSecret as _;
    let mut builder = hdbconnect_async::ConnectParams::builder();
    builder
        .hostname(&settings.host)
        .port(settings.port)
        .dbuser(&settings.user)
        .password(settings.password.expose_secret());
    if settings.tls {
        builder.tls_with(hdbconnect_async::ServerCerts::RootCertificates);
    }
    hdbconnect_async::Connection::new(builder).await.unwrap()
}

impl Drop for RealHana {
    fn drop(&mut self) {
        let (settings, schema) = (self.settings(), self.schema.clone());
        // A schema that stays is untidy, and must not fail a test that passed.
        drop(
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Runtime::new().unwrap();
                runtime.block_on(async {
                    let drop_schema = format!("DROP SCHEMA \"{schema}\" CASCADE");
                    connect(&settings).await.exec(drop_schema).await
                })
            })
            .join(),
        );
    }
}
