//! The administrator's commands: the real binary, with the sandbox as Qualtrics and a database of its own.

mod audit;
mod check;
mod check_hana;
mod form;
mod init;
mod looking;
mod schema;
mod service;
mod subscriptions;

use std::process::{Command, Output};

use qualtrics_ingester::lifecycle::Lifecycle;
use qualtrics_sandbox::{Handle, Options, Sandbox};
use serde_json::Value;

/// The sandbox's first survey.
const SURVEY: &str = "SV_22VlHYNeldrrrk1";
const KEY: &str = "0123456789abcdef0123456789abcdef";

/// An administrator's desk: a Qualtrics, a folder, and settings.
struct Desk {
    sandbox: Handle,
    life: Lifecycle,
    folder: tempfile::TempDir,
    settings: Vec<(String, String)>,
}

/// What a command said.
#[derive(Debug)]
struct Said {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Desk {
    async fn new() -> Self {
        Self::with(Options::default()).await
    }

    async fn with(options: Options) -> Self {
        let client = (options.client_id.clone(), options.client_secret.clone());
        let sandbox = Sandbox::bind(([127, 0, 0, 1], 0).into(), options)
            .await
            .unwrap();
        let (handle, url) = (sandbox.handle(), sandbox.base_url());
        let life = Lifecycle::new();
        life.spawn(
            "sandbox",
            sandbox.run(life.stopping().clone().cancelled_owned()),
        );
        let folder = tempfile::tempdir().unwrap();
        let database = format!("sqlite:{}", folder.path().join("feedback.db").display());
        let mut desk = Self {
            sandbox: handle,
            life,
            folder,
            settings: Vec::new(),
        };
        desk.set("INGESTER_DATABASE_URL", &database);
        desk.set("QUALTRICS_BASE_URL", &url);
        desk.set("QUALTRICS_CLIENT_ID", &client.0);
        desk.set("QUALTRICS_CLIENT_SECRET", &client.1);
        desk.set("QUALTRICS_SHARED_KEY", KEY);
        desk.set("PUBLIC_URL", "http://127.0.0.1:9/");
        desk.configure("");
        desk
    }

    fn set(&mut self, name: &str, value: &str) {
        self.unset(name);
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    fn unset(&mut self, name: &str) {
        self.settings.retain(|(known, _)| known != name);
    }

    /// Writes the file: the first survey with more settings.
    fn configure(&self, more: &str) {
        let text = format!("[[survey]]\nid = \"{SURVEY}\"\nname = \"ProjectFeedback\"\n{more}");
        std::fs::write(self.folder.path().join("ingester.toml"), text).unwrap();
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_qualtrics-ingester"));
        command
            .env_clear()
            .envs(self.settings.iter().cloned())
            .current_dir(self.folder.path());
        command
    }

    async fn run(&self, arguments: &[&str]) -> Said {
        let mut command = self.command();
        command.args(arguments);
        let output = tokio::task::spawn_blocking(move || command.output());
        Said::new(&output.await.unwrap().unwrap())
    }

    /// Runs a command that must work, and reads its list.
    async fn list(&self, arguments: &[&str]) -> Vec<Value> {
        let said = self.run(&[arguments, &["--output", "json"]].concat()).await;
        assert_eq!(said.code, 0, "{said:?}");
        let list = said.list();
        form::check(arguments, &list);
        list
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.life.abort();
    }
}

impl Said {
    fn new(output: &Output) -> Self {
        let said = Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout.clone()).unwrap(),
            stderr: String::from_utf8(output.stderr.clone()).unwrap(),
        };
        for text in [&said.stdout, &said.stderr] {
            assert!(!text.contains(KEY), "a secret was printed: {said:?}");
            assert!(!text.contains("panicked"), "{said:?}");
        }
        said
    }

    fn list(&self) -> Vec<Value> {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The one line of an error.
    #[track_caller]
    fn fails(&self, code: i32, error: &str) {
        assert_eq!(self.code, code, "{self:?}");
        let line = self.stderr.lines().find(|line| line.starts_with("error: "));
        let line = line.unwrap_or_else(|| panic!("no error: {self:?}"));
        assert!(line.contains(error), "{self:?}");
    }
}
