//! What the database holds, read past the service.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::Ground;

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
    pub(super) duration: Option<i64>,
}

/// What the database holds of the survey.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) events: BTreeMap<String, Event>,
    pub(crate) rows: BTreeMap<String, Row>,
    pub(super) documents: BTreeSet<String>,
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

    pub(super) fn attempts(&self) -> u64 {
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
