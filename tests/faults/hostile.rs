//! Requests of somebody who means harm.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Scale;
use crate::ground::{COMPLETED, FORM, Ground, Invariants, kibibytes};
use crate::process::{KEY, Running, message, signed};

/// Sends bytes as they are, and reads what comes until the end; nothing if nothing came.
async fn raw(running: &Running, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(running.addr).await.unwrap();
    // The other side may have heard enough before the end.
    drop(stream.write_all(bytes).await);
    let mut text = Vec::new();
    let reading = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut text));
    assert!(reading.await.is_ok(), "still open");
    String::from_utf8_lossy(&text).into_owned()
}

/// Requests that are wrong on the wire, and what they may be answered with.
fn tricks() -> [(String, &'static [&'static str]); 9] {
    let head = |rest: &str| {
        format!(
            "POST /webhooks/qualtrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: {FORM}\r\n{rest}\r\n\r\n"
        )
    };
    [
        (
            head("content-length: 65537") + &"x".repeat(65_537),
            &["413"],
        ),
        (head("content-length: 18446744073709551616"), &["400"]),
        (
            head("content-length: 5\r\ncontent-length: 6") + "a=b&c=",
            &["400"],
        ),
        // Chunked wins, so it is empty: a probe. Source: RFC 9112, 6.3.
        (
            head("content-length: 3\r\ntransfer-encoding: chunked") + "0\r\n\r\n",
            &["400", "200"],
        ),
        (
            head("transfer-encoding: chunked") + "fffffffffffffffff\r\nx",
            &["400"],
        ),
        (
            head("transfer-encoding: chunked") + "-1\r\nx\r\n0\r\n\r\n",
            &["400"],
        ),
        (head(&format!("x-large: {}", "y".repeat(200_000))), &["431"]),
        (head(&"a: b\r\n".repeat(500)), &["431"]),
        (
            head("content-length: 60000") + &"a&".repeat(30_000),
            &["400"],
        ),
    ]
}

const BAD_CODES: [&str; 5] = [
    "MSG=%",
    "MSG=%zz&HMAC=1",
    "%00=%ff",
    "HMAC=%u0041&MSG=1",
    "MSG=%C3%28&HMAC=00",
];
const BAD_IDS: [&str; 6] = [
    "R_1';DROP TABLE QUALTRICS_INBOX;--",
    "R_../../../whoami",
    "R_%2e%2e",
    "R_1\\u0000",
    "R_1?x=y",
    "R_\u{ff21}",
];

pub(crate) async fn f23_hostile_input(scale: Scale) -> String {
    let ground = Ground::sqlite().await;
    let running = ground.serve().await;
    ground.people.tell_all(&running.url(""), 10).await;
    ground.settled(0, Duration::from_secs(20)).await;
    let memory = kibibytes(&running, "VmRSS:");
    let (tricks, mut answered) = (tricks(), Vec::new());

    for _ in 0..scale.pick(5, 200) {
        answered.clear();
        for (n, (bytes, wanted)) in tricks.iter().enumerate() {
            let answer = raw(&running, bytes.as_bytes()).await;
            // An empty answer is a connection cut while the rest was still being sent.
            let status = answer.split(' ').nth(1).unwrap_or("cut").to_owned();
            assert!(
                wanted.contains(&status.as_str()) || status == "cut",
                "trick {n}: {answer}"
            );
            answered.push(status);
        }
        for bad in BAD_CODES {
            let answer = ground.people.post(&running.url(""), bad.to_owned()).await;
            assert!(
                matches!(answer.status, Some(400 | 401)),
                "{bad}: {answer:?}"
            );
        }
        for id in BAD_IDS {
            let answer = ground
                .people
                .post(&running.url(""), signed(&message(id, COMPLETED), KEY))
                .await;
            assert_eq!(answer.status, Some(400), "{id}: {answer:?}");
        }
    }

    let grown = kibibytes(&running, "VmRSS:").saturating_sub(memory) / 1024;
    assert!(grown < 30, "{grown} MiB more");
    assert_eq!(ground.people.sandbox.counters().calls_of("response"), 10);
    assert_eq!(ground.held().await.events.len(), 10);
    let figures = Invariants::default().hold(&ground, &running).await;
    format!(
        "answered {}, {grown} MiB more; {figures}",
        answered.join(" ")
    )
}
