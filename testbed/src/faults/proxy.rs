//! A TCP proxy for one hop, whose connections can be spoiled while they are used.
//!
//! Invariant: a fault holds for connections that exist and for new ones, until the next
//! [`Proxy::set`]; one that ends connections ends all that exist, however soon it is healed; the
//! port stays the proxy's. Not here: what travels through it (no protocol is
//! understood, only bytes), and packets (this is user space).

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

use super::pump::{Shared, carry};
use crate::stack::StackError;
use crate::stack::ports::free_port;

/// Which bytes a fault touches.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// From the client.
    ToServer,
    /// From the server.
    ToClient,
    /// All.
    Both,
}

/// What is wrong with the hop.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fault {
    /// Nothing: bytes pass.
    None,
    /// Nobody listens: a connection is refused, existing ones are reset.
    Refuse,
    /// Bytes are swallowed, connections stay open.
    Blackhole(Direction),
    /// New connections are accepted and never answered; existing ones are blackholed.
    Silent,
    /// Connections are reset, old and new.
    Reset,
    /// Each piece waits this long.
    Delay(Duration),
    /// Bytes travel one at a time.
    Slice,
    /// Once a client has sent these bytes, they are passed on, and the server's replies to that
    /// client are swallowed: done, but nobody is told.
    HoldReplyAfter(&'static [u8]),
}

impl Fault {
    const fn ends_connections(&self) -> bool {
        match self {
            Self::Refuse | Self::Reset => true,
            Self::None
            | Self::Blackhole(_)
            | Self::Silent
            | Self::Delay(_)
            | Self::Slice
            | Self::HoldReplyAfter(_) => false,
        }
    }
}

/// What is wrong now, and how often connections were ended: who looks only now and then sees the
/// last fault and not those before it, but the number tells of them.
#[derive(Clone, Debug)]
pub(super) struct Hop {
    pub(super) fault: Fault,
    ended: u64,
}

impl Hop {
    /// Whether a connection that began when `ended` was so many is at its end.
    const fn ends(&self, ended: u64) -> bool {
        self.ended != ended || self.fault.ends_connections()
    }
}

/// A proxy in front of one address. Gone, with its connections, when dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    hop: watch::Sender<Hop>,
    held: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
}

impl Proxy {
    /// Listens on a free loopback port; connects to `target` for each client, which need not be
    /// there yet.
    ///
    /// # Errors
    /// When there is no port or no runtime.
    pub fn start(target: SocketAddr) -> Result<Self, StackError> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        Self::listening(address, target).map_err(StackError::Proxy)
    }

    fn listening(address: SocketAddr, target: SocketAddr) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let listener = runtime.block_on(listen(address))?;
        let (hop, seen) = watch::channel(Hop {
            fault: Fault::None,
            ended: 0,
        });
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let held = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&held);
        let thread = thread::Builder::new()
            .name("proxy".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = serve(listener, address, target, seen, count) => {}
                        _ = stopped => {}
                    }
                });
            })?;
        Ok(Self {
            address,
            hop,
            held,
            thread: Some(thread),
            stop: Some(stop),
        })
    }

    /// Where clients connect.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on this is wrong; [`Fault::None`] heals.
    pub fn set(&self, fault: Fault) {
        self.hop.send_modify(|hop| {
            hop.ended = hop.ended.wrapping_add(u64::from(fault.ends_connections()));
            hop.fault = fault;
        });
    }

    /// How many connections have had their reply held by [`Fault::HoldReplyAfter`] so far.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

async fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(128)
}

async fn serve(
    listener: TcpListener,
    address: SocketAddr,
    target: SocketAddr,
    mut hop: watch::Receiver<Hop>,
    held: Arc<AtomicUsize>,
) {
    let mut listener = Some(listener);
    loop {
        let refusing = hop.borrow_and_update().fault == Fault::Refuse;
        match (&listener, refusing) {
            (Some(_), true) => listener = None,
            // The port may still be in the hands of a connection that is going away.
            (None, false) => listener = listen(address).await.ok(),
            (Some(_), false) | (None, true) => {}
        }
        let Some(open) = &listener else {
            let wait = Duration::from_millis(20);
            drop(tokio::time::timeout(wait, hop.changed()).await);
            continue;
        };
        tokio::select! {
            changed = hop.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            accepted = open.accept() => {
                if let Ok((client, _)) = accepted {
                    let (hop, held) = (hop.clone(), Arc::clone(&held));
                    tokio::spawn(connection(client, target, hop, held));
                }
            }
        }
    }
}

async fn connection(
    client: TcpStream,
    target: SocketAddr,
    mut hop: watch::Receiver<Hop>,
    held: Arc<AtomicUsize>,
) {
    // Who was accepted in silence stays so: it never had a server.
    let silent = hop.borrow().fault == Fault::Silent;
    let began = hop.borrow().ended;
    let shared = Shared {
        hop: hop.clone(),
        holding: AtomicBool::new(false),
        held: &held,
    };
    let mut client = client;
    let carrying = async {
        if silent {
            return std::future::pending().await;
        }
        let mut server = TcpStream::connect(target).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let there = carry(from_client, to_server, Direction::ToServer, &shared);
        let back = carry(from_server, to_client, Direction::ToClient, &shared);
        tokio::try_join!(there, back).map(drop)
    };
    let broken = hop.wait_for(|hop| hop.ends(began));
    let ended: bool = tokio::select! {
        outcome = carrying => outcome.is_err(),
        _ = broken => true,
    };
    if ended {
        reset(&client);
    }
}

/// A close that the other side sees as a reset.
fn reset(stream: &TcpStream) {
    drop(stream.set_zero_linger());
}
