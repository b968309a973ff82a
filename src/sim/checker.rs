//! The invariants, held against the database after every commit that changed something, and at the end.
//!
//! It knows the truth (what respondents completed, what was acknowledged, what went wrong) and reads the tables
//! themselves, never what the service says of them.

use std::collections::BTreeMap;

use ingester_core::id::ResponseId;
use ingester_core::inbox::whole_milliseconds;
use ingester_core::row::{Cell, ColumnType};
use ingester_core::sql::Statement;
use ingester_core::time::Timestamp;
use jiff::SignedDuration;
use sha2::{Digest as _, Sha256};

use super::brand::{Content, score, text};
use super::world::State;
use crate::lifecycle;

/// The longest that an event is made to wait: a quarter of an hour that Qualtrics may ask for, and a little.
const WAIT_MAX: SignedDuration = SignedDuration::from_secs(15 * 60 + 2);
/// What can keep a lease from being renewed began so long before it ran out, slow commits included.
const DISTURBANCE: SignedDuration = SignedDuration::from_secs(30);
/// Or so long after.
const LATEST: SignedDuration = SignedDuration::from_secs(1);

const TEXT: ColumnType = ColumnType::NVarchar(1000);
const INSTANT: ColumnType = ColumnType::Timestamp;

/// An event as it stands.
#[derive(Debug, Clone, PartialEq)]
struct Event {
    state: String,
    attempts: i64,
    completed: Timestamp,
    owner: Option<String>,
    leased_until: Option<Timestamp>,
    due: Option<Timestamp>,
    reason: Option<String>,
}

/// What is kept of a response and its row: the same, or something is half-written.
#[derive(Debug, Clone, PartialEq)]
struct Kept {
    recorded: Option<Timestamp>,
    score: Option<i64>,
    text: Option<String>,
}

/// What stood there when it last looked.
#[derive(Debug, Default)]
pub(super) struct Checker {
    changes: u64,
    events: BTreeMap<ResponseId, Event>,
    rows: BTreeMap<ResponseId, Kept>,
}

impl Checker {
    /// Looks after a commit, at the instant that it was made with.
    pub(super) fn look(&mut self, world: &mut State, now: Timestamp) {
        let changes = world.database.changes();
        if changes == self.changes {
            return;
        }
        self.changes = changes;
        let events = events(world);
        for (id, event) in &events {
            self.step(world, id, self.events.get(id), event, now);
        }
        for id in self.events.keys().filter(|id| !events.contains_key(id)) {
            world.violate(format!("I1: the event of {id} is gone"));
        }
        let rows = rows(world);
        self.documents(world, &rows);
        for (id, row) in &rows {
            right(world, id, row);
            if let Some(before) = self.rows.get(id)
                && row.recorded < before.recorded
            {
                world.violate(format!("older content overwrote newer in the row of {id}"));
            }
        }
        for (id, event) in events.iter().filter(|(_, event)| event.state == "done") {
            ended(world, id, event, rows.get(id));
        }
        self.events = events;
        self.rows = rows;
    }

    /// What may follow upon what.
    fn step(
        &self,
        world: &mut State,
        id: &ResponseId,
        before: Option<&Event>,
        event: &Event,
        now: Timestamp,
    ) {
        if before == Some(event) {
            return;
        }
        let owner = event.owner.as_deref().unwrap_or_default();
        let reason = event.reason.as_deref().unwrap_or_default();
        world.note(&format!(
            "  {id} is {} {} {owner} {reason}",
            event.state, event.attempts
        ));
        if let Some(due) = event.due
            && due.duration_since(now) > WAIT_MAX
        {
            let wait = due.duration_since(now).as_secs();
            world.violate(format!("{id} is made to wait for {wait} s"));
        }
        let Some(before) = before else { return };
        if event.completed < before.completed {
            world.violate(format!("I1: {id} forgot a newer completion"));
        }
        let is_same = event.completed == before.completed;
        if is_same && before.state == "done" && matches!(&*event.state, "leased" | "pending") {
            world.violate(format!("I5: {id} was done and began anew"));
        }
        let is_granted = event.state == "leased"
            && (event.owner != before.owner || event.attempts != before.attempts);
        if is_granted && is_same && before.state == "leased" {
            taken_away(world, id, before, now);
        }
    }

    /// Row and document agree, and neither is without the other.
    fn documents(&self, world: &mut State, rows: &BTreeMap<ResponseId, Kept>) {
        let documents = documents(world);
        for (id, (recorded, digest, document)) in &documents {
            if hex::encode(Sha256::digest(document.as_bytes())) != *digest {
                world.violate(format!("I2: the digest of {id} is another document's"));
            }
            let Some(row) = rows.get(id) else {
                world.violate(format!("I2: {id} has a document and no row"));
                continue;
            };
            let is_in = row
                .text
                .as_ref()
                .is_some_and(|text| document.contains(&format!("\"{text}\"")));
            if row.recorded != *recorded || !is_in {
                world.violate(format!(
                    "I2: row and document of {id} are not of one response"
                ));
            }
        }
        for id in rows.keys().filter(|id| !documents.contains_key(id)) {
            world.violate(format!("I2: {id} has a row and no document"));
        }
    }
}

/// A lease changed hands before its work ended.
fn taken_away(world: &mut State, id: &ResponseId, before: &Event, now: Timestamp) {
    let until = before.leased_until.unwrap_or(now);
    if until >= whole_milliseconds(now) {
        world.violate(format!("two hold the lease of {id}"));
    }
    let owner = before.owner.clone().unwrap_or_default();
    // Leases are counted with a clock that may be wrong.
    let ran_out = lifecycle::now()
        .checked_sub(now.duration_since(until))
        .unwrap_or(now);
    let is_disturbed = world.disturbed.get(&owner).is_some_and(|times| {
        let mut before = times.iter().map(|at| ran_out.duration_since(*at));
        before.any(|before| before > -LATEST && before < DISTURBANCE)
    });
    if world.alive.contains(&owner) && !is_disturbed {
        world.violate(format!(
            "I5: the lease of {id} ran out although {owner} was at work undisturbed"
        ));
    }
}

/// A row is one of the documents that the respondent completed, cell for cell.
fn right(world: &mut State, id: &ResponseId, row: &Kept) {
    let found = world.responses.get(id).and_then(|response| {
        let mut versions = response.versions.iter().enumerate();
        versions.find(|(_, version)| Some(version.completed) == row.recorded)
    });
    let problem = match found {
        None => Some("is of no response"),
        Some((_, version)) if version.content != Content::Good => Some("should not be"),
        Some((number, _))
            if row.score != Some(score(number))
                || row.text.as_deref() != Some(&text(id, number)) =>
        {
            Some("has other cells than its response")
        }
        Some(_) => None,
    };
    if let Some(problem) = problem {
        world.violate(format!("I2: the row of {id} {problem}"));
    }
}

/// A done event has its row, or a reason that holds.
fn ended(world: &mut State, id: &ResponseId, event: &Event, row: Option<&Kept>) {
    let code = event
        .reason
        .as_deref()
        .and_then(|reason| reason.split(':').next());
    let content = world.responses.get(id).and_then(|response| {
        let newest = response.at(lifecycle::now());
        newest.map(|(_, version)| version.content)
    });
    let holds = match code {
        None | Some("superseded") => row.is_some_and(|row| row.recorded >= Some(event.completed)),
        Some("preview") => content == Some(Content::Preview),
        Some(_) => false,
    };
    if !holds {
        let code = code.unwrap_or("its row");
        world.violate(format!("I1: {id} is done with {code}, which is not so"));
    }
}

/// What must be once all is over: each acknowledged callback has come to its end.
pub(super) fn verdict(world: &mut State) {
    let events = events(world);
    let acknowledged = world.acknowledged.clone();
    for (id, completed) in acknowledged {
        let Some(event) = events.get(&id) else {
            world.violate(format!("I1: the acknowledged event of {id} is lost"));
            continue;
        };
        let newest = world
            .responses
            .get(&id)
            .and_then(|response| response.versions.last().copied());
        let is_shown = world
            .responses
            .get(&id)
            .is_some_and(|response| response.hidden.0 <= lifecycle::now());
        let is_healthy = is_shown && newest.is_some_and(|newest| newest.content != Content::Poison);
        let problem = match &*event.state {
            "done" if event.completed < completed => Some("ended with an older completion"),
            "done" => None,
            "dead" if event.reason.is_none() => Some("is dead without a reason"),
            "dead" if is_healthy => Some("is dead although nothing is wrong with it"),
            "dead" => None,
            _ => Some("never ended"),
        };
        if let Some(problem) = problem {
            let state = &event.state;
            world.violate(format!(
                "I1: the acknowledged event of {id} {problem} ({state})"
            ));
        }
    }
    for (id, event) in events.iter().filter(|(_, event)| event.state == "leased") {
        let owner = event.owner.as_deref().unwrap_or_default();
        world.violate(format!("the lease of {id} by {owner} never ended"));
    }
    world.counts.rows = u64::try_from(rows(world).len()).unwrap_or(u64::MAX);
}

/// True while something waits or is worked on.
pub(super) fn is_open(world: &mut State) -> bool {
    events(world)
        .values()
        .any(|event| matches!(&*event.state, "pending" | "leased"))
}

fn events(world: &mut State) -> BTreeMap<ResponseId, Event> {
    let statement = Statement::new(
        r#"/* sim.events */ SELECT "RESPONSE_ID", "STATE", "ATTEMPTS", "COMPLETED_AT", "LEASE_OWNER", "LEASE_UNTIL",
"NEXT_ATTEMPT_AT", "LAST_ERROR" FROM "QUALTRICS_INBOX""#,
    );
    let kinds = [
        TEXT,
        TEXT,
        ColumnType::BigInt,
        INSTANT,
        TEXT,
        INSTANT,
        INSTANT,
        TEXT,
    ];
    read(world, &statement, &kinds, |cells| match cells {
        [
            _,
            state,
            Cell::Integer(attempts),
            Cell::Timestamp(completed),
            owner,
            until,
            due,
            reason,
        ] => Some(Event {
            state: string(state)?,
            attempts: *attempts,
            completed: *completed,
            owner: string(owner),
            leased_until: instant(until),
            due: instant(due),
            reason: string(reason),
        }),
        _ => None,
    })
}

fn rows(world: &mut State) -> BTreeMap<ResponseId, Kept> {
    let statement = Statement::new(
        r#"/* sim.rows */ SELECT "RESPONSEID", "RECORDEDDATE", "Q1", "Q18" FROM "FEEDBACK""#,
    );
    let kinds = [TEXT, INSTANT, ColumnType::BigInt, ColumnType::NClob];
    read(world, &statement, &kinds, |cells| match cells {
        [_, recorded, score, text] => Some(Kept {
            recorded: instant(recorded),
            score: match score {
                Cell::Integer(score) => Some(*score),
                _ => None,
            },
            text: string(text),
        }),
        _ => None,
    })
}

type Document = (Option<Timestamp>, String, String);

fn documents(world: &mut State) -> BTreeMap<ResponseId, Document> {
    let statement = Statement::new(
        r#"/* sim.documents */ SELECT "RESPONSE_ID", "RECORDED_AT", "DIGEST", "DOCUMENT" FROM "QUALTRICS_RAW""#,
    );
    let kinds = [TEXT, INSTANT, TEXT, ColumnType::NClob];
    read(world, &statement, &kinds, |cells| match cells {
        [_, recorded, digest, document] => {
            Some((instant(recorded), string(digest)?, string(document)?))
        }
        _ => None,
    })
}

/// Rows by their first cell. One that can't be read is a violation.
fn read<T>(
    world: &mut State,
    statement: &Statement,
    kinds: &[ColumnType],
    value: impl Fn(&[Cell]) -> Option<T>,
) -> BTreeMap<ResponseId, T> {
    let rows = match world.database.rows(statement, kinds) {
        Ok(rows) => rows,
        // The survey's table comes with its definition.
        Err(error) if error.is_missing_table() => Vec::new(),
        Err(error) => {
            world.violate(format!("the database can't be read: {error}"));
            Vec::new()
        }
    };
    let entry = |row: &[Cell]| {
        let id = string(row.first()?)?.parse().ok()?;
        Some((id, value(row)?))
    };
    let count = rows.len();
    let read: BTreeMap<_, _> = rows.iter().filter_map(|row| entry(row)).collect();
    if read.len() != count {
        world.violate(format!("I2: a row can't be read: {}", statement.text()));
    }
    read
}

fn string(cell: &Cell) -> Option<String> {
    match cell {
        Cell::Text(text) => Some(text.clone()),
        _ => None,
    }
}

fn instant(cell: &Cell) -> Option<Timestamp> {
    match cell {
        Cell::Timestamp(instant) => Some(*instant),
        _ => None,
    }
}
