//! Every statement that the service can send to HANA, in one file, so that it can be held against outside grammars and
//! against the protocol test server.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use ingester_core::access::AccessRules;
use ingester_core::id::{ResponseId, SurveyId};
use ingester_core::inbox::{Change, Event, Fence, LEASE, Owner, RawDocument, Reason};
use ingester_core::row::{Cell, Column, Row, Table};
use ingester_core::sql::{
    Dialect, Statement, bulk, changes, ddl, erased, inbox, rows, runs, session, surveys,
};
use ingester_core::time::Timestamp;
use jiff::tz::TimeZone;

use crate::fixture::{COLUMNS, SURVEY};
use crate::statements::{QUESTIONS, next_page, restricting, selected};

fn survey() -> SurveyId {
    SURVEY.parse().unwrap()
}

fn response() -> ResponseId {
    "R_1".parse().unwrap()
}

fn now() -> Timestamp {
    "2026-11-24T06:07:08Z".parse().unwrap()
}

fn table() -> Table {
    let columns = COLUMNS.iter().map(|(property, column, kind)| Column {
        name: column.parse().unwrap(),
        property: (*property).to_owned(),
        kind: *kind,
        nullable: *property != "ResponseId",
    });
    Table {
        name: "FEEDBACK".parse().unwrap(),
        columns: columns.collect(),
    }
}

fn definitions() -> Vec<Statement> {
    let table = table();
    let mut statements = vec![
        session::set_schema("INGESTER"),
        session::set_lock_wait(Duration::from_secs(5)),
        session::set_snapshot(),
    ];
    statements.extend(
        ddl::hana_objects()
            .into_iter()
            .map(|(_, statement)| statement),
    );
    statements.push(ddl::create_table(Dialect::Hana, &table));
    let added = Column {
        name: "Q9".parse().unwrap(),
        ..table.columns[3].clone()
    };
    statements.push(ddl::add_column(Dialect::Hana, &table.name, &added));
    statements.extend([session::own_objects(), ddl::table_columns(&table.name)]);
    statements
}

fn of_the_inbox() -> Vec<Statement> {
    let owner = Owner::new("0193-owner");
    let event = Event {
        survey_id: survey(),
        response_id: response(),
        completed_at: now(),
        received_at: now(),
    };
    let fence = Fence {
        survey_id: survey(),
        response_id: response(),
        owner: owner.clone(),
        attempt: 1,
        completed_at: now(),
    };
    let reason = Reason::new("preview", "a preview");
    let all = inbox::Selection {
        survey: Some(survey()),
        response: Some(response()),
        state: Some("dead".to_owned()),
        reason: Some("preview".to_owned()),
    };
    let none = inbox::Selection::default();
    let lease = Some((&owner, LEASE));
    vec![
        inbox::accept(Dialect::Hana, &event, lease, now()),
        inbox::revive_again(&event, lease),
        inbox::standing(&survey(), &response()),
        inbox::claimable(&[survey()], 10, inbox::Candidates::IgnoreLocked),
        inbox::claimable(&[survey()], 10, inbox::Candidates::All),
        inbox::claim(&survey(), &response(), 1, now(), (&owner, LEASE)),
        inbox::renew(Dialect::Hana, &fence, LEASE, now()),
        inbox::done(Dialect::Hana, &fence, None, now()),
        inbox::dead(Dialect::Hana, &fence, &reason, now()),
        inbox::retry(Dialect::Hana, &fence, LEASE, Some(&reason), now()),
        inbox::note(&survey(), &response(), &reason),
        inbox::open_counts(),
        inbox::done_counts(),
        inbox::count(&all),
        inbox::list(&none, 100),
        inbox::list(&all, 100),
        inbox::revive(&none, now()),
        inbox::revive(&all, now()),
        inbox::drop_events(&all, now()),
        inbox::retire(now(), 500),
        rows::remove_event(&survey(), &response()),
    ]
}

fn of_rows() -> Vec<Statement> {
    let table = table();
    let cells: Vec<Cell> = COLUMNS.iter().map(|_| Cell::Null).collect();
    let raw = RawDocument {
        recorded_at: Some(now()),
        asked_at: now(),
        digest: String::new(),
        document: None,
    };
    let change = Change {
        position: 1,
        survey_id: survey(),
        response_id: response(),
        completed_at: None,
        received_at: None,
        committed_at: now(),
    };
    vec![
        rows::merge_document(&survey(), &response(), &raw, "hash"),
        rows::documents_after(&survey(), "R_0", 100),
        rows::document(&survey(), &response()),
        rows::count_documents(&survey()),
        rows::remove_document(&survey(), &response()),
        rows::upsert(Dialect::Hana, &table, Row(cells.into())),
        rows::current(Dialect::Hana, &table, &response()),
        rows::current_of(Dialect::Hana, &table, [&response(), &response()]),
        rows::remove(Dialect::Hana, &table.name, &response()),
        rows::count(Dialect::Hana, &table.name),
        rows::ids_after(Dialect::Hana, &table.name, "R_0", 100),
        changes::take_positions(),
        changes::add(Dialect::Hana, &change),
        changes::after(1, 100),
        changes::newest(None, 10),
        changes::newest(Some(SURVEY), 10),
        changes::last_of(&survey(), &response()),
        changes::newest_position(),
        changes::oldest_since(now()),
        changes::trim(now(), 500),
        rows::remove_changes(&survey(), &response()),
        erased::find("hash"),
        erased::find_all(["hash"]),
        erased::add("hash", now()),
        erased::forget("hash"),
    ]
}

fn of_surveys_and_runs() -> Vec<Statement> {
    let owner = Owner::new("0193-owner");
    let question = surveys::Question {
        column: "Q1".to_owned(),
        property: "Q1".to_owned(),
        tag: "Q1".to_owned(),
        key: "QID1".to_owned(),
        text: String::new(),
        kind: "MC".to_owned(),
        choices: "[]".to_owned(),
    };
    vec![
        surveys::ensure(&survey()),
        surveys::hold(&survey()),
        surveys::define(&survey(), None, "{}", "1"),
        surveys::definition(&survey()),
        surveys::list(),
        surveys::move_watermark(&survey(), now(), None),
        surveys::count_deletion(&survey()),
        surveys::change_number(&survey()),
        surveys::keep_subscription(&survey(), None, None),
        surveys::put_question(&survey(), &question),
        surveys::questions(&survey()),
        runs::take("job", "", &owner, LEASE, now()),
        runs::give_back("job", "", &owner),
        runs::put("job", "", "state"),
        runs::put_once("job", "", "state"),
        runs::announce("job", &owner, LEASE, "state", now()),
        runs::list("job"),
        runs::remove("job", ""),
        runs::remove_expired("job", now()),
    ]
}

fn of_bulk_work() -> Vec<Statement> {
    let table = table();
    let (surveys, responses) = ([survey()], [response(), response(), response()]);
    let owner = Owner::new("0193-owner");
    let event = Event {
        survey_id: survey(),
        response_id: response(),
        completed_at: now(),
        received_at: now(),
    };
    vec![
        bulk::rows(Dialect::Hana, &table, &responses),
        bulk::ids(Dialect::Hana, &table.name, &responses),
        bulk::having(
            Dialect::Hana,
            &table.name,
            &"COMMENT".parse().unwrap(),
            &["fine".to_owned()],
        ),
        bulk::traces(&survey(), &response()),
        bulk::documents(&survey(), &responses),
        bulk::open_events(&survey(), &responses),
        bulk::erased(&["hash".to_owned()]),
        bulk::claim(&event, 1, (&owner, LEASE), now()),
        bulk::bury(&event, "preview: a preview", now()),
        bulk::backlog(&surveys, 100, now()),
        bulk::heard_since(&survey(), now()),
        bulk::states(&survey()),
    ]
}

fn of_questions() -> Vec<Statement> {
    let asked = |url: &str, rules: &AccessRules| {
        let selection = selected(url, Dialect::Hana, rules, &TimeZone::UTC);
        [selection.anchor, selection.count, selection.rows]
    };
    let mut statements: Vec<Statement> = QUESTIONS
        .iter()
        .flat_map(|(_, url)| asked(url, &AccessRules::open()))
        .flatten()
        .collect();
    let restricted = asked("Feedback?$select=Q1&$search=x", &restricting());
    statements.extend(restricted.into_iter().flatten());
    let paged = asked(&next_page(), &AccessRules::open());
    statements.extend(paged.into_iter().flatten());
    statements
}

/// What only SQLite is sent.
const SQLITE_ONLY: [&str; 10] = [
    "erased.any",
    "inbox.begin_again",
    "inbox.dead",
    "inbox.done",
    "inbox.retry",
    "inbox.take_over",
    "odata.index",
    "raw.keep",
    "row.insert",
    "schema.quick_check",
];

#[test]
fn every_statement_for_hana_is_in_one_file() {
    let mut texts = Vec::new();
    for statement in [
        definitions(),
        of_the_inbox(),
        of_rows(),
        of_surveys_and_runs(),
        of_bulk_work(),
        of_questions(),
    ]
    .into_iter()
    .flatten()
    {
        let text = statement.on(Dialect::Hana).text().to_owned();
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    let found = texts
        .iter()
        .map(|text| format!("{text};\n"))
        .collect::<String>();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let golden = tests.join("hana_statements.sql");

    if std::fs::read_to_string(&golden).unwrap_or_default() != found {
        let new = tests.join("hana_statements.sql.new");
        std::fs::write(&new, &found).unwrap();
        panic!(
            "{} differs: read it and move it over {}",
            new.display(),
            golden.display()
        );
    }
    for name in operations(&tests.join("../src/sql")) {
        let is_there = found.contains(&format!("/* {name} */"));
        assert_eq!(is_there, !SQLITE_ONLY.contains(&name.as_str()), "{name}");
    }
}

/// The names of operations, `/* inbox.claim */`, in the sources of the SQL texts.
fn operations(folder: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            names.append(&mut operations(&path));
        } else {
            let source = std::fs::read_to_string(&path).unwrap();
            let code: Vec<&str> = source
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .collect();
            for piece in code.join("\n").split("/* ").skip(1) {
                let name = piece.split(" */").next().unwrap_or_default();
                if name.contains('.') && !name.contains(' ') {
                    names.insert(name.to_owned());
                }
            }
        }
    }
    names
}
