//! Fifty callbacks a second for five minutes, while Qualtrics lets a brand read 240 responses a minute: most rows come
//! by exports, and nothing may pile up. Only when asked for, because it takes its time.

use std::time::{Duration, Instant};

use qualtrics_sandbox::{Limits, Options, Sandbox, Survey};
use rusqlite::{Connection, OpenFlags};
use serde_json::json;

use crate::callbacks::{KEY, SURVEY};
use crate::process::Site;
use crate::report::{Bound, Measure, Report, quantile};

const SECTION: &str = "sustained";
const RATE: f64 = 50.0;
/// How long what is left may take to become rows.
const PATIENCE: Duration = Duration::from_secs(120);
/// What a minute may leave waiting.
const BACKLOG_MAX: f64 = 60.0 * RATE;

pub(crate) fn run(report: &mut Report, seconds: Option<u64>) {
    let seconds = seconds.unwrap_or(300);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let sandbox = runtime.block_on(async {
        let options = Options {
            limits: Limits::Real,
            surveys: vec![Survey::project_feedback().unwrap()],
            ..Options::default()
        };
        let any = ([127, 0, 0, 1], 0).into();
        Sandbox::bind(any, options).await.unwrap()
    });
    let qualtrics = sandbox.addr();
    let completing = sandbox.handle();
    runtime.spawn(sandbox.run(std::future::pending()));
    let site = Site::new(qualtrics).set("QUALTRICS_REQUESTS_PER_MINUTE", "200");
    let serve = site.serve_prepared();
    runtime.block_on(subscribe(
        &format!("http://{qualtrics}"),
        &format!("http://{}", serve.addr),
    ));

    let before = serve.usage();
    let begun = Instant::now();
    let count = (RATE * seconds as f64) as u64;
    let mut backlog = Vec::new();
    for number in 0..count {
        let due = begun + Duration::from_secs_f64(number as f64 / RATE);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        completing
            .complete(SURVEY, json!({"AccountID": "ACME"}))
            .unwrap();
        if number % (RATE as u64) == 0 {
            backlog.push(waiting(&site));
        }
    }
    let sent = Instant::now();
    while rows(&site) < count {
        assert!(
            sent.elapsed() < PATIENCE,
            "{} of {count} are rows",
            rows(&site)
        );
        std::thread::sleep(Duration::from_millis(200));
    }
    let spent = serve.usage().cpu_seconds - before.cpu_seconds;
    let cpu_ms = spent * 1000.0 / count as f64;
    let peak_mib = serve.usage().peak_kib as f64 / 1024.0;
    let took = event_to_row(&site);
    let figures = [
        ("event to row, p50", "s", quantile(&took, 0.5), None),
        ("event to row, p99", "s", quantile(&took, 0.99), None),
        (
            "largest backlog",
            "events",
            quantile(&backlog, 1.0),
            Some(Bound::AtMost(BACKLOG_MAX)),
        ),
        ("CPU", "ms an event", cpu_ms, None),
        ("peak memory", "MiB", peak_mib, Some(Bound::AtMost(48.0))),
    ];
    for (what, unit, figure, bound) in figures {
        let measure = Measure::new(SECTION, format!("{what}, {seconds} s"), unit);
        report.alone(&measure, "serve", &[figure], bound);
    }
}

/// As an administrator would, with the key that the service has.
async fn subscribe(qualtrics: &str, service: &str) {
    let body = json!({
        "topics": format!("surveyengine.completedResponse.{SURVEY}"),
        "publicationUrl": format!("{service}/webhooks/qualtrics"), "encrypt": false, "sharedKey": KEY,
    });
    let url = format!("{qualtrics}/API/v3/eventsubscriptions");
    let request = crate::standin::client()
        .post(url)
        .header("x-api-token", "sandbox-token");
    let answer = request.json(&body).send().await.unwrap();
    assert!(
        answer.status().is_success(),
        "{}",
        answer.text().await.unwrap()
    );
}

fn one(site: &Site, question: &str) -> f64 {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = Connection::open_with_flags(site.database(), flags).unwrap();
    connection
        .query_row(question, [], |row| row.get(0))
        .unwrap()
}

fn waiting(site: &Site) -> f64 {
    one(
        site,
        "SELECT CAST(COUNT(*) AS REAL) FROM QUALTRICS_INBOX WHERE STATE <> 'done'",
    )
}

fn rows(site: &Site) -> u64 {
    one(site, "SELECT CAST(COUNT(*) AS REAL) FROM PROJECT_FEEDBACK") as u64
}

/// Of each event, in seconds, as the change log has it.
fn event_to_row(site: &Site) -> Vec<f64> {
    let connection = Connection::open(site.database()).unwrap();
    let mut prepared = connection
        .prepare(
            "SELECT 86400 * (julianday(COMMITTED_AT) - julianday(RECEIVED_AT)) FROM QUALTRICS_CHANGES
             WHERE RECEIVED_AT IS NOT NULL",
        )
        .unwrap();
    let took = prepared.query_map([], |row| row.get(0)).unwrap();
    took.map(Result::unwrap).collect()
}
