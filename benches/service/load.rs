//! The load: callbacks from many connections as fast as they are answered, or at a rate whatever is answered.
//!
//! HTTP/1.1 by hand: a client that costs little leaves the two cores to what is measured.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use secrecy::SecretString;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::callbacks::{self, KEY};

/// What a load came to.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    /// Of each request, in milliseconds.
    pub(crate) latencies_ms: Vec<f64>,
    pub(crate) seconds: f64,
}

impl Loaded {
    pub(crate) fn per_second(&self) -> f64 {
        self.latencies_ms.len() as f64 / self.seconds
    }
}

/// Numbers that no response had before, in this run.
pub(crate) static NUMBERS: AtomicU64 = AtomicU64::new(1);

/// Posts callbacks over so many connections, each the next one as soon as the last is answered.
pub(crate) fn closed(addr: SocketAddr, connections: usize, lasting: Duration) -> Loaded {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let begun = Instant::now();
        let workers: Vec<_> = (0..connections)
            .map(|_| tokio::task::spawn_local(post_until(addr, begun + lasting)))
            .collect();
        let mut latencies_ms = Vec::new();
        for worker in workers {
            latencies_ms.append(&mut worker.await.unwrap());
        }
        Loaded {
            latencies_ms,
            seconds: begun.elapsed().as_secs_f64(),
        }
    })
}

async fn post_until(addr: SocketAddr, end: Instant) -> Vec<f64> {
    let key = SecretString::from(KEY);
    let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut latencies, mut buffer) = (Vec::new(), vec![0; 4096]);
    while Instant::now() < end {
        let request = callbacks::request(&key, NUMBERS.fetch_add(1, Ordering::Relaxed));
        let sent = Instant::now();
        stream.write_all(&request).await.unwrap();
        let mut answer = Answer::default();
        while !answer.is_whole(&buffer) {
            answer.take(stream.read(&mut buffer[answer.read..]).await.unwrap());
        }
        latencies.push(milliseconds(sent.elapsed()));
        assert_eq!(
            &buffer[9..12],
            b"200",
            "{}",
            String::from_utf8_lossy(&buffer[..answer.read])
        );
    }
    latencies
}

/// Posts callbacks at a rate from threads of their own, whose sleep is more exact than a runtime's timers. Answers when
/// each was sent.
pub(crate) fn open(addr: SocketAddr, per_second: f64, count: u64) -> Sent {
    const THREADS: u64 = 16;
    let first = NUMBERS.fetch_add(count, Ordering::Relaxed);
    let begun = Instant::now() + Duration::from_millis(50);
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            std::thread::spawn(move || {
                let key = SecretString::from(KEY);
                let mut stream = TcpStream::connect(addr).unwrap();
                stream.set_nodelay(true).unwrap();
                let mut buffer = vec![0; 4096];
                let mut sent = Vec::new();
                for index in (thread..count).step_by(THREADS as usize) {
                    let request = callbacks::request(&key, first + index);
                    let due = begun + Duration::from_secs_f64(index as f64 / per_second);
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    let at = Instant::now();
                    // Who is late because the last answer was late has to count that.
                    let late = at.saturating_duration_since(due) > Duration::from_millis(1);
                    sent.push((first + index, if late { due } else { at }));
                    stream.write_all(&request).unwrap();
                    let mut answer = Answer::default();
                    while !answer.is_whole(&buffer) {
                        answer.take(stream.read(&mut buffer[answer.read..]).unwrap());
                    }
                    assert_eq!(&buffer[9..12], b"200");
                }
                sent
            })
        })
        .collect();
    let sent = threads
        .into_iter()
        .flat_map(|thread| thread.join().unwrap());
    Sent { at: sent.collect() }
}

/// When each callback was sent.
pub(crate) struct Sent {
    pub(crate) at: Vec<(u64, Instant)>,
}

/// One GET on a connection of its own: status and body.
pub(crate) fn get(addr: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(addr).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.get(9..12).and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status.unwrap_or(0), body.to_owned())
}

/// A connection that asks one thing after the other.
pub(crate) struct KeptAlive {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl KeptAlive {
    pub(crate) fn to(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            buffer: vec![0; 64 * 1024],
        }
    }

    /// Asks, and reads the answer to its end, which must be a good one.
    pub(crate) fn get(&mut self, path: &str) {
        let request = format!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n");
        self.stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Answer::default();
        while !answer.is_whole(&self.buffer) {
            answer.take(self.stream.read(&mut self.buffer[answer.read..]).unwrap());
        }
        let text = &self.buffer[..answer.read];
        assert_eq!(&text[9..12], b"200", "{}", String::from_utf8_lossy(text));
    }
}

/// An answer as far as it was read.
#[derive(Default)]
struct Answer {
    read: usize,
}

impl Answer {
    fn take(&mut self, bytes: usize) {
        assert!(bytes > 0, "the connection ended before the answer");
        self.read += bytes;
    }

    fn is_whole(&self, buffer: &[u8]) -> bool {
        let answer = &buffer[..self.read];
        let Some(head) = answer.windows(4).position(|end| end == b"\r\n\r\n") else {
            return false;
        };
        const LENGTH: &[u8] = b"content-length: ";
        let Some(at) = answer.windows(LENGTH.len()).position(|name| name == LENGTH) else {
            // In chunks then.
            return answer.ends_with(b"\r\n0\r\n\r\n");
        };
        let length = answer[at + LENGTH.len()..]
            .iter()
            .take_while(|digit| digit.is_ascii_digit())
            .fold(0, |length, digit| length * 10 + usize::from(digit - b'0'));
        self.read >= head + 4 + length
    }
}

pub(crate) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
