//! Where a test of faults happens: a sandbox, a database, people who post callbacks, and the invariants that hold
//! whatever went wrong.

mod held;
mod invariants;
mod people;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hana_testserver::Server;
use reqwest::Client;

use crate::process::{BUILT, Running, SURVEY, Site};

pub(crate) use invariants::{Invariants, kibibytes, metric, strictly_ready};
pub(crate) use people::{Address, COMPLETED, FORM, People, count_of, p99};

/// Longer than anything here takes that comes about by itself, shorter than anybody's patience.
const PATIENCE: Duration = Duration::from_secs(30);

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

/// The file that a site's data is in.
#[derive(Debug)]
pub(crate) struct Database(PathBuf);

impl Database {
    #[expect(
        clippy::unused_async,
        reason = "that of the other suite starts a server"
    )]
    pub(crate) async fn fresh(folder: &Path) -> Self {
        Self(folder.join("feedback.db"))
    }

    /// As `INGESTER_DATABASE_URL` has it.
    pub(crate) fn url(&self) -> String {
        format!("sqlite:{}", self.0.display())
    }
}

impl Site {
    /// A command of the built binary.
    pub(crate) fn command(&self, arguments: &[&str]) -> tokio::process::Command {
        self.command_of(BUILT, arguments)
    }

    pub(crate) fn database(&self) -> &Path {
        &self.database.0
    }

    pub(crate) fn open_database(&self) -> rusqlite::Connection {
        let connection = rusqlite::Connection::open(self.database()).unwrap();
        connection.busy_timeout(PATIENCE).unwrap();
        connection
    }
}

/// Waits for something that comes about by itself, looking now and then.
#[track_caller]
pub(crate) fn eventually<'a>(
    what: &'a str,
    mut condition: impl FnMut() -> bool + 'a,
) -> impl Future<Output = ()> + 'a {
    let caller = std::panic::Location::caller();
    async move {
        let begun = Instant::now();
        while !condition() {
            assert!(
                begun.elapsed() < PATIENCE,
                "{caller}: {what} did not come about"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
