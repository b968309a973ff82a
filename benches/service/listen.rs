//! Those who listen at `/events`, many in one thread.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Runtime;

/// Open event streams.
pub(crate) struct Listeners {
    rows: Arc<AtomicU64>,
    _runtime: Runtime,
}

const ROW: &[u8] = b"event: row";

impl Listeners {
    /// Opens so many, and waits until each has its first block.
    pub(crate) fn open(addr: SocketAddr, count: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let rows = Arc::new(AtomicU64::new(0));
        let opened: Vec<_> = (0..count).map(|_| runtime.spawn(open(addr))).collect();
        runtime.block_on(async {
            for stream in opened {
                let stream = stream.await.unwrap();
                tokio::spawn(count_rows(stream, rows.clone()));
            }
        });
        Self {
            rows,
            _runtime: runtime,
        }
    }

    /// How many rows all of them were told, once no more come.
    pub(crate) fn told(&self) -> u64 {
        let mut told = 0;
        loop {
            std::thread::sleep(Duration::from_secs(1));
            match self.rows.load(Ordering::Relaxed) {
                now if now == told => return told,
                now => told = now,
            }
        }
    }
}

async fn open(addr: SocketAddr) -> tokio::net::TcpStream {
    let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
    stream
        .write_all(b"GET /events HTTP/1.1\r\nhost: bench\r\n\r\n")
        .await
        .unwrap();
    let mut begun = [0; 2048];
    let read = stream.read(&mut begun).await.unwrap();
    assert_eq!(
        begun.get(9..12),
        Some(&b"200"[..]),
        "{}",
        String::from_utf8_lossy(&begun[..read])
    );
    stream
}

async fn count_rows(mut stream: tokio::net::TcpStream, rows: Arc<AtomicU64>) {
    let mut buffer = vec![0; 16 * 1024];
    let mut kept = 0;
    while let Ok(read @ 1..) = stream.read(&mut buffer[kept..]).await {
        let text = &buffer[..kept + read];
        let found = text.windows(ROW.len()).filter(|text| *text == ROW).count();
        rows.fetch_add(found as u64, Ordering::Relaxed);
        // What may be the beginning of the next one.
        let keep = text.len().min(ROW.len() - 1);
        let from = text.len() - keep;
        buffer.copy_within(from..from + keep, 0);
        kept = keep;
    }
}
