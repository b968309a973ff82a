//! A TCP proxy that passes, swallows, cuts or damages.

use std::net::SocketAddr;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::ground::Dice;

/// What becomes of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// They arrive.
    Pass,
    /// They vanish, and nobody is told.
    Swallow,
    /// Connections are cut.
    Cut,
    /// Every third block of an answer arrives with one bit changed, those of the log-on excepted: a proof that is
    /// damaged is a wrong password, which is not tried again soon.
    Garble,
}

/// A proxy before one address.
pub(crate) struct Proxy {
    pub(crate) addr: SocketAddr,
    way: watch::Sender<Way>,
}

impl Proxy {
    pub(crate) async fn before(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (way, ways) = watch::channel(Way::Pass);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(connection(near, target, ways.clone()));
            }
        });
        Self { addr, way }
    }

    pub(crate) fn set(&self, way: Way) {
        self.way.send_replace(way);
    }
}

async fn connection(near: TcpStream, target: SocketAddr, ways: watch::Receiver<Way>) {
    let Ok(far) = TcpStream::connect(target).await else {
        return;
    };
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    let peer = near_read.peer_addr().map_or(1, |peer| peer.port());
    let dice = Dice::new(peer.into());
    tokio::join!(
        carry(near_read, far_write, ways.clone(), None),
        carry(far_read, near_write, ways, Some(dice))
    );
}

async fn carry(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut ways: watch::Receiver<Way>,
    mut dice: Option<Dice>,
) {
    use tokio::io::AsyncReadExt as _;
    let mut block = vec![0; 16 * 1024];
    let mut blocks = 0;
    loop {
        let way = *ways.borrow_and_update();
        if way == Way::Cut {
            return;
        }
        tokio::select! {
            changed = ways.changed() => if changed.is_err() { return },
            read = from.read(&mut block) => match read {
                Ok(0) | Err(_) => break,
                Ok(_) if way == Way::Swallow => {}
                Ok(count) => {
                    blocks += 1;
                    if way == Way::Garble && blocks > LOG_ON && let Some(dice) = &mut dice {
                        garble(&mut block[..count], dice);
                    }
                    if to.write_all(&block[..count]).await.is_err() {
                        return;
                    }
                }
            },
        }
    }
    drop(to.shutdown().await);
}

/// Blocks that a log-on takes.
const LOG_ON: usize = 5;

fn garble(block: &mut [u8], dice: &mut Dice) {
    let length = u64::try_from(block.len()).unwrap();
    if dice.below(3) == 0 {
        let place = usize::try_from(dice.below(length)).unwrap();
        block[place] ^= 1 << dice.below(8);
    }
}
