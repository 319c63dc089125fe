//! Carrying bytes one way, as the fault of the moment permits.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;

use super::proxy::{Direction, Fault, Hop};

/// What both ways of one connection know.
#[derive(Debug)]
pub(super) struct Shared<'a> {
    pub(super) hop: watch::Receiver<Hop>,
    /// This connection's replies are held.
    pub(super) holding: AtomicBool,
    /// Connections held so far, all together.
    pub(super) held: &'a AtomicUsize,
}

/// Carries bytes until one side ends; what is swallowed is read all the same.
pub(super) async fn carry(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    way: Direction,
    shared: &Shared<'_>,
) -> std::io::Result<()> {
    let mut buffer = vec![0_u8; 16 * 1024];
    let mut recent = Vec::new();
    loop {
        let count = from.read(&mut buffer).await?;
        let Some(piece) = buffer.get(..count).filter(|piece| !piece.is_empty()) else {
            return to.shutdown().await;
        };
        let fault = shared.hop.borrow().fault.clone();
        match fault {
            Fault::None | Fault::Refuse | Fault::Reset => to.write_all(piece).await?,
            Fault::Silent => {}
            Fault::Blackhole(hole) if hole == way || hole == Direction::Both => {}
            Fault::Blackhole(_) => to.write_all(piece).await?,
            Fault::Delay(pause) => {
                tokio::time::sleep(pause).await;
                to.write_all(piece).await?;
            }
            Fault::Slice => {
                for byte in piece {
                    to.write_all(std::slice::from_ref(byte)).await?;
                    to.flush().await?;
                }
            }
            Fault::HoldReplyAfter(pattern) => {
                if way == Direction::ToServer {
                    notice(&mut recent, piece, pattern, shared);
                    to.write_all(piece).await?;
                } else if !shared.holding.load(Ordering::SeqCst) {
                    to.write_all(piece).await?;
                }
            }
        }
    }
}

/// Marks the connection as held once `pattern` has gone by, even across two pieces.
fn notice(recent: &mut Vec<u8>, piece: &[u8], pattern: &[u8], shared: &Shared<'_>) {
    recent.extend_from_slice(piece);
    let seen = recent
        .windows(pattern.len().max(1))
        .any(|window| window == pattern);
    if seen && !shared.holding.swap(true, Ordering::SeqCst) {
        shared.held.fetch_add(1, Ordering::SeqCst);
    }
    let keep = recent.len().saturating_sub(pattern.len());
    recent.drain(..keep);
}
