//! A sandbox, a database, people who post callbacks, and the invariants that hold whatever went wrong:
//!
//! - I1: each callback answered 200 is one `done` event whose row equals the document (or that has its reason), or a
//!   `dead` one with a reason.
//! - I2: no row without a response, no row without its document, and each row is told of.
//! - I3: memory within its limit, no panic, no unbounded log.
//! - I4: readiness and metrics tell the truth.
//! - I5: no more calls for responses than leases were taken.
//!
//! Long because all faults end with the same invariants, which are checked here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hana_testserver::Server;
use qualtrics_sandbox::Handle;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::process::{KEY, Running, SURVEY, Site, message, signed};

pub(crate) const FORM: &str = "application/x-www-form-urlencoded";
pub(crate) const COMPLETED: &str = "2026-01-02 03:04:05";

/// Debug builds are several times slower than what ships, and run on machines that others use; what is timed may take so
/// much longer there.
pub(crate) fn unoptimised(limit: Duration) -> Duration {
    if cfg!(debug_assertions) {
        limit * 4 + Duration::from_millis(200)
    } else {
        limit
    }
}

/// Where a test happens.
pub(crate) struct Ground {
    pub(crate) site: Site,
    pub(crate) hana: Option<Server>,
    pub(crate) people: People,
}

/// Whoever completes surveys and posts callbacks; clones remember the same answers.
#[derive(Clone)]
pub(crate) struct People {
    pub(crate) sandbox: Handle,
    pub(crate) client: Client,
    told: Arc<Mutex<BTreeSet<String>>>,
}

/// What a callback was answered with; nothing if there was no answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: Option<u16>,
    pub(crate) body: String,
    pub(crate) took: Duration,
}

impl Ground {
    /// On a SQLite file. Neither history nor reconcile mends what the event's own way has lost.
    pub(crate) async fn sqlite() -> Self {
        let mut site = Site::unlimited().await;
        site.set("RECONCILE_EVERY", "off");
        std::fs::write(site.folder.path().join("ingester.toml"), config(&[SURVEY])).unwrap();
        let client = Client::builder()
            .timeout(Duration::from_secs(10))
            .build()
            .unwrap();
        let people = People {
            sandbox: site.sandbox.clone(),
            client,
            told: Arc::default(),
        };
        Self {
            site,
            hana: None,
            people,
        }
    }

    /// On HANA's protocol server.
    pub(crate) async fn hana() -> Self {
        let mut ground = Self::sqlite().await;
        let server = Server::start(
            "127.0.0.1:0".parse().unwrap(),
            hana_testserver::Options::default(),
        )
        .await
        .unwrap();
        let url = format!("hdbsql://INGESTER:Secret123@{}", server.addr());
        ground.site.set("INGESTER_DATABASE_URL", &url);
        ground.hana = Some(server);
        ground
    }

    /// A running service whose survey's table is there.
    pub(crate) async fn serve(&self) -> Running {
        let running = self.site.serve().await;
        let begun = Instant::now();
        while !self.has_table().await {
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "no table: {}",
                running.log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        running
    }

    async fn has_table(&self) -> bool {
        match &self.hana {
            Some(server) => {
                let connection = hdbconnect_async::Connection::new(server.url())
                    .await
                    .unwrap();
                connection
                    .query("SELECT COUNT(*) FROM PROJECTFEEDBACK")
                    .await
                    .is_ok()
            }
            None => {
                let count = "SELECT COUNT(*) FROM sqlite_schema WHERE name = 'PROJECTFEEDBACK'";
                self.site
                    .open_database()
                    .query_row(count, [], |row| row.get(0))
                    == Ok(1)
            }
        }
    }
}

/// A configuration file of these surveys, the first as `ProjectFeedback`.
pub(crate) fn config(surveys: &[&str]) -> String {
    let survey = |(n, id): (usize, &&str)| {
        let name = if n == 0 {
            "ProjectFeedback".to_owned()
        } else {
            format!("Other{n}")
        };
        format!("[[survey]]\nid = \"{id}\"\nname = \"{name}\"\nhistory = \"none\"\n")
    };
    surveys.iter().enumerate().map(survey).collect()
}

impl People {
    pub(crate) fn complete(&self) -> String {
        self.sandbox.complete(SURVEY, json!({})).unwrap()
    }

    /// Posts a body as Qualtrics does.
    pub(crate) async fn post(&self, service: &str, body: String) -> Answer {
        let begun = Instant::now();
        let request = self
            .client
            .post(format!("{service}/webhooks/qualtrics"))
            .header("content-type", FORM)
            .body(body);
        let (status, body) = match request.send().await {
            Ok(response) => {
                let status = response.status().as_u16();
                if status == 503 {
                    assert!(
                        response.headers().contains_key("retry-after"),
                        "503 without Retry-After"
                    );
                }
                (Some(status), response.text().await.unwrap_or_default())
            }
            Err(_) => (None, String::new()),
        };
        Answer {
            status,
            body,
            took: begun.elapsed(),
        }
    }

    /// Tells of a response under a key, and remembers what was acknowledged.
    pub(crate) async fn tell_as(
        &self,
        service: &str,
        response: &str,
        completed: &str,
        key: &str,
    ) -> Answer {
        let answer = self
            .post(service, signed(&message(response, completed), key))
            .await;
        if answer.status == Some(200) {
            self.told.lock().unwrap().insert(response.to_owned());
        }
        answer
    }

    pub(crate) async fn tell(&self, service: &str, response: &str) -> Answer {
        self.tell_as(service, response, COMPLETED, KEY).await
    }

    /// Completes responses and tells of all at once; answers their ids and what was said.
    pub(crate) async fn tell_many(&self, service: &str, count: usize) -> Vec<(String, Answer)> {
        let telling = (0..count).map(|_| async {
            let response = self.complete();
            let answer = self.tell(service, &response).await;
            (response, answer)
        });
        futures_util::future::join_all(telling).await
    }

    /// As [`People::tell_many`], each of which must be acknowledged.
    pub(crate) async fn tell_all(&self, service: &str, count: usize) -> Vec<String> {
        let told = self.tell_many(service, count).await;
        for (_, answer) in &told {
            assert_eq!(answer.status, Some(200), "{answer:?}");
        }
        told.into_iter().map(|(response, _)| response).collect()
    }

    pub(crate) fn acknowledged(&self) -> BTreeSet<String> {
        self.told.lock().unwrap().clone()
    }

    /// Tells of new responses at this rate until it is ended. The address may change, or be away, meanwhile.
    pub(crate) fn load(&self, address: &Address, per_second: u32) -> Load {
        const AT_ONCE: usize = 96;
        let (people, address) = (self.clone(), address.clone());
        let (ending, mut ended) = tokio::sync::oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let room = Arc::new(Semaphore::new(AT_ONCE));
            let mut ticks = tokio::time::interval(Duration::from_secs(1) / per_second);
            let mut telling = tokio::task::JoinSet::new();
            let mut answers = Vec::new();
            loop {
                tokio::select! {
                    _ = &mut ended => break,
                    _ = ticks.tick() => {}
                }
                while let Some(answer) = telling.try_join_next() {
                    answers.push(answer.unwrap());
                }
                let (Some(service), Ok(permit)) = (address.get(), room.clone().try_acquire_owned())
                else {
                    continue;
                };
                let people = people.clone();
                telling.spawn(async move {
                    let _permit = permit;
                    let response = people.complete();
                    people.tell(&service, &response).await
                });
            }
            answers.extend(telling.join_all().await);
            answers
        });
        Load { ending, task }
    }
}

/// Where callbacks go; nowhere while nothing listens.
#[derive(Clone, Default)]
pub(crate) struct Address(Arc<Mutex<Option<String>>>);

impl Address {
    pub(crate) fn of(running: &Running) -> Self {
        let address = Self::default();
        address.set(Some(running));
        address
    }

    pub(crate) fn set(&self, running: Option<&Running>) {
        *self.0.lock().unwrap() = running.map(|running| running.url(""));
    }

    fn get(&self) -> Option<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Callbacks that keep coming.
pub(crate) struct Load {
    ending: tokio::sync::oneshot::Sender<()>,
    task: tokio::task::JoinHandle<Vec<Answer>>,
}

impl Load {
    /// Ends it; what was answered meanwhile.
    pub(crate) async fn end(self) -> Vec<Answer> {
        drop(self.ending);
        self.task.await.unwrap()
    }
}

/// The time that 99 of a hundred took at most.
pub(crate) fn p99(answers: &[Answer]) -> Duration {
    let mut took: Vec<Duration> = answers.iter().map(|answer| answer.took).collect();
    took.sort();
    took.get(took.len() * 99 / 100).copied().unwrap_or_default()
}

pub(crate) fn count_of(answers: &[Answer], status: u16) -> usize {
    answers
        .iter()
        .filter(|answer| answer.status == Some(status))
        .count()
}

/// One event as it stands.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) state: String,
    pub(crate) attempts: u32,
    pub(crate) reason: Option<String>,
}

/// One row, as far as every document has it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) score: Option<i64>,
    pub(crate) comment: Option<String>,
    pub(crate) account: Option<String>,
    duration: Option<i64>,
}

/// What the database holds of the survey.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) events: BTreeMap<String, Event>,
    pub(crate) rows: BTreeMap<String, Row>,
    documents: BTreeSet<String>,
    pub(crate) changes: Vec<String>,
}

const EVENTS: &str = "SELECT \"RESPONSE_ID\", \"STATE\", \"ATTEMPTS\", \"LAST_ERROR\" FROM \"QUALTRICS_INBOX\" WHERE \"SURVEY_ID\" = 'SV_22VlHYNeldrrrk1'";
const ROWS: &str = "SELECT \"RESPONSEID\", \"Q1\", \"Q18\", \"ACCOUNTID\", \"DURATION_IN_SECONDS\" FROM \"PROJECTFEEDBACK\"";
const DOCUMENTS: &str =
    "SELECT \"RESPONSE_ID\" FROM \"QUALTRICS_RAW\" WHERE \"SURVEY_ID\" = 'SV_22VlHYNeldrrrk1'";
const CHANGES: &str =
    "SELECT \"RESPONSE_ID\" FROM \"QUALTRICS_CHANGES\" WHERE \"SURVEY_ID\" = 'SV_22VlHYNeldrrrk1'";

type EventRow = (String, String, u32, Option<String>);
type FeedbackRow = (
    String,
    Option<i64>,
    Option<String>,
    Option<String>,
    Option<i64>,
);

impl Held {
    fn new(
        events: Vec<EventRow>,
        rows: Vec<FeedbackRow>,
        documents: Vec<String>,
        changes: Vec<String>,
    ) -> Self {
        let event = |(id, state, attempts, reason)| {
            (
                id,
                Event {
                    state,
                    attempts,
                    reason,
                },
            )
        };
        let row = |(id, score, comment, account, duration)| {
            (
                id,
                Row {
                    score,
                    comment,
                    account,
                    duration,
                },
            )
        };
        Self {
            events: events.into_iter().map(event).collect(),
            rows: rows.into_iter().map(row).collect(),
            documents: documents.into_iter().collect(),
            changes,
        }
    }

    pub(crate) fn open(&self) -> usize {
        self.events
            .values()
            .filter(|event| matches!(event.state.as_str(), "pending" | "leased"))
            .count()
    }

    pub(crate) fn in_state(&self, state: &str) -> usize {
        self.events
            .values()
            .filter(|event| event.state == state)
            .count()
    }

    fn attempts(&self) -> u64 {
        self.events
            .values()
            .map(|event| u64::from(event.attempts))
            .sum()
    }
}

impl Ground {
    /// Everything that the database holds, read past the service.
    pub(crate) async fn held(&self) -> Held {
        let Some(server) = &self.hana else {
            return self.held_in_file();
        };
        let connection = hdbconnect_async::Connection::new(server.url())
            .await
            .unwrap();
        async fn read<T: serde::de::DeserializeOwned>(
            connection: &hdbconnect_async::Connection,
            sql: &str,
        ) -> Vec<T> {
            match connection.query(sql).await {
                Ok(result) => result.try_into().await.unwrap(),
                Err(error) => panic!("{sql}: {error}"),
            }
        }
        Held::new(
            read(&connection, EVENTS).await,
            read(&connection, ROWS).await,
            read(&connection, DOCUMENTS).await,
            read(&connection, CHANGES).await,
        )
    }

    fn held_in_file(&self) -> Held {
        let mut database = self.site.open_database();
        // One state of the database, or a row could come between two looks.
        let database = database.transaction().unwrap();
        fn read<T>(
            database: &rusqlite::Connection,
            sql: &str,
            row: fn(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
        ) -> Vec<T> {
            let mut statement = database
                .prepare(sql)
                .unwrap_or_else(|error| panic!("{sql}: {error}"));
            statement
                .query_map([], row)
                .unwrap()
                .map(Result::unwrap)
                .collect()
        }
        Held::new(
            read(&database, EVENTS, |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            }),
            read(&database, ROWS, |row| {
                Ok((
                    row.get(0)?,
                    row.get(1)?,
                    row.get(2)?,
                    row.get(3)?,
                    row.get(4)?,
                ))
            }),
            read(&database, DOCUMENTS, |row| row.get(0)),
            read(&database, CHANGES, |row| row.get(0)),
        )
    }

    /// Waits until no event is open, the given number excepted; how long that took.
    #[track_caller]
    pub(crate) fn settled(
        &self,
        left_open: usize,
        patience: Duration,
    ) -> impl Future<Output = (Held, Duration)> {
        let caller = std::panic::Location::caller();
        async move {
            let begun = Instant::now();
            loop {
                let held = self.held().await;
                if held.open() <= left_open {
                    return (held, begun.elapsed());
                }
                if begun.elapsed() > patience {
                    let open: Vec<_> = held
                        .events
                        .iter()
                        .filter(|(_, event)| event.state != "done")
                        .take(5)
                        .collect();
                    panic!(
                        "{caller}: {} events are open after {patience:?}: {open:?}",
                        held.open()
                    );
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// What a test may leave behind beyond the ordinary.
pub(crate) struct Invariants {
    /// Events that can't settle.
    pub(crate) left_open: usize,
    /// Events that rightly died.
    pub(crate) dead: usize,
    /// How long the rest may take to settle.
    pub(crate) patience: Duration,
    /// Calls for responses beyond one a lease: those that a token's end or a kill repeated.
    pub(crate) more_calls: u64,
    pub(crate) memory_mib: u64,
    pub(crate) log_lines: usize,
}

impl Default for Invariants {
    fn default() -> Self {
        Self {
            left_open: 0,
            dead: 0,
            patience: Duration::from_secs(60),
            more_calls: 0,
            // What the debug build's pages and the threads' arenas take; the shipped one has its own test of 64 MiB.
            memory_mib: 160,
            log_lines: 400,
        }
    }
}

impl Invariants {
    /// I1 to I5 of what was told to this service and others on the same ground.
    pub(crate) async fn hold(self, ground: &Ground, service: &Running) -> String {
        let (held, took) = ground.settled(self.left_open, self.patience).await;
        self.every_event_has_its_end(ground, &held);
        no_row_is_made_up(ground, &held);
        let memory_mib = kibibytes(service, "VmHWM:") / 1024;
        assert!(memory_mib <= self.memory_mib, "I3: {memory_mib} MiB");
        let log = service.log();
        assert!(!log.contains("panicked"), "I3: {log}");
        assert!(
            log.lines().count() <= self.log_lines,
            "I3: {} lines of log: {log}",
            log.lines().count()
        );
        self.outside_tells_the_truth(ground, service).await;
        let calls = ground.people.sandbox.counters().calls_of("response");
        let leases = held.attempts();
        assert!(
            calls <= leases + self.more_calls,
            "I5: {calls} calls in {leases} leases"
        );
        format!(
            "{} events, {} rows, {calls} calls, settled in {:.1} s, {memory_mib} MiB",
            held.events.len(),
            held.rows.len(),
            took.as_secs_f32()
        )
    }

    fn every_event_has_its_end(&self, ground: &Ground, held: &Held) {
        for response in ground.people.acknowledged() {
            let event = held
                .events
                .get(&response)
                .unwrap_or_else(|| panic!("I1: {response} was acknowledged and is lost"));
            match event.state.as_str() {
                "done" => assert!(
                    held.rows.contains_key(&response) || event.reason.is_some(),
                    "I1: {response} {event:?}"
                ),
                "dead" => assert!(event.reason.is_some(), "I1: {response} {event:?}"),
                _ => assert!(self.left_open > 0, "I1: {response} {event:?}"),
            }
        }
        let dead: Vec<_> = held
            .events
            .iter()
            .filter(|(_, event)| event.state == "dead")
            .collect();
        assert!(
            dead.len() <= self.dead,
            "I1: {} are dead: {dead:?}",
            dead.len()
        );
    }

    async fn outside_tells_the_truth(&self, ground: &Ground, service: &Running) {
        let get = async |path: &str| {
            ground
                .people
                .client
                .get(service.url(path))
                .send()
                .await
                .unwrap()
        };
        assert_eq!(get("/health/live").await.status(), 200);
        assert_eq!(
            strictly_ready(ground, service).await,
            200,
            "I4: {}",
            service.log()
        );
        let metrics = get("/metrics").await.text().await.unwrap();
        assert!(
            metrics.contains("\ningester_database_up 1\n"),
            "I4: {metrics}"
        );
    }
}

fn no_row_is_made_up(ground: &Ground, held: &Held) {
    for (response, row) in &held.rows {
        let document = ground.people.sandbox.document(SURVEY, response);
        let document =
            document.unwrap_or_else(|| panic!("I2: {response} is a row and no response"));
        // What is nested too deeply for this reader is compared by nobody.
        let Ok(document) = serde_json::from_slice::<Value>(&document) else {
            continue;
        };
        let values = &document["values"];
        if let Some(score) = values["QID1"].as_i64() {
            assert_eq!(row.score, Some(score), "I1: {response}");
        }
        assert_eq!(
            row.account.as_deref(),
            values["AccountID"].as_str(),
            "I1: {response}"
        );
        assert_eq!(row.duration, values["duration"].as_i64(), "I1: {response}");
        if let Some(essay) = values["QID18_TEXT"].as_str() {
            let comment = row.comment.as_deref().unwrap_or_default();
            assert!(
                !comment.is_empty() && essay.starts_with(comment) || essay.is_empty(),
                "I1: {response}"
            );
        }
        assert!(
            held.documents.contains(response),
            "I2: {response} has no document"
        );
        assert!(
            held.changes.contains(response),
            "I2: nobody was told of {response}"
        );
    }
    for response in &held.documents {
        assert!(
            held.rows.contains_key(response),
            "I2: {response} has a document and no row"
        );
    }
}

/// What strict readiness answers.
pub(crate) async fn strictly_ready(ground: &Ground, service: &Running) -> u16 {
    let asked = ground
        .people
        .client
        .get(service.url("/health/ready?strict=true"))
        .send();
    asked.await.unwrap().status().as_u16()
}

/// A figure of `/proc/…/status`.
pub(crate) fn kibibytes(service: &Running, name: &str) -> u64 {
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", service.child.id().unwrap())).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The value of one line of `/metrics`.
pub(crate) async fn metric(people: &People, service: &Running, name: &str) -> f64 {
    let text = people
        .client
        .get(service.url("/metrics"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.map_or(0.0, |value| value.trim().parse().unwrap())
}

/// Numbers that look random and are the same every time.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.max(1))
    }

    /// A number below the limit. Source: Marsaglia, "Xorshift RNGs", 2003.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit.max(1)
    }
}

impl Ground {
    /// Runs a command of the binary beside the service.
    pub(crate) async fn run(&self, arguments: &[&str]) -> std::process::Output {
        let running = self.site.command(arguments).output();
        tokio::time::timeout(Duration::from_secs(60), running)
            .await
            .unwrap()
            .unwrap()
    }
}
