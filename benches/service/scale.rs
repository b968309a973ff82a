//! What grows with the inbox, and with those who listen.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use qualtrics_ingester::store::{Role, Store};
use qualtrics_ingester::telemetry::metrics::Metrics;
use rusqlite::Connection;

use crate::accept::Candidate;
use crate::callbacks::SURVEY;
use crate::event_to_row;
use crate::listen::Listeners;
use crate::load;
use crate::process::{Process, Site};
use crate::report::{Bound, Measure, Report, median};

const SECTION: &str = "scale";
/// Events in the inbox.
const EVENTS: [u64; 3] = [0, 10_000, 1_000_000];
const LISTENERS: [usize; 3] = [1, 100, 1_000];
const ROUNDS: usize = 5;
/// Events that are claimed at once.
const CLAIMED: u32 = 64;

pub(crate) fn run(report: &mut Report, seconds: Option<u64>) {
    let lasting = Duration::from_secs(seconds.unwrap_or(1));
    let qualtrics = Process::part(&["stand-in", "refuse"]);
    let sites = EVENTS.map(|events| filled(qualtrics.addr, events));
    starts(report, &sites);
    accepts(report, &sites, lasting);
    claims(report, &sites);
    listeners(report);
}

/// A service's folder with so many events that wait and are due.
fn filled(qualtrics: SocketAddr, events: u64) -> Site {
    let site = Site::new(qualtrics);
    site.serve_prepared().stop();
    fill(&site, events);
    site
}

fn fill(site: &Site, events: u64) {
    let connection = Connection::open(site.database()).unwrap();
    connection
        .execute(
            "INSERT INTO QUALTRICS_INBOX (SURVEY_ID, RESPONSE_ID, TOPIC, COMPLETED_AT, RECEIVED_AT, STATE, ATTEMPTS,
                 NEXT_ATTEMPT_AT)
             WITH RECURSIVE N (N) AS (SELECT 1 WHERE ?1 > 0 UNION ALL SELECT N + 1 FROM N WHERE N < ?1)
             SELECT ?2, printf('R_W%014d', N), 'surveyengine.completedResponse', AT, AT, 'pending', 0, AT
             FROM (SELECT N, strftime('%Y-%m-%dT%H:%M:%S.000000Z', 1767225600 + N, 'unixepoch') AS AT FROM N)",
            rusqlite::params![i64::try_from(events).unwrap(), SURVEY],
        )
        .unwrap();
}

fn named(events: u64) -> String {
    format!("{events} events")
}

/// Each figure beside that of the empty inbox.
fn compared(
    report: &mut Report,
    what: &str,
    unit: &'static str,
    figures: &[Vec<f64>; 3],
    bound: Bound,
) {
    let measure = Measure::new(SECTION, what, unit);
    for (events, rounds) in EVENTS.into_iter().zip(figures) {
        let bound = (events > 0).then_some(bound);
        report.compared(&measure, &named(events), rounds, &figures[0], bound);
    }
}

/// From the start of the process until it says that it is ready.
fn starts(report: &mut Report, sites: &[Site; 3]) {
    let mut figures = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        for (site, rounds) in sites.iter().zip(&mut figures) {
            rounds.push(start_ms(site));
        }
    }
    let measure = Measure::new(SECTION, "start to ready", "ms");
    for (events, rounds) in EVENTS.into_iter().zip(&figures) {
        report.alone(
            &measure,
            &named(events),
            rounds,
            Some(Bound::AtMost(2000.0)),
        );
    }
}

/// One start.
pub(crate) fn start_ms(site: &Site) -> f64 {
    let begun = Instant::now();
    let process = site.serve();
    while load::get(process.addr, "/health/ready").0 != 200 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let took = load::milliseconds(begun.elapsed());
    process.stop();
    took
}

fn accepts(report: &mut Report, sites: &[Site; 3], lasting: Duration) {
    let mut candidates = sites
        .each_ref()
        .map(|site| Candidate::new("serve", site.serve_prepared()));
    for candidate in &mut candidates {
        candidate.warm(lasting / 2);
    }
    for _ in 0..ROUNDS {
        for candidate in &mut candidates {
            candidate.measure(lasting);
        }
    }
    let figures = candidates
        .each_ref()
        .map(|candidate| candidate.per_second.clone());
    compared(report, "accept", "/s", &figures, Bound::AtLeast(0.9));
    let figures = candidates
        .each_ref()
        .map(|candidate| candidate.cpu_us.clone());
    compared(
        report,
        "accept: CPU",
        "µs a callback",
        &figures,
        Bound::AtMost(1.0 / 0.9),
    );
}

/// Claiming what waits, as recovery does; an inbox that holds nothing gets as many events as are claimed.
fn claims(report: &mut Report, sites: &[Site; 3]) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut figures = [const { Vec::new() }; 3];
    for site in sites {
        let connection = Connection::open(site.database()).unwrap();
        let accepted = "DELETE FROM QUALTRICS_INBOX WHERE RESPONSE_ID NOT LIKE 'R_W%'";
        connection.execute(accepted, []).unwrap();
    }
    fill(&sites[0], CLAIMED.into());
    runtime.block_on(async {
        let stores = sites.each_ref().map(|site| {
            Store::open_sqlite(site.database(), Role::Service, Metrics::new()).unwrap()
        });
        for _ in 0..ROUNDS * 4 {
            for (store, rounds) in stores.iter().zip(&mut figures) {
                rounds.push(claim_ms(store).await);
            }
        }
    });
    compared(
        report,
        "claim 64 events",
        "ms",
        &figures,
        Bound::AtMost(1.0 / 0.9),
    );
}

async fn claim_ms(store: &Store) -> f64 {
    let surveys = [SURVEY.parse().unwrap()].into();
    let begun = Instant::now();
    let leases = store.claim(surveys, CLAIMED).await.unwrap();
    let took = load::milliseconds(begun.elapsed());
    for lease in leases {
        store.release(lease).await;
    }
    took
}

/// Rows told to many: when each row is committed, and when the last listener has it.
fn listeners(report: &mut Report) {
    const RATE: f64 = 10.0;
    const COUNT: u64 = 50;
    let qualtrics = Process::part(&["stand-in", "answer"]);
    let mut alone = Vec::new();
    for count in LISTENERS {
        let site = Site::new(qualtrics.addr).saying_rows();
        let serve = site.serve_prepared();
        event_to_row::measure(&serve, 100.0, 50);
        let before = serve.usage();
        let listeners = Listeners::open(serve.addr, count);
        let took = event_to_row::measure(&serve, RATE, COUNT);
        let told = listeners.told();
        let name = format!("{count} listeners");
        let p50 = [median(&took)];
        if alone.is_empty() {
            alone = p50.to_vec();
        }
        let measure = |what, unit| Measure::new(SECTION, what, unit);
        report.compared(
            &measure("event to row, p50", "ms"),
            &name,
            &p50,
            &alone,
            None,
        );
        let told = told as f64 / (count as u64 * COUNT) as f64;
        report.alone(
            &measure("rows told", "of all"),
            &name,
            &[told],
            Some(Bound::AtLeast(1.0)),
        );
        let usage = serve.usage();
        let cpu_ms = (usage.cpu_seconds - before.cpu_seconds) * 1000.0 / COUNT as f64;
        report.alone(&measure("CPU", "ms an event"), &name, &[cpu_ms], None);
        let peak_mib = usage.peak_kib as f64 / 1024.0;
        report.alone(
            &measure("peak memory", "MiB"),
            &name,
            &[peak_mib],
            Some(Bound::AtMost(48.0)),
        );
    }
}
