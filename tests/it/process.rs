//! The built binary as its user runs it: a process with an environment, a port and a folder. The tests of faults share
//! this file; each suite has a `Database` of its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use qualtrics_sandbox::{Limits, Options, Sandbox};
use secrecy::SecretString;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::Database;

/// The survey that every sandbox has.
pub(crate) const SURVEY: &str = "SV_22VlHYNeldrrrk1";
/// The key that the service and the tests share.
pub(crate) const KEY: &str = "test-shared-key";

/// The binary that is tested.
pub(crate) const BUILT: &str = env!("CARGO_BIN_EXE_qualtrics-ingester");

/// Longer than anything here takes, shorter than anybody's patience.
const PATIENCE: Duration = Duration::from_secs(30);

/// A folder, a sandbox, and whatever service runs on them.
pub(crate) struct Site {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) sandbox: qualtrics_sandbox::Handle,
    pub(crate) sandbox_url: String,
    pub(crate) database: Database,
    environment: BTreeMap<&'static str, String>,
}

impl Site {
    pub(crate) async fn new(options: Options) -> Self {
        let sandbox = Sandbox::bind(([127, 0, 0, 1], 0).into(), options)
            .await
            .unwrap();
        let (handle, sandbox_url) = (sandbox.handle(), sandbox.base_url());
        #[expect(
            clippy::disallowed_methods,
            reason = "the sandbox lives as long as the test's runtime"
        )]
        tokio::spawn(sandbox.run(std::future::pending()));
        let folder = tempfile::tempdir().unwrap();
        Self {
            database: Database::fresh(folder.path()).await,
            folder,
            sandbox: handle,
            sandbox_url,
            environment: BTreeMap::new(),
        }
    }

    /// A sandbox that answers whatever is asked of it, as often as it is asked.
    pub(crate) async fn unlimited() -> Self {
        let options = Options {
            limits: Limits::Off,
            ..Options::default()
        };
        let mut site = Self::new(options).await;
        site.set("QUALTRICS_REQUESTS_PER_MINUTE", "100000");
        site
    }

    pub(crate) fn set(&mut self, name: &'static str, value: &str) -> &mut Self {
        self.environment.insert(name, value.to_owned());
        self
    }

    /// A command of a binary.
    pub(crate) fn command_of(&self, binary: impl AsRef<Path>, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary.as_ref());
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .kill_on_drop(true);
        command
            .env("LISTEN_ADDR", "127.0.0.1:0")
            .env("INGESTER_DATABASE_URL", self.database.url())
            .env("QUALTRICS_BASE_URL", &self.sandbox_url)
            .env("QUALTRICS_CLIENT_ID", "sandbox-client")
            .env("QUALTRICS_CLIENT_SECRET", "sandbox-secret")
            .env("QUALTRICS_SHARED_KEY", KEY)
            .env("LOG_FORMAT", "json")
            .envs(&self.environment);
        command
    }

    /// Starts `serve` and waits until it listens.
    pub(crate) async fn serve(&self) -> Running {
        self.try_serve(BUILT)
            .await
            .unwrap_or_else(|log| panic!("serve ended: {log:?}"))
    }

    /// Starts `serve` of a binary; what it said if it ended before it listened.
    pub(crate) async fn try_serve(&self, binary: impl AsRef<Path>) -> Result<Running, Vec<String>> {
        let config = self.folder.path().join("ingester.toml");
        if !config.exists() {
            std::fs::write(
                config,
                format!("[[survey]]\nid = \"{SURVEY}\"\nname = \"ProjectFeedback\"\n"),
            )
            .unwrap();
        }
        let mut child = self
            .command_of(binary, &["serve"])
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut log = Vec::new();
        let addr = tokio::time::timeout(PATIENCE, async {
            loop {
                let line = lines.next_line().await.unwrap()?;
                let parsed: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
                log.push(line);
                if let Some(addr) = parsed["addr"].as_str() {
                    return Some(addr.parse().unwrap());
                }
            }
        });
        let Some(addr) = addr.await.unwrap() else {
            return Err(log);
        };
        // Keep reading, or a full pipe would block the service; keep the lines, to look for what must not be in them.
        let log = std::sync::Arc::new(std::sync::Mutex::new(log));
        let kept = log.clone();
        #[expect(
            clippy::disallowed_methods,
            reason = "ends with the process's standard error"
        )]
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                kept.lock().unwrap().push(line);
            }
        });
        Ok(Running { child, addr, log })
    }
}

/// A running `serve`.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) addr: SocketAddr,
    log: std::sync::Arc<std::sync::Mutex<Vec<String>>>,
}

impl Running {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    /// SIGKILL: nothing is asked, nothing is finished.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().unwrap().to_string();
        assert!(
            std::process::Command::new("kill")
                .args(["-s", name, &pid])
                .status()
                .unwrap()
                .success()
        );
    }
}

/// A callback's message for a response.
pub(crate) fn message(response: &str, completed: &str) -> String {
    format!(
        r#"{{"Status":"Complete","SurveyID":"{SURVEY}","ResponseID":"{response}","CompletedDate":"{completed}","BrandID":"b"}}"#
    )
}

/// A callback's body, signed with a key.
pub(crate) fn signed(message: &str, key: &str) -> String {
    let encode = |text: &str| {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let signature = ingester_core::callback::sign(&SecretString::from(key), message.as_bytes());
    format!(
        "Topic=b.surveyengine.completedResponse.{SURVEY}&HMAC={signature}&MSG={}",
        encode(message)
    )
}
