//! A TCP proxy for one hop, whose connections can be spoiled while they are used.
//!
//! Invariant: a fault holds for connections that exist and for new ones, until the next
//! [`Proxy::set`]; the port stays the proxy's. Not here: what travels through it (no protocol is
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

/// A proxy in front of one address. Gone, with its connections, when dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    fault: watch::Sender<Fault>,
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
        let (fault, faults) = watch::channel(Fault::None);
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let held = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&held);
        let thread = thread::Builder::new()
            .name("proxy".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = serve(listener, address, target, faults, count) => {}
                        _ = stopped => {}
                    }
                });
            })?;
        Ok(Self {
            address,
            fault,
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
        self.fault.send_replace(fault);
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
    mut faults: watch::Receiver<Fault>,
    held: Arc<AtomicUsize>,
) {
    let mut listener = Some(listener);
    loop {
        let refusing = *faults.borrow_and_update() == Fault::Refuse;
        match (&listener, refusing) {
            (Some(_), true) => listener = None,
            // The port may still be in the hands of a connection that is going away.
            (None, false) => listener = listen(address).await.ok(),
            (Some(_), false) | (None, true) => {}
        }
        let Some(open) = &listener else {
            let wait = Duration::from_millis(20);
            drop(tokio::time::timeout(wait, faults.changed()).await);
            continue;
        };
        tokio::select! {
            changed = faults.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            accepted = open.accept() => {
                if let Ok((client, _)) = accepted {
                    let (faults, held) = (faults.clone(), Arc::clone(&held));
                    tokio::spawn(connection(client, target, faults, held));
                }
            }
        }
    }
}

async fn connection(
    client: TcpStream,
    target: SocketAddr,
    mut faults: watch::Receiver<Fault>,
    held: Arc<AtomicUsize>,
) {
    // Who was accepted in silence stays so: it never had a server.
    let silent = *faults.borrow() == Fault::Silent;
    let shared = Shared {
        faults: faults.clone(),
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
    let broken = faults.wait_for(|fault| matches!(fault, Fault::Reset | Fault::Refuse));
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
