//! Too many peers, too large questions, too long a backlog.

use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Scale;
use crate::ground::{Address, Ground, Invariants, count_of, kibibytes, p99, unoptimised};
use crate::process::{Running, SURVEY};

const FEEDBACK: &str = "/odata/v4/feedback/";

/// Limits of a process that runs already. Source: prlimit(1).
fn limit(running: &Running, limit: &str) {
    let status = Command::new("prlimit")
        .args(["--pid", &running.child.id().unwrap().to_string(), limit])
        .status()
        .unwrap();
    assert!(status.success());
}

/// Processor time that a process has used so far.
fn processor_time(running: &Running) -> Duration {
    let stat =
        std::fs::read_to_string(format!("/proc/{}/stat", running.child.id().unwrap())).unwrap();
    // Fields 14 and 15, in hundredths of a second; the name before them may hold spaces. Source: proc(5).
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

/// How long a genuine callback may take while others are slow. In a debug build this only says that it is not stuck.
const GENUINE: Duration = Duration::from_millis(if cfg!(debug_assertions) { 1_000 } else { 50 });

pub(crate) async fn f24_slow_peers(scale: Scale) -> String {
    let ground = Ground::sqlite().await;
    let running = ground.serve().await;
    ground.people.tell_all(&running.url(""), 10).await;
    let begun = Instant::now();
    let count = scale.pick(800, 2_000);
    let mut slow = Vec::new();
    for n in 0..count {
        let mut stream = TcpStream::connect(running.addr).await.unwrap();
        let beginning: &str = match n % 4 {
            0 => "POST /webhooks/qualtrics HTTP/1.1\r\nhost: x\r\n",
            1 => {
                "POST /webhooks/qualtrics HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 1000\r\n\r\na"
            }
            2 => {
                "POST /odata/v4/feedback/$batch HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n{\"requests\":["
            }
            _ => "",
        };
        stream.write_all(beginning.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    // Listeners that never read what they are sent.
    let mut listeners = Vec::new();
    for _ in 0..50 {
        let mut stream = TcpStream::connect(running.addr).await.unwrap();
        stream
            .write_all(b"GET /events HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        listeners.push(stream);
    }

    let load = ground.people.load(&Address::of(&running), 40);
    tokio::time::sleep(Duration::from_secs(6)).await;
    let answers = load.end().await;
    let slowest = p99(&answers);
    assert_eq!(count_of(&answers, 200), answers.len());
    assert!(slowest < GENUINE, "{slowest:?}");
    for stream in &mut slow {
        let mut rest = Vec::new();
        let ended =
            tokio::time::timeout(Duration::from_secs(40), stream.read_to_end(&mut rest)).await;
        assert!(
            ended.is_ok(),
            "a slow peer is still there after {:?}",
            begun.elapsed()
        );
    }
    let cut = begun.elapsed();
    drop(listeners);
    let figures = Invariants::default().hold(&ground, &running).await;
    format!("{count} slow peers cut within {cut:.0?}, genuine p99 {slowest:.0?}; {figures}")
}

pub(crate) async fn f25_a_flood_of_connections(scale: Scale) -> String {
    let ground = Ground::sqlite().await;
    let running = ground.serve().await;
    ground.people.tell_all(&running.url(""), 5).await;
    ground.settled(0, Duration::from_secs(20)).await;
    limit(&running, "--nofile=200:200");
    let flood = scale.pick(1_000, 10_000);
    let connecting = (0..flood)
        .map(|_| tokio::time::timeout(Duration::from_secs(2), TcpStream::connect(running.addr)));
    let streams: Vec<_> = futures_util::future::join_all(connecting)
        .await
        .into_iter()
        .flatten()
        .flatten()
        .collect();
    let connected = streams.len();
    let before = processor_time(&running);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let used = processor_time(&running) - before;
    assert!(
        used < unoptimised(Duration::from_millis(200)),
        "{used:?} of processor time in two seconds at the limit"
    );
    let log = running.log();
    let said = log.matches("a connection could not be accepted").count();
    assert_eq!(said, 1, "{log}");
    drop(streams);

    let begun = Instant::now();
    loop {
        let fresh = reqwest::Client::builder()
            .timeout(Duration::from_secs(5))
            .build()
            .unwrap();
        let live = fresh.get(running.url("/health/live")).send().await;
        if live.is_ok_and(|answer| answer.status() == 200) {
            break;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "{}",
            running.log()
        );
    }
    let back = begun.elapsed();
    ground.people.tell_all(&running.url(""), 5).await;
    let figures = Invariants {
        log_lines: 200,
        ..Invariants::default()
    }
    .hold(&ground, &running)
    .await;
    format!(
        "{connected} of {flood} connected, {used:.0?} of processor time in 2 s, back after {back:.1?}, {figures}"
    )
}

/// Rows as if they had come from Qualtrics, straight into the file.
fn fill(ground: &Ground, rows: u32) {
    let mut database = ground.site.open_database();
    let transaction = database.transaction().unwrap();
    transaction
        .execute(
            "WITH RECURSIVE N(I) AS (SELECT 1 UNION ALL SELECT I + 1 FROM N WHERE I < ?1) \
             INSERT INTO PROJECTFEEDBACK (RESPONSEID, RECORDEDDATE, Q1, Q18, ACCOUNTID, DURATION_IN_SECONDS) \
             SELECT printf('R_fill%09d', I), strftime('%Y-%m-%dT%H:%M:%fZ', 1700000000 + I, 'unixepoch'), I % 5 + 1, \
             'text ' || I, 'A' || (I % 100), I % 300 FROM N",
            [rows],
        )
        .unwrap();
    transaction.commit().unwrap();
}

/// Questions that cost more than others, and what each may be answered with.
fn expensive(rows: u32) -> [(Method, String, String, &'static [u16]); 9] {
    let deep = format!(
        "ProjectFeedback?$filter={}Q1%20eq%201{}",
        "(".repeat(5_000),
        ")".repeat(5_000)
    );
    let long = format!(
        "ProjectFeedback?$filter={}",
        vec!["Q1%20eq%201"; 2_000].join("%20or%20")
    );
    let parts = |count: usize| {
        let part = |n: usize| {
            format!(
                r#"{{"id":"{n}","method":"GET","url":"ProjectFeedback?$apply=aggregate($count%20as%20N)"}}"#
            )
        };
        format!(
            r#"{{"requests":[{}]}}"#,
            (0..count).map(part).collect::<Vec<_>>().join(",")
        )
    };
    [
        (Method::GET, deep, String::new(), &[400]),
        (Method::GET, long, String::new(), &[400, 414, 431]),
        (Method::GET, "ProjectFeedback?$apply=groupby((AccountID,Q1),aggregate(Q1%20with%20average%20as%20A))".to_owned(), String::new(), &[200]),
        (Method::GET, format!("ProjectFeedback?$orderby=Q18&$skip={}", rows - 5), String::new(), &[200, 503]),
        (Method::GET, "ProjectFeedback?$search=nothing&$count=true".to_owned(), String::new(), &[200, 503]),
        (Method::GET, "ProjectFeedback?$filter=contains(Q18,'9')&$count=true&$top=1".to_owned(), String::new(), &[200, 503]),
        (Method::GET, "ProjectFeedback?$format=csv".to_owned(), String::new(), &[200]),
        (Method::POST, "$batch".to_owned(), parts(100), &[200, 503]),
        (Method::POST, "$batch".to_owned(), parts(101), &[400, 413]),
    ]
}

/// By how much ingest may be slower while the processors are busy with questions. A debug build's SQLite is not compiled
/// for speed, and shares two cores with all that asks.
const MEANWHILE: Duration = Duration::from_millis(if cfg!(debug_assertions) { 2_000 } else { 100 });

pub(crate) async fn f26_expensive_queries(scale: Scale) -> String {
    let ground = Ground::sqlite().await;
    let running = ground.serve().await;
    let rows = scale.pick(30_000, 1_000_000);
    fill(&ground, rows);
    let address = Address::of(&running);
    let load = ground.people.load(&address, 20);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let usual = p99(&load.end().await);
    let memory = kibibytes(&running, "VmRSS:");

    let asks = expensive(rows);
    let load = ground.people.load(&address, 20);
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(60))
        .build()
        .unwrap();
    let asking = asks
        .iter()
        .flat_map(|ask| [ask, ask])
        .map(|(method, path, body, wanted)| {
            let request = client.request(method.clone(), running.url(&format!("{FEEDBACK}{path}")));
            let request = request
                .header("content-type", "application/json")
                .body(body.clone());
            async move {
                let answer = request.send().await.unwrap();
                let status = answer.status().as_u16();
                let bytes = answer
                    .bytes()
                    .await
                    .map(|bytes| bytes.len())
                    .unwrap_or_default();
                assert!(wanted.contains(&status), "{path:.80}: {status}");
                bytes
            }
        });
    let bytes: usize = futures_util::future::join_all(asking)
        .await
        .into_iter()
        .sum();
    let answers = load.end().await;

    let meanwhile = p99(&answers);
    let grown = kibibytes(&running, "VmRSS:").saturating_sub(memory) / 1024;
    assert_eq!(count_of(&answers, 200), answers.len());
    assert!(
        meanwhile < usual + MEANWHILE,
        "{meanwhile:?}, was {usual:?}"
    );
    assert!(grown < 80, "{grown} MiB more");
    let filled = "DELETE FROM PROJECTFEEDBACK WHERE RESPONSEID LIKE 'R_fill%'";
    ground.site.open_database().execute(filled, []).unwrap();
    let figures = Invariants {
        memory_mib: 240,
        ..Invariants::default()
    }
    .hold(&ground, &running)
    .await;
    format!(
        "over {rows} rows, {bytes} bytes answered, ingest p99 {meanwhile:.0?} (was {usual:.0?}), {grown} MiB more; {figures}"
    )
}

/// Memory of the shipped container. Debug builds have larger code and stacks.
const MEMORY_MIB: u64 = if cfg!(debug_assertions) { 128 } else { 64 };

pub(crate) async fn f32_a_million_events_wait(scale: Scale) -> String {
    let mut ground = Ground::sqlite().await;
    // So that the backlog stays: what is read at this rate is little.
    ground.site.set("QUALTRICS_REQUESTS_PER_MINUTE", "60");
    let mut running = ground.serve().await;
    running.signal("TERM");
    running.child.wait().await.unwrap();
    let events = scale.pick(50_000, 1_000_000);
    let pending = "WITH RECURSIVE N(I) AS (SELECT 1 UNION ALL SELECT I + 1 FROM N WHERE I < ?1) \
         INSERT INTO QUALTRICS_INBOX (SURVEY_ID, RESPONSE_ID, TOPIC, COMPLETED_AT, RECEIVED_AT, STATE, ATTEMPTS, NEXT_ATTEMPT_AT) \
         SELECT ?2, printf('R_wait%09d', I), 'completedResponse', '2026-01-02T03:04:05.000Z', \
         strftime('%Y-%m-%dT%H:%M:%fZ', 1767323045 + I / 100, 'unixepoch'), 'pending', 0, '2026-01-02T03:04:05.000Z' FROM N";
    ground
        .site
        .open_database()
        .execute(pending, rusqlite::params![events, SURVEY])
        .unwrap();
    // None of them is at Qualtrics, which says so once; then they wait for their next attempt.
    let begun = Instant::now();
    let running = ground.site.serve().await;
    let start = begun.elapsed();
    assert!(start < unoptimised(Duration::from_secs(2)), "{start:?}");
    limit(
        &running,
        &format!("--data={}", MEMORY_MIB * 4 * 1024 * 1024),
    );
    fill(&ground, scale.pick(50_000, 1_000_000));

    let mut listeners = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(running.addr).await.unwrap();
        stream
            .write_all(b"GET /events HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        listeners.push(stream);
    }
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(600))
        .build()
        .unwrap();
    let export = async {
        let mut answer = client
            .get(running.url(&format!("{FEEDBACK}ProjectFeedback?$format=csv")))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        let mut bytes = 0;
        while let Some(chunk) = answer.chunk().await.unwrap() {
            bytes += chunk.len();
        }
        bytes
    };
    let telling = async {
        let load = ground.people.load(&Address::of(&running), 20);
        tokio::time::sleep(scale.pick(Duration::from_secs(5), Duration::from_secs(60))).await;
        load.end().await
    };
    let (bytes, answers) = tokio::join!(export, telling);

    let peak = kibibytes(&running, "VmHWM:") / 1024;
    assert!(peak <= MEMORY_MIB, "{peak} MiB");
    assert_eq!(
        count_of(&answers, 200),
        answers.len(),
        "callbacks are accepted all the while"
    );
    assert!(!running.log().contains("panicked"), "{}", running.log());
    let slowest = p99(&answers);
    format!(
        "{events} events waiting: started in {start:.1?}, peak {peak} MiB with 200 listeners and an export of {bytes} bytes, callbacks p99 {slowest:.0?}"
    )
}
