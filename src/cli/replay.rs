//! `replay`: signs recorded callbacks with the configured key and posts them to a running service.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ingester_core::callback::{self, Form};
use secrecy::SecretString;
use serde::Serialize;
use url::Url;

use super::error::CliError;
use super::{Globals, output};

/// A callback has at most this; larger files are none.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  QUALTRICS_SHARED_KEY=… qualtrics-ingester replay fixtures/ --to http://127.0.0.1:8080"
)]
pub(super) struct Replay {
    /// Files with callback bodies (`*.body`), or folders of them.
    #[arg(value_name = "FILE_OR_FOLDER", default_value = "fixtures")]
    paths: Vec<PathBuf>,
    /// The running service.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    to: Url,
    /// Callbacks per second; without it one follows the other.
    #[arg(long, value_name = "PER_SECOND")]
    rate: Option<f64>,
    /// Times the rate: 2 is twice as fast.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    speed: f64,
}

#[derive(Debug, Serialize)]
struct Replayed {
    file: String,
    status: u16,
    answer: String,
    expected: Option<String>,
    #[serde(rename = "asExpected")]
    as_expected: bool,
}

impl Replay {
    pub(super) async fn run(self, globals: &Globals) -> Result<(), CliError> {
        let config = globals.load(None)?;
        let webhook = config.events.webhook();
        let key = webhook.and_then(|webhook| webhook.shared_key.clone());
        let url = self
            .to
            .join("webhooks/qualtrics")
            .map_err(|error| CliError::usage(format!("--to: {error}")))?;
        let pause = self.pause()?;
        let mut files = Vec::new();
        for path in &self.paths {
            find(path, &mut files)?;
        }
        if files.is_empty() {
            return Err(CliError::usage(
                "no *.body files there: name files or folders with recorded callbacks",
            ));
        }
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(10))
            .build()
            .map_err(|error| CliError::failed(error.to_string()))?;
        let mut replayed = Vec::new();
        for file in &files {
            replayed.push(post(&client, &url, file, key.as_ref()).await?);
            tokio::time::sleep(pause).await;
        }
        output::list(
            globals.output,
            &["FILE", "STATUS", "ANSWER", "EXPECTED"],
            &replayed,
            |row| {
                let expected = row.expected.clone().unwrap_or_default();
                vec![
                    row.file.clone(),
                    row.status.to_string(),
                    row.answer.clone(),
                    expected,
                ]
            },
        );
        match replayed.iter().filter(|row| !row.as_expected).count() {
            0 => Ok(()),
            unexpected => Err(CliError::failed(format!(
                "{unexpected} callbacks were not answered as their fixture says"
            ))),
        }
    }

    fn pause(&self) -> Result<Duration, CliError> {
        let rate = self.rate.unwrap_or(f64::INFINITY) * self.speed;
        if rate > 0.0 {
            Ok(Duration::from_secs_f64(1.0 / rate))
        } else {
            Err(CliError::usage("--rate and --speed are more than 0"))
        }
    }
}

fn find(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), CliError> {
    let unreadable = |error: std::io::Error| {
        CliError::usage(format!("{} can't be read: {error}", path.display()))
    };
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut entries: Vec<_> = std::fs::read_dir(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(unreadable)?
        .into_iter()
        .map(|entry| entry.path())
        .collect();
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            find(&entry, files)?;
        } else if entry
            .extension()
            .is_some_and(|extension| extension == "body")
        {
            files.push(entry);
        }
    }
    Ok(())
}

async fn post(
    client: &reqwest::Client,
    url: &Url,
    file: &Path,
    key: Option<&SecretString>,
) -> Result<Replayed, CliError> {
    let unreadable = |error: std::io::Error| {
        CliError::usage(format!("{} can't be read: {error}", file.display()))
    };
    if std::fs::metadata(file).map_err(unreadable)?.len() > FILE_BYTES_MAX {
        return Err(CliError::usage(format!(
            "{} is larger than any callback",
            file.display()
        )));
    }
    let body = std::fs::read(file).map_err(unreadable)?;
    let body = sign_again(&body, key).unwrap_or(body);
    let request = client
        .post(url.clone())
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body);
    let response = request.send().await.map_err(|error| {
        CliError::failed(format!(
            "{url} does not answer: {error}: start it with `serve`, or name it with --to"
        ))
    })?;
    let status = response.status().as_u16();
    let answer: serde_json::Value = response.json().await.unwrap_or_default();
    let word = answer
        .get("status")
        .or_else(|| answer.pointer("/error/code"))
        .and_then(|word| word.as_str())
        .unwrap_or_default()
        .to_owned();
    let expected = expected(file)?;
    Ok(Replayed {
        file: file.display().to_string(),
        as_expected: expected
            .as_deref()
            .is_none_or(|expected| expected.split('|').any(|one| one == word)),
        status,
        answer: word,
        expected,
    })
}

/// What the fixture says of its answer: the file beside it with the ending `.answer`, several words parted by `|`.
fn expected(file: &Path) -> Result<Option<String>, CliError> {
    match std::fs::read_to_string(file.with_extension("answer")) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(CliError::usage(format!(
            "the answer of {} can't be read: {error}",
            file.display()
        ))),
    }
}

/// The same callback under the configured key. What was not signed, or is no callback, is posted as it is.
fn sign_again(body: &[u8], key: Option<&SecretString>) -> Option<Vec<u8>> {
    let (form, key) = (Form::parse(body).ok()?, key?);
    let message = form.signed_message()?;
    let encode = |bytes: &[u8]| {
        percent_encoding::percent_encode(bytes, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let signature = callback::sign(key, message);
    Some(
        format!(
            "Topic={}&HMAC={signature}&MSG={}",
            encode(form.topic().unwrap_or_default()),
            encode(message)
        )
        .into_bytes(),
    )
}
